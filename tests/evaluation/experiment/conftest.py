"""Moments made from a frame of users, without the log that they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl
import pytest

from evaluation.moments import PRODUCTS, VARIABLES
from evaluation.outcomes import parse_outcome
from evaluation.sessions import SessionMoments

COUNTS = ("with_pre_period", "several_groups", "no_variant", "outside", "rows")


def cells_of(users: pl.DataFrame, outcomes: int) -> pl.DataFrame:
    """Cells as `SessionMoments` documents them, from one row a user: variant, group_…, day,
    contaminated, sessions and o{i}_x, o{i}_y, o{i}_x0, o{i}_y0."""
    groups = [name for name in users.columns if name.startswith("group_")]
    sums: dict[str, pl.Expr] = {}
    for i in range(outcomes):
        column = {name: pl.col(f"o{i}_{name}").cast(pl.Float64) for name in VARIABLES}
        sums |= {f"o{i}_{name}": column[name].sum() for name in VARIABLES}
        sums |= {f"o{i}_{a}_{b}": (column[a] * column[b]).sum() for a, b in PRODUCTS}
        sums[f"o{i}_missing"] = pl.lit(0, pl.Int64)
        sums[f"o{i}_low"] = column["x"].min() * 0.0
        sums[f"o{i}_high"] = column["x"].max() * 0.0 + 1
    keys = ["variant", *groups, "day", "contaminated"]
    return (
        users.group_by(keys)
        .agg(
            users=pl.len().cast(pl.Int64),
            sessions=pl.col("sessions").sum().cast(pl.Int64),
            **{name: pl.lit(0, pl.Int64) for name in COUNTS},
            **sums,
        )
        .sort(keys)
    )


@pytest.fixture(scope="session")
def moments_of() -> Callable[..., SessionMoments]:
    """`moments_of(users, outcomes, by)` → SessionMoments; columns that are missing are filled."""

    def made(
        users: pl.DataFrame,
        outcomes: Sequence[str] = ("fulfilled",),
        by: Sequence[str] = (),
        *,
        looks: bool = False,
    ) -> SessionMoments:
        filled = {
            "day": pl.lit(date(2025, 3, 10)),
            "contaminated": pl.lit(False),
            "sessions": pl.lit(1),
        }
        for i in range(len(outcomes)):
            filled |= {f"o{i}_x0": pl.lit(0.0), f"o{i}_y0": pl.lit(0.0), f"o{i}_y": pl.lit(1.0)}
        absent = {name: value for name, value in filled.items() if name not in users.columns}
        users = users.with_columns(**absent)
        return SessionMoments(
            cells=cells_of(users, len(outcomes)),
            outcomes=tuple(parse_outcome(text) for text in outcomes),
            by=tuple(by),
            rows=int(users["sessions"].sum()),
            no_unit=0,
            duplicates=0,
            looks=looks,
        )

    return made
