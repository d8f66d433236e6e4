"""Rows of files as other tools leave them: whatever can be read is, the rest is set aside by line.

CSV with any of four delimiters, a byte order mark, stray quotes and ragged rows; JSONL with broken
lines; JSON arrays and objects, in which a list of objects becomes a row each that inherits the
cells around it; Parquet. `relevance.tables` refuses what is wrong; here it is counted and told.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from relevance.errors import TableError
from relevance.formats import decode, read_bytes
from relevance.formulas import unguard
from relevance.importers.placed_json import PlacedJson, parse
from relevance.importers.set_aside import Rejected

FROM = "the tool in which people rated"

_DELIMITERS = (",", "\t", ";", "|")
_PARQUET = b"PAR1"
_SEPARATOR = re.compile(r"sep=.?", re.IGNORECASE)
_LONGEST = 200  # lines that a quoted cell may go over


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row of a file.

    Attributes:
        line: 1-based line of the file; row of Parquet and of JSON on one line.
        cells: Cells by column; nested ones have names with dots.
    """

    line: int
    cells: Mapping[str, Any]


@dataclass(slots=True)
class RawFile:
    """What a file held.

    Attributes:
        path: The file.
        rows: Its rows.
        rejected: Rows that could not be read.
        repaired: Thing that was made out all the same → number of rows.
    """

    path: Path
    rows: list[RawRow] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    repaired: dict[str, int] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Names of all columns, in order of appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row.cells))

    def told(self, what: str, number: int = 1) -> None:
        """Counts something that was made out."""
        self.repaired[what] = self.repaired.get(what, 0) + number


def read_raw(path: Path, made_by: str = FROM) -> RawFile:
    """The rows of a file, whatever its format.

    Args:
        path: The file.
        made_by: Where it comes from, named if it is not there.

    Raises:
        MissingInputError: It is not there.
        TableError: It is empty, damaged, not in UTF-8, or has no column at all.
    """
    data = read_bytes(path, made_by)
    if data[:4] == _PARQUET:
        return _parquet(data, path)
    text = decode(data, path)
    start = text.lstrip()[:1]
    if not start:
        raise TableError("the file is empty", path=path, way_out="Give a file with rows")
    return (_json if start in "[{" else _delimited)(text, path)


def read_json(path: Path, made_by: str = FROM) -> PlacedJson:
    """What a JSON file holds.

    Raises:
        MissingInputError: It is not there.
        TableError: It is not JSON.
    """
    return parse(decode(read_bytes(path, made_by), path), path)


def _parquet(data: bytes, path: Path) -> RawFile:
    try:
        rows = pl.read_parquet(io.BytesIO(data)).to_dicts()
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise TableError(
            f"the Parquet file is truncated or damaged ({str(error).splitlines()[0][:120]})",
            path=path,
            way_out="Make or copy it again",
        ) from None
    return RawFile(path, [RawRow(number, row) for number, row in enumerate(rows, 1)])


def _json(text: str, path: Path) -> RawFile:
    found = RawFile(path)
    try:
        placed = parse(text, path)
    except TableError:
        if "\n" not in text.strip() or not text.lstrip().startswith("{"):
            raise
        _json_lines(text, found)
        return found
    for one in placed.value if isinstance(placed.value, list) else [placed.value]:
        _expand(one, found, placed)
    return found


def _json_lines(text: str, found: RawFile) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            one = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            found.rejected.append(Rejected(number, "", line.strip(), "which is no JSON"))
            continue
        _expand(one, found, line=number)


def _expand(one: object, found: RawFile, placed: PlacedJson | None = None, line: int = 0) -> None:
    """Adds the rows of an object: one, or one for each object of the list in it."""
    if not isinstance(one, dict):
        at = placed.line(one) if placed else line
        found.rejected.append(Rejected(at, "", _shown(one), "which is no object"))
        return
    found.rows.extend(_flattened(one, found, placed, line))


def _flattened(
    one: Mapping[str, Any], found: RawFile, placed: PlacedJson | None, line: int
) -> Iterator[RawRow]:
    cells: dict[str, Any] = {}
    lists: dict[str, list[Any]] = {}
    for name, value in _walk(one, ""):
        if isinstance(value, list) and any(isinstance(v, dict) for v in value):
            lists[name] = value
        else:
            cells[name] = value
    if len(lists) > 1:
        raise TableError(
            f"{' and '.join(lists)} are lists of objects: it is unclear which holds ratings",
            path=found.path,
            line=placed.line(one) if placed else line,
            way_out="Leave one of them in",
        )
    if not lists:
        yield RawRow(placed.line(one) if placed else line, cells)
        return
    ((name, members),) = lists.items()
    for member in members:
        if not isinstance(member, dict):
            at = placed.line(member, one) if placed else line
            found.rejected.append(Rejected(at, name, _shown(member), "which is no object"))
            continue
        for row in _flattened(member, found, placed, line):
            inner = {f"{name}.{k}" if k in cells else k: v for k, v in row.cells.items()}
            yield RawRow(row.line, cells | inner)


def _walk(one: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in one.items():
        name = f"{before}{key}"
        if isinstance(value, dict):
            yield from _walk(value, f"{name}.")
        else:
            yield name, value


def _delimited(text: str, path: Path) -> RawFile:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if _SEPARATOR.fullmatch(lines[0].strip()):
        lines[0] = ""  # Excel's own word on the delimiter
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    delimiter = max(_DELIMITERS, key=lambda d: len(_cells(lines[first], d) or ()))
    found = RawFile(path)
    header = _header(_cells(lines[first], delimiter) or lines[first].split(delimiter), path, first)
    if len(header) == 1:
        raise TableError(
            "the header has one column, so no delimiter was found",
            path=path,
            line=first + 1,
            value=lines[first],
            way_out="Put a comma, semicolon, tab or | between cells",
        )
    at = first + 1
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        cells, taken = _record(lines, at, delimiter, len(header), found)
        if cells is not None:
            _keep(cells, header, at + 1, found, lines[at])
        at += taken
    return found


def _record(
    lines: Sequence[str], at: int, delimiter: str, width: int, found: RawFile
) -> tuple[list[str] | None, int]:
    """The cells of the record that begins on a line, and on how many lines it is."""
    line = lines[at]
    if '"' not in line:
        return line.split(delimiter), 1
    text = line
    for taken in range(1, _LONGEST + 1):
        cells = _cells(text, delimiter)
        if cells is not None and (taken == 1 or len(cells) == width):
            whole = lines[at : at + taken]
            if taken == 1 or any(len(each.split(delimiter)) != width for each in whole):
                return cells, taken
            break  # rows that a stray quote here and one there would make one
        if at + taken >= len(lines):
            break
        text += "\n" + lines[at + taken]
    cells = line.split(delimiter)
    if len(cells) == width:  # the quote belongs to the text, as in 5" screen
        found.told("rows with stray quotes")
        return [_unquoted(cell) for cell in cells], 1
    found.rejected.append(Rejected(at + 1, "", line, "with quotes that do not match"))
    return None, 1


def _unquoted(cell: str) -> str:
    """The cell without quotes around it, or one that opens and never closes."""
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        return cell[1:-1]
    return cell[1:] if cell[:1] == '"' and cell.count('"') == 1 else cell


def _cells(text: str, delimiter: str) -> list[str] | None:
    """Cells of a record; None if its quotes do not match."""
    try:
        rows = list(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _header(cells: Sequence[str], path: Path, first: int) -> list[str]:
    names = [" ".join(cell.split()) or f"column {number}" for number, cell in enumerate(cells, 1)]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise TableError(
                "the header names this column twice",
                path=path,
                line=first + 1,
                column=name,
                way_out="Rename one of them",
            )
    return names


def _keep(cells: list[str], header: Sequence[str], line: int, found: RawFile, text: str) -> None:
    width = len(header)
    if len(cells) > width and any(cell.strip() for cell in cells[width:]):
        detail = f"{len(cells)} cells, the header has {width}"
        reason = "with more cells than the header"
        found.rejected.append(Rejected(line, "", text, reason, detail=detail))
        return
    if len(cells) < width:
        found.told("rows shorter than the header")
    plain = [unguard(cell) if cell[:1] == "'" else cell for cell in cells]
    found.rows.append(RawRow(line, dict(zip(header, plain, strict=False))))


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)
