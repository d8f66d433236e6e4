"""Tables that are already one row a user: outcome columns hold a user's sums."""

from __future__ import annotations

from typing import Any

import ibis

from evaluation.moments import VARIABLES
from evaluation.outcomes import SESSIONS, Outcome
from evaluation.sessions.log import Roles, SessionLog
from evaluation.sessions.normal import Opened, number, text, time_of, unit_of
from evaluation.sessions.totals import Plan, literal
from relevance.errors import InputError, SettingsError


def normal_users(table: Any, roles: Roles, log: SessionLog, plan: Plan, opened: Opened) -> Any:
    """Users with our names: those of `user_totals`; repeated rows are still there.

    Raises:
        SettingsError: Looks were asked for; a table of users does not tell what was known when.
    """
    if log.looks:
        raise SettingsError(
            f"{opened.source}: a table of users does not tell what was known on which day; "
            "--sequential needs a session log"
        )
    exposed = time_of(table, roles.exposed_at, opened)
    variant, outside = text(table[roles.variant]), ibis.literal(False)
    if exposed is not None:
        inside = ibis.literal(True)
        if log.start is not None:
            inside = inside & (exposed >= literal(log.start))
        if log.end is not None:
            inside = inside & (exposed < literal(log.end))
        outside = variant.notnull() & ~inside.fill_null(False)
        variant = ibis.ifelse(inside, variant, ibis.null("string"))
    day = ibis.null("date")
    if exposed is not None:
        day = ibis.ifelse(variant.notnull(), exposed.date(), day)
    counted = SESSIONS in table.columns
    values: dict[str, Any] = {}
    for i, outcome in enumerate(plan.outcomes):
        values |= _outcome(table, i, outcome, log, opened)
    return table.select(
        unit=unit_of(table, roles),
        variant=variant,
        **{name: text(table[by]) for name, by in zip(plan.group_names, roles.by, strict=True)},
        day=day,
        sessions=number(table, SESSIONS, opened).fill_null(0) if counted else ibis.literal(1.0),
        outside=outside.cast("int32"),
        **values,
    ).filter(lambda t: t.unit.notnull())


def users_once(lines: Any, plan: Plan) -> Any:
    """One row a user, whatever repeats exactly counted once; `user_totals` of a table of users."""
    once = lines.distinct()
    outcomes = range(len(plan.outcomes))
    sums = [f"o{i}_{name}" for i in outcomes for name in (*VARIABLES, "missing")]
    users = once.group_by("unit").agg(
        variant=once.variant.min(),
        last_variant=once.variant.max(),
        **{name: once[name].min() for name in plan.group_names},
        day=once.day.min(),
        sessions=once.sessions.sum(),
        outside=once.outside.sum(),
        rows=once.unit.count(),
        **{name: once[name].sum() for name in sums},
        **{f"o{i}_low": once[f"o{i}_low"].min() for i in outcomes},
        **{f"o{i}_high": once[f"o{i}_high"].max() for i in outcomes},
    )
    had = ibis.or_(*[users[f"o{i}_y0"] > 0 for i in outcomes])
    return users.mutate(
        contaminated=(users.variant != users.last_variant).fill_null(False),
        with_pre_period=had.cast("int32"),
    )


def refuse_twice(users: Any, opened: Opened) -> None:
    """Raises `InputError` if a user stands there twice with one variant and different values."""
    twice = users.filter((users.rows > 1) & ~users.contaminated)
    found = opened.ask(twice.select("unit").order_by("unit").limit(1), "looking for users twice")
    if len(found):
        raise InputError(
            f"{opened.source}: user {found['unit'][0]!r} stands in several rows that differ. "
            "A table of users has one row a user; for a session log leave out --per-user"
        )


def _outcome(table: Any, i: int, outcome: Outcome, log: SessionLog, opened: Opened) -> Any:
    """`o{i}_…` of each row."""
    now = [number(table, name, opened) for name in outcome.columns]
    x, y = _of_period(table, outcome, now, SESSIONS, opened)
    earlier = [name + log.before_suffix for name in outcome.columns]
    x0 = y0 = ibis.literal(0.0)
    if all(name in table.columns for name in earlier):
        ago = [number(table, name, opened) for name in earlier]
        x0, y0 = _of_period(table, outcome, ago, SESSIONS + log.before_suffix, opened, ago=True)
    known = now[0].notnull() if len(now) == 1 else now[0].notnull() & now[1].notnull()
    return {
        f"o{i}_x": x,
        f"o{i}_y": y,
        f"o{i}_x0": x0,
        f"o{i}_y0": y0,
        f"o{i}_missing": (~known).cast("int32"),
        f"o{i}_low": now[0],
        f"o{i}_high": now[0],
    }


def _of_period(
    table: Any,
    outcome: Outcome,
    values: list[Any],
    sessions: str,
    opened: Opened,
    *,
    ago: bool = False,
) -> tuple[Any, Any]:
    """X and y of one outcome over one period; users without a value have 0 and 0.

    A user of the experiment without a value counts as 0 in `mean` and `any`; one without a
    pre-period value has no pre-period.
    """
    value, below = values[0], ibis.literal(1.0)
    if outcome.kind == "rate" and sessions in table.columns:
        below = number(table, sessions, opened)
    elif outcome.kind == "ratio":
        below = values[1]
    elif outcome.kind == "any":
        value = (value > 0).cast("int32").cast("float64")
    known = value.notnull() & below.notnull()
    if outcome.kind in ("mean", "any") and not ago:
        return value.fill_null(0.0), below
    nothing = ibis.literal(0.0)
    return ibis.ifelse(known, value, nothing), ibis.ifelse(known, below, nothing)
