"""The buttons of the annotator's page: what each stores, its key, and its words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from annotation.page.wording import Language
from annotation.questions import CANNOT_JUDGE, Question
from relevance.errors import InputError
from relevance.grades import GRADES, Grade, GradeScale

_SPARE_KEYS = "x0"
"""For "cannot judge" on a scale that uses 0 itself; the first that is free, from the right."""


@dataclass(frozen=True, slots=True)
class Button:
    """One button.

    Attributes:
        stored: The answer it gives; the same in every language.
        key: Its hotkey; empty if there is none.
        face: What its keycap shows: the number of a grade, else the key.
        name: Its text.
        hint: When to press it; may be empty.
    """

    stored: str
    key: str
    face: str
    name: str
    hint: str = ""


def grades_of(scale: Sequence[Grade] | GradeScale) -> tuple[Grade, ...]:
    """The grades of a scale, best first.

    Raises:
        InputError: The scale allows any integer, or has fewer names than levels.
    """
    if isinstance(scale, GradeScale):
        if not scale.levels:
            raise InputError(
                f"scale {scale.name!r} allows any integer, which needs endless buttons. "
                "Give the grades with --scale FILE (levels = [0, 1, 2, …])"
            )
        if scale.levels == tuple(grade.number for grade in GRADES) and scale.names in (
            (),
            tuple(grade.name for grade in GRADES),
        ):
            scale = GRADES
        else:
            names = scale.names or ("",) * len(scale.levels)
            if len(names) != len(scale.levels):
                raise InputError(
                    f"scale {scale.name!r} has {len(scale.levels)} levels but {len(names)} names. "
                    "Give one name a level, or none"
                )
            scale = [Grade(*pair, "") for pair in zip(scale.levels, names, strict=True)]
    return tuple(sorted(scale, key=lambda grade: -grade.number))


def is_five(grades: Sequence[Grade]) -> bool:
    """Whether these are the five grades that the languages have words for."""
    return sorted(grades, key=lambda grade: grade.number) == list(GRADES)


def grade_buttons(scale: Sequence[Grade] | GradeScale, language: Language) -> tuple[Button, ...]:
    """One button a grade, best first, and "cannot judge" last."""
    grades = grades_of(scale)
    five = is_five(grades)
    keys = {str(grade.number) for grade in grades}
    found = []
    for grade in grades:
        number = str(grade.number)
        name, hint = language.page.grades[grade.number] if five else (grade.name, grade.guideline)
        found.append(Button(number, number if len(number) == 1 else "", number, name, hint))
    key = next(key for key in reversed(_SPARE_KEYS) if key not in keys)
    return (*found, Button(CANNOT_JUDGE, key, key, *language.page.cannot_judge))


def choice_buttons(
    question: Question, language: Language, used: Iterable[str]
) -> tuple[Button, ...]:
    """One button a choice of a question, with the digits from 6 that are not `used` as keys."""
    words = language.page.questions.get(question.name)
    texts = {**dict(question.choices), **(words.choices if words else {})}
    taken = set(used)
    free = [key for key in "6789" if key not in taken]
    free += [""] * len(question.choices)
    return tuple(
        Button(stored, key, key, texts[stored])
        for (stored, _), key in zip(question.choices, free, strict=False)
    )
