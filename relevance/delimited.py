"""CSV and TSV: the bytes of a file to cells of text, with the line on which each row begins.

Plain files (no quotes, no blank lines, as many delimiters as the header promises) go through
polars. Everything else goes through the csv module, which knows the line of every row; it is also
the arbiter of what is wrong.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import polars as pl

from relevance.errors import TableError

DELIMITERS = (",", "\t", ";")
_CELL_LIMIT = 1 << 24

Cells = tuple[pl.DataFrame, Callable[[Sequence[int]], list[int]]]
"""All cells as text (empty cells null), and what turns row indices into 1-based lines."""


def delimiter_of(header: str, known: Collection[str]) -> str:
    """The delimiter of a header line: the one that finds most known names, then most cells."""

    def found(delimiter: str) -> tuple[int, int]:
        names = [name.strip().strip('"') for name in header.split(delimiter)]
        return sum(name in known for name in names), len(names)

    return max(DELIMITERS, key=found)


def read_delimited(data: bytes, delimiter: str, path: Path, *, short_rows: bool = False) -> Cells:
    """Cells of a delimited file whose first line is the header.

    Args:
        data: The file in UTF-8, without a byte order mark.
        delimiter: One character.
        path: Named in errors.
        short_rows: Whether a row may end early; what it lacks is empty.

    Raises:
        TableError: A ragged row, a quote that is never closed, a bad header, or no rows.
    """
    plain = data.replace(b"\r\n", b"\n") if b'"' not in data else data
    frame = _read_plain(plain, delimiter, path)
    if frame is not None:
        return frame, lambda rows: [row + 2 for row in rows]
    return _read_quoted(data.decode(), delimiter, path, short_rows=short_rows)


def _read_plain(data: bytes, delimiter: str, path: Path) -> pl.DataFrame | None:
    """The frame of a file in which lines are rows and delimiters cells, or None if it is not so."""
    if b'"' in data or b"\r" in data or b"\n\n" in data or data[:1] == b"\n":
        return None
    header, _, body = data.partition(b"\n")
    names = _names(header.decode().split(delimiter), path)
    n_rows = body.count(b"\n") + (not body.endswith(b"\n"))
    if not body or data.count(delimiter.encode()) != (len(names) - 1) * (n_rows + 1):
        return None
    try:
        frame = pl.read_csv(
            io.BytesIO(body),
            has_header=False,
            new_columns=names,
            separator=delimiter,
            quote_char=None,
            infer_schema=False,
        )
    except pl.exceptions.PolarsError:  # a row too long here and one too short there
        return None
    return frame if (frame.height, frame.width) == (n_rows, len(names)) else None


def _read_quoted(text: str, delimiter: str, path: Path, *, short_rows: bool) -> Cells:
    """The same by the csv module, which knows quotes and lines."""
    csv.field_size_limit(_CELL_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    begins = 1
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(begins)
            begins = reader.line_num + 1
    except csv.Error as error:
        raise TableError(
            f"the row that begins here cannot be read ({error})",
            path=path,
            line=begins,
            way_out='Close the quoted cell; a quote inside one is written twice ("")',
        ) from None
    names = _names(rows[0], path) if rows else []
    if short_rows:
        rows = [row + [""] * (len(names) - len(row)) for row in rows]
    _check_widths(rows, lines, path)
    if len(rows) < 2:
        raise TableError(
            "the file has a header but no rows", path=path, way_out="Add rows, or leave it out"
        )
    columns = zip(*rows[1:], strict=True)
    frame = pl.DataFrame(
        [
            pl.Series(name, [cell or None for cell in cells], dtype=pl.String)
            for name, cells in zip(names, columns, strict=True)
        ]
    )
    return frame, lambda wanted: [lines[row + 1] for row in wanted]


def _names(cells: Sequence[str], path: Path) -> list[str]:
    names = [cell.strip() for cell in cells]
    for index, name in enumerate(names):
        if not name:
            raise TableError(
                f"the header's cell {index + 1} is empty", path=path, line=1, way_out="Name it"
            )
        if name in names[:index]:
            raise TableError(
                "the header names this column twice",
                path=path,
                line=1,
                column=name,
                way_out="Rename or remove one of them",
            )
    return names


def _check_widths(rows: Sequence[Sequence[str]], lines: Sequence[int], path: Path) -> None:
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(rows[0]):
            raise TableError(
                f"the header has {len(rows[0])} cells, this row {len(row)}",
                path=path,
                line=line,
                way_out="Quote cells that hold the delimiter, or fill in what is missing",
            )
