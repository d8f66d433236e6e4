"""The log with our names and types, as the expression wants it; wrong values are named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import polars as pl

from evaluation.sessions.log import Roles, SessionLog
from evaluation.sessions.totals import Measure, Plan, literal
from relevance.errors import InputError, TableError, did_you_mean


@dataclass(frozen=True, slots=True)
class Opened:
    """A log that can be asked.

    Attributes:
        table: The Ibis table.
        fetch: Runs an expression; the second argument says what it is for. None if the table
            cannot be reached: then only types are checked.
        place: File or table, for messages; None for a frame.
        source: Where it came from, for messages.
        here: Whether the embedded DuckDB works on it, which is quick to ask.
    """

    table: Any
    fetch: Callable[[Any, str], pl.DataFrame] | None
    place: str | Path | None
    source: str
    here: bool = False

    def ask(self, expression: Any, what: str) -> pl.DataFrame:
        """The rows of an expression; none if the table cannot be reached."""
        return pl.DataFrame() if self.fetch is None else self.fetch(expression, what)

    def number(self, expression: Any, what: str) -> int:
        """A single number."""
        return int(self.ask(expression.name("n").as_table(), what).item())


def one_experiment(opened: Opened, log: SessionLog) -> Any:
    """The sessions of the chosen experiment.

    Raises:
        InputError: There are several and none was chosen, or none of that name.
    """
    table = opened.table
    if "experiment" not in table.columns:
        if log.experiment is None:
            return table
        subject = "column 'experiment', which --experiment needs, is missing"
        raise TableError(subject, path=opened.place)
    name = table.experiment.cast("string")
    names = opened.ask(table.select(name=name).distinct(), "listing experiments")["name"]
    found = sorted(names.drop_nulls())
    if log.experiment is None:
        if len(found) > 1:
            some = ", ".join(found[:9])
            raise InputError(
                f"{opened.source}: holds several experiments ({some}). "
                "Choose one with --experiment NAME"
            )
        return table
    if log.experiment not in found:
        raise InputError(
            f"{opened.source}: no experiment is called {log.experiment!r}, only "
            f"{', '.join(found[:9])}.{did_you_mean(log.experiment, found)}"
        )
    # Sessions before the start may belong to no experiment yet.
    return table.filter((name == log.experiment) | name.isnull())


def normal(
    table: Any, roles: Roles, log: SessionLog, plan: Plan, opened: Opened, *, clean: bool = True
) -> Any:
    """Sessions as `evaluation.sessions.totals` wants them, those without a user left out.

    Args:
        table: The log.
        roles: Its columns.
        log: The window.
        plan: What is measured.
        opened: Where the table is.
        clean: Make blank variants and groups null, and fill missing times; else they stay, so
            that the database can skip what the columns' statistics rule out.

    Raises:
        TableError: A time or an outcome is none.
    """
    labels = {"variant": roles.variant, **dict(zip(plan.group_names, roles.by, strict=True))}
    time, exposed = _times(table, roles, log, opened, clean=clean)
    return table.select(
        unit=unit_of(table, roles),
        **{
            name: text(table[column]) if clean else table[column].cast("string")
            for name, column in labels.items()
        },
        time=time,
        exposed=exposed,
        **{f"m{i}": _measure(table, m, roles, opened) for i, m in enumerate(plan.measures)},
    ).filter(lambda t: t.unit.notnull())


def _times(table: Any, roles: Roles, log: SessionLog, opened: Opened, *, clean: bool) -> Any:
    """When each session was, and when it was exposed; see `normal`."""
    started = time_of(table, roles.started_at, opened)
    exposed = time_of(table, roles.exposed_at, opened)
    if started is not None and exposed is not None:
        return ibis.coalesce(started, exposed) if clean else started, exposed
    time = started if exposed is None else exposed
    seen, nothing = text(table[roles.variant]).notnull(), ibis.null("timestamp")
    if time is None:
        return nothing, ibis.ifelse(seen, ibis.timestamp("1970-01-01"), nothing)
    if log.start is not None:
        seen = seen & (time >= literal(log.start))
    return time, ibis.ifelse(seen, time, nothing)


def whole_measures(table: Any, plan: Plan, roles: Roles) -> frozenset[int]:
    """Measures whose column holds whole numbers or yes and no."""
    found = set()
    for i, (name, _) in enumerate(plan.measures):
        kind = None if name in roles.constants else table[name].type()
        if kind is None or kind.is_boolean() or kind.is_integer():
            found.add(i)
    return frozenset(found)


def unit_of(table: Any, roles: Roles) -> Any:
    """The user; an empty text is none."""
    unit = table[roles.unit]
    return unit.nullif("") if unit.type().is_string() else unit


def text(column: Any) -> Any:
    """A column as text; a blank one is null."""
    column = column.cast("string")
    return ibis.ifelse(column.strip() == "", ibis.null("string"), column)


def number(table: Any, name: str, opened: Opened) -> Any:
    """A column as a float; what is not finite is missing.

    Raises:
        TableError: The column holds something else than numbers.
    """
    column = table[name]
    kind = column.type()
    if kind.is_boolean():
        return column.cast("int32").cast("float64")
    if kind.is_integer() or kind.is_null():
        return column.cast("float64")
    if kind.is_floating() or kind.is_decimal():
        value = column.cast("float64")
        return ibis.ifelse(value.isnan() | value.isinf(), ibis.null("float64"), value)
    found = opened.ask(table.filter(column.notnull()).select(name).limit(1), "values")
    raise TableError(
        "the outcome must be a number (1 = fulfilled, 0 = not)",
        path=opened.place,
        column=name,
        value=found[name][0] if len(found) else None,
        way_out="Write 1 and 0, or name another column with --outcome COLUMN",
    )


def time_of(table: Any, name: str | None, opened: Opened) -> Any:
    """A column as a UTC timestamp; None if there is no such column.

    Raises:
        TableError: The column holds something else than times.
    """
    if name is None:
        return None
    column = table[name]
    kind = column.type()
    if kind.is_timestamp():
        return column.cast("timestamp") if kind.timezone else column
    if kind.is_date():
        return column.cast("timestamp")
    if kind.is_null():
        return ibis.null("timestamp")
    wrong = table.filter(column.notnull())
    if kind.is_string():
        # By way of UTC: PostgreSQL would drop a zone that the text names.
        parsed = column.nullif("").try_cast("timestamp('UTC')").cast("timestamp")
        wrong = table.filter(column.nullif("").notnull() & parsed.isnull())
    found = opened.ask(wrong.select(name).limit(1), "times")
    if kind.is_string() and not len(found):
        return parsed
    raise TableError(
        "not a time",
        path=opened.place,
        column=name,
        value=found[name][0] if len(found) else None,
        way_out="Write UTC as 2025-03-01T08:30:00",
    )


def count_duplicates(table: Any, roles: Roles, opened: Opened) -> int:
    """Rows that repeat a session of the same user."""
    named = table.filter(table[roles.session].notnull())
    keys = named.select(roles.unit, roles.session)
    what = "looking for repeated sessions"
    return opened.number(named.count(), what) - opened.number(keys.distinct().count(), what)


def without_duplicates(table: Any, roles: Roles, plan: Plan) -> Any:
    """One row a session, the same whatever the order of the rows."""
    unit, session = table[roles.unit], table[roles.session]
    rest = [roles.started_at, roles.exposed_at, roles.variant, *roles.by]
    rest += [column for measure in plan.measures for column in measure]
    names = dict.fromkeys(name for name in rest if name and name not in roles.constants)
    window = ibis.window(group_by=[unit, session], order_by=[table[name] for name in names])
    numbered = table.mutate(_copy=ibis.row_number().over(window))
    return numbered.filter((numbered["_copy"] == 0) | numbered[roles.session].isnull())


def _measure(table: Any, measure: Measure, roles: Roles, opened: Opened) -> Any:
    name, partner = measure
    values = [
        ibis.literal(1.0) if column in roles.constants else number(table, column, opened)
        for column in (name, partner)
        if column is not None
    ]
    if partner is None:
        return values[0]
    return ibis.ifelse(values[1].notnull(), values[0], ibis.null("float64"))
