"""Label Studio's annotations as rows of ours. Pure.

The server checks nothing (unknown grades, two grades at once, other people's names all pass), so
every annotation is read with suspicion: what is wrong with its content is its `problem`; what is
wrong with its circumstances (`annotation.sync.settle`) may change, so it is looked at again every
time.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from annotation.questions import CANNOT_JUDGE, QUESTIONS, Kind, Question, join_answers
from annotation.sync.store import REPEAT, PairEntry
from annotation.tasks import pair_key
from relevance.grades import FIVE, GradeScale

ENDPOINT, IMPORT = "endpoint", "import"
"""`source` of a judgment: graded on the server, or imported as a finished annotation."""

SKIPPED = "skipped"
"""`flag` of a judgment whose annotator skipped the pair; an abstention like `cannot_judge`."""

UNKNOWN = "unknown"
"""Stands for somebody without an account, or forgotten, who changed what another graded."""

_FOUND_CHARACTERS = 200


class Found(NamedTuple):
    """An annotation as it was found.

    Attributes:
        annotation_id: Its number on the server.
        project_id: Its project.
        task_id: Its task; numbers of deleted tasks are used again.
        pair_key: Key that the task carries; empty if it carries none.
        annotator: Pseudonym of whom the server names as its maker; None if it names nobody.
        editor: Pseudonym of somebody else who wrote it last; None if nobody else did.
        grade: Grade; None of an abstention or a problem.
        flag: `cannot_judge` or `skipped` of an abstention.
        answers: Answers to the form's other questions, by column, as JSON.
        seconds: Time it took.
        created_at: When it was made, UTC, ISO 8601.
        updated_at: When it was written last, UTC, ISO 8601.
        source: `endpoint` or `import`.
        config_hash: Hash of the form that the project had when this was found.
        altered: Whether the task shows something else than was pushed.
        problem: Why it cannot be a judgment; None if its content is in order.
        found: What it says, shortened, where that is a problem.
        digest: Hash of what the annotator answered.
    """

    annotation_id: int
    project_id: int
    task_id: int
    pair_key: str
    annotator: str | None
    editor: str | None
    grade: int | None
    flag: str | None
    answers: str
    seconds: float | None
    created_at: str | None
    updated_at: str | None
    source: str
    config_hash: str
    altered: bool
    problem: str | None
    found: str
    digest: str


@dataclass(frozen=True, slots=True)
class Context:
    """What turns numbers of the server into ours.

    Attributes:
        annotators: User number → pseudonym.
        pairs: pair_key → what it stands for.
        key: Secret key of the pair hashes; without it tasks are not checked for alterations.
        project_id: The project that the tasks are of.
        config_hash: Hash of its form.
        scale: Allowed grades.
        left_out: User numbers whose annotations are not even looked at: people to be forgotten.
    """

    annotators: Mapping[int, str]
    pairs: Mapping[str, PairEntry]
    key: bytes = b""
    project_id: int = 0
    config_hash: str = ""
    scale: GradeScale = FIVE
    left_out: frozenset[int] = frozenset()


class _UnusableError(Exception):
    """An annotation that is no judgment; its text is the reason."""


def read_tasks(tasks: Iterable[Mapping[str, Any]], context: Context) -> list[Found]:
    """All annotations of tasks, in their order, but those of people who are left out."""
    found: list[Found] = []
    for task in tasks:
        data = task.get("data")
        data = data if isinstance(data, Mapping) else {}
        altered = _altered(data, context)
        found += [
            _read(one, int(task.get("id") or 0), key_of(task), altered, context)
            for one in task.get("annotations") or ()
            if user_of(one) not in context.left_out
        ]
    return found


def key_of(task: Mapping[str, Any]) -> str:
    """The pair key that a task carries; empty if it carries none."""
    data = task.get("data")
    return _sound(data.get("pair_key") or "") if isinstance(data, Mapping) else ""


def user_of(annotation: Mapping[str, Any], field: str = "completed_by") -> int:
    """Number of the user an annotation names in a field; -1 if it names nobody."""
    by = annotation.get(field)
    if isinstance(by, Mapping):
        by = by.get("id")
    return by if isinstance(by, int) else -1


def time_of(text: object) -> str | None:
    """A time of the server in UTC, always with microseconds, so that texts compare as times do."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    at = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return at.isoformat(timespec="microseconds")


def _altered(data: Mapping[str, Any], context: Context) -> bool:
    """Whether a task of ours shows something else than was pushed (someone edited its data)."""
    pair = context.pairs.get(str(data.get("pair_key")))
    if pair is None or not pair.checkable or not context.key:
        return False
    salt = int(pair.draw == REPEAT)
    same = pair_key(context.key, pair.locale, pair.query_id, pair.pin_id, data, salt=salt)
    return same != pair.pair_key


def _read(
    annotation: Mapping[str, Any], task_id: int, key: str, altered: bool, context: Context
) -> Found:
    maker, editor = user_of(annotation), user_of(annotation, "updated_by")
    result, skipped = annotation.get("result"), bool(annotation.get("was_cancelled"))
    grade, flag, problem = None, SKIPPED if skipped else None, None
    others: dict[str, str] = {}
    created = time_of(annotation.get("created_at"))
    try:
        grade, flag, others = _answers(result, context.scale, skipped=skipped)
    except _UnusableError as reason:
        problem = str(reason)
    if created is None:
        problem = problem or "no time: it does not say when it was made"
    seconds = _seconds(annotation.get("lead_time"))
    return Found(
        annotation_id=int(annotation.get("id") or 0),
        project_id=context.project_id,
        task_id=task_id,
        pair_key=key,
        annotator=context.annotators.get(maker),
        editor=None if editor in (-1, maker) else context.annotators.get(editor, UNKNOWN),
        grade=None if problem else grade,
        flag=flag,
        answers=json.dumps(others, ensure_ascii=False),
        seconds=seconds,
        created_at=created,
        updated_at=time_of(annotation.get("updated_at")),
        source=ENDPOINT if annotation.get("import_id") is None else IMPORT,
        config_hash=context.config_hash,
        altered=altered,
        problem=problem,
        found=_sound(result)[:_FOUND_CHARACTERS] if problem else "",
        digest=_digest(result, skipped, seconds),
    )


def _answers(
    result: object, scale: GradeScale, *, skipped: bool
) -> tuple[int | None, str | None, dict[str, str]]:
    """Grade, flag, and the other answers by column."""
    given = _regions(result)
    grade, flag, others = None, None, {}
    for question in QUESTIONS.values():
        values = given.get(question.name, [])
        if question.kind is Kind.GRADE:
            grade, flag = _grade(values, scale, skipped=skipped)
        elif values:
            others[question.column] = _free(values, question)
    return grade, flag, {name: text for name, text in others.items() if text}


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
    if question.kind is Kind.CHOICE:
        if any(value not in dict(question.choices) for value in values):
            raise _UnusableError(f"unknown answer: to {question.name}")
        if len(values) > 1 and not question.multiple:
            raise _UnusableError(f"more than one answer: to {question.name}")
    return join_answers(values)


def _regions(result: object) -> dict[str, list[str]]:
    if not isinstance(result, list):
        raise _UnusableError("no result")
    found: dict[str, list[str]] = {}
    for region in result:
        value = region.get("value") if isinstance(region, Mapping) else None
        if not isinstance(value, Mapping):
            raise _UnusableError("no result: it is not in Label Studio's form")
        given = value.get("choices", value.get("text", []))
        given = given if isinstance(given, list) else [given]
        found.setdefault(str(region.get("from_name")), []).extend(_sound(one) for one in given)
    return found


def _sound(value: object) -> str:
    """As text that every file can hold: half characters, which JSON may name, become `?`."""
    return str(value).encode("utf-8", "replace").decode()


def _seconds(lead_time: object) -> float | None:
    if isinstance(lead_time, (int, float)) and 0 <= lead_time < math.inf:
        return float(lead_time)
    return None


def _digest(result: object, skipped: bool, seconds: float | None) -> str:
    said = json.dumps([result, skipped, seconds], sort_keys=True, default=str)
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:16]
