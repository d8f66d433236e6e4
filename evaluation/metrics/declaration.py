"""What declares a metric: its family, options, range, formula and undefined cases."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evaluation.metrics.ranking import PERSISTENCE
from evaluation.metrics.sums import BINS
from relevance.errors import InputError
from relevance.grades import GAINS

RANKING, PAIRS, THRESHOLD, SUMS = "ranking", "pairs", "threshold", "sums"
FAMILIES: Mapping[str, str] = {
    RANKING: "a value a query of a ranked list; the figure is their mean",
    PAIRS: "a value a pair of a predicted grade; the figure is their mean",
    SUMS: "one value of sums over pairs",
    THRESHOLD: "one value of P(grade ≥ t) against the human grade, over all pairs",
}
"""What each family's function gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Declaration of a metric.

    Attributes:
        name: As the field spells it.
        family: Key of `FAMILIES`, which also says how `function` is called:
            `ranking`: (lists, scale, **arguments) -> (Q,) values;
            `pairs`: (grades, probabilities) -> (N,) values;
            `sums`: (grades, probabilities, **options) -> (N, m) columns to be summed over pairs;
            `threshold`: (labels, scores) -> the figure and the (N,) influence of each pair.
        function: What computes it; see the family's file.
        finish: For `sums`: ((..., m) sums, **options) -> (...) figures; otherwise None.
        doc: One sentence.
        formula: The same as a formula, in plain text.
        cutoff: Whether `@k` (`@t` for thresholds) is `required`, `optional` or `none`.
        options: Names that may stand in parentheses; keys of `OPTIONS`.
        low: Smallest possible value.
        high: Largest possible value; None = depends on the scale or the data.
        higher_is_better: Otherwise lower is.
        perfect: Value of a perfect answer; None = depends on the data.
        undefined: Reason in a row's note where it has no value: `no_relevant`, `missing`,
            `one_class`, `no_variation`, `no_such_grade` or none.
        undefined_when: The same in words.
        states: What a figure of it must say of itself, beside the scale: `name=value` as it is, or
            a name that `Measure.definition` knows.
        remark: What else to know.
        source: Where its definition comes from.
    """

    name: str
    family: str
    function: Callable[..., Any]
    finish: Callable[..., Any] | None = None
    doc: str
    formula: str
    cutoff: str = "none"
    options: tuple[str, ...] = ()
    low: float = 0.0
    high: float | None = 1.0
    higher_is_better: bool = True
    perfect: float | None = 1.0
    undefined: str = ""
    undefined_when: str = ""
    states: tuple[str, ...] = ()
    remark: str = ""
    source: str

    @property
    def spelling(self) -> str:
        """How it may be written: `nDCG[(gain=…)][@k]`."""
        inside = ",".join(f"{name}=…" for name in self.options)
        options = f"[({inside})]" if inside else ""
        letter = "t" if self.family == THRESHOLD else "k"
        cutoff = {"required": f"@{letter}", "optional": f"[@{letter}]", "none": ""}[self.cutoff]
        return f"{self.name}{options}{cutoff}"

    @property
    def example(self) -> str:
        """A measure of it as a user would write it: `nDCG@20`."""
        if self.cutoff == "required" or self.name == "nDCG":
            return f"{self.name}@{4 if self.family == THRESHOLD else 20}"
        return self.name


@dataclass(frozen=True, slots=True)
class Option:
    """An option that metrics take in parentheses.

    Attributes:
        doc: What it says and what it is without.
        example: A value of it.
        wanted: What values are allowed, in words.
        read: Text → value, or None if it is not allowed.
    """

    doc: str
    example: str
    wanted: str
    read: Callable[[str], str | int | float | None]


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def _count(text: str) -> int | None:
    number = _integer(text)
    return number if number is not None and number >= 1 else None


def _share(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0 < share < 1 else None


OPTIONS: Mapping[str, Option] = {
    "gain": Option(
        f"named gain of a grade: {', '.join(GAINS)} (default: the scale's)",
        "exp",
        f"one of {', '.join(GAINS)}",
        lambda text: text if text in GAINS else None,
    ),
    "rel": Option(
        "grade from which a Pin is relevant (default: the scale's)", "3", "a grade", _integer
    ),
    "p": Option(
        f"persistence: chance of going on to the next rank (default: {PERSISTENCE})",
        "0.8",
        "a number between 0 and 1",
        _share,
    ),
    "bins": Option(f"equal bins of [0, 1] (default: {BINS})", "15", "a count from 1", _count),
    "grade": Option("human grade", "4", "a grade", _integer),
    "predicted": Option("most probable grade", "5", "a grade", _integer),
}
"""Every option by name."""


def read_option(metric: Metric, text: str) -> tuple[str, str | int | float]:
    """Name and value of an option such as `rel=3`.

    Raises:
        InputError: The metric does not take it, or not that value.
    """
    key, _, value = text.partition("=")
    if key not in metric.options:
        allowed = ", ".join(metric.options) or "none"
        raise InputError(f"option {text!r} of metric {metric.name} is unknown. It takes: {allowed}")
    option = OPTIONS[key]
    found = option.read(value)
    if found is None:
        raise InputError(
            f"option {text!r} of metric {metric.name} must be {option.wanted}, "
            f"such as {key}={option.example}"
        )
    return key, found
