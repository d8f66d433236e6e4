"""The grade scale: numbers, names, guidelines, gains, thresholds. The single source of truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relevance.errors import InputError, did_you_mean

Floats = NDArray[np.float64]
Gain = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Grade:
    """One level of the five-grade scale.

    Attributes:
        number: 1 (worst) to 5 (best); also the hotkey on the annotator's page.
        name: Short name shown on the button.
        guideline: When to give it, in one sentence.
    """

    number: int
    name: str
    guideline: str


GRADES: tuple[Grade, ...] = (
    Grade(1, "Highly irrelevant", "No useful connection to the query."),
    Grade(2, "Irrelevant", "Shares a word or a theme, but does not serve the intent."),
    Grade(3, "Marginally relevant", "Related; serves a secondary or partial intent."),
    Grade(4, "Relevant", "Serves the main intent; a small aspect is missing or different."),
    Grade(5, "Highly relevant", "Exactly what a person typing this query hopes to find."),
)
"""The five grades, worst first."""


def linear(grades: Floats) -> Floats:
    """Grade - 1, never below 0; on grades shifted to 0…4 this is trec_eval's gain."""
    return np.maximum(grades - 1.0, 0.0)


def exp(grades: Floats) -> Floats:
    """2^(grade - 1) - 1, never below 0 (Burges et al. 2005, shifted to grades from 1)."""
    return np.asarray(np.exp2(np.maximum(grades - 1.0, 0.0)) - 1.0)


def raw(grades: Floats) -> Floats:
    """max(grade, 0), as trec_eval's ndcg uses."""
    return np.maximum(grades, 0.0)


def raw_exp(grades: Floats) -> Floats:
    """2^max(grade, 0) - 1: the exponential gain of scales whose worst grade is 0."""
    return np.asarray(np.exp2(np.maximum(grades, 0.0)) - 1.0)


def esci(grades: Floats) -> Floats:
    """Amazon ESCI on the five-grade mapping: 1, 2, 4, 5 (I, C, S, E) gain 0, 1, 2, 3."""
    return np.interp(grades, (1.0, 2.0, 4.0, 5.0), (0.0, 1.0, 2.0, 3.0))


GAINS: Mapping[str, Gain] = {
    "linear": linear,
    "exp": exp,
    "raw": raw,
    "raw_exp": raw_exp,
    "esci": esci,
}
"""Named gains: a grade's worth in a DCG. Each maps an array of grades to gains >= 0."""


@dataclass(frozen=True, slots=True)
class GradeScale:
    """The scale that a data set's grades are on.

    Attributes:
        name: How the command line and reports call it.
        levels: Allowed grades, ascending; empty for any integer.
        names: One name a level; empty for none.
        ordered: Whether a higher grade is better (otherwise grades are mere classes).
        gain: Key of `GAINS` used where a metric names none.
        exp_gain: Key of `GAINS` meant by `gain=exp` on this scale.
        relevant_from: Grade from which a Pin counts as relevant.
        empty: What a query without any positive gain has: `"undefined"` (NaN, counted) or `"zero"`.
    """

    name: str
    levels: tuple[int, ...]
    names: tuple[str, ...] = ()
    ordered: bool = True
    gain: str = "linear"
    exp_gain: str = "exp"
    relevant_from: int = 4
    empty: str = "undefined"

    @property
    def top(self) -> int:
        """The best grade.

        Raises:
            InputError: The scale has no top (any integer is allowed).
        """
        if not self.levels:
            raise InputError(
                f"scale {self.name!r} has no top grade, which sDCG and ERR need. "
                "Give the grades with --scale FILE (levels = [0, 1, 2, …])"
            )
        return self.levels[-1]

    def gains(self, grades: Floats, gain: str | None = None) -> Floats:
        """Gains of `grades` (same shape) by the named gain, or by the scale's own."""
        name = gain or self.gain
        if name == "exp":
            name = self.exp_gain
        if name not in GAINS:
            raise InputError(f"gain {name!r} is unknown.{did_you_mean(name, GAINS)}")
        return GAINS[name](np.asarray(grades, dtype=np.float64))

    def allows(self, grade: int) -> bool:
        """Whether `grade` is on the scale."""
        return not self.levels or grade in self.levels

    def describe(self) -> str:
        """The allowed grades in words, such as `"1-5"` or `"any integer"`."""
        if not self.levels:
            return "any integer"
        low, high = self.levels[0], self.levels[-1]
        if self.levels == tuple(range(low, high + 1)):
            return f"{low}-{high}"
        return "one of " + ", ".join(map(str, self.levels))


FIVE = GradeScale(
    name="five",
    levels=tuple(grade.number for grade in GRADES),
    names=tuple(grade.name for grade in GRADES),
)
TREC = GradeScale(
    name="trec", levels=(), gain="raw", exp_gain="raw_exp", relevant_from=1, empty="zero"
)
ESCI = GradeScale(
    name="esci",
    levels=(1, 2, 4, 5),
    names=("Irrelevant", "Complement", "Substitute", "Exact"),
    gain="esci",
)
SCALES: Mapping[str, GradeScale] = {scale.name: scale for scale in (FIVE, TREC, ESCI)}
"""Built-in scales by name; others come from a TOML file (`scale_from`)."""


def scale_from(settings: Mapping[str, Any]) -> GradeScale:
    """Builds a scale from a mapping, as read from a TOML file.

    Args:
        settings: `levels` (required), and any other field of `GradeScale`.

    Raises:
        InputError: An unknown key, no levels, or a gain that is not in `GAINS`.
    """
    known = set(GradeScale.__dataclass_fields__)
    for key in settings:
        if key not in known:
            hint = did_you_mean(key, known) or f" Known ones: {', '.join(sorted(known))}"
            raise InputError(f"scale setting {key!r} is unknown.{hint}")
    levels = tuple(sorted(int(level) for level in settings.get("levels", ())))
    if not levels:
        raise InputError("a scale file needs levels, such as: levels = [0, 1, 2, 3]")
    shifted = levels[0] >= 1
    defaults: dict[str, Any] = {
        "name": "custom",
        "gain": "linear" if shifted else "raw",
        "exp_gain": "exp" if shifted else "raw_exp",
        "relevant_from": levels[-2] if len(levels) > 2 else levels[-1],
    }
    values = {**defaults, **settings, "levels": levels, "names": tuple(settings.get("names", ()))}
    if values["gain"] not in GAINS:
        raise InputError(f"gain {values['gain']!r} is unknown. Use one of {', '.join(GAINS)}")
    return GradeScale(**values)
