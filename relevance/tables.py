"""Read, check and write tables: CSV, TSV, JSONL, JSON, Parquet, TREC qrels and runs, and gzip.

Formats are recognised by content when reading and by the ending when writing. Errors carry file,
line, column, value and the way out. Ids are always text, times are UTC, an empty CSV cell is null.
"""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl

from relevance.checks import conform
from relevance.errors import TableError
from relevance.files import atomic
from relevance.formats import read_source
from relevance.grades import FIVE, GradeScale
from relevance.records import TABLES, Table
from relevance.writing import encode

_log = logging.getLogger("gradewise")


def read_table(path: str | Path, table: str, *, scale: GradeScale = FIVE) -> pl.DataFrame:
    """The file as a checked frame: every declared column present (absent optional ones as null).

    Of judgments that repeat a key the latest `created_at` wins, else the last row; how many were
    replaced is logged as a warning of the logger `gradewise`.

    Args:
        path: A file in any of the formats.
        table: Key of `relevance.records.TABLES`.
        scale: The scale that grades must be on.

    Returns:
        Declared columns in order, cast (`relevance.casts.DTYPES`), then further columns.

    Raises:
        MissingInputError: The file is not there.
        TableError: The first thing that is wrong with it; `check_table` lists them.
    """
    frame, problems = conform(read_source(Path(path), TABLES[table]), TABLES[table], scale)
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
    if frame.select(key).n_unique() == frame.height:
        return frame
    numbered = frame.with_row_index("_row")
    ordered = numbered.sort("created_at", "_row", nulls_last=False)
    return ordered.unique(key, keep="last", maintain_order=True).sort("_row").drop("_row")


def write_table(frame: pl.DataFrame, path: str | Path, table: str) -> None:
    """Writes a frame, rows in key order, in the format that the ending names, all or nothing.

    Endings: .parquet, .csv, .tsv, .jsonl, .json, and .trec, .qrels, .run or .txt for qrels and
    runs; each also with .gz.

    Raises:
        InputError: The ending is unknown, or the format cannot hold this table.
    """
    key = [name for name in TABLES[table].key if name in frame.columns]
    ordered = frame.sort(key, maintain_order=True) if key else frame
    data = encode(ordered, Path(path), table)
    with atomic(Path(path)) as temporary:
        temporary.write_bytes(data)
