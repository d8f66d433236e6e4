"""Predicted grades against human grades: figures over pairs, with intervals by query."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from evaluation.intervals import REPLICATES
from evaluation.label_noise import each_draw, n_without_posterior
from evaluation.metrics import PAIRS, SUMS, THRESHOLD, Measure, parse_all
from evaluation.pointwise.joined_grades import read_joined_grades
from evaluation.pointwise.pair_figures import (
    Figure,
    Key,
    Part,
    effective_threshold,
    figures_of,
    parts_of,
    values_of,
)
from evaluation.pointwise.pairs import PROBABILITIES, Floats, Pairs, check_grades, match_pairs
from evaluation.ranking import exclusions
from evaluation.ranking.coding import Coded, code_queries, seen_among
from evaluation.slices import Cell, Noise, tabulate
from evaluation.slices.groups import Group, groups_of
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale
from relevance.results import Results, Row

__all__ = [
    "DEFAULT_METRICS",
    "PROBABILITIES",
    "effective_threshold",
    "evaluate_grades",
    "evaluate_joined_grades",
    "grade_measures",
]

DEFAULT_METRICS = ("accuracy", "AUROC@3", "AUROC@4", "AUROC@5")
_FAMILIES = (PAIRS, SUMS, THRESHOLD)
_LEVELS = range(1, len(PROBABILITIES) + 1)


@dataclass(frozen=True, slots=True)
class _Options:
    """What an evaluation is asked for, whatever its pairs come from."""

    measures: tuple[Measure, ...]
    scale: GradeScale
    level: float
    seed: int
    reps: int | None
    label_noise: int = 0

    def rows(self, system: str, pairs: Pairs, groups: Sequence[Group], coded: Coded) -> list[Row]:
        """The rows of one model."""
        parts = parts_of(pairs, groups, coded)
        noise = _noise(self, pairs, parts, coded) if self.label_noise else None
        figures = figures_of(pairs, self.measures, parts, influence=self.reps != 0)
        sure = _n_sure(self, coded)

        def cell_of(measure: Measure, group: Group) -> Cell:
            return _cell(figures.get((measure, group.key)), group, pairs, coded, sure)

        return tabulate(
            system,
            self.measures,
            groups,
            cell_of,
            level=self.level,
            seed=self.seed,
            reps=REPLICATES if self.reps is None else self.reps,
            resample=True if self.reps else None,
            define=lambda measure: measure.definition(self.scale),
            noise=noise,
        )


def evaluate_grades(
    predictions: pl.DataFrame,
    qrels: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    metrics: str | Sequence[str | Measure] = DEFAULT_METRICS,
    by: str | Sequence[str] | None = None,
    scale: GradeScale = FIVE,
    level: float = 0.95,
    seed: int = 0,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
    reps: int | None = None,
    label_noise: int = 0,
) -> Results:
    """How well predicted probabilities meet human grades, with intervals by query.

    Args:
        predictions: A `predictions` table; several models are evaluated one after the other.
        qrels: A `qrels` table, grades within 1-5; with p1…pK for `label_noise`.
        queries: A `queries` table, for `by` and traffic.
        metrics: Measures, or how they are spelled.
        by: Column or columns of `queries` to split by.
        scale: Scale of the grades; must lie within 1-5.
        level: Confidence level.
        seed: Seed of the resampling.
        seen: Hashed ids of queries that a model has seen; left out and counted.
        allow_seen: Keep them, and mark every figure.
        reps: Resamplings of the queries; 0 = no intervals, None = 2,000, or the closed form where
            there are enough queries.
        label_noise: Draws of the human grades from their posterior that widen the intervals.

    Returns:
        A block a model (`system`), in it a block a metric: all, groups, (mean), (traffic).
        `n` counts pairs, `n_undefined` graded pairs without a prediction.

    Raises:
        InputError: Unknown metric, column or option; duplicates; no query in common.
    """
    options = _options(metrics, scale, level=level, seed=seed, reps=reps, label_noise=label_noise)
    missing = [name for name in PROBABILITIES if name not in predictions.columns]
    if missing:
        raise InputError(
            f"the predictions have no column {missing[0]!r}. Give p1…p5, one probability a grade"
        )
    if "model" not in predictions.columns:
        predictions = predictions.with_columns(model=pl.lit(None, dtype=pl.String))
    predictions = predictions.with_columns(pl.col("model").fill_null("model"))
    coded = code_queries(
        qrels, [predictions], seen=seen, allow_seen=allow_seen, what="predictions table"
    )
    check_grades(coded.qrels, scale.name)
    groups = groups_of(coded.ids, queries, by, judged=coded.judged)
    rows: list[Row] = []
    for model in predictions["model"].unique(maintain_order=True):
        pairs = match_pairs(predictions.filter(pl.col("model") == model), coded)
        rows += options.rows(str(model), pairs, groups, coded)
    return Results(tuple(rows))


def evaluate_joined_grades(
    path: str | Path,
    queries: pl.DataFrame | None = None,
    *,
    name: str | None = None,
    metrics: str | Sequence[str | Measure] = DEFAULT_METRICS,
    by: str | Sequence[str] | None = None,
    scale: GradeScale = FIVE,
    level: float = 0.95,
    seed: int = 0,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
    reps: int | None = None,
) -> Results:
    """The same from one file whose rows hold grade and probabilities, whatever its size.

    A Parquet file of one model, without empty cells and with floats as probabilities, passes by in
    batches: it takes about 11 bytes a pair in memory, 16 more for intervals and 8 more to split.

    Args:
        path: Rows of query_id, grade (empty = not judged), p1…p5 (empty = not predicted), model
            (optional) and any columns of the query, such as country and traffic.
        queries: A `queries` table to take `by` and traffic from instead.
        name: Name of the system; None = the column model, else the file's stem.
        metrics: As for `evaluate_grades`, like all that follow.
        by: Column or columns to split by; of the file, the same in all rows of a query.
        scale: Scale of the grades.
        level: Confidence level.
        seed: Seed of the resampling.
        seen: Hashed ids of queries that a model has seen.
        allow_seen: Keep them.
        reps: Resamplings of the queries.

    Returns:
        As `evaluate_grades`.

    Raises:
        InputError: As `evaluate_grades`; a cell of the file is wrong.
        MissingInputError: The file is not there.
    """
    options = _options(metrics, scale, level=level, seed=seed, reps=reps)
    columns = [by] if isinstance(by, str) else list(by or ())
    own = columns if queries is None else ()
    joined = read_joined_grades(Path(path), by=own, scale=scale)
    coded = Coded(
        ids=joined.ids,
        judged=joined.judged,
        seen=seen_among(joined.ids, seen),
        qrels=pl.DataFrame(),
        allow_seen=allow_seen,
    )
    table = joined.queries if queries is None else queries
    groups = groups_of(coded.ids, table, columns, judged=coded.judged)
    rows: list[Row] = []
    for model, pairs in joined.models:
        several = len(joined.models) > 1
        system = f"{name}/{model}" if name and several else name or model or Path(path).stem
        rows += options.rows(system, pairs, groups, coded)
    return Results(tuple(rows))


def grade_measures(metrics: str | Sequence[str | Measure], scale: GradeScale) -> list[Measure]:
    """The measures of predicted grades that these spellings name.

    Raises:
        InputError: Unknown metric, a threshold that is none of 2-5, or a scale beyond 1-5.
    """
    strange = [grade for grade in scale.levels if grade not in _LEVELS]
    if strange:
        raise InputError(
            f"predictions have the grades 1-5, but scale {scale.name} has {strange[0]}. "
            "Map the grades to 1-5 first (gradewise data convert)"
        )
    measures = parse_all(metrics, families=_FAMILIES, levels=scale.levels or _LEVELS)
    for measure in measures:
        if measure.metric.family == THRESHOLD and not 2 <= (measure.cutoff or 0) <= _LEVELS[-1]:
            raise InputError(
                f"threshold of metric {measure!r} must be 2-{_LEVELS[-1]}. "
                f"Write it like {measure.metric.name}@4"
            )
    return list(measures)


def _options(
    metrics: str | Sequence[str | Measure],
    scale: GradeScale,
    *,
    level: float,
    seed: int,
    reps: int | None,
    label_noise: int = 0,
) -> _Options:
    measures = tuple(grade_measures(metrics, scale))
    return _Options(measures, scale, level, seed, reps, label_noise)


def _cell(
    figure: Figure | None, group: Group, pairs: Pairs, coded: Coded, sure: dict[str, int | None]
) -> Cell:
    kept = group.queries[coded.kept[group.queries]]
    n_lost = int(pairs.not_predicted[kept].sum())
    notes: dict[str, int | None] = {
        "not_predicted": n_lost,
        "not_judged": int(pairs.not_judged[kept].sum()),
        **exclusions(group, coded),
    }
    if figure is None:
        return Cell(None, 0, n_lost, {**notes, "no_pair": None})
    n = int(pairs.counts[kept].sum())
    return Cell(figure.statistic, n, n_lost, {**notes, **figure.notes, **sure})


def _n_sure(options: _Options, coded: Coded) -> dict[str, int | None]:
    """How many grades of the qrels have no posterior to be drawn from, as a note."""
    if not options.label_noise:
        return {}
    return {"without_posterior": n_without_posterior(coded.qrels, options.scale)}


def _noise(options: _Options, pairs: Pairs, parts: Sequence[Part], coded: Coded) -> Noise:
    """The figures under each draw of the human grades from their posterior."""
    found: dict[Key, Floats] = {}
    draws = each_draw(coded.qrels, options.scale, draws=options.label_noise, seed=options.seed)
    for number, drawn in enumerate(draws):
        under = replace(pairs, grades=drawn[pairs.judgment].astype(np.int8))
        figures = figures_of(under, options.measures, parts, influence=False)
        for key, value in values_of(figures).items():
            found.setdefault(key, np.full(options.label_noise, np.nan))[number] = value
    return found
