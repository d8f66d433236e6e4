"""What is known of each pair when it is asked whether to look again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from annotation.adjudicate import Adjudication
from annotation.graders.coded import Floats, Panel, code
from annotation.graders.consensus import positions
from relevance.grades import GradeScale

QUEUE_COLUMNS = (
    "query_id",
    "pin_id",
    "inclusion_probability",
    "stratum",
    "draw",
    "overlap",
    "reason",
    "entropy",
    "range",
    "worth",
    "seconds",
)
"""Columns of a queue: those of `samples`, then why and how much."""

USUAL_SECONDS = 15.0
"""Taken for a judgment where no times are known."""

_KEY = ["query_id", "pin_id"]


@dataclass(frozen=True, slots=True)
class Doubts:
    """The judged pairs, with what speaks for another look.

    Attributes:
        panel: The judgments as codes.
        frame: query_id, pin_id, n_votes, n_abstained, lowest, highest, range (in grades), entropy
            (bits), seconds (expected time of one more judgment), settled (ruled on, or gold), in
            key order.
        posterior: (U, K) of each pair.
        levels: (K,) the grades.
    """

    panel: Panel
    frame: pl.DataFrame
    posterior: Floats
    levels: Floats


def doubts(
    judgments: pl.DataFrame,
    made: Adjudication,
    scale: GradeScale,
    *,
    gold: pl.DataFrame | None = None,
    rulings: pl.DataFrame | None = None,
) -> Doubts:
    """What is known of the judged pairs.

    Args:
        judgments: Table `judgments`.
        made: What an adjudicator made of it.
        scale: Scale of the grades.
        gold: Pairs whose grade is known: settled.
        rulings: Pairs that a senior ruled on: settled.

    Raises:
        InputError: No judgment has a grade, or one is off the scale.
    """
    panel = code(judgments, scale)
    posterior = _posteriors(panel, made)
    spread = panel.table.group_by("pair", maintain_order=True).agg(
        pl.col("grade").count().alias("n_votes"),
        pl.col("grade").null_count().alias("n_abstained"),
        pl.col("grade").min().alias("lowest"),
        pl.col("grade").max().alias("highest"),
    )
    pairs = panel.pairs.with_row_index("pair").with_columns(pl.col("pair").cast(pl.Int64))
    frame = (
        pairs.join(spread, on="pair", maintain_order="left")
        .join(_settled(gold, rulings), on=_KEY, how="left", maintain_order="left")
        .select(
            *_KEY,
            "n_votes",
            "n_abstained",
            "lowest",
            "highest",
            (pl.col("highest") - pl.col("lowest")).fill_null(0).alias("range"),
            pl.Series("entropy", _bits(posterior)),
            _seconds(panel),
            pl.col("settled").fill_null(value=False),
        )
    )
    return Doubts(panel, frame, posterior, panel.levels)


def _settled(gold: pl.DataFrame | None, rulings: pl.DataFrame | None) -> pl.DataFrame:
    """The pairs whose grade is known or ruled; a ruling that abstains settles nothing."""
    tables = [table for table in (gold, rulings) if table is not None]
    none = pl.DataFrame(schema=dict.fromkeys(_KEY, pl.String))
    known = [table.filter(pl.col("grade").is_not_null()).select(_KEY) for table in tables]
    return pl.concat([none, *known]).unique().with_columns(settled=True)


def _posteriors(panel: Panel, made: Adjudication) -> Floats:
    """(U, K) posterior of each pair; the mean of all for a pair that everybody abstained on."""
    at = positions(made.pairs.select(_KEY), panel.pairs)
    found = made.posterior[at]
    found[at < 0] = made.posterior.mean(axis=0)
    return np.asarray(found, dtype=np.float64)


def _bits(posterior: Floats) -> Floats:
    """(U,) entropies in bits."""
    logs = np.log2(np.where(posterior > 0, posterior, 1.0))
    return np.asarray(-(posterior * logs).sum(axis=1), dtype=np.float64)


def within_budget(frame: pl.DataFrame, minutes: float | None) -> pl.DataFrame:
    """The first rows whose seconds add up to at most the minutes; all without a budget."""
    if minutes is None:
        return frame
    return frame.filter(pl.col("seconds").cum_sum() <= minutes * 60)


def with_samples(frame: pl.DataFrame, samples: pl.DataFrame | None) -> pl.DataFrame:
    """The rows with inclusion_probability, stratum and draw of their sample.

    A pair's largest inclusion probability counts, and the draw that comes with it; repeats are not
    looked at. A pair that was not sampled gets probability 1, stratum "all" and draw "pool".
    """
    if samples is None or samples.is_empty():
        return frame.with_columns(
            pl.lit(1.0).alias("inclusion_probability"),
            pl.lit("all").alias("stratum"),
            pl.lit("pool").alias("draw"),
        )
    known = (
        samples.filter(pl.col("draw") != "repeat")
        .sort([*_KEY, "inclusion_probability", "draw"], descending=[False, False, True, False])
        .unique(_KEY, keep="first", maintain_order=True)
        .select(*_KEY, "inclusion_probability", "stratum", "draw")
    )
    return frame.join(known, on=_KEY, how="left", maintain_order="left").with_columns(
        pl.col("inclusion_probability").fill_null(1.0),
        pl.col("stratum").fill_null("all"),
        pl.col("draw").fill_null("pool"),
    )


def _seconds(panel: Panel) -> pl.Series:
    """Expected time of one more judgment of each pair: the median of those it took so far."""
    taken = panel.column("seconds")
    if taken is None:
        return pl.Series("seconds", np.full(panel.n_pairs, USUAL_SECONDS))
    overall = taken.median()
    usual = float(overall) if isinstance(overall, int | float) else USUAL_SECONDS
    of_pair = (
        pl.DataFrame({"pair": panel.judged, "seconds": taken})
        .group_by("pair")
        .agg(pl.col("seconds").median())
        .sort("pair")
    )
    return of_pair["seconds"].fill_null(usual).clip(lower_bound=1.0)
