"""Our figures against trec_eval's, scikit-learn's and scipy's, on a user's own files.

The one place that imports the oracles outside the tests, behind the extra `verify`. All queries are
compared, also those that a model has seen: figures that leave some out differ from these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from evaluation.metrics import PAIRS, RANKING, SUMS, THRESHOLD, Measure, parse_all
from evaluation.metrics.pointwise import Floats
from evaluation.pointwise import PROBABILITIES, evaluate_grades
from evaluation.ranking import code_queries, evaluate_ranking, named, score_queries
from evaluation.verify.oracles import Data, Grades, NotComparableError, Run, Values, trec_eval
from evaluation.verify.oracles_grades import scikit_learn
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale

TOLERANCE = 1e-9
"""Largest difference that counts as equal, times the figure where that is above 1."""

RANKED = "nDCG,nDCG@20,nDCG(gain=exp)@20,DCG@20,P@8,R,R@20,RR,RR@8,AP,AP@20,Judged@20"
PREDICTED = (
    "accuracy,within1,MAE,RPS,Brier,NLL,ECE,QWK,"
    "AUROC@2,AUROC@3,AUROC@4,AUROC@5,AUPRC@2,AUPRC@3,AUPRC@4,AUPRC@5"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One figure, ours and theirs.

    Attributes:
        system: System or model.
        metric: As it was asked for.
        ours: Our figure over all queries or pairs; None if undefined.
        theirs: Theirs; None if undefined or not to be had.
        difference: Largest difference, over the queries and the figure; None if not compared.
        n: Queries or pairs.
        ok: Whether it is within the tolerance; None if not compared.
        note: How theirs was asked for, and what differs by definition.
    """

    system: str
    metric: str
    ours: float | None
    theirs: float | None
    difference: float | None
    n: int
    ok: bool | None
    note: str


def verify_ranking(
    runs: pl.DataFrame,
    qrels: pl.DataFrame,
    *,
    metrics: str | Sequence[str | Measure] = "",
    scale: GradeScale = FIVE,
) -> list[Check]:
    """Every ranking measure of every system, per query and as the mean that `trec_eval -c` prints.

    Args:
        runs: A `runs` table.
        qrels: A `qrels` table.
        metrics: Measures, or how they are spelled; empty for `RANKED`, and sDCG@20 where the scale
            has a best grade.
        scale: Scale of the grades.

    Raises:
        InputError: As `evaluate_ranking`.
        MissingExtraError: pytrec_eval is not installed.
    """
    measures = parse_all(metrics or RANKED + (",sDCG@20" if scale.levels else ""))
    measures = parse_all(measures, families=(RANKING,))
    runs = named(runs)
    coded = code_queries(qrels, [runs])
    grades = _nested(qrels, "grade")
    checks = []
    for system in runs["system"].unique(maintain_order=True):
        run = runs.filter(pl.col("system") == system)
        values = score_queries(run, coded, measures, scale=scale).values
        data = Data(_scores(run, grades), grades, scale)
        rows = evaluate_ranking(run, qrels, metrics=measures, scale=scale, empty="zero", reps=0)
        for measure in measures:
            found = dict(zip(coded.ids.to_list(), values[measure].tolist(), strict=True))
            row = rows.find(measure.text or repr(measure))
            mean = None if row is None else row.value
            checks.append(_check_ranked(str(system), measure, found, mean, data))
    return checks


def verify_grades(
    predictions: pl.DataFrame,
    qrels: pl.DataFrame,
    *,
    metrics: str | Sequence[str | Measure] = "",
    scale: GradeScale = FIVE,
) -> list[Check]:
    """Every measure of predicted grades of every model, over all pairs.

    Args:
        predictions: A `predictions` table.
        qrels: A `qrels` table, grades within 1-5.
        metrics: Measures, or how they are spelled; empty for `PREDICTED`.
        scale: Scale of the grades.

    Raises:
        InputError: As `evaluate_grades`.
        MissingExtraError: scikit-learn is not installed.
    """
    measures = parse_all(metrics or PREDICTED, families=(PAIRS, SUMS, THRESHOLD))
    models = named(predictions.rename({"model": "system"}, strict=False), "model")
    human = qrels.select("query_id", "pin_id", "grade")  # its p1…pK are the adjudicator's
    checks = []
    for model in models["system"].unique(maintain_order=True):
        own = models.filter(pl.col("system") == model).rename({"system": "model"})
        rows = evaluate_grades(own, qrels, metrics=measures, scale=scale, reps=0)
        pairs = human.join(own, on=["query_id", "pin_id"], how="inner")
        grades = pairs["grade"].cast(pl.Float64).to_numpy()
        probabilities = pairs.select(pl.col(PROBABILITIES).cast(pl.Float64)).to_numpy()
        for measure in measures:
            row = rows.find(measure.text or repr(measure))
            ours = None if row is None else row.value
            checks.append(_check_predicted(str(model), measure, ours, grades, probabilities))
    return checks


def _check_ranked(
    system: str, measure: Measure, ours: Values, mean: float | None, data: Data
) -> Check:
    """Ours against theirs over the judged queries, a query without a value counting 0 in both."""
    name = measure.text or repr(measure)
    try:
        theirs, asked = trec_eval(measure, data)
    except NotComparableError as error:
        return Check(
            system, name, mean, None, None, len(data.qrels), None, f"not compared: {error}"
        )
    shown_only = measure.metric.undefined == "missing"  # Judged: a mean over returned queries
    queries = [q for q in data.qrels if not shown_only or q in data.run]
    gaps = [abs(_zero(ours[q]) - theirs.get(q, 0.0)) for q in queries]
    expected = sum(theirs.get(q, 0.0) for q in queries) / len(queries) if queries else None
    n_empty = sum(bool(np.isnan(ours[q])) for q in queries)
    n_missing = sum(q not in data.run for q in queries)
    notes = [
        asked,
        *([f"nothing to find, so 0 as in trec_eval -c: {n_empty} queries"] if n_empty else []),
        *([f"missed by the run, so 0: {n_missing} queries"] if n_missing else []),
    ]
    return _compared(
        system,
        measure,
        ours=mean,
        theirs=expected,
        n=len(queries),
        notes=notes,
        gap=max(gaps, default=0.0),
    )


def _check_predicted(
    model: str, measure: Measure, ours: float | None, grades: Floats, probabilities: Floats
) -> Check:
    theirs, asked = scikit_learn(measure, grades, probabilities)
    expected = None if np.isnan(theirs) else theirs
    return _compared(model, measure, ours=ours, theirs=expected, n=len(grades), notes=[asked])


def _compared(
    system: str,
    measure: Measure,
    *,
    ours: float | None,
    theirs: float | None,
    n: int,
    notes: Sequence[str],
    gap: float = 0.0,
) -> Check:
    both_undefined = ours is None and theirs is None
    if ours is None or theirs is None:
        largest = 0.0 if both_undefined else float("inf")
    else:
        largest = max(gap, abs(ours - theirs))
    ok = largest <= TOLERANCE * max(1.0, abs(theirs or 0.0))
    notes = [*notes, *(["undefined in both"] if both_undefined else [])]
    name = measure.text or repr(measure)
    return Check(system, name, ours, theirs, largest, n, ok, "; ".join(notes))


def _zero(value: float) -> float:
    return 0.0 if np.isnan(value) else value


def _nested(frame: pl.DataFrame, column: str) -> Grades:
    """Query → Pin → whole-numbered value."""
    rows = frame.group_by("query_id", maintain_order=True).agg("pin_id", pl.col(column))
    return {
        query: dict(zip(pins, map(int, values), strict=True))
        for query, pins, values in rows.iter_rows()
    }


def _scores(run: pl.DataFrame, grades: Grades) -> Run:
    """Query → Pin → score of the judged queries; -rank where a query has no score at all."""
    rank = pl.col("rank") if "rank" in run.columns else pl.lit(None, dtype=pl.Int64)
    score = pl.col("score") if "score" in run.columns else pl.lit(None, dtype=pl.Float64)
    rows = (
        run.filter(pl.col("query_id").is_in(list(grades)))
        .select(
            "query_id", "pin_id", score=pl.coalesce(score.cast(pl.Float64), -rank.cast(pl.Float64))
        )
        .group_by("query_id", maintain_order=True)
        .agg("pin_id", "score")
    )
    if rows["score"].list.eval(pl.element().is_null()).list.any().any():
        raise InputError("the run has rows with neither score nor rank. Give every row a score")
    return {q: dict(zip(pins, scores, strict=True)) for q, pins, scores in rows.iter_rows()}
