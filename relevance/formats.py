"""Files by their content: Parquet, JSONL, a JSON array, CSV, TSV, other tools' files, and gzip.

Whatever the ending says, the first bytes decide. Text formats give cells of text for the declared
columns, which `relevance.checks` casts; JSON and Parquet keep the types of further columns. Files
of other tools (TREC, BEIR, pytrec_eval, Quepid) are in `relevance.dialects`.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl

from relevance.delimited import delimiter_of, read_delimited
from relevance.dialects import Read, beir, pytrec, quepid, trec
from relevance.errors import MissingInputError, TableError
from relevance.formulas import GUARDED, unguard
from relevance.json_rows import Lines, read_json
from relevance.records import Table

MADE_BY = {
    "queries": "gradewise data import",
    "pins": "gradewise data import",
    "pairs": "gradewise data import",
    "samples": "gradewise annotation sample",
    "judgments": "gradewise annotation pull",
    "repeats": "gradewise annotation pull",
    "rulings": "gradewise annotation pull",
    "gold": "gradewise data import",
    "qrels": "gradewise annotation adjudicate",
    "runs": "gradewise student score",
    "predictions": "gradewise teacher label",
    "query_embeddings": "gradewise demo",
    "pin_embeddings": "gradewise demo",
    "sessions": "gradewise demo",
    "board_saves": "an export of your saves",
    "engagements": "an export of your search log",
}
"""The command (or what else) that a missing table is made by."""

DIALECTS: tuple[Callable[[str, Path, Table], Read | None], ...] = (
    pytrec.read,
    trec.read,
    quepid.read,
)
"""Readers of other tools' texts, each of which gives None for a text that is not its own."""

_PARQUET = b"PAR1"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Source:
    """What a file held, before its columns are cast and checked.

    Attributes:
        path: The file.
        format: parquet, jsonl, json, csv, tsv, or a dialect's name (trec, pytrec, quepid).
        frame: Its rows; cells of text where the format has no types.
        lines: Turns row indices into 1-based lines of the file (rows of a Parquet file).
        names: Our column → the file's own name for it, where they differ.
    """

    path: Path
    format: str
    frame: pl.DataFrame
    lines: Lines
    names: Mapping[str, str] = field(default_factory=dict)


def read_source(path: Path, table: Table) -> Source:
    """The rows of a file in whatever format it is.

    Raises:
        MissingInputError: It is not there.
        TableError: It is empty, damaged, not in UTF-8, or not a table.
    """
    if _is_parquet(path):
        return _read_parquet(path, path, table)
    data = read_bytes(path, MADE_BY[table.name])
    if data[:4] == _PARQUET:  # zipped
        return _read_parquet(io.BytesIO(data), path, table)
    text = decode(data, path)
    start = text.lstrip()[:1]
    if not start:
        raise TableError("the file is empty", path=path, way_out="Give a file with rows")
    for read in DIALECTS:
        found = read(text, path, table)
        if found is not None:
            return Source(path, *found)
    if start in "[{":
        adopt = partial(beir.adopt_rows, table=table.name)
        return Source(path, *read_json(text, path, table, adopt))
    first = text.lstrip("\r\n").partition("\n")[0]
    known = {column.name for column in table.columns} | set(beir.NAMES.get(table.name, ()))
    delimiter = delimiter_of(first, known)
    frame, lines = read_delimited(text.encode(), delimiter, path)
    frame = armed(frame)
    frame, names = beir.adopt(frame, table.name)
    return Source(path, "tsv" if delimiter == "\t" else "csv", frame, lines, names)


def armed(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells of a CSV file as they were before `relevance.formulas` guarded them."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    some = frame.select(pl.col(name).str.starts_with("'").any() for name in texts)
    found = [name for name in texts if some[name].item()]
    return frame.with_columns(pl.col(name).str.replace(GUARDED, "$1") for name in found).rename(
        unguard
    )


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


def _is_parquet(path: Path) -> bool:
    """Whether the file is Parquet; one that cannot be read twice is left to `read_bytes`."""
    try:
        with path.open("rb") if path.is_file() else io.BytesIO() as file:
            return file.read(4) == _PARQUET
    except OSError:
        return False


def _read_parquet(source: Path | io.BytesIO, path: Path, table: Table) -> Source:
    try:
        frame = pl.read_parquet(source)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:120]
        raise TableError(
            f"the Parquet file is truncated or damaged ({reason})",
            path=path,
            way_out="Make or copy it again",
        ) from None
    frame, names = beir.adopt(frame, table.name)
    return Source(path, "parquet", frame, lambda rows: [row + 1 for row in rows], names)
