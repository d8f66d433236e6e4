"""Out-of-fold predictions: every graded pair labelled by a teacher that never saw its query."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl

from relevance.errors import InputError
from relevance.files import atomic
from relevance.progress import Progress, silent
from relevance.provenance import write_provenance
from relevance.results import Evaluate
from relevance.tables import write_table
from relevance.teacher.labelling import LabelConfig, label_pairs, read_labels
from relevance.teacher.predict import PROBABILITIES
from relevance.teacher.processes import open_group, parts
from relevance.teacher.train import TeacherConfig, train_teacher
from relevance.training import hash_rows, resolve_device

PREDICTIONS = "predictions.parquet"


def train_folds(
    qrels: pl.DataFrame,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    out: Path,
    config: TeacherConfig,
    *,
    folds: int,
    evaluate: Evaluate | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> pl.DataFrame:
    """Trains one teacher a fold and labels that fold's pairs with it.

    Queries are dealt into `folds` parts at random (by the seed). Written to
    `out`/predictions.parquet; models are removed once their fold is labelled.

    Args:
        qrels: Graded pairs.
        queries: Their queries.
        pins: Their Pins.
        out: Folder to write to.
        config: How each teacher is trained.
        folds: Number of parts, at least 2 and at most the number of queries.
        evaluate: Metrics of validation predictions.
        resume: Keep the folds that are done and continue the one that is not.
        progress: Told of the steps of the fold at hand.

    Returns:
        A `predictions` frame, one row a pair of `qrels`; `model` says `out`'s name and the fold.

    Raises:
        InputError: `folds` does not suit the queries, or `out` holds folds of other inputs.
    """
    dealt = deal_queries(qrels["query_id"].unique().to_list(), folds, config.seed)
    root = out / "folds"
    group = open_group(resolve_device(config.device), config.processes)
    if group.is_main:
        _claim(root, _identity(qrels, config, folds), resume=resume)
    group.wait()
    frames = []
    for number, part in enumerate(dealt, start=1):
        inside = pl.col("query_id").is_in(part)
        learned, wanted = qrels.filter(~inside), qrels.filter(inside)
        folder = root / f"{number}"
        if not (folder / "done").exists():
            model = folder / f"fold-{number}"
            train_teacher(
                learned, queries, pins, model, config,
                evaluate=evaluate, resume=resume, progress=progress,
            )  # fmt: skip
            if group.is_main:
                _label(wanted, queries, pins, model, config=config, progress=progress)
            group.wait()
        frames.append(read_labels(folder / "labels"))
    predictions = pl.concat(frames).with_columns(model=pl.lit(out.name))
    if group.is_main:
        _write(predictions, qrels, out / PREDICTIONS, config, folds)
    return predictions.sort("query_id", "pin_id")


def _label(
    wanted: pl.DataFrame,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    model: Path,
    *,
    config: TeacherConfig,
    progress: Progress,
) -> None:
    """Labels a fold's pairs beside its model, which is then removed."""
    folder = model.parent
    label = LabelConfig(threads=config.threads, precision=config.precision)
    label_pairs(wanted, queries, pins, model, folder / "labels", config=label, progress=progress)
    (folder / "done").touch()
    shutil.rmtree(model)


def _write(
    predictions: pl.DataFrame, qrels: pl.DataFrame, path: Path, config: TeacherConfig, folds: int
) -> None:
    write_table(predictions, path, "predictions")
    write_provenance(
        path,
        command="gradewise teacher train --folds",
        inputs={"qrels": hash_rows(qrels, ["query_id", "pin_id", "grade"])},
        config={**dataclasses.asdict(config), "folds": folds},
        seed=config.seed,
    )


def deal_queries(query_ids: list[str], folds: int, seed: int) -> list[list[str]]:
    """The queries in `folds` random parts of nearly equal size, each sorted.

    Raises:
        InputError: `folds` is below 2 or above the number of queries.
    """
    if not 2 <= folds <= len(query_ids):
        raise InputError(
            f"folds must be 2 to {len(query_ids)} (the number of queries), got {folds}. "
            "Give another --folds"
        )
    order = np.random.default_rng(seed).permutation(sorted(query_ids))
    return [sorted(part.tolist()) for part in np.array_split(order, folds)]


def _identity(qrels: pl.DataFrame, config: TeacherConfig, folds: int) -> str:
    columns = ["query_id", "pin_id", "grade", *PROBABILITIES]
    facts = [
        hash_rows(qrels.sort("query_id", "pin_id"), columns),
        json.dumps(
            config.decisive(parts=parts(config.accumulate, config.processes)), sort_keys=True
        ),
        str(folds),
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _claim(root: Path, identity: str, *, resume: bool) -> None:
    """Makes `root` the folder of this job, keeping what an interrupted run of it left there."""
    stamp = root / "identity"
    if resume and stamp.exists():
        if stamp.read_text() != identity:
            raise InputError(
                f"{root} holds folds of other inputs or settings. "
                "Resume with the same ones, or train anew with --overwrite"
            )
        return
    shutil.rmtree(root, ignore_errors=True)
    with atomic(stamp) as temporary:
        temporary.write_text(identity)
