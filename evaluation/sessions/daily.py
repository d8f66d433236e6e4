"""One row a user and day of a log of ordinary days, for planning: every session counts as exposed.

The rules are those of `evaluation.sessions.moments`, with a user's day in the place of a user: the
group is that of the day's first session, of several at one moment the smallest; a repeated session
counts once; variants, exposures and the window of an experiment are not heeded.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import polars as pl

from evaluation.outcomes import Outcome
from evaluation.sessions.log import Roles, SessionLog, find_roles
from evaluation.sessions.moments import DUPLICATES_UP_TO
from evaluation.sessions.normal import (
    Opened,
    count_duplicates,
    normal,
    one_experiment,
    without_duplicates,
)
from evaluation.sessions.reading import opened
from evaluation.sessions.totals import Plan, user_totals
from relevance.errors import SettingsError, TableError
from relevance.progress import Progress, silent

SAMPLED_FROM = 20_000_000
"""Sessions above which a random share of the users, about as many sessions, stands for all."""

_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class UserDays:
    """The days of all users.

    Attributes:
        days: One row a user and day with sessions: `unit`, `day`, `group_0` …, `sessions`, and
            `o{i}_x`, `o{i}_y` of each outcome on that day alone; ordered by unit and day.
        outcomes: What was measured.
        by: Names of the columns that `group_0`, … come from.
        source: Where the log came from, for messages.
        share: Share of the users who are here, picked by a hash; 1 unless the log is very large.
    """

    days: pl.DataFrame
    outcomes: tuple[Outcome, ...]
    by: tuple[str, ...]
    source: str
    share: float = 1.0


def user_days(
    sessions: pl.DataFrame | str | Path,
    log: SessionLog,
    *,
    memory: int | None = None,
    progress: Progress = silent,
) -> UserDays:
    """The days of all users of a log.

    Args:
        sessions: A frame, a CSV, JSON Lines or Parquet file, or a folder of Parquet files.
        log: Which columns mean what; variant, start, end and looks are not heeded.
        memory: Bytes that may be taken before spilling to disk; None for 60 % of what is free.
        progress: Told the percentage of each query.

    Raises:
        MissingInputError: The file is not there.
        TableError: A column is missing, of the wrong kind, or there is no time.
        SettingsError: The table holds users, not sessions.
    """
    if log.per_user:
        raise SettingsError(
            "a table of users does not tell what happened on which day; give a session log"
        )
    # The user stands in for the variant, which this log need not have and which is not used.
    log = dataclasses.replace(log, variant=log.unit, start=None, end=None, looks=False)
    with opened(sessions, log, memory=memory, progress=progress) as source:
        roles = find_roles(source.table.columns, log, source.place)
        if not roles.has_days:
            raise TableError(
                "there is no column of times, so the log cannot be cut into days",
                path=source.place,
                way_out=f"There are {', '.join(source.table.columns)}. "
                "Name it with --started-at COLUMN",
            )
        rows = source.number(one_experiment(source, log).count(), "counting sessions")
        parts = min(_PARTS, max(1, round(_PARTS * SAMPLED_FROM / max(rows, 1))))
        days = source.ask(_days(source, roles, log, parts, rows), "adding up days")
    share = parts / _PARTS
    return UserDays(days.sort("unit", "day"), log.outcomes, roles.by, source.source, share)


def log_columns(sessions: pl.DataFrame | str | Path, log: SessionLog) -> tuple[str, ...]:
    """Names of the columns of a log; raises `MissingInputError` and `TableError` as `user_days`."""
    if isinstance(sessions, pl.DataFrame):
        return tuple(sessions.columns)
    with opened(sessions, log) as source:
        return tuple(source.table.columns)


def _days(source: Opened, roles: Roles, log: SessionLog, parts: int, rows: int) -> Any:
    """The expression of `UserDays.days`: `user_totals`, a user's day taken for a user."""
    groups = len(roles.by)
    plan = Plan(log.outcomes, groups)
    table = one_experiment(source, log)
    wanted = rows <= DUPLICATES_UP_TO if log.duplicates is None else log.duplicates
    if roles.session is not None and wanted and count_duplicates(table, roles, source):
        table = without_duplicates(table, roles, plan)
    s = normal(table, roles, log, plan, source).filter(lambda t: t.time.notnull())
    if parts < _PARTS:
        s = s.filter((s.unit.hash() % _PARTS + _PARTS) % _PARTS < parts)
    names = (*plan.group_names, *(f"m{i}" for i in range(len(plan.measures))))
    s = s.select(
        unit=ibis.struct({"unit": s.unit, "day": s.time.date()}),
        variant=ibis.literal("all"),
        time=s.time,
        exposed=s.time,
        **{name: s[name] for name in names},
        **{f"group_{groups}": s.unit},
    )
    days = user_totals(s, Plan(log.outcomes, groups + 1))
    sums = [f"o{i}_{name}" for i in range(len(log.outcomes)) for name in ("x", "y")]
    return days.select(
        unit=days[f"group_{groups}"],
        day=days.day,
        **{name: days[name] for name in plan.group_names},
        sessions=days.sessions,
        **{name: days[name] for name in sums},
    )
