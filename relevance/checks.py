"""A table's contract against a frame: casts the declared columns and lists what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from operator import or_
from pathlib import Path

import numpy as np
import polars as pl

from relevance.casts import DTYPES, cast, infer
from relevance.errors import TableError, did_you_mean
from relevance.formats import Source
from relevance.grades import GradeScale
from relevance.records import Column, Table

LIMIT = 20
"""Problems listed at most."""

_WANTED = {
    "text": "must be text",
    "integer": "must be a whole number",
    "number": "must be a number",
    "time": "must be a time such as 2026-01-31T12:00:00Z",
    "vector": "must be a list of finite numbers",
}
_TOLERANCE = 1e-6  # a 32-bit softmax may say 1.0000001
_SUM_TOLERANCE = 1e-3
_HASHED = 1 << 19  # rows hashed at once, in memory that is used again
_FIX = "Fix the row"


def conform(
    source: Source, table: Table, scale: GradeScale, *, distinct: bool = True
) -> tuple[pl.DataFrame, list[TableError]]:
    """The frame as the table's contract wants it, and up to `LIMIT` problems in line order.

    Declared columns come first and cast (`relevance.casts`), absent optional ones as null; others
    follow. Only a frame without problems is fit for use. Repeated keys are looked for if
    `distinct`.
    """
    missing = list(_missing_columns(source, table))
    if missing:
        return source.frame, missing
    problems: list[TableError] = []
    columns: dict[str, pl.Series] = {}
    for column in table.columns:
        if column.name not in source.frame.columns:
            continue
        raw = source.frame[column.name]
        values, bad = cast(raw, column.type)
        columns[column.name] = values
        problems += _cell_problems(source, column, raw, values, bad)
    for name in source.frame.columns:
        if name not in columns:
            raw = source.frame[name]
            columns[name] = infer(raw) if source.format in ("csv", "tsv") else raw
    frame = _with_absent(pl.DataFrame(list(columns.values())), table)
    if "grade" in columns:
        problems += _grade_problems(source, frame["grade"], scale)
    if table.name in ("predictions", "qrels"):
        frame, found = _probabilities(source, frame, table, scale)
        problems += found
    if table.name == "runs":
        neither = frame.select(pl.col("score").is_null() & pl.col("rank").is_null()).to_series()
        problems += _faults(source, neither, "score", None, "a run needs a score or a rank")
    if distinct and table.key and not table.latest_wins:
        problems += _repeated(source, frame, table)
    return frame, sorted(problems, key=lambda problem: problem.line or 0)[:LIMIT]


def _missing_columns(source: Source, table: Table) -> Iterator[TableError]:
    there = source.frame.columns
    for column in table.columns:
        if not column.optional and column.name not in there:
            unknown = set(there) - {known.name for known in table.columns}
            yield TableError(
                f"column {column.name} ({column.doc}) is missing from the {table.name} table",
                path=source.path,
                line=None if source.format == "parquet" else 1,
                way_out=f"The file has: {', '.join(there)}.{did_you_mean(column.name, unknown)}",
            )


def _with_absent(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """All declared columns in order, then the others; a literal null takes no room."""
    declared = [column.name for column in table.columns]
    others = [name for name in frame.columns if name not in declared]
    absent = (
        pl.lit(None, dtype=DTYPES[column.type]).alias(column.name)
        for column in table.columns
        if column.name not in frame.columns
    )
    return frame.with_columns(absent).select(*declared, *others)


def _cell_problems(
    source: Source, column: Column, raw: pl.Series, values: pl.Series, bad: pl.Series
) -> list[TableError]:
    problems = []
    if bad.any():
        problems += _faults(source, bad, column.name, raw, _WANTED[column.type])
    if not column.nullable:
        empty = values.is_null() & ~bad
        if column.type == "text":
            empty |= (values == "").fill_null(value=False)
        problems += _faults(source, empty, column.name, None, f"must not be empty ({column.doc})")
    outside = _outside(values, column)
    if outside is not None:
        problems += _faults(source, outside, column.name, raw, _range(column))
    if column.choices:
        strange = ~values.is_in(column.choices).fill_null(value=True)
        problems += _faults(
            source, strange, column.name, raw, f"must be one of {', '.join(column.choices)}"
        )
    if column.type == "vector" and not bad.any():
        lengths = values.list.len() if isinstance(values.dtype, pl.List) else None
        if lengths is not None and lengths.n_unique() > 1:
            usual = int(lengths.drop_nulls()[0])
            problems += _faults(
                source,
                (lengths != usual).fill_null(value=False),
                column.name,
                lengths,
                f"vectors must be of one length, here {usual}",
            )
    return problems


def _outside(values: pl.Series, column: Column) -> pl.Series | None:
    masks = []
    if column.minimum is not None:
        masks.append(values < column.minimum - _TOLERANCE)
    if column.above is not None:
        masks.append(values <= column.above)
    if column.maximum is not None:
        masks.append(values > column.maximum + _TOLERANCE)
    return reduce(or_, masks).fill_null(value=False) if masks else None


def _range(column: Column) -> str:
    words = [
        f"{word} {limit:g}"
        for word, limit in (
            ("at least", column.minimum),
            ("above", column.above),
            ("at most", column.maximum),
        )
        if limit is not None
    ]
    return "must be " + " and ".join(words)


def _grade_problems(source: Source, grades: pl.Series, scale: GradeScale) -> list[TableError]:
    if not scale.levels:
        return []
    strange = ~grades.is_in(list(scale.levels)).fill_null(value=True)
    return _faults(
        source,
        strange,
        "grade",
        grades,
        f"grade must be {scale.describe()}",
        way_out="Fix the row, or name the data's own scale (--scale)",
    )


def _probabilities(
    source: Source, frame: pl.DataFrame, table: Table, scale: GradeScale
) -> tuple[pl.DataFrame, list[TableError]]:
    """Checks that p1…pK are a distribution in each row that has them; casts those of qrels."""
    names = [name for name in frame.columns if re.fullmatch(r"p[1-9]\d*", name)]
    if not names:
        return frame, []
    n_levels = 5 if table.name == "predictions" else len(scale.levels)
    if n_levels and len(names) != n_levels:
        return frame, [
            TableError(
                f"the scale has {n_levels} levels, the file the columns {', '.join(names)}",
                path=source.path,
                way_out="Give one column p1, p2, … a level, or none",
            )
        ]
    problems: list[TableError] = []
    for name in names if table.name == "qrels" else ():
        raw = frame[name]
        values, bad = cast(raw, "number")
        frame = frame.with_columns(values)
        outside = ((values < -_TOLERANCE) | (values > 1 + _TOLERANCE)).fill_null(value=False)
        problems += _faults(source, bad | outside, name, raw, "must be at least 0 and at most 1")
    total = frame.select(pl.sum_horizontal(names, ignore_nulls=False)).to_series()
    off = ((total - 1).abs() > _SUM_TOLERANCE).fill_null(value=False)
    subject = f"{names[0]}…{names[-1]} must sum to 1"
    return frame, problems + _faults(source, off, names[0], total, subject)


def _repeated(source: Source, frame: pl.DataFrame, table: Table) -> list[TableError]:
    key = [name for name in table.key if name in source.frame.columns]
    keys = frame.select(key)
    if surely_distinct(keys) or keys.n_unique() == keys.height:
        return []
    again = ~keys.select(pl.struct(key).is_first_distinct()).to_series()
    problems = []
    for row in again.arg_true()[:LIMIT].to_list():
        cells = keys.row(row)
        same = keys.select(
            pl.all_horizontal(
                pl.col(name).eq_missing(pl.lit(cell)) for name, cell in zip(key, cells, strict=True)
            )
        ).to_series()
        first, here = source.lines([int(same.arg_max() or 0), row])
        shown = ", ".join(f"{n}={c}" for n, c in zip(key, cells, strict=True) if c is not None)
        problems.append(
            TableError(
                f"{shown} is there already (line {first})",
                path=source.path,
                line=here,
                way_out=f"Keep one row; {' + '.join(key)} identifies a row of {table.name}",
            )
        )
    return problems


def surely_distinct(keys: pl.DataFrame) -> bool:
    """Whether no row is there twice, if 64-bit hashes can tell; a fraction of the time of a set."""
    hashes = np.empty(keys.height, dtype=np.uint64)
    for first in range(0, keys.height, _HASHED):
        hashes[first : first + _HASHED] = keys[first : first + _HASHED].hash_rows(seed=0).to_numpy()
    hashes.sort()
    return not bool((hashes[1:] == hashes[:-1]).any())


def _faults(
    source: Source,
    mask: pl.Series,
    column: str,
    values: pl.Series | None,
    subject: str,
    *,
    way_out: str = _FIX,
) -> list[TableError]:
    """One error for each of the first masked cells."""
    rows = mask.arg_true()[:LIMIT].to_list()
    return [
        TableError(
            subject,
            path=Path(source.path),
            line=line,
            column=source.names.get(column, column),
            value=None if values is None else values[row],
            way_out=way_out,
        )
        for row, line in zip(rows, source.lines(rows), strict=True)
    ]
