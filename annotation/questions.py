"""The grading form's questions: each is one control on the page and one column of `judgments`.

A new question is one more entry of `QUESTIONS`: the page shows it, pull reads it into its column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

CANNOT_JUDGE = "cannot_judge"
"""Stored answer, and `flag` of the judgment, of an annotator who cannot judge a pair."""


class Kind(Enum):
    """What an answer is.

    Attributes:
        GRADE: One grade of the scale, or `CANNOT_JUDGE`.
        CHOICE: One of the question's own choices.
        TEXT: Free text.
    """

    GRADE = "grade"
    CHOICE = "choice"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of the form.

    Attributes:
        name: Name of its control in Label Studio; never a key of the task's data.
        column: Column of `judgments` that the answer fills.
        kind: What an answer is.
        label: Heading on the page.
        required: Whether a pair cannot be submitted without an answer.
        hint: Shown inside an empty text box.
        choices: Stored answer → text on the page, for `Kind.CHOICE`.
        multiple: Whether several of the choices may be given.
    """

    name: str
    column: str
    kind: Kind
    label: str
    required: bool = False
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    multiple: bool = False


QUESTIONS: Mapping[str, Question] = {
    question.name: question
    for question in (
        Question(
            name="relevance",
            column="grade",
            kind=Kind.GRADE,
            label="How relevant is the Pin to the query?",
            required=True,
        ),
        Question(
            name="problems",
            column="problems",
            kind=Kind.CHOICE,
            label="Anything wrong?",
            choices=(
                ("picture", "Picture broken"),
                ("language", "Foreign language"),
                ("query", "Unclear query"),
                ("unsafe", "Unsafe"),
            ),
            multiple=True,
        ),
        Question(
            name="comment",
            column="comment",
            kind=Kind.TEXT,
            label="Note",
            hint="Why was it hard?",
        ),
    )
}
"""Every question by the name of its control, in the order of the page.

Their texts in other languages are in `annotation/page/languages`. `problems` costs no time where
nothing is wrong and one key where something is; it tells a broken picture, which can be mended,
from a pair that is merely hard, and reports unsafe Pins without a change of their grade.
"""


def join_answers(values: Sequence[str]) -> str | None:
    """The answers of one question as its column holds them: one a line; None if there is none."""
    return "\n".join(values) or None


def split_answers(question: Question, stored: object) -> list[str]:
    """What a column holds, as the answers of its question."""
    if stored is None or stored == "":
        return []
    return str(stored).split("\n") if question.multiple else [str(stored)]
