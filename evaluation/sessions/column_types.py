"""Types of a table's columns that cannot be looked at: assumed, or told by a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ibis
from ibis.backends.sql import compilers

from evaluation.sessions.engines import Dialect
from evaluation.sessions.log import SessionLog
from evaluation.sessions.reading import opened
from relevance.delimited import delimiter_of, read_delimited
from relevance.errors import InputError, TableError
from relevance.formats import read_text

TYPES: Mapping[str, str] = {
    "session_id": "string",
    "unit_id": "string",
    "variant": "string",
    "country": "string",
    "started_at": "timestamp('UTC')",
    "exposed_at": "timestamp('UTC')",
    "fulfilled": "int64",
}
"""Columns of the session table as Ibis types, where nothing else is said of the table."""


def assumed_types(log: SessionLog) -> dict[str, str]:
    """Types of the columns that a log names, under those names: the session table of gradewise."""
    renamed = {
        log.unit: "string",
        log.variant: "string",
        log.session or "session_id": TYPES["session_id"],
        log.started_at or "started_at": TYPES["started_at"],
        log.exposed_at or "exposed_at": TYPES["exposed_at"],
    }
    if log.experiment is not None:
        renamed["experiment"] = "string"
    groups = dict.fromkeys(log.by or ("country",), "string")
    measured = {
        name: TYPES.get(name, "float64")
        for outcome in log.outcomes
        for name in outcome.columns
        if name != "sessions"
    }
    return renamed | groups | measured


def read_types(path: str | Path) -> dict[str, str]:
    """Column → type of a table, from a file in one of the shapes that engines give.

    A JSON object (`{"unit_id": "STRING"}`), BigQuery's schema (`bq show --schema`: an array of
    objects with name and type), or a CSV or TSV file with a column of names and one of types
    (`SELECT column_name, data_type FROM information_schema.columns`).

    Raises:
        MissingInputError: There is no such file.
        TableError: It has another shape.
    """
    path = Path(path)
    text = read_text(path, "bq show --schema, or a query on information_schema.columns")
    if text.lstrip()[:1] in ("{", "["):
        return _types_of_json(text, path)
    header = text.partition("\n")[0].lower()
    frame, _ = read_delimited(
        text.encode(), delimiter_of(header, {*_NAME_COLUMNS, *_TYPE_COLUMNS}), path
    )
    names = {name.lower(): name for name in frame.columns}
    found = [
        next((names[word] for word in words if word in names), None)
        for words in (_NAME_COLUMNS, _TYPE_COLUMNS)
    ]
    if None in found:
        raise TableError(
            "no column of names and one of types",
            path=path,
            value=", ".join(frame.columns),
            way_out="Call them column_name and data_type",
        )
    rows = frame.select(found).drop_nulls().rows()
    return {str(name): str(kind) for name, kind in rows}


def like_types(path: str | Path, log: SessionLog) -> dict[str, str]:
    """Column → type of a table that a file is a sample of, as Ibis tells them.

    Raises:
        MissingInputError: There is no such file.
        TableError: It cannot be read.
    """
    with opened(path, log) as sample:
        schema = sample.table.schema()
    return {name: str(kind) for name, kind in schema.items()}


_NAME_COLUMNS = ("column_name", "name", "column", "col_name", "field")
_TYPE_COLUMNS = ("data_type", "type", "column_type", "dtype")


def _types_of_json(text: str, path: Path) -> dict[str, str]:
    try:
        said = json.loads(text)
    except json.JSONDecodeError as error:
        raise TableError(f"not JSON ({error.msg})", path=path, line=error.lineno) from None
    if isinstance(said, list) and all(isinstance(row, dict) for row in said):
        said = {row.get("name"): row.get("type") for row in said}
    if not isinstance(said, dict) or not all(
        isinstance(part, str) for pair in said.items() for part in pair
    ):
        raise TableError(
            "not the types of columns",
            path=path,
            way_out='Write {"unit_id": "STRING", …} or [{"name": "unit_id", "type": "STRING"}, …]',
        )
    return said


def column_type(dialect: Dialect, name: str, kind: str) -> Any:
    """The Ibis type of a column, told in the dialect's words or in Ibis'.

    Raises:
        InputError: Both do not know the type.
    """
    mapper = getattr(compilers, dialect.compiler).compiler.type_mapper
    found = _read(mapper.from_string, kind) or _read(ibis.dtype, kind)
    if found is None:
        raise InputError(
            f"type {kind!r} of column {name!r} is unknown in {dialect.name}. "
            "Write it as the engine does, or string, int64, float64, boolean, timestamp"
        )
    return found


def shown_type(dialect: Dialect, kind: Any) -> str:
    """A type in the dialect's words."""
    mapper = getattr(compilers, dialect.compiler).compiler.type_mapper
    return str(mapper.to_string(kind))


def _read(reader: Callable[[str], Any], kind: str) -> Any:
    """What a reader makes of a type; None if nothing."""
    try:
        found = reader(kind)
    except Exception:  # noqa: BLE001 - parsers of two libraries, with many errors of their own
        return None
    return None if found.is_unknown() else found
