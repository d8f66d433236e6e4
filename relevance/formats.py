"""Files by their content: Parquet, JSONL, a JSON array, CSV, TSV, TREC qrels and runs, and gzip.

Whatever the ending says, the first bytes decide. Text formats give cells of text for the declared
columns, which `relevance.checks` casts; JSON and Parquet keep the types of further columns.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from relevance.delimited import delimiter_of, read_delimited
from relevance.errors import MissingInputError, TableError
from relevance.json_rows import Lines, read_json
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
    if start in "[{":
        return Source(path, *read_json(text, path, table))
    first = text.lstrip("\r\n").partition("\n")[0]
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
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(
            f"the file cannot be read ({error.strerror})",
            path=path,
            way_out="Check its permissions",
        ) from None
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
    wanted = TREC_COLUMNS.get(table.name)
    return wanted is not None and len(words) == len(wanted) and names.isdisjoint(words)


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
