"""What must be known of a log before the short way is taken: a few quick scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

import ibis
import polars as pl

from evaluation.sessions.normal import Opened
from evaluation.sessions.totals import Plan, literal

MOST_CODES = 500
"""Values of a column up to which its texts are written as codes."""

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Codes:
    """What a survey of a log found.

    Attributes:
        variants: Variants in order; the code is the place.
        groups: Values of each column to split by, in order; the code of none is their number.
        gaps: Columns in which some session has a blank, or nothing: the place of the group, -1
            for blank variants.
        origin: Midnight before the first exposure.
        complete: Measures that have a value in every session.
        binary: Measures that are never anything but 0 and 1.
    """

    variants: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    gaps: frozenset[int]
    origin: datetime
    complete: frozenset[int]
    binary: frozenset[int]

    @property
    def width(self) -> int:
        """What a variant counts for in `low` and `high`, see `evaluation.sessions.coded`."""
        return len(self.groups[0]) + 2 if self.groups else 1


def survey(sessions: Any, plan: Plan, opened: Opened, whole: frozenset[int]) -> Codes | None:
    """The codes of a normalised table, or None if the short way does not lead there.

    Args:
        sessions: Normalised table, its texts as they are in the log.
        plan: What is measured.
        opened: What runs the survey.
        whole: Measures of whole numbers.
    """
    if plan.looks:
        return None
    facts = opened.ask(
        sessions.aggregate(
            n=sessions.unit.count(),
            exposures=sessions.exposed.count(),
            first=sessions.exposed.min(),
            last=sessions.exposed.max(),
            **_facts(sessions, plan),
        ),
        "looking at times and outcomes",
    ).row(0, named=True)
    first, last = facts["first"], facts["last"]
    if first is None or not _inside(first, last, plan):
        return None
    columns = _texts(sessions, ("variant", *plan.group_names), opened)
    blank = [text for text in columns[0] if text is not None and not _named(text)]
    bound = first if plan.start is None else plan.start
    if _unsettled(sessions, literal(bound), blank, opened):
        return None
    return _codes(facts, columns, plan, whole)


def _codes(
    facts: dict[str, Any], columns: list[set[str | None]], plan: Plan, whole: frozenset[int]
) -> Codes | None:
    """The codes; None if there are too many."""
    columns[0].discard(None)  # a session without any variant is no exposure, and needs no care
    variants, *groups = (tuple(sorted(text for text in of if _named(text))) for of in columns)
    most = max(map(len, (variants, *groups))) + 1
    origin = datetime.combine(facts["first"].date(), datetime.min.time())
    if most > MOST_CODES or (facts["last"] - origin) / MICROSECOND * most > 2**52:
        return None
    known = [i for i in whole if facts[f"n{i}"]]
    return Codes(
        variants,
        tuple(groups),
        frozenset(i - 1 for i, texts in enumerate(columns) if not all(map(_named, texts))),
        origin,
        complete=frozenset(i for i in range(len(plan.measures)) if facts[f"n{i}"] == facts["n"]),
        binary=frozenset(i for i in known if facts[f"low{i}"] >= 0 and facts[f"high{i}"] <= 1),
    )


def _inside(first: datetime, last: datetime, plan: Plan) -> bool:
    """Whether all exposures are in the window."""
    start, end = (None if time is None else _naive(time) for time in (plan.start, plan.end))
    return (start is None or first >= start) and (end is None or last < end)


def _unsettled(s: Any, bound: Any, blank: list[str], opened: Opened) -> bool:
    """Whether a session without an exposure is not before all, or an exposure has no variant."""
    other = s.filter(s.exposed.isnull())
    unnamed = s.variant.isnull() | s.variant.isin(blank) if blank else s.variant.isnull()
    # Each a scan of its own: statistics of the columns rule most of the file out.
    odd = (
        other.filter(other.time >= bound),
        other.filter(other.time.isnull()),
        s.filter(s.exposed.notnull(), unnamed),
    )
    counts = ibis.union(*(rows.aggregate(n=rows.count()) for rows in odd))
    return bool(opened.ask(counts, "comparing times")["n"].sum())


def _texts(s: Any, names: Sequence[str], opened: Opened) -> list[set[str | None]]:
    """The values of some columns, and None."""
    lists = [
        s.select(text=s[name]).distinct().limit(MOST_CODES + 1).mutate(of=ibis.literal(i))
        for i, name in enumerate(names)
    ]
    found = opened.ask(ibis.union(*lists) if len(lists) > 1 else lists[0], "listing groups")
    return [set(found.filter(pl.col("of") == i)["text"]) for i in range(len(names))]


def _named(value: str | None) -> TypeGuard[str]:
    """Whether a text is not blank."""
    return value is not None and value.strip() != ""


def _facts(s: Any, plan: Plan) -> dict[str, Any]:
    """What tells whether a measure is complete, and binary."""
    facts: dict[str, Any] = {}
    for i in range(len(plan.measures)):
        column = s[f"m{i}"]
        facts |= {f"n{i}": column.count(), f"low{i}": column.min(), f"high{i}": column.max()}
    return facts


def _naive(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
