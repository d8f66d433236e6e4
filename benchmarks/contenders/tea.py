"""tea-tasting: fulfillment by country with CUPED, a user table first, on Ibis/DuckDB or on Polars.

The peer compares users; the step from sessions to users is its caller's, and is done here once,
without the checks that gradewise makes (contaminated users, exposures, windows).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

IMPORTS = {
    "ibis": ("tea_tasting", "ibis", "duckdb", "ibis.backends.duckdb"),
    "polars": ("tea_tasting", "polars"),
}


def work(function: str, files: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """Differences by country with their intervals; `function` names the data frames."""
    users, countries, chosen = _ibis(files) if function == "ibis" else _polars(files)
    figures: dict[str, float] = {}
    for country in countries:
        result = _experiment().analyze(chosen(users, country))["fulfilled"]
        figures[f"fulfilled {country} difference"] = result.effect_size
    print(figures)
    return figures, {}


def _experiment() -> Any:
    import tea_tasting as tt

    metric = tt.RatioOfMeans("x", "y", "x0", "y0")
    return tt.Experiment(fulfilled=metric, variant="treated")


def _ibis(files: Mapping[str, Path]) -> tuple[Any, list[str], Any]:
    import ibis

    table = ibis.duckdb.connect().read_parquet(str(files["sessions"]))
    inside = table.variant.notnull()
    users = (
        table.group_by("unit_id")
        .agg(
            treated=(table.variant == "treatment").cast("int8").max(),
            country=table.country.arbitrary(),
            x=(table.fulfilled & inside).cast("int64").sum(),
            y=inside.cast("int64").sum(),
            x0=(table.fulfilled & ~inside).cast("int64").sum(),
            y0=(~inside).cast("int64").sum(),
        )
        .filter(lambda users: users.y > 0)
        .cache()
    )
    countries = sorted(users.select("country").distinct().to_polars()["country"])
    return users, countries, lambda users, country: users.filter(users.country == country)


def _polars(files: Mapping[str, Path]) -> tuple[Any, list[str], Any]:
    import polars as pl

    inside = pl.col("variant").is_not_null()
    users = (
        pl.scan_parquet(files["sessions"])
        .group_by("unit_id")
        .agg(
            treated=(pl.col("variant") == "treatment").max().cast(pl.Int8),
            country=pl.col("country").first().cast(pl.String),
            x=(pl.col("fulfilled") & inside).sum().cast(pl.Int64),
            y=inside.sum().cast(pl.Int64),
            x0=(pl.col("fulfilled") & ~inside).sum().cast(pl.Int64),
            y0=(~inside).sum().cast(pl.Int64),
        )
        .filter(pl.col("y") > 0)
        .collect(engine="streaming")
    )
    countries = sorted(users["country"].unique())
    return users, countries, lambda users, country: users.filter(pl.col("country") == country)
