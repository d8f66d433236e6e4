"""From predictions to a ranking by relevance."""

from __future__ import annotations

import polars as pl

from relevance.errors import InputError

PROBABILITIES = tuple(f"p{grade}" for grade in range(1, 6))


def expected_grade() -> pl.Expr:
    """Σ k·p_k over p1…p5, in [1, 5]."""
    return pl.sum_horizontal(k * pl.col(name) for k, name in enumerate(PROBABILITIES, start=1))


def runs_from(predictions: pl.DataFrame, system: str) -> pl.DataFrame:
    """The `runs` table of a system that orders Pins by expected grade.

    Args:
        predictions: query_id, pin_id, p1…p5, of one model.
        system: Name of the system.

    Returns:
        system, query_id, pin_id, rank, score.

    Raises:
        InputError: p1…p5 are not all there.
    """
    missing = [name for name in PROBABILITIES if name not in predictions.columns]
    if missing:
        raise InputError(f"predictions without {', '.join(missing)}: they need p1…p5 to be ranked")
    return ranked(predictions.with_columns(score=expected_grade()), system)


def ranked(scores: pl.DataFrame, system: str) -> pl.DataFrame:
    """A `runs` table from query_id, pin_id, score.

    Ranks follow the house order: score descending as a 32-bit float, then pin_id descending.
    """
    order = ["query_id", pl.col("score").cast(pl.Float32), "pin_id"]
    return scores.sort(order, descending=[False, True, True]).select(
        pl.lit(system).alias("system"),
        "query_id",
        "pin_id",
        (pl.int_range(pl.len(), dtype=pl.Int64).over("query_id") + 1).alias("rank"),
        pl.col("score").cast(pl.Float64),
    )
