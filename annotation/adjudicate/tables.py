"""From a table of judgments to a table of qrels, and what was found on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from annotation.adjudicate.methods import ADJUDICATORS, settle
from annotation.adjudicate.votes import (
    UNKNOWN,
    Bools,
    Floats,
    Ints,
    check_on_scale,
    in_time,
    read_votes,
)
from relevance.errors import InputError, did_you_mean
from relevance.grades import FIVE, GradeScale
from relevance.progress import Progress, silent

RULED = 0.95
"""Probability that a ruling is right; the rest stays as the crowd's posterior has it."""

_KEY = ["query_id", "pin_id"]
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Adjudication:
    """What a method made of judgments.

    Attributes:
        pairs: query_id, pin_id, n_judgments, in key order; pairs nobody graded are not among them.
        posterior: P(grade) of each pair over `levels`; shape (n_items, K), rows summing to 1.
        levels: The scale's grades, ascending; length K.
        method: The method, `auto(…)` around the one that auto chose.
        confusions: Annotator → P(vote | true grade), shape (K, K) with truth in rows; None if there
            are no judgments.
        scores: Candidate → mean log likelihood of held-out votes in nats; empty where candidates
            were not compared.
        is_gold: Whether the pair's grade was known beforehand; shape (n_items,).
        n_repeated: Judgments that a later one of the same annotator on the same pair replaced.
        n_abstained: Pairs left out because everybody abstained.
        caution: Correlation of errors reckoned with beyond what held-out votes show; None for
            methods that know none.
    """

    pairs: pl.DataFrame
    posterior: Floats
    levels: tuple[int, ...]
    method: str
    confusions: Mapping[str, Floats] | None
    scores: Mapping[str, float] = field(default_factory=dict)
    is_gold: Bools = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    n_repeated: int = 0
    n_abstained: int = 0
    caution: float | None = None

    @property
    def grades(self) -> Ints:
        """The most probable grade of each pair, the lower of equally probable; shape (n_items,)."""
        if not self.levels:
            return np.zeros(0, dtype=np.int64)
        # Equal up to rounding is equal: the lower grade wins, whatever the order of additions.
        best = np.argmax(np.round(self.posterior, 9), axis=1)
        levels = np.asarray(self.levels, dtype=np.int64)
        return np.asarray(levels[best])

    @property
    def entropy(self) -> Floats:
        """Entropy of each pair's posterior in nats, 0…ln K; shape (n_items,)."""
        p = self.posterior
        return np.asarray(-(p * np.log(np.maximum(p, _TINY))).sum(axis=1))

    def qrels(self) -> pl.DataFrame:
        """query_id, pin_id, grade, p1…pK, n_judgments, method; gold pairs have method `gold`."""
        gold = self.is_gold if self.is_gold.size else np.zeros(self.pairs.height, dtype=np.bool_)
        method = pl.when(pl.Series(gold)).then(pl.lit("gold")).otherwise(pl.lit(self.method))
        return self.pairs.select(
            *_KEY,
            pl.Series("grade", self.grades),
            *(pl.Series(f"p{k + 1}", self.posterior[:, k]) for k in range(len(self.levels))),
            "n_judgments",
            method.alias("method"),
        )


def adjudicate(
    judgments: pl.DataFrame,
    method: str = "auto",
    scale: GradeScale = FIVE,
    *,
    gold: pl.DataFrame | None = None,
    rulings: pl.DataFrame | None = None,
    progress: Progress = silent,
) -> pl.DataFrame:
    """Table `qrels` of a table `judgments`.

    Args:
        judgments: query_id, pin_id, annotator, grade (null: abstained), created_at (optional). Of
            several judgments of an annotator on a pair the latest counts, else the last row.
        method: A key of `ADJUDICATORS`, or `auto`.
        scale: The scale of the grades; one without levels takes those that occur.
        gold: query_id, pin_id, grade: grades known beforehand. They stand, and teach the models
            what the annotators are like.
        rulings: Judgments of seniors, which override, the latest of a pair: the row's method is
            `ruling(ANNOTATOR)`, and its posterior `RULED` on the ruling, the rest as it was.
        progress: Told while models are compared and fitted.

    Returns:
        query_id, pin_id, grade, p1…pK (posterior over the scale's levels, ascending), n_judgments,
        method, in key order. A pair on which everybody abstained is left out, unless ruled.

    Raises:
        InputError: The method is unknown, or a grade is not on the scale.
    """
    found = adjudicated(judgments, method, scale, gold=gold, progress=progress)
    qrels = found.qrels()
    return qrels if rulings is None else overrule(qrels, rulings, scale, found.levels)


def adjudicated(
    judgments: pl.DataFrame,
    method: str = "auto",
    scale: GradeScale = FIVE,
    *,
    gold: pl.DataFrame | None = None,
    progress: Progress = silent,
) -> Adjudication:
    """The same with all that was found on the way; arguments as `adjudicate`.

    Raises:
        InputError: The method is unknown, or a grade is not on the scale.
    """
    check_method(method)
    given = read_votes(judgments, scale, gold)
    votes = given.votes
    made = settle(votes, method, progress)
    is_gold = votes.known != UNKNOWN
    posterior = made.posterior.copy()
    posterior[is_gold] = np.eye(votes.n_levels)[votes.known[is_gold]]
    return Adjudication(
        pairs=given.pairs,
        posterior=posterior,
        levels=given.levels,
        method=made.name if method == made.name else f"auto({made.name})",
        confusions=dict(zip(given.annotators, made.confusions, strict=True)) or None,
        scores=made.scores,
        is_gold=is_gold,
        n_repeated=given.n_repeated,
        n_abstained=given.n_abstained,
        caution=made.caution,
    )


def check_method(method: str) -> None:
    """Nothing, if there is such a method.

    Raises:
        InputError: There is none.
    """
    known = ["auto", *ADJUDICATORS]
    if method not in known:
        raise InputError(
            f"method {method!r} is unknown.{did_you_mean(method, known)} Use {', '.join(known)}"
        )


def overrule(
    qrels: pl.DataFrame, rulings: pl.DataFrame, scale: GradeScale, levels: tuple[int, ...]
) -> pl.DataFrame:
    """`qrels` with rulings in place of what they overrule; see `adjudicate`.

    Raises:
        InputError: A ruling is not on the scale.
    """
    latest = in_time(rulings).unique(_KEY, keep="last", maintain_order=True)
    given = latest.filter(pl.col("grade").is_not_null())
    check_on_scale(given, levels, scale, "rulings")
    last = given.select(*_KEY, ruled=pl.col("grade").cast(pl.Int64), by="annotator")
    ruled = pl.col("ruled").is_not_null()
    crowd = [pl.col(f"p{k + 1}").fill_null(1 / len(levels)) for k in range(len(levels))]
    softened = [
        pl.when(ruled)
        .then(p * (1 - RULED) + (pl.col("ruled") == level).cast(pl.Float64) * RULED)
        .otherwise(p)
        .alias(f"p{k + 1}")
        for k, (p, level) in enumerate(zip(crowd, levels, strict=True))
    ]
    return (
        qrels.join(last, on=_KEY, how="full", coalesce=True)
        .with_columns(
            *softened,
            pl.coalesce("ruled", "grade").alias("grade"),
            pl.col("n_judgments").fill_null(0),
            pl.when(ruled).then(pl.format("ruling({})", "by")).otherwise("method").alias("method"),
        )
        .drop("ruled", "by")
        .sort(_KEY)
    )
