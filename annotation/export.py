"""Label Studio's annotations as judgments. Pure.

The server checks nothing (unknown grades, two grades at once, other people's names all pass), so
everything is checked here; what cannot be a judgment is set aside with its reason, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from annotation.questions import CANNOT_JUDGE, QUESTIONS, Kind, Question
from relevance.grades import FIVE, GradeScale

ENDPOINT, IMPORT = "endpoint", "import"
SKIPPED = "skipped"
"""`flag` of a judgment whose annotator skipped the pair; an abstention like `cannot_judge`."""

SCHEMA: Mapping[str, Any] = {
    "query_id": pl.String,
    "pin_id": pl.String,
    "annotator": pl.String,
    "grade": pl.Int64,
    "flag": pl.String,
    "comment": pl.String,
    "seconds": pl.Float64,
    "created_at": pl.Datetime("us", "UTC"),
    "guideline_version": pl.String,
    "source": pl.String,
}
"""Columns of pulled judgments; `source` is `endpoint` (graded on the server) or `import`."""

REJECTED_SCHEMA: Mapping[str, Any] = {
    "reason": pl.String,
    "query_id": pl.String,
    "pin_id": pl.String,
    "annotator": pl.String,
    "found": pl.String,
    "project_id": pl.Int64,
    "task_id": pl.Int64,
    "annotation_id": pl.Int64,
}
"""Columns of what was set aside."""


@dataclass(frozen=True, slots=True)
class Context:
    """What turns numbers of the server into ours.

    Attributes:
        pairs: pair_key → (query_id, pin_id).
        annotators: User number → pseudonym.
        project_id: The project that the tasks are of.
        guideline_version: Guidelines it was made with.
        scale: Allowed grades.
    """

    pairs: Mapping[str, tuple[str, str]]
    annotators: Mapping[int, str]
    project_id: int = 0
    guideline_version: str = ""
    scale: GradeScale = FIVE


@dataclass(frozen=True, slots=True)
class Exported:
    """Judgments, and what could not be one.

    Attributes:
        judgments: Frame of `SCHEMA`, by key; one row a query, Pin and annotator.
        rejected: Frame of `REJECTED_SCHEMA`.
    """

    judgments: pl.DataFrame
    rejected: pl.DataFrame


class _UnusableError(Exception):
    """An annotation that is no judgment; its text is the reason."""


def read_tasks(
    tasks: Iterable[Mapping[str, Any]], context: Context
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of judgments (with `annotation_id`) and of rejections, in the order of the tasks.

    Args:
        tasks: Label Studio's JSON: `id`, `data.pair_key`, `annotations`.
        context: What the numbers in it stand for.
    """
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for task in tasks:
        pair = context.pairs.get(str((task.get("data") or {}).get("pair_key")))
        for annotation in task.get("annotations") or ():
            try:
                good.append(
                    {**_judgment(annotation, pair, context), "task_id": int(task.get("id") or 0)}
                )
            except _UnusableError as reason:
                bad.append(_rejection(task, annotation, pair, context, str(reason)))
    return good, bad


def settle(good: Sequence[dict[str, Any]], bad: Sequence[dict[str, Any]]) -> Exported:
    """One judgment a query, Pin and annotator: the latest; earlier ones are set aside."""
    latest: dict[tuple[str, str, str], dict[str, Any]] = {}
    repeats: list[dict[str, Any]] = []
    for row in good:
        key = (row["query_id"], row["pin_id"], row["annotator"])
        former = latest.get(key)
        if former is None:
            latest[key] = row
            continue
        older, newer = sorted((former, row), key=_age)
        latest[key] = newer
        repeats.append(
            {
                **older,
                "reason": "repeat: the annotator graded the pair again later",
                "found": "" if older["grade"] is None else str(older["grade"]),
            }
        )
    judgments = pl.DataFrame(list(latest.values()), schema=dict(SCHEMA), orient="row")
    rejected = pl.DataFrame([*bad, *repeats], schema=dict(REJECTED_SCHEMA), orient="row")
    return Exported(
        judgments.sort("query_id", "pin_id", "annotator"),
        rejected.sort("project_id", "task_id", "annotation_id"),
    )


def export(tasks: Iterable[Mapping[str, Any]], context: Context) -> Exported:
    """Judgments of one project's tasks; see `read_tasks` and `settle`."""
    return settle(*read_tasks(tasks, context))


def _age(row: Mapping[str, Any]) -> tuple[datetime, int]:
    return row["created_at"], row["annotation_id"]


def _judgment(
    annotation: Mapping[str, Any], pair: tuple[str, str] | None, context: Context
) -> dict[str, Any]:
    if pair is None:
        raise _UnusableError("unknown pair: the task was not pushed from this workspace")
    annotator = context.annotators.get(_user(annotation))
    if annotator is None:
        raise _UnusableError("no annotator: the account was deleted")
    answers = _answers(annotation.get("result"))
    row: dict[str, Any] = {"flag": None}
    for question in QUESTIONS.values():
        values = answers.get(question.name, [])
        if question.kind is Kind.GRADE:
            skipped = bool(annotation.get("was_cancelled"))
            row[question.column], row["flag"] = _grade(values, context.scale, skipped=skipped)
        else:
            row[question.column] = _free(values, question)
    return {
        **row,
        "query_id": pair[0],
        "pin_id": pair[1],
        "annotator": annotator,
        "seconds": _seconds(annotation.get("lead_time")),
        "created_at": _time(annotation.get("created_at")),
        "guideline_version": context.guideline_version,
        "source": ENDPOINT if annotation.get("import_id") is None else IMPORT,
        "annotation_id": int(annotation.get("id") or 0),
        "project_id": context.project_id,
    }


def _grade(
    values: Sequence[str], scale: GradeScale, *, skipped: bool
) -> tuple[int | None, str | None]:
    if skipped:
        return None, SKIPPED
    if not values:
        raise _UnusableError("no grade")
    if len(values) > 1:
        raise _UnusableError("more than one grade")
    if values[0] == CANNOT_JUDGE:
        return None, CANNOT_JUDGE
    if not values[0].lstrip("-").isdecimal() or not scale.allows(int(values[0])):
        raise _UnusableError(f"unknown grade: it must be {scale.describe()} or {CANNOT_JUDGE}")
    return int(values[0]), None


def _free(values: Sequence[str], question: Question) -> str | None:
    if question.kind is Kind.CHOICE and any(
        value not in dict(question.choices) for value in values
    ):
        raise _UnusableError(f"unknown answer to {question.name}")
    return "\n".join(values) or None


def _answers(result: object) -> dict[str, list[str]]:
    if not isinstance(result, list):
        raise _UnusableError("no result")
    found: dict[str, list[str]] = {}
    for region in result:
        value = region.get("value") if isinstance(region, Mapping) else None
        if not isinstance(value, Mapping):
            raise _UnusableError("a result that is not Label Studio's")
        given = value.get("choices", value.get("text", []))
        given = given if isinstance(given, list) else [given]
        found.setdefault(str(region.get("from_name")), []).extend(str(one) for one in given)
    return found


def _user(annotation: Mapping[str, Any]) -> int:
    by = annotation.get("completed_by")
    if isinstance(by, Mapping):
        by = by.get("id")
    return by if isinstance(by, int) else -1


def _seconds(lead_time: object) -> float | None:
    return float(lead_time) if isinstance(lead_time, (int, float)) and lead_time >= 0 else None


def _time(text: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise _UnusableError("no time of creation") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _rejection(
    task: Mapping[str, Any],
    annotation: Mapping[str, Any],
    pair: tuple[str, str] | None,
    context: Context,
    reason: str,
) -> dict[str, Any]:
    return {
        "reason": reason,
        "query_id": pair[0] if pair else None,
        "pin_id": pair[1] if pair else None,
        "annotator": context.annotators.get(_user(annotation)),
        "found": str(annotation.get("result"))[:200],
        "project_id": context.project_id,
        "task_id": int(task.get("id") or 0),
        "annotation_id": int(annotation.get("id") or 0),
    }
