"""From a session log to moments per variant × group × day, as one Ibis expression.

DuckDB runs it here, on Parquet without reading it into memory; the expression itself uses nothing
that only DuckDB has. The only file that imports ibis and duckdb.

The rules of the session table:

- A session's time is `started_at`, else `exposed_at`.
- A session is exposed if it has a variant and an `exposed_at` (in a log with one time column or
  none: if it has a variant) that is not before `start`, where that is given.
- Analysed are a user's sessions from the first exposed one on; the first exposed session decides
  the user's group (country) and day.
- Pre-period are the sessions that carry no exposure and start before `start`, else before the
  user's first exposure.
- A user of whom two variants are seen among the analysed sessions is contaminated.
- A session without an outcome counts neither as fulfilled nor as a session; its user stays a user.
- A repeated session (same unit, same session) counts once.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import ibis
import polars as pl

from evaluation.moments import PRODUCTS, VARIABLES
from relevance.errors import InputError, MissingInputError, TableError, did_you_mean

DUPLICATES_UP_TO = 20_000_000
"""Rows up to which a log is searched for repeated sessions; above, the search is skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLog:
    """Which columns of a log mean what; None stands for the usual name, if the log has it.

    Attributes:
        unit: Column of what was randomised: the user.
        variant: Column of the variant.
        outcome: Column of the outcome: 1 or 0, true or false, or any number.
        by: Column to split and stratify by (`country`).
        session: Column of the session's identity (`session_id`).
        started_at: Column of the session's start (`started_at`).
        exposed_at: Column of the first exposure in the session (`exposed_at`).
        experiment: Name of the experiment, where column `experiment` holds several.
        start: Start of the experiment, UTC; None for each user's first exposure.
    """

    unit: str = "unit_id"
    variant: str = "variant"
    outcome: str = "fulfilled"
    by: str | None = None
    session: str | None = None
    started_at: str | None = None
    exposed_at: str | None = None
    experiment: str | None = None
    start: datetime | None = None


@dataclass(frozen=True, slots=True)
class SessionMoments:
    """Moments of every cell; additive over cells.

    Attributes:
        cells: One row a variant × group × day × contaminated, with the sums of `VARIABLES` and
            `PRODUCTS`, counts, and low and high, the smallest and the largest outcome. Users who
            were never exposed are the row without a variant.
        by: Column that `group` comes from; empty if there is none.
        rows: Sessions read.
        no_unit: Sessions without a user, left out.
        duplicates: Repeated sessions, left out; None if they were not looked for.
        source: Where the log came from, for messages.
    """

    cells: pl.DataFrame
    by: str
    rows: int
    no_unit: int
    duplicates: int | None
    source: str = "table"


def session_moments(sessions: pl.DataFrame | str | Path, log: SessionLog) -> SessionMoments:
    """Moments per variant × group × day of a session log.

    Args:
        sessions: A frame, a CSV, JSON Lines or Parquet file, or a folder of Parquet files.
        log: Which columns mean what, and the start.

    Raises:
        MissingInputError: The file is not there.
        TableError: A column is missing or holds values of the wrong kind.
        InputError: The log holds several experiments and none was chosen.
    """
    place = None if isinstance(sessions, pl.DataFrame) else Path(sessions)
    with warnings.catch_warnings(), _opened(sessions, log) as opened:
        roles = _roles(opened, log, place)
        table = _one_experiment(opened, log, place)
        rows = _number(table.count())
        duplicates = _count_duplicates(table, roles, rows)
        once = _without_duplicates(table, roles) if duplicates else table
        users = user_totals(_normal(once, roles, log.start, place), log.start)
        cells: pl.DataFrame = cell_moments(users).to_polars()
    if not roles.keys() & {"started_at", "exposed_at"}:
        cells = cells.with_columns(day=pl.lit(None, pl.Date))
    used = int(cells["rows"].sum())
    return SessionMoments(
        cells.sort("variant", "group", "day", "contaminated"),
        roles.get("by", ""),
        rows,
        rows - (duplicates or 0) - used,
        duplicates,
        str(place or "table"),
    )


def user_totals(sessions: Any, start: datetime | None = None) -> Any:
    """The expression from one row a session to one row a user.

    Args:
        sessions: Ibis table with unit, variant, group, time, exposed (a time or null), outcome.
        start: Start of the experiment, UTC.

    Returns:
        Ibis table with unit, variant, contaminated, group, several_groups, first, x, y, x0, y0 and
        counts of what was left out.
    """
    valid = sessions.variant.notnull() & sessions.exposed.notnull()
    if start is not None:
        valid = valid & (sessions.exposed >= _literal(start))
    exposure = ibis.ifelse(valid, sessions.exposed, ibis.null("timestamp"))
    # From a narrow selection of its own: a shared one would be kept in memory with all its columns.
    exposures = sessions.select("unit", exposure=exposure)
    first = exposures.group_by("unit").agg(first=exposures.exposure.min())
    s = sessions.mutate(exposure=exposure).join(first, "unit")
    s = s.mutate(analysed=_yes(s.exposure.notnull() | (s.time >= s.first)))
    begin = s.first if start is None else _literal(start)
    s = s.mutate(pre=_yes(s.exposed.isnull() & ~s.analysed & s.first.notnull() & (s.time < begin)))
    now, ago = s.analysed & s.outcome.notnull(), s.pre & s.outcome.notnull()
    no_variant = s.exposed.notnull() & s.variant.isnull()
    users = s.group_by("unit").agg(
        variant=s.variant.min(where=s.analysed),
        last_variant=s.variant.max(where=s.analysed),
        first=s.first.min(),
        group=s.group.min(where=s.exposure == s.first),
        low_group=s.group.min(where=s.analysed),
        high_group=s.group.max(where=s.analysed),
        x=s.outcome.sum(where=now).fill_null(0).cast("float64"),
        y=_count(now).cast("float64"),
        x0=s.outcome.sum(where=ago).fill_null(0).cast("float64"),
        y0=_count(ago).cast("float64"),
        low=s.outcome.min(where=now),
        high=s.outcome.max(where=now),
        missing_outcome=_count(s.analysed & s.outcome.isnull()),
        no_variant=_count(no_variant),
        outside=_count(~s.analysed & ~s.pre & s.first.notnull() & ~no_variant),
        rows=s.count(),
    )
    return users.mutate(
        contaminated=_yes(users.variant != users.last_variant),
        several_groups=_yes(users.low_group != users.high_group),
        day=users.first.date(),
    )


def cell_moments(users: Any) -> Any:
    """The expression from one row a user (see `user_totals`) to one row a cell."""
    return users.group_by("variant", "group", "day", "contaminated").agg(
        users=users.count(),
        **{name: users[name].sum() for name in VARIABLES},
        **{f"{a}_{b}": (users[a] * users[b]).sum() for a, b in PRODUCTS},
        with_pre_period=_count(users.y0 > 0),
        several_groups=_count(users.several_groups),
        missing_outcome=users.missing_outcome.sum().cast("int64"),
        no_variant=users.no_variant.sum().cast("int64"),
        outside=users.outside.sum().cast("int64"),
        rows=users.rows.sum().cast("int64"),
        low=users.low.min().cast("float64"),
        high=users.high.max().cast("float64"),
    )


@contextmanager
def _opened(sessions: pl.DataFrame | str | Path, log: SessionLog) -> Iterator[Any]:
    """The log as an Ibis table on an in-memory DuckDB, whose errors become ours."""
    spill = tempfile.TemporaryDirectory(prefix="gradewise-")
    connection = ibis.duckdb.connect(temp_directory=spill.name, preserve_insertion_order=False)
    connection.raw_sql("SET TimeZone = 'UTC'")
    try:
        # Ibis 12 still fetches the way that DuckDB 2 will drop.
        warnings.filterwarnings("ignore", message="fetch_arrow_table", category=DeprecationWarning)
        if isinstance(sessions, pl.DataFrame):
            connection.con.register("sessions", sessions.to_arrow())
            yield connection.table("sessions")
        else:
            yield _open_file(connection, Path(sessions), log)
    except (duckdb.Error, UnicodeDecodeError) as error:
        place = None if isinstance(sessions, pl.DataFrame) else sessions
        reason = str(error).strip().splitlines()[0]
        way_out = "Check it with: gradewise data check FILE --table sessions"
        subject = f"cannot be read as a session log ({reason})"
        raise TableError(subject, path=place, way_out=way_out) from error
    finally:
        connection.disconnect()
        spill.cleanup()


def _open_file(connection: Any, path: Path, log: SessionLog) -> Any:
    if not path.exists():
        raise MissingInputError(path, "gradewise demo (sessions.parquet in its workspace)")
    if path.is_dir():
        parts = sorted(path.glob("**/*.parquet"))
        if not parts:
            raise InputError(f"{path}: no Parquet file in this folder. Give a file, or another one")
        return connection.read_parquet([str(part) for part in parts])
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"PAR1"):
        return connection.read_parquet(str(path))
    if head.lstrip().startswith(b"{"):
        return connection.read_json(str(path), format="newline_delimited", sample_size=-1)
    if not head:
        raise TableError("the file is empty", path=path)
    options: dict[str, Any] = {"header": True}
    if head.startswith(b"\x1f\x8b"):
        options["compression"] = "gzip"
    names = connection.read_csv(str(path), all_varchar=True, **options).columns
    # Identities stay text: 007 is not 7. The whole file is looked at, so that types are certain.
    text = (log.unit, log.variant, log.by or "country", log.session or "session_id", "experiment")
    types = {name: "VARCHAR" for name in names if name in text}
    return connection.read_csv(str(path), sample_size=-1, types=types, **options)


def _roles(table: Any, log: SessionLog, place: Path | None) -> dict[str, str]:
    """Role → column, for the roles that the log has.

    Raises:
        TableError: A column that was asked for is not there; names the nearest.
    """
    usual = {
        "by": (log.by, "country"),
        "session": (log.session, "session_id"),
        "started_at": (log.started_at, "started_at"),
        "exposed_at": (log.exposed_at, "exposed_at"),
    }
    roles = {"unit": log.unit, "variant": log.variant, "outcome": log.outcome}
    roles |= {
        role: asked or name
        for role, (asked, name) in usual.items()
        if asked is not None or name in table.columns
    }
    for role, name in roles.items():
        if name not in table.columns:
            near = did_you_mean(name, table.columns)
            flag = "--" + role.replace("_", "-")
            way_out = f"There are {', '.join(table.columns)}.{near} Name it with {flag} COLUMN"
            raise TableError(f"column {name!r} is missing", path=place, way_out=way_out)
    return roles


def _one_experiment(table: Any, log: SessionLog, place: Path | None) -> Any:
    if "experiment" not in table.columns:
        if log.experiment is None:
            return table
        raise TableError("column 'experiment', which --experiment needs, is missing", path=place)
    name = table.experiment.cast("string")
    names = table.select(name=name).distinct().limit(9).to_polars()["name"]
    found = sorted(names.drop_nulls())
    if log.experiment is None:
        if len(found) > 1:
            raise InputError(
                f"{place or 'table'}: holds several experiments ({', '.join(found)}). "
                "Choose one with --experiment NAME"
            )
        return table
    if _number(table.filter(name == log.experiment).count()) == 0:
        raise InputError(
            f"{place or 'table'}: no experiment is called {log.experiment!r}, only "
            f"{', '.join(found)}.{did_you_mean(log.experiment, found)}"
        )
    # Sessions before the start may belong to no experiment yet.
    return table.filter((name == log.experiment) | name.isnull())


def _count_duplicates(table: Any, roles: dict[str, str], rows: int) -> int | None:
    """Rows that repeat a session of the same unit; None if that is not looked for."""
    if "session" not in roles or rows > DUPLICATES_UP_TO:
        return None
    named = table.filter(table[roles["session"]].notnull())
    keys = named.select(roles["unit"], roles["session"])
    return _number(named.count()) - _number(keys.distinct().count())


def _without_duplicates(table: Any, roles: dict[str, str]) -> Any:
    """One row a session, the same whatever the order of the rows."""
    unit, session = table[roles["unit"]], table[roles["session"]]
    rest = ("started_at", "exposed_at", "variant", "by", "outcome")
    order = [table[roles[role]] for role in rest if role in roles]
    window = ibis.window(group_by=[unit, session], order_by=order)
    numbered = table.mutate(_copy=ibis.row_number().over(window))
    return numbered.filter((numbered["_copy"] == 0) | numbered[roles["session"]].isnull())


def _normal(table: Any, roles: dict[str, str], start: datetime | None, place: Path | None) -> Any:
    """The log with our names and types: unit, variant, group, time, exposed, outcome."""
    variant = table[roles["variant"]].cast("string")
    times = {role: _time(table, roles, role, place) for role in ("started_at", "exposed_at")}
    given = [time for time in times.values() if time is not None]
    if len(given) == 2:
        time, exposed = ibis.coalesce(*given), times["exposed_at"]
    else:
        time = given[0] if given else ibis.null("timestamp")
        seen = variant.notnull()
        if given and start is not None:
            seen = seen & (time >= _literal(start))
        moment = time if given else ibis.timestamp("1970-01-01")
        exposed = ibis.ifelse(seen, moment, ibis.null("timestamp"))
    return table.select(
        unit=table[roles["unit"]],
        variant=variant,
        group=table[roles["by"]].cast("string") if "by" in roles else ibis.null("string"),
        time=time,
        exposed=exposed,
        outcome=_outcome(table, roles["outcome"], place),
    ).filter(lambda t: t.unit.notnull())


def _outcome(table: Any, name: str, place: Path | None) -> Any:
    """The outcome as a number; what is not finite is missing."""
    column = table[name]
    kind = column.type()
    if kind.is_boolean() or kind.is_integer():
        return column.cast("int64")
    if kind.is_floating() or kind.is_decimal():
        number = column.cast("float64")
        return ibis.ifelse(number.isnan() | number.isinf(), ibis.null("float64"), number)
    found = table.filter(column.notnull()).select(name).limit(1).to_polars()
    raise TableError(
        "the outcome must be a number (1 = fulfilled, 0 = not)",
        path=place,
        column=name,
        value=found[name][0] if len(found) else None,
        way_out="Write 1 and 0, or name another column with --outcome COLUMN",
    )


def _time(table: Any, roles: dict[str, str], role: str, place: Path | None) -> Any:
    if role not in roles:
        return None
    column = table[roles[role]]
    kind = column.type()
    if kind.is_timestamp() or kind.is_date():
        return column.cast("timestamp")
    if kind.is_null():
        return ibis.null("timestamp")
    if kind.is_string():
        parsed = column.nullif("").try_cast("timestamp")
        wrong = table.filter(column.nullif("").notnull() & parsed.isnull())
        found = wrong.select(roles[role]).limit(1).to_polars()
        if not len(found):
            return parsed
    else:
        found = table.filter(column.notnull()).select(roles[role]).limit(1).to_polars()
    raise TableError(
        "not a time",
        path=place,
        column=roles[role],
        value=found[roles[role]][0] if len(found) else None,
        way_out="Write UTC as 2025-03-01T08:30:00",
    )


def _literal(start: datetime) -> Any:
    """An Ibis literal of a time; without a zone it is taken as UTC."""
    naive = start.astimezone(UTC).replace(tzinfo=None) if start.tzinfo else start
    return ibis.timestamp(naive)


def _yes(condition: Any) -> Any:
    """The condition with unknown as false."""
    return condition.fill_null(False)


def _count(condition: Any) -> Any:
    """How many rows meet the condition."""
    return _yes(condition).cast("int64").sum()


def _number(expression: Any) -> int:
    return int(expression.to_pyarrow().as_py())
