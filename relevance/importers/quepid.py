"""Quepid: a case's ratings as CSV, a book's judgements as CSV or as JSON.

- Grades: the book's own scale where its JSON names it, else see `relevance.importers.grading`;
  usually 0-3.
- Queries: each text is one; `query_id` is the text.
- Pins: not in a CSV, which has document ids only; in a book's JSON title, name and description of
  its document fields.
- Pairs: every document of a query, rated or not.
- A case gives qrels, a book judgments, for `gradewise annotation adjudicate`: in CSV a column a
  judge, in JSON `query_doc_pairs` with their `judgements`. `unrateable` is an abstention
  (`cannot_judge`); `judge_later` is no judgement yet and set aside. A judge whose account is gone
  is `unknown`.

Source: github.com/o19s/quepid, "Export" of a case or a book (`app/views/api/v1/export/books`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from relevance.dialects.quepid import HEADER, JUDGE, RATING
from relevance.errors import TableError
from relevance.formats import read_text
from relevance.importers.cells import text_of
from relevance.importers.grading import Rating
from relevance.importers.judged import build
from relevance.importers.placed_json import PlacedJson
from relevance.importers.ratings import AS_FOUND, RatingOptions, from_wide
from relevance.importers.raw_rows import RawFile, read_json, read_raw
from relevance.importers.set_aside import Outcome, Rejected

FROM = "Quepid: open the case or the book, then Export"
UNKNOWN = "unknown"
"""Annotator of a judgement whose author Quepid does not name."""

_PAIRS = "query_doc_pairs"
_DETAILS = {"title": ("title", "name"), "description": ("description", "overview", "body")}


def read(path: Path, options: RatingOptions = AS_FOUND) -> Outcome:
    """The tables queries, pairs and either qrels or judgments of a Quepid file.

    Args:
        path: The file.
        options: What its grades mean, if not what the file says.

    Raises:
        MissingInputError: The file is not there.
        TableError: It is not a Quepid export, or broken.
    """
    if read_text(path, FROM).lstrip()[:1] in ("{", "["):
        return _book(path, options)
    file = read_raw(path, FROM)
    columns = {name.lower(): name for name in reversed(file.columns)}
    if not set(HEADER) <= set(columns):
        raise _not_quepid(path, ", ".join(file.columns))
    unseen = [row for row in file.rows if text_of(row.cells.get(columns["docid"])) is None]
    rated = RawFile(
        path,
        [row for row in file.rows if text_of(row.cells.get(columns["docid"])) is not None],
        file.rejected,
        {what: n for what, n in file.repaired.items() if what != "rows shorter than the header"},
    )
    made = _outcome(rated, columns, options)
    texts = [text_of(row.cells.get(columns["query"])) for row in unseen]
    more = [" ".join(text.split()) for text in texts if text]
    return Outcome(_with_queries(made.tables, more), made.rejected, made.notes)


def _outcome(file: RawFile, columns: Mapping[str, str], options: RatingOptions) -> Outcome:
    """The tables of a CSV: a case, a list with a judge's column, or a book."""
    judge = next((columns[name] for name in JUDGE if name in columns), None)
    if RATING not in columns:
        judges = [name for name in file.columns if name.lower() not in HEADER]
        names = {"text": columns["query"], "pin": columns["docid"]}
        return from_wide(file, names, judges, options)
    ratings = [
        Rating(
            line=row.line,
            column=columns[RATING],
            query=None,
            text=row.cells.get(columns["query"]),
            pin=row.cells.get(columns["docid"]),
            annotator=None if judge is None else row.cells.get(judge),
            grade=row.cells.get(columns[RATING]),
        )
        for row in file.rows
    ]
    return build(
        file.path,
        ratings,
        options.grading(),
        rejected=file.rejected,
        told=file.repaired,
        named=judge is not None,
    )


def _with_queries(tables: dict[str, pl.DataFrame], texts: list[str]) -> dict[str, pl.DataFrame]:
    """The tables, with queries that have no document."""
    known = set(tables["queries"]["query_id"])
    new = [text for text in dict.fromkeys(texts) if text not in known]
    more = pl.DataFrame({"query_id": new, "text": new}, schema_overrides={"query_id": pl.String})
    return tables | {"queries": pl.concat([tables["queries"], more], how="diagonal_relaxed")}


def _book(path: Path, options: RatingOptions) -> Outcome:
    placed = read_json(path, FROM)
    whole = placed.value
    book = whole[0] if isinstance(whole, list) and len(whole) == 1 else whole
    pairs = book.get(_PAIRS) if isinstance(book, dict) else None
    if not isinstance(pairs, list):
        raise _not_quepid(path, ", ".join(book) if isinstance(book, dict) else "a list")
    rejected: list[Rejected] = []
    ratings: list[Rating] = []
    for pair in pairs:
        if not isinstance(pair, dict):
            found = json.dumps(pair)
            rejected.append(Rejected(placed.line(pair, book), _PAIRS, found, "which is no object"))
            continue
        ratings += _judgements(pair, placed, rejected)
    return build(path, ratings, options.grading(_levels(book)), rejected=rejected, told={})


def _judgements(
    pair: Mapping[str, Any], placed: PlacedJson, rejected: list[Rejected]
) -> Iterator[Rating]:
    """The ratings of a query and a document."""
    fields = _fields(pair.get("document_fields"))
    details = {
        ours: next((fields[name] for name in theirs if fields.get(name)), None)
        for ours, theirs in _DETAILS.items()
    }
    given = pair.get("judgements")
    for judgement in given if isinstance(given, list) else []:
        number = placed.line(judgement, pair)
        if not isinstance(judgement, dict):
            rejected.append(
                Rejected(number, "judgements", json.dumps(judgement), "which is no object")
            )
            continue
        if judgement.get("judge_later") and judgement.get("rating") is None:
            note = text_of(judgement.get("explanation")) or ""
            rejected.append(Rejected(number, "judge_later", note, "that were to be judged later"))
            continue
        names = ("user_email", "user_name", "user", "user_id", "judge")
        by = next((name for key in names if (name := text_of(judgement.get(key)))), UNKNOWN)
        yield Rating(
            line=number,
            column=RATING,
            query=None,
            text=pair.get("query_text", pair.get("query")),
            pin=pair.get("doc_id"),
            annotator=by,
            grade=judgement.get("rating"),
            time=judgement.get("updated_at") or judgement.get("created_at"),
            comment=judgement.get("explanation"),
            cannot=bool(judgement.get("unrateable")) and judgement.get("rating") is None,
            details=details,
        )


def _fields(value: object) -> Mapping[str, Any]:
    """The document's fields, which Quepid holds as JSON in a text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return {}
    return value if isinstance(value, dict) else {}


def _levels(book: Mapping[str, Any]) -> tuple[int, ...]:
    """The levels of the book's scale, if it names whole ones."""
    scorer = book.get("scorer")
    scale = book.get("scale") or (scorer.get("scale") if isinstance(scorer, dict) else None)
    parts = scale.split(",") if isinstance(scale, str) else scale
    if not isinstance(parts, list):
        return ()
    try:
        return tuple(sorted({int(str(part).strip()) for part in parts}))
    except ValueError:
        return ()


def _not_quepid(path: Path, found: str) -> TableError:
    return TableError(
        "this is not Quepid's export, which begins with query,docid or holds query_doc_pairs",
        path=path,
        line=1,
        value=found,
        way_out="Export the ratings of a case, or the judgements of a book. Others: "
        "gradewise data import ratings",
    )
