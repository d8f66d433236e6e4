"""Figures as statistics over queries: what is summed, the figure, and each query's influence.

A `Ratio` is Σ numerator / Σ denominator, exact under any weighting of the queries (means,
accuracy). A `Linear` has a value and each query's influence on it (AUROC), and is linearised on the
logit scale, to stay in [0, 1]. A `Smooth` is any smooth function of sums (κ, calibration error).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals.bca import bca, bca_error
from evaluation.intervals.closed_form import (
    gradient,
    ratio_quantiles,
    smooth_replicates,
    sum_quantiles,
)
from evaluation.intervals.resampling import Floats, generator

if TYPE_CHECKING:
    from scipy.sparse import csr_array

CLOSED_FORM_FROM = 1_000
"""Queries from which on the bootstrap distribution is computed instead of drawn."""

_CELLS = 4_000_000  # numbers held at once
_WIDEST = 256  # columns whose covariance is worth computing


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with what its interval is made from.

    Attributes:
        value: The figure; NaN if undefined.
        replicates: (reps,) the figure over resampled queries, in random order; empty for a figure
            without an interval. Replicates of two statistics of one group go together only where
            they were drawn: to compare two figures, make a statistic of their difference.
        influence: (n,) how the figure moves with the weight of each query.
        exact: Whether the replicates are quantiles of the bootstrap distribution, not draws.
    """

    value: float
    replicates: Floats
    influence: Floats
    exact: bool = False

    @property
    def n_queries(self) -> int:
        """Queries that the figure rests on."""
        return len(self.influence)

    @property
    def variance(self) -> float:
        """Sampling variance: n / (n - 1) × Σ influence²; NaN from under 2 queries."""
        n = len(self.influence)
        if n < 2:
            return float("nan")
        return n / (n - 1) * float(np.einsum("i,i", self.influence, self.influence))

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Ends of the BCa interval; None if the figure is undefined or rests on under 2 queries."""
        return bca(self.value, self.replicates, self.influence, level)

    def mc_error(self, level: float = 0.95) -> tuple[float, float] | None:
        """Monte-Carlo standard errors of the interval's ends; 0 in closed form, None without."""
        found = bca_error(self.value, self.replicates, self.influence, level)
        return (0.0, 0.0) if found is not None and self.exact else found


@dataclass(frozen=True, slots=True)
class Shuffle:
    """The order in which a group's quantiles stand as replicates, and what it came from."""

    order: NDArray[np.int64]
    seed: int
    key: str

    @classmethod
    def of(cls, reps: int, seed: int, key: str) -> Shuffle:
        """A random order of `reps`, the group's own."""
        return cls(generator(seed, key).permutation(reps), seed, key)

    @property
    def reps(self) -> int:
        """Replicates."""
        return len(self.order)


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
        value, influence, _ = self._parts()
        if np.isnan(value):
            return _undefined(len(sums))
        with np.errstate(invalid="ignore", divide="ignore"):
            replicates = sums[:, 0] / sums[:, 1]
        return Estimate(value, replicates, influence)

    def in_closed_form(self, shuffle: Shuffle) -> Estimate | None:
        """The figure with the bootstrap distribution computed; None where it must be drawn."""
        value, influence, size = self._parts()
        if np.isnan(value):
            return _undefined(shuffle.reps)
        moved = ratio_quantiles(influence, size, shuffle.reps)
        if moved is None:
            return None
        return Estimate(value, value + moved[shuffle.order], influence, exact=True)

    @property
    def n_units(self) -> int:
        """Queries that have a unit."""
        return int(np.count_nonzero(self.denominator > 0))

    def _parts(self) -> tuple[float, Floats, Floats]:
        """The figure, and the influence and relative size of each query that has units."""
        total = float(self.denominator.sum())
        if total == 0:
            return float("nan"), np.zeros(0), np.zeros(0)
        numerator, denominator = self.numerator, self.denominator
        used = denominator > 0
        if not used.all():
            numerator, denominator = numerator[used], denominator[used]
        value = float(self.numerator.sum()) / total
        return value, (numerator - value * denominator) / total, denominator / total


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

    @property
    def n_units(self) -> int:
        """Queries."""
        return len(self.influence)

    def estimate(self, sums: Floats) -> Estimate:
        """The figure, given (reps, 1) resampled sums of `columns`."""
        return Estimate(self.value, self.moved(sums[:, 0]), self.influence)

    def in_closed_form(self, shuffle: Shuffle) -> Estimate | None:
        """The figure with the bootstrap distribution computed; None where it must be drawn."""
        if np.isnan(self.value) or len(self.influence) == 0:
            return self.estimate(np.zeros((shuffle.reps, 1)))
        moved = sum_quantiles(self.influence - self.influence.mean(), shuffle.reps)
        if moved is None:
            return None
        replicates = self.moved(moved[shuffle.order] + float(self.influence.sum()))
        return Estimate(self.value, replicates, self.influence, exact=True)

    def moved(self, change: Floats) -> Floats:
        """The figure after (…) changes that add up on the logit scale."""
        if not 0 < self.value < 1 or change.size == 0:  # also NaN
            return np.full(change.shape, self.value)
        from scipy.special import expit, logit

        slope = self.value * (1 - self.value)
        return np.asarray(expit(logit(self.value) + change / slope), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Smooth:
    """A smooth function of sums over queries, the same if every query were there twice.

    Attributes:
        columns: (n, m) what is summed; a row of zeros where a query has no unit.
        function: (…, m) sums → (…) figures; NaN where undefined.
    """

    columns: Floats
    function: Callable[[Floats], Floats]

    @property
    def n_units(self) -> int:
        """Queries that have a unit."""
        return int(np.count_nonzero(self.columns.any(axis=1)))

    def estimate(self, sums: Floats) -> Estimate:
        """The figure, given (reps, m) resampled sums of `columns`."""
        value, influence = self._parts()
        if np.isnan(value):
            return _undefined(len(sums))
        return Estimate(value, call(self.function, sums), influence)

    def in_closed_form(self, shuffle: Shuffle) -> Estimate | None:
        """The figure with the bootstrap distribution computed; None where it must be drawn."""
        value, influence = self._parts()
        if np.isnan(value):
            return _undefined(shuffle.reps)
        if self.columns.shape[1] > _WIDEST:
            return None
        used = self.columns[self.columns.any(axis=1)]
        slope = derivatives(used, lambda sums: self.function(sums)[..., None])[0]
        rng = generator(shuffle.seed, f"sums {shuffle.key}")
        with np.errstate(invalid="ignore", divide="ignore"):
            replicates = smooth_replicates(self.function, used, slope, shuffle.reps, rng)
        if replicates is None:
            return None
        return Estimate(value, replicates[shuffle.order], influence)

    def _parts(self) -> tuple[float, Floats]:
        used = self.columns[self.columns.any(axis=1)]
        value = float(call(self.function, used.sum(axis=0)))
        if len(used) == 0 or np.isnan(value):
            return float("nan"), np.zeros(0)
        return value, influences(used, lambda sums: self.function(sums)[..., None])[:, 0]


Statistic = Ratio | Linear | Smooth


def influences(columns: Floats | csr_array, function: Callable[[Floats], Floats]) -> Floats:
    """(n, v) influence of each of n rows on v figures that are a function of their sums.

    The jackknife's for few rows, the derivative's (equal but for terms of order 1 / n²) for many;
    each figure's add up to 0.

    Args:
        columns: (n, m) what is summed.
        function: (…, m) sums → (…, v) figures.
    """
    n, m = columns.shape
    if n >= CLOSED_FORM_FROM and m <= _WIDEST:
        found = np.asarray(columns @ derivatives(columns, function).T)
    else:
        total = np.asarray(columns.sum(axis=0), dtype=np.float64)
        step = max(1, _CELLS // m)
        without = [
            call(function, total - _dense(columns[start : start + step]))
            for start in range(0, n, step)
        ]
        found = call(function, total) - np.concatenate(without)
    return np.asarray(found - found.mean(axis=0))


def derivatives(columns: Floats | csr_array, function: Callable[[Floats], Floats]) -> Floats:
    """(v, m) derivatives of v figures by each of the (m,) sums of (n, m) columns."""
    squares = columns**2 if isinstance(columns, np.ndarray) else columns.multiply(columns)
    scale = np.sqrt(np.asarray(squares.sum(axis=0), dtype=np.float64))
    total = np.asarray(columns.sum(axis=0), dtype=np.float64)
    return gradient(lambda sums: call(function, sums), total, scale)


def _undefined(reps: int) -> Estimate:
    return Estimate(float("nan"), np.full(reps, np.nan), np.zeros(0))


def call(function: Callable[[Floats], Floats], sums: Floats) -> Floats:
    """`function(sums)`, undefined figures without a word."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(function(sums), dtype=np.float64)


def _dense(columns: Floats | csr_array) -> Floats:
    return columns if isinstance(columns, np.ndarray) else columns.toarray()
