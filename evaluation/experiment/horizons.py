"""A log of ordinary days taken as experiments of 1, 2, … days: who would be in, and their moments.

The first days are the pre-period, the next ones the pseudo experiment. Every user who appears in it
is a user of the experiment from then on; the group is that of the first session in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from evaluation.experiment.cells import ALL, MISSING
from evaluation.moments import PRODUCTS, VARIABLES, Moments
from evaluation.outcomes import Outcome
from relevance.errors import InputError

GREATEST = {"any": ("x", "y"), "user": ("x", "y"), "mean": ("y",)}
"""Kind of outcome → variables that over days are the greatest, not the sum."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a log is cut into pre-period and pseudo experiment.

    Attributes:
        first: First day of the log.
        start: First day of the pseudo experiment.
        last: Last day of the log.
    """

    first: date
    start: date
    last: date

    @classmethod
    def of(cls, days: pl.Series, before: int | None) -> Cut:
        """The cut with so many days before; half of the log where None.

        Raises:
            InputError: The log has no day, or no day is left for the experiment.
        """
        first, last = days.min(), days.max()
        if not isinstance(first, date) or not isinstance(last, date):
            raise InputError(
                "the log has no session with a time, so it cannot be cut into days. "
                "Name the column of the time with --started-at"
            )
        length = (last - first).days + 1
        wanted = length // 2 if before is None else before
        if not 0 <= wanted < length:
            raise InputError(
                f"{wanted} days before the experiment leave none of the log's {length} days "
                "(--before). Take fewer, or a longer log"
            )
        return cls(first, first + timedelta(days=wanted), last)

    @property
    def before(self) -> int:
        """Days of the pre-period."""
        return (self.start - self.first).days

    @property
    def days(self) -> int:
        """Days of the pseudo experiment."""
        return (self.last - self.start).days + 1


@dataclass(frozen=True, slots=True)
class Growth:
    """How many distinct users a log has seen by each of its days.

    Attributes:
        seen: Users seen in the first 1, 2, … days.
    """

    seen: tuple[int, ...]

    @property
    def exponent(self) -> float:
        """Power of the days with which users grow in the second half of the log; 0 to 1."""
        n = len(self.seen)
        if n < 2:
            return 1.0
        half = max(n // 2, 1)
        slope = math.log(self.seen[-1] / self.seen[half - 1]) / math.log(n / half)
        return min(max(slope, 0.0), 1.0)

    def factor(self, known: int, days: int) -> float:
        """How many times the users of `known` days there are in `days` days."""
        n = len(self.seen)
        within = self.seen[min(days, n) - 1] / self.seen[known - 1]
        return within * (days / n) ** self.exponent if days > n else within


def pseudo_users(
    days: pl.DataFrame, outcomes: Sequence[Outcome], cut: Cut, until: int | None = None
) -> pl.DataFrame:
    """One row a user of the pseudo experiment.

    Args:
        days: One row a user × day: unit, day, group_0, …, sessions, o{i}_x, o{i}_y.
        outcomes: Which outcome o0, o1, … is.
        cut: Where the experiment starts.
        until: Its length in days; None for the whole log.

    Returns:
        unit, group_0, …, day (the first), sessions, o{i}_x, o{i}_y, o{i}_x0, o{i}_y0.
    """
    end = cut.last if until is None else cut.start + timedelta(days=until - 1)
    inside = days.filter(pl.col("day").is_between(cut.start, end)).sort("unit", "day")
    groups = [name for name in days.columns if name.startswith("group_")]
    users = inside.group_by("unit", maintain_order=True).agg(
        pl.col(groups).first(),
        pl.col("day").first(),
        pl.col("sessions").sum(),
        *_totals(outcomes),
    )
    return users.join(_before(days, outcomes, cut), on="unit", how="left").with_columns(
        pl.selectors.ends_with("_x0", "_y0").fill_null(0.0)
    )


def moments_by_day(
    days: pl.DataFrame, outcomes: Sequence[Outcome], i: int, cut: Cut, group: str | None
) -> list[dict[str, Moments]]:
    """Moments of outcome i after 1, 2, … days: group → moments of all users so far.

    Args:
        days: See `pseudo_users`.
        outcomes: Which outcome o0, o1, … is.
        i: The outcome.
        cut: Where the experiment starts.
        group: Column of the groups; None for one group, `all`.
    """
    booked = _increments(days, outcomes, i, cut, group)
    totals: dict[str, Moments] = {}
    found = []
    by_day = booked.partition_by("day", as_dict=True)
    for step in range(cut.days):
        rows = by_day.get((cut.start + timedelta(days=step),))
        for row in rows.to_dicts() if rows is not None else ():
            name = row["group"]
            more = Moments.of_sums(row["n"], row, sessions=row["sessions"])
            totals[name] = totals[name] + more if name in totals else more
        found.append(dict(sorted(totals.items())))
    return found


def growth(days: pl.DataFrame, cut: Cut) -> Growth:
    """How many distinct users the whole log has seen by each of its days."""
    first = days.group_by("unit").agg(pl.col("day").min())
    counts = dict(first.group_by("day").len().iter_rows())
    length = (cut.last - cut.first).days + 1
    new = [counts.get(cut.first + timedelta(days=step), 0) for step in range(length)]
    return Growth(tuple(np.cumsum(new).tolist()))


def _totals(outcomes: Sequence[Outcome], suffix: str = "") -> list[pl.Expr]:
    """Over the days of a user: x and y of every outcome."""
    found = []
    for i, outcome in enumerate(outcomes):
        for name in ("x", "y"):
            column = pl.col(f"o{i}_{name}")
            most = name in GREATEST.get(outcome.kind, ())
            found.append((column.max() if most else column.sum()).alias(f"o{i}_{name}{suffix}"))
    return found


def _before(days: pl.DataFrame, outcomes: Sequence[Outcome], cut: Cut) -> pl.DataFrame:
    early = days.filter(pl.col("day") < cut.start)
    return early.group_by("unit").agg(_totals(outcomes, "0"))


def _increments(
    days: pl.DataFrame, outcomes: Sequence[Outcome], i: int, cut: Cut, group: str | None
) -> pl.DataFrame:
    """Group × day → what that day adds to users, sums and products."""
    own = [pl.col("unit", "day", "sessions"), pl.col(f"o{i}_x").alias("o0_x")]
    own.append(pl.col(f"o{i}_y").alias("o0_y"))
    own.append((pl.col(group) if group else pl.lit(ALL)).alias("group"))
    table = days.select(own)
    only = [outcomes[i]]
    inside = table.filter(pl.col("day") >= cut.start).sort("unit", "day")
    new = pl.col("unit") != pl.col("unit").shift(1)
    joined = (
        inside.with_columns(new=new.fill_null(True))
        .with_columns(
            pl.col("group").first().over("unit").fill_null(MISSING),
            *(_running(only[0], name) for name in ("x", "y")),
        )
        .join(_before(table, only, cut), on="unit", how="left", maintain_order="left")
        .with_columns(pl.col("o0_x0", "o0_y0").fill_null(0.0).name.replace("o0_", ""))
    )
    now = {name: pl.col(name) for name in VARIABLES}
    was = {name: pl.when("new").then(0.0).otherwise(now[name].shift(1)) for name in VARIABLES}
    return (
        joined.with_columns(
            n=pl.col("new").cast(pl.Int64),
            **{f"_{name}": now[name] - was[name] for name in VARIABLES},
            **{f"{a}_{b}": now[a] * now[b] - was[a] * was[b] for a, b in PRODUCTS},
        )
        .group_by("group", "day")
        .agg(
            pl.col("n", "sessions").sum(),
            *(pl.col(f"_{name}").sum().alias(name) for name in VARIABLES),
            *(pl.col(f"{a}_{b}").sum() for a, b in PRODUCTS),
        )
        .sort("day", "group")
    )


def _running(outcome: Outcome, name: str) -> pl.Expr:
    column = pl.col(f"o0_{name}").cast(pl.Float64)
    most = name in GREATEST.get(outcome.kind, ())
    return (column.cum_max() if most else column.cum_sum()).over("unit").alias(name)
