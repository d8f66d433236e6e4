"""Yes, no or not enough data: the rules by which a judge may stand in for people.

1. An experiment that changes the judge itself: no. Whatever else is measured, the judge would mark
   its own work.
2. Fewer than `MIN_ANNOTATORS` annotators with enough pairs that others graded too: not enough
   data.
3. The alternative-annotator test is won over at least half of them: go on. Not won, but at least
   half are met by the figures: not enough data (the figures say yes, chance is not ruled out).
   Else: no.
4. The judge's grades agree with people's beyond chance (the interval of α lies above 0), and so
   does its order of a query's Pins (that of τ, where queries have an order); neither is clearly
   worse than people's among themselves (the interval of the difference not wholly below -`MARGIN`).
   A judge that gives everything the middle grade can win step 3 over careless annotators, not this.
5. Yes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.judge.alternative import (
    FALSE_DISCOVERIES,
    MIN_CLUSTERS,
    MIN_PAIRS,
    WINNING_RATE,
    Floats,
    Versus,
)
from evaluation.judge.figures import ALPHA, TAU, Figure

MIN_ANNOTATORS = 3
"""With two, the test only asks which of them the judge is like (the paper's advice)."""
MARGIN = 0.1
"""How much lower α or τ may be than people's before it is clearly worse."""
MIN_ORDERED = 10
"""Queries with an order that τ is asked of."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer.

    Attributes:
        value: 1 yes, 0 no, None not enough data.
        reason: `yes: …`, `no: …` or `not enough data: …`, in plain words.
    """

    value: float | None
    reason: str


def verdict_of(
    tests: Sequence[Versus],
    p_adjusted: Sequence[float] | Floats,
    figures: Mapping[str, Figure],
    *,
    epsilon: float,
    level: float,
    changes_judge: bool,
) -> Verdict:
    """May the judge stand in for people in this group?

    Args:
        tests: The judge against each annotator.
        p_adjusted: Adjusted p-value of each.
        figures: The group's figures, by metric.
        epsilon: How far the judge may fall behind an annotator.
        level: Confidence level of the intervals.
        changes_judge: Whether the experiment changes the judge itself.
    """
    if changes_judge:
        return _no("the experiment changes the judge itself; people must grade")
    tested = [versus for versus in tests if versus.tested]
    if len(tested) < MIN_ANNOTATORS:
        return _open(
            f"{len(tested)} annotators share {MIN_PAIRS} pairs of {MIN_CLUSTERS} queries with "
            f"others, {MIN_ANNOTATORS} are needed"
        )
    n = len(tested)
    won = int(np.sum(np.asarray(p_adjusted) <= FALSE_DISCOVERIES))
    met = sum(v.judge_advantage - v.own_advantage + epsilon > 0 for v in tested)
    if won < WINNING_RATE * n:
        if met < WINNING_RATE * n:
            return _no(f"falls behind {n - met} of {n} annotators")
        return _open(f"as good as {met} of {n} annotators by the figures, beyond doubt as {won}")
    told = f"stands in for {won} of {n} annotators{_beside(figures, ALPHA)}{_beside(figures, TAU)}"
    checks = [_checked(ALPHA, "agrees with people", figures, level)]
    order = figures.get(TAU)
    if order is not None and order.n >= MIN_ORDERED:
        checks.append(_checked(TAU, "orders a query's Pins", figures, level))
    else:
        told += "; too few queries with several Pins to compare their order"
    worst = [check for check in checks if check is not None]
    refused = [check for check in worst if check.value is not None]
    if worst:
        return (refused or worst)[0]
    return Verdict(1.0, f"yes: {told}")


def _checked(metric: str, does: str, figures: Mapping[str, Figure], level: float) -> Verdict | None:
    """What speaks against the judge in a figure, if anything does."""
    figure = figures.get(metric)
    ends = figure.value.interval(level) if figure is not None and figure.value is not None else None
    if figure is None or figure.value is None or ends is None:
        return _open(f"{metric} has no interval")
    shown = _beside(figures, metric).removeprefix(", ")
    apart = None if figure.difference is None else figure.difference.interval(level)
    if apart is not None and apart[1] < -MARGIN:
        return _no(f"{does} clearly less than people do ({shown})")
    if ends[0] > 0:
        return None
    return _open(f"whether it {does} beyond chance is not shown ({shown})")


def _beside(figures: Mapping[str, Figure], metric: str) -> str:
    """`, tau 0.61 (people 0.58)`; nothing where it is undefined."""
    figure = figures.get(metric)
    if figure is None or figure.value is None or np.isnan(figure.value.value):
        return ""
    people = "" if figure.baseline is None else f" (people {figure.baseline:.2f})"
    return f", {metric} {figure.value.value:.2f}{people}"


def _no(reason: str) -> Verdict:
    return Verdict(0.0, f"no: {reason}")


def _open(reason: str) -> Verdict:
    return Verdict(None, f"not enough data: {reason}")
