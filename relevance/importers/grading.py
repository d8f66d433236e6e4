"""A rating, and what its grade means: one of the five, or that the annotator could not judge.

Where the user does not say (`--scale`, `--grade-map`) and the file does not either, levels are told
from the grades, if these leave no doubt; else nothing is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from relevance.errors import InputError, TableError
from relevance.grades import FIVE, GradeScale
from relevance.importers.cells import grade_of, text_of
from relevance.importers.five import FIVE_OF

CANNOT_JUDGE = "cannot_judge"
"""Flag of a judgment without a grade: the annotator looked and could not tell."""


@dataclass(frozen=True, slots=True)
class Rating:
    """A rating as the file has it; every field may hold anything.

    Attributes:
        line: Where it is.
        column: Column of its grade.
        query: Identity of the query; None = its text.
        text: Text of the query; None = its identity.
        pin: Identity of the document.
        annotator: Who rated; None where nobody is named.
        grade: The grade.
        time: When.
        comment: What the annotator wrote.
        seconds: Time taken.
        cannot: Whether the annotator said that it cannot be judged.
        details: Further facts: country and language of the query, title of the Pin, …
    """

    line: int
    column: str
    query: object
    text: object
    pin: object
    annotator: object
    grade: object
    time: object = None
    comment: object = None
    seconds: object = None
    cannot: bool = False
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """How grades of a file become the five.

    Attributes:
        scale: The scale that they are on; None = told from them.
        mapping: Grade, as `cells.grade_of` has it → one of the five, or None: cannot judge.
        levels: Levels that the file itself names.
    """

    scale: GradeScale | None = None
    mapping: Mapping[str, int | None] | None = None
    levels: tuple[int, ...] = ()


AS_FOUND = Grading()
"""Grades as they are found."""


def parse_grade_map(text: str) -> dict[str, int | None]:
    """`0=1,1=2,relevant=4,skip=cannot_judge` as a mapping.

    Raises:
        InputError: A part is no KEY=GRADE, a grade is none of the five, or a key is there twice.
    """
    found: dict[str, int | None] = {}
    for part in text.split(","):
        key, equals, value = part.rpartition("=")
        grade, name = value.strip(), grade_of(key)
        if not equals or name is None or grade not in ("1", "2", "3", "4", "5", CANNOT_JUDGE):
            raise InputError(
                f"--grade-map: {part!r} is not VALUE=GRADE with a grade of 1-5 or {CANNOT_JUDGE}. "
                "Write it like 0=1,1=2,2=4,3=5"
            )
        if name in found:
            raise InputError(f"--grade-map names {name!r} twice. Leave one of them")
        found[name] = None if grade == CANNOT_JUDGE else int(grade)
    return found


def mapping_of(
    path: Path, ratings: Sequence[Rating], keys: Sequence[str | None], grading: Grading
) -> Mapping[str, int | None]:
    """Grade, as `cells.grade_of` has it → one of the five, or None: cannot judge.

    Args:
        path: Named in errors.
        ratings: The ratings.
        keys: Their grades; None = no grade.
        grading: What is said of them.

    Raises:
        TableError: Several scales could be meant.
        InputError: The levels do not map to five.
    """
    if grading.mapping is not None:
        return grading.mapping
    levels = (grading.scale.levels if grading.scale else ()) or grading.levels
    if not levels:
        levels = _levels(path, ratings, keys)
    if tuple(levels) == FIVE.levels:
        return {str(level): level for level in levels}
    if len(levels) not in FIVE_OF:
        raise InputError(
            f"{path}: {len(levels)} grades ({levels[0]} to {levels[-1]}) do not map to five. "
            "Say how with --grade-map, such as --grade-map 0=1,1=2,2=3"
        )
    return {str(level): five for level, five in zip(levels, FIVE_OF[len(levels)], strict=True)}


def _levels(path: Path, ratings: Sequence[Rating], keys: Sequence[str | None]) -> tuple[int, ...]:
    """The levels that grades are on, if these leave no doubt: 1-5, or 0 up to at most 4."""
    for rating, key in zip(ratings, keys, strict=True):
        if key is not None and not key.lstrip("+-").isdecimal():
            raise TableError(
                "this grade is no whole number, so it is unclear what the grades mean",
                path=path,
                line=rating.line,
                column=rating.column,
                value=text_of(rating.grade),
                way_out="Say what they mean (--grade-map relevant=5,partly=3,no=1) or which there "
                "are (--scale); others are then set aside",
            )
    there = sorted({int(key) for key in keys if key is not None})
    if there and there[0] == 0 and 1 <= there[-1] <= 4:
        return tuple(range(there[-1] + 1))
    if there and there[0] >= 1 and there[-1] == 5:
        return FIVE.levels
    if not there:
        return FIVE.levels
    odd = next(
        (r, k) for r, k in zip(ratings, keys, strict=True) if k is not None and int(k) == there[-1]
    )
    shown = ", ".join(map(str, there[:8])) + (", …" if len(there) > 8 else "")
    raise TableError(
        f"the grades {shown} could be of several scales",
        path=path,
        line=odd[0].line,
        column=odd[0].column,
        value=odd[1],
        way_out="Say which there are (--scale five, or a TOML file) or what they mean "
        "(--grade-map 0=1,1=2,2=4,3=5); others are then set aside",
    )
