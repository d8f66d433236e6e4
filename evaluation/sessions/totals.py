"""From sessions to users to cells: one Ibis expression, the same on every database.

It works on a *normalised* table (`evaluation.sessions.normal` makes one): `unit`, `variant`,
`group_0` …, `time`, `exposed`, and one column `m0`, `m1` … for each of the plan's measures, a
float or null. Variants and groups may be of any type that has an order; times are timestamps.
Nothing here may depend on one database.

References:
    The rules stand in `evaluation.sessions.moments`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ibis

from evaluation.moments import PRODUCTS, VARIABLES
from evaluation.outcomes import Outcome

COUNTS = ("sessions", "with_pre_period", "several_groups", "no_variant", "outside", "rows")
"""Counts of a cell beside its users; one that a table of users lacks is 0."""

Measure = tuple[str, str | None]
"""A column, and the column that must have a value as well (of a ratio)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is made of a normalised table.

    Attributes:
        outcomes: What is measured, the primary first.
        groups: Number of columns to split by.
        start: Start of the experiment, UTC; None for each user's first exposure.
        end: End of the experiment, UTC, exclusive; None for none.
        looks: Book every session's share on its own day.
    """

    outcomes: tuple[Outcome, ...]
    groups: int
    start: datetime | None = None
    end: datetime | None = None
    looks: bool = False

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The columns that are added up, each once; `m{i}` of a normalised table is the i-th."""
        found: dict[Measure, None] = {}
        for outcome in self.outcomes:
            found |= dict.fromkeys(_measures_of(outcome))
        return tuple(found)

    @property
    def largest(self) -> frozenset[int]:
        """The measures whose largest value is asked for, not only their sum."""
        asked = [outcome for outcome in self.outcomes if outcome.kind in ("any", "user")]
        measures = self.measures
        return frozenset(measures.index(of) for outcome in asked for of in _measures_of(outcome))

    @property
    def group_names(self) -> tuple[str, ...]:
        """Names of the groups: `group_0`, `group_1` and so on."""
        return tuple(f"group_{i}" for i in range(self.groups))

    @property
    def cell_names(self) -> tuple[str, ...]:
        """What makes a cell."""
        return ("variant", *self.group_names, "day", "contaminated")


def user_totals(sessions: Any, plan: Plan) -> Any:
    """The expression from one row a session to one row a user; with looks, a user and day.

    Args:
        sessions: Normalised Ibis table.
        plan: What is measured.

    Returns:
        Ibis table: `unit`, `variant`, `group_0` …, `day`, `contaminated`, `several_groups`,
        `sessions`, `with_pre_period`, `no_variant`, `outside`, `rows`, and for each outcome
        `o{i}_x, _y, _x0, _y0, _missing, _low, _high`. With looks `day` is the day of the row, the
        sums are the user's up to that day, `o{i}_x_past` … those of the day before; counts are
        the day's own, and those of the whole user stand on the first day.
    """
    marked = _marked(sessions, plan)
    users = _per_user(marked, plan)
    if not plan.looks:
        return users.mutate(outcome_columns(users, plan))
    return _per_day(marked, users, plan)


def cell_moments(users: Any, plan: Plan) -> Any:
    """The expression from `user_totals` to one row a cell.

    Returns:
        Ibis table with the columns of `evaluation.sessions.moments.cell_schema`.
    """
    past = "o0_x_past" in users.columns
    sums: dict[str, Any] = {"users": _integer(users.new.sum() if past else users.count())}
    for name in COUNTS:
        sums[name] = _integer(users[name].sum()) if name in users.columns else ibis.literal(0)
    for i in range(len(plan.outcomes)):
        for name in VARIABLES:
            now = users[f"o{i}_{name}"]
            sums[f"o{i}_{name}"] = (now - users[f"o{i}_{name}_past"] if past else now).sum()
        for a, b in PRODUCTS:
            now = users[f"o{i}_{a}"] * users[f"o{i}_{b}"]
            before = users[f"o{i}_{a}_past"] * users[f"o{i}_{b}_past"] if past else None
            sums[f"o{i}_{a}_{b}"] = (now if before is None else now - before).sum()
        sums[f"o{i}_missing"] = _integer(users[f"o{i}_missing"].sum())
        sums[f"o{i}_low"] = users[f"o{i}_low"].min()
        sums[f"o{i}_high"] = users[f"o{i}_high"].max()
    return users.group_by(*plan.cell_names).agg(**sums)


def literal(time: datetime) -> Any:
    """An Ibis literal of a time; without a zone it is taken as UTC."""
    naive = time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    return ibis.timestamp(naive)


def _marked(s: Any, plan: Plan) -> Any:
    """Sessions with `exposure` (in the window, else null), `first` of the user, analysed, pre."""
    valid = s.variant.notnull() & s.exposed.notnull()
    if plan.start is not None:
        valid = valid & (s.exposed >= literal(plan.start))
    if plan.end is not None:
        valid = valid & (s.exposed < literal(plan.end))
    exposure = ibis.ifelse(valid, s.exposed, ibis.null(s.exposed.type()))
    # From a narrow selection of its own: a shared one would be kept in memory with all its columns.
    exposures = s.select("unit", exposure=exposure)
    first = exposures.group_by("unit").agg(first=exposures.exposure.min())
    s = s.mutate(exposure=exposure).join(first, "unit")
    later = s.time >= s.first
    if plan.end is not None:
        later = later & (s.time < literal(plan.end))
    s = s.mutate(later=_yes(later))
    s = s.mutate(analysed=s.exposure.notnull() | s.later)
    begin = s.first if plan.start is None else literal(plan.start)
    pre = s.exposed.isnull() & ~s.analysed & s.first.notnull() & (s.time < begin)
    return s.mutate(pre=_yes(pre))


def _per_user(s: Any, plan: Plan) -> Any:
    """One row a user: who it is, and sums over its sessions."""
    leading = s.exposure == s.first
    several: dict[str, Any] = {}
    if plan.groups:
        several = {"low": s.group_0.min(where=s.analysed), "high": s.group_0.max(where=s.analysed)}
    no_variant = s.exposed.notnull() & s.variant.isnull()
    users = s.group_by("unit").agg(
        variant=s.variant.min(where=s.analysed),
        last_variant=s.variant.max(where=s.analysed),
        first=s.first.min(),
        **{name: s[name].min(where=leading) for name in plan.group_names},
        **several,
        n=s.unit.count(where=s.analysed),
        n0=s.unit.count(where=s.pre),
        no_variant=s.unit.count(where=no_variant),
        outside=s.unit.count(where=~s.analysed & ~s.pre & s.first.notnull() & ~no_variant),
        rows=s.unit.count(),
        **_totals(s, s.analysed, plan),
        **_totals(s, s.pre, plan, "0"),
    )
    users = users.mutate(contaminated=_yes(users.variant != users.last_variant))
    scattered = _yes(users.low != users.high) & ~users.contaminated if plan.groups else None
    return users.mutate(
        several_groups=ibis.literal(0) if scattered is None else scattered.cast("int32"),
        day=users.first.date(),
        sessions=users.n,
        with_pre_period=(users.n0 > 0).cast("int32"),
    )


def _totals(s: Any, where: Any, plan: Plan, ending: str = "") -> dict[str, Any]:
    """Sum, count, largest and smallest of each measure over some sessions."""
    found: dict[str, Any] = {}
    for i in range(len(plan.measures)):
        column = s[f"m{i}"]
        found[f"m{i}_sum{ending}"] = column.sum(where=where)
        found[f"m{i}_n{ending}"] = column.count(where=where)
        if not ending or i in plan.largest:
            found[f"m{i}_max{ending}"] = column.max(where=where)
        if not ending:
            found[f"m{i}_min"] = column.min(where=where)
    return found


def outcome_columns(u: Any, plan: Plan) -> dict[str, Any]:
    """`o{i}_…` of each outcome from the sums of its measures."""
    found: dict[str, Any] = {}
    for i, outcome in enumerate(plan.outcomes):
        of = [f"m{plan.measures.index(measure)}" for measure in _measures_of(outcome)]
        x, y = _of_period(u, outcome, of, "", u.n > 0)
        x0, y0 = _of_period(u, outcome, of, "0", u.n0 > 0)
        known = u[f"{of[0]}_n"]
        missing = (u.n > 0) & (known == 0) if outcome.kind == "user" else u.n - known
        values = {"x": x, "y": y, "x0": x0, "y0": y0}
        found |= {f"o{i}_{name}": _number(value) for name, value in values.items()}
        found |= {
            f"o{i}_missing": _integer(missing),
            f"o{i}_low": u[f"{of[0]}_min"],
            f"o{i}_high": u[f"{of[0]}_max"],
        }
    return found


def _of_period(u: Any, outcome: Outcome, of: list[str], ending: str, seen: Any) -> tuple[Any, Any]:
    """X and y of one outcome over one period."""
    total, known = u[f"{of[0]}_sum{ending}"], u[f"{of[0]}_n{ending}"]
    match outcome.kind:
        case "rate":
            return total, known
        case "mean":
            return total, seen
        case "any":
            return u[f"{of[0]}_max{ending}"] > 0, seen
        case "ratio":
            return total, u[f"{of[1]}_sum{ending}"]
        case _:
            return u[f"{of[0]}_max{ending}"], known > 0


def _per_day(s: Any, users: Any, plan: Plan) -> Any:
    """One row a user and day with analysed sessions: running sums, and those of the day before."""
    # A session counts from the evening on that it is known to: exposed, or after an exposure.
    known = ibis.ifelse(s.exposure.isnull() | (s.later & (s.time < s.exposure)), s.time, s.exposure)
    s = s.filter(s.analysed).mutate(booked=known.date())
    days = s.group_by("unit", "booked").agg(n=s.unit.count(), **_totals(s, s.analysed, plan))
    window = ibis.cumulative_window(group_by=days.unit, order_by=days.booked)
    running = {"n": days.n.sum().over(window)}
    for i, name in itertools.product(range(len(plan.measures)), ("sum", "n", "max", "min")):
        column = days[f"m{i}_{name}"]
        total = column.sum() if name in ("sum", "n") else getattr(column, name)()
        running[f"m{i}_{name}"] = total.over(window)
    days = days.select("unit", "booked", today=days.n, **running)
    whole = ("no_variant", "outside", "rows", "with_pre_period", "several_groups")
    kept = [f"m{i}_{name}0" for i in range(len(plan.measures)) for name in ("sum", "n")]
    kept += [f"m{i}_max0" for i in plan.largest]
    facts = users.select("unit", *plan.cell_names, "n0", *whole, *kept)
    steps = facts.left_join(days, "unit").drop("unit_right")
    steps = steps.mutate(n=steps.n.fill_null(0), sessions=steps.today.fill_null(0))
    steps = steps.mutate(outcome_columns(steps, plan))
    return _increments(steps, whole, plan)


def _increments(steps: Any, whole: tuple[str, ...], plan: Plan) -> Any:
    """Steps with what the sums were before; what a user has once stands on the first day."""
    window = ibis.window(group_by=steps.unit, order_by=steps.booked)
    names = [f"o{i}_{name}" for i in range(len(plan.outcomes)) for name in (*VARIABLES, "missing")]
    past = {f"{name}_past": steps[name].lag().over(window).fill_null(0) for name in names}
    steps = steps.mutate(new=_yes(ibis.row_number().over(window) == 0).cast("int32"), **past)
    missing = [f"o{i}_missing" for i in range(len(plan.outcomes))]
    return steps.mutate(
        day=steps.booked,
        **{name: steps[name] * steps.new for name in whole},
        **{name: steps[name] - steps[f"{name}_past"] for name in missing},
    )


def _measures_of(outcome: Outcome) -> tuple[Measure, ...]:
    if outcome.kind == "ratio":
        above, below = outcome.columns
        return (above, below), (below, above)
    return ((outcome.columns[0], None),)


def _yes(condition: Any) -> Any:
    """The condition with unknown as false."""
    return condition.fill_null(False)


def _number(value: Any) -> Any:
    """A sum, a count or a condition as a float; nothing is 0."""
    if value.type().is_boolean():
        value = _yes(value).cast("int32")
    return value.cast("float64").fill_null(0.0)


def _integer(value: Any) -> Any:
    if value.type().is_boolean():
        value = value.cast("int32")  # PostgreSQL has no cast to int64
    return value.cast("int64").fill_null(0)
