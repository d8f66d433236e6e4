"""Which method wins on pairs whose grade is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from annotation.adjudicate.methods import ADJUDICATORS, settle
from annotation.adjudicate.votes import UNKNOWN, Bools, Floats, Ints, Votes, read_votes
from evaluation.intervals import Ratio, estimate_all
from relevance.grades import FIVE, GradeScale
from relevance.results import Results, Row

_LEAST = 0.01
"""Least probability in a log loss: methods that count votes say 0 for what nobody chose."""

_SURE = "ahead of every other at this level"
_UNSURE = "not sure: {others} may do as well"
_ANY = "any other"


def on_gold(
    judgments: pl.DataFrame,
    gold: pl.DataFrame,
    scale: GradeScale = FIVE,
    *,
    methods: Sequence[str] = ("auto", *ADJUDICATORS),
    level: float = 0.95,
    seed: int = 0,
) -> Results:
    """Accuracy and log loss of methods on the judged gold pairs; no method is shown the gold.

    Args:
        judgments: As `adjudicate` takes them.
        gold: query_id, pin_id, grade.
        scale: The scale of the grades.
        methods: Keys of `ADJUDICATORS`, or `auto`.
        level: Confidence of the intervals, which resample queries.
        seed: Seed of the resampling.

    Returns:
        Two rows a method (system), the accuracies first, each best first. Log loss is
        in nats, probabilities below 0.01 counted as 0.01. The note of the best row says whether
        another method may be as good, by the interval of their difference. No rows without a judged
        gold pair.
    """
    given = read_votes(judgments, scale, gold)
    known = given.votes.known != UNKNOWN
    if not known.any():
        return Results(())
    query = given.pairs.select(pl.col("query_id").rle_id()).to_series().to_numpy()[known]
    losses = {name: _losses(given.votes, name, known) for name in dict.fromkeys(methods)}
    rows = [
        row
        for index, metric in enumerate(("accuracy", "log_loss"))
        for row in _ranked(
            metric, {n: each[index] for n, each in losses.items()}, query, level, seed
        )
    ]
    return Results(tuple(rows))


def _losses(votes: Votes, method: str, known: Bools) -> tuple[Floats, Floats]:
    """Whether the method's grade is right, and its log loss, for each gold pair."""
    blind = replace(votes, gold=np.zeros(0, dtype=np.int64))
    posterior = settle(blind, method).posterior[known]
    truth = votes.gold[known]
    right = (np.argmax(np.round(posterior, 9), axis=1) == truth).astype(np.float64)
    likelihood = np.maximum(posterior[np.arange(len(truth)), truth], _LEAST)
    return right, -np.log(likelihood)


def _ranked(
    metric: str, figures: dict[str, Floats], query: Ints, level: float, seed: int
) -> list[Row]:
    """A row a method, the best first."""
    sign = -1.0 if metric == "accuracy" else 1.0
    order = sorted(figures, key=lambda name: sign * float(figures[name].mean()))
    best = figures[order[0]]
    values = [figures[name] for name in order] + [figures[name] - best for name in order[1:]]
    estimates = estimate_all([_by_query(each, query) for each in values], seed=seed, key=metric)
    intervals = [estimate.interval(level) for estimate in estimates]
    apart = dict(zip(order[1:], intervals[len(order) :], strict=True))
    rivals = [name for name, ends in apart.items() if ends is None or ends[0] <= 0 <= ends[1]]
    rows = []
    for name, ends in zip(order, intervals, strict=False):
        low, high = ends or (None, None)
        value = float(figures[name].mean())
        row = Row(metric=metric, system=name, value=value, ci_low=low, ci_high=high, n=len(query))
        rows.append(row)
    others = _ANY if len(rivals) == len(apart) else ", ".join(rivals)
    note = _UNSURE.format(others=others) if rivals else _SURE
    return [replace(rows[0], note=note), *rows[1:]]


def _by_query(values: Floats, query: Ints) -> Ratio:
    """The mean of `values` as a statistic over queries."""
    units, size = np.unique(query, return_inverse=True, return_counts=True)[1:]
    return Ratio(np.bincount(units, values).astype(np.float64), size.astype(np.float64))
