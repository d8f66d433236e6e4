"""Moments by variant and group, added up from the cells of a log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from evaluation.moments import NOTHING, PRODUCTS, VARIABLES, Moments
from evaluation.outcomes import Outcome

MISSING = "(missing)"
"""Group of the users whose first exposed session names none; day of those without a time."""

ALL = "all"
"""Group of everybody, where nothing is split."""

ByVariant = Mapping[str, Mapping[str, Moments]]
"""Variant → group → moments."""

_SUMS = (*VARIABLES, *(f"{a}_{b}" for a, b in PRODUCTS))


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of a log, and which outcome stands where in them.

    Attributes:
        table: Rows of `SessionMoments.cells` with a variant.
        positions: Outcome → its position, the primary first.
    """

    table: pl.DataFrame
    positions: Mapping[Outcome, int]

    def moments_by(self, outcome: Outcome, column: str | None) -> dict[str, dict[str, Moments]]:
        """Variant → group → moments, both in order.

        Args:
            outcome: What is measured.
            column: `group_0`, …, `day`; None for all users in one group.
        """
        found: dict[str, dict[str, Moments]] = {}
        for (variant, group), moments in self._added(outcome, [pl.col("variant"), _label(column)]):
            found.setdefault(variant, {})[group] = moments
        return found

    def up_to_each_day(
        self, outcome: Outcome, column: str | None
    ) -> Iterator[tuple[str, dict[str, dict[str, Moments]]]]:
        """Day (ISO date) by day, the moments of all days so far; of cells made for looks.

        Users without a day are there from the first day on.
        """
        running: dict[str, dict[str, Moments]] = {}
        day = pl.col("day").fill_null(pl.col("day").min()).cast(pl.String).alias("_day")
        last = None
        for (today, variant, group), moments in self._added(
            outcome, [day, pl.col("variant"), _label(column)]
        ):
            if last is not None and today != last:
                yield last, {name: dict(groups) for name, groups in running.items()}
            last = today
            groups = running.setdefault(variant, {})
            groups[group] = groups.get(group, NOTHING) + moments
        if last is not None:
            yield last, running

    def value_range(self, outcome: Outcome) -> tuple[float | None, float | None]:
        """Smallest and largest value of an outcome's column; None without any."""
        prefix = f"o{self.positions[outcome]}_"
        low, high = self.table.select(
            pl.col(f"{prefix}low").cast(pl.Float64).min(),
            pl.col(f"{prefix}high").cast(pl.Float64).max(),
        ).row(0)
        return low, high

    def missing(self, outcome: Outcome) -> int:
        """Sessions (`user`: users) that have no value."""
        return int(self.table[f"o{self.positions[outcome]}_missing"].sum())

    def _added(
        self, outcome: Outcome, keys: Sequence[pl.Expr]
    ) -> Iterator[tuple[tuple[str, ...], Moments]]:
        """Moments of each key; always added in the same order: figures repeat to the bit."""
        prefix = f"o{self.positions[outcome]}_"
        # Only these two leave sessions without a value out.
        without = pl.col(f"{prefix}missing") if outcome.kind in ("rate", "ratio") else pl.lit(0)
        table = self.table.select(
            *keys,
            pl.col("users"),
            sessions=pl.col("sessions") - without,
            **{name: pl.col(prefix + name).cast(pl.Float64) for name in _SUMS},
        )
        by = table.columns[: len(keys)]
        table = table.sort(by, maintain_order=True)
        if not len(table):
            return
        runs = table.select(pl.struct(by).rle_id()).to_series().to_numpy()
        starts = np.flatnonzero(np.diff(runs.astype(np.int64), prepend=-1))
        sums = np.add.reduceat(table.select(_SUMS).to_numpy(), starts, axis=0)
        counts = np.add.reduceat(table.select("users", "sessions").to_numpy(), starts, axis=0)
        names = table[starts.tolist()].select(by).rows()
        for key, row, (users, sessions) in zip(names, sums, counts.tolist(), strict=True):
            named = dict(zip(_SUMS, row.tolist(), strict=True))
            yield key, Moments.of_sums(users, named, sessions=sessions)


def _label(column: str | None) -> pl.Expr:
    if column is None:
        return pl.lit(ALL).alias("_group")
    return pl.col(column).cast(pl.String).fill_null(MISSING).alias("_group")
