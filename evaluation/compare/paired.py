"""Paired statistics: two systems on the same queries, in one group or over a total of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.intervals import Estimate, t_quantile
from evaluation.metrics.lists import Floats

POWER = 0.8
TIE = 1e-12
"""Differences of a query that are no larger are ties."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Paired values of one group and the group's share in a total.

    Attributes:
        baseline: (n,) values of the queries for which both systems have one.
        candidate: (n,) likewise.
        share: Weight of the group in the total; 1 for a group alone.
    """

    baseline: Floats
    candidate: Floats
    share: float = 1.0

    @property
    def weighted(self) -> Floats:
        """(n,) what each query adds to the difference of the total."""
        return (self.candidate - self.baseline) * (self.share / max(len(self.baseline), 1))


@dataclass(frozen=True, slots=True)
class Wins:
    """Queries on which the candidate is better, both are equal, the baseline is better."""

    wins: int
    ties: int
    losses: int


@dataclass(frozen=True, slots=True)
class LabelNoise:
    """What the total's two figures are under draws of the grades from their posterior.

    Attributes:
        baseline: (draws,) the baseline's figure.
        candidate: (draws,) the candidate's; both NaN where no query has a value.
    """

    baseline: Floats
    candidate: Floats

    @property
    def difference(self) -> Floats:
        """(draws,) candidate - baseline."""
        return self.candidate - self.baseline

    @property
    def n_draws(self) -> int:
        """Draws under which both are defined."""
        return int(np.sum(~np.isnan(self.difference)))

    @property
    def variance(self) -> float:
        """Of the difference over the draws; 0 where there are too few to tell."""
        if self.n_draws < 2:
            return 0.0
        v_old, v_both, v_new = self.moments
        return max(float(v_old - 2 * v_both + v_new), 0.0)

    @property
    def moments(self) -> Floats:
        """(3,) variance of the baseline's figure, covariance, variance of the candidate's."""
        known = ~np.isnan(self.difference)
        return _covariance(self.baseline[known], self.candidate[known])


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference; `None` where it cannot be told.

    Attributes:
        value: candidate - baseline.
        interval: Its t interval over queries.
        relative: value / baseline.
        relative_interval: Fieller's; None also where the baseline is not clearly above 0.
        p_value: Paired t test of no difference, whose inversion both intervals are.
        mde: Smallest true difference that so many queries as varied as these find with 80 % power.
    """

    value: float | None = None
    interval: tuple[float, float] | None = None
    relative: float | None = None
    relative_interval: tuple[float, float] | None = None
    p_value: float | None = None
    mde: float | None = None


def paired_difference(
    strata: Sequence[Stratum],
    *,
    level: float = 0.95,
    power: float = POWER,
    noise: LabelNoise | None = None,
) -> Difference:
    """Difference of two systems' means over paired queries, in one group or a weighted total.

    Args:
        strata: One, or the groups of a total, with shares that sum to 1.
        level: Confidence level, and 1 - the level of the tests.
        power: Of the minimum detectable effect.
        noise: Draws of the grades; their covariance is added to that of the queries.

    Returns:
        The difference; only values without intervals where a stratum has under 2 queries.

    References:
        Fieller, JRSS B 1954, on the paired means; Satterthwaite's degrees of freedom for totals.
    """
    if not strata or any(len(s.baseline) == 0 for s in strata):
        return Difference()
    old = sum(s.share * float(s.baseline.mean()) for s in strata)
    value = sum(s.share * float((s.candidate - s.baseline).mean()) for s in strata)
    value = 0.0 if abs(value) <= TIE else value
    relative = value / old if old > 0 else None
    if any(len(s.baseline) < 2 for s in strata):
        return Difference(value=value, relative=relative)
    moments = [_moments(s) for s in strata]
    free = [len(s.baseline) - 1 for s in strata]
    if noise is not None and noise.n_draws > 1:
        moments.append(noise.moments)
        free.append(noise.n_draws - 1)
    return student(old, value, moments, free, level=level, power=power)


def student(
    old: float,
    value: float,
    moments: Sequence[Floats],
    free: Sequence[int],
    *,
    level: float = 0.95,
    power: float = POWER,
) -> Difference:
    """A difference with the intervals and tests that its variances give.

    Args:
        old: Baseline's figure.
        value: Difference.
        moments: (3,) variance of the baseline's figure, covariance, variance of the candidate's, of
            each independent part of a total; they add up.
        free: Degrees of freedom of each part.
        level: Confidence level, and 1 - the level of the tests.
        power: Of the minimum detectable effect.
    """
    relative = value / old if old > 0 else None
    df = _degrees_of_freedom(moments, free)
    v_old, v_both, v_new = (float(v) for v in np.sum(moments, axis=0))
    error = float(np.sqrt(max(v_old - 2 * v_both + v_new, 0.0)))
    t = t_quantile(level, df)
    return Difference(
        value=value,
        interval=(value - t * error, value + t * error),
        relative=relative,
        relative_interval=fieller(old, old + value, v_old=v_old, v_both=v_both, v_new=v_new, t=t),
        p_value=t_test(value, error, df),
        mde=(t + t_quantile(2 * power - 1, df)) * error,
    )


def t_test(value: float, error: float, df: float) -> float:
    """Two-sided p-value of a value with that standard error and those degrees of freedom."""
    if error == 0:
        return 1.0 if value == 0 else 0.0
    from scipy.special import stdtr

    return float(2 * stdtr(df, -abs(value) / error))


def fieller(
    old: float, new: float, *, v_old: float, v_both: float, v_new: float, t: float
) -> tuple[float, float] | None:
    """Interval of new / old - 1 that inverts the t test of new - (1 + δ) old = 0.

    Args:
        old: Baseline's mean.
        new: Candidate's mean.
        v_old: Variance of the baseline's mean.
        v_both: Covariance of the two means.
        v_new: Variance of the candidate's mean.
        t: Half-width in standard errors.

    Returns:
        Its ends; None where it is unbounded, because the baseline is not clearly above 0.
    """
    a = old**2 - t**2 * v_old
    if old <= 0 or a <= 0:
        return None
    b = old * new - t**2 * v_both
    c = new**2 - t**2 * v_new
    root = float(np.sqrt(max(b**2 - a * c, 0.0)))
    return (b - root) / a - 1.0, (b + root) / a - 1.0


def wins_of(strata: Sequence[Stratum], *, higher_is_better: bool = True) -> Wins:
    """How many queries each system wins."""
    better = 1.0 if higher_is_better else -1.0
    gains = [better * (s.candidate - s.baseline) for s in strata]
    return Wins(
        wins=sum(int(np.sum(gain > TIE)) for gain in gains),
        ties=sum(int(np.sum(np.abs(gain) <= TIE)) for gain in gains),
        losses=sum(int(np.sum(gain < -TIE)) for gain in gains),
    )


def bootstrap_p(estimate: Estimate) -> float | None:
    """Two-sided p-value of 0: how often resampled figures stray from the figure by its own size.

    Returns:
        At least 1 / (replicates + 1); None if the figure is undefined or rests on under 2 queries.

    References:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, 16.4: the null hypothesis is
        made true by moving the replicates.
    """
    replicates = estimate.replicates[~np.isnan(estimate.replicates)]
    if np.isnan(estimate.value) or len(replicates) == 0 or len(estimate.influence) < 2:
        return None
    strayed = np.abs(replicates - estimate.value) >= abs(estimate.value) - TIE
    return float((np.sum(strayed) + 1) / (len(replicates) + 1))


def _moments(stratum: Stratum) -> Floats:
    """Variance of the baseline's mean, covariance, variance of the candidate's, times share²."""
    weight = stratum.share**2 / len(stratum.baseline)
    return _covariance(stratum.baseline, stratum.candidate) * weight


def _covariance(old: Floats, new: Floats) -> Floats:
    """(3,) variance of the first, covariance, variance of the second."""
    covariance = np.cov(np.stack([old, new]))
    return np.array([covariance[0, 0], covariance[0, 1], covariance[1, 1]])


def _degrees_of_freedom(moments: Sequence[Floats], free: Sequence[int]) -> float:
    """Satterthwaite's; n - 1 for one stratum."""
    parts = np.array([m[0] - 2 * m[1] + m[2] for m in moments])
    spread = float(np.sum(parts**2 / np.array(free)))
    return float(parts.sum() ** 2 / spread) if spread > 0 else float(np.sum(free))
