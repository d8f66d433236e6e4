"""Severity and noise together: votes weigh by their annotator's noise, which needs the severity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotation.graders.cards import Figure
from annotation.graders.chances import t_quantile
from annotation.graders.coded import Floats, Ints, Panel, sums
from annotation.graders.noise import log_errors, variances, weights
from annotation.graders.severity import (
    Fit,
    Shared,
    anchored,
    residuals,
    severities,
    shared_votes,
)
from annotation.graders.shrinking import Shrunk, shrink

_ROUNDS = 3
_FOLLOWS = 0.2
_MOST = 20.0  # of a logarithm: a noise known from two pairs has no upper end worth the name


@dataclass(frozen=True, slots=True)
class Measures:
    """What the shared votes say of each annotator.

    Attributes:
        shared: The votes.
        severity: Severities, in grades.
        severity_shrunk: The same, shrunk.
        noise: Standard deviations, in grades; `error` is that of their logarithm.
        noise_shrunk: Their logarithms, shrunk.
        follows: How much a grade rises where the others' mean is one higher, as a share of the
            median annotator's; 1 = like the others, 0 = guesses, or always says the same.
        apart: (S,) each vote against the others', its annotator's severity still in it.
    """

    shared: Shared
    severity: Fit
    severity_shrunk: Shrunk
    noise: Fit
    noise_shrunk: Shrunk
    follows: Fit
    apart: Floats

    def severity_figures(self, level: float) -> list[Figure]:
        """Severities with Student's intervals."""
        fit = self.severity
        return intervals(fit.value, fit.error, fit.freedom, self.shared.n_votes, level)

    def noise_figures(self, level: float) -> list[Figure]:
        """Noises with intervals that are symmetric in the logarithm."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.noise.value)
        found = intervals(logs, self.noise.error, self.noise.freedom, self.shared.n_votes, level)
        return [_exp(figure) for figure in found]

    def shrunk_figures(self, level: float) -> tuple[list[Figure], list[Figure]]:
        """Shrunk severities and noises with normal intervals."""
        n = self.shared.n_votes
        endless = np.full(len(n), np.inf)
        made = [
            intervals(shrunk.value, shrunk.error, endless, n, level)
            for shrunk in (self.severity_shrunk, self.noise_shrunk)
        ]
        return made[0], [_exp(figure) for figure in made[1]]


def measure(panel: Panel, known: Ints) -> Measures:
    """Severity and noise of everybody who shares pairs with others.

    Args:
        panel: The votes.
        known: (U,) index of the level of a pair that is gold; -1 elsewhere.
    """
    shared = shared_votes(panel)
    n = shared.n_votes
    weight: Floats = np.ones(panel.n_people)
    for _ in range(_ROUNDS):
        severity = severities(shared, weight)
        variance = variances(shared, severity.value, weight)
        logs = log_errors(variance, n)
        floor = np.maximum(variance.value, 1e-6)
        believed = shrink(np.log(floor), logs)
        weight = weights(np.exp(believed.value))
    apart, _ = residuals(shared, severity.value, weight)
    moved = anchored(severity, shared, panel, known)
    apart = apart + (moved.value - severity.value)[shared.annotator]
    noise = Fit(np.sqrt(floor), logs / 2, variance.freedom, variance.common)
    return Measures(
        shared,
        moved,
        shrink(moved.value, moved.error),
        noise,
        shrink(np.log(noise.value), noise.error),
        _follows(shared, apart),
        apart,
    )


def _follows(shared: Shared, apart: Floats) -> Fit:
    """Slope of each annotator's grades on the others' mean, over the median slope; robust errors.

    References:
        White, Econometrica 1980 (errors that do not need equal variances).
    """
    n, count = shared.n_people, shared.n_votes.astype(np.float64)
    who, others = shared.annotator, shared.grade - apart
    with np.errstate(divide="ignore", invalid="ignore"):
        x = others - (sums(who, others, n) / count)[who]
        y = shared.grade - (sums(who, shared.grade, n) / count)[who]
        square = sums(who, x * x, n)
        slope = np.where(square > 1e-9, sums(who, x * y, n) / square, np.nan)
        rest = sums(who, (x * (y - slope[who] * x)) ** 2, n)
        error = np.sqrt(rest * count / (count - 2)) / square
    known = np.isfinite(slope) & np.isfinite(error) & (count >= 3)
    usual = float(np.median(slope[known])) if known.any() else np.nan
    if not usual >= _FOLLOWS:  # a panel that hardly agrees is no measure of anybody
        known, usual = np.zeros(n, dtype=np.bool_), 1.0
    return Fit(
        np.where(known, slope / usual, np.nan),
        np.where(known, error / usual, np.nan),
        np.where(known, count - 2, np.nan),
        np.zeros(n),
    )


def intervals(value: Floats, error: Floats, freedom: Floats, n: Ints, level: float) -> list[Figure]:
    """Figures with Student's intervals; None where undefined."""
    half = t_quantile(level, freedom) * error
    found = []
    for x, h, count in zip(value, half, n, strict=True):
        if not np.isfinite(x):
            found.append(Figure(None, None, None, int(count)))
        elif not np.isfinite(h):
            found.append(Figure(float(x), None, None, int(count)))
        else:
            found.append(Figure(float(x), float(x - h), float(x + h), int(count)))
    return found


def _exp(figure: Figure) -> Figure:
    logs = (figure.value, figure.low, figure.high)
    value, low, high = (None if x is None else float(np.exp(min(x, _MOST))) for x in logs)
    return Figure(value, low, high, figure.n)
