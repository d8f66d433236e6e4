"""Engagement logs of the production ranking, with position bias.

A Pin is shown if the searcher scrolls that far, looked at with a probability that falls with its
position, and clicked if looked at and attractive; attractiveness grows with the true grade, but
differs from Pin to Pin. So a bad Pin at the top gathers more clicks than a good one below.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.world.config import WorldConfig, stream

ATTRACTION = (0.05, 0.065, 0.08, 0.10, 0.12)
"""P(click | looked at) of the grades 1-5."""

LONG = (0.24, 0.28, 0.33, 0.39, 0.44)
"""P(long click | click)."""

SAVED = (0.08, 0.10, 0.12, 0.15, 0.18)
"""P(save | click)."""

_SCROLL = 0.95
_TASTE = 1.0


def examined(rank: NDArray[np.int64]) -> NDArray[np.float64]:
    """P(looked at | shown) at each rank (1 = first)."""
    return np.asarray(1.0 / rank**0.6)


def make_pairs(
    config: WorldConfig,
    pools: pl.DataFrame,
    queries: pl.DataFrame,
    production: pl.DataFrame,
) -> pl.DataFrame:
    """The table `pairs` with position, impressions, clicks, long_clicks and saves."""
    frame = pools.join(queries.select("query_id", "traffic"), on="query_id", how="left").join(
        production.select("query_id", "pin_id", "rank"), on=["query_id", "pin_id"], how="left"
    )
    rng = stream(config.seed, "logs")
    level = frame["grade"].to_numpy() - 1
    rank = frame["rank"].to_numpy()
    taste = rng.lognormal(-(_TASTE**2) / 2, _TASTE, frame.height)
    click = np.clip(np.array(ATTRACTION)[level] * taste, 0, 0.9) * examined(rank)
    # A log keeps a sample of one in a hundred searches.
    searches = np.rint(frame["traffic"].to_numpy() / 100).astype(np.int64)
    impressions = rng.binomial(searches, _SCROLL ** (rank - 1))
    clicks = rng.binomial(impressions, click)
    counts = {
        "position": rank,
        "impressions": impressions,
        "clicks": clicks,
        "long_clicks": rng.binomial(clicks, np.array(LONG)[level]),
        "saves": rng.binomial(clicks, np.array(SAVED)[level]),
    }
    columns = [pl.Series(name, values).cast(pl.Int64) for name, values in counts.items()]
    return frame.select("query_id", "pin_id").with_columns(columns)
