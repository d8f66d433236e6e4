"""The short way from sessions to users, for logs where no session must be compared with another.

In most logs every session in the experiment is exposed, and those without an exposure come before
it: then one pass over the log decides everything, since an exposed session is analysed whatever
the user's first exposure was. `survey` finds out whether a log is so; `coded` writes texts as
small integers, because those are grouped and compared much faster; `decoded` gives them back.
The result equals that of `user_totals` (a test says so).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import ibis
import polars as pl

from evaluation.sessions.survey import MICROSECOND, Codes
from evaluation.sessions.totals import Plan, literal, outcome_columns

DAY = timedelta(days=1) // MICROSECOND


def coded(sessions: Any, plan: Plan, codes: Codes) -> Any:
    """A normalised table with integers for texts and times; see `settled_totals`."""
    s = sessions.mutate(
        since=sessions.exposed.delta(literal(codes.origin), unit="microsecond"),
        variant=_code(sessions.variant, codes.variants, None, gaps=-1 in codes.gaps),
        **{
            name: _code(sessions[name], values, len(values), gaps=i in codes.gaps)
            for i, (name, values) in enumerate(zip(plan.group_names, codes.groups, strict=True))
        },
    )
    places = {
        f"place_{i}": s.since * (len(values) + 1) + s[f"group_{i}"]
        for i, values in enumerate(codes.groups)
    }
    ends = {"low": s.variant}
    if codes.groups:
        ends["low"] = s.variant * codes.width + s.group_0 + 1
    if 0 in codes.gaps:
        # A missing group is neither the smallest (low) nor the largest (high).
        group = ibis.ifelse(s.group_0 == len(codes.groups[0]), 0, s.group_0 + 1)
        ends["high"] = s.variant * codes.width + group
    exposed = s.since.notnull()
    measures: dict[str, Any] = {}
    for i in range(len(plan.measures)):
        value, nothing = s[f"m{i}"], ibis.null("float64")
        measures[f"m{i}"] = ibis.ifelse(exposed, value, nothing)
        if i in codes.binary:  # of whole numbers the difference is exact
            measures[f"m{i}_all"] = value
        else:
            measures[f"m{i}_ago"] = ibis.ifelse(exposed, nothing, value)
    return s.select(
        "unit",
        **(places or {"place_0": s.since}),
        **{name: ibis.ifelse(exposed, end, ibis.null("int32")) for name, end in ends.items()},
        **measures,
    )


def settled_totals(s: Any, plan: Plan, codes: Codes) -> Any:
    """`user_totals` of a coded table, in one pass.

    Args:
        s: What `coded` made: `unit`; for each group `place_{i}`, the time of the exposure and the
            group in one number, so that the smallest tells the first exposed session's; `low` and
            `high`, variant and first group likewise; measures of exposed and of other sessions.
        plan: What is measured.
        codes: What the numbers mean.

    Returns:
        As `user_totals`, with codes for variant and groups, and days counted from the origin.
    """
    u = s.group_by("unit").agg(
        **{name: s[name].min() for name in s.columns if name.startswith("place_")},
        low=s.low.min(),
        high=(s.high if 0 in codes.gaps else s.low).max(),
        n=s.place_0.count(),
        rows=s.count(),
        **_sums(s, plan, codes),
    )
    u = u.mutate(n0=ibis.ifelse(u.place_0.isnull(), 0, u.rows - u.n))
    u = u.mutate(_implied(u, plan, codes))
    sizes = [len(values) + 1 for values in codes.groups] or [1]
    width = codes.width
    low, high = u.low % width, u.high % width
    one_variant = (u.low - low == u.high - high).fill_null(True)
    day = DAY * sizes[0]
    u = u.mutate(
        # Divided are multiples only: databases differ in how they round.
        variant=((u.low - low) / width).cast("int32"),
        contaminated=~one_variant,
        day=((u.place_0 - u.place_0 % day) / day).cast("int32"),
        several_groups=(one_variant & (low < high)).fill_null(False).cast("int32"),
        sessions=u.n,
        with_pre_period=(u.n0 > 0).cast("int32"),
        **{name: u[f"place_{i}"] % sizes[i] for i, name in enumerate(plan.group_names)},
    )
    return u.mutate(outcome_columns(u, plan))


def decoded(frame: pl.DataFrame, plan: Plan, codes: Codes) -> pl.DataFrame:
    """Cells or users with texts and days again."""
    days = pl.lit(codes.origin.date()) + pl.duration(days=pl.col("day"))
    values = {"variant": codes.variants} | dict(zip(plan.group_names, codes.groups, strict=True))
    texts = [
        pl.Series(name, [*of, None], pl.String).gather(frame[name].cast(pl.UInt32)).alias(name)
        for name, of in values.items()
    ]
    return frame.with_columns(days.cast(pl.Date).alias("day"), *texts)


def _sums(s: Any, plan: Plan, codes: Codes) -> dict[str, Any]:
    """The sums of measures that cannot be told from others."""
    found: dict[str, Any] = {}
    for i in range(len(plan.measures)):
        now = s[f"m{i}"]
        other = s[f"m{i}_all" if i in codes.binary else f"m{i}_ago"]
        found |= {f"m{i}_sum": now.sum(), f"m{i}_other": other.sum()}
        if i not in codes.complete:
            found |= {f"m{i}_n": now.count(), f"m{i}_others": other.count()}
        if i not in codes.binary:
            found |= {f"m{i}_min": now.min(), f"m{i}_max": now.max()}
            if i in plan.largest:
                found[f"m{i}_max0"] = other.max()
    return found


def _implied(u: Any, plan: Plan, codes: Codes) -> dict[str, Any]:
    """The other sums; users who were never exposed have no pre-period."""
    found: dict[str, Any] = {}
    none, nothing = u.place_0.isnull(), ibis.null("float64")
    for i in range(len(plan.measures)):
        binary, total = i in codes.binary, u[f"m{i}_sum"].fill_null(0.0)
        before = u[f"m{i}_other"] - total if binary else u[f"m{i}_other"]
        n, n0 = u.n, u.n0
        if i not in codes.complete:
            n = u[f"m{i}_n"]
            n0 = u[f"m{i}_others"] - n if binary else u[f"m{i}_others"]
        found |= {f"m{i}_n": n, f"m{i}_n0": ibis.ifelse(none, 0, n0)}
        found[f"m{i}_sum0"] = ibis.ifelse(none, 0.0, before)
        if binary:
            found[f"m{i}_min"] = ibis.ifelse(n > 0, _number(total == n), nothing)
            found[f"m{i}_max"] = ibis.ifelse(n > 0, _number(total > 0), nothing)
        if i in plan.largest:
            largest = _number(before > 0) if binary else u[f"m{i}_max0"]
            found[f"m{i}_max0"] = ibis.ifelse(none | (n0 == 0), nothing, largest)
    return found


def _code(column: Any, values: Sequence[str], missing: int | None, *, gaps: bool) -> Any:
    """The place of a text among the values; of one that is not there, `missing`."""
    nothing = ibis.null("int32") if missing is None else ibis.literal(missing, "int32")
    if not values:
        return nothing
    # A function of one column: DuckDB computes it once a distinct text.
    place = column.find_in_set(list(values)).cast("int32")
    return ibis.ifelse(place >= 0, place, nothing) if gaps else place


def _number(condition: Any) -> Any:
    return condition.cast("int32").cast("float64")
