"""Label Studio: an export as JSON, or as JSON_MIN, of a project that gradewise did not make.

- Query and document are fields of the task (`--query-column`, `--pin-column`), with dots where they
  are nested; else found by their usual names.
- The grade is the answer of one control (`--grade-column` with its name, where there are several):
  choices, a rating, a number or a text.
- A row an annotation. Annotators are `user-7`; where only an address is given, `rater-01`, ….
- Skipped tasks (`was_cancelled`) are set aside, as are annotations without a grade or with two.
  Drafts and predictions are nobody's judgments: they are counted.
- Grades: see `relevance.importers.grading`. Times are UTC.

Tasks that gradewise pushed hold no ids: `gradewise annotation pull` brings those.
Source: labelstud.io, "Export annotations".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from relevance.errors import TableError
from relevance.importers.cells import text_of
from relevance.importers.grading import Rating
from relevance.importers.judged import build
from relevance.importers.placed_json import PlacedJson
from relevance.importers.ratings import AS_FOUND, USUAL, RatingOptions, columns_of
from relevance.importers.raw_rows import RawFile, RawRow, read_json
from relevance.importers.set_aside import Outcome, Rejected

FROM = "Label Studio: open the project, then Export, JSON"

_ANSWERS = ("choices", "rating", "number", "text", "taxonomy", "labels")
_OWN = "pair_key"
_MIN = ("annotator", "annotation_id", "lead_time", "created_at", "updated_at", "id")


@dataclass(frozen=True, slots=True)
class _Answer:
    """An annotation with what it answers.

    Attributes:
        line: Where it is in the file.
        data: Fields of the task.
        given: Control → its answers.
        annotator: Who answered.
        time: When.
        seconds: Time taken.
        skipped: Whether the annotator skipped the task.
    """

    line: int
    data: Mapping[str, Any]
    given: Mapping[str, list[str]]
    annotator: str | None
    time: object
    seconds: object
    skipped: bool


def read(path: Path, options: RatingOptions = AS_FOUND) -> Outcome:
    """The tables queries, pairs and judgments of an export.

    Args:
        path: The file.
        options: Fields of query and document, control of the grade, what grades mean.

    Raises:
        MissingInputError: It is not there.
        TableError: It is no such export, fields or the control are unclear, or no rating is left.
    """
    placed = read_json(path, FROM)
    tasks = placed.value if isinstance(placed.value, list) else [placed.value]
    rejected: list[Rejected] = []
    told: Counter[str] = Counter()
    answers: list[_Answer] = []
    for task in tasks:
        if not isinstance(task, dict):
            rejected.append(Rejected(placed.line(task), "", str(task), "which is no object"))
        elif _is_whole(task):
            answers += _whole(task, placed, rejected, told)
        else:
            answers.append(_least(task, placed.line(task)))
    if not any(_is_whole(t) or "annotation_id" in t for t in tasks if isinstance(t, dict)):
        raise TableError(
            "this is not Label Studio's export, whose tasks have annotations, or an annotation_id",
            path=path,
            line=1,
            way_out="Export the project as JSON or JSON_MIN. Others: gradewise data import ratings",
        )
    columns = _columns(path, answers, options)
    control = _control(path, answers, options, set(columns.values()))
    graded = [a for a in answers if _usable(a, control, rejected)]
    ratings = [_rating(answer, control, columns) for answer in graded]
    return build(path, ratings, options.grading(), rejected=rejected, told=told)


def _is_whole(task: Mapping[str, Any]) -> bool:
    """Whether a task is of the full JSON."""
    lists = (task.get("annotations"), task.get("completions"))
    return isinstance(task.get("data"), dict) and any(isinstance(one, list) for one in lists)


def _whole(
    task: Mapping[str, Any], placed: PlacedJson, rejected: list[Rejected], told: Counter[str]
) -> Iterator[_Answer]:
    """The annotations of a task of the full JSON."""
    for name in ("drafts", "predictions"):
        given = task.get(name)
        told[f"{name} left out"] += len(given) if isinstance(given, list) else 0
    annotations = task.get("annotations") or task.get("completions") or []
    told["tasks without an annotation"] += not annotations
    for annotation in annotations:
        line = placed.line(annotation, task)
        if not isinstance(annotation, dict):
            rejected.append(Rejected(line, "annotations", str(annotation), "which is no object"))
            continue
        result = annotation.get("result")
        yield _Answer(
            line=line,
            data=_flat(task["data"]),
            given=_given(result if isinstance(result, list) else []),
            annotator=_name(annotation.get("completed_by")),
            time=annotation.get("updated_at") or annotation.get("created_at"),
            seconds=annotation.get("lead_time"),
            skipped=bool(annotation.get("was_cancelled")),
        )


def _least(task: Mapping[str, Any], line: int) -> _Answer:
    """The one annotation of a row of JSON_MIN, whose answers stand among the fields."""
    data = _flat({name: value for name, value in task.items() if name not in _MIN})
    given = {
        name: found
        for name, value in task.items()
        if name not in _MIN and (found := _texts(value)) is not None
    }
    return _Answer(
        line=line,
        data=data,
        given=given,
        annotator=_name(task.get("annotator")),
        time=task.get("updated_at") or task.get("created_at"),
        seconds=task.get("lead_time"),
        skipped=bool(task.get("was_cancelled")),
    )


def _flat(data: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{before}{key}"
        found |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def _given(result: Sequence[object]) -> dict[str, list[str]]:
    """Control → answers of the regions of an annotation."""
    found: dict[str, list[str]] = {}
    for region in result:
        value = region.get("value") if isinstance(region, dict) else None
        if isinstance(region, dict) and isinstance(value, dict):
            name = text_of(region.get("from_name")) or ""
            found.setdefault(name, []).extend(_texts(value) or [])
    return found


def _texts(value: object) -> list[str] | None:
    """The answers in a value; None if it holds none."""
    if isinstance(value, dict):
        inner = next((value[name] for name in _ANSWERS if name in value), None)
        return None if inner is None else _texts(inner)
    if isinstance(value, list):
        parts = [_texts(one) for one in value]
        return [text for part in parts if part is not None for text in part] if parts else None
    text = text_of(value)
    return None if text is None else [text]


def _name(by: object) -> str | None:
    """What an annotator is called: `user-7`, or the address where there is no number."""
    if isinstance(by, dict):
        by = by.get("id") or by.get("email") or by.get("username")
    if isinstance(by, list):
        by = by[0] if len(by) == 1 else None
    text = text_of(by)
    return f"user-{text}" if text is not None and text.isdecimal() else text


def _columns(path: Path, answers: Sequence[_Answer], options: RatingOptions) -> dict[str, str]:
    """What a field is → its name."""
    fields = dict.fromkeys(name for answer in answers for name in answer.data)
    said = options.query_column and options.pin_column
    if _OWN in fields and not said:
        raise TableError(
            "these tasks are gradewise's own, which hold no ids",
            path=path,
            column=_OWN,
            way_out="Bring them with: gradewise annotation pull",
        )
    empty = RawFile(path, [RawRow(answer.line, answer.data) for answer in answers])
    return columns_of(empty, replace(options, grade_column=None), graded=False)


def _control(
    path: Path, answers: Sequence[_Answer], options: RatingOptions, fields: set[str]
) -> str:
    """Name of the control that holds the grade."""
    named = Counter(name for a in answers for name in a.given if name not in fields)
    wanted = options.grade_column
    if wanted is not None and wanted in named:
        return wanted
    usual = [name for name in USUAL["grade"] if name in named]
    whole = [name for name in named if name not in {f for a in answers for f in a.data}]
    if wanted is None and len(whole) == 1:
        return whole[0]
    if wanted is None and len(usual) == 1:
        return usual[0]
    what = (
        f"no control is called {wanted!r}" if wanted else "it is unclear which control is the grade"
    )
    raise TableError(
        what, path=path, way_out=f"Say --grade-column with one of {', '.join(sorted(named))}"
    )


def _usable(answer: _Answer, control: str, rejected: list[Rejected]) -> bool:
    """Whether an annotation has one grade; sets it aside if not."""
    given = list(dict.fromkeys(answer.given.get(control, [])))
    reason = ""
    if answer.skipped:
        reason = "skipped"
    elif not given:
        reason = "without grade"
    elif len(given) > 1:
        reason = "with more than one grade"
    if reason:
        rejected.append(Rejected(answer.line, control, " | ".join(given), reason))
    return not reason


def _rating(answer: _Answer, control: str, columns: Mapping[str, str]) -> Rating:
    def field(what: str) -> object:
        return answer.data.get(columns[what]) if what in columns else None

    return Rating(
        line=answer.line,
        column=control,
        query=field("query_id"),
        text=field("text"),
        pin=field("pin"),
        annotator=answer.annotator or "unknown",
        grade=answer.given[control][0],
        time=answer.time,
        seconds=answer.seconds,
        details={
            name: field(name)
            for name in ("country", "language", "segment", "title", "description", "image")
        },
    )
