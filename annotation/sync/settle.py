"""Pulled annotations as tables: what is a judgment, and what is set aside with its reason. Pure.

Nothing is dropped: an annotation is in `judgments`, `repeats` or `rulings`, or in quarantine with
the first reason that holds. Reasons of circumstance (`WAIVABLE`) may be waived by a person
(`annotation.sync.release`); the others may not, because there is no grade, pair or annotator to
take.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from annotation.export import SKIPPED, Found
from annotation.questions import QUESTIONS, Kind
from annotation.sync.store import GRADE, REPEAT, SENIOR, FormEntry, PairEntry, Person

MIN_SECONDS = 0.5
"""Nobody reads a query and looks at a Pin in less."""

TASK_CHANGED = "task changed"
CHANGED_BY = "changed by another person"
NOT_LISTED = "not on the roster"
LANGUAGE = "language"
NOT_SENIOR = "not a senior"
OTHER_FORM = "other form"
TOO_FAST = "too fast"

WAIVABLE = (TASK_CHANGED, CHANGED_BY, NOT_LISTED, LANGUAGE, NOT_SENIOR, OTHER_FORM, TOO_FAST)
"""Reasons of circumstance, in the order in which they are looked for."""

_STANDING = {
    NOT_LISTED: "the roster does not name the annotator",
    LANGUAGE: "the roster does not give the annotator the query's language",
    NOT_SENIOR: "only seniors give rulings",
}

_OTHERS = tuple(one.column for one in QUESTIONS.values() if one.kind is not Kind.GRADE)

SCHEMA: Mapping[str, Any] = {
    "query_id": pl.String,
    "pin_id": pl.String,
    "annotator": pl.String,
    "grade": pl.Int64,
    "flag": pl.String,
    **dict.fromkeys(_OTHERS, pl.String),
    "seconds": pl.Float64,
    "created_at": pl.Datetime("us", "UTC"),
    "guideline_version": pl.String,
    "source": pl.String,
    "purpose": pl.String,
    "updated_by": pl.String,
}
"""Columns of pulled judgments; `source` is `endpoint` (graded on the server) or `import`."""

REJECTED_SCHEMA: Mapping[str, Any] = {
    "reason": pl.String,
    "query_id": pl.String,
    "pin_id": pl.String,
    "pair_key": pl.String,
    "annotator": pl.String,
    "updated_by": pl.String,
    "found": pl.String,
    "seconds": pl.Float64,
    "created_at": pl.Datetime("us", "UTC"),
    "source": pl.String,
    "purpose": pl.String,
    "project_id": pl.Int64,
    "task_id": pl.Int64,
    "annotation_id": pl.Int64,
}
"""Columns of what was set aside."""

FOUND_SCHEMA: Mapping[str, Any] = {
    **dict.fromkeys(Found._fields, pl.String),
    **dict.fromkeys(("annotation_id", "project_id", "task_id", "grade"), pl.Int64),
    "seconds": pl.Float64,
    "altered": pl.Boolean,
}
"""Columns of pulled annotations."""

_KEY = ["query_id", "pin_id", "annotator"]
_UNKNOWN_PAIR = "unknown pair: the task was not pushed from this workspace"
_NO_ANNOTATOR = "no annotator: the account was deleted"
_REPEAT = "repeat: the annotator graded the pair again later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What annotations are held against.

    Attributes:
        pairs: pair_key → what it stands for.
        forms: The forms that judgments may be made with, in the order they came.
        people: Everybody known, by pseudonym.
        roster: Whether only people that the roster names may grade.
        min_seconds: Grades given in less are set aside.
        waived: Reason → annotations that it no longer holds back.
    """

    pairs: Mapping[str, PairEntry]
    forms: Sequence[FormEntry] = ()
    people: Sequence[Person] = ()
    roster: bool = False
    min_seconds: float = MIN_SECONDS
    waived: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settled:
    """Pulled annotations as tables.

    Attributes:
        judgments: Frame of `SCHEMA`, by key; one row a query, Pin and annotator.
        repeats: The same, of pairs shown a second time.
        rulings: The same, of the seniors' project.
        rejected: Frame of `REJECTED_SCHEMA`: what is none of these, with the reason.
    """

    judgments: pl.DataFrame
    repeats: pl.DataFrame
    rulings: pl.DataFrame
    rejected: pl.DataFrame


def frame_of(rows: Iterable[Sequence[Any]]) -> pl.DataFrame:
    """Annotations (`export.Found`, or tuples like it) as a frame of `FOUND_SCHEMA`."""
    columns = list(zip(*rows, strict=True)) or [()] * len(FOUND_SCHEMA)
    return pl.DataFrame(
        [
            pl.Series(name, values, dtype=pl.Int64 if kind == pl.Boolean else kind, strict=False)
            for (name, kind), values in zip(FOUND_SCHEMA.items(), columns, strict=True)
        ]
    ).with_columns(pl.col("altered").cast(pl.Boolean))


def settle(found: pl.DataFrame, rules: Rules) -> Settled:
    """Sorts annotations into tables.

    The latest annotation of a pair and annotator wins that was not skipped; of skipped ones alone,
    the latest. What it supersedes is set aside as a repeat.

    Args:
        found: Frame of `FOUND_SCHEMA`, in any order.
        rules: What they are held against.
    """
    known = _with_circumstances(found, rules).with_columns(reason=_reason(rules))
    good = known.filter(pl.col("reason").is_null()).sort(
        pl.col("flag").ne_missing(SKIPPED), "created_at", "annotation_id"
    )
    last = pl.int_range(pl.len()).over("table", *_KEY) == pl.len().over("table", *_KEY) - 1
    good = good.with_columns(last=last)
    repeated = good.filter(~pl.col("last")).with_columns(reason=pl.lit(_REPEAT))
    bad = pl.concat([known.filter(pl.col("reason").is_not_null()), repeated.drop("last")])
    kept = good.filter("last")
    judgments, repeats, rulings = (
        kept.filter(pl.col("table") == name).select(_columns(SCHEMA)).sort(_KEY)
        for name in ("judgments", "repeats", "rulings")
    )
    return Settled(judgments, repeats, rulings, _rejected(bad))


def reason_code(reason: str) -> str:
    """What a reason is called: `too fast` of `too fast: 0.2 s, less than 0.5 s`."""
    return reason.partition(":")[0]


def _with_circumstances(found: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Annotations with all that is known of their pair, project, form and annotator."""
    others = pl.Struct(dict.fromkeys(_OTHERS, pl.String))
    timed = found.with_columns(
        pl.col("created_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us"),
        pl.col("answers").str.json_decode(others),
    ).unnest("answers")
    paired = timed.join(_pairs(rules), on="pair_key", how="left", maintain_order="left")
    known = paired.join(_purposes(rules), on="project_id", how="left", maintain_order="left")
    placed = known.with_columns(
        pl.col("purpose").fill_null(GRADE),
        guideline_version=_guideline_version(rules),
        updated_by="editor",
    ).with_columns(
        table=pl.when(pl.col("draw") == REPEAT)
        .then(pl.lit("repeats"))
        .when(pl.col("purpose") == SENIOR)
        .then(pl.lit("rulings"))
        .otherwise(pl.lit("judgments"))
    )
    return placed.join(
        _standings(placed, rules),
        on=["annotator", "locale", "purpose"],
        how="left",
        maintain_order="left",
        nulls_equal=True,
    )


def _pairs(rules: Rules) -> pl.DataFrame:
    names = ("pair_key", "locale", "query_id", "pin_id", "draw")
    pairs = rules.pairs.values()
    return pl.DataFrame(
        [pl.Series(one, [getattr(pair, one) for pair in pairs], pl.String) for one in names]
    )


def _purposes(rules: Rules) -> pl.DataFrame:
    purposes = {form.project_id: form.purpose for form in rules.forms}
    return pl.DataFrame(
        {"project_id": list(purposes), "purpose": list(purposes.values())},
        schema={"project_id": pl.Int64, "purpose": pl.String},
    )


def _guideline_version(rules: Rules) -> pl.Expr:
    """The guidelines that were valid when the annotation was made."""
    version, first = pl.lit(None, pl.String), set[int]()
    for form in rules.forms:
        since = pl.col("created_at") >= form.since if form.project_id in first else pl.lit(True)
        first.add(form.project_id)
        mine = (pl.col("project_id") == form.project_id) & since
        version = pl.when(mine).then(pl.lit(form.guideline_version)).otherwise(version)
    return version


def _standings(known: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """What each annotator is missing to grade a locale for a purpose, as the column `standing`."""
    people = {one.annotator: one for one in rules.people}
    combinations = known.select("annotator", "locale", "purpose").unique()
    standings = [
        _standing(people.get(annotator), locale, purpose, rules.roster)
        for annotator, locale, purpose in combinations.iter_rows()
    ]
    return combinations.with_columns(standing=pl.Series(standings, dtype=pl.String))


def _standing(person: Person | None, locale: str | None, purpose: str, roster: bool) -> str | None:
    if not roster:
        return None
    if person is None or not person.listed:
        return NOT_LISTED
    if person.languages and not any(covers(one, locale or "") for one in person.languages):
        return LANGUAGE
    return NOT_SENIOR if purpose == SENIOR and person.role != SENIOR else None


def covers(language: str, locale: str) -> bool:
    """Whether a language somebody may grade (`pt`, `pt-BR`) includes a locale (`pt-BR`).

    A locale that names only a country, or nothing, is included in every language.
    """
    if locale.partition("-")[0] != locale.partition("-")[0].lower() or not locale:
        return True
    return f"{locale}-".lower().startswith(f"{language}-".lower())


def _reason(rules: Rules) -> pl.Expr:
    """The first reason that holds; null of what is in order."""
    forms = {f"{form.project_id}:{form.config_hash}" for form in rules.forms}
    form = pl.concat_str(pl.col("project_id"), pl.lit(":"), pl.col("config_hash"))
    fast = pl.format("{} s, less than {} s", pl.col("seconds"), pl.lit(rules.min_seconds))
    standing = pl.col("standing")
    checks: list[tuple[str, pl.Expr, pl.Expr]] = [
        (TASK_CHANGED, pl.col("altered"), pl.lit("what was graded is not what was pushed")),
        (CHANGED_BY, pl.col("editor").is_not_null(), pl.col("editor")),
        *((code, standing == code, pl.lit(text)) for code, text in _STANDING.items()),
        (
            OTHER_FORM,
            ~form.is_in(sorted(forms)),
            pl.lit("graded with a form that is not ours; --accept-config takes it as it is"),
        ),
        (
            TOO_FAST,
            (pl.col("seconds") < rules.min_seconds) & pl.col("grade").is_not_null(),
            fast,
        ),
    ]
    found = [
        pl.when(pl.col("query_id").is_null()).then(pl.lit(_UNKNOWN_PAIR)),
        pl.when(pl.col("annotator").is_null()).then(pl.lit(_NO_ANNOTATOR)),
        pl.col("problem"),
    ]
    for code, holds, text in checks:
        waived = pl.col("annotation_id").is_in(list(rules.waived.get(code, ())))
        found.append(pl.when(holds & ~waived).then(pl.format("{}: {}", pl.lit(code), text)))
    return pl.coalesce(found)


def _rejected(bad: pl.DataFrame) -> pl.DataFrame:
    said = pl.coalesce(pl.col("grade").cast(pl.String), pl.col("flag"), pl.lit(""))
    told = bad.with_columns(
        found=pl.when(pl.col("found") == "").then(said).otherwise(pl.col("found"))
    )
    return told.select(_columns(REJECTED_SCHEMA)).sort("project_id", "task_id", "annotation_id")


def _columns(schema: Mapping[str, Any]) -> list[pl.Expr]:
    return [pl.col(name).cast(kind) for name, kind in schema.items()]
