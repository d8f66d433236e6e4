"""What a teacher's grade probabilities say of pairs: how unsure it is, and what to expect."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.sampling.pooling import PAIR
from relevance.errors import InputError, did_you_mean
from relevance.grades import FIVE, GradeScale

Floats = NDArray[np.float64]
PROBABILITIES = ("p1", "p2", "p3", "p4", "p5")
FLOOR = 0.1
"""Least size of a pair, as a share of the mean size: no weight is beyond control."""


def entropy(p: Floats, _scale: GradeScale = FIVE) -> Floats:
    """(N,) Shannon entropy of (N, K) probabilities, in nats: 0 … log K."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p == 0, 0.0, -p * np.log(p))
    return np.asarray(terms.sum(axis=1))


def loss(p: Floats, _scale: GradeScale = FIVE) -> Floats:
    """(N,) probability that the most probable grade is wrong: 0 … 1 - 1/K."""
    return np.asarray(1.0 - p.max(axis=1))


def spread(p: Floats, scale: GradeScale = FIVE) -> Floats:
    """(N,) standard deviation of the grade."""
    levels = np.array(scale.levels, dtype=np.float64)
    mean = p @ levels
    return np.asarray(np.sqrt(np.maximum(p @ levels**2 - mean**2, 0.0)))


def accuracy(p: Floats, _scale: GradeScale = FIVE) -> Floats:
    """(N,) standard deviation of being right: what is best for estimates of the accuracy."""
    right = p.max(axis=1)
    return np.asarray(np.sqrt(np.maximum(right * (1 - right), 0.0)))


def relevance(p: Floats, scale: GradeScale = FIVE) -> Floats:
    """(N,) root of P(relevant): what is best for weighted estimates of P@k."""
    return np.asarray(np.sqrt(p @ relevant_of(scale)))


def gain(p: Floats, scale: GradeScale = FIVE) -> Floats:
    """(N,) root of the expected squared gain: what is best for weighted estimates of DCG@k."""
    levels = np.array(scale.levels, dtype=np.float64)
    return np.asarray(np.sqrt(p @ scale.gains(levels) ** 2))


SIZES: Mapping[str, Callable[[Floats, GradeScale], Floats]] = {
    "entropy": entropy,
    "loss": loss,
    "spread": spread,
    "accuracy": accuracy,
    "relevance": relevance,
    "gain": gain,
}
"""Sizes that pairs can be drawn in proportion to, from the teacher's p1…p5."""


def relevant_of(scale: GradeScale = FIVE) -> Floats:
    """(K,) 1 for every level that counts as relevant, else 0."""
    return (np.array(scale.levels) >= scale.relevant_from).astype(np.float64)


def rank_weights(ranks: Floats, kind: str) -> Floats:
    """(N,) how much a pair at its rank moves a figure; NaN (not in a list) and beyond: 0.

    Args:
        ranks: (N,) from 1.
        kind: `none` (all 1), `dcg` (1 / log2(1 + rank)) or `dcg@K` and `p@K` (nothing beyond K).

    Raises:
        InputError: Another kind.
    """
    name, _, cutoff = kind.lower().partition("@")
    if name not in ("none", "dcg", "p") or (cutoff and not cutoff.isdigit()) or kind == "p":
        raise InputError(f"rank weight {kind!r} is unknown. Use none, dcg, dcg@20 or p@8")
    if name == "none":
        return np.ones(len(ranks))
    inside = np.isfinite(ranks) & (ranks <= (float(cutoff) if cutoff else np.inf))
    safe = np.where(inside, ranks, 1.0)
    return np.where(inside, 1.0 / np.log2(1.0 + safe) if name == "dcg" else 1.0, 0.0)


def sizes_of(
    pairs: pl.DataFrame,
    by: str,
    *,
    predictions: pl.DataFrame | None = None,
    rank_weight: str = "none",
    floor: float = FLOOR,
    scale: GradeScale = FIVE,
) -> Floats:
    """(N,) sizes of the pairs, all above 0: what they are drawn in proportion to.

    A pair without prediction has its group's mean size. Every size is raised to `floor` of that, so
    that a pair the teacher is wrongly sure of still can be drawn and no weight gets beyond control.

    Args:
        pairs: query_id, pin_id, `rank` if weighted by rank, the column `by` if it is one, and
            `group` where means are those of groups (countries).
        by: A key of `SIZES`, or a column of numbers, such as `weight` of unjudged pairs.
        predictions: The teacher's p1…p5, needed for `SIZES`.
        rank_weight: As for `rank_weights`.
        floor: Least size as a share of the mean; above 0.
        scale: Scale of the grades.

    Raises:
        InputError: An unknown size, no predictions for it, or no ranks to weight by.
    """
    raw = _raw_sizes(pairs, by, predictions, scale)
    codes = _codes(pairs)
    known = np.isfinite(raw)
    raw = np.where(known, raw, _means(np.where(known, raw, 0.0), known, codes))
    if rank_weight != "none":
        if "rank" not in pairs.columns:
            raise InputError("a rank weight needs runs to take the ranks from: --run")
        ranks = pairs["rank"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        raw = raw * rank_weights(ranks, rank_weight)
    mean = _means(raw, np.ones(len(raw), dtype=bool), codes)
    return np.where(mean > 0, np.maximum(raw, floor * mean), 1.0)


def _raw_sizes(
    pairs: pl.DataFrame, by: str, predictions: pl.DataFrame | None, scale: GradeScale
) -> Floats:
    """(N,) sizes as they are; NaN where nothing is known."""
    if by in pairs.columns:
        raw: Floats = pairs[by].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        if (raw < 0).any():
            raise InputError(
                f"column {by!r} has sizes below 0. Pairs are drawn in proportion to it"
            )
        return raw
    if by not in SIZES:
        raise InputError(
            f"size {by!r} is unknown.{did_you_mean(by, SIZES)} Use {', '.join(SIZES)}, or a column "
            "of the candidates"
        )
    if predictions is None:
        raise InputError(f"size {by!r} is made of a teacher's grades: --predictions FILE")
    return SIZES[by](aligned(pairs, predictions), scale)


def _codes(pairs: pl.DataFrame) -> NDArray[np.int64]:
    """(N,) code of the group whose mean counts: what other groups hold must not matter."""
    if "group" not in pairs.columns:
        return np.zeros(pairs.height, dtype=np.int64)
    return pairs["group"].rank("dense").cast(pl.Int64).to_numpy() - 1


def _means(values: Floats, counted: NDArray[np.bool_], codes: NDArray[np.int64]) -> Floats:
    """(N,) mean of each value's group over what is counted; 1 where that is nothing."""
    sums = np.bincount(codes, weights=values * counted)
    counts = np.bincount(codes, weights=counted)
    return np.divide(sums, counts, out=np.ones_like(sums), where=counts > 0)[codes]


def aligned(pairs: pl.DataFrame, predictions: pl.DataFrame) -> Floats:
    """(N, 5) probabilities in the pairs' order, each row summing to 1; NaN without a prediction.

    Raises:
        InputError: No p1…p5, several models, or a pair that is predicted twice.
    """
    missing = [name for name in PROBABILITIES if name not in predictions.columns]
    if missing:
        raise InputError(f"the predictions have no column {missing[0]!r}. They need p1 … p5")
    if predictions.select(PAIR).is_duplicated().any():
        raise InputError(
            "the predictions have a pair twice, such as those of several models. Keep one model's"
        )
    rows = pairs.select(PAIR).join(
        predictions.select(*PAIR, *PROBABILITIES), on=PAIR, how="left", maintain_order="left"
    )
    p = rows.select(pl.col(PROBABILITIES).cast(pl.Float64)).fill_null(float("nan")).to_numpy()
    total = p.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(p, total, out=np.full_like(p, np.nan), where=total > 0))
