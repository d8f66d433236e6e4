"""Lists of rows that hold score and grade and stand by query: a matrix with a query a row.

Short rows of a matrix are sorted by value several times faster than one long array, and a grade
travels in the lower bits of the key of its score, so that nothing is looked up afterwards. What the
matrix cannot tell is the order of equal scores; it says in which queries that matters.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.lists import NO_GRADE, Floats, Ints, Lists
from evaluation.ranking.packed import Bools, descending_bits

Keys = NDArray[np.uint64]
T = TypeVar("T", np.uint64, np.int32)
_SCORE = np.uint64(32)  # bits below the score
_BEYOND = np.uint64(0xFFFFFFFF << 32)  # behind every score: not returned
_TIED = 0.25  # of the queries with equal scores are too many to go another way
_SPARSE = 2  # times as many places in the matrix as rows are too many


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
    lengths = np.diff(np.append(first, len(scores)))
    width = int(lengths.max())
    if len(lengths) * width > _SPARSE * len(scores):
        return None
    inside = None if lengths.min() == width else np.arange(width) < lengths[:, None]
    flat, returned = _keys(scores, grades), lengths
    missing = np.isnan(scores)
    if missing.any():
        flat[missing] = _BEYOND
        returned = lengths - np.add.reduceat(missing, first, dtype=np.int64)
    keys = _matrix(flat, inside, width, _BEYOND)
    keys.sort(axis=1)
    kept = width if depth is None else min(depth, width)
    tied = _tied(keys[:, : kept + 1])
    if np.count_nonzero(tied) > _TIED * len(tied):
        return None
    starts, found = _first_grades(keys, np.minimum(returned, kept), kept)
    # 32 bits are sorted faster than fewer
    best = _matrix(-grades.astype(np.int32), inside, width, np.int32(-NO_GRADE))
    best.sort(axis=1)
    judged_starts, judged = _judged(best)
    return Lists(starts, found, judged_starts, judged), tied


def _keys(scores: NDArray[np.float32], grades: NDArray[np.int8]) -> Keys:
    """(N,) numbers that ascend where scores descend, the grade in their lowest 8 bits."""
    keys = descending_bits(scores).astype(np.uint64)
    keys <<= _SCORE
    keys |= grades.view(np.uint8)
    return keys


def _matrix(values: NDArray[T], inside: Bools | None, width: int, filler: T) -> NDArray[T]:
    """(Q, width) values of each query, then `filler`; the values as they are if none is needed."""
    if inside is None:
        return values.reshape(-1, width)
    matrix = np.full(inside.shape, filler)
    matrix[inside] = values
    return matrix


def _first_grades(keys: Keys, lengths: Ints, kept: int) -> tuple[Ints, Floats]:
    """Starts of the lists, and the grades of their Pins end to end; NaN = not judged."""
    codes = keys[:, :kept].astype(np.int8)
    codes = codes.ravel() if lengths.min() == kept else codes[np.arange(kept) < lengths[:, None]]
    grades = codes.astype(np.float64)
    grades[codes == NO_GRADE] = np.nan
    return _ends(lengths), grades


def _judged(best: NDArray[np.int32]) -> tuple[Ints, Floats]:
    """Starts of the judgments and their grades end to end, of rows of sorted minus grades."""
    there = best < -NO_GRADE
    if there.all():
        return np.arange(len(best) + 1) * best.shape[1], (-best).astype(np.float64).ravel()
    return _ends(np.count_nonzero(there, axis=1)), (-best[there]).astype(np.float64)


def _tied(keys: Keys) -> Bools:
    """(Q,) whether a row of sorted keys has a score twice."""
    same = (keys[:, 1:] ^ keys[:, :-1]) >> _SCORE == 0
    tied = np.zeros(len(keys), dtype=bool)
    if same.any():
        same &= keys[:, :-1] < _BEYOND
        tied[np.nonzero(same)[0]] = True
    return tied


def _ends(lengths: Ints) -> Ints:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
