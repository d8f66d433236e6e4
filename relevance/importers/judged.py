"""Ratings, one by one, to the tables queries, pins, pairs and judgments (or qrels).

No grade is invented and none lost without a word: a rating without query, Pin, annotator or grade,
with a grade that is none of the scale, or replaced by a later one, is set aside with its line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from relevance.errors import TableError
from relevance.importers.cells import MISSING, grade_of, text_of, times_of
from relevance.importers.grading import AS_FOUND, CANNOT_JUDGE, Grading, Rating, mapping_of
from relevance.importers.set_aside import Outcome, Rejected

_NO_TIME = datetime.min.replace(tzinfo=UTC)
_JUDGMENT: Mapping[str, pl.DataType] = {
    "query_id": pl.String(), "pin_id": pl.String(), "annotator": pl.String(), "grade": pl.Int64(),
    "flag": pl.String(), "comment": pl.String(), "seconds": pl.Float64(),
    "created_at": pl.Datetime("us", "UTC"),
}  # fmt: skip
_DETAILS = ("country", "language", "segment", "title", "description", "image")


def build(
    path: Path,
    ratings: Sequence[Rating],
    grading: Grading = AS_FOUND,
    *,
    rejected: Sequence[Rejected] = (),
    told: Mapping[str, int] | None = None,
    named: bool = True,
) -> Outcome:
    """The tables of ratings.

    Args:
        path: Named in errors.
        ratings: Every one of the file.
        grading: How grades become the five.
        rejected: What was set aside before.
        told: Thing to tell of the file → number.
        named: Whether annotators are known, which makes judgments; else qrels.

    Raises:
        TableError: No rating is left, or it is unclear what the grades mean.
    """
    aside = list(rejected)
    whole = [rating for rating in ratings if _identified(rating, aside, named=named)]
    ids = _query_ids(whole)
    graded, shown = _graded(path, whole, grading, aside)
    rows = _rows(graded, ids, aside)
    if not rows:
        first = min(aside, key=lambda one: one.line, default=None)
        raise TableError(
            "no rating is left of this file"
            + (f": {first.reason}" if first else ", which has no rows"),
            path=path,
            line=first.line if first else None,
            column=(first.column or None) if first else None,
            value=first.value if first and first.value else None,
            way_out="Say which columns hold what (--query-column, --pin-column, --grade-column, "
            "--annotator-column) and what grades mean (--scale, --grade-map)",
        )
    kept = _latest(rows, aside)
    pseudonyms = _pseudonyms(kept) if named else {}
    tables = _tables(whole, ids, kept, pseudonyms, named=named)
    guessed = grading.mapping is None and not grading.levels and grading.scale is None
    hint = " (told from the grades; else say --scale or --grade-map)" if guessed else ""
    notes = [_counts(tables, len(ratings) + len(rejected)), f"grades {shown}{hint}"]
    if not named:
        notes.append("nobody is named as annotator: one grade a pair")
    if pseudonyms:
        notes.append(f"{len(pseudonyms)} annotators with addresses are called rater-01, …")
    notes += [f"{number:,} {what}" for what, number in (told or {}).items() if number]
    return Outcome(tables, aside, notes)


@dataclass(frozen=True, slots=True)
class _Row:
    """A rating that has everything it needs."""

    rating: Rating
    query: str
    pin: str
    annotator: str
    grade: int | None
    at: datetime | None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.query, self.pin, self.annotator


def _identified(rating: Rating, aside: list[Rejected], *, named: bool) -> bool:
    """Whether query, Pin and annotator are known; sets the rating aside if not."""
    missing = [
        name
        for name, known in (
            ("query", text_of(rating.query) or text_of(rating.text)),
            ("document", text_of(rating.pin)),
            ("annotator", text_of(rating.annotator) if named else ""),
        )
        if known is None
    ]
    if missing:
        value = text_of(rating.grade) or ""
        aside.append(Rejected(rating.line, rating.column, value, f"without {missing[0]}"))
    return not missing


def _graded(
    path: Path, ratings: Sequence[Rating], grading: Grading, aside: list[Rejected]
) -> tuple[list[tuple[Rating, int | None]], str]:
    """Ratings with their grade of the five, and the mapping in words."""
    keys = [None if rating.cannot else grade_of(rating.grade) for rating in ratings]
    mapping = mapping_of(path, ratings, keys, grading)
    graded: list[tuple[Rating, int | None]] = []
    for rating, key in zip(ratings, keys, strict=True):
        if rating.cannot or (key is not None and key in mapping):
            graded.append((rating, None if rating.cannot else mapping[key or ""]))
            continue
        value = text_of(rating.grade) or ""
        if grading.mapping is not None and value.casefold() in mapping:
            graded.append((rating, mapping[value.casefold()]))  # such as n/a=cannot_judge
            continue
        reason = "without grade" if key is None else "with a grade that is none of the scale"
        aside.append(Rejected(rating.line, rating.column, value, reason))
    shown = ", ".join(
        f"{theirs} → {CANNOT_JUDGE if ours is None else ours}" for theirs, ours in mapping.items()
    )
    return graded, shown


def _query_ids(ratings: Sequence[Rating]) -> dict[int, str]:
    """The query's id of each rating, by the rating's `id()`.

    Without ids the text is the id; a text that people of several countries or languages typed is
    as many queries, `FR: lampe` and `CA: lampe`.
    """
    places: dict[str, set[str]] = {}
    for rating in ratings:
        if text_of(rating.query) is None:
            places.setdefault(_collapsed(rating.text), set()).add(_locale(rating))
    found = {}
    for rating in ratings:
        own, text = text_of(rating.query), _collapsed(rating.text)
        several = own is None and len(places[text]) > 1
        found[id(rating)] = own or (f"{_locale(rating) or '?'}: {text}" if several else text)
    return found


def _locale(rating: Rating) -> str:
    known = (text_of(rating.details.get(name)) for name in ("language", "country"))
    return "-".join(name for name in known if name)


def _rows(
    graded: Sequence[tuple[Rating, int | None]], ids: Mapping[int, str], aside: list[Rejected]
) -> list[_Row]:
    """The ratings with ids and times."""
    times = times_of(rating.time for rating, _ in graded)
    rows = []
    for (rating, grade), at in zip(graded, times, strict=True):
        written = text_of(rating.time)
        if at is None and written is not None and written.casefold() not in MISSING:
            reason = "with a time that cannot be read, or could be of two days"
            aside.append(Rejected(rating.line, "time", written, reason, kept=True))
        annotator = text_of(rating.annotator) or ""
        rows.append(_Row(rating, ids[id(rating)], text_of(rating.pin) or "", annotator, grade, at))
    return rows


def _latest(rows: Sequence[_Row], aside: list[Rejected]) -> list[_Row]:
    """The last row of each key, by time (those without first), then by position."""
    order = sorted(range(len(rows)), key=lambda i: (rows[i].at or _NO_TIME, i))
    last = {rows[place].key: place for place in order}
    for place in order:
        row, winner = rows[place], rows[last[rows[place].key]]
        if row is winner:
            continue
        same = row.grade == winner.grade
        reason = "repeated" if same else "replaced by a later grade"
        value = text_of(row.rating.grade) or ""
        detail = f"line {winner.rating.line} counts"
        aside.append(Rejected(row.rating.line, row.rating.column, value, reason, detail=detail))
    return [rows[place] for place in sorted(last.values())]


def _pseudonyms(rows: Sequence[_Row]) -> dict[str, str]:
    """Address of an annotator → the name that takes its place, in the order of the addresses."""
    people = sorted({row.annotator for row in rows if "@" in row.annotator})
    return {person: f"rater-{number:02}" for number, person in enumerate(people, 1)}


def _tables(
    ratings: Sequence[Rating],
    ids: Mapping[int, str],
    rows: Sequence[_Row],
    pseudonyms: Mapping[str, str],
    *,
    named: bool,
) -> dict[str, pl.DataFrame]:
    queries: dict[str, dict[str, Any]] = {}
    pins: dict[str, dict[str, Any]] = {}
    pairs: dict[tuple[str, str], None] = {}
    for rating in ratings:
        query, pin = ids[id(rating)], text_of(rating.pin) or ""
        facts = {name: text_of(cell) for name, cell in rating.details.items() if name in _DETAILS}
        facts["text"] = _collapsed(rating.text) or None
        first = queries.setdefault(query, {"query_id": query})
        _fill(first, facts, ("text", "country", "language", "segment"))
        _fill(pins.setdefault(pin, {"pin_id": pin}), facts, ("title", "description", "image"))
        pairs[query, pin] = None
    for query, row in queries.items():
        row.setdefault("text", query)
    tables = {
        "queries": _frame(list(queries.values())),
        "pins": _frame(list(pins.values())),
        "pairs": pl.DataFrame(list(pairs), schema=["query_id", "pin_id"], orient="row"),
    }
    if tables["pins"].width == 1:
        del tables["pins"]  # ids alone say nothing that pairs do not
    tables["judgments" if named else "qrels"] = (
        _judgments(rows, pseudonyms) if named else _qrels(rows)
    )
    return tables


def _judgments(rows: Sequence[_Row], pseudonyms: Mapping[str, str]) -> pl.DataFrame:
    found = [
        {
            "query_id": row.query,
            "pin_id": row.pin,
            "annotator": pseudonyms.get(row.annotator, row.annotator),
            "grade": row.grade,
            "flag": CANNOT_JUDGE if row.grade is None else None,
            "comment": text_of(row.rating.comment),
            "seconds": _seconds(row.rating.seconds),
            "created_at": row.at,
        }
        for row in rows
    ]
    return pl.DataFrame(found, schema=_JUDGMENT)


def _qrels(rows: Sequence[_Row]) -> pl.DataFrame:
    """A grade a pair, of nobody in particular; pairs that could not be judged have none."""
    return pl.DataFrame(
        [(row.query, row.pin, row.grade, "human") for row in rows if row.grade is not None],
        schema={"query_id": pl.String, "pin_id": pl.String, "grade": pl.Int64, "method": pl.String},
        orient="row",
    )


def _fill(row: dict[str, Any], facts: Mapping[str, str | None], names: Sequence[str]) -> None:
    """Sets what is known now and was not before: the first fact counts."""
    for name in names:
        if row.get(name) is None and facts.get(name) is not None:
            row[name] = facts[name]


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame(rows, schema={name: pl.String() for name in names})


def _seconds(value: object) -> float | None:
    try:
        found = float(text_of(value) or "nan")
    except ValueError:
        return None
    return found if 0 <= found < float("inf") else None


def _collapsed(value: object) -> str:
    return " ".join((text_of(value) or "").split())


def _counts(tables: Mapping[str, pl.DataFrame], n_ratings: int) -> str:
    name = "judgments" if "judgments" in tables else "qrels"
    table = tables[name]
    told = f"{n_ratings:,} ratings read: {table.height:,} {name}"
    if name == "judgments":
        told += f" of {table['annotator'].n_unique():,} annotators"
    n_pairs = table.select("query_id", "pin_id").n_unique()
    return f"{told}, {n_pairs:,} pairs, {table['query_id'].n_unique():,} queries"
