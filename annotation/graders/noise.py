"""Noise: how far somebody's grades scatter about what their severity explains.

The squared distance of a vote from the mean of the others (their severities taken off) is on
average the annotator's own variance plus the others' share of theirs. That is one linear equation
an annotator; together they tell each one's variance apart from the consensus' own noise.

References:
    Grubbs, Journal of the American Statistical Association 1948 (precisions of several
    instruments from their differences).
"""

from __future__ import annotations

import numpy as np

from annotation.graders.coded import Floats, Ints, sums
from annotation.graders.severity import Fit, Shared, matrix, quadratic, residuals

_PSEUDO_PAIRS = 1.0  # of a person like the mean of the others: two people alone are not told apart
_WIDEST = 10.0  # times the median variance, beyond which a weight shrinks no more
_LEAST = 0.05
_STEADY = 60.0


def variances(shared: Shared, severity: Floats, weight: Floats) -> Fit:
    """Variance of each annotator's grades about pair + severity, in grades².

    Args:
        shared: The votes.
        severity: (A,) severities.
        weight: (A,) weights of the votes in the others' mean.

    Returns:
        Variances, not below 0, and their cluster-robust standard errors.
    """
    n = shared.n_people
    apart, others = residuals(shared, severity, weight)
    squared = (apart - severity[shared.annotator]) ** 2
    w2 = weight[shared.annotator] ** 2
    to = matrix(shared.pair, shared.annotator, 1 / others**2, n)
    by = matrix(shared.pair, shared.annotator, w2, n)
    mixing = (to.T @ by).toarray()
    mixing[np.arange(n), np.arange(n)] -= sums(shared.annotator, w2 / others**2, n)
    mixing += np.diag(shared.n_votes.astype(np.float64))
    start = _typical(squared, shared, others, w2)
    inverse = np.linalg.inv(mixing + _PSEUDO_PAIRS * np.eye(n))
    value = inverse @ (sums(shared.annotator, squared, n) + _PSEUDO_PAIRS * start)
    seen = sums(shared.pair, w2 * value[shared.annotator], shared.n_pairs)[shared.pair]
    seen = (seen - w2 * value[shared.annotator]) / others**2
    score = squared - value[shared.annotator] - seen
    scores = matrix(shared.cluster[shared.pair], shared.annotator, score, n)
    freedom = shared.n_clusters - 1.0
    known = (shared.island >= 0) & (freedom >= 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = quadratic(inverse, (scores.T @ scores).toarray())
        error = np.sqrt(spread * (freedom + 1) / freedom)
    return Fit(
        np.where(known, np.maximum(value, 0.0), np.nan),
        np.where(known, error, np.nan),
        np.where(known, freedom, np.nan),
        np.zeros(n),
    )


def log_errors(fit: Fit, n_votes: Ints) -> Floats:
    """(A,) standard errors of log variance, those of few votes steadied by everybody's.

    A variance's error is itself poorly known from few votes, and low where the variance happens to
    be low; its square × votes is averaged with the median annotator's, worth `_STEADY` votes.

    Args:
        fit: Variances with their errors.
        n_votes: (A,) votes behind each.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(fit.value > 0, (fit.error / fit.value) ** 2 * n_votes, np.nan)
    known = relative[np.isfinite(relative)]
    middle = float(np.median(known)) if len(known) else np.nan
    own = np.where(np.isfinite(relative), relative, middle)
    steady = (own * n_votes + middle * _STEADY) / (n_votes + _STEADY)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isnan(fit.error), np.nan, np.sqrt(steady / n_votes))


def weights(variance: Floats) -> Floats:
    """(A,) weights 1 / variance, none more than `_WIDEST` times the median's, NaN like the median.

    Args:
        variance: (A,) variances, better shrunk.
    """
    known = variance[~np.isnan(variance)]
    middle = max(float(np.median(known)), _LEAST**2) if len(known) else 1.0
    filled = np.where(np.isnan(variance), middle, variance)
    return np.asarray(1 / np.clip(filled, middle / 4, middle * _WIDEST), dtype=np.float64)


def _typical(squared: Floats, shared: Shared, others: Floats, w2: Floats) -> float:
    """The variance that fits if all annotators had the same."""
    seen = (sums(shared.pair, w2, shared.n_pairs)[shared.pair] - w2) / others**2
    return float(squared.sum() / (1 + seen).sum()) if len(squared) else 1.0
