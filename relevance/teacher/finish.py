"""The end of a training: the best epoch, its temperature, and what the folder says of itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from relevance.files import atomic, hash_file
from relevance.provenance import hash_query, provenance_path, write_provenance
from relevance.teacher.card import CARD, Facts, model_card
from relevance.teacher.config import TeacherConfig
from relevance.teacher.fit import BEST, Fit
from relevance.teacher.model import SETTINGS, Settings, save_teacher
from relevance.teacher.predict import fit_temperature
from relevance.teacher.split import Labelled
from relevance.teacher.weights import Weights

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINTS = (CHECKPOINT, BEST)
WEIGHTS = "model.safetensors"


def clear_folder(out: Path) -> None:
    """Makes `out` a folder without a finished teacher; checkpoints and other files stay."""
    out.mkdir(parents=True, exist_ok=True)
    (out / SETTINGS).unlink(missing_ok=True)  # first: it marks a whole folder
    for path in (out / WEIGHTS, out / CARD, provenance_path(out)):
        path.unlink(missing_ok=True)
    for name in (*CHECKPOINTS, WEIGHTS, SETTINGS, CARD, "provenance.json"):
        for rest in out.glob(f".{name}.*"):  # half a file of a run that was killed
            rest.unlink()


def remove_checkpoints(out: Path) -> None:
    """Removes what only an unfinished training needs."""
    for name in CHECKPOINTS:
        (out / name).unlink(missing_ok=True)


def finish(fit: Fit, weights: Weights, out: Path, config: TeacherConfig, identity: str) -> Settings:
    """Puts the best epoch's weights back, calibrates on the validation queries, writes weights."""
    fit.keep_best()
    logits = fit.validate()
    settings = Settings(
        base=weights.base.name,
        max_tokens=config.max_tokens,
        text_features=tuple(config.text_features),
        temperature=fit_temperature(logits, fit.validation.targets),
        source=weights.source,
        note=weights.note,
        identity=identity,
        tuning=dataclasses.asdict(fit.teacher.tuning),
        weights_sha256=weights.sha256,
        history=tuple(fit.history),
    )
    if fit.group.is_main:
        save_teacher(out, fit.teacher, fit.encoder)
    return settings


def document(
    out: Path,
    settings: Settings,
    data: Labelled,
    config: TeacherConfig,
    weights: Weights,
    *,
    seconds: float,
) -> None:
    """Writes provenance.json and the model card."""
    made = hash_file(out / WEIGHTS)
    write_provenance(
        out,
        command="gradewise teacher train",
        inputs={**data.digest, "base": weights.sha256},
        config={**dataclasses.asdict(config), "seconds": round(seconds, 1), "model_sha256": made},
        seed=config.seed,
        seen_queries=map(hash_query, data.query_ids),
    )
    facts = Facts(
        counts=data.counts,
        queries=data.queries,
        hashes={**data.digest, "base": weights.sha256, "model": made},
        loss=data.loss,
        config=config,
    )
    with atomic(out / CARD) as temporary:
        temporary.write_text(model_card(settings, facts), encoding="utf-8")
