"""A table that holds runs and grades side by side, read some columns and rows at a time.

A row is a Pin that was returned (`score`), judged (`grade`) or both:
`query_id, [pin_id], score, grade, [system], [p1…pK]` and any column of the query, such as country.
Most of a large evaluation is matching the ids of two files; here that has been done once, and what
is left of an evaluation needs no text but one id a query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.checks import conform
from relevance.errors import InputError, MissingInputError, TableError, did_you_mean
from relevance.formats import read_source
from relevance.grades import GradeScale
from relevance.records import Table, column

DISTINCT = "gradewise.distinct_pairs"
"""Key of a Parquet file's metadata by which its writer says that no pair is in it twice."""

MADE_BY = "gradewise evaluation ranking --run FILE --qrels FILE --write-joined FILE"
_SMALL = 128  # what 8-bit grades are below
OWN = ("query_id", "pin_id", "score", "grade", "system", "rank")
"""Columns that are not the query's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedRow:
    """A Pin that a system returned for a query, or that was judged for it, or both."""

    query_id: str = column("Identity of the query")
    pin_id: str | None = column("Identity of the Pin", optional=True)
    score: float | None = column("Score, higher first; empty = not returned", nullable=True)
    grade: int | None = column("Grade; empty = not judged", nullable=True)
    system: str | None = column("Name of the system", optional=True)


@dataclass(frozen=True, slots=True)
class JoinedFile:
    """An open joined table, or some rows of one.

    Attributes:
        name: How errors call it.
        schema: Its columns and their types.
        table: All its rows, read as needed.
        distinct: Whether its writer has seen that no pair is in it twice.
        offset: First row of the whole table that is here.
        n_rows: Rows that are here; None = all that follow.
        held: Columns that have been read already.
    """

    name: str
    schema: Mapping[str, pl.DataType]
    table: pl.LazyFrame
    distinct: bool = False
    offset: int = 0
    n_rows: int | None = None
    held: pl.DataFrame | None = None

    def has(self, name: str) -> bool:
        """Whether it has a column of that name with anything in it."""
        return self.schema.get(name, pl.Null) != pl.Null

    def rows(self, columns: Sequence[str], offset: int, n_rows: int | None) -> pl.DataFrame:
        """Columns of some rows of the whole table; None = all rows that follow."""
        return self._collected(self.table.select(columns).slice(offset, n_rows))

    def constant(self, name: str) -> str | None:
        """The text that all rows have in a column; None if they have several, or none.

        What a Parquet file tells of its parts answers this without reading the column.
        """
        if self.schema.get(name) != pl.String:
            return None
        first = self._collected(self.table.select(name).head(1))
        if first.height == 0 or first.item() is None:
            return None
        other = (pl.col(name) != first.item()) | pl.col(name).is_null()
        found = self._collected(self.table.select(name).filter(other).head(1))
        return None if found.height else str(first.item())

    def _collected(self, table: pl.LazyFrame) -> pl.DataFrame:
        try:
            return table.collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _damaged(self.name, error) from None

    def read(self, name: str) -> pl.Series:
        """One column of the rows that are here."""
        if self.held is not None and name in self.held.columns:
            return self.held[name]
        return self.rows([name], self.offset, self.n_rows).to_series()

    def without(self, name: str) -> JoinedFile:
        """The table as if it had no such column."""
        return replace(self, schema={k: kind for k, kind in self.schema.items() if k != name})

    def part(self, offset: int, held: pl.DataFrame) -> JoinedFile:
        """Some rows, of which some columns have been read already."""
        return replace(self, offset=offset, n_rows=held.height, held=held)

    def wrong(
        self, name: str, subject: str, value: object, *, row: int | None = None
    ) -> TableError:
        """What is wrong with a column, or with its cell in one of the rows that are here."""
        return TableError(
            f"{name} {subject}",
            path=self.name,
            line=None if row is None else self.offset + row + 1,
            column=name,
            value=value,
            way_out="Fix the column" if row is None else "Fix the row",
        )


def open_joined(source: Path | pl.DataFrame) -> JoinedFile:
    """A joined table to read columns of.

    Args:
        source: Parquet (read as needed), any other format that tables have, or a frame.

    Raises:
        MissingInputError: The file is not there.
        InputError: It is no table, or a column is missing.
    """
    if isinstance(source, pl.DataFrame):
        return _in_memory(source, "the joined table")
    if not source.exists():
        raise MissingInputError(source, MADE_BY)
    if not _is_parquet(source):
        table = Table("pairs", JoinedRow, ())
        frame, problems = conform(read_source(source, table), table, _ANY)
        if problems:
            raise problems[0]
        return _in_memory(frame, str(source))
    try:
        schema = pl.read_parquet_schema(source)
        marks = pl.read_parquet_metadata(source)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _damaged(str(source), error) from None

    rows = pl.scan_parquet(source)
    return _checked(JoinedFile(str(source), schema, rows, marks.get(DISTINCT) == "yes"))


def scores_in(file: JoinedFile) -> NDArray[np.float32]:
    """(N,) scores as 32-bit floats; NaN = not returned.

    Raises:
        InputError: They are no numbers, or infinite.
    """
    scores = file.read("score")
    if not scores.dtype.is_numeric() and scores.dtype != pl.Null:
        raise file.wrong("score", "must be a number", scores.dtype)
    filled = scores.cast(pl.Float32).fill_null(float("nan"))  # faster than what NumPy is given
    values = filled.to_numpy() + np.float32(0.0)  # -0.0 becomes 0.0
    if np.isinf(values).any():
        row = int(np.isinf(values).argmax())
        if np.isinf(float(scores[row])):
            raise file.wrong("score", "must be finite", scores[row], row=row)
    return np.asarray(values, dtype=np.float32)


def grades_in(file: JoinedFile, scale: GradeScale) -> pl.Series:
    """(N,) grades, null = not judged.

    Raises:
        InputError: They are no whole numbers, or not on the scale.
    """
    grades = file.read("grade")
    if grades.dtype.is_float():
        grades = grades.fill_nan(None)
        broken = (grades != grades.floor()).fill_null(value=False) | grades.is_infinite()
        if broken.any():
            row = int(broken.arg_max() or 0)
            raise file.wrong("grade", "must be a whole number", grades[row], row=row)
        grades = grades.cast(pl.Int64)
    if grades.dtype == pl.Null:
        grades = grades.cast(pl.Int8)
    if not grades.dtype.is_integer():
        raise file.wrong("grade", "must be a whole number", grades.dtype)
    if not _all_allowed(grades, scale):
        strange = ~grades.is_in(list(scale.levels)) & grades.is_not_null()
        row = int(strange.arg_max() or 0)
        raise file.wrong("grade", f"must be {scale.describe()}", grades[row], row=row)
    small = scale.levels and scale.levels[0] > -_SMALL and scale.levels[-1] < _SMALL
    return grades.cast(pl.Int8) if small else grades


def pins_in(file: JoinedFile) -> pl.Series:
    """(N,) pin_id.

    Raises:
        InputError: One is empty.
    """
    pins = file.read("pin_id")
    if pins.null_count():
        row = int(pins.is_null().arg_max() or 0)
        raise file.wrong("pin_id", "must not be empty", None, row=row)
    return pins


def _all_allowed(grades: pl.Series, scale: GradeScale) -> bool:
    levels = scale.levels
    if levels and levels == tuple(range(levels[0], levels[-1] + 1)):
        return bool(grades.is_between(levels[0], levels[-1]).all())
    return not levels or all(scale.allows(grade) for grade in grades.unique().drop_nulls())


_ANY = GradeScale(name="any", levels=())


def _checked(file: JoinedFile) -> JoinedFile:
    for name in ("query_id", "score", "grade"):
        if name not in file.schema:
            unknown = set(file.schema) - set(OWN)
            raise InputError(
                f"{file.name} has no column {name}, which a joined table needs."
                f"{did_you_mean(name, unknown)} It has: {', '.join(file.schema)}"
            )
    return file


def _in_memory(frame: pl.DataFrame, name: str) -> JoinedFile:
    return _checked(JoinedFile(name, dict(frame.schema), frame.lazy()))


def _damaged(source: str, error: Exception) -> TableError:
    reason = str(error).splitlines()[0][:120]
    return TableError(
        f"the Parquet file is truncated or damaged ({reason})",
        path=Path(source),
        way_out="Make or copy it again",
    )


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return False  # the reader of tables says what is wrong
