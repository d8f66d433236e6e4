"""From qrels to a model folder: soft labels, validation by query, calibration, checkpoints."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from relevance.errors import ModelError
from relevance.progress import Progress, silent
from relevance.results import Evaluate, Row
from relevance.teacher.bases import find_base
from relevance.teacher.config import TeacherConfig
from relevance.teacher.encode import Encoder, open_encoder
from relevance.teacher.finish import (
    CHECKPOINT,
    clear_folder,
    document,
    finish,
    remove_checkpoints,
)
from relevance.teacher.fit import Examples, Fit, Recipe, Told
from relevance.teacher.model import SETTINGS, new_teacher, read_settings, write_settings
from relevance.teacher.predict import PROBABILITIES, Floats, predictions_frame, softmax
from relevance.teacher.processes import Group, open_group, parts
from relevance.teacher.split import Labelled, split_pairs
from relevance.teacher.trackers import open_tracker
from relevance.teacher.weights import Weights, prepare_weights
from relevance.training import (
    cores,
    read_checkpoint_state,
    resolve_device,
    resolve_precision,
    threads,
)

__all__ = ["CHECKPOINT", "TeacherConfig", "train_teacher"]


def train_teacher(
    qrels: pl.DataFrame,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    out: Path,
    config: TeacherConfig = TeacherConfig(),  # noqa: B008 - frozen
    *,
    evaluate: Evaluate | None = None,
    resume: bool = False,
    replace_stale: bool = False,
    progress: Progress = silent,
    told: Told | None = None,
) -> Path:
    """Trains a teacher on graded pairs and writes its model folder.

    Soft labels p1…p5 of the qrels are learned where a row has them, else its grade. A share of the
    queries is held back: they choose the epoch and the temperature, and `evaluate` reports on them
    every epoch. In several processes all call it alike, and the main one writes.

    Args:
        qrels: Graded pairs (grades 1-5).
        queries: Their queries.
        pins: Their Pins.
        out: Model folder to write; what it held is replaced unless `resume`.
        config: How.
        evaluate: Metrics of validation predictions, kept in the model folder.
        resume: Continue from the last checkpoint in `out`, if there is one, to the same result; a
            finished folder is returned as it is.
        replace_stale: Where `out` holds work on other inputs or settings, train anew instead of
            raising an error; only asked with `resume`.
        progress: Told of optimiser steps.
        told: Given the history's entry of every epoch: loss, validation loss, metrics.

    Returns:
        `out`.

    Raises:
        InputError: A pair's query or Pin is missing, a grade is not 1-5, or there is too little.
        ModelError: Weights cannot be had, the checkpoint is damaged or belongs to other inputs, or
            the loss is no number any more.
        SettingsError: The machine lacks what the settings ask for.
    """
    started = time.monotonic()
    data = split_pairs(qrels, queries, pins, config)
    identity = _identity(data, config)
    if resume and _is_finished(out, identity, replace_stale=replace_stale):
        return out
    group = open_group(resolve_device(config.device), config.processes)
    weights = _prepare(config, out, group, resume=resume)
    progress(0, 1, weights.note or f"base {weights.base.name} from {weights.source}")
    with threads(config.threads or max(1, cores() // group.size)):
        fit = _make_fit(data, weights, out, config=config, identity=identity, group=group)
        if resume:
            fit.resume(replace_stale=replace_stale)
        noted = dataclasses.asdict(config)
        with open_tracker(config.track, out, noted, group, step=fit.step) as tracker:
            report = _reporter(data.validation, out.name, evaluate)
            heard = (progress, told) if group.is_main else (silent, None)
            fit.run(report, heard[0], told=heard[1], tracker=tracker)
        settings = finish(fit, weights, out, config, identity)
    if group.is_main:
        document(out, settings, data, config, weights, seconds=time.monotonic() - started)
        write_settings(out, settings)
        remove_checkpoints(out)
    group.wait()
    return out


def _identity(data: Labelled, config: TeacherConfig) -> str:
    """Hash of what decides the result; how and where it is computed is left out."""
    count = parts(config.accumulate, config.processes)
    facts = {**data.digest, **config.decisive(parts=count)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _is_finished(out: Path, identity: str, *, replace_stale: bool) -> bool:
    """Whether `out` holds the finished teacher of these inputs and settings."""
    if not (out / SETTINGS).exists():
        return False
    if read_settings(out).identity == identity:
        remove_checkpoints(out)
        return True
    if replace_stale:
        return False
    raise ModelError(
        f"{out} holds a teacher of other inputs or settings. "
        "Give another --out, or --overwrite instead of --resume"
    )


def _prepare(config: TeacherConfig, out: Path, group: Group, *, resume: bool) -> Weights:
    """The base's weights and a folder to write to; the main process first, which writes."""
    base = find_base(config.base)
    if group.is_main:
        weights = prepare_weights(base)
        clear_folder(out)
        if not resume:
            remove_checkpoints(out)
    group.wait()
    return weights if group.is_main else prepare_weights(base)


def _make_fit(
    data: Labelled,
    weights: Weights,
    out: Path,
    *,
    config: TeacherConfig,
    identity: str,
    group: Group,
) -> Fit:
    checkpoint = out / CHECKPOINT
    precision = resolve_precision(config.precision, group.device.type)
    precision = precision if weights.base.autocast else "fp32"
    if config.precision == "auto" and checkpoint.exists():
        precision = read_checkpoint_state(checkpoint)["precision"]
    precision = group.told(precision)
    teacher = new_teacher(
        weights,
        tuning=config.plan(),
        dropout=config.dropout,
        seed=config.seed,
        device=group.device,
        precision=precision,
    )
    encoder = open_encoder(weights.folder, weights.base, config.max_tokens)
    return Fit(
        teacher,
        encoder,
        training=_examples(data.training, encoder),
        validation=_examples(data.validation, encoder),
        recipe=_recipe(config, weights, data.loss, precision),
        checkpoint=checkpoint,
        identity=f"{identity}/{weights.sha256}",
        group=group,
    )


def _recipe(config: TeacherConfig, weights: Weights, loss: str, precision: str) -> Recipe:
    return Recipe(
        epochs=config.epochs,
        batch_size=config.batch_size,
        parts=parts(config.accumulate, config.processes),
        loss=loss,
        balanced=config.class_weights == "balanced",
        patience=config.patience,
        learning_rate=config.rate_for(weights.base),
        head_learning_rate=config.head_learning_rate,
        warmup=config.warmup,
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
        checkpoint_steps=config.checkpoint_steps,
        precision=precision,
        seed=config.seed,
    )


def _examples(rows: pl.DataFrame, encoder: Encoder) -> Examples:
    targets = rows.select(PROBABILITIES).to_numpy().astype(np.float64)
    return Examples(encoder.encode(rows["query"].to_list(), rows["pin"].to_list()), targets)


def _reporter(
    validation: pl.DataFrame, name: str, evaluate: Evaluate | None
) -> Callable[[Floats], dict[str, Any]]:
    """What the loop keeps of an epoch: the metrics that `evaluate` makes of its predictions."""

    def report(logits: Floats) -> dict[str, Any]:
        if evaluate is None:
            return {}
        frame = predictions_frame(validation, softmax(logits), name)
        return {"metrics": [_figure(row) for row in evaluate(frame)]}

    return report


def _figure(row: Row) -> dict[str, Any]:
    return {
        "metric": row.metric,
        "slice": row.slice,
        "group": row.group,
        "value": row.value,
        "n": row.n,
    }
