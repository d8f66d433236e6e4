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
    lines: Callable[[Sequence[int]], list[int]]


def read_source(path: Path, table: Table) -> Source:
    """The rows of a file in whatever format it is.

    Raises:
        MissingInputError: It is not there.
        TableError: It is empty, damaged, not in UTF-8, or not a table.
    """
    data = _load(path, table)
    if data[:4] == b"PAR1":
        return _read_parquet(data, path)
    text = _decode(data, path)
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


def _load(path: Path, table: Table) -> bytes:
    if not path.exists():
        raise MissingInputError(path, MADE_BY[table.name])
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


def _decode(data: bytes, path: Path) -> str:
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
    rows, numbers = [], []
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
        rows.append(_object(row, path, number))
        numbers.append(number)
    frame = _from_objects(rows, table)
    return Source(path, "jsonl", frame, lambda wanted: [numbers[row] for row in wanted])


def _read_json_array(text: str, path: Path, table: Table) -> Source:
    decoder = json.JSONDecoder()
    rows, offsets = [], []
    at = _after(text, text.index("[") + 1, "")
    try:
        while text[at : at + 1] != "]":
            row, end = decoder.raw_decode(text, at)
            rows.append(_object(row, path, text.count("\n", 0, at) + 1 if rows else 1))
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
    frame = _from_objects(rows, table)
    return Source(
        path,
        "json",
        frame,
        lambda wanted: [text.count("\n", 0, offsets[row]) + 1 for row in wanted],
    )


def _after(text: str, at: int, comma: str) -> int:
    """Where the next row of an array begins, or its end; past blanks and one comma."""
    while at < len(text) and text[at].isspace():
        at += 1
    if comma and text[at : at + 1] == comma:
        return _after(text, at + 1, "")
    if comma and text[at : at + 1] != "]":
        raise json.JSONDecodeError("expected a comma or the end of the array", text, at)
    return at


def _object(row: object, path: Path, line: int) -> dict[str, Any]:
    if isinstance(row, dict):
        return row
    raise TableError(
        "a row must be a JSON object", path=path, line=line, value=row, way_out='As {"name": …}'
    )


def _from_objects(rows: Sequence[dict[str, Any]], table: Table) -> pl.DataFrame:
    names = dict.fromkeys(name for row in rows for name in row)
    declared = {column.name for column in table.columns}
    series = []
    for name in names:
        values = [row.get(name) for row in rows]
        series.append(_text(name, values) if name in declared else _typed(name, values))
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
