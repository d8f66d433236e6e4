"""What to know before a comparison is believed: thin data, rounding, no relative interval.

Welch's test takes means to be nearly normal. Measured in A/A tests (nominal 5 %): where the
sessions of an arm weigh like 15 equal users, 12 % claim an effect, like 40 users 7 to 8 %, from
100 on 5 to 7 %; with a rare event that four users of the smaller arm had, 9 % at a split of 1:9 and
5 % at an even one. CUPED takes most of that away. Such figures are shown with a word, not hidden.
"""

from __future__ import annotations

import math

from evaluation.moments import Contrast, Moments
from evaluation.outcomes import Outcome

ROUNDING = 0.01
"""Share of a variance that may be rounding before it is told."""

FEW_EQUAL = 100
"""Equal users in an arm below which a sum of heavy and light users is called rough."""

FEW_EVENTS = 20
"""Users in an arm who have, or have not, what a share is of, below which it is called rough."""

Values = tuple[float | None, float | None]
"""Smallest and largest value of an outcome's column; None where there is none."""


def is_share(outcome: Outcome, values: Values) -> bool:
    """Whether an outcome is a share of users or sessions, as far as its values tell."""
    low, high = values
    if outcome.kind == "rate":
        return low is None or high is None or 0 <= low <= high <= 1
    return outcome.kind == "any"


def cautions(
    contrast: Contrast,
    arms: tuple[Moments, Moments],
    outcome: Outcome,
    values: Values,
    *,
    bounded: bool = True,
) -> list[str]:
    """What to say beside a comparison; empty if nothing.

    Args:
        contrast: The comparison.
        arms: Moments of treatment and control that it is made from.
        outcome: What is compared.
        values: Range of its column.
        bounded: Whether its relative interval is.
    """
    said = []
    if not bounded:
        said.append("the control is not clearly above 0: no relative interval")
    if contrast.rounding > ROUNDING:
        share = 100 * contrast.rounding
        said.append(f"varies little beside its size: rounding may be {share:.0f} % of the variance")
    return [*said, *_thin(arms, outcome, values)]


def _thin(arms: tuple[Moments, Moments], outcome: Outcome, values: Values) -> list[str]:
    low, _ = values
    variable = {"rate": "y", "ratio": "y", "mean": "x", "user": "x"}.get(outcome.kind)
    if variable == "y" or (variable == "x" and low is not None and low >= 0):
        equal = min(_number(arm.effective(variable)) for arm in arms)
        if equal < FEW_EQUAL:
            return [f"an arm weighs like {equal:.0f} equal users: p and intervals are rough"]
    if is_share(outcome, values):
        events = min(
            min(_number(arm.effective("x")), _number(arm.effective_failures)) for arm in arms
        )
        if events < FEW_EVENTS:
            return [f"rests on {events:.0f} users in an arm: p and intervals are rough"]
    return []


def _number(effective: float) -> float:
    """Nobody where the sum is 0."""
    return 0.0 if math.isnan(effective) else effective
