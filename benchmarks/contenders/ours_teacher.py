"""Gradewise labels files of pairs with a MiniLM teacher, and fine-tunes e5-small."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.teacher_data import ready_teacher

_LABELS = (
    "relevance.teacher.labelling",
    "relevance.teacher.engines",
    "transformers.models.bert.modeling_bert",
)
IMPORTS = {
    "auto": _LABELS,
    "bf16": _LABELS,
    "fine_tune": ("relevance.teacher.train", "transformers.models.bert.modeling_bert"),
}


def prepare(function: str, files: Mapping[str, Path]) -> None:
    """Has the weights converted, which happens once on a machine."""
    from relevance.teacher.bases import find_base
    from relevance.teacher.weights import prepare_weights

    if function == "fine_tune":
        prepare_weights(find_base("multilingual-e5-small"))
    else:
        ready_teacher(files["pairs"].parent)


def finish() -> None:
    """Nothing was started."""


def work(function: str, files: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """Tables to audited labels, or to a model folder."""
    out = Path(tempfile.mkdtemp(prefix="teacher-"))
    try:
        done = _fine_tune(files, out) if function == "fine_tune" else _label(function, files, out)
    finally:
        shutil.rmtree(out)
    return {"pairs": done}, {}


def _label(precision: str, files: Mapping[str, Path], out: Path) -> float:
    from relevance.teacher.labelling import LabelConfig, label_files

    manifest = label_files(
        files["pairs"],
        files["queries"],
        files["pins"],
        ready_teacher(files["pairs"].parent),
        out,
        config=LabelConfig(precision=precision),
    )
    print(manifest)
    return float(manifest.pairs)


def _fine_tune(files: Mapping[str, Path], out: Path) -> float:
    import polars as pl

    from relevance.teacher.train import TeacherConfig, train_teacher

    tables = {name: pl.read_parquet(files[name]) for name in ("qrels", "queries", "pins")}
    config = TeacherConfig(
        base="multilingual-e5-small",
        epochs=1,
        layers=12,
        frozen_layers=0,
        max_tokens=128,
        text_features=("description",),
        validation_share=0.0,
    )
    train_teacher(tables["qrels"], tables["queries"], tables["pins"], out / "m", config)
    return float(tables["qrels"].height)
