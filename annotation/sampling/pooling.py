"""Candidate pairs: the first Pins of several systems, of a log, or the holes of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from relevance.errors import InputError

PAIR = ["query_id", "pin_id"]
RANK_OF = "rank of "
"""Columns of a pool that hold a system's own ranks start so."""


def pool(runs: Sequence[pl.DataFrame], depth: int) -> pl.DataFrame:
    """The depth-k pool: every pair among the first `depth` of any system, each once.

    Args:
        runs: Tables `runs`; the score decides, then the Pin id descending; rank only without score.
        depth: Pins of each query and system.

    Returns:
        query_id, pin_id, in key order.
    """
    return pl.concat(top.select(PAIR) for top in _tops(runs, depth)).unique().sort(PAIR)


def ranked_pool(runs: Sequence[pl.DataFrame], depth: int) -> pl.DataFrame:
    """The depth-k pool with the ranks that its pairs have; shared pairs stand there once.

    Args:
        runs: As for `pool`.
        depth: As for `pool`.

    Returns:
        query_id, pin_id in key order, `rank` (the best of any system, 1 = first), `n_systems`, and
        for each system `rank of NAME` (null = not among its first `depth`).
    """
    long = pl.concat(_tops(runs, depth))
    names = long["system"].unique().sort().to_list()
    own = [
        pl.col("rank").filter(pl.col("system") == name).min().alias(RANK_OF + name)
        for name in names
    ]
    return (
        long.group_by(PAIR)
        .agg(pl.col("rank").min(), pl.col("system").n_unique().alias("n_systems"), *own)
        .sort(PAIR)
    )


def run_of_log(log: pl.DataFrame, name: str = "log") -> pl.DataFrame:
    """The run that a production log shows: what was shown, in the order of its position.

    Args:
        log: Pairs with `position` (1 = first; fractions are fine) and, optionally, `impressions`:
            pairs never shown are left out.
        name: Of the system.

    Raises:
        InputError: The log has no positions.
    """
    if "position" not in log.columns:
        raise InputError(
            "a log needs the column 'position' (1 = shown first) to be pooled. Leave out --log to "
            "take all pairs as they are"
        )
    shown = pl.col("position").is_not_null()
    if "impressions" in log.columns:
        shown = shown & (pl.col("impressions") > 0)
    return log.filter(shown).select(
        *PAIR, pl.lit(name).alias("system"), (-pl.col("position").cast(pl.Float64)).alias("score")
    )


def _tops(runs: Sequence[pl.DataFrame], depth: int) -> list[pl.DataFrame]:
    """For each run the first pairs of each of its systems with their ranks."""
    if depth < 1:
        raise InputError(f"the depth of a pool must be at least 1, got {depth}")
    return [_top(run, depth, f"run{index + 1}") for index, run in enumerate(runs)]


def _top(run: pl.DataFrame, depth: int, name: str) -> pl.DataFrame:
    nothing = pl.lit(None, dtype=pl.Float32)
    score = pl.col("score").cast(pl.Float32) if "score" in run.columns else nothing
    rank = pl.col("rank").cast(pl.Float32) if "rank" in run.columns else nothing
    system = pl.col("system").fill_null(name) if "system" in run.columns else pl.lit(name)
    return (
        run.select(*PAIR, system.alias("system"), pl.coalesce(score, -rank).alias("score"))
        .sort("score", "pin_id", descending=True, nulls_last=True)
        .group_by("system", "query_id", maintain_order=True)
        .head(depth)
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("system", "query_id"))
        .select(*PAIR, "system", "rank")
    )
