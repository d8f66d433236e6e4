"""What the models of a study are worth: figures of each, and differences pair by pair."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from app.studies.folds import Fold
from app.studies.study import Study, against
from evaluation.compare import compare_runs
from evaluation.compare.grades import compare_grades
from evaluation.pointwise import evaluate_grades
from evaluation.ranking import evaluate_ranking
from relevance.blend import runs_from
from relevance.progress import Progress
from relevance.results import Results
from relevance.workspace import Workspace

WITH_RUNS = ("bm25", "chance")
"""Models whose lists are not those of their predicted grades."""


def measure(study: Study, workspace: Workspace, folds: list[Fold], progress: Progress) -> str:
    """Predictions of all folds, each on queries its models have not seen, against the grades."""
    qrels = tested_pairs(workspace, folds)
    queries = workspace.read("queries")
    results = Results(())
    for done, model in enumerate(study.models):
        progress(done, len(study.models), model)
        predictions = _of_all(workspace, "predictions", model, folds)
        results += evaluate_grades(predictions, qrels, queries, metrics=study.grades, by=study.by)
        if study.ranking and model != "majority":
            runs = _runs(workspace, model, folds)
            results += evaluate_ranking(
                runs, qrels, queries, metrics=study.ranking, scale=study.scale
            )
    for candidate, baseline in study.compared:
        results += _compared(study, workspace, folds, candidate, baseline)
    workspace.write("results-study", results.to_frame(), command=f"study {study.name}")
    return f"{len(results)} figures on {qrels.height:,} pairs"


def _compared(
    study: Study, workspace: Workspace, folds: list[Fold], candidate: str, baseline: str
) -> Results:
    """Differences of two models on the same pairs, as rows of the system `against(…)`."""
    qrels, queries = tested_pairs(workspace, folds), workspace.read("queries")
    old, new = (
        _of_all(workspace, "predictions", model, folds).with_columns(model=pl.lit(model))
        for model in (baseline, candidate)
    )
    found = compare_grades(old, new, qrels, queries, metrics=study.grades)
    if study.ranking:
        lists = [
            _runs(workspace, model, folds).with_columns(system=pl.lit(model))
            for model in (baseline, candidate)
        ]
        found += compare_runs(
            lists[0], lists[1], qrels, queries, metrics=study.ranking, scale=study.scale
        )
    rows = (replace(row, system=against(candidate, baseline)) for row in found)
    return Results(tuple(rows))


def tested_pairs(workspace: Workspace, folds: list[Fold]) -> pl.DataFrame:
    """The grades of all queries that a fold is tested on."""
    tested = [query_id for fold in folds for query_id in fold.test]
    return workspace.read("qrels").filter(pl.col("query_id").is_in(tested))


def _of_all(workspace: Workspace, kind: str, model: str, folds: list[Fold]) -> pl.DataFrame:
    return pl.concat([workspace.read(f"{kind}-{model}-{fold.number}") for fold in folds])


def _runs(workspace: Workspace, model: str, folds: list[Fold]) -> pl.DataFrame:
    """The ranked lists of a model."""
    if model in WITH_RUNS:
        return _of_all(workspace, "runs", model, folds)
    return runs_from(_of_all(workspace, "predictions", model, folds), model)
