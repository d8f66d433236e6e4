"""A study from its files to its results, in stages that are skipped when they are done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.stages import Finished, Stage, run_stages
from app.studies.folding import IMPORTED, MODELS, FoldRun, embed
from app.studies.folds import Fold, draw_slice
from app.studies.labelling import push_and_pull
from app.studies.study import SLICE_PAIRS, Study
from evaluation.pointwise import evaluate_grades
from evaluation.ranking import evaluate_ranking
from relevance.blend import runs_from
from relevance.importers import IMPORTERS, import_tables
from relevance.progress import Progress
from relevance.results import Results, results_from
from relevance.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Options:
    """How studies are run.

    Attributes:
        data: Folder of the public data sets.
        root: Folder for the studies' workspaces; a study that was interrupted is resumed there.
        sliced: Only `SLICE_PAIRS` pairs and the first fold.
        push: Whether pairs go through Label Studio.
        threads: Processor threads; None for every core.
        seed: Of everything random.
    """

    data: Path
    root: Path
    sliced: bool = False
    push: bool = True
    threads: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a study.

    Attributes:
        study: What was studied.
        n_pairs: Pairs tested on.
        n_queries: Queries tested on.
        results: The long table.
        stages: What each stage did, and how long it took.
    """

    study: Study
    n_pairs: int
    n_queries: int
    results: Results
    stages: tuple[Finished, ...]


def run_study(study: Study, options: Options) -> Outcome:
    """Runs a study, or what an interrupted run has left of it."""
    workspace = Workspace(options.root / study.name)
    first = run_stages(_preparation(study, workspace, options), workspace.root)
    folds = study.split(workspace.read("queries"))[: 1 if options.sliced else None]
    stages = [stage for fold in folds for stage in _fold(study, workspace, fold, options)]
    stages.append(_measuring(study, workspace, folds, options))
    finished = first + run_stages(stages, workspace.root)
    results = results_from(workspace.read("results-study").to_dicts())
    tested = _tested(workspace, folds)
    return Outcome(study, tested.height, tested["query_id"].n_unique(), results, tuple(finished))


def _preparation(study: Study, workspace: Workspace, options: Options) -> list[Stage]:
    facts = {"slice": SLICE_PAIRS if options.sliced else 0, "seed": options.seed}
    tables = tuple(f"{name}.parquet" for name in IMPORTED)
    stages = [
        Stage(
            "import",
            f"{study.name}: import",
            lambda progress: _import(study, workspace, options, progress),
            outputs=tables,
            config=facts,
        ),
        Stage(
            "embed",
            f"{study.name}: embeddings",
            lambda progress: embed(workspace, options.threads, progress),
            inputs=tables,
            outputs=("query_embeddings.parquet", "pin_embeddings.parquet"),
        ),
    ]
    if study.n_pushed and options.push:
        stages.append(
            Stage(
                "push",
                f"{study.name}: Label Studio",
                lambda progress: push_and_pull(
                    workspace, study.n_pushed, seed=options.seed, progress=progress
                ),
                inputs=tables,
                outputs=("judgments.parquet",),
                config={"pairs": study.n_pushed, "seed": options.seed},
            )
        )
    return stages


def _import(study: Study, workspace: Workspace, options: Options, progress: Progress) -> str:
    importer = IMPORTERS[study.importer]
    source = options.data / study.source
    command = f"gradewise data import {study.importer} {Path(study.source).name}"
    made = import_tables(importer, source, workspace.root, command=command, overwrite=True)
    tables = made.tables
    if options.sliced:
        _cut(workspace, study, tables, options)
    progress(1, 1)
    return f"{workspace.read('qrels').height:,} graded pairs"


def _cut(
    workspace: Workspace, study: Study, tables: dict[str, pl.DataFrame], options: Options
) -> None:
    """Keeps `SLICE_PAIRS` graded pairs of a data set, with their queries and Pins."""
    queries = tables["queries"]
    if study.slice_language:
        queries = queries.filter(pl.col("language") == study.slice_language)
    candidates = tables["qrels"].join(queries, on="query_id", how="semi")
    qrels = draw_slice(candidates, SLICE_PAIRS, seed=options.seed)
    kept = {
        "qrels": qrels,
        "pairs": qrels.select("query_id", "pin_id"),
        "queries": queries.join(qrels, on="query_id", how="semi"),
        "pins": tables["pins"].join(qrels, on="pin_id", how="semi"),
    }
    for name, frame in kept.items():
        workspace.write(name, frame, command=f"study {study.name}, slice")


def _fold(study: Study, workspace: Workspace, fold: Fold, options: Options) -> list[Stage]:
    run = FoldRun(study, workspace, fold, options.threads, options.seed)
    number = fold.number
    tables = tuple(f"{name}.parquet" for name in IMPORTED)
    teacher = str((run.teacher / "provenance.json").relative_to(workspace.root))
    targets = f"{run.table('predictions', 'targets')}.parquet"

    def stage(
        name: str, work: Callable[[Progress], str], inputs: tuple[str, ...], *outputs: str
    ) -> Stage:
        title = f"{study.name}, fold {number}: {name}"
        return Stage(
            f"{name}-{number}", title, work, inputs=inputs, outputs=outputs, config=run.recipe
        )

    def predicted(*models: str) -> list[str]:
        return [f"{run.table('predictions', model)}.parquet" for model in models]

    return [
        stage("teacher", run.teach, tables, teacher),
        stage("labels", run.label, (*tables, teacher), *predicted("teacher", "targets")),
        stage("students", run.distil, (*tables, targets), *predicted("student", "student_human")),
        stage("baselines", run.baselines, tables, *predicted("bm25", "majority", "chance")),
    ]


def _measuring(study: Study, workspace: Workspace, folds: list[Fold], options: Options) -> Stage:
    tables = [f"predictions-{model}-{fold.number}.parquet" for model in MODELS for fold in folds]
    return Stage(
        "results",
        f"{study.name}: evaluation",
        lambda progress: _measure(study, workspace, folds, progress),
        inputs=("qrels.parquet", *tables),
        outputs=("results-study.parquet",),
        config={"seed": options.seed, "grades": study.grades, "ranking": study.ranking},
    )


def _measure(study: Study, workspace: Workspace, folds: list[Fold], progress: Progress) -> str:
    """Predictions of all folds, each on queries its models have not seen, against the grades."""
    qrels = _tested(workspace, folds)
    queries = workspace.read("queries")
    results = Results(())
    for done, model in enumerate(MODELS):
        progress(done, len(MODELS), model)
        predictions = _of_all(workspace, "predictions", model, folds)
        results += evaluate_grades(predictions, qrels, queries, metrics=study.grades, by=study.by)
        if study.ranking and model != "majority":
            if model in ("bm25", "chance"):
                runs = _of_all(workspace, "runs", model, folds)
            else:
                runs = runs_from(predictions, model)
            results += evaluate_ranking(
                runs, qrels, queries, metrics=study.ranking, scale=study.scale
            )
    workspace.write("results-study", results.to_frame(), command=f"study {study.name}")
    return f"{len(results)} figures on {qrels.height:,} pairs"


def _tested(workspace: Workspace, folds: list[Fold]) -> pl.DataFrame:
    tested = [query_id for fold in folds for query_id in fold.test]
    return workspace.read("qrels").filter(pl.col("query_id").is_in(tested))


def _of_all(workspace: Workspace, kind: str, model: str, folds: list[Fold]) -> pl.DataFrame:
    return pl.concat([workspace.read(f"{kind}-{model}-{fold.number}") for fold in folds])
