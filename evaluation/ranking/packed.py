"""Rows of many queries, sorted by value: keys packed into 64 bits instead of an argsort.

Sorting 64-bit values is an order of magnitude faster than sorting positions by them (vectorised
sorts exist for values only), so a key carries its query, what it is sorted by and its row: as many
queries go into one sort as the bits allow.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_ROWS, _QUERIES = 1 << 20, 1 << 12  # in one sort: 20 + 12 bits, and 8 MB of keys


def starts_of(codes: NDArray[np.integer], n_queries: int) -> Ints:
    """(Q + 1,) where each query's rows start, if rows stand by ascending query code."""
    counts = np.bincount(codes, minlength=n_queries)
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)


def partition(codes: Codes, n_queries: int) -> tuple[Ints | None, Ints]:
    """Rows by ascending query code (in their order within a query) and where each query starts.

    Args:
        codes: (N,) query codes; rows with -1 are left out.
        n_queries: Q.

    Returns:
        (≤ N,) rows, None if they stand so already; (Q + 1,) starts.
    """
    if len(codes) == 0:
        return None, np.zeros(n_queries + 1, dtype=np.int64)
    if codes.min() < 0:
        kept = np.flatnonzero(codes >= 0)
        rows, starts = partition(codes[kept], n_queries)
        return kept if rows is None else kept[rows], starts
    if (codes[1:] >= codes[:-1]).all():
        return None, starts_of(codes, n_queries)
    keys = (codes.astype(np.int64) << 32) | np.arange(len(codes), dtype=np.int64)
    keys.sort()
    rows = keys & 0xFFFFFFFF
    return rows, starts_of(keys >> 32, n_queries)


def blocks(starts: Ints) -> Iterator[tuple[int, int]]:
    """Ranges of queries (first, last exclusive) that are sorted at once.

    Each has so few rows and queries that 32 bits hold a row and a query of it, or is one query.
    """
    first, n_queries = 0, len(starts) - 1
    while first < n_queries:
        fitting = int(np.searchsorted(starts, starts[first] + _ROWS, side="right")) - 1
        last = min(max(fitting, first + 1), first + _QUERIES, n_queries)
        yield first, last
        first = last


def descending_bits(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    """32 bits that ascend where scores descend; -0.0 must have been made 0.0."""
    bits = scores.view(np.uint32)
    sign = scores.view(np.int32) >> 31  # all ones if negative
    return bits ^ (~sign.view(np.uint32) & np.uint32(0x7FFFFFFF))
