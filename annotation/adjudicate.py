"""Judgments → qrels: one grade a pair with a posterior over the grades.

A method is a function from votes to posteriors and a line in `ADJUDICATORS`. Abstentions are no
votes. Whatever the method, the grade is the most probable one, the lower of two equally probable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.errors import InputError, did_you_mean
from relevance.grades import FIVE, GradeScale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MAX_ROUNDS = 100
_TOLERANCE = 1e-6
_REACH = 0.75
_SHRINKAGE = 20.0
_ENOUGH_VOTES = 100
_EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Votes:
    """Judgments as numbers, sorted by item.

    Attributes:
        item: Pair of each vote, 0…n_items-1, ascending; shape (n,).
        annotator: Annotator of each vote, 0…n_annotators-1; shape (n,).
        level: Position of its grade on the scale, 0…n_levels-1; shape (n,).
        n_items: Pairs, each with at least one vote.
        n_annotators: Annotators.
        n_levels: Grades of the scale.
        ordered: Whether neighbouring grades are alike.
    """

    item: Ints
    annotator: Ints
    level: Ints
    n_items: int
    n_annotators: int
    n_levels: int
    ordered: bool = True


Adjudicator = Callable[[Votes], Floats]
"""Votes → posterior of shape (n_items, n_levels), rows summing to 1."""


def majority(votes: Votes) -> Floats:
    """Shares of the votes; so the grade is the most frequent, the lower on ties."""
    return _normal(_counts(votes))


def median(votes: Votes) -> Floats:
    """Half on the lower median, half the shares of the votes: the grade is the lower median."""
    counts = _counts(votes)
    half = (counts.sum(axis=1, keepdims=True) + 1) // 2
    middle = np.argmax(counts.cumsum(axis=1) >= half, axis=1)
    point: Floats = np.eye(votes.n_levels)[middle]
    return (point + majority(votes)) / 2


def smoothed(votes: Votes) -> Floats:
    """Bayes' rule with one assumed confusion: every annotator strays to neighbouring grades alike.

    For few votes: needs no knowledge of the annotators.
    """
    counts = _counts(votes)
    kernel = _kernel(votes)
    prior = _normal((counts @ kernel).sum(axis=0))
    logs = np.log(prior) + counts @ np.log(kernel).T
    likelihood: Floats = np.exp(logs - logs.max(axis=1, keepdims=True))
    return _normal(likelihood)


def dawid_skene(votes: Votes) -> Floats:
    """Dawid & Skene's EM, each annotator's confusion smoothed by one ordinal pseudo-vote a grade.

    References:
        Dawid and Skene (1979), Maximum likelihood estimation of observer error-rates using the EM
        algorithm.
    """
    prior = _kernel(votes)
    return _expectation_maximisation(votes, lambda counts: _normal(counts + prior))


def dawid_skene_shrunk(votes: Votes) -> Floats:
    """The same, each annotator's confusion shrunk to the pooled one, and that to an ordinal one.

    An annotator with few judgments is taken to err like the others; one with many speaks for
    themselves (`_SHRINKAGE` pooled votes a grade).
    """
    prior = _kernel(votes)

    def confusion(counts: Floats) -> Floats:
        pooled = _normal(counts.sum(axis=0) + prior * votes.n_levels)
        return _normal(counts + _SHRINKAGE * pooled)

    return _expectation_maximisation(votes, confusion)


ADJUDICATORS: Mapping[str, Adjudicator] = {
    "majority": majority,
    "median": median,
    "smoothed": smoothed,
    "dawid-skene": dawid_skene,
    "dawid-skene-shrunk": dawid_skene_shrunk,
}
"""Every method by name; `auto` chooses among them (`choose`)."""


def choose(votes: Votes) -> str:
    """The method that `auto` stands for: a model of the annotators where they can be told apart.

    That takes two votes an item on average, and annotators with a hundred votes in the median;
    below, blurred votes.
    """
    if votes.item.size == 0:
        return "smoothed"
    by_annotator = np.bincount(votes.annotator, minlength=votes.n_annotators)
    enough = float(np.median(by_annotator)) >= _ENOUGH_VOTES
    return "dawid-skene-shrunk" if enough and votes.item.size >= 2 * votes.n_items else "smoothed"


def adjudicate(
    judgments: pl.DataFrame, method: str = "auto", scale: GradeScale = FIVE
) -> pl.DataFrame:
    """Table `qrels` of a table `judgments`.

    Args:
        judgments: query_id, pin_id, annotator, grade (null: abstained). Of several judgments of an
            annotator on a pair the last row counts.
        method: A key of `ADJUDICATORS`, or `auto`.
        scale: The scale of the grades; one without levels takes those that occur.

    Returns:
        query_id, pin_id, grade, p1…pK (posterior over the scale's levels, ascending), n_judgments,
        method, in key order. A pair on which everybody abstained is left out.

    Raises:
        InputError: The method is unknown, or a grade is not on the scale.
    """
    if method != "auto" and method not in ADJUDICATORS:
        known = ["auto", *ADJUDICATORS]
        raise InputError(
            f"method {method!r} is unknown.{did_you_mean(method, known)} Use {', '.join(known)}"
        )
    given = judgments.filter(pl.col("grade").is_not_null()).unique(
        ["query_id", "pin_id", "annotator"], keep="last", maintain_order=True
    )
    given = given.sort("query_id", "pin_id", "annotator")
    levels = scale.levels or tuple(given["grade"].unique().sort().to_list())
    votes = _votes(given, levels, scale)
    name = choose(votes) if method == "auto" else method
    posterior = ADJUDICATORS[name](votes) if votes.n_items else np.zeros((0, len(levels)))
    # Equal up to rounding is equal: the lower grade wins, whatever the order of additions.
    best = np.argmax(np.round(posterior, 9), axis=1) if levels else np.zeros(0, dtype=np.int64)
    pairs = given.select("query_id", "pin_id").unique(maintain_order=True)
    return pairs.with_columns(
        pl.Series("grade", np.asarray(levels, dtype=np.int64)[best]),
        *(pl.Series(f"p{k + 1}", posterior[:, k]) for k in range(len(levels))),
        pl.Series("n_judgments", np.bincount(votes.item, minlength=votes.n_items)),
        pl.lit(name if method == name else f"auto({name})").alias("method"),
    )


def _votes(given: pl.DataFrame, levels: tuple[int, ...], scale: GradeScale) -> Votes:
    wrong = given.filter(~pl.col("grade").is_in(levels))
    if wrong.height:
        raise InputError(
            f"grade {wrong['grade'][0]} of query {wrong['query_id'][0]!r}, Pin "
            f"{wrong['pin_id'][0]!r} is not on the scale {scale.name} ({scale.describe()}). "
            "Mend it, or name its scale with --scale"
        )
    item = given.select(pl.struct("query_id", "pin_id").rle_id()).to_series()
    people = given["annotator"].unique().sort()
    annotator = people.search_sorted(given["annotator"]).to_numpy()
    level = np.searchsorted(np.asarray(levels), given["grade"].to_numpy())
    return Votes(
        item=item.to_numpy().astype(np.int64),
        annotator=np.asarray(annotator, dtype=np.int64),
        level=level.astype(np.int64),
        n_items=given.select("query_id", "pin_id").n_unique() if given.height else 0,
        n_annotators=people.len(),
        n_levels=len(levels),
        ordered=scale.ordered,
    )


def _expectation_maximisation(votes: Votes, confusion: Callable[[Floats], Floats]) -> Floats:
    """EM from vote shares; `confusion` turns counts (annotator, truth, vote) into probabilities."""
    truth = majority(votes)
    starts = np.searchsorted(votes.item, np.arange(votes.n_items))
    shape = (votes.n_annotators, votes.n_levels, votes.n_levels)
    cell = votes.annotator * votes.n_levels + votes.level
    for _ in range(_MAX_ROUNDS):
        weights = truth[votes.item]
        cells = np.stack(
            [
                np.bincount(cell, weights[:, level], minlength=shape[0] * shape[1])
                for level in range(votes.n_levels)
            ],
            axis=1,
        )  # (annotator·vote, truth)
        counts = np.asarray(cells.reshape(shape).transpose(0, 2, 1), dtype=np.float64)
        likelihood = np.log(np.maximum(confusion(counts), _EPSILON))
        prior = np.log(_normal(truth.sum(axis=0) + 1 / votes.n_levels))
        evidence = likelihood[votes.annotator, :, votes.level]
        logs = prior + np.add.reduceat(evidence, starts, axis=0)
        logs -= logs.max(axis=1, keepdims=True)
        updated = _normal(np.exp(logs))
        moved = float(np.abs(updated - truth).max())
        truth = updated
        if moved < _TOLERANCE:
            break
    return truth


def _counts(votes: Votes) -> Floats:
    flat = np.bincount(
        votes.item * votes.n_levels + votes.level, minlength=votes.n_items * votes.n_levels
    )
    return flat.reshape(votes.n_items, votes.n_levels).astype(np.float64)


def _kernel(votes: Votes) -> Floats:
    """How far a vote reaches to other grades, before anything is known; rows sum to 1."""
    levels = np.arange(votes.n_levels)
    distance = np.abs(levels[:, None] - levels[None, :])
    if not votes.ordered:
        distance = np.minimum(distance, 1) * 2
    reach: Floats = np.exp(-distance / _REACH)
    return _normal(reach)


def _normal(array: Floats) -> Floats:
    total: Floats = array.sum(axis=-1, keepdims=True)
    return array / total
