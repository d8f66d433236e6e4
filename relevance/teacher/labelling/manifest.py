"""What a folder of labels says of itself, and whether a job may continue in it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from relevance.errors import InputError, ModelError
from relevance.files import atomic, hash_file
from relevance.provenance import read_provenance
from relevance.teacher.labelling.config import MANIFEST, LabelConfig
from relevance.teacher.labelling.planning import shard_name

PLAN_FOLDER = ".plan"
_MODEL_FILES = ("model.safetensors", "gradewise.json", "config.json", "tokenizer.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A labelling job: what it is made from and how far it is.

    Attributes:
        model: What `model` says in the predictions.
        model_sha256: Of the weights.
        model_files: File of the model folder → SHA-256.
        inputs: pairs, queries, pins → 128-bit XXH3 of the table.
        asked: engine, precision, batch_tokens, shard_pairs as configured.
        pairs: Rows in all; 0 before the plan is made, as are the next three.
        distinct: Pairs of texts in all.
        shards: Files in all.
        pairs_digest: Of the pairs' ids, in whatever order.
        plan_seconds: Time the plan took.
        engine: The engine chosen; empty before it is, as is the precision.
        precision: What it multiplies in.
        drift: How far that is from fp32 on a sample of the pairs; empty for fp32 itself.
        note: Why engine or precision are not what was asked for.
        scored: Pairs of texts scored, in `seconds`.
        tokens: Their tokens, without padding.
        seconds: Time of scoring, over all runs of the job.
        pairs_per_second: scored / seconds.
        finished: Whether every shard is there and the audit found nothing.
    """

    model: str
    model_sha256: str
    model_files: Mapping[str, str]
    inputs: Mapping[str, str]
    asked: Mapping[str, object]
    pairs: int = 0
    distinct: int = 0
    shards: int = 0
    pairs_digest: str = ""
    plan_seconds: float = 0.0
    engine: str = ""
    precision: str = ""
    drift: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    scored: int = 0
    tokens: int = 0
    seconds: float = 0.0
    pairs_per_second: float = 0.0
    finished: bool = False

    @property
    def job(self) -> str:
        """Hash of what decides the labels and how they are cut into shards."""
        parts = [self.model, self.model_files, self.inputs, self.asked]
        text = json.dumps([*parts, self.engine, self.precision], sort_keys=True, default=dict)
        return hashlib.sha256(text.encode()).hexdigest()

    def differs_from(self, other: Manifest) -> str | None:
        """What another job is made from otherwise, in a word; None if it is the same job."""
        if self.model_files != other.model_files or self.model != other.model:
            return "model"
        for mine, theirs in ((self.inputs, other.inputs), (self.asked, other.asked)):
            for name, value in mine.items():
                if theirs.get(name) != value:
                    return name
        return None


def new_manifest(model: Path, inputs: Mapping[str, str], config: LabelConfig) -> Manifest:
    """The manifest of a job that has not begun.

    Raises:
        ModelError: The weights are missing, or not those that were trained.
    """
    weights = model / "model.safetensors"
    if not weights.exists():
        raise ModelError(f"{weights} is missing. Restore the model folder or train it again")
    files = {n: hash_file(model / n) for n in _MODEL_FILES if (model / n).exists()}
    found = files["model.safetensors"]
    trained = ((read_provenance(model) or {}).get("config") or {}).get("model_sha256", found)
    if found != trained:
        raise ModelError(
            f"{weights} is not what was trained: its SHA-256 is {found[:12]}…, "
            f"{trained[:12]}… was written. Restore the file or train the model again"
        )
    return Manifest(
        model=config.name or model.name,
        model_sha256=found,
        model_files=files,
        inputs=dict(inputs),
        asked={
            "engine": config.engine,
            "precision": config.precision,
            "batch_tokens": config.batch_tokens,
            "shard_pairs": config.shard_pairs,
        },
    )


def read_manifest(out: Path) -> Manifest:
    """The manifest of a folder of labels.

    Raises:
        ModelError: It is not there, damaged, or of an older version.
    """
    path = out / MANIFEST
    if not path.exists():
        raise ModelError(f"{out} holds no labels. Make them with: gradewise teacher label")
    try:
        return Manifest(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise ModelError(
            f"{path} is damaged or of another version ({error}). Label again with --overwrite"
        ) from error


def write_manifest(out: Path, manifest: Manifest) -> None:
    """Writes manifest.json."""
    with atomic(out / MANIFEST) as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(manifest), indent=1) + "\n")


def claim(out: Path, new: Manifest, *, replace_stale: bool) -> Manifest:
    """The manifest to go on with: that of an interrupted run of the same job, else `new`.

    Raises:
        InputError: `out` holds labels of another job.
        ModelError: Its manifest is damaged.
    """
    if (out / MANIFEST).exists():
        try:
            earlier = read_manifest(out)
        except ModelError:
            if not replace_stale:
                raise
        else:
            differing = new.differs_from(earlier)
            if differing is None:
                _sweep(out)
                return earlier
            if not replace_stale:
                raise InputError(
                    f"{out} holds labels with another {differing}. "
                    "Give another --out, or --overwrite to replace them"
                )
    clear_labels(out)
    write_manifest(out, new)
    return new


def clear_labels(out: Path) -> None:
    """Removes the labels in `out`, finished or not; other files stay."""
    (out / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(out / PLAN_FOLDER, ignore_errors=True)
    for path in out.glob("shard-*.parquet"):
        path.unlink()
    _sweep(out)


def _sweep(out: Path) -> None:
    """Removes what a killed process was writing."""
    for pattern in (".shard-*.parquet", f".{MANIFEST}.*"):
        for path in out.glob(pattern):
            path.unlink()


def read_labels(out: Path) -> pl.DataFrame:
    """The predictions of a finished labelling folder, sorted by query_id and pin_id.

    Raises:
        ModelError: It is not there or not finished.
    """
    return scan_labels(out).collect().sort("query_id", "pin_id")


def scan_labels(out: Path) -> pl.LazyFrame:
    """The predictions of a finished labelling folder, read when they are asked for.

    Rows come by shard, sorted by query_id and pin_id only within one.

    Raises:
        ModelError: It is not there or not finished.
    """
    manifest = read_manifest(out)
    paths = [out / shard_name(number) for number in range(manifest.shards)]
    missing = [path for path in paths if not path.exists()]
    if missing or not manifest.finished:
        how_far = f"{len(missing)} of {len(paths)} shards are missing" if paths else "not planned"
        raise ModelError(
            f"{out} is not finished: {how_far}. "
            "Run gradewise teacher label again with the same arguments to continue"
        )
    return pl.scan_parquet(paths)
