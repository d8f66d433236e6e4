"""Equal 64-bit hashes: those that two lists have in common, and those that a list has twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.ranking.together import in_threads

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]
_FREE_BITS = 2  # of a hash: a table with room for 4 to 8 times the pairs
_SEARCHED = 1 << 17  # rows that are searched for a hash they have twice at once


def any_twice(hashes: Hashes, starts: Rows | None) -> bool:
    """Whether a hash is there twice.

    Args:
        hashes: (N,) hashes.
        starts: (Q + 1,) where groups of rows start, if equal hashes can only be in one group: then
            some groups are sorted at a time, in a cache. None = anywhere.
    """
    ends = np.array([len(hashes)])
    if starts is not None:
        ends = starts[np.searchsorted(starts, np.arange(_SEARCHED, len(hashes), _SEARCHED))]
        ends = np.append(ends, len(hashes))
    firsts = np.append(0, ends[:-1])

    def twice(place: int) -> bool:
        part = np.sort(hashes[firsts[place] : ends[place]])
        return bool((part[1:] == part[:-1]).any())

    return any(in_threads(twice, range(len(ends))))


def equal_hashes(left: Hashes, right: Hashes) -> tuple[Rows, Rows, bool]:
    """Positions in `left` and in `right` of equal hashes, each pair of them.

    A table by a hash's upper bits holds a position in `right`, the last; the few that are not in
    it are sorted.

    Returns:
        Both, and whether `right` has a hash twice.
    """
    if len(right) == 0:
        return _NO_ROWS, _NO_ROWS, False
    bits = len(right).bit_length() + _FREE_BITS
    beside = np.uint64(64 - bits)
    places, positions = (right >> beside).view(np.int64), np.arange(len(right), dtype=np.int32)
    table = np.zeros(1 << bits, dtype=np.int32)
    table[places] = positions
    looked_up = (left >> beside).view(np.int64)
    guessed = table.take(looked_up)
    at = np.flatnonzero(right.take(guessed) == left)
    there = guessed[at].astype(np.int64)
    held = table.take(places)
    absent = np.flatnonzero(held != positions)
    if len(absent) == 0:
        return at, there, False
    others = right[absent]
    twice = bool((others == right[held[absent]]).any()) or any_twice(others, None)
    table[places[absent]] = -1
    few = np.flatnonzero(table.take(looked_up) < 0)
    i, j = _sorted_matches(left[few], others)
    return np.append(at, few[i]), np.append(there, absent[j]), twice


_NO_ROWS: Rows = np.zeros(0, dtype=np.int64)


def _sorted_matches(left: Hashes, right: Hashes) -> tuple[Rows, Rows]:
    """Positions in `left` and in `right` of equal hashes, each pair of them."""
    order = np.argsort(right)
    ascending = right[order]
    first = np.searchsorted(ascending, left)
    counts = np.searchsorted(ascending, left, side="right") - first
    at = np.repeat(np.arange(len(left)), counts)
    within = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
    return at, order[first[at] + within]
