"""Calibration round: may a new annotator start, see more examples, or better be trained again?

Everybody new grades a small set whose grades are known: clear cases of every grade, and cases at
each border between two grades, where noise lives. The report compares accuracy, share within one
level and severity with stated bars: *pass* when all three are surely good enough, *retrain* when
one surely is not, *more* (and how many) in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from annotation.graders.cards import Figure
from annotation.graders.coded import code
from annotation.graders.consensus import known_levels
from annotation.graders.shares import gold_answers, share
from evaluation.intervals.proportion import wilson
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale

PASS, MORE, RETRAIN = "pass", "more", "retrain"
_MOST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What a new annotator must surely reach on the calibration set.

    Attributes:
        accuracy: Share of right grades, at least. Half the set are border cases: good annotators
            have about .75 there.
        within1: Share at most one level off, at least.
        severity: Mean of grade - known grade, at most, either way.
        level: Confidence level of the two-sided intervals that decide.
        least: With fewer pairs nothing is decided.
    """

    accuracy: float = 0.55
    within1: float = 0.85
    severity: float = 0.5
    level: float = 0.9
    least: int = 20


BARS = Bars()
"""The bars unless others are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """How somebody did.

    Attributes:
        annotator: Pseudonym.
        n: Pairs of the set that they graded.
        accuracy: Share of right grades, with Wilson's interval.
        within1: Share at most one level off.
        severity: Mean of grade - known grade, with Student's interval; None on unordered scales.
        decision: pass, more or retrain.
        reasons: What keeps them from passing: accuracy, within one, severity; pairs, if too few.
        n_more: Further pairs until the figures as they are would decide; 0 = decided, None = they
            are so near a bar that no thousand would.
    """

    annotator: str
    n: int
    accuracy: Figure
    within1: Figure
    severity: Figure | None
    decision: str
    reasons: tuple[str, ...]
    n_more: int | None


def calibrated(
    judgments: pl.DataFrame,
    gold: pl.DataFrame,
    *,
    scale: GradeScale = FIVE,
    bars: Bars = BARS,
) -> list[Calibrated]:
    """How everybody who graded pairs of the calibration set did; those to train first.

    Args:
        judgments: Judgments of the round. Those that the set's grades were made from do not belong
            here: their annotators would be measured against themselves.
        gold: query_id, pin_id, grade: the set.
        scale: Scale of the grades.
        bars: What has to be reached.

    Raises:
        InputError: Nobody graded a pair of the set.
    """
    panel = code(judgments, scale)
    answers = gold_answers(panel, known_levels(panel, gold))
    if not answers.exact.n.any():
        raise InputError(
            "no judgment is of a pair of the calibration set. Push it first: "
            "gradewise annotation queue --for calibration, then annotation push --samples FILE"
        )
    severity = answers.severity(panel.levels, bars.level)
    exact, near = answers.exact, answers.within1
    found = [
        _decide(
            name,
            (int(exact.hits[who]), int(near.hits[who]), int(exact.n[who])),
            severity[who] if scale.ordered else None,
            bars,
        )
        for who, name in enumerate(panel.people)
        if exact.n[who]
    ]
    order = (RETRAIN, MORE, PASS)
    return sorted(found, key=lambda one: (order.index(one.decision), one.annotator))


def _decide(
    name: str, counts: tuple[int, int, int], severity: Figure | None, bars: Bars
) -> Calibrated:
    exact, near, n = counts
    decision, reasons = _judged(exact / n, near / n, severity, n, bars)
    n_more: int | None = 0
    if decision == MORE:
        n_more = _missing(exact / n, near / n, severity, n, bars)
    return Calibrated(
        annotator=name,
        n=n,
        accuracy=share(exact, n, bars.level),
        within1=share(near, n, bars.level),
        severity=severity,
        decision=decision,
        reasons=reasons,
        n_more=n_more,
    )


def _judged(
    accuracy: float, within1: float, severity: Figure | None, n: int, bars: Bars
) -> tuple[str, tuple[str, ...]]:
    """The decision, and which figures keep from passing."""
    bad, unsure = [], []
    for what, value, bar in (
        ("accuracy", accuracy, bars.accuracy),
        ("within one", within1, bars.within1),
    ):
        low, high = wilson(value, n, bars.level)
        if high < bar:
            bad.append(what)
        elif low < bar:
            unsure.append(what)
    if severity is not None and severity.value is not None:
        if severity.low is None or severity.high is None:
            unsure.append("severity")
        elif severity.low > bars.severity or severity.high < -bars.severity:
            bad.append("severity")
        elif severity.high > bars.severity or severity.low < -bars.severity:
            unsure.append("severity")
    if n < bars.least:
        return MORE, ("pairs", *bad, *unsure)
    return RETRAIN if bad else MORE if unsure else PASS, tuple(bad or unsure)


def _missing(
    accuracy: float, within1: float, severity: Figure | None, n: int, bars: Bars
) -> int | None:
    """Further pairs with which the same shares would decide."""
    for total in range(n + 1, n + _MOST):
        now = _scaled(severity, n, total)
        if _judged(accuracy, within1, now, total, bars)[0] != MORE:
            return total - n
    return None


def _scaled(severity: Figure | None, n: int, total: int) -> Figure | None:
    if severity is None or severity.value is None or severity.low is None or severity.high is None:
        return None
    half = (severity.high - severity.low) / 2 * float(np.sqrt(n / total))
    return Figure(severity.value, severity.value - half, severity.value + half, total)
