"""What a session log's columns mean, and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from evaluation.outcomes import SESSIONS, Outcome
from relevance.errors import TableError, did_you_mean

USUAL_GROUP = "country"
"""What a log is split by if nothing is asked for, and the log has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLog:
    """Which columns of a log mean what; None stands for the usual name, if the log has it.

    Attributes:
        unit: Column of what was randomised: the user.
        variant: Column of the variant.
        outcomes: What is measured of every user, the primary first.
        by: Columns to split by, the first of them to stratify by; empty for `country`.
        session: Column of the session's identity (`session_id`).
        started_at: Column of the session's start (`started_at`).
        exposed_at: Column of the first exposure in the session (`exposed_at`).
        experiment: Name of the experiment, where column `experiment` holds several.
        start: Start of the experiment, UTC; None for each user's first exposure.
        end: End of the experiment, UTC, exclusive; None for the end of the log.
        per_user: Each row of the table is a user with sums; a column `c` has its pre-period value
            in `c` + `before_suffix`, null for a user without one.
        before_suffix: Ending of the columns of the pre-period in a table of users.
        duplicates: Look for repeated sessions, a pass of its own; None for up to 20,000,000 rows.
        looks: Book every session's share of the moments on its own day, so that cells up to a
            day are the moments as they were that evening.
    """

    unit: str = "unit_id"
    variant: str = "variant"
    outcomes: tuple[Outcome, ...] = (Outcome("fulfilled", "rate", ("fulfilled",)),)
    by: tuple[str, ...] = ()
    session: str | None = None
    started_at: str | None = None
    exposed_at: str | None = None
    experiment: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    per_user: bool = False
    before_suffix: str = "_before"
    duplicates: bool | None = None
    looks: bool = False


@dataclass(frozen=True, slots=True)
class SessionMoments:
    """Moments of every cell; additive over cells.

    Attributes:
        cells: One row a variant × group_0 × group_1 … × day × contaminated; the columns are those
            of `cell_schema`. Users who were never exposed are the rows without a variant.
        outcomes: What was measured; outcome i has the columns `o{i}_…`.
        by: Names of the columns that `group_0`, `group_1`, … come from.
        looks: Whether every share is booked on its own day, see `SessionLog`.
        rows: Rows read, sessions or users.
        no_unit: Rows without a user, left out.
        duplicates: Repeated rows, left out; None if they were not looked for.
        source: Where the log came from, for messages.
    """

    cells: pl.DataFrame
    outcomes: tuple[Outcome, ...]
    by: tuple[str, ...]
    looks: bool
    rows: int
    no_unit: int
    duplicates: int | None
    source: str = "table"


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns of one log, found; None where the log has none.

    Attributes:
        unit: Column of the user.
        variant: Column of the variant.
        by: Columns to split by.
        session: Column of the session's identity.
        started_at: Column of the session's start.
        exposed_at: Column of the exposure.
        constants: Outcome columns that the log lacks and that are 1 for each session.
    """

    unit: str
    variant: str
    by: tuple[str, ...]
    session: str | None
    started_at: str | None
    exposed_at: str | None
    constants: frozenset[str]

    @property
    def has_days(self) -> bool:
        """Whether the log tells when."""
        return self.started_at is not None or self.exposed_at is not None


def find_roles(columns: Sequence[str], log: SessionLog, place: str | Path | None) -> Roles:
    """The columns of a log that has `columns`.

    Raises:
        TableError: A column that was asked for is not there; names the nearest.
    """

    def asked(name: str, flag: str) -> str:
        if name not in columns:
            near = did_you_mean(name, columns)
            way_out = f"There are {', '.join(columns)}.{near} Name it with {flag} COLUMN"
            raise TableError(f"column {name!r} is missing", path=place, way_out=way_out)
        return name

    def usual(name: str | None, otherwise: str, flag: str) -> str | None:
        if name is None:
            return otherwise if otherwise in columns else None
        return asked(name, flag)

    free = () if log.per_user else (SESSIONS,)
    for i, outcome in enumerate(log.outcomes):
        for name in outcome.columns:
            if name not in free:
                asked(name, "--metric" if i else "--outcome")
    group = usual(None, USUAL_GROUP, "--by")
    return Roles(
        unit=asked(log.unit, "--unit"),
        variant=asked(log.variant, "--variant"),
        by=tuple(asked(name, "--by") for name in log.by) or ((group,) if group else ()),
        session=usual(log.session, "session_id", "--session"),
        started_at=usual(log.started_at, "started_at", "--started-at"),
        exposed_at=usual(log.exposed_at, "exposed_at", "--exposed-at"),
        constants=frozenset(name for name in free if name not in columns),
    )
