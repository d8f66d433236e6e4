"""A study from its files to its results, in stages that are skipped when they are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from app.stages import Finished, Stage, run_stages
from app.studies.folding import IMPORTED, FoldRun, embed
from app.studies.folds import Fold, draw_queries, draw_slice
from app.studies.labelling import push_and_pull
from app.studies.measuring import measure, tested_pairs
from app.studies.study import BASELINES, SLICE_PAIRS, Study
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
    study = study.for_slice() if options.sliced else study
    workspace = Workspace(options.root / study.name)
    first = run_stages(_preparation(study, workspace, options), workspace.root)
    folds = study.split(workspace.read("queries"))[: 1 if options.sliced else None]
    stages = [stage for fold in folds for stage in _fold(study, workspace, fold, options)]
    stages.append(_measuring(study, workspace, folds, options))
    finished = first + run_stages(stages, workspace.root)
    results = results_from(workspace.read("results-study").to_dicts())
    tested = tested_pairs(workspace, folds)
    return Outcome(study, tested.height, tested["query_id"].n_unique(), results, tuple(finished))


def _preparation(study: Study, workspace: Workspace, options: Options) -> list[Stage]:
    facts = {
        "slice": SLICE_PAIRS if options.sliced else 0,
        "queries": study.n_queries,
        "seed": options.seed,
    }
    tables = tuple(f"{name}.parquet" for name in IMPORTED)
    stages = [
        Stage(
            "import",
            f"{study.name}: import",
            lambda progress: _import(study, workspace, options, progress),
            outputs=tables,
            config=facts,
        ),
    ]
    if study.students:
        stages.append(
            Stage(
                "embed",
                f"{study.name}: embeddings",
                lambda progress: embed(workspace, options.threads, progress),
                inputs=tables,
                outputs=("query_embeddings.parquet", "pin_embeddings.parquet"),
            )
        )
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
    if options.sliced or study.n_queries is not None:
        _cut(workspace, study, made.tables, options)
    progress(1, 1)
    said = [f"{workspace.read('qrels').height:,} graded pairs", *made.summary()]
    return "; ".join(said)


def _cut(
    workspace: Workspace, study: Study, tables: dict[str, pl.DataFrame], options: Options
) -> None:
    """Keeps the queries that a study wants, and `SLICE_PAIRS` graded pairs of them in a slice.

    All Pins stay, but in a slice.
    """
    queries, pins = tables["queries"], tables["pins"]
    if options.sliced and study.slice_language:
        queries = queries.filter(pl.col("language") == study.slice_language)
    qrels = tables["qrels"].join(queries, on="query_id", how="semi")
    if study.n_queries is not None:
        qrels = draw_queries(qrels, study.n_queries, seed=options.seed)
    if options.sliced:
        qrels = draw_slice(qrels, SLICE_PAIRS, seed=options.seed)
        pins = pins.join(qrels, on="pin_id", how="semi")
    kept = {
        "qrels": qrels,
        "pairs": qrels.select("query_id", "pin_id"),
        "queries": queries.join(qrels, on="query_id", how="semi"),
        "pins": pins,
    }
    for name, frame in kept.items():
        workspace.write(name, frame, command=f"study {study.name}, cut")


def _fold(study: Study, workspace: Workspace, fold: Fold, options: Options) -> list[Stage]:
    """What is done in a fold, baselines first: they are there in a minute."""
    run = FoldRun(study, workspace, fold, options.threads, options.seed)
    tables = tuple(f"{name}.parquet" for name in IMPORTED)

    def stage(
        name: str,
        work: Callable[[Progress], str],
        outputs: tuple[str, ...],
        more_inputs: tuple[str, ...] = (),
        recipe: Mapping[str, Any] = run.recipe,
    ) -> Stage:
        key, title = f"{name}-{fold.number}", f"{study.name}, fold {fold.number}: {name}"
        return Stage(
            key, title, work, inputs=(*tables, *more_inputs), outputs=outputs, config=recipe
        )

    def predicted(*models: str) -> tuple[str, ...]:
        return tuple(f"{run.table('predictions', model)}.parquet" for model in models)

    stages = [stage("baselines", run.baselines, predicted(*BASELINES))]
    for number, teaching in enumerate(study.teachers):
        folder = str((run.teacher(teaching) / "provenance.json").relative_to(workspace.root))
        recipe = run.teaching_recipe(teaching)
        taught = predicted("targets") if study.students and number == 0 else ()
        stages += [
            stage(teaching.key, partial(run.teach, teaching), (folder,), recipe=recipe),
            stage(
                f"labels-{teaching.key}",
                partial(run.label, teaching),
                (*predicted(teaching.key), *taught),
                (folder,),
                recipe,
            ),
        ]
    if study.students:
        students = predicted("student", "student_human")
        stages.append(stage("students", run.distil, students, predicted("targets")))
    return stages


def _measuring(study: Study, workspace: Workspace, folds: list[Fold], options: Options) -> Stage:
    tables = [
        f"predictions-{model}-{fold.number}.parquet" for model in study.models for fold in folds
    ]
    config = {
        "seed": options.seed,
        "grades": study.grades,
        "ranking": study.ranking,
        "compared": study.compared,
    }
    return Stage(
        "results",
        f"{study.name}: evaluation",
        lambda progress: measure(study, workspace, folds, progress),
        inputs=("qrels.parquet", *tables),
        outputs=("results-study.parquet",),
        config=config,
    )
