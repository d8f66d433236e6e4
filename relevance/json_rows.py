"""JSONL files and JSON arrays of objects: cells of text for declared columns, types for others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from relevance.errors import TableError
from relevance.records import Table

Lines = Callable[[Sequence[int]], list[int]]
"""Turns row indices into 1-based lines of the file."""

Objects = list[dict[str, Any]]
Names = Mapping[str, str]


def read_json(
    text: str, path: Path, table: Table, adopt: Callable[[Objects], tuple[Objects, Names]]
) -> tuple[str, pl.DataFrame, Lines, Names]:
    """Rows of a text that begins with `{` (an object a line) or `[` (one array).

    Args:
        text: The file.
        path: Named in errors.
        table: Its declared columns come as text, vectors as JSON text.
        adopt: Rows → the same under our names, and our names → theirs where they differed.

    Returns:
        `jsonl` or `json`, the rows, where they are, and our names → the file's.

    Raises:
        TableError: It is not JSON, a row is not an object, or a cell is nested.
    """
    array = text.lstrip().startswith("[")
    try:
        rows, lines = (_array if array else _objects)(text, path)
    except RecursionError:
        raise TableError("the JSON is nested too deeply", path=path, way_out="Flatten it") from None
    rows, names = adopt(rows)
    return "json" if array else "jsonl", _frame(rows, table, path, lines), lines, names


def _objects(text: str, path: Path) -> tuple[Objects, Lines]:
    rows: Objects = []
    numbers: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.isspace():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise TableError(
                f"not JSON ({error.msg}, character {error.pos + 1})",
                path=path,
                line=number,
                way_out="A JSONL file holds one whole object a line",
            ) from None
        if not isinstance(row, dict):
            raise _not_an_object(row, path, number)
        rows.append(row)
        numbers.append(number)
    return rows, partial(_each, numbers.__getitem__)


def _array(text: str, path: Path) -> tuple[Objects, Lines]:
    decoder = json.JSONDecoder()
    rows: Objects = []
    offsets: list[int] = []

    def line_of(offset: int) -> int:
        return text.count("\n", 0, offset) + 1

    at = _after(text, text.index("[") + 1, "")
    try:
        while text[at : at + 1] != "]":
            row, end = decoder.raw_decode(text, at)
            if not isinstance(row, dict):
                raise _not_an_object(row, path, line_of(at))
            rows.append(row)
            offsets.append(at)
            at = _after(text, end, ",")
    except json.JSONDecodeError as error:
        raise TableError(
            f"not JSON ({error.msg}, column {error.colno})",
            path=path,
            line=error.lineno,
            way_out="Close the array; rows are objects with commas between",
        ) from None
    if not rows:
        raise TableError("the JSON array is empty", path=path, way_out="Give a file with rows")
    return rows, partial(_each, lambda row: line_of(offsets[row]))


def _after(text: str, at: int, comma: str) -> int:
    """Where the next row of an array begins, or its end; past blanks and one comma."""
    while at < len(text) and text[at].isspace():
        at += 1
    if comma and text[at : at + 1] == comma:
        return _after(text, at + 1, "")
    if comma and text[at : at + 1] != "]":
        raise json.JSONDecodeError("expected a comma or the end of the array", text, at)
    return at


def _frame(rows: Objects, table: Table, path: Path, lines: Lines) -> pl.DataFrame:
    types = {column.name: column.type for column in table.columns}
    series = []
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        for index, value in enumerate(values):
            wrong = _wrong(value, types.get(name))
            if wrong:
                raise TableError(
                    wrong,
                    path=path,
                    line=lines([index])[0],
                    column=name,
                    value=ascii(value),
                    way_out="Fix the row",
                )
        series.append(_text(name, values) if name in types else _typed(name, values))
    return pl.DataFrame(series)


def _wrong(value: object, declared: str | None) -> str:
    """Why a value cannot be a cell of a column of this type; empty if it can."""
    if isinstance(value, str):
        halved = not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value)
        return "half a character (a lone surrogate)" if halved else ""
    nested = isinstance(value, dict) or (isinstance(value, list) and declared != "vector")
    return f"must be one {declared}, not nested JSON" if declared and nested else ""


def _typed(name: str, values: list[Any]) -> pl.Series:
    try:
        return pl.Series(name, values, strict=True)
    except (pl.exceptions.PolarsError, TypeError, OverflowError):
        return _text(name, values)


def _text(name: str, values: list[Any]) -> pl.Series:
    cells = [
        value if value is None or isinstance(value, str) else json.dumps(value) for value in values
    ]
    return pl.Series(name, cells, dtype=pl.String)


def _not_an_object(row: object, path: Path, line: int) -> TableError:
    return TableError(
        "a row must be a JSON object", path=path, line=line, value=row, way_out='As {"name": …}'
    )


def _each(line_of: Callable[[int], int], rows: Sequence[int]) -> list[int]:
    return [line_of(row) for row in rows]
