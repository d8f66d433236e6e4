"""Predicted grades against human grades: figures over pairs, with intervals by query."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.intervals import Linear, Ratio, Statistic
from evaluation.metrics import PAIRS, THRESHOLD, Measure, parse_all
from evaluation.metrics.lists import Floats, Ints, total
from evaluation.metrics.threshold import at_least
from evaluation.ranking import Coded, code_queries, exclusions
from evaluation.slices import Cell, Group, groups_of, tabulate
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale
from relevance.results import Results

PROBABILITIES = ("p1", "p2", "p3", "p4", "p5")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Graded pairs that a model has predicted, sorted by query.

    Attributes:
        query: (N,) code of the query.
        grades: (N,) human grade.
        probabilities: (N, 5) predicted probabilities of the grades 1 … 5.
        starts: (Q + 1,) first pair of each query.
        not_predicted: (Q,) graded pairs without a prediction.
        not_judged: (Q,) predictions without a grade.
    """

    query: Ints
    grades: Floats
    probabilities: Floats
    starts: Ints
    not_predicted: Ints
    not_judged: Ints

    def rows_of(self, queries: Ints) -> tuple[Ints, Ints]:
        """Rows of the queries' pairs, and for each row the position of its query in `queries`."""
        lengths = self.starts[queries + 1] - self.starts[queries]
        position = np.repeat(np.arange(len(queries)), lengths)
        offset = np.arange(len(position)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self.starts[queries][position] + offset, position


def evaluate_grades(
    predictions: pl.DataFrame,
    qrels: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    metrics: str | Sequence[str | Measure] = ("accuracy", "AUROC@3", "AUROC@4", "AUROC@5"),
    by: str | Sequence[str] | None = None,
    scale: GradeScale = FIVE,
    level: float = 0.95,
    seed: int = 0,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
) -> Results:
    """How well predicted probabilities meet human grades, with intervals by query.

    Args:
        predictions: A `predictions` table; several models are evaluated one after the other.
        qrels: A `qrels` table, grades within 1-5.
        queries: A `queries` table, for `by` and traffic.
        metrics: Measures, or how they are spelled.
        by: Column or columns of `queries` to split by.
        scale: Scale of the grades; must lie within 1-5.
        level: Confidence level.
        seed: Seed of the resampling.
        seen: Hashed ids of queries that a model has seen; left out and counted.
        allow_seen: Keep them, and mark every figure.

    Returns:
        A block a model (`system`), in it a block a metric: all, groups, (mean), (traffic).
        `n` counts pairs, `n_undefined` graded pairs without a prediction.

    Raises:
        InputError: Unknown metric, column or option; duplicates; no query in common.
    """
    measures = parse_all(metrics, families=(PAIRS, THRESHOLD))
    _check_thresholds(measures)
    if "model" not in predictions.columns:
        predictions = predictions.with_columns(model=pl.lit(None, dtype=pl.String))
    predictions = predictions.with_columns(pl.col("model").fill_null("model"))
    coded = code_queries(qrels, [predictions], seen=seen, allow_seen=allow_seen)
    _check_grades(coded.qrels, scale)
    groups = groups_of(coded.ids, queries, by, judged=coded.judged)
    rows = []
    for model in predictions["model"].unique(maintain_order=True):
        pairs = _pairs(predictions.filter(pl.col("model") == model), coded)

        def cell_of(measure: Measure, group: Group, pairs: Pairs = pairs) -> Cell:
            return _cell(measure, group, pairs, coded)

        rows += tabulate(str(model), measures, groups, cell_of, level=level, seed=seed)
    return Results(tuple(rows))


def _check_thresholds(measures: Sequence[Measure]) -> None:
    for measure in measures:
        if measure.metric.family == THRESHOLD and not 2 <= (measure.cutoff or 0) <= 5:
            raise InputError(
                f"threshold of metric {measure!r} must be 2-5. "
                f"Write it like {measure.metric.name}@4"
            )


def _check_grades(qrels: pl.DataFrame, scale: GradeScale) -> None:
    wrong = qrels.filter(~pl.col("grade").is_between(1, 5))
    if not wrong.is_empty():
        raise InputError(
            f"predictions have the grades 1-5, but the qrels (scale {scale.name}) grade query "
            f"{wrong['query_id'][0]!r}, pin {wrong['pin_id'][0]!r} as {wrong['grade'][0]}. "
            "Map the grades to 1-5 first (gradewise data convert)"
        )


def _pairs(predictions: pl.DataFrame, coded: Coded) -> Pairs:
    n_queries = len(coded.ids)
    keys = ["query_id", "pin_id"]
    if predictions.select(keys).is_duplicated().any():
        first = predictions.filter(predictions.select(keys).is_duplicated()).row(0, named=True)
        raise InputError(
            f"the predictions have query {first['query_id']!r}, pin {first['pin_id']!r} twice for "
            "one model. Keep one of the rows, or name the models in the column model"
        )
    joined = coded.qrels.join(predictions.select(*keys, *PROBABILITIES), on=keys, how="left")
    joined = joined.sort("code", "pin_id")
    missing = joined.filter(pl.col("p1").is_null())
    found = joined.filter(pl.col("p1").is_not_null())
    index = coded.ids.to_frame("query_id").with_row_index("code")
    ungraded = predictions.select(keys).join(coded.qrels, on=keys, how="anti")
    query = found["code"].to_numpy().astype(np.int64)
    return Pairs(
        query=query,
        grades=found["grade"].cast(pl.Float64).to_numpy(),
        probabilities=found.select(pl.col(PROBABILITIES).cast(pl.Float64)).to_numpy(),
        starts=np.searchsorted(query, np.arange(n_queries + 1)).astype(np.int64),
        not_predicted=_counts(missing["code"], n_queries),
        not_judged=_counts(ungraded.join(index, on="query_id")["code"], n_queries),
    )


def _counts(codes: pl.Series, n_queries: int) -> NDArray[np.int64]:
    return np.bincount(codes.to_numpy().astype(np.int64), minlength=n_queries)


def _cell(measure: Measure, group: Group, pairs: Pairs, coded: Coded) -> Cell:
    kept = group.queries[coded.kept[group.queries]]
    n_lost = int(pairs.not_predicted[kept].sum())
    notes: dict[str, int | None] = {
        "not_predicted": n_lost,
        "not_judged": int(pairs.not_judged[kept].sum()),
        **exclusions(group, coded),
    }
    filled = kept[pairs.starts[kept + 1] > pairs.starts[kept]]
    if len(filled) == 0:
        return Cell(None, 0, n_lost, {**notes, "no_pair": None})
    rows, query = pairs.rows_of(filled)
    statistic, why = _statistic(measure, pairs.grades[rows], pairs.probabilities[rows], query)
    return Cell(statistic, len(rows), n_lost, {**notes, **why})


def _statistic(
    measure: Measure, grades: Floats, probabilities: Floats, query: Ints
) -> tuple[Statistic, dict[str, int | None]]:
    """The measure over pairs of the queries 0, 1, … (each has some), and what to know about it."""
    metric = measure.metric
    if metric.family == PAIRS:
        values = metric.function(grades, probabilities)
        counts = np.bincount(query).astype(np.float64)
        return Ratio(total(query, values, len(counts)), counts), {}
    asked = measure.cutoff or 0
    used = effective_threshold(grades, asked)
    value, influence = metric.function(grades >= used, at_least(probabilities, used))
    notes: dict[str, int | None] = {}
    if used != asked:
        notes[f"same_as {metric.name}@{used}, no grade {asked}"] = None
    if np.isnan(value):
        notes["one_class"] = None
    return Linear(value, total(query, influence, int(query[-1]) + 1)), notes


def effective_threshold(grades: Floats, threshold: int) -> int:
    """The threshold whose figure is shown at `threshold`.

    Where no grade separates a threshold from the next (no pair has that grade), the labels are the
    same, so the next one's figure is repeated.

    Args:
        grades: (N,) human grades.
        threshold: Grade from which a pair is positive.

    Returns:
        The lowest grade from `threshold` on that some pair has; `threshold` itself if none has.
    """
    higher = grades[grades >= threshold]
    return int(higher.min()) if len(higher) else threshold
