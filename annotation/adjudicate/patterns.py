"""Patterns of annotators: what a confusion may look like before an annotator is known well.

An annotator's confusion is shrunk to the patterns that their votes resemble. With few votes that is
nearly what everybody does; with more it becomes someone careful, someone severe, someone who
guesses. How common each pattern is, is learned.
"""

from __future__ import annotations

import numpy as np

from annotation.adjudicate.votes import Floats, normal, softmax

_STRAY = 0.015
"""Share of every pattern's votes that fall anywhere, so that nothing is impossible."""

_RESEMBLANCE = 0.5
"""Weight of a vote as evidence for a pattern: people only resemble patterns."""

_BIASES = (-1.0, -0.5, 0.0, 0.5, 1.0)
_SPREADS = (0.3, 0.5, 0.8, 1.3)
_SLIPPING = (0.3, 0.5, 0.7, 0.85, 0.95)
_ACCURACIES = (0.05, 0.25, 0.4, 0.55, 0.7, 0.8, 0.88, 0.95)


def ordinal_patterns(pooled: Floats, marginal: Floats) -> Floats:
    """Votes = truth + bias + noise, in several biases and spreads; and who does not look.

    Args:
        pooled: Everybody's confusion, (K, K), truth in rows.
        marginal: Shares of the levels among all votes, (K,).

    Returns:
        (n_patterns, K, K), rows summing to 1: the pooled confusion, guessing by the shares,
        guessing evenly, an upside-down scale, severe to lenient by precise to noisy, slipping to a
        neighbouring level more or less often, and nearly always one level.
    """
    k = len(marginal)
    eye = np.eye(k)
    beside = _neighbours(k)
    slips = 0.8 * normal(pooled * (beside > 0) + 1e-3 * beside) + 0.2 * marginal
    patterns = [pooled, *_guesses(marginal), _graded(k, 0.0, 0.8)[:, ::-1]]
    patterns += [_graded(k, bias, spread) for bias in _BIASES for spread in _SPREADS]
    patterns += [share * eye + (1 - share) * slips for share in _SLIPPING]
    return _strayed(patterns + _leaning(marginal), marginal)


def nominal_patterns(pooled: Floats, marginal: Floats) -> Floats:
    """Right with some probability, otherwise as the others err; and who does not look.

    Args and Returns: As `ordinal_patterns`; the patterns are the pooled confusion, eight
    accuracies with everybody's errors, two with errors by the shares, guessing, and leaning to one
    level; with two levels also every mixture of sensitivity and specificity.
    """
    k = len(marginal)
    eye, off = np.eye(k), 1 - np.eye(k)
    errors = normal(pooled * off + 1e-3)
    by_share = normal(marginal * off + 1e-6)
    patterns = [pooled, *_guesses(marginal)]
    patterns += [share * eye + (1 - share) * errors for share in _ACCURACIES]
    patterns += [share * eye + (1 - share) * by_share for share in (0.5, 0.8)]
    if k == 2:
        sides = (0.3, 0.6, 0.9)
        patterns += [np.array([[a, 1 - a], [1 - b, b]]) for a in sides for b in sides]
    else:
        patterns += [*((pooled + level) / 2 for level in eye), *_leaning(marginal)]
    return _strayed(patterns, marginal)


PATTERNS = {"ordinal": ordinal_patterns, "nominal": nominal_patterns}
"""Kind of model → its patterns."""


def resembled(counts: Floats, patterns: Floats, common: Floats) -> tuple[Floats, Floats]:
    """What each annotator's votes resemble.

    Args:
        counts: Expected votes, (n_annotators, K, K), truth in rows.
        patterns: (n_patterns, K, K).
        common: How common each pattern is, (n_patterns,), summing to 1.

    Returns:
        The mean pattern of each annotator, (n_annotators, K, K), and how common each pattern is
        among them, (n_patterns,).
    """
    flat = counts.reshape(len(counts), -1)
    evidence = flat @ np.log(patterns).reshape(len(patterns), -1).T
    shares = softmax(_RESEMBLANCE * evidence + np.log(common))
    mean = (shares @ patterns.reshape(len(patterns), -1)).reshape(counts.shape)
    return mean, normal(shares.sum(axis=0) + 0.5)


def _graded(k: int, bias: float, spread: float) -> Floats:
    from scipy.special import ndtr

    levels = np.arange(k)
    below: Floats = ndtr((levels + 0.5 - levels[:, None] - bias) / spread)
    below[:, -1] = 1.0
    return np.diff(below, axis=1, prepend=0.0)


def _guesses(marginal: Floats) -> list[Floats]:
    k = len(marginal)
    return [np.tile(marginal, (k, 1)), np.full((k, k), 1 / k)]


def _leaning(marginal: Floats) -> list[Floats]:
    """Nearly always one level, whatever the pair."""
    k = len(marginal)
    return [np.tile(0.15 * marginal + 0.85 * level, (k, 1)) for level in np.eye(k)]


def _neighbours(k: int) -> Floats:
    """Even shares on the levels beside each, (K, K)."""
    levels = np.arange(k)
    return normal((np.abs(levels[:, None] - levels) == 1).astype(np.float64))


def _strayed(patterns: list[Floats], marginal: Floats) -> Floats:
    return (1 - _STRAY) * np.array(patterns) + _STRAY * marginal
