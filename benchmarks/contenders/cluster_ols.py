"""statsmodels: a regression of sessions on the treatment, errors clustered by user.

By country and for all; without CUPED, for which it has no ready way.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

IMPORTS = {"sessions": ("polars", "numpy", "statsmodels.api")}


def work(_function: str, files: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """The difference of all sessions, and those by country."""
    import numpy as np
    import polars as pl
    import statsmodels.api as sm

    wanted = ["unit_id", "variant", "country", "fulfilled"]
    frame = (
        pl.scan_parquet(files["sessions"])
        .select(wanted)
        .filter(pl.col("variant").is_not_null())
        .with_columns(
            fulfilled=pl.col("fulfilled").cast(pl.Float64),
            treated=(pl.col("variant") == "treatment").cast(pl.Float64),
            country=pl.col("country").cast(pl.String),
        )
        .collect()
    )
    figures: dict[str, float] = {}
    for country, part in [("all", frame), *((k[0], v) for k, v in frame.group_by("country"))]:
        treated = part["treated"].to_numpy()
        design = np.column_stack([np.ones(len(treated)), treated])
        model = sm.OLS(part["fulfilled"].to_numpy(), design)
        fit = model.fit(cov_type="cluster", cov_kwds={"groups": part["unit_id"].to_numpy()})
        figures[f"fulfilled(unadjusted) {country} difference"] = float(fit.params[1])
    print(figures)
    return figures, {}
