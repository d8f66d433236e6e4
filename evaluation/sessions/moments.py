"""From a session log to moments per variant × group × day, as one Ibis expression.

DuckDB runs it here, on Parquet without reading it into memory.

The rules of the session table:

- A session's time is `started_at`, else `exposed_at`.
- A session is exposed if it has a variant and an `exposed_at` (in a log with one time column or
  none: if it has a variant) that is not before `start` and is before `end`, where those are given.
- Analysed are a user's sessions from the first exposed one on, before `end`; the first exposed
  session decides the user's groups (country) and day; of several at one moment the smallest group.
- Pre-period are the sessions that carry no exposure and start before `start`, else before the
  user's first exposure.
- A user of whom two variants are seen among the analysed sessions is contaminated.
- A session without a value counts neither in the sum nor as a session of that outcome; its user
  stays a user.
- A repeated session (same unit, same session) counts once.
- A blank variant, group or unit is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from evaluation.moments import PRODUCTS, VARIABLES
from evaluation.sessions.coded import coded, decoded, settled_totals
from evaluation.sessions.log import Roles, SessionLog, SessionMoments, find_roles
from evaluation.sessions.normal import (
    Opened,
    count_duplicates,
    normal,
    one_experiment,
    whole_measures,
    without_duplicates,
)
from evaluation.sessions.per_user import normal_users, refuse_twice, users_once
from evaluation.sessions.reading import opened
from evaluation.sessions.survey import Codes, survey
from evaluation.sessions.totals import Plan, cell_moments, user_totals
from relevance.progress import Progress, silent

DUPLICATES_UP_TO = 20_000_000
"""Rows up to which a log is searched for repeated sessions; above, the search is skipped."""

SHORT_WAY_FROM = 200_000
"""Rows from which it is worth asking whether one pass is enough; see `survey`."""


def cell_schema(outcomes: int, groups: int) -> dict[str, Any]:
    """Names and types of the columns of `SessionMoments.cells`, in order."""
    schema: dict[str, Any] = {"variant": pl.String}
    schema |= {f"group_{i}": pl.String for i in range(groups)}
    schema |= {"day": pl.Date, "contaminated": pl.Boolean}
    counts = ("users", "sessions", "with_pre_period", "several_groups")
    schema |= dict.fromkeys((*counts, "no_variant", "outside", "rows"), pl.Int64)
    products = [f"{a}_{b}" for a, b in PRODUCTS]
    for i in range(outcomes):
        schema |= {f"o{i}_{name}": pl.Float64 for name in (*VARIABLES, *products)}
        schema |= {f"o{i}_missing": pl.Int64, f"o{i}_low": pl.Float64, f"o{i}_high": pl.Float64}
    return schema


def session_moments(
    sessions: pl.DataFrame | str | Path,
    log: SessionLog,
    *,
    memory: int | None = None,
    progress: Progress = silent,
) -> SessionMoments:
    """Moments per variant × groups × day of a session log.

    Args:
        sessions: A frame, a CSV, JSON Lines or Parquet file, or a folder of Parquet files.
        log: Which columns mean what, and the window.
        memory: Bytes that may be taken before spilling to a temporary folder on disk; None for
            60 % of what is free.
        progress: Told the percentage of each query.

    Raises:
        MissingInputError: The file is not there.
        TableError: A column is missing or holds values of the wrong kind.
        InputError: The log holds several experiments and none was chosen; or a user stands twice,
            with different values, in a table of users.
    """
    with opened(sessions, log, memory=memory, progress=progress) as source:
        return moments_of(source, log)


def moments_of(source: Opened, log: SessionLog) -> SessionMoments:
    """Moments of a log that is open; see `session_moments`."""
    found = _users_of(source, log)
    frame = found.decoded(source.ask(cell_moments(found.users, found.plan), "adding up users"))
    cells = _typed(frame, found.plan, found.roles)
    left_out = found.rows - (found.duplicates or 0) - int(cells["rows"].sum())
    return SessionMoments(
        cells,
        found.plan.outcomes,
        found.roles.by,
        log.looks,
        found.rows,
        left_out,
        found.duplicates,
        source.source,
    )


def user_frame(
    sessions: pl.DataFrame | str | Path,
    log: SessionLog,
    *,
    memory: int | None = None,
    progress: Progress = silent,
) -> pl.DataFrame:
    """One row a user of a session log, in order of `unit`.

    Args:
        sessions: As in `session_moments`.
        log: Which columns mean what; `looks` is not heeded.
        memory: As in `session_moments`.
        progress: As in `session_moments`.

    Returns:
        `unit`, `variant` (null = never exposed), `group_0` …, `day` of the first exposure,
        `contaminated`, `sessions`, and `o{i}_x`, `_y`, `_x0`, `_y0` of each outcome.

    Raises:
        MissingInputError: As `session_moments`, and so the others.
    """
    whole = SessionLog(**{n: getattr(log, n) for n in log.__slots__ if n != "looks"})
    with opened(sessions, whole, memory=memory, progress=progress) as source:
        found = _users_of(source, whole)
        sums = [f"o{i}_{name}" for i in range(len(log.outcomes)) for name in VARIABLES]
        names = ("unit", *found.plan.cell_names, "sessions", *sums)
        frame = found.decoded(source.ask(found.users.select(*names), "adding up sessions"))
    days = pl.col("day") if found.roles.has_days else pl.lit(None, pl.Date).alias("day")
    return frame.with_columns(days, pl.col("sessions").cast(pl.Int64)).sort("unit")


@dataclass(frozen=True, slots=True)
class _Found:
    """The way to the users of a log: the expression, and what was seen on the way."""

    users: Any
    plan: Plan
    roles: Roles
    rows: int
    duplicates: int | None
    codes: Codes | None = None

    def decoded(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A result with texts where the expression had codes."""
        return frame if self.codes is None else decoded(frame, self.plan, self.codes)


def _users_of(source: Opened, log: SessionLog) -> _Found:
    """The expression of one row a user."""
    roles = find_roles(source.table.columns, log, source.place)
    plan = Plan(log.outcomes, len(roles.by), log.start, log.end, log.looks)
    table = one_experiment(source, log)
    rows = source.number(table.count(), "counting rows")
    if log.per_user:
        return _users_of_users(table, source, log, roles, plan, rows)
    duplicates = None
    wanted = rows <= DUPLICATES_UP_TO if log.duplicates is None else log.duplicates
    if roles.session is not None and wanted:
        duplicates = count_duplicates(table, roles, source)
    once = without_duplicates(table, roles, plan) if duplicates else table
    if source.here and rows >= SHORT_WAY_FROM:
        raw = normal(once, roles, log, plan, source, clean=False)
        codes = survey(raw, plan, source, whole_measures(table, plan, roles))
        if codes is not None:
            users = settled_totals(coded(raw, plan, codes), plan, codes)
            return _Found(users, plan, roles, rows, duplicates, codes)
    users = user_totals(normal(once, roles, log, plan, source), plan)
    return _Found(users, plan, roles, rows, duplicates)


def _users_of_users(  # noqa: PLR0917 - what `_users_of` knows
    table: Any, source: Opened, log: SessionLog, roles: Roles, plan: Plan, rows: int
) -> _Found:
    lines = normal_users(table, roles, log, plan, source)
    users = users_once(lines, plan)
    refuse_twice(users, source)
    what = "looking for repeated rows"
    repeated = source.number(lines.count(), what) - source.number(lines.distinct().count(), what)
    return _Found(users, plan, roles, rows, repeated)


def _typed(found: pl.DataFrame, plan: Plan, roles: Roles) -> pl.DataFrame:
    """Cells with the columns, types and order that others rely on."""
    if not roles.has_days:
        found = found.with_columns(day=pl.lit(None, pl.Date))
    schema = cell_schema(len(plan.outcomes), plan.groups)
    return found.select(pl.col(name).cast(kind) for name, kind in schema.items()).sort(
        plan.cell_names
    )
