"""Files by their content: Parquet, JSONL, a JSON array, CSV, TSV, TREC qrels and runs, and gzip.

Whatever the ending says, the first bytes decide. Text formats give cells of text for the declared
columns, which `relevance.checks` casts; JSON and Parquet keep the types of further columns.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from relevance.delimited import delimiter_of, read_delimited
from relevance.errors import MissingInputError, TableError
from relevance.records import Table

MADE_BY = {
    "queries": "gradewise data import",
    "pins": "gradewise data import",
    "pairs": "gradewise data import",
    "samples": "gradewise annotation sample",
    "judgments": "gradewise annotation pull",
    "qrels": "gradewise annotation adjudicate",
    "runs": "gradewise student score",
    "predictions": "gradewise teacher label",
    "query_embeddings": "gradewise demo",
    "pin_embeddings": "gradewise demo",
    "sessions": "gradewise demo",
}
"""The command that a missing table is made by."""

TREC_COLUMNS = {
    "qrels": ("query_id", "iteration", "pin_id", "grade"),
    "runs": ("query_id", "iteration", "pin_id", "rank", "score", "system"),
}
Lines = Callable[[Sequence[int]], list[int]]
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Source:
    """What a file held, before its columns are cast and checked.

    Attributes:
        path: The file.
        format: parquet, jsonl, json, csv, tsv or trec.
        frame: Its rows; cells of text where the format has no types.
        lines: Turns row indices into 1-based lines of the file (rows of a Parquet file).
    """

    path: Path
    format: str
    frame: pl.DataFrame
    lines: Lines


def read_source(path: Path, table: Table) -> Source:
    """The rows of a file in whatever format it is.

    Raises:
        MissingInputError: It is not there.
        TableError: It is empty, damaged, not in UTF-8, or not a table.
    """
    data = read_bytes(path, MADE_BY[table.name])
    if data[:4] == b"PAR1":
        return _read_parquet(data, path)
    text = decode(data, path)
    start = text.lstrip()[:1]
    if not start:
        raise TableError("the file is empty", path=path, way_out="Give a file with rows")
    if start == "[":
        return _read_json_array(text, path, table)
    if start == "{":
        return _read_json_lines(text, path, table)
    first = text.partition("\n")[0]
    if _is_trec(first, table):
        return _read_trec(text, path, table)
    delimiter = delimiter_of(first, {column.name for column in table.columns})
    frame, lines = read_delimited(text.encode(), delimiter, path)
    return Source(path, "tsv" if delimiter == "\t" else "csv", frame, lines)


def read_text(path: Path, made_by: str) -> str:
    """The text of a file, unzipped if need be.

    Args:
        path: The file.
        made_by: Where it comes from, named if it is not there.

    Raises:
        MissingInputError: It is not there.
        TableError: It is a folder, a damaged gzip file, or not in UTF-8.
    """
    return decode(read_bytes(path, made_by), path)


def read_bytes(path: Path, made_by: str) -> bytes:
    """The bytes of a file, unzipped if need be; see `read_text`."""
    if not path.exists():
        raise MissingInputError(path, made_by)
    if path.is_dir():
        raise TableError("this is a folder, not a file", path=path, way_out="Name the file in it")
    data = path.read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise TableError(
            f"the gzip file is truncated or damaged ({error})",
            path=path,
            way_out="Copy or download it again",
        ) from None


def decode(data: bytes, path: Path) -> str:
    """The text of bytes in UTF-8, without a byte order mark; see `read_text`."""
    if data.startswith(_UTF16):
        raise TableError("the file is in UTF-16", path=path, way_out="Save it as UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    at = data.find(b"\0")
    if at >= 0:
        raise TableError(
            f"there is a NUL byte at byte {at}",
            path=path,
            line=data.count(b"\n", 0, at) + 1,
            way_out="This is no text file, or it is damaged; export it again as UTF-8",
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise TableError(
            f"byte {error.start} (0x{data[error.start]:02x}) is not UTF-8",
            path=path,
            line=data.count(b"\n", 0, error.start) + 1,
            way_out="Save the file as UTF-8 (it may be Latin-1 or Windows-1252)",
        ) from None


def _read_parquet(data: bytes, path: Path) -> Source:
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:120]
        raise TableError(
            f"the Parquet file is truncated or damaged ({reason})",
            path=path,
            way_out="Make or copy it again",
        ) from None
    return Source(path, "parquet", frame, lambda rows: [row + 1 for row in rows])


def _is_trec(first: str, table: Table) -> bool:
    """Whether a first line is that of a TREC file of this table: its number of bare words."""
    words = first.split()
    names = {column.name for column in table.columns}
    return len(words) == len(TREC_COLUMNS.get(table.name, ())) and names.isdisjoint(words)


def _read_trec(text: str, path: Path, table: Table) -> Source:
    names = TREC_COLUMNS[table.name]
    rows = pl.Series(text.split("\n"), dtype=pl.String).str.strip_chars()
    kept = rows.str.len_bytes() > 0
    numbers = (kept.arg_true() + 1).to_list()
    groups = [rf"(?<{name}>\S+)" for name in names]
    cells = rows.filter(kept).str.extract_groups("^" + r"\s+".join(groups) + "$").struct.unnest()
    bad = cells[names[0]].is_null().arg_true()
    if len(bad):
        raise TableError(
            f"a TREC {table.name} line has {len(names)} columns ({' '.join(names)})",
            path=path,
            line=numbers[bad[0]],
            value=rows.filter(kept)[bad[0]],
            way_out="Remove blanks from ids, or give a CSV file with a header",
        )
    frame = cells.drop("iteration")
    return Source(path, "trec", frame, lambda wanted: [numbers[row] for row in wanted])


def _read_json_lines(text: str, path: Path, table: Table) -> Source:
    rows: list[dict[str, Any]] = []
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
    lines = partial(_each, numbers.__getitem__)
    return Source(path, "jsonl", _from_objects(rows, table, path, lines), lines)


def _read_json_array(text: str, path: Path, table: Table) -> Source:
    decoder = json.JSONDecoder()
    rows: list[dict[str, Any]] = []
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
    lines = partial(_each, lambda row: line_of(offsets[row]))
    return Source(path, "json", _from_objects(rows, table, path, lines), lines)


def _after(text: str, at: int, comma: str) -> int:
    """Where the next row of an array begins, or its end; past blanks and one comma."""
    while at < len(text) and text[at].isspace():
        at += 1
    if comma and text[at : at + 1] == comma:
        return _after(text, at + 1, "")
    if comma and text[at : at + 1] != "]":
        raise json.JSONDecodeError("expected a comma or the end of the array", text, at)
    return at


def _not_an_object(row: object, path: Path, line: int) -> TableError:
    return TableError(
        "a row must be a JSON object", path=path, line=line, value=row, way_out='As {"name": …}'
    )


def _from_objects(
    rows: Sequence[dict[str, Any]], table: Table, path: Path, lines: Lines
) -> pl.DataFrame:
    types = {column.name: column.type for column in table.columns}
    series = []
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        if name not in types:
            series.append(_typed(name, values))
            continue
        for index, value in enumerate(values):
            if isinstance(value, dict) or (isinstance(value, list) and types[name] != "vector"):
                raise TableError(
                    f"must be one {types[name]}, not nested JSON",
                    path=path,
                    line=lines([index])[0],
                    column=name,
                    value=value,
                    way_out="Flatten it",
                )
        series.append(_text(name, values))
    return pl.DataFrame(series)


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


def _each(line_of: Callable[[int], int], rows: Sequence[int]) -> list[int]:
    return [line_of(row) for row in rows]
