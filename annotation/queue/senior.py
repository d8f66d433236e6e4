"""Pairs for a senior to rule on, blind: people are far apart, the posterior is in doubt."""

from __future__ import annotations

import math

import polars as pl

from annotation.queue.gain import best_loss, loss_matrix
from annotation.queue.pairs import QUEUE_COLUMNS, Doubts, with_samples, within_budget

RANGE = 2
"""Grades between the lowest and the highest vote from which a pair is disputed."""


def doubtful_from(n_levels: int) -> float:
    """Entropy, in bits, from which a posterior is in doubt: half of the most there can be.

    With five grades 1.16 bits: more than a coin toss between two of them.
    """
    return math.log2(max(n_levels, 2)) / 2


def senior_queue(
    found: Doubts,
    *,
    samples: pl.DataFrame | None = None,
    minutes: float | None = None,
    apart: int = RANGE,
    entropy: float | None = None,
    loss: str = "absolute",
) -> pl.DataFrame:
    """The pairs that a senior should rule on, those worth most first.

    Args:
        found: What is known of the pairs; settled ones are left out.
        samples: Table `samples`, whose probabilities and draws go along.
        minutes: Budget of the senior's time; None for all.
        apart: Range of the grades that makes a pair disputed.
        entropy: Entropy in bits that makes it doubtful; None for `doubtful_from`.
        loss: What a wrong grade costs, a key of `queue.gain.LOSSES`.

    Returns:
        `QUEUE_COLUMNS`. `worth` is the expected loss of the present grade, which a right ruling
        takes away (in grades for the absolute loss); overlap is 1.
    """
    bar = doubtful_from(len(found.levels)) if entropy is None else entropy
    worth = best_loss(found.posterior, loss_matrix(found.levels, loss))
    graded = pl.col("n_votes") > 0
    disputed, doubtful = pl.col("range") >= apart, graded & (pl.col("entropy") >= bar)
    refused = ~graded & (pl.col("n_abstained") >= 2)
    rows = (
        found.frame.with_columns(pl.Series("worth", worth))
        .filter(~pl.col("settled") & (disputed | doubtful | refused))
        .with_columns(
            pl.concat_str(
                pl.when(disputed).then(pl.format("range {}", "range")),
                pl.when(doubtful).then(pl.format("entropy {} bits", pl.col("entropy").round(1))),
                pl.when(refused).then(pl.lit("nobody could judge")),
                separator=" · ",
                ignore_nulls=True,
            ).alias("reason"),
            pl.lit(1, pl.Int64).alias("overlap"),
        )
        .sort(
            [-pl.col("worth").round(9), -pl.col("range"), "query_id", "pin_id"],
        )
    )
    return with_samples(within_budget(rows, minutes), samples).select(QUEUE_COLUMNS)
