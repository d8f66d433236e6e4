"""Two ranking systems over the same pools: production, and a candidate that is truly better.

A system sees the true grade through noise, and is drawn to popular Pins. Much of the noise is
common to both systems. The candidate's noise is smaller, but not equally so in every country.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.world.config import WorldConfig, stream

PRODUCTION_NOISE = 1.5
CANDIDATE_NOISE: Mapping[str, float] = MappingProxyType(
    {"US": 1.15, "FR": 1.2, "MX": 1.1, "JP": 1.44}
)
"""Standard deviation of each system's noise, in grades."""

_COMMON = 0.88
_POPULARITY = 0.4


def make_runs(
    config: WorldConfig, pools: pl.DataFrame, queries: pl.DataFrame, pin_attributes: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The tables `runs` of production and candidate."""
    frame = pools.join(queries.select("query_id", "country"), on="query_id", how="left").join(
        pin_attributes.select("pin_id", "popularity"), on="pin_id", how="left"
    )
    rng = stream(config.seed, "ranking")
    common, own, others = rng.standard_normal((3, frame.height))
    popular = _POPULARITY * frame["popularity"].to_numpy()
    grade = frame["grade"].to_numpy()
    noise = frame["country"].replace_strict(CANDIDATE_NOISE, return_dtype=pl.Float64).to_numpy()
    rest = np.sqrt(1 - _COMMON**2)
    production = grade + PRODUCTION_NOISE * (_COMMON * common + rest * own) + popular
    candidate = grade + noise * (_COMMON * common + rest * others) + popular
    return _run("production", frame, production), _run("candidate", frame, candidate)


def _run(system: str, frame: pl.DataFrame, score: NDArray[np.float64]) -> pl.DataFrame:
    scored = frame.select(
        pl.lit(system).alias("system"),
        "query_id",
        "pin_id",
        pl.Series("score", score).cast(pl.Float32).cast(pl.Float64).alias("score"),
    )
    rank = pl.col("score").rank("ordinal", descending=True).over("query_id").cast(pl.Int64)
    return scored.select("system", "query_id", "pin_id", rank.alias("rank"), "score").sort(
        "query_id", "rank"
    )
