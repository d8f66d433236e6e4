"""What an experiment measures of its users: outcomes and guardrails, and how they are spelled.

| spelling | value of a variant |
|---|---|
| `fulfilled`, `rate(fulfilled)` | Σ column ÷ sessions with a value: a rate, or a mean a session |
| `mean(clicks)` | mean over users of the user's Σ column |
| `any(purchase)` | share of users with a session in which the column is above 0 |
| `ratio(clicks, impressions)` | Σ one column ÷ Σ another, over sessions that have both |
| `user(age)` | mean over users of a column that is the user's own (the largest seen) |

`sessions` stands for the number of sessions, unless the log has a column of that name:
`mean(sessions)` is sessions per user. Every outcome is a ratio Σx/Σy over users, where y is 1 for
each user in `mean`, `any` and `user`; so one estimator serves all. A guardrail is an outcome and
the loss that is accepted: `mean(sessions) >= -1%`, `rate(abandoned) <= 0.02`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from relevance.errors import SettingsError, did_you_mean

KINDS = {"rate": 1, "mean": 1, "any": 1, "ratio": 2, "user": 1}
"""Kind of outcome → number of columns it takes."""

SESSIONS = "sessions"
"""Name of the number of sessions, where the log has no such column."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Something measured of every user.

    Attributes:
        name: As the user wrote it, blanks removed; what the rows call it.
        kind: One of `KINDS`.
        columns: Columns of the log, as they are called there (blanks inside a name are kept):
            numerator, then denominator for `ratio`.
    """

    name: str
    kind: str
    columns: tuple[str, ...]

    @property
    def per_user(self) -> bool:
        """Whether the denominator is users (y = 1 each), not sessions or a column."""
        return self.kind in ("mean", "any", "user")


@dataclass(frozen=True, slots=True)
class Guardrail:
    """An outcome that must not get worse by more than a margin.

    Attributes:
        outcome: What is measured.
        margin: Change that is still accepted: negative where lower is worse (`>= -1%`), positive
            where higher is worse (`<= 2%`); 0 accepts no loss at all.
        relative: Whether the margin is a share of the control's value; else in its units.
        lower_is_worse: True for `>=`, False for `<=`.
    """

    outcome: Outcome
    margin: float
    relative: bool
    lower_is_worse: bool

    @property
    def text(self) -> str:
        """As it is spelled: `mean(sessions) >= -1%`."""
        margin = f"{100 * self.margin:.12g}%" if self.relative else f"{self.margin:.12g}"
        return f"{self.outcome.name} {'>=' if self.lower_is_worse else '<='} {margin}"


def parse_outcome(text: str) -> Outcome:
    """The outcome that is spelled so.

    Raises:
        SettingsError: Another spelling than those of the table above.
    """
    name = "".join(text.split())
    called = re.fullmatch(r"\s*(\w+)\s*\((.+)\)\s*", text, re.DOTALL)
    inside = called[2] if called else text
    if not name or set(inside) & set("()<>=") or (not called and "," in text):
        raise SettingsError(f"{text!r} is not an outcome. Write {_spellings()}")
    if not called:
        return Outcome(name, "rate", (text.strip(),))
    kind, columns = called[1], tuple(column.strip() for column in inside.split(","))
    if kind not in KINDS:
        raise SettingsError(
            f"outcome {text!r}: {kind!r} is unknown.{did_you_mean(kind, KINDS)} "
            f"Write {_spellings()}"
        )
    if len(columns) != KINDS[kind] or not all(columns):
        raise SettingsError(
            f"outcome {text!r}: {kind} takes {KINDS[kind]} column(s), got {len(columns)}"
        )
    return Outcome(name, kind, columns)


def parse_guardrail(text: str) -> Guardrail:
    """The guardrail that is spelled so: `mean(sessions) >= -1%`, `rate(abandoned) <= 0.02`.

    Raises:
        SettingsError: There is no margin, or it has the wrong sign.
    """
    found = re.fullmatch(r"(.+?)(>=|<=)\s*([+−-]?\s*[\d.]+(?:[eE][+-]?\d+)?)\s*(%?)\s*", text)
    if not found:
        raise SettingsError(
            f"guardrail {text!r} has no margin. Write 'mean(sessions) >= -1%' (relative to the "
            "control) or 'rate(abandoned) <= 0.02' (absolute)"
        )
    outcome, sign, number, percent = found.groups()
    margin = _number(number) / (100 if percent else 1) + 0.0  # no −0
    if not math.isfinite(margin):
        raise SettingsError(f"guardrail {text!r}: {number!r} is not a number")
    lower_is_worse = sign == ">="
    if margin * (1 if lower_is_worse else -1) > 0:
        way_out = "at most 0 after >=, at least 0 after <="
        raise SettingsError(f"guardrail {text!r}: a margin is a loss that is accepted: {way_out}")
    return Guardrail(parse_outcome(outcome), margin, bool(percent), lower_is_worse)


def _number(text: str) -> float:
    """The number that is written so; NaN if none is."""
    try:
        return float("".join(text.replace("−", "-").split()))
    except ValueError:
        return math.nan


def _spellings() -> str:
    return "fulfilled, mean(sessions), any(purchase), ratio(clicks, impressions) or user(age)"
