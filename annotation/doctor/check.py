"""One answer of the doctor."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"
STATES = (OK, WARN, FAIL)


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer.

    Attributes:
        name: What was looked at.
        state: `ok`, `warn` (think about it) or `fail` (mend it before you go on).
        found: What was found.
        way_out: What to do, if anything.
    """

    name: str
    state: str
    found: str
    way_out: str = ""
