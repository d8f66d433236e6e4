"""Ranked lists of many queries, packed end to end: what the ranking metrics are computed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NO_GRADE = -128
"""What stands for no grade among 8-bit integers."""

_SPAN = 1_000  # grades that are counted instead of sorted
_BINS = 1 << 31  # in all, as 32-bit integers hold them
_RANKS = 64  # up to which lists are summed up rank by rank
_LISTS = 1 << 13  # summed up at once: what fits in a cache
_SPARSE = 8  # times as many bins or groups as there is anything in them are too many


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
    ties = None
    if scores is not None:
        changes = np.ones(len(query), dtype=bool)
        changes[1:] = (query[1:] != query[:-1]) | (scores[1:] != scores[:-1])
        ties = np.flatnonzero(changes)
    judged_starts, judged = best_first(judged_query, judged_grades, n_queries)
    return Lists(
        starts=_starts(query, n_queries),
        grades=np.asarray(grades, dtype=np.float64),
        judged_starts=judged_starts,
        judged=judged,
        ties=ties,
    )


def pack_graded(
    starts: Ints,
    judgment: NDArray[np.integer],
    judged_query: NDArray[np.integer],
    judged_grades: NDArray[np.number],
    *,
    ties: Ints | None = None,
    best: tuple[Ints, Floats] | None = None,
) -> Lists:
    """`Lists` of Pins in order, each of which says which judgment is its own.

    Args:
        starts: (Q + 1,) where each query's list starts.
        judgment: (N,) row of the judgments of the Pin at each rank; -1 = not judged.
        judged_query: (M,) query code of each judgment, in any order.
        judged_grades: (M,) its grade; NaN (`NO_GRADE` among 8-bit integers) = not judged after all.
        ties: As in `Lists`.
        best: What `best_first` gives for the judgments, if it is known already.
    """
    if len(judged_grades):
        known = judged_grades.take(judgment)
        grades = known.astype(np.float64)
        grades[judgment < 0] = np.nan
        if judged_grades.dtype == np.int8:
            grades[known == NO_GRADE] = np.nan
    else:
        grades = np.full(len(judgment), np.nan)
    judged_starts, judged = best or best_first(judged_query, judged_grades, len(starts) - 1)
    return Lists(starts, grades, judged_starts, judged, ties)


def settled(lists: Lists) -> Lists:
    """The lists with the grades of each tie sorted: no sum over it depends on its order then."""
    if lists.ties is None or len(lists.ties) == len(lists.grades):
        return lists
    sizes = lists.tie_sizes
    tied = np.repeat(sizes > 1, sizes)
    group = np.repeat(np.arange(len(sizes)), sizes)[tied]
    grades = lists.grades.copy()
    grades[tied] = _sorted_within(group, grades[tied], len(sizes))
    return replace(lists, grades=grades)


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


def sum_head(
    starts: Ints,
    values: Floats,
    k: int | None,
    *,
    of: Callable[[Floats], Floats] = np.copy,
    weights: Floats | None = None,
) -> Floats:
    """(Q,) sum of what the first `k` rows of each packed list are worth.

    Rank by rank, in which a sum does not depend on what other lists there are, and without an
    array of all rows; long lists go row by row.

    Args:
        starts: (Q + 1,) where each list starts.
        values: (N,) values of the rows.
        k: Rows of each list; None = all.
        of: What values are worth, one by one; only called on the first `k`.
        weights: Weight of each rank; None = 1. At least as many as there are ranks.
    """
    lengths = np.diff(starts)
    longest = int(lengths.max(initial=0))
    depth = longest if k is None else min(k, longest)
    if depth > _RANKS:
        rows, query, rank = head(starts, k)
        worth = of(values[rows])
        return total(query, worth if weights is None else worth * weights[rank], len(lengths))
    out = np.zeros(len(lengths))
    for first in range(0, len(lengths), _LISTS):
        worth = _by_rank(starts[first : first + _LISTS + 1], values, depth, of)
        some = out[first : first + _LISTS]
        for place in range(depth):
            some += worth[place] if weights is None else worth[place] * weights[place]
    return out


def _by_rank(starts: Ints, values: Floats, depth: int, of: Callable[[Floats], Floats]) -> Floats:
    """(depth, Q) what the first rows of packed lists are worth; 0 behind the end of a list."""
    lengths = np.diff(starts)
    if depth <= lengths.min() == lengths.max():
        matrix = values[starts[0] : starts[-1]].reshape(len(lengths), -1)
        return of(matrix[:, :depth]).T
    places = np.arange(depth)[:, None]
    rows = starts[:-1] + places
    beyond = places >= lengths
    if not beyond.any():
        return of(values[rows])
    worth = of(values[np.minimum(rows, len(values) - 1)])
    worth[beyond] = 0.0
    return worth


def expected(lists: Lists, values: Floats) -> Floats:
    """(N,) expectation of `values` at each rank over the orders of tied Pins: the tie's mean."""
    if lists.ties is None or len(lists.ties) == len(values):
        return values
    sizes = lists.tie_sizes
    larger = np.flatnonzero(sizes > 1)
    if len(larger) * _SPARSE > len(sizes):
        return np.repeat(np.add.reduceat(values, lists.ties) / sizes, sizes)
    sizes = sizes[larger]
    first = np.cumsum(sizes) - sizes
    rows = np.repeat(lists.ties[larger] - first, sizes) + np.arange(int(sizes.sum()))
    out = values.copy()
    out[rows] = np.repeat(np.add.reduceat(values[rows], first) / sizes, sizes)
    return out


def best_first(
    query: NDArray[np.integer], grades: NDArray[np.number], n_queries: int
) -> tuple[Ints, Floats]:
    """Where each query's grades start, and the grades, the best first; NaN are left out."""
    small = grades.dtype == np.int8
    counted = (_counted_small if small else _counted)(query, grades, n_queries)
    if counted is None:
        grades = _as_floats(grades)
        there = ~np.isnan(grades)
        query, grades = query[there], grades[there].astype(np.float64)
        return _starts(query, n_queries), grades[np.lexsort((-grades, query))]
    counts, levels = counted[0][:, :-1], counted[1][:-1]
    starts = np.concatenate(([0], np.cumsum(counts.sum(axis=1)))).astype(np.int64)
    return starts, np.repeat(np.tile(levels, n_queries), counts.ravel())


def _sorted_within(group: Ints, grades: Floats, n_groups: int) -> Floats:
    """Grades by group, the best first within a group and NaN last."""
    counted = _counted(group, grades, n_groups)
    if counted is None:
        return np.asarray(grades[np.lexsort((-grades, group))], dtype=np.float64)
    return np.repeat(np.tile(counted[1], n_groups), counted[0].ravel())


def _as_floats(grades: NDArray[np.number]) -> Floats:
    floats = grades.astype(np.float64)
    if grades.dtype == np.int8:
        floats[grades == NO_GRADE] = np.nan
    return floats


def _counted_small(
    codes: NDArray[np.integer], grades: NDArray[np.number], n_codes: int
) -> tuple[Ints, Floats] | None:
    """`_counted` of 8-bit grades, which a table of 256 places turns into bins."""
    found = np.flatnonzero(np.bincount(grades.view(np.uint8), minlength=256)).astype(np.uint8)
    levels = np.sort(found.view(np.int8))[::-1]
    levels = levels[levels != NO_GRADE]
    width = len(levels) + 1
    if n_codes * width > min(_BINS, _SPARSE * max(len(grades), _SPAN)):
        return None
    place = np.full(256, len(levels), dtype=np.int32)
    place[levels.view(np.uint8)] = np.arange(len(levels), dtype=np.int32)
    bins = codes.astype(np.int32)
    bins *= width
    bins += place.take(grades.view(np.uint8))
    counts = np.bincount(bins, minlength=n_codes * width).reshape(n_codes, width)
    return counts, np.append(levels.astype(np.float64), np.nan)


def _counted(
    codes: NDArray[np.integer], grades: NDArray[np.number], n_codes: int
) -> tuple[Ints, Floats] | None:
    """How often each code has each grade: many times faster than sorting, if grades are few.

    Returns:
        (n_codes, L + 1) counts and (L + 1,) grades, the best first and NaN last; None if grades
        are broken numbers or too many.
    """
    best, worst = np.fmax.reduce(grades, initial=-np.inf), np.fmin.reduce(grades, initial=np.inf)
    if not worst <= best or best - worst >= _SPAN:
        return None
    n_levels = int(best - worst) + 1
    if n_codes * (n_levels + 1) > min(_BINS, _SPARSE * max(len(grades), _SPAN)):
        return None
    below = best - grades
    below[np.isnan(below)] = n_levels
    if (np.floor(below) != below).any():
        return None
    bins = codes.astype(np.int32)
    bins *= n_levels + 1
    bins += below.astype(np.int32)
    counts = np.bincount(bins, minlength=n_codes * (n_levels + 1))
    levels = np.append(float(best) - np.arange(n_levels), np.nan)
    return counts.reshape(n_codes, n_levels + 1), levels


def _starts(query: NDArray[np.integer], n_queries: int) -> Ints:
    counts = np.bincount(query, minlength=n_queries)
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
