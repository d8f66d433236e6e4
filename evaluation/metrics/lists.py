"""Ranked lists of many queries, packed end to end: what the ranking metrics are computed on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lists:
    """What a system returned for Q queries, in order, and everything that was judged for them.

    Attributes:
        starts: (Q + 1,) row of `grades` at which each query's list starts; the last is N.
        grades: (N,) grade of the Pin at each rank; NaN = not judged.
        judged_starts: (Q + 1,) row of `judged` at which each query's judgments start.
        judged: (M,) grades of all judged Pins, returned or not, best first within a query.
        ties: (G,) first row of each group of equal scores, where metrics are to be the expectation
            over the orders of tied Pins; None where the order is as it stands.
    """

    starts: Ints
    grades: Floats
    judged_starts: Ints
    judged: Floats
    ties: Ints | None = None

    @property
    def n_queries(self) -> int:
        """Q."""
        return len(self.starts) - 1

    @property
    def returned(self) -> Ints:
        """(Q,) Pins returned for each query."""
        return np.diff(self.starts)

    @property
    def tie_sizes(self) -> Ints:
        """(G,) Pins in each group of equal scores."""
        assert self.ties is not None
        return np.diff(np.append(self.ties, len(self.grades)))


def pack(
    n_queries: int,
    query: Ints,
    grades: Floats,
    judged_query: Ints,
    judged_grades: Floats,
    *,
    scores: NDArray[np.floating] | None = None,
) -> Lists:
    """Packs coded rows into `Lists`.

    Args:
        n_queries: Q; query codes are 0 … Q - 1.
        query: (N,) query code of each returned Pin, ascending, in rank order within a query.
        grades: (N,) its grade, NaN if not judged.
        judged_query: (M,) query code of each judgment, in any order.
        judged_grades: (M,) its grade.
        scores: (N,) scores, if tied orders are to be averaged over.
    """
    best_first = np.lexsort((-judged_grades, judged_query))
    ties = None
    if scores is not None:
        changes = np.ones(len(query), dtype=bool)
        changes[1:] = (query[1:] != query[:-1]) | (scores[1:] != scores[:-1])
        ties = np.flatnonzero(changes)
    return Lists(
        starts=_starts(query, n_queries),
        grades=np.asarray(grades, dtype=np.float64),
        judged_starts=_starts(judged_query, n_queries),
        judged=np.asarray(judged_grades, dtype=np.float64)[best_first],
        ties=ties,
    )


def head(starts: Ints, k: int | None) -> tuple[Ints, Ints, Ints]:
    """The first `k` rows of each packed list (all rows if None).

    Returns:
        rows, query code and 0-based rank of each of them, all of one shape.
    """
    lengths = np.diff(starts)
    if k is not None:
        lengths = np.minimum(lengths, k)
    query = np.repeat(np.arange(len(lengths)), lengths)
    rank = np.arange(len(query)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return starts[:-1][query] + rank, query, rank


def total(query: Ints, values: Floats, n_queries: int) -> Floats:
    """(Q,) sum of (N,) values by query code."""
    return np.asarray(np.bincount(query, weights=values, minlength=n_queries), dtype=np.float64)


def sum_head(starts: Ints, values: Floats, k: int | None) -> Floats:
    """(Q,) sum of `values` over the first `k` rows of each packed list."""
    rows, query, _ = head(starts, k)
    return total(query, values[rows], len(starts) - 1)


def discounted_head(starts: Ints, values: Floats, k: int | None) -> Floats:
    """(Q,) sum of `values` / log2(rank + 1), ranks from 1, over the first `k` rows of each list."""
    rows, query, rank = head(starts, k)
    return total(query, values[rows] / np.log2(rank + 2.0), len(starts) - 1)


def expected(lists: Lists, values: Floats) -> Floats:
    """(N,) expectation of `values` at each rank over the orders of tied Pins: the tie's mean."""
    if lists.ties is None or len(values) == 0:
        return values
    sizes = lists.tie_sizes
    return np.repeat(np.add.reduceat(values, lists.ties) / sizes, sizes)


def _starts(query: Ints, n_queries: int) -> Ints:
    counts = np.bincount(query, minlength=n_queries)
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
