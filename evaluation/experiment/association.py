"""How two measured differences go together over experiments: correlation, slope, same sign.

Points of one experiment (its countries) are not independent, so intervals draw whole experiments.
Both differences carry measurement noise, which pulls the correlation and the slope towards 0; where
the standard errors are known, the corrected figures say what would be seen without noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import atanh, sqrt, tanh

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from evaluation.intervals.bca import bca
from evaluation.intervals.proportion import wilson
from evaluation.intervals.resampling import REPLICATES, weights

Floats = NDArray[np.float64]

FEWEST_POINTS = 4
"""Points below which nothing is said: Fisher's z of three has no standard error."""

FEWEST_EXPERIMENTS = 5
"""Experiments from which on they are drawn for the intervals."""

MOST_LOST = 0.1
"""Share of resamplings in which a figure may be undefined before it has no interval."""

_TINY = 1e-12  # of a variance, relative to the mean square: rounding


@dataclass(frozen=True, slots=True)
class Sample:
    """Points (offline, online) of past experiments.

    Attributes:
        x: (n,) offline differences.
        y: (n,) online differences.
        experiments: (n,) number of the experiment that each point belongs to, from 0.
        x_error: (n,) standard errors of x; NaN where unknown.
        y_error: (n,) standard errors of y.
    """

    x: Floats
    y: Floats
    experiments: NDArray[np.int64]
    x_error: Floats
    y_error: Floats

    @property
    def n_experiments(self) -> int:
        """Experiments that have a point."""
        return len(np.unique(self.experiments))


@dataclass(frozen=True, slots=True)
class Statistic:
    """A figure of a sample.

    Attributes:
        value: The figure; None where undefined.
        interval: Its interval; None where there is none.
        note: Why it is undefined, or what to know about it.
        n: Points it rests on.
    """

    value: float | None
    interval: tuple[float, float] | None
    note: str
    n: int


def associate(
    sample: Sample, *, level: float = 0.95, reps: int = REPLICATES, seed: int = 0, key: str = ""
) -> dict[str, Statistic]:
    """The figures of a sample by name.

    `pearson` and `spearman` correlation, `sign_agreement` (share of the points with both
    differences off 0 that have the same sign), `slope` (of y on x), and `pearson_corrected` and
    `slope_corrected` for measurement noise.

    Args:
        sample: The points.
        level: Of the intervals.
        reps: Resamplings of the experiments.
        seed: Of the resampling.
        key: Name of the sample, so that samples are resampled independently of each other.

    Undefined:
        With fewer than 4 points, or where one side does not vary; corrected figures also where
        the points vary no more than their noise. From fewer than 5 experiments only the plain
        correlations have an interval.

    References:
        Fisher (1921), On the "probable error" of a coefficient of correlation; Bonett & Wright
        (2000) for Spearman's; Spearman (1904), The proof and measurement of association (the
        correction for attenuation).
    """
    n = len(sample.x)
    if n < FEWEST_POINTS:
        few = Statistic(None, None, f"needs {FEWEST_POINTS} points, there are {n}", n)
        return dict.fromkeys(_FIGURES, few)
    told = _noise_told(sample)
    found = {}
    for name, figure in _FIGURES.items():
        value = float(figure(np.ones((1, n)), sample)[0])
        if np.isnan(value):
            corrected = name in _CORRECTED
            found[name] = Statistic(None, None, _undefined(sample, corrected=corrected), n)
        elif sample.n_experiments >= FEWEST_EXPERIMENTS:
            draws = weights(sample.n_experiments, seed=seed, key=key, reps=reps, width=n)
            found[name] = _resampled(name, value, _replicates(sample, figure, draws), level, n)
        else:
            found[name] = _by_formula(name, value, sample, level)
        if name in _CORRECTED and found[name].value is not None:
            found[name] = replace(found[name], note=f"{told}; {found[name].note}")
    return found


def reliability(weight: Floats, sample: Sample) -> tuple[Floats, Floats]:
    """Share of the variance of weighted points that is not measurement noise, offline and online.

    Args:
        weight: (reps, n) weights.
        sample: The points.

    Returns:
        Two (reps,) arrays in (0, 1]; NaN where a standard error is unknown, or the points vary no
        more than their noise.
    """
    n = weight.sum(axis=-1)
    shares = []
    spreads = _moments(weight, sample.x, sample.y)[:2]
    for spread, error in zip(spreads, (sample.x_error, sample.y_error), strict=True):
        noise = weight @ error**2 / n
        share = 1 - _divided(noise, spread * n / (n - 1))
        shares.append(np.where(share > 0, share, np.nan))
    return shares[0], shares[1]


Figure = Callable[[Floats, Sample], Floats]
"""(reps, n) weights of the points, and these → (reps,) figures, NaN where undefined."""


def pearson(weight: Floats, x: Floats, y: Floats) -> Floats:
    """Pearson's correlation of weighted points; NaN where a side does not vary."""
    xx, yy, xy = _moments(weight, x, y)
    return _divided(xy, np.sqrt(xx * yy))


def spearman(weight: Floats, x: Floats, y: Floats) -> Floats:
    """Spearman's correlation: Pearson's of the ranks, ties at their mean rank."""
    xx, yy, xy = _moments(weight, _ranks(weight, x), _ranks(weight, y))
    return _divided(xy, np.sqrt(xx * yy))


def slope(weight: Floats, x: Floats, y: Floats) -> Floats:
    """Least-squares slope of y on x."""
    xx, _, xy = _moments(weight, x, y)
    return _divided(xy, xx)


def sign_agreement(weight: Floats, x: Floats, y: Floats) -> Floats:
    """Share of the points with both sides off 0 that have the same sign."""
    same, either = weight @ (x * y > 0), weight @ (x * y != 0)
    return _divided(same, either)


def _pearson_corrected(weight: Floats, sample: Sample) -> Floats:
    """Pearson's correlation without measurement noise, at most 1."""
    x, y = reliability(weight, sample)
    return np.asarray(np.clip(pearson(weight, sample.x, sample.y) / np.sqrt(x * y), -1, 1))


def _slope_corrected(weight: Floats, sample: Sample) -> Floats:
    """The slope without the noise of the offline differences."""
    return slope(weight, sample.x, sample.y) / reliability(weight, sample)[0]


_FIGURES: Mapping[str, Figure] = {
    "pearson": lambda weight, sample: pearson(weight, sample.x, sample.y),
    "pearson_corrected": _pearson_corrected,
    "spearman": lambda weight, sample: spearman(weight, sample.x, sample.y),
    "sign_agreement": lambda weight, sample: sign_agreement(weight, sample.x, sample.y),
    "slope": lambda weight, sample: slope(weight, sample.x, sample.y),
    "slope_corrected": _slope_corrected,
}
_CORRECTED = ("pearson_corrected", "slope_corrected")


def _divided(part: Floats, whole: Floats) -> Floats:
    """The quotient; NaN where `whole` is not above 0."""
    out = np.full_like(whole, np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def _moments(weight: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Variances and covariance of weighted points, each (reps,); rounding becomes 0."""
    n = weight.sum(axis=-1)
    dx = x - ((weight * x).sum(axis=-1) / n)[:, None]
    dy = y - ((weight * y).sum(axis=-1) / n)[:, None]
    xx, yy = (weight * dx * dx).sum(axis=-1) / n, (weight * dy * dy).sum(axis=-1) / n
    xx = np.where(xx > _TINY * np.mean(x * x), xx, 0.0)
    yy = np.where(yy > _TINY * np.mean(y * y), yy, 0.0)
    return xx, yy, (weight * dx * dy).sum(axis=-1) / n


def _ranks(weight: Floats, value: Floats) -> Floats:
    """(reps, n) mid-ranks of points that are there `weight` times."""
    _, first, place = np.unique(np.sort(value), return_index=True, return_inverse=True)
    order = np.argsort(value, kind="stable")
    tied = np.add.reduceat(weight[:, order], first, axis=1)
    rank = np.cumsum(tied, axis=1) - tied / 2
    ranks = np.empty_like(weight)
    ranks[:, order] = rank[:, place]
    return ranks


@dataclass(frozen=True, slots=True)
class _Draws:
    """A figure over resampled experiments.

    Attributes:
        replicates: (reps,) the figure; NaN where undefined.
        influence: (count,) how it moves with the weight of each experiment, by the jackknife.
    """

    replicates: Floats
    influence: Floats


def _replicates(sample: Sample, figure: Figure, draws: Iterator[Floats]) -> _Draws:
    _, cluster = np.unique(sample.experiments, return_inverse=True)
    count = sample.n_experiments
    replicates = np.concatenate([figure(weight[:, cluster], sample) for weight in draws])
    without = figure((1 - np.eye(count))[:, cluster], sample)
    known = without[~np.isnan(without)]
    mean = known.mean() if len(known) else 0.0
    return _Draws(replicates, np.nan_to_num((count - 1) * (mean - without)))


def _resampled(name: str, value: float, draws: _Draws, level: float, n: int) -> Statistic:
    """The figure with its BCa interval over experiments drawn with replacement."""
    count, known = len(draws.influence), draws.replicates[~np.isnan(draws.replicates)]
    lost = 1 - len(known) / len(draws.replicates)
    if lost > MOST_LOST:
        why = f"undefined in {lost:.0%} of the resamplings: no interval"
        return Statistic(value, None, why, n)
    if name == "sign_agreement":
        # Where all signs agree so do all resamplings; that is no certainty.
        spread = float(known.var())
        independent = value * (1 - value) / spread if spread > 0 else count
        alike = int(min(max(independent, count), n))
        why = f"interval as of {alike} independent points in {count} experiments"
        return Statistic(value, wilson(value, alike, level), why, n)
    if np.ptp(known) <= _TINY:
        return Statistic(value, None, "the same in every resampling: no interval", n)
    interval = bca(value, draws.replicates, draws.influence, level)
    return Statistic(value, interval, f"interval draws {count} experiments", n)


def _by_formula(name: str, value: float, sample: Sample, level: float) -> Statistic:
    """The figure with Fisher's interval if it is a correlation, as if points were independent."""
    few, n = f"fewer than {FEWEST_EXPERIMENTS} experiments", len(sample.x)
    if name not in ("pearson", "spearman") or abs(value) >= 1 - _TINY:
        return Statistic(value, None, f"{few}: no interval", n)
    doubt = ""
    if sample.n_experiments < n:
        doubt = ", too narrow: it takes points of one experiment as independent"
    extra = value**2 / 2 if name == "spearman" else 0.0
    half = float(ndtri(0.5 + level / 2)) * sqrt((1 + extra) / (n - 3))
    interval = (tanh(atanh(value) - half), tanh(atanh(value) + half))
    return Statistic(value, interval, f"{few}: interval by Fisher's z{doubt}", n)


def _undefined(sample: Sample, *, corrected: bool) -> str:
    """Why a figure of enough points is undefined."""
    for name, value in (("offline", sample.x), ("online", sample.y)):
        if float(np.var(value)) <= _TINY * float(np.mean(value**2)):
            return f"all {name} differences are equal"
    if not corrected:
        return "no point has both differences off 0"
    if not np.isfinite([sample.x_error, sample.y_error]).all():
        return "standard errors are unknown"
    return "the points vary no more than their measurement noise"


def _noise_told(sample: Sample) -> str:
    """`reliability 0.71 offline, 0.64 online`."""
    x, y = (float(share[0]) for share in reliability(np.ones((1, len(sample.x))), sample))
    return f"reliability {x:.2f} offline, {y:.2f} online"
