"""Queries of the runs of rows of a file: where another begins, and the code of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from evaluation.ranking.coding import Bools, Codes, codes_of

_AT_ONCE = 1 << 20  # ids looked up in one go, which takes a multiple of their memory


def changes(columns: Sequence[pl.Series]) -> Bools:
    """(n - 1,) whether a row differs from the one before in any of the columns."""
    return np.asarray(np.logical_or.reduce([_differs(c) for c in columns]), dtype=np.bool_)


def coded_runs(runs: pl.Series) -> tuple[pl.Series, Codes]:
    """The different ids of (R,) runs as text, ascending, and (R,) positions in them.

    Most files have a run a query, whose ids are sorted once. Where queries lie in many pieces, the
    different ids are sorted and each run's is looked up, some at a time.

    Args:
        runs: (R,) query id of each run: text or numbers.
    """
    known = runs.unique()
    if len(known) < len(runs) // 2:
        texts = known.cast(pl.String)
        order = texts.arg_sort()
        known = known[order]
        pieces = [runs.slice(start, _AT_ONCE) for start in range(0, len(runs), _AT_ONCE)]
        codes = np.concatenate([codes_of(piece, known) for piece in pieces])
        return texts[order].alias("query_id"), codes
    texts = runs.cast(pl.String)
    order = texts.arg_sort()
    ascending = texts[order]
    new = np.append(True, changes([ascending]))
    codes = np.empty(len(runs), dtype=np.int32)
    codes[order.to_numpy()] = np.cumsum(new) - 1
    return ascending.filter(pl.Series(new)).alias("query_id"), codes


def _differs(column: pl.Series) -> Bools:
    """(n - 1,) whether a row differs from the one before; an empty one differs from every other."""
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.to_physical()
    if column.dtype.is_integer() and not column.null_count():
        numbers = column.to_numpy()
        return np.asarray(numbers[1:] != numbers[:-1])
    found = column.slice(1) != column.slice(0, len(column) - 1)
    return (found.fill_null(value=True) if found.null_count() else found).to_numpy()
