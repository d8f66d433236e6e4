"""What a teacher says of every query: the expectation of a metric under its grade probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.intervals import generator
from evaluation.metrics import Measure
from evaluation.ranking import Coded, Scored, depth_of, order_run, score_ordered
from relevance.errors import InputError
from relevance.grades import GradeScale

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DRAWS = 16
"""Draws of the grades; they are spread evenly over each pair's probabilities."""

PROBABILITIES = ("p1", "p2", "p3", "p4", "p5")


Figures = Callable[[Floats], Floats]
"""(systems, Q) values of a metric → (F, Q) figures of interest; NaN = undefined."""


@dataclass(frozen=True, slots=True)
class TeacherValues:
    """The teacher's figures of every coded query; NaN where it has graded none of its pairs.

    Attributes:
        expected: For each measure, (F, Q) expectation of figure × defined.
        defined: For each measure, (F, Q) probability that the figure is defined.
        unpredicted: (Q,) Pins that a system returned without a prediction.
        known: (Q,) whether any of its pairs has a prediction.
    """

    expected: Mapping[Measure, Floats]
    defined: Mapping[Measure, Floats]
    unpredicted: NDArray[np.int64]
    known: Bools


def teacher_values(
    runs: Sequence[pl.DataFrame],
    coded: Coded,
    predictions: pl.DataFrame,
    measures: Sequence[Measure],
    *,
    figures: Figures,
    scale: GradeScale,
    ties: str = "docid",
    zero: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> TeacherValues:
    """Every figure under the teacher's grades, for every query that it has graded.

    It is computed under each of `draws` draws of all grades and averaged, so that any metric works
    and a difference of systems stays paired. A pair without prediction is as unjudged: it gains
    nothing and is in no ideal.

    Args:
        runs: One frame a system.
        coded: The queries.
        predictions: A `predictions` table of one model; p1 … p5 are the grades 1 … 5.
        measures: Ranking measures.
        figures: What to make of the systems' values.
        scale: Scale of the grades.
        ties: As in `evaluate_ranking`.
        zero: Whether a query without anything to find counts 0.
        draws: Number of draws.
        seed: Seed of the draws.

    Raises:
        InputError: Several models, duplicate pairs, or no query in common with the runs.
    """
    index = coded.ids.to_frame("query_id").with_row_index("code")
    rows = _checked(predictions).join(index, on="query_id")
    if rows.is_empty():
        raise InputError(
            "predictions and runs have no query in common: the predictions have "
            f"{predictions['query_id'].min()!r}. Give the teacher's grades of the runs' pairs"
        )
    n = len(coded.ids)
    known = np.zeros(n, dtype=bool)
    known[rows["code"].to_numpy()] = True
    sums: dict[Measure, Floats] = {}
    counts: dict[Measure, Floats] = {}
    judged = replace(coded, qrels=rows)
    depth = depth_of(measures)
    lists = [order_run(run, judged, ties=ties, depth=depth) for run in runs]
    for drawn in drawn_grades(rows.select(PROBABILITIES).to_numpy(), draws, seed=seed):
        grades = drawn.astype(np.float64)
        scored = [score_ordered(x, judged, measures, scale=scale, grades=grades) for x in lists]
        for m in measures:
            found = figures(system_values(scored, m, zero=zero))
            sums[m] = sums.get(m, 0.0) + np.nan_to_num(found)
            counts[m] = counts.get(m, 0.0) + ~np.isnan(found)
    unknown = np.where(known, 0.0, np.nan)
    return TeacherValues(
        expected={m: total / draws + unknown for m, total in sums.items()},
        defined={m: count / draws + unknown for m, count in counts.items()},
        unpredicted=_unpredicted(runs, rows, index),
        known=known,
    )


def system_values(scored: Sequence[Scored], measure: Measure, *, zero: bool) -> Floats:
    """(systems, Q) values of a measure; with `zero`, 0 where nothing is to be found."""
    values = np.stack([s.values[measure] for s in scored])
    if zero:
        values = np.where(np.stack([s.no_relevant[measure] for s in scored]), 0.0, values)
    return values


def drawn_grades(probabilities: Floats, draws: int, *, seed: int = 0) -> NDArray[np.int8]:
    """(draws, rows) grades from 1, drawn from (rows, K) probabilities of the grades 1…K.

    A row's draws fall one each into `draws` equal parts of its distribution, in a random order: the
    mean over the draws of anything that adds up over pairs is then nearly exact.

    References:
        McKay, Beckman and Conover, Technometrics 1979 (Latin hypercube sampling).
    """
    edges = np.cumsum(probabilities, axis=1)
    edges = edges / edges[:, -1:]
    rng = generator(seed, "teacher")
    n = len(probabilities)
    part = rng.permuted(np.tile(np.arange(draws, dtype=np.int16), (n, 1)), axis=1)
    out = np.empty((draws, n), dtype=np.int8)
    for draw in range(draws):
        point = (part[:, draw] + rng.random(n)) / draws
        out[draw] = 1 + np.sum(point[:, None] >= edges[:, :-1], axis=1)
    return out


def _checked(predictions: pl.DataFrame) -> pl.DataFrame:
    if "model" in predictions.columns and predictions["model"].drop_nulls().n_unique() > 1:
        found = ", ".join(map(repr, predictions["model"].drop_nulls().unique().sort().to_list()))
        raise InputError(
            f"the assisting predictions must be of one model, got {found}. Keep the rows of one"
        )
    missing = [name for name in PROBABILITIES if name not in predictions.columns]
    if missing:
        raise InputError(
            f"the assisting predictions have no column {missing[0]!r}. They need p1 … p5"
        )
    key = ["query_id", "pin_id"]
    if predictions.select(key).is_duplicated().any():
        first = predictions.filter(predictions.select(key).is_duplicated()).row(0, named=True)
        raise InputError(
            f"the assisting predictions have query {first['query_id']!r}, pin {first['pin_id']!r} "
            "twice. Keep one of the rows"
        )
    mass = pl.sum_horizontal(PROBABILITIES)
    usable = mass.is_finite() & (mass > 0)
    return predictions.select(*key, *PROBABILITIES).drop_nulls().filter(usable)


def _unpredicted(
    runs: Sequence[pl.DataFrame], rows: pl.DataFrame, index: pl.DataFrame
) -> NDArray[np.int64]:
    """(Q,) pairs that a run has and the predictions lack."""
    pairs = pl.concat([run.select("query_id", "pin_id") for run in runs]).unique()
    lacking = pairs.join(rows, on=["query_id", "pin_id"], how="anti").join(index, on="query_id")
    return np.bincount(lacking["code"].to_numpy(), minlength=len(index)).astype(np.int64)
