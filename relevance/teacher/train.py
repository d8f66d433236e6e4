"""From qrels to a model folder: soft labels, validation by query, calibration, checkpoints."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from relevance.errors import ModelError
from relevance.progress import Progress, silent
from relevance.provenance import hash_query, write_provenance
from relevance.results import Evaluate, Row
from relevance.teacher.bases import DEFAULT_BASE, find_base
from relevance.teacher.card import model_card
from relevance.teacher.encode import PairEncoder, read_tokenizer
from relevance.teacher.fit import Examples, Fit, Recipe
from relevance.teacher.model import (
    SETTINGS,
    Settings,
    new_teacher,
    read_settings,
    save_teacher,
    write_settings,
)
from relevance.teacher.pairs import join_texts, with_targets
from relevance.teacher.predict import (
    PROBABILITIES,
    Floats,
    fit_temperature,
    predict_logits,
    predictions_frame,
    softmax,
)
from relevance.teacher.weights import Weights, prepare_weights
from relevance.text import TEXT_FEATURES, pick_features
from relevance.training import (
    autocast,
    hash_rows,
    read_checkpoint_state,
    resolve_precision,
    threads,
)

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherConfig:
    """How a teacher is trained.

    Attributes:
        base: Name of the base model; see `bases.py`.
        epochs: Passes over the training pairs.
        batch_size: Pairs of an optimiser step.
        learning_rate: Peak rate of the encoder.
        head_learning_rate: Peak rate of the fresh head.
        warmup: Share of the steps in which the rate rises.
        weight_decay: Of weight matrices.
        clip_norm: Longest gradient.
        dropout: Of the pooled state; the encoder has none.
        frozen_layers: So many of the lowest layers stay as they are, with all embeddings; None for
            what suits the base. Word embeddings always do.
        layers: Layers of the base to keep, the lowest ones; None for what suits the base. The upper
            ones serve the base's own task most, and each costs time in training and labelling.
        max_tokens: Longest input; time grows with it.
        text_features: Which text features of a Pin are read.
        validation_share: Share of the queries held back for validation and calibration.
        checkpoint_steps: Steps between checkpoints.
        precision: `"auto"` (bf16 autocast where the processor is faster in it), `"bf16"`, `"fp32"`.
        threads: Threads of torch; None for every core.
        seed: Of the head, the order, dropout and the split.
    """

    base: str = DEFAULT_BASE
    epochs: int = 3
    batch_size: int = 16
    learning_rate: float = 2e-4
    head_learning_rate: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    dropout: float = 0.1
    frozen_layers: int | None = None
    layers: int | None = None
    max_tokens: int = 64
    text_features: tuple[str, ...] = tuple(feature.name for feature in TEXT_FEATURES)
    validation_share: float = 0.1
    checkpoint_steps: int = 100
    precision: str = "auto"
    threads: int | None = None
    seed: int = 0

    def recipe(self, precision: str) -> Recipe:
        """The part of it that the loop needs, with a resolved precision."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(Recipe)
            if field.name != "precision"
        }
        return Recipe(precision=precision, **values)


def train_teacher(
    qrels: pl.DataFrame,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    out: Path,
    config: TeacherConfig = TeacherConfig(),
    *,
    evaluate: Evaluate | None = None,
    resume: bool = False,
    replace_stale: bool = False,
    progress: Progress = silent,
) -> Path:
    """Trains a teacher on graded pairs and writes its model folder.

    Soft labels p1…p5 of the qrels are learned where a row has them, else its grade. A share of the
    queries is held back: they choose the temperature, and `evaluate` reports on them every epoch.

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

    Returns:
        `out`.

    Raises:
        InputError: A pair's query or Pin is missing, a grade is not 1-5, or there is no pair.
        ModelError: Weights cannot be had, or the checkpoint belongs to other inputs.
    """
    started = time.monotonic()
    examples = _Labelled.of(qrels, queries, pins, config)
    identity = _identity(examples, config)
    if resume and _is_finished(out, identity, replace_stale=replace_stale):
        return out
    weights = prepare_weights(find_base(config.base))
    progress(0, 1, weights.note or f"base {weights.base.name} from {weights.source}")
    (out / SETTINGS).unlink(missing_ok=True)
    if not resume:
        (out / CHECKPOINT).unlink(missing_ok=True)
    with threads(config.threads):
        fit = _make_fit(examples, weights, out, config)
        if resume:
            fit.resume(replace_stale=replace_stale)
        fit.run(_reporter(examples.validation, out.name, evaluate), progress)
        settings = dataclasses.replace(_finish(fit, weights, out, config), identity=identity)
    _document(out, settings, examples, config, seconds=time.monotonic() - started)
    write_settings(out, settings)
    (out / CHECKPOINT).unlink(missing_ok=True)
    return out


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Pairs with texts and soft labels, split by query."""

    training: pl.DataFrame
    validation: pl.DataFrame
    digest: Mapping[str, str]

    @classmethod
    def of(
        cls,
        qrels: pl.DataFrame,
        queries: pl.DataFrame,
        pins: pl.DataFrame,
        config: TeacherConfig,
    ) -> _Labelled:
        features = pick_features(config.text_features)
        rows = join_texts(with_targets(qrels), queries, pins, config.text_features)
        held = _held_back(rows["query_id"].unique().sort().to_list(), config)
        names = [feature.name for feature in features]
        keys = ["query_id", "pin_id"]
        return cls(
            rows.filter(~pl.col("query_id").is_in(held)),
            rows.filter(pl.col("query_id").is_in(held)),
            {
                "qrels": hash_rows(rows, [*keys, *PROBABILITIES]),
                "queries": hash_rows(queries.sort("query_id"), ["query_id", "text"]),
                "pins": hash_rows(pins.sort("pin_id"), ["pin_id", *names]),
            },
        )

    @property
    def query_ids(self) -> list[str]:
        """Every query that was seen, for training or validation."""
        return pl.concat([self.training, self.validation])["query_id"].unique().sort().to_list()


def _identity(examples: _Labelled, config: TeacherConfig) -> str:
    """Hash of what decides the result, the number of threads aside."""
    parts = {**examples.digest, **dataclasses.asdict(config), "threads": None}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _is_finished(out: Path, identity: str, *, replace_stale: bool) -> bool:
    """Whether `out` holds the finished teacher of these inputs and settings."""
    if not (out / SETTINGS).exists():
        return False
    if read_settings(out).identity == identity:
        return True
    if replace_stale:
        return False
    raise ModelError(
        f"{out} holds a teacher of other inputs or settings. "
        "Give another --out, or --overwrite instead of --resume"
    )


def _held_back(query_ids: list[str], config: TeacherConfig) -> list[str]:
    """Queries for validation: a share, at least one, none where there are fewer than five."""
    if len(query_ids) < 5 or config.validation_share <= 0:
        return []
    count = max(1, round(len(query_ids) * config.validation_share))
    rng = np.random.default_rng(config.seed)
    return sorted(rng.permutation(query_ids)[:count].tolist())


def _make_fit(examples: _Labelled, weights: Weights, out: Path, config: TeacherConfig) -> Fit:
    encoder = PairEncoder(read_tokenizer(weights.folder), weights.base, config.max_tokens)
    frozen = config.frozen_layers
    teacher = new_teacher(
        weights,
        dropout=config.dropout,
        layers=config.layers or weights.base.kept_layers,
        frozen_layers=weights.base.frozen_layers if frozen is None else frozen,
        seed=config.seed,
    )
    checkpoint = out / CHECKPOINT
    precision = resolve_precision(config.precision if weights.base.autocast else "fp32")
    if config.precision == "auto" and checkpoint.exists():
        precision = read_checkpoint_state(checkpoint)["precision"]
    out.mkdir(parents=True, exist_ok=True)
    return Fit(
        teacher,
        encoder,
        training=_examples(examples.training, encoder),
        validation=_examples(examples.validation, encoder),
        recipe=config.recipe(precision),
        checkpoint=checkpoint,
    )


def _examples(rows: pl.DataFrame, encoder: PairEncoder) -> Examples:
    targets = rows.select(PROBABILITIES).to_numpy().astype(np.float64)
    return Examples(encoder.encode(rows["query"].to_list(), rows["pin"].to_list()), targets)


def _reporter(validation: pl.DataFrame, name: str, evaluate: Evaluate | None) -> Any:
    """What the loop keeps of an epoch: the metrics that `evaluate` makes of its predictions."""

    def report(logits: Floats) -> dict[str, Any]:
        if evaluate is None:
            return {}
        frame = predictions_frame(validation, softmax(logits), name)
        return {"metrics": [_figure(row) for row in evaluate(frame)]}

    return report


def _figure(row: Row) -> dict[str, Any]:
    return {"metric": row.metric, "slice": row.slice, "group": row.group, "value": row.value}


def _finish(fit: Fit, weights: Weights, out: Path, config: TeacherConfig) -> Settings:
    """Calibrates on the validation queries and writes the weights."""
    fit.teacher.eval()
    with autocast(fit.recipe.precision):
        logits = predict_logits(fit.teacher, fit.encoder, fit.validation.pairs)
    if any(not np.isfinite(entry["loss"]) for entry in fit.history):
        raise ModelError("training diverged: the loss is not finite. Lower --learning-rate")
    settings = Settings(
        base=weights.base.name,
        max_tokens=config.max_tokens,
        text_features=tuple(config.text_features),
        temperature=fit_temperature(logits, fit.validation.targets),
        source=weights.source,
        note=weights.note,
        history=tuple(fit.history),
    )
    save_teacher(out, fit.teacher, fit.encoder)
    return settings


def _document(
    out: Path, settings: Settings, examples: _Labelled, config: TeacherConfig, *, seconds: float
) -> None:
    """Writes provenance.json and the model card."""
    write_provenance(
        out,
        command="gradewise teacher train",
        inputs=examples.digest,
        config={**dataclasses.asdict(config), "seconds": round(seconds, 1)},
        seed=config.seed,
        seen_queries=map(hash_query, examples.query_ids),
    )
    counts = {
        "training": (examples.training["query_id"].n_unique(), examples.training.height),
        "validation": (examples.validation["query_id"].n_unique(), examples.validation.height),
    }
    layers = json.loads((out / "config.json").read_text()).get("num_hidden_layers")
    (out / "README.md").write_text(model_card(settings, counts, layers=layers))
