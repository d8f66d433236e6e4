"""Intervals that resample queries, never rows: BCa bootstrap over per-query sums.

Every figure is a statistic over n queries (`evaluation.intervals.statistic`) that needs only
`weights @ columns` to be resampled, so all metrics of a group share one resampling. From
`CLOSED_FORM_FROM` queries on the bootstrap distribution is known without resampling
(`evaluation.intervals.closed_form`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluation.intervals.bca import bca, t_quantile
from evaluation.intervals.resampling import REPLICATES, Floats, generator, resampled_sums
from evaluation.intervals.statistic import (
    CLOSED_FORM_FROM,
    Estimate,
    Linear,
    Ratio,
    Shuffle,
    Smooth,
    Statistic,
    call,
    influences,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = [
    "CLOSED_FORM_FROM",
    "REPLICATES",
    "Estimate",
    "Linear",
    "Ratio",
    "Smooth",
    "Statistic",
    "bca",
    "combine",
    "estimate_all",
    "estimate_function",
    "generator",
    "influences",
    "resampled_sums",
    "t_quantile",
]


def estimate_all(
    statistics: Sequence[Statistic],
    *,
    seed: int = 0,
    key: str = "",
    reps: int = REPLICATES,
    resample: bool | None = None,
) -> list[Estimate]:
    """Estimates of statistics over the same n queries, all from one resampling of the queries.

    Args:
        statistics: All over the same queries in the same order.
        seed: Seed of the resampling.
        key: Name of the group, so that groups are resampled independently of each other.
        reps: Number of replicates; 0 = figures without intervals.
        resample: Whether to draw queries (True) or compute what drawing them would give (False;
            figures that a few queries carry are drawn all the same). None computes it from
            `CLOSED_FORM_FROM` queries on.
    """
    found: list[Estimate | None] = [None] * len(statistics)
    if reps > 0 and not resample:
        shuffle = Shuffle.of(reps, seed, key)
        found = [
            statistic.in_closed_form(shuffle)
            if resample is False or statistic.n_units >= CLOSED_FORM_FROM
            else None
            for statistic in statistics
        ]
    left = [s for s, estimate in zip(statistics, found, strict=True) if estimate is None]
    drawn = iter(_resampled(left, seed=seed, key=key, reps=reps))
    return [next(drawn) if estimate is None else estimate for estimate in found]


def estimate_function(
    columns: Floats | csr_array,
    function: Callable[[Floats], Floats],
    *,
    seed: int = 0,
    key: str = "",
    reps: int = REPLICATES,
    resample: bool | None = None,
) -> list[Estimate]:
    """Estimates that are any smooth function of sums over n units.

    Args:
        columns: (n, m) what is summed over the units; may be sparse.
        function: (…, m) sums → (…, v) figures.
        seed: Seed of the resampling.
        key: Name of the group.
        reps: Number of replicates; 0 = figures without intervals.
        resample: As in `estimate_all`; sparse columns are always drawn.

    Returns:
        v estimates.
    """
    if isinstance(columns, np.ndarray):
        n_figures = len(call(function, columns.sum(axis=0)))
        parts = [Smooth(columns, _component(function, i)) for i in range(n_figures)]
        if reps > 0 and not resample and (resample is False or len(columns) >= CLOSED_FORM_FROM):
            return estimate_all(parts, seed=seed, key=key, reps=reps, resample=resample)
    sums = resampled_sums(columns, seed=seed, key=key, reps=reps)
    value = call(function, np.asarray(columns.sum(axis=0), dtype=np.float64))
    replicates = call(function, sums)
    influence = np.nan_to_num(influences(columns, function))
    return [Estimate(float(v), replicates[:, i], influence[:, i]) for i, v in enumerate(value)]


def combine(estimates: Sequence[Estimate], weights: Sequence[float]) -> Estimate:
    """The weighted mean of estimates of separate groups; it has no interval if one has none.

    Each group's spread is expanded for its own number of queries, n / (n - 1), as that of all of
    them together will not make up for it.

    Args:
        estimates: Of groups that have no query in common.
        weights: One a group; need not sum to 1.
    """
    share = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    value = float(sum(w * e.value for w, e in zip(share, estimates, strict=True)))
    sizes = [estimate.n_queries for estimate in estimates]
    if min(sizes) < 2 or any(len(estimate.replicates) == 0 for estimate in estimates):
        moved = [w * e.influence for w, e in zip(share, estimates, strict=True)]
        return Estimate(value, np.zeros(0), np.concatenate(moved))
    n = sum(sizes)
    scale = share * np.sqrt([k / (k - 1) * (n - 1) / n for k in sizes])
    spread = [s * (e.replicates - e.value) for s, e in zip(scale, estimates, strict=True)]
    influence = [s * e.influence for s, e in zip(scale, estimates, strict=True)]
    return Estimate(value, value + np.sum(spread, axis=0), np.concatenate(influence))


def _resampled(
    statistics: Sequence[Statistic], *, seed: int, key: str, reps: int
) -> list[Estimate]:
    """Estimates from one resampling of the queries."""
    if not statistics:
        return []
    columns = [statistic.columns for statistic in statistics]
    sums = resampled_sums(np.hstack(columns), seed=seed, key=key, reps=reps)
    ends = np.cumsum([part.shape[1] for part in columns])
    parts = np.split(sums, ends[:-1], axis=1)
    return [statistic.estimate(part) for statistic, part in zip(statistics, parts, strict=True)]


def _component(function: Callable[[Floats], Floats], index: int) -> Callable[[Floats], Floats]:
    return lambda sums: function(sums)[..., index]
