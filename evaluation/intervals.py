"""Intervals that resample queries, never rows: BCa bootstrap over per-query sums.

Every figure is a statistic over n queries. A `Ratio` is Σ numerator / Σ denominator, exact under
any weighting of the queries (means, accuracy). A `Linear` has a value and each query's influence on
it (AUROC), and is linearised on the logit scale, to stay in [0, 1]. Both need only
`weights @ columns` to be resampled, so all metrics of a group share one resampling.

References:
    Efron, JASA 1987 (BCa); Hesterberg, The American Statistician 2015 (expanded percentiles: the
    t quantile and n - 1 in place of the normal one and n, which small groups need).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]

REPLICATES = 2_000
_CELLS = 4_000_000  # weights held at once: 32 MB
_ROUNDING = 1e-12  # replicates that differ by less are equal


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with what its interval is made from.

    Attributes:
        value: The figure; NaN if undefined.
        replicates: (reps,) the figure over resampled queries.
        influence: (n,) how the figure moves with the weight of each query.
    """

    value: float
    replicates: Floats
    influence: Floats

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Ends of the BCa interval; None if the figure is undefined or rests on under 2 queries."""
        return bca(self.value, self.replicates, self.influence, level)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Σ numerator / Σ denominator over queries.

    Attributes:
        numerator: (n,) sum of a query's units; 0 where it has none.
        denominator: (n,) their count; 0 where it has none.
    """

    numerator: Floats
    denominator: Floats

    @property
    def columns(self) -> Floats:
        """(n, 2) what is to be summed over resampled queries."""
        return np.column_stack([self.numerator, self.denominator])

    def estimate(self, sums: Floats) -> Estimate:
        """The figure, given (reps, 2) resampled sums of `columns`."""
        total = float(self.denominator.sum())
        if total == 0:
            return Estimate(float("nan"), np.full(len(sums), np.nan), np.zeros(0))
        value = float(self.numerator.sum()) / total
        used = self.denominator > 0
        influence = (self.numerator[used] - value * self.denominator[used]) / total
        with np.errstate(invalid="ignore", divide="ignore"):
            replicates = sums[:, 0] / sums[:, 1]
        return Estimate(value, replicates, influence)


@dataclass(frozen=True, slots=True)
class Linear:
    """A figure in [0, 1] and each query's influence on it.

    Attributes:
        value: The figure; NaN if undefined.
        influence: (n,) metric(weights) ≈ value + Σ (weight - 1) × influence.
    """

    value: float
    influence: Floats

    @property
    def columns(self) -> Floats:
        """(n, 1) what is to be summed over resampled queries."""
        return self.influence[:, None]

    def estimate(self, sums: Floats) -> Estimate:
        """The figure, given (reps, 1) resampled sums of `columns`."""
        if not 0 < self.value < 1:  # also NaN
            return Estimate(self.value, np.full(len(sums), self.value), self.influence)
        from scipy.special import expit, logit

        slope = self.value * (1 - self.value)
        replicates = expit(logit(self.value) + sums[:, 0] / slope)
        return Estimate(self.value, replicates, self.influence)


Statistic = Ratio | Linear


def estimate_all(
    statistics: Sequence[Statistic], *, seed: int = 0, key: str = "", reps: int = REPLICATES
) -> list[Estimate]:
    """Estimates of statistics over the same n queries, all from one resampling of the queries.

    Args:
        statistics: Ratios and Linears, all over the same queries in the same order.
        seed: Seed of the resampling.
        key: Name of the group, so that groups are resampled independently of each other.
        reps: Number of resamplings.
    """
    if not statistics:
        return []
    columns = [statistic.columns for statistic in statistics]
    sums = resampled_sums(np.hstack(columns), seed=seed, key=key, reps=reps)
    ends = np.cumsum([part.shape[1] for part in columns])
    parts = np.split(sums, ends[:-1], axis=1)
    return [statistic.estimate(part) for statistic, part in zip(statistics, parts, strict=True)]


def estimate_function(
    columns: Floats | csr_array,
    function: Callable[[Floats], Floats],
    *,
    seed: int = 0,
    key: str = "",
    reps: int = REPLICATES,
) -> list[Estimate]:
    """Estimates that are any smooth function of sums over n units.

    Args:
        columns: (n, m) what is summed over the units; may be sparse.
        function: (…, m) sums → (…, v) figures.
        seed: Seed of the resampling.
        key: Name of the group.
        reps: Number of resamplings.

    Returns:
        v estimates; their influence is the jackknife's.
    """
    total = np.asarray(columns.sum(axis=0), dtype=np.float64)
    value = function(total)
    shape = (columns.shape[0], columns.shape[1])
    replicates = np.concatenate(
        [function(w @ columns) for w in _weights(shape, seed=seed, key=key, reps=reps)]
    )
    step = max(1, _CELLS // columns.shape[1])
    without = [
        function(total - _dense(columns[start : start + step]))
        for start in range(0, columns.shape[0], step)
    ]
    influence = np.nan_to_num(value - np.concatenate(without))
    return [Estimate(float(v), replicates[:, i], influence[:, i]) for i, v in enumerate(value)]


def resampled_sums(
    columns: Floats, *, seed: int = 0, key: str = "", reps: int = REPLICATES
) -> Floats:
    """(reps, m) sums of (n, m) columns over n rows drawn with replacement, reps times."""
    if len(columns) == 0:
        return np.zeros((reps, columns.shape[1]))
    weights = _weights((len(columns), columns.shape[1]), seed=seed, key=key, reps=reps)
    return np.concatenate([w @ columns for w in weights])


def _weights(shape: tuple[int, int], *, seed: int, key: str, reps: int) -> Iterator[Floats]:
    """(chunk, n) multinomial weights of n rows, in chunks of replicates that fit in memory."""
    n = shape[0]
    rng = generator(seed, key)
    chunk = max(1, min(reps, _CELLS // max(shape)))
    for start in range(0, reps, chunk):
        size = min(chunk, reps - start)
        drawn = rng.integers(n, size=(size, n)) + np.arange(size)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=size * n)
        yield counts.reshape(size, n).astype(np.float64)


def _dense(columns: Floats | csr_array) -> Floats:
    return columns if isinstance(columns, np.ndarray) else columns.toarray()


def combine(estimates: Sequence[Estimate], weights: Sequence[float]) -> Estimate:
    """The weighted mean of estimates of separate groups; `weights` need not sum to 1."""
    share = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    return Estimate(
        value=float(sum(w * e.value for w, e in zip(share, estimates, strict=True))),
        replicates=np.sum(
            [w * e.replicates for w, e in zip(share, estimates, strict=True)], axis=0
        ),
        influence=np.concatenate([w * e.influence for w, e in zip(share, estimates, strict=True)]),
    )


def bca(
    value: float, replicates: Floats, influence: Floats, level: float = 0.95
) -> tuple[float, float] | None:
    """Ends of the bias-corrected and accelerated interval, with expanded percentiles.

    Args:
        value: The figure.
        replicates: (reps,) bootstrap replicates; NaN ones are left out.
        influence: (n,) influence of each query.
        level: Nominal coverage.

    Returns:
        Low and high end, or None if `value` is NaN or there are fewer than 2 queries.
    """
    n = len(influence)
    replicates = replicates[~np.isnan(replicates)]
    if np.isnan(value) or n < 2 or len(replicates) == 0:
        return None
    spread = float(np.sum(influence**2))
    if spread == 0 or np.ptp(replicates) <= _ROUNDING * max(1.0, abs(value)):
        return value, value
    from scipy.special import ndtr, ndtri

    reps = len(replicates)
    same = np.abs(replicates - value) <= _ROUNDING * max(1.0, abs(value))
    below = (np.sum((replicates < value) & ~same) + 0.5 * np.sum(same)) / reps
    bias = float(ndtri(np.clip(below, 1 / (reps + 1), reps / (reps + 1))))
    acceleration = float(np.sum(influence**3)) / (6 * spread**1.5)
    reach = t_quantile(level, n - 1) * np.sqrt(n / (n - 1))
    shifted = bias + np.array([-reach, reach])
    scale = np.maximum(1 - acceleration * shifted, 1e-9)
    low, high = np.quantile(replicates, ndtr(bias + shifted / scale))
    return float(low), float(high)


def t_quantile(level: float, df: float) -> float:
    """Half-width, in standard errors, of a two-sided t interval."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + level / 2))


def generator(seed: int, key: str = "") -> np.random.Generator:
    """A random generator of its own for each seed and key."""
    return np.random.default_rng([seed, zlib.crc32(key.encode())])
