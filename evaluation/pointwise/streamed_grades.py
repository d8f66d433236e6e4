"""A joined Parquet file of any size: queries and grades in memory, probabilities passing by.

Columns of text are read as dictionaries, and a query's rows mostly stand together, so that ids are
compared once a query and batch, not once a row. Probabilities are checked as they pass. Two threads
decode and work on a half of the row groups each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.pointwise.pairs import (
    PROBABILITIES,
    ROWS,
    Batches,
    Grades,
    Passing,
    Probabilities,
    Runs,
)
from evaluation.pointwise.query_runs import changes, coded_runs
from relevance.checks import conform
from relevance.errors import TableError
from relevance.formats import Source
from relevance.grades import GradeScale
from relevance.records import Table

if TYPE_CHECKING:
    from pyarrow import Array, DataType, RecordBatch, Schema
    from pyarrow.parquet import ParquetFile

_NEEDED = ("query_id", "grade", *PROBABILITIES)
_SUM_TOLERANCE = 1e-3
_LONG = 4 * ROWS  # of few columns a batch may be longer
_BUFFER = 1 << 18  # bytes of a column read at once, so that its row group never is in memory
_TOLERANCE = 1e-6  # a 32-bit softmax may say 1.0000001


@dataclass(frozen=True, slots=True)
class Streamed:
    """A file of one model without empty cells.

    Attributes:
        ids: (Q,) query ids, ascending; a query's code is its position.
        query: Query of each row.
        grades: (N,) human grades.
        batches: The probabilities; they are checked when all five pass by.
        precision: Type of p5.
        queries: The different rows of query_id and the columns to split by; None without such.
        model: Name of the model; None where the file has none.
    """

    ids: pl.Series
    query: Runs
    grades: Grades
    batches: Batches
    precision: np.dtype[np.floating]
    queries: pl.DataFrame | None
    model: str | None


def stream(
    path: Path,
    table: Table,
    scale: GradeScale,
    query_columns: Callable[[Sequence[str]], list[str]],
) -> Streamed | None:
    """The file, if it can be streamed; None if it must be read as a table.

    Args:
        path: The file.
        table: Its contract.
        scale: The scale that grades must be on.
        query_columns: Columns of the file → those of the query that are wanted.

    Raises:
        InputError: A column is missing.
        TableError: A grade or query is wrong; a probability, when `batches` meets it.
    """
    file = _open(path)
    if file is None:
        return None
    wanted = query_columns(file.schema_arrow.names)
    stretches = _stretches(file, path)
    seen = _look(stretches, wanted, table, scale)
    if len(seen.models) > 1:
        return None
    ids, query = seen.coded()
    if ids[0] == "":
        first = int(query.starts[np.argmin(query.codes)])
        nameless = pl.DataFrame({"query_id": [""]})
        _refuse(nameless, slice(first, first + 1), path, table, scale)
    return Streamed(
        ids=ids,
        query=query,
        grades=seen.grades,
        batches=_checked_batches(stretches, path, table, scale),
        precision=_precision(file.schema_arrow.field(PROBABILITIES[-1]).type),
        queries=pl.concat(seen.queries).unique() if wanted else None,
        model=next(iter(seen.models), None),
    )


@dataclass(slots=True)
class _Seen:
    """What batches have shown so far.

    Attributes:
        wanted: Columns of the query.
        columns: Columns to be read.
        grades: (N,) grade of each row of the file; filled in where batches were taken.
        ids: Query of each run of rows, a batch each.
        starts: First row of each run, a batch each.
        queries: Different rows of the query's columns of each batch.
        models: Different models.
    """

    wanted: list[str]
    columns: list[str]
    grades: Grades
    ids: list[pl.Series] = field(default_factory=list)
    starts: list[NDArray[np.int64]] = field(default_factory=list)
    queries: list[pl.DataFrame] = field(default_factory=list)
    models: set[str | None] = field(default_factory=set)

    @classmethod
    def of(cls, file: ParquetFile, wanted: list[str], grades: Grades) -> _Seen:
        """Nothing yet."""
        model = ["model"] if "model" in file.schema_arrow.names else []
        columns = list(dict.fromkeys(["query_id", "grade", *wanted, *model]))
        return cls(wanted, columns, grades)

    def take(self, rows: slice, frame: pl.DataFrame) -> None:
        """Adds a batch."""
        keys = [frame[name] for name in ("query_id", *self.wanted)]
        heads = np.concatenate(([0], np.flatnonzero(changes(keys)) + 1))
        ids, *rest = (_plain(key[heads]) for key in keys)
        self.ids.append(ids)
        self.starts.append(heads + rows.start)
        self.grades[rows] = frame["grade"].to_numpy()
        if rest:
            self.queries.append(pl.DataFrame([ids.cast(pl.String), *rest]).unique())
        if "model" in frame.columns:
            self.models |= set(_plain(frame["model"].unique()).to_list())

    def followed_by(self, others: Iterable[_Seen]) -> _Seen:
        """Adds what the stretches that come next have shown."""
        for other in others:
            self.ids += other.ids
            self.starts += other.starts
            self.queries += other.queries
            self.models |= other.models
        return self

    def coded(self) -> tuple[pl.Series, Runs]:
        """The different ids of the file, ascending, and the runs of rows by position in them."""
        ids, codes = coded_runs(pl.concat(self.ids))
        return ids, Runs(codes, np.concatenate([*self.starts, np.array([len(self.grades)])]))


def _look(
    stretches: Sequence[_Stretch], wanted: list[str], table: Table, scale: GradeScale
) -> _Seen:
    """What a file shows of its queries, a thread a stretch."""
    file = stretches[0].file
    grades = np.empty(file.metadata.num_rows, dtype=np.int8)
    levels = {grade for grade in scale.levels or range(1, 6) if 1 <= grade <= 5}

    def look(stretch: _Stretch) -> _Seen:
        seen = _Seen.of(file, wanted, grades)
        for rows, batch in stretch.batches(seen.columns, _LONG):
            frame = pl.DataFrame(pl.from_arrow(batch))
            if not _are_grades(frame["grade"].to_numpy(), levels):
                _refuse(frame.select("grade"), rows, stretch.path, table, scale)
            seen.take(rows, frame)
        return seen

    with ThreadPoolExecutor(len(stretches)) as pool:
        return _Seen.of(file, wanted, grades).followed_by(pool.map(look, stretches))


def _are_grades(grades: NDArray[np.integer], levels: Collection[int]) -> bool:
    """Whether every grade is one of the levels, which are within 1-5."""
    if grades.min() < min(levels) or grades.max() > max(levels):
        return False
    return len(levels) == 5 or set(np.flatnonzero(np.bincount(grades)).tolist()) <= set(levels)


def _plain(values: pl.Series) -> pl.Series:
    """Dictionaries as text."""
    return values.cast(pl.String) if values.dtype in (pl.Categorical, pl.Enum) else values


def _open(path: Path) -> ParquetFile | None:
    """The file, if it is Parquet with rows, ordinary types and no empty cell; else None."""
    import pyarrow as pa
    from pyarrow import parquet, types

    try:
        with path.open("rb") as file:
            if file.read(4) != b"PAR1":
                return None
        schema = parquet.read_schema(path)
        kinds = {name: schema.field(name).type for name in schema.names}
        opened = _reader(path, schema)
    except (OSError, KeyError, pa.ArrowException):
        return None  # the reader of tables says what is wrong
    probable = [kinds.get(name) for name in PROBABILITIES]
    if any(k is None or not (types.is_float32(k) or types.is_float64(k)) for k in probable):
        return None
    query, grade = kinds.get("query_id", pa.null()), kinds.get("grade", pa.null())
    fit = types.is_integer(grade) and (types.is_integer(query) or _is_text(query))
    return opened if fit and _is_full(opened) else None


def _reader(path: Path, schema: Schema) -> ParquetFile:
    """The file, its text as dictionaries."""
    from pyarrow import parquet, types

    kinds = {name: schema.field(name).type for name in schema.names}
    texts = [name for name, kind in kinds.items() if _is_text(kind) or types.is_dictionary(kind)]
    return parquet.ParquetFile(path, read_dictionary=texts, pre_buffer=False, buffer_size=_BUFFER)


def _is_text(kind: DataType) -> bool:
    from pyarrow import types

    return any(of(kind) for of in (types.is_string, types.is_large_string, types.is_string_view))


def _is_full(file: ParquetFile) -> bool:
    """Whether there are rows, and the file says that no cell of the needed columns is empty."""
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        for index in range(group.num_columns):
            cells = group.column(index)
            if cells.path_in_schema not in _NEEDED:
                continue
            known = cells.statistics if cells.is_stats_set else None
            if known is None or not known.has_null_count or known.null_count:
                return False
    return bool(file.metadata.num_rows)


def _checked_batches(
    stretches: Sequence[_Stretch], path: Path, table: Table, scale: GradeScale
) -> Batches:
    def batches(stretch: _Stretch, which: slice) -> Passing:
        names = PROBABILITIES[which]
        n_rows = ROWS if len(names) > 1 else _LONG
        for rows, batch in stretch.batches(names, n_rows):
            columns = [_view(batch.column(name)) for name in names]
            if len(names) == len(PROBABILITIES) and not _are_probabilities(columns):
                found = pl.DataFrame(dict(zip(names, columns, strict=True)))
                _refuse(found, rows, path, table, scale)
            yield rows, columns

    return lambda which: [batches(stretch, which) for stretch in stretches]


def _are_probabilities(columns: Probabilities) -> bool:
    """Whether the columns are no less than 0 and add up to 1 (NaN does not)."""
    total = columns[0] + columns[1]
    for column in columns[2:]:
        total += column  # in the file's precision, which the tolerance is far above
    low, high = total.min() - 1, total.max() - 1
    near = low >= -_SUM_TOLERANCE and high <= _SUM_TOLERANCE
    lowest = min(column.min() for column in columns)
    highest = max(column.max() for column in columns) if high > _TOLERANCE else 1
    return bool(near and lowest >= -_TOLERANCE and highest <= 1 + _TOLERANCE)


def _refuse(frame: pl.DataFrame, rows: slice, path: Path, table: Table, scale: GradeScale) -> None:
    """Raises the first thing that is wrong with some columns of a batch."""
    fill = {"query_id": pl.lit("-")}
    left_out = [name for name in _NEEDED if name not in frame.columns]
    whole = frame.with_columns(fill.get(name, pl.lit(None)).alias(name) for name in left_out)

    def lines(wanted: Sequence[int]) -> list[int]:
        return [rows.start + row + 1 for row in wanted]

    problems = conform(Source(path, "parquet", whole, lines), table, scale)[1]
    if problems:
        raise problems[0]
    for name in frame.columns:
        broken = frame[name].is_nan() if frame[name].dtype.is_float() else frame[name].is_null()
        if broken.any():
            row = int(broken.arg_max() or 0)
            raise TableError(
                "must be a number",
                path=path,
                line=lines([row])[0],
                column=name,
                value=frame[name][row],
                way_out="Leave the cells of a pair that was not predicted empty (null)",
            )


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Row groups that follow each other, in a file that is opened for them.

    Attributes:
        file: The file; no two stretches share it, so that a thread may read each.
        path: Where it is.
        groups: The row groups.
        first: Row that the first of them starts with.
    """

    file: ParquetFile
    path: Path
    groups: range
    first: int

    def batches(self, columns: Sequence[str], n_rows: int) -> Iterator[tuple[slice, RecordBatch]]:
        """Rows and cells of batches of the columns."""
        import pyarrow as pa

        start = self.first
        try:
            for batch in self.file.iter_batches(
                n_rows, row_groups=self.groups, columns=list(columns), use_threads=False
            ):
                yield slice(start, start + batch.num_rows), batch
                start += batch.num_rows
        except (OSError, pa.ArrowException) as error:
            raise TableError(
                f"the Parquet file is damaged after row {start} ({str(error).splitlines()[0]})",
                path=self.path,
                way_out="Make or copy it again",
            ) from None
        finally:
            pa.default_memory_pool().release_unused()


def _stretches(file: ParquetFile, path: Path) -> list[_Stretch]:
    """The file in two halves, as near as its row groups allow."""
    every = file.metadata
    starts = np.cumsum([0, *(every.row_group(n).num_rows for n in range(every.num_row_groups))])
    middle = int(np.searchsorted(starts, starts[-1] // 2))
    whole = range(every.num_row_groups)
    halves = [half for half in (whole[:middle], whole[middle:]) if half]
    readers = [file, _reader(path, file.schema_arrow)]
    return [
        _Stretch(reader, path, half, int(starts[half[0]]))
        for reader, half in zip(readers, halves, strict=False)
    ]


def _precision(kind: DataType) -> np.dtype[np.floating]:
    return np.dtype(np.float32 if kind.bit_width == 32 else np.float64)


def _view(floats: Array) -> NDArray[np.floating]:
    """The column's numbers where they are (`to_numpy` imports pandas where it is installed)."""
    kind = _precision(floats.type)
    values: NDArray[np.floating] = np.frombuffer(floats.buffers()[1], dtype=kind)
    return values[floats.offset : floats.offset + len(floats)]
