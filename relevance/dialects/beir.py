"""BEIR's files: `qrels/*.tsv`, `queries.jsonl`, `corpus.jsonl` and the JSON of a run.

- qrels: a header `query-id corpus-id score`, where the score is the grade.
- queries: `_id`, `text`, and `metadata` with whatever else is known (country, traffic, …).
- corpus (our pins): `_id`, `title`, `text` (our description), `metadata` likewise. An empty title
  or text is none.
- runs: nested JSON, see `relevance.dialects.pytrec`.

The same names are understood in CSV and Parquet files.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from relevance.dialects import NO_NAMES, pytrec

NAMES: Mapping[str, Mapping[str, str]] = {
    "queries": {"_id": "query_id"},
    "pins": {"_id": "pin_id", "text": "description"},
    "qrels": {"query-id": "query_id", "corpus-id": "pin_id", "score": "grade"},
    "runs": {"query-id": "query_id", "corpus-id": "pin_id"},
    "pairs": {"query-id": "query_id", "corpus-id": "pin_id"},
}
"""Table → BEIR's name of a column → ours."""

METADATA = "metadata"


def renaming(columns: Collection[str], table: str) -> Mapping[str, str]:
    """BEIR's names → ours for the columns of a file of BEIR; empty for any other file."""
    names = NAMES.get(table, NO_NAMES)
    signs = [name for name in names if name.startswith("_") or "-" in name]
    ours = [names[sign] for sign in signs]
    if not signs or not set(signs) <= set(columns) or not set(ours).isdisjoint(columns):
        return NO_NAMES
    return {theirs: to for theirs, to in names.items() if theirs in columns and to not in columns}


def adopt_rows(
    rows: list[dict[str, Any]], table: str
) -> tuple[list[dict[str, Any]], Mapping[str, str]]:
    """JSON rows under our names with their metadata unfolded, and our names → BEIR's.

    Rows that are not BEIR's come back as they are.
    """
    names = renaming({name for row in rows for name in row}, table)
    return ([_adopt_row(row, names) for row in rows] if names else rows), _inverse(names)


def _adopt_row(row: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    metadata = row.get(METADATA)
    unfolded = {names.get(name, name): value for name, value in row.items() if name != METADATA}
    for name in ("title", "description"):
        if unfolded.get(name) == "":
            unfolded[name] = None
    if isinstance(metadata, dict):
        return {**metadata, **unfolded}
    return unfolded if metadata is None else {**unfolded, METADATA: metadata}


def adopt(frame: pl.DataFrame, table: str) -> tuple[pl.DataFrame, Mapping[str, str]]:
    """A frame under our names, and our names → BEIR's (none if it is not BEIR's)."""
    names = renaming(frame.columns, table)
    if names and isinstance(frame.schema.get(METADATA), pl.Struct):
        fields = frame.select(pl.col(METADATA).struct.unnest())
        known = {*frame.columns, *names.values()}
        new = [name for name in fields.columns if name not in known]
        frame = pl.concat([frame.drop(METADATA), fields.select(new)], how="horizontal")
    return frame.rename(dict(names)), _inverse(names)


def _inverse(names: Mapping[str, str]) -> Mapping[str, str]:
    return {ours: theirs for theirs, ours in names.items()}


def write_qrels(frame: pl.DataFrame) -> bytes:
    """The qrels as BEIR's TSV."""
    columns = {ours: pl.col(ours).alias(theirs) for theirs, ours in NAMES["qrels"].items()}
    return frame.select(columns.values()).write_csv(separator="\t").encode()


def write_queries(frame: pl.DataFrame) -> bytes:
    """The queries as BEIR's `queries.jsonl`; everything but id and text is metadata."""
    return _lines(frame, {"query_id": "_id", "text": "text"})


def write_pins(frame: pl.DataFrame) -> bytes:
    """The Pins as BEIR's `corpus.jsonl`; everything but id, title, description is metadata."""
    return _lines(frame, {"pin_id": "_id", "title": "title", "description": "text"})


def _lines(frame: pl.DataFrame, names: Mapping[str, str]) -> bytes:
    lines = []
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    for row in frame.with_columns(pl.col(floats).fill_nan(None)).iter_rows(named=True):
        known = {theirs: row.get(ours) or "" for ours, theirs in names.items()}
        metadata = {k: v for k, v in row.items() if k not in names and v is not None}
        cells = {**known, METADATA: metadata}
        lines.append(json.dumps(cells, ensure_ascii=False, default=str) + "\n")
    return "".join(lines).encode()


WRITERS = {
    "qrels": write_qrels,
    "queries": write_queries,
    "pins": write_pins,
    "runs": pytrec.write_runs,
}
"""Table → what makes BEIR's file of it."""
