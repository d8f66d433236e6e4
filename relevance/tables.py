"""Read, check and write tables: CSV, TSV, JSONL, JSON, Parquet, TREC, BEIR, Quepid, and gzip.

Formats are recognised by content when reading and by the ending when writing. Errors carry file,
line, column, value and the way out. Ids are always text, times are UTC, an empty CSV cell is null.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

import polars as pl

from relevance.checks import conform, surely_distinct
from relevance.errors import TableError
from relevance.files import atomic
from relevance.formats import Source, read_source
from relevance.grades import FIVE, GradeScale
from relevance.records import TABLES, Table
from relevance.writing import encode

_log = logging.getLogger("gradewise")


def read_table(
    path: str | Path,
    table: str,
    *,
    scale: GradeScale = FIVE,
    columns: Collection[str] | None = None,
    distinct: bool = True,
) -> pl.DataFrame:
    """The file as a checked frame: every declared column present (absent optional ones as null).

    Of judgments that repeat a key the latest `created_at` wins, else the last row; how many were
    replaced is logged as a warning of the logger `gradewise`.

    Args:
        path: A file in any of the formats.
        table: Key of `relevance.records.TABLES`.
        scale: The scale that grades must be on.
        columns: What to read of a Parquet file beside the columns it must have, if it is there;
            None = all. Other formats are read whole.
        distinct: Whether to refuse a key that is there twice; not if the reader will see it anyway
            and then reads again to say where.

    Returns:
        Declared columns in order, cast (`relevance.casts.DTYPES`), then further columns.

    Raises:
        MissingInputError: The file is not there.
        TableError: The first thing that is wrong with it; `check_table` lists them.
    """
    source = _some_columns(Path(path), TABLES[table], columns) if columns is not None else None
    source = source or read_source(Path(path), TABLES[table])
    frame, problems = conform(source, TABLES[table], scale, distinct=distinct)
    if problems:
        raise problems[0]
    if not TABLES[table].latest_wins:
        return frame
    latest = keep_latest(frame, TABLES[table])
    if latest.height < frame.height:
        _log.warning(
            "%s: later rows of the same %s replace %d earlier ones",
            path,
            " + ".join(TABLES[table].key),
            frame.height - latest.height,
        )
    return latest


def _some_columns(path: Path, table: Table, columns: Collection[str]) -> Source | None:
    """Some columns of a Parquet file; None if it is none that could be read so."""
    needed = {column.name for column in table.columns if not column.optional}
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PAR1":
                return None
        there = pl.read_parquet_schema(path)
        if not needed <= there.keys():
            return None
        wanted = [name for name in there if name in needed or name in columns]
        frame = pl.read_parquet(path, columns=wanted)
    except (pl.exceptions.PolarsError, OSError):
        return None  # whoever reads all of it says what is wrong
    return Source(path, "parquet", frame, lambda rows: [row + 1 for row in rows])


def check_table(path: str | Path, table: str, *, scale: GradeScale = FIVE) -> list[TableError]:
    """Up to 20 problems of a file in line order; an empty list if `read_table` would take it.

    Raises:
        MissingInputError: The file is not there.
    """
    try:
        return conform(read_source(Path(path), TABLES[table]), TABLES[table], scale)[1]
    except TableError as error:
        return [error]


def keep_latest(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The last row of each key by `created_at` (rows without one first), then by position."""
    key = list(table.key)
    keys = frame.select(key)
    if surely_distinct(keys) or keys.n_unique() == frame.height:
        return frame
    numbered = frame.with_row_index("_row")
    ordered = numbered.sort("created_at", "_row", nulls_last=False)
    return ordered.unique(key, keep="last", maintain_order=True).sort("_row").drop("_row")


def write_table(
    frame: pl.DataFrame, path: str | Path, table: str, *, to: str | None = None
) -> None:
    """Writes a frame, rows in key order, in the format that the ending names, all or nothing.

    Endings: .parquet, .csv, .tsv, .jsonl, .json, and .trec, .qrels, .run or .txt for qrels and
    runs; each also with .gz.

    Args:
        frame: The rows.
        path: The file; whatever is there is replaced.
        table: Key of `relevance.records.TABLES`.
        to: A key of `relevance.writing.FORMATS` (beir, pytrec, quepid, …) instead of the ending.

    Raises:
        InputError: The format or ending is unknown, or the format cannot hold this table.
    """
    key = [name for name in TABLES[table].key if name in frame.columns]
    ordered = frame.sort(key, maintain_order=True) if key else frame
    data = encode(ordered, Path(path), table, to)
    with atomic(Path(path)) as temporary:
        temporary.write_bytes(data)
