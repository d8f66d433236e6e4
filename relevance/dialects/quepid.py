"""Quepid's CSV files: the ratings of a case, and the judgements of a book.

- A case (and a snapshot) exports `query,docid,rating`. A query without ratings is a row of one
  cell; a document without one has an empty cell. Such rows are left out of qrels and counted in a
  warning; as queries and pairs they are read.
- A book exports `query,docid` and a column for each judge, named after the judge, empty where he
  or she did not judge. A list with a `judge` column beside `rating` is understood, too.
- The query's text is its identity: `query_id` and `text` are both that text.
- Quepid writes a blank before a text that begins with `-`, `=`, `+` or `@`, against spreadsheets
  that would run it; it is taken off again.
- Ratings are the grades of the case's own scale, usually 0-3: give it with `--scale`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from relevance.delimited import delimiter_of, read_delimited
from relevance.dialects import Read
from relevance.errors import InputError, TableError
from relevance.records import Table

HEADER = ("query", "docid")
RATING = "rating"
JUDGE = ("judge", "judged_by", "rater", "annotator")
HOLDS = ("queries", "pins", "pairs", "qrels", "judgments")
_IDS = {"query": "query_id", "docid": "pin_id"}
_ROW = "\0row"  # which no column of a text file is called
_UNSAFE = "-=+@"

_log = logging.getLogger("gradewise")


def read(text: str, path: Path, table: Table) -> Read | None:
    """The rows of a Quepid file as this table, or None if the header is not Quepid's.

    Raises:
        TableError: A row is broken, or the file holds what cannot be read as this table.
    """
    first = text.lstrip("\r\n").partition("\n")[0].rstrip("\r")
    delimiter = delimiter_of(first, {*HEADER, RATING})
    names = [name.strip().strip('"').lower() for name in first.split(delimiter)]
    if tuple(names[:2]) != HEADER or not {"query_id", "pin_id"}.isdisjoint(names):
        return None
    if table.name not in HOLDS:
        raise TableError(
            f"this is Quepid's export, which holds {', '.join(HOLDS)}, not {table.name}",
            path=path,
            line=1,
            way_out="Name another file or another table",
        )
    cells, lines = read_delimited(text.encode(), delimiter, path, short_rows=True)
    cells = _rename(cells, dict(zip(cells.columns[:2], HEADER, strict=True))).with_row_index(_ROW)
    cells = cells.with_columns(pl.col("query").str.replace(rf"^ ([{_UNSAFE}])", "$1"))
    frame, names_of = _as_table(cells, table, path)
    rows = frame[_ROW].to_list()
    return Read(
        "quepid",
        frame.drop(_ROW),
        lambda wanted: lines([rows[row] for row in wanted]),
        names_of,
    )


def _as_table(cells: pl.DataFrame, table: Table, path: Path) -> tuple[pl.DataFrame, dict[str, str]]:
    """The cells (with their row's index) as a table, and our names → Quepid's."""
    pairs = {"query_id": "query", "pin_id": "docid"}
    if table.name == "queries":
        texts = cells.select(_ROW, query_id="query", text="query")
        return texts.unique("query_id", keep="first", maintain_order=True), {"query_id": "query"}
    judged = cells.filter(pl.col("docid").is_not_null())
    if table.name in ("pins", "pairs"):
        key = ["pin_id"] if table.name == "pins" else ["query_id", "pin_id"]
        ids = judged.select(_ROW, query_id="query", pin_id="docid").select(_ROW, *key)
        return ids.unique(key, keep="first", maintain_order=True), pairs
    if table.name == "qrels":
        return _qrels(cells, path), {**pairs, "grade": RATING}
    return _judgments(judged, path), pairs


def _qrels(cells: pl.DataFrame, path: Path) -> pl.DataFrame:
    if RATING not in cells.columns or any(name in cells.columns for name in JUDGE):
        raise TableError(
            "this is a Quepid book with the grades of each judge, not one grade a pair",
            path=path,
            line=1,
            way_out="Read it as judgments, as gradewise annotation adjudicate does",
        )
    rated = cells.filter(pl.col(RATING).is_not_null())
    if rated.height < cells.height:
        left_out = cells.height - rated.height
        _log.warning("%s: %d rows without a rating are left out", path, left_out)
    return _rename(rated, {**_IDS, RATING: "grade"})


def _judgments(cells: pl.DataFrame, path: Path) -> pl.DataFrame:
    judge = next((name for name in JUDGE if name in cells.columns), None)
    if RATING in cells.columns and judge is None:
        raise TableError(
            "this is a Quepid case with one rating a pair, which does not say who judged",
            path=path,
            line=1,
            way_out="Read it as qrels, or export the book's judgements",
        )
    if judge is not None and RATING in cells.columns:
        return _rename(cells, {**_IDS, judge: "annotator", RATING: "grade"})
    renamed = _rename(cells, _IDS)
    index = [_ROW, "query_id", "pin_id"]
    judges = [name for name in renamed.columns if name not in index]
    judge, rating = "\0judge", "\0rating"  # as a judge may be called grade
    long = renamed.unpivot(judges, index=index, variable_name=judge, value_name=rating)
    given = long.filter(pl.col(rating).is_not_null()).sort(_ROW, maintain_order=True)
    return given.rename({judge: "annotator", rating: "grade"})


def _rename(cells: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """The cells under new names; a further column that has one of them gives way."""
    taken = [new for new in names.values() if new in cells.columns and new not in names]
    return cells.drop(taken).rename(names)


def write_qrels(frame: pl.DataFrame) -> bytes:
    """The qrels as a case's ratings; the query is its `text` where the frame has it, else its id.

    Raises:
        InputError: Two queries of one text have the same document.
    """
    rated = frame.select(_query(frame), docid="pin_id", rating="grade")
    _refuse_repeats(rated, ["query", "docid"])
    return _csv(rated)


def write_judgments(frame: pl.DataFrame) -> bytes:
    """The judgments as a book's, a column a judge; the query as in `write_qrels`.

    Raises:
        InputError: An annotator is called like another column, or as in `write_qrels`.
    """
    judged = frame.select(_query(frame), "annotator", docid="pin_id", rating="grade")
    _refuse_repeats(judged, ["query", "docid", "annotator"])
    taken = {*HEADER, RATING, *JUDGE}
    for name in judged["annotator"].unique().sort():
        if name.lower() in taken or name != name.strip():
            raise InputError(f"annotator {name!r} cannot be a column of a Quepid book. Rename it")
    wide = judged.pivot("annotator", index=["query", "docid"], values="rating", sort_columns=True)
    return _csv(wide)


def _query(frame: pl.DataFrame) -> pl.Expr:
    names = [name for name in ("text", "query_id") if name in frame.columns]
    return pl.coalesce(names).alias("query")


def _refuse_repeats(frame: pl.DataFrame, key: Sequence[str]) -> None:
    again = frame.filter(~pl.struct(key).is_first_distinct())
    if again.height:
        query, pin_id = again.select("query", "docid").row(0)
        raise InputError(
            f"two queries read {query!r} and have {pin_id!r}, which Quepid cannot tell apart. "
            "Write one country or language at a time"
        )


def _csv(frame: pl.DataFrame) -> bytes:
    safe = pl.col("query").map_elements(_safe, return_dtype=pl.String)
    return frame.with_columns(safe).rename(_safe).write_csv().encode()


def _safe(text: str) -> str:
    return f" {text}" if text[:1] in _UNSAFE and text else text


WRITERS = {"qrels": write_qrels, "judgments": write_judgments}
"""Table → what makes Quepid's file of it."""
