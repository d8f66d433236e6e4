"""Guardrails: has something that matters got worse by more than is accepted?

| word | the two-sided interval of the change is |
|---|---|
| holds | wholly within the margin: even its bad end is an accepted loss |
| broken | wholly beyond the margin |
| unclear | on both sides of it, or there is none |

A significant loss within the margin holds, and is told. With margin 0 only a significant gain
holds. The levels are not adjusted for the number of guardrails: all of them have to hold, so more
of them make it harder to ship, never easier.
"""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.moments import Contrast
from evaluation.outcomes import Guardrail

HOLDS, BROKEN, UNCLEAR = "holds", "broken", "unclear"


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a guardrail.

    Attributes:
        guardrail: What was asked.
        word: `holds`, `broken` or `unclear`.
        reason: A clause for a product manager; begins with the outcome's name.
    """

    guardrail: Guardrail
    word: str
    reason: str


def judge(
    contrast: Contrast | None,
    guardrail: Guardrail,
    alpha: float,
    *,
    constant: tuple[float, float] | None = None,
) -> Finding:
    """Whether a guardrail holds.

    Args:
        contrast: The comparison of its outcome; None if it could not be made.
        guardrail: The outcome and its margin.
        alpha: The interval has level 1 - alpha.
        constant: Values of treatment and control where there is no comparison because nothing
            varies; equal ones hold (no crash anywhere is no more crashes).
    """
    name = guardrail.outcome.name
    if contrast is None:
        if constant is not None and constant[0] == constant[1]:
            return Finding(guardrail, HOLDS, f"{name} is {constant[0]:.4g} for every user")
        return Finding(guardrail, UNCLEAR, f"{name} cannot be compared")
    if guardrail.relative:
        change, interval = contrast.rel_difference, contrast.rel_interval(1 - alpha)
        if change is None or interval is None or contrast.control.value < 0:
            why = "whose value in the control is not clearly above 0: set an absolute margin"
            return Finding(guardrail, UNCLEAR, f"{name} has no relative interval, {why}")
    else:
        change, interval = contrast.difference, contrast.interval(1 - alpha)
    found = _told(guardrail, change, interval, alpha)
    word, clause = _compared(guardrail, interval, found)
    return Finding(guardrail, word, f"{name} {clause}")


def _compared(guardrail: Guardrail, interval: tuple[float, float], found: str) -> tuple[str, str]:
    """The word, and what is to be said of the outcome."""
    # Turned so that a loss is negative, whichever direction is worse.
    sign = 1 if guardrail.lower_is_worse else -1
    low, high = sorted(sign * end for end in interval)
    margin = sign * guardrail.margin
    fell, fallen, fall = (
        ("fell", "fallen", "fall") if guardrail.lower_is_worse else ("rose", "risen", "rise")
    )
    accepted = _size(guardrail, abs(guardrail.margin))
    if high < margin:
        beyond = f", more than the accepted {accepted}" if margin else ", and no loss is accepted"
        return BROKEN, f"{fell} {found}{beyond}"
    if low < margin:
        beyond = f" by more than the accepted {accepted}" if margin else ", and no loss is accepted"
        return UNCLEAR, f"may have {fallen}{beyond} {found}"
    if high < 0:
        return HOLDS, f"{fell} significantly, but within the accepted {accepted} {found}"
    beyond = f" by more than the accepted {accepted}" if margin else ""
    return HOLDS, f"did not {fall}{beyond} {found}"


def _told(guardrail: Guardrail, change: float, interval: tuple[float, float], alpha: float) -> str:
    """`(−2.1 %, 95 % interval −3.0 % to −1.2 %)`."""
    low, high = (_signed(guardrail, end) for end in interval)
    return f"({_signed(guardrail, change)}, {100 * (1 - alpha):g} % interval {low} to {high})"


def _signed(guardrail: Guardrail, change: float) -> str:
    text = f"{100 * change:+.2f} %" if guardrail.relative else f"{change:+.4g}"
    return text.replace("-", "−")


def _size(guardrail: Guardrail, margin: float) -> str:
    return f"{100 * margin:.12g} %" if guardrail.relative else f"{margin:.12g}"
