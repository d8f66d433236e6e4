"""Columns of millions of rows, some rows at a time: where another value begins, and threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

_RUNS_OF_ROWS = 4  # rows a query from which its rows are taken to stand together
_SAMPLE = 1 << 12
_SHARE = 1 << 19  # rows that are compared, hashed or looked up at once
_MANY = 1 << 20  # rows from which threads are worth their while
_THREADS = 4
_S = TypeVar("_S")
_T = TypeVar("_T")


def heads_of(ids: pl.Series) -> NDArray[np.int64] | None:
    """Rows at which another id begins; None if equal ids hardly stand together."""
    if len(ids) < 2 or ids.null_count():
        return None
    if len(ids) > _SAMPLE and not _together(changes_in(ids.head(_SAMPLE)), _SAMPLE):
        return None  # most files tell by their first rows
    heads = changes_in(ids)
    return np.append(0, heads) if _together(heads, len(ids)) else None


def _together(heads: NDArray[np.int64], n_rows: int) -> bool:
    return len(heads) * _RUNS_OF_ROWS <= n_rows


def changes_in(values: pl.Series) -> NDArray[np.int64]:
    """Rows whose value is not that of the row before; two missing values are equal.

    Chunk by chunk, as comparing across the chunks of a column would copy it first.
    """
    parts = [
        chunk.slice(rows.start, len(rows))
        for chunk in values.get_chunks()
        for rows in shares_of(len(chunk))
        if len(rows)
    ]
    firsts = np.cumsum([0, *map(len, parts)])

    def changes(place: int) -> NDArray[np.int64]:
        part = parts[place]
        before, after = part.slice(0, len(part) - 1), part.slice(1)
        differs = after.ne_missing(before) if part.null_count() else after != before
        inside = np.flatnonzero(differs.to_numpy()) + (firsts[place] + 1)
        if place and _differ(parts[place - 1].item(-1), part.item(0)):
            inside = np.append(firsts[place], inside)
        return np.asarray(inside, dtype=np.int64)

    places = range(len(parts))
    found = in_threads(changes, places) if len(values) > _MANY else list(map(changes, places))
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])


def _differ(one: object, other: object) -> bool:
    """Whether two cells differ; NaN is NaN."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return not math.isnan(other)
    return one != other


def in_threads(function: Callable[[_S], _T], parts: Sequence[_S]) -> list[_T]:
    """The function's value for each part, in order; NumPy and polars let threads run at once."""
    if len(parts) < 2:
        return [function(part) for part in parts]
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(function, parts))


def shares_of(n_rows: int) -> list[range]:
    """Ranges of rows, at least one, that are so few that what is made of them stays in a cache."""
    firsts = range(0, max(n_rows, 1), _SHARE)
    return [range(first, min(first + _SHARE, n_rows)) for first in firsts]
