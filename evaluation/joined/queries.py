"""The queries of a joined table: which rows are theirs, and the columns that are the query's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.joined.file import OWN, JoinedFile
from evaluation.ranking.coding import Bools, Codes, codes_of, distinct
from evaluation.ranking.together import changes_in, heads_of
from relevance.errors import InputError, did_you_mean

_PIECE = 1 << 19  # rows worked on at once: fewer take more calls, more take more memory
_READ = 2  # pieces read at once: rows beside those that are wanted are often decoded with them
_WINDOW = 1 << 10  # rows looked at to find where a query ends


@dataclass(frozen=True, slots=True)
class JoinedQueries:
    """The queries of a joined table.

    Attributes:
        ids: (Q,) query ids as text; a query's code is its position.
        codes: (N,) code of each row's query.
        first: (Q,) first row of each query.
        together: Whether a query's rows stand together, by ascending code.
    """

    ids: pl.Series
    codes: Codes
    first: NDArray[np.int64]
    together: bool

    def any_of(self, mask: Bools) -> Bools:
        """(Q,) whether a query has a row that (N,) `mask` marks."""
        if self.together:
            return np.logical_or.reduceat(mask, self.first)
        found = np.zeros(len(self.ids), dtype=bool)
        found[self.codes[mask]] = True
        return found

    def only(self, chosen: Bools) -> tuple[JoinedQueries, NDArray[np.int64]]:
        """The queries that (Q,) `chosen` marks, and their rows; their codes count those rows."""
        rows = np.flatnonzero(chosen[self.codes])
        place = np.cumsum(chosen, dtype=np.int32) - np.int32(1)
        codes = place[self.codes[rows]]
        ids = self.ids.filter(pl.Series(chosen))
        first = np.searchsorted(codes, np.arange(len(ids)))
        return JoinedQueries(ids, codes, first, self.together), rows


def queries_in(file: JoinedFile) -> JoinedQueries:
    """The queries of a joined table, coded; by position where a query's rows stand together.

    Raises:
        InputError: A query_id is empty, or no kind of id.
    """
    ids = file.read("query_id")
    if not (ids.dtype.is_integer() or ids.dtype in (pl.String, pl.Categorical, pl.Enum)):
        raise file.wrong("query_id", "must be text or whole numbers", ids.dtype)
    if ids.null_count():
        row = int(ids.is_null().arg_max() or 0)
        raise file.wrong("query_id", "must not be empty", None, row=row)
    if not ids.dtype.is_integer():
        ids = ids.cast(pl.String)
    heads = heads_of(ids)
    if heads is not None:
        at_head = ids.gather(heads)
        if at_head.is_sorted() or at_head.n_unique() == len(heads):
            lengths = np.diff(np.append(heads, len(ids)))
            text = at_head.cast(pl.String)
            codes = np.repeat(np.arange(len(heads), dtype=np.int32), lengths)
            return JoinedQueries(text, codes, heads, together=True)
    known = distinct(ids)
    known = known.gather(known.cast(pl.String).arg_sort())
    codes = codes_of(ids, known)
    first = np.empty(len(known), dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return JoinedQueries(known.cast(pl.String), codes, first, together=False)


def columns_of(file: JoinedFile, by: Sequence[str] | None) -> list[str]:
    """The columns that an evaluation needs of every row; a pin_id only if pairs may be there twice.

    Args:
        file: The table.
        by: Columns of the query, or columns joined by `:`; None if none is wanted.

    Raises:
        InputError: The table has no such column.
    """
    pins = ["pin_id"] if file.has("pin_id") and not file.distinct else []
    system = ["system"] if file.has("system") else []
    return ["query_id", "score", "grade", *pins, *system, *_wanted(file, by)]


def pieces_of(file: JoinedFile, columns: Sequence[str]) -> Iterator[JoinedFile]:
    """The table some rows after the other; the next are read while these are worked on.

    Where a query's rows stand together they are in one piece: what a read cuts off is a piece of
    its own.
    """
    n_rows = _READ * _PIECE
    with ThreadPoolExecutor(max_workers=1) as reader:
        ahead = reader.submit(file.rows, columns, 0, n_rows)
        offset = 0
        begun: pl.DataFrame | None = None  # rows of a query that may go on in the next read
        while (frame := ahead.result()).height:
            after = offset + frame.height
            ahead = reader.submit(file.rows, columns, after, n_rows)
            ids = frame["query_id"]
            if begun is not None:
                same = _leading(ids, begun["query_id"][0])
                begun = begun.vstack(frame[:same])
                if same == frame.height:
                    offset = after
                    continue
                yield file.part(offset + same - begun.height, begun)
                frame, ids, offset = frame[same:], ids[same:], offset + same
            last = frame.height - _leading(ids, ids[-1], backwards=True)
            yield from _cut(file, frame[:last], offset)
            begun, offset = frame[last:], after
        if begun is not None:
            yield file.part(offset - begun.height, begun)


def _cut(file: JoinedFile, frame: pl.DataFrame, offset: int) -> Iterator[JoinedFile]:
    """Some rows as pieces, none of which ends within a query."""
    ids = frame["query_id"]
    start = 0
    while start < frame.height:
        end = start + _PIECE
        if end < frame.height:
            end -= _leading(ids[start:end], ids[end], backwards=True)
        if end == start:
            end += _leading(ids[start:], ids[start])
        yield file.part(offset + start, frame[start:end])
        start = end


def _leading(ids: pl.Series, query_id: object, *, backwards: bool = False) -> int:
    """How many of the first (or last) rows are of a query; looks no further than needed."""
    window = _WINDOW
    while True:
        near = ids.tail(window).reverse() if backwards else ids.head(window)
        other = near != query_id
        if other.any():
            return int(other.arg_max() or 0)
        if window >= len(ids):
            return len(ids)
        window *= 8


def query_columns(
    file: JoinedFile, queries: JoinedQueries, by: Sequence[str] | None
) -> pl.DataFrame:
    """The queries table that the file holds: query_id, what `by` names, and traffic.

    Args:
        file: The table.
        queries: Its queries.
        by: As in `columns_of`.

    Raises:
        InputError: A column is not there, or has two values for one query.
    """
    columns = {"query_id": queries.ids}
    for name in _wanted(file, by):
        values = file.read(name)
        at_first = values.gather(queries.first)
        row = _contradiction(values, at_first, queries)
        if row is not None:
            code = int(queries.codes[row])
            raise InputError(
                f"{file.name}: query {queries.ids[code]!r} has {name} {at_first[code]!r} in one "
                f"row and {values[row]!r} in another. Give all rows of a query the same"
            )
        columns[name] = at_first
    return pl.DataFrame(columns)


def _wanted(file: JoinedFile, by: Sequence[str] | None) -> list[str]:
    """The columns that `by` is made of, each once, and traffic."""
    if not by:
        return []
    columns: list[str] = ["traffic"] if file.has("traffic") else []
    for name in by:
        for part in [name] if name in file.schema else name.split(":"):
            known = [c for c in file.schema if c not in OWN]
            if part not in known:
                raise InputError(
                    f"{file.name} has no column {part!r} of the query to split by."
                    f"{did_you_mean(part, known)} It has: {', '.join(known) or 'none'}"
                )
            columns += [] if part in columns else [part]
    return columns


def _contradiction(values: pl.Series, at_first: pl.Series, queries: JoinedQueries) -> int | None:
    """A row that differs from the first row of its query, if there is one."""
    if not queries.together:
        differs = values.ne_missing(at_first.gather(queries.codes))
        return int(differs.arg_max() or 0) if differs.any() else None
    rows = changes_in(values)
    within = rows[queries.codes[rows] == queries.codes[rows - 1]]
    return int(within[0]) if len(within) else None
