"""Predicted grades against grades of pairs that were drawn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from evaluation.intervals import REPLICATES, Linear, Smooth, Statistic
from evaluation.metrics import PAIRS as PAIR_METRICS
from evaluation.metrics import SUMS, THRESHOLD, Measure, parse_all
from evaluation.metrics.threshold import at_least
from evaluation.pointwise import DEFAULT_METRICS, PROBABILITIES, effective_threshold
from evaluation.pointwise.pairs import check_grades
from evaluation.ranking.coding import (
    Coded,
    code_queries,
    codes_of,
    hashes_of,
    judgments_of,
    refuse_duplicates,
    with_text_ids,
)
from evaluation.sampled.areas import AREAS
from evaluation.sampled.design import Design, design_of, drawn_pairs
from evaluation.sampled.population import checked_frame, population_of
from evaluation.sampled.variance import (
    Bools,
    Floats,
    Ints,
    Spread,
    residuals,
    spread_linear,
    spread_ratio,
    sums,
    total,
    within,
)
from evaluation.slices import Cell, Group, groups_of, tabulate
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale
from relevance.results import Results, Row

_LEVELS = range(1, len(PROBABILITIES) + 1)
_APART, _ERRORS = 0.05, 5  # how far predicted pairs may be from those that were drawn from
_BATCH = 1 << 18  # pairs whose expectation is computed at once


def evaluate_sampled_grades(
    predictions: pl.DataFrame,
    qrels: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    samples: pl.DataFrame | None = None,
    draw: str | None = None,
    drawn: str | None = None,
    candidates: pl.DataFrame | None = None,
    metrics: str | Sequence[str | Measure] = DEFAULT_METRICS,
    by: str | Sequence[str] | None = None,
    scale: GradeScale = FIVE,
    level: float = 0.95,
    seed: int = 0,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
    reps: int | None = None,
) -> Results:
    """How well predictions meet the grades of all pairs, from pairs drawn with known chances.

    Where the predictions hold more pairs than were graded, they hold the population, and a mean
    over pairs (accuracy, within1, MAE, …) is the difference estimator: what the model's own
    probabilities expect of every predicted pair, and Σ (found - expected) / π over the graded ones
    on top, over the number of predicted pairs. It is unbiased whatever the model is worth, and as
    narrow as the model is honest. Otherwise it is Σ found / π over Σ 1 / π (Hájek), whose bias is
    of the order of 1 / n. AUROC, AUPRC, QWK, ECE are those of the weighted pairs (consistent).
    With everything drawn all figures are those of `evaluate_grades`.

    Args:
        predictions: A `predictions` table, best of all pairs that could be drawn.
        qrels: A `qrels` table with inclusion_probability, unless samples are given.
        queries: A `queries` table, for `by` and traffic, and for telling which queries the strata
            are of.
        samples: The `samples` table, which has the strata.
        draw: Which draw of the samples; None = `measure`, or else `pool`.
        drawn: `queries` or `pairs`; None = told from the share of pairs that were drawn.
        candidates: query_id and pin_id of everything that could be drawn: other predictions are
            left out, so that those left hold the population. None = queries of the strata or the
            countries that were drawn from (`evaluation.sampled.population`).
        metrics: Measures, or how they are spelled.
        by: Column or columns of `queries` to split by.
        scale: Scale of the grades; must lie within 1-5.
        level: Confidence level.
        seed: Seed of the resampling.
        seen: Hashed ids of queries that a model has seen; left out and counted.
        allow_seen: Keep them.
        reps: Resamplings; 0 = no intervals, None = as for `evaluate_grades`.

    Returns:
        Rows as of `evaluate_grades`; `n` counts graded pairs, the note has what was drawn and the
        `population` of pairs; `outside_frame` counts queries, and `pairs_outside_frame` in all
        predicted pairs, that could not be drawn and are left out. A group of which no pair was
        drawn is undefined. The definition names the estimator.

    Raises:
        InputError: As `evaluate_grades`; no usable inclusion probabilities.
    """
    measures = _measures(metrics, scale)
    frame = checked_frame(candidates)
    ids = predictions["query_id"].unique().to_frame()  # of all: groups without a pair are told
    predictions, n_outside = _framed(_named(predictions), frame)
    chosen = drawn_pairs(qrels, samples, draw)
    coded = code_queries(
        chosen.qrels, [predictions, ids], seen=seen, allow_seen=allow_seen, what="predictions table"
    )
    check_grades(coded.qrels, scale.name)
    models = {
        str(model): _predicted(predictions.filter(pl.col("model") == model), coded)
        for model in predictions["model"].unique(maintain_order=True)
    }
    design = design_of(coded, drawn, _share(list(models.values()), coded))
    there = np.bincount(
        np.concatenate([p.query for p in models.values()]), minlength=len(coded.ids)
    )
    population = (there > 0) | coded.judged
    inside = population_of(coded.ids, chosen.strata, queries, frame)
    population &= inside & (coded.allow_seen | ~coded.seen)
    groups = groups_of(coded.ids, queries, by, judged=population)
    rows: list[Row] = []
    for system, predicted in models.items():
        whole, about = _whole(predicted, coded, design, population)
        about = {**chosen.notes, "pairs_outside_frame": n_outside.get(system, 0), **about}
        table = _Table(coded, design, predicted, inside, population, about, whole)
        rows += tabulate(
            system,
            measures,
            groups,
            table.cell,
            level=level,
            seed=seed,
            reps=REPLICATES if reps is None else reps,
            resample=True if reps else None,
            define=lambda m, table=table: f"{m.definition(scale)} {table.estimator(m)}",  # type: ignore[misc]
        )
    return Results(tuple(rows))


@dataclass(frozen=True, slots=True)
class _Predicted:
    """One model's predictions.

    Attributes:
        query: (N,) query code of each predicted pair, ascending.
        probabilities: (N, 5) P(grade = 1 … 5).
        judgment: (N,) row of the qrels that grades it; -1 = none.
    """

    query: Ints
    probabilities: Floats
    judgment: Ints


@dataclass(frozen=True, slots=True)
class _Table:
    """What cells of one model are made from; `whole` = the predictions hold the population.

    `there` are the queries that could be drawn of, `population` those of them with predictions or
    grades that are not left out as seen.
    """

    coded: Coded
    design: Design
    predicted: _Predicted
    there: Bools
    population: Bools
    notes: dict[str, int | str | None]
    whole: bool

    def estimator(self, measure: Measure) -> str:
        """What the definition says."""
        if measure.metric.family != PAIR_METRICS:
            return "estimator=weighted_pairs"
        return f"estimator={'difference' if self.whole else 'hajek'}"

    def cell(self, measure: Measure, group: Group) -> Cell:
        """A measure's figure in a group."""
        coded, predicted = self.coded, self.predicted
        inside = np.zeros(len(coded.ids), dtype=bool)
        inside[group.queries[self.population[group.queries]]] = True
        rows = np.flatnonzero(inside[predicted.query])
        graded = rows[predicted.judgment[rows] >= 0]
        lost = np.ones(len(coded.query), dtype=bool)
        lost[predicted.judgment[predicted.judgment >= 0]] = False
        n_lost = int(np.count_nonzero(lost & inside[coded.query]))
        seen = int(np.count_nonzero((coded.judged & coded.seen)[group.queries]))
        notes: dict[str, int | str | None] = {
            "not_predicted": n_lost,
            "seen_kept" if coded.allow_seen else "seen_in_training": seen,
            "outside_frame": int(np.count_nonzero(~self.there[group.queries])),
            **self.notes,
            f"drawn {self.design.drawn}": None,
            "population": len(rows) if self.whole else 0,
        }
        if len(graded) == 0:
            nothing: dict[str, int | str | None] = {"no_pair": None} if len(rows) else {}
            return Cell(None, 0, n_lost, nothing | notes)
        statistic, more = self._figure(measure, rows, graded)
        return Cell(statistic, len(graded), n_lost, notes | more)

    def _figure(
        self, measure: Measure, rows: Ints, graded: Ints
    ) -> tuple[Statistic, dict[str, int | str | None]]:
        """The statistic over the queries of the predicted rows, and what to note of it."""
        of = self.predicted
        if measure.metric.family == PAIR_METRICS:
            return self._mean(measure, rows, graded), {}
        grades = self._grades(graded)
        weights = self.design.weight[of.judgment[graded]]
        codes = np.unique(of.query[rows if self.whole else graded])
        place = np.searchsorted(codes, of.query[graded])
        if measure.metric.family == SUMS:
            metric = measure.metric
            columns = metric.function(grades, of.probabilities[graded], **measure.arguments)
            summed = np.zeros((len(codes), columns.shape[1]))
            np.add.at(summed, place, columns * (weights / weights.min())[:, None])
            assert metric.finish is not None
            return Smooth(summed, partial(metric.finish, **measure.arguments)), {}
        asked = measure.cutoff or 0
        used = effective_threshold(grades, asked)
        labels, scores = grades >= used, at_least(of.probabilities[graded], used)
        value, moved = AREAS[measure.metric.name](labels, scores, weights)
        notes: dict[str, int | str | None] = {}
        if used != asked:
            notes[f"same_as {measure.metric.name}@{used}, no grade {asked}"] = None
        if np.isnan(value):
            return Linear(value, np.zeros(len(codes))), notes | {"one_class": None}
        residual = sums(place, moved, len(codes))
        return spread_linear(value, residual, self._spread(residual, graded, moved)), notes

    def _mean(self, measure: Measure, rows: Ints, graded: Ints) -> Statistic:
        """The mean of a value a pair over the population."""
        of, metric = self.predicted, measure.metric
        found = metric.function(self._grades(graded), of.probabilities[graded], **measure.arguments)
        weights = self.design.weight[of.judgment[graded]]
        if self.whole:
            codes, place = np.unique(of.query[rows], return_inverse=True)
            expected = _expected(measure, of.probabilities[rows])
            at = np.searchsorted(rows, graded)
            own = np.ones(len(rows))
            own[at] = 1 - weights  # what is left of an expectation beside that of the graded
            values = expected * own
            values[at] += weights * found
            numerator = sums(place, values, len(codes))
            denominator = sums(place, np.ones(len(rows)), len(codes))
            moved = weights * (found - expected[at])
        else:
            codes, place = np.unique(of.query[graded], return_inverse=True)
            scaled = weights / weights.min()
            numerator = sums(place, scaled * found, len(codes))
            denominator = sums(place, scaled, len(codes))
            moved = scaled * (found - numerator.sum() / denominator.sum())
        _, residual = residuals(numerator, denominator)
        spread = self._spread(residual, graded, moved / denominator.sum())
        return spread_ratio(numerator, denominator, spread)

    def _spread(self, residual: Floats, graded: Ints, moved: Floats) -> Spread:
        """The variance, given what each graded pair adds."""
        of_pair = np.zeros(len(self.coded.query))
        of_pair[self.predicted.judgment[graded]] = moved
        design = self.design
        n_drawn = len(np.unique(design.unit[self.predicted.judgment[graded]]))
        moved = design.summed(of_pair)
        return Spread(total(residual, moved, design.probability, design.stratum), n_drawn)

    def _grades(self, rows: Ints) -> Floats:
        grades = self.coded.qrels["grade"].to_numpy()[self.predicted.judgment[rows]]
        return np.asarray(grades, dtype=np.float64)


def _whole(
    predicted: _Predicted, coded: Coded, design: Design, population: Bools
) -> tuple[bool, dict[str, int | str | None]]:
    """Whether the predicted pairs are those that were drawn from, and what to note of it.

    They are not if nothing but graded pairs is predicted, nor if Σ 1 / π, which estimates how many
    pairs were drawn from, is another number. Where seen queries were left out, those that are left
    were not drawn with the chances that are written, so that their number is estimated, too.
    """
    if (predicted.judgment >= 0).all() or design.certain:
        return False, {}
    if not coded.allow_seen and coded.seen.any():
        return False, {}
    n_predicted = int(np.count_nonzero(population[predicted.query]))
    weight = design.summed(design.weight)
    size = float(weight.sum())
    error = float(np.sqrt(within(weight, design.probability, design.stratum)))
    if abs(size - n_predicted) <= _APART * n_predicted + _ERRORS * error:
        return True, {}
    return False, {"drawn_from": f"{size:,.0f} pairs, predicted {n_predicted:,}"}


def _measures(metrics: str | Sequence[str | Measure], scale: GradeScale) -> tuple[Measure, ...]:
    strange = [grade for grade in scale.levels if grade not in _LEVELS]
    if strange:
        raise InputError(
            f"predictions have the grades 1-5, but scale {scale.name} has {strange[0]}. "
            "Map the grades to 1-5 first (gradewise data convert)"
        )
    measures = parse_all(
        metrics, families=(PAIR_METRICS, SUMS, THRESHOLD), levels=scale.levels or _LEVELS
    )
    for measure in measures:
        if measure.metric.family == THRESHOLD and not 2 <= (measure.cutoff or 0) <= _LEVELS[-1]:
            raise InputError(
                f"threshold of metric {measure!r} must be 2-{_LEVELS[-1]}. "
                f"Write it like {measure.metric.name}@4"
            )
    return measures


def _named(predictions: pl.DataFrame) -> pl.DataFrame:
    missing = [name for name in PROBABILITIES if name not in predictions.columns]
    if missing:
        raise InputError(
            f"the predictions have no column {missing[0]!r}. Give p1…p5, one probability a grade"
        )
    if "model" not in predictions.columns:
        predictions = predictions.with_columns(model=pl.lit(None, dtype=pl.String))
    return predictions.with_columns(pl.col("model").fill_null("model"))


def _predicted(predictions: pl.DataFrame, coded: Coded) -> _Predicted:
    """One model's predictions in the order of their keys, each with its judgment."""
    own = hashes_of(predictions)
    refuse_duplicates(predictions, own, "predictions")
    codes = codes_of(predictions["query_id"], coded.ids)
    order = np.lexsort((own, codes))
    codes, own = codes[order], own[order]
    judgment = judgments_of(codes, own, coded.query, coded.hashes, len(coded.ids))
    columns = [predictions[name].cast(pl.Float64).to_numpy()[order] for name in PROBABILITIES]
    return _Predicted(codes.astype(np.int64), np.column_stack(columns), judgment.astype(np.int64))


def _framed(
    predictions: pl.DataFrame, frame: pl.DataFrame | None
) -> tuple[pl.DataFrame, dict[str, int]]:
    """The predictions of pairs that could be drawn, and by model how many are left out."""
    if frame is None:
        return predictions, {}
    keys = ["query_id", "pin_id"]
    texts = with_text_ids(predictions)
    outside = texts.join(frame, on=keys, how="anti").group_by("model").len()
    kept = texts.join(frame, on=keys, how="semi", maintain_order="left")
    if kept.is_empty():
        raise InputError(
            "no predicted pair is among the candidates. Give the frame of the same data"
        )
    return kept, dict(outside.iter_rows())


def _share(models: Sequence[_Predicted], coded: Coded) -> float:
    """Share of the predicted pairs of the judged queries that was drawn."""
    drawn = sum(int(np.count_nonzero(p.judgment >= 0)) for p in models)
    there = sum(int(np.count_nonzero(coded.judged[p.query])) for p in models)
    return drawn / there if there else 1.0


def _expected(measure: Measure, probabilities: Floats) -> Floats:
    """(N,) what the probabilities themselves expect a pair's value to be."""
    found = np.zeros(len(probabilities))
    for start in range(0, len(probabilities), _BATCH):
        some = probabilities[start : start + _BATCH]
        for level in _LEVELS:
            own = measure.metric.function(
                np.full(len(some), float(level)), some, **measure.arguments
            )
            found[start : start + _BATCH] += some[:, level - 1] * own
    return found
