"""What a Pin of a grade at a rank adds to a metric that is a sum over the ranks.

The metric's own function says so, of lists that hold one graded Pin and nothing else: there is no
second definition to keep in step.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evaluation.metrics import METRICS, Measure
from evaluation.metrics.lists import Floats, Ints, Lists, expected
from evaluation.ranking.ordering import Ordered
from evaluation.sampled.variance import Bools
from relevance.errors import InputError
from relevance.grades import GradeScale

ADDITIVE = ("P", "DCG", "sDCG", "RBP")
"""Ranking metrics that are sums over the ranks."""

NORMED = ("nDCG", "R")
"""Those that are such a sum over what the query has to offer."""

COVERED = "Judged"
"""The share of the first k that could be drawn at all, estimated as every other: 1, but for noise,
where the sample was drawn from what the system returns."""


def check_additive(measure: Measure) -> None:
    """Raises InputError if single graded pairs cannot tell the metric."""
    if measure.metric.name not in (*ADDITIVE, *NORMED, COVERED):
        raise InputError(
            f"{measure!r} cannot be estimated from drawn pairs, only "
            f"{', '.join((*ADDITIVE, *NORMED))} can: it depends on which of the Pins before a rank "
            "are relevant. Draw whole queries for it (annotation sample --queries)"
        )


def contributions(
    ordered: Ordered, grades: Floats, levels: Floats, measure: Measure, scale: GradeScale
) -> tuple[Ints, Floats, Bools]:
    """What every graded Pin of the lists adds to a metric's sum.

    Args:
        ordered: The lists, in order.
        grades: (M,) grade of each judged pair.
        levels: (K,) the grades there are.
        measure: One of `ADDITIVE` or `NORMED`; of these the numerator.
        scale: Scale of the grades.

    Returns:
        (m,) judged pairs that are in a list; what each adds, over tied orders the mean; whether it
        is among the first k.
    """
    depth = int(np.diff(ordered.starts).max(initial=0))
    if measure.cutoff is not None:
        depth = min(depth, measure.cutoff)
    query, rank = places(ordered)
    found = np.flatnonzero(ordered.judgment >= 0)
    pairs, counted = ordered.judgment[found].astype(np.int64), rank[found] < depth
    if measure.metric.name == COVERED:
        shown = np.minimum(np.diff(ordered.starts), depth)[query[found]]
        return pairs, counted / np.maximum(shown, 1), counted
    table = _table(depth, levels, measure, scale)
    lists = Lists(
        starts=ordered.starts,
        grades=np.full(len(ordered.rows), np.nan),
        judged_starts=np.zeros_like(ordered.starts),
        judged=np.zeros(0),
        ties=ordered.ties,
    )
    at_rank = np.vstack([table, np.zeros(len(levels))])[np.minimum(rank, depth)]
    level = np.searchsorted(levels, grades[pairs])
    if ordered.ties is None:
        return pairs, at_rank[found, level], counted
    columns = [expected(lists, at_rank[:, place]) for place in range(len(levels))]
    return pairs, np.column_stack(columns)[found, level], counted


def _table(depth: int, levels: Floats, measure: Measure, scale: GradeScale) -> Floats:
    """(depth, K) what a Pin of each grade adds at each rank."""
    plain, factor = _numerator(measure, depth)
    table = np.empty((depth, len(levels)))
    starts = np.concatenate(([0], np.cumsum(np.arange(1, depth + 1)))).astype(np.int64)
    for place, level in enumerate(levels):
        grades = np.full(int(starts[-1]), np.nan)
        grades[starts[1:] - 1] = level  # list r has one Pin, at its end: rank r
        alone = Lists(starts, grades, np.zeros(depth + 1, dtype=np.int64), np.zeros(0))
        table[:, place] = plain.metric.function(alone, scale, **plain.arguments)
    return table * factor


def _numerator(measure: Measure, depth: int) -> tuple[Measure, float]:
    """The sum that a metric is made of, and what it is to be multiplied by."""
    if measure.metric.name == "nDCG":
        return replace(measure, metric=METRICS["DCG"]), 1.0
    if measure.metric.name == "R":
        return replace(measure, metric=METRICS["P"], cutoff=depth or 1), float(depth or 1)
    return measure, 1.0


def places(ordered: Ordered) -> tuple[Ints, Ints]:
    """(N,) query code and rank, from 0, of every row of the lists."""
    lengths = np.diff(ordered.starts)
    rank = np.arange(len(ordered.rows)) - np.repeat(ordered.starts[:-1], lengths)
    return np.repeat(np.arange(len(lengths)), lengths), rank
