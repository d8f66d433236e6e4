"""Lists of rows that hold score and grade and stand by query: a matrix with a query a row.

Short rows of a matrix are sorted by value several times faster than one long array, and a grade
travels in the lower bits of the key of its score, so that nothing is looked up afterwards. What the
matrix cannot tell is the order of equal scores; it says in which queries that matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.lists import NO_GRADE, Floats, Ints, Lists
from evaluation.ranking.packed import Bools, descending_bits

Keys = NDArray[np.uint64]
T = TypeVar("T", np.uint64, np.int32)
_GRADE = 8  # bits below the score
_INFINITE = np.uint32(0x007FFFFF)  # `descending_bits` of the highest score; those of NaN are lower
_BEYOND = np.uint64(0xFF000002 << _GRADE)  # from here on: not returned
_LAST = np.uint64(0xFFFFFFFFFF)
_PLACES = 1 << 16  # of a matrix: what stays in a cache
_TIED = 0.25  # of the queries with equal scores are too many to go another way
_SPARSE = 2  # times as many places in the matrix as rows are too many


_AS_GRADE = np.arange(256).astype(np.int8).astype(np.float64)
_AS_GRADE[NO_GRADE % 256] = np.nan


def dense_lists(
    first: Ints, scores: NDArray[np.float32], grades: NDArray[np.int8], depth: int | None
) -> tuple[Lists, Bools] | None:
    """Lists cut at `depth`, and (Q,) in which of them equal scores may matter.

    Args:
        first: (Q,) row at which each query's rows start; none is left out.
        scores: (N,) scores, NaN = not returned; no -0.0.
        grades: (N,) grades; `NO_GRADE` = not judged.
        depth: Ranks that matter; None = all.

    Returns:
        None if many have equal scores, or they differ so much in their number of rows that a
        matrix is mostly empty.
    """
    starts = np.append(first, len(scores))
    if len(first) * int(np.diff(starts).max()) > _SPARSE * len(scores):
        return None
    blocks: list[_Block] = []
    n_tied = 0
    for rows, lengths in _cut(starts):
        block = _block(lengths, scores[rows], grades[rows], depth)
        n_tied += np.count_nonzero(block.tied)
        if n_tied > _TIED * len(first):
            return None
        blocks.append(block)
    returned, found, judged, best, tied = map(np.concatenate, zip(*blocks, strict=True))
    return Lists(_ends(returned), found, _ends(judged), best), tied


class _Block(NamedTuple):
    """Some queries' lists.

    Attributes:
        returned: (Q,) Pins that were returned, no more than are kept.
        found: Their grades end to end, in order; NaN = not judged.
        judged: (Q,) Pins that were judged.
        best: Their grades end to end, the best first.
        tied: (Q,) whether equal scores may matter.
    """

    returned: Ints
    found: Floats
    judged: Ints
    best: Floats
    tied: Bools


def _cut(starts: Ints) -> Iterator[tuple[slice, Ints]]:
    """The rows of some queries after the other, and how many each query has."""
    widest = int(np.diff(starts).max())
    step = max(_PLACES // widest, 1)
    for query in range(0, len(starts) - 1, step):
        some = starts[query : query + step + 1]
        yield slice(some[0], some[-1]), np.diff(some)


def _block(
    lengths: Ints, scores: NDArray[np.float32], grades: NDArray[np.int8], depth: int | None
) -> _Block:
    width = int(lengths.max())
    inside = None if lengths.min() == width else np.arange(width) < lengths[:, None]
    keys = _matrix(_keys(scores, grades), inside, width, _LAST)
    keys.sort(axis=1)
    kept = width if depth is None else min(depth, width)
    # 32 bits are sorted faster than fewer
    best = _matrix(-grades.astype(np.int32), inside, width, np.int32(-NO_GRADE))
    best.sort(axis=1)
    there = best < -NO_GRADE
    return _Block(
        *_first_grades(keys[:, :kept]),
        judged=np.count_nonzero(there, axis=1),
        best=np.negative(best[there], dtype=np.float64),
        tied=_tied(keys[:, : kept + 1]),
    )


def _keys(scores: NDArray[np.float32], grades: NDArray[np.int8]) -> Keys:
    """(N,) numbers that ascend where scores descend, then NaN; the grade in their lowest bits."""
    bits = descending_bits(scores)
    bits -= _INFINITE  # wraps around below 0
    keys = bits.astype(np.uint64)
    keys <<= np.uint64(_GRADE)
    keys |= grades.view(np.uint8)
    return keys


def _matrix(values: NDArray[T], inside: Bools | None, width: int, filler: T) -> NDArray[T]:
    """(Q, width) values of each query, then `filler`; the values as they are if none is needed."""
    if inside is None:
        return values.reshape(-1, width)
    matrix = np.full(inside.shape, filler)
    matrix[inside] = values
    return matrix


def _first_grades(keys: Keys) -> tuple[Ints, Floats]:
    """(Q,) how many of rows of sorted keys are returned, and their grades; NaN = not judged."""
    codes = keys.astype(np.int8)
    there = keys < _BEYOND
    if there[:, -1].all():
        returned, codes = np.full(len(keys), keys.shape[1]), codes.ravel()
    else:
        returned, codes = np.count_nonzero(there, axis=1), codes[there]
    return returned, _AS_GRADE.take(codes.view(np.uint8))


def _tied(keys: Keys) -> Bools:
    """(Q,) whether a row of sorted keys has a score twice."""
    same = (keys[:, 1:] ^ keys[:, :-1]) < (1 << _GRADE)
    tied = np.zeros(len(keys), dtype=bool)
    if same.any():
        same &= keys[:, :-1] < _BEYOND
        tied[np.nonzero(same)[0]] = True
    return tied


def _ends(lengths: Ints) -> Ints:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
