"""Labelling: pairs in, p1…p5 out, in shards that survive being killed.

Pairs with the same texts are scored once. They are grouped by text, the groups cut into shards, and
each shard is scored by itself and written whole, so that an interrupted run continues with the next
shard and gives the same numbers as an unbroken one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from relevance.errors import InputError, ModelError
from relevance.files import atomic, hash_file
from relevance.progress import Progress, silent
from relevance.provenance import seen_queries, write_provenance
from relevance.teacher.encode import Encoded
from relevance.teacher.model import LoadedTeacher, load_teacher
from relevance.teacher.pairs import join_texts
from relevance.teacher.predict import Floats, predict_logits, predictions_frame, softmax
from relevance.training import resolve_precision, threads

MANIFEST = "manifest.json"
_SAMPLE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """How pairs are labelled.

    Attributes:
        shard_pairs: Distinct pairs of texts a shard.
        batch_tokens: Tokens of a batch, padding included.
        precision: `"auto"` (bf16 where the processor is faster in it), `"bf16"` or `"fp32"`.
        threads: Threads of torch; None for every core.
        name: What `model` says in the predictions; empty for the model folder's name.
    """

    shard_pairs: int = 4096
    batch_tokens: int = 2048
    precision: str = "auto"
    threads: int | None = None
    name: str = ""


def label_pairs(
    pairs: pl.DataFrame,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    model: Path,
    out: Path,
    *,
    config: LabelConfig = LabelConfig(),
    replace_stale: bool = False,
    progress: Progress = silent,
) -> pl.DataFrame:
    """Probabilities of the five grades for every pair, also written to `out` in shards.

    Args:
        pairs: query_id and pin_id; further columns are ignored.
        queries: Their queries.
        pins: Their Pins.
        model: Folder of a trained teacher.
        out: Folder for shard-*.parquet and manifest.json; an interrupted run in it is continued.
        config: How.
        replace_stale: Where `out` holds labels of other pairs or another model, replace them
            instead of raising an error.
        progress: Told of distinct pairs done.

    Returns:
        A `predictions` frame, exactly one row a pair, sorted by query_id and pin_id.

    Raises:
        InputError: A query or Pin is missing, a pair is there twice, or `out` holds labels of other
            pairs or another model.
        ModelError: The model folder is not whole.
    """
    teacher = load_teacher(model)
    rows = _grouped(pairs, queries, pins, teacher.settings.text_features)
    job = _Job(teacher, rows, out, replace(config, name=config.name or model.name))
    manifest = job.open(hash_file(model / "model.safetensors"), replace_stale=replace_stale)
    with threads(config.threads):
        job.run(manifest, progress)
    write_provenance(
        out,
        command="gradewise teacher label",
        inputs={"model": manifest["model_sha256"], "pairs": manifest["pairs_sha256"]},
        config={"precision": manifest["precision"], "batch_tokens": config.batch_tokens},
        seen_queries=seen_queries(model),
    )
    return read_labels(out)


def read_labels(out: Path) -> pl.DataFrame:
    """The predictions of a finished labelling folder, sorted by query_id and pin_id.

    Raises:
        ModelError: It is not there or not finished.
    """
    if not (out / MANIFEST).exists():
        raise ModelError(f"{out} holds no labels. Make them with: gradewise teacher label")
    manifest = json.loads((out / MANIFEST).read_text())
    paths = [_shard(out, number) for number in range(manifest["shards"])]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise ModelError(
            f"{out} is not finished: {len(missing)} of {len(paths)} shards are missing. "
            "Run gradewise teacher label again with the same arguments to continue"
        )
    return pl.concat([pl.read_parquet(path) for path in paths]).sort("query_id", "pin_id")


def clear_labels(out: Path) -> None:
    """Removes the labels in `out`; other files stay."""
    (out / MANIFEST).unlink(missing_ok=True)
    for path in out.glob("shard-*.parquet"):
        path.unlink()


def _shard(out: Path, number: int) -> Path:
    return out / f"shard-{number:05d}.parquet"


def _grouped(
    pairs: pl.DataFrame, queries: pl.DataFrame, pins: pl.DataFrame, features: Sequence[str]
) -> pl.DataFrame:
    """query_id, pin_id, query, pin and `group`: 0, 1, … for each distinct pair of texts."""
    keys = pairs.select("query_id", "pin_id").sort("query_id", "pin_id")
    twice = keys.filter(keys.is_duplicated())
    if twice.height:
        query, pin = twice.row(0)
        raise InputError(f"pairs: query {query!r}, pin {pin!r} is there twice. Remove one of them")
    rows = join_texts(keys, queries, pins, features)
    firsts = rows.select("query", "pin").unique(maintain_order=True).with_row_index("group")
    return rows.join(firsts, on=["query", "pin"], how="left", maintain_order="left")


class _Job:
    """One labelling run over grouped pairs."""

    def __init__(
        self, teacher: LoadedTeacher, rows: pl.DataFrame, out: Path, config: LabelConfig
    ) -> None:
        self.teacher = teacher
        self.rows = rows
        self.out = out
        self.config = config
        self.groups = int(rows["group"].n_unique())
        self.shards = -(-self.groups // config.shard_pairs)
        self.in_bf16 = False

    def open(self, model_sha256: str, *, replace_stale: bool) -> dict[str, Any]:
        """The manifest: that of an interrupted run if it fits, else a new one."""
        path = self.out / MANIFEST
        manifest: dict[str, Any] = {
            "model": self.config.name,
            "model_sha256": model_sha256,
            "pairs_sha256": hashlib.sha256(self.rows.write_csv().encode()).hexdigest(),
            "pairs": self.rows.height,
            "distinct": self.groups,
            "shards": self.shards,
            "shard_pairs": self.config.shard_pairs,
            "batch_tokens": self.config.batch_tokens,
        }
        earlier: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        differing = [key for key, value in manifest.items() if earlier.get(key) != value]
        if not differing:
            return earlier
        if earlier and not replace_stale:
            raise InputError(
                f"{self.out} holds labels with another {differing[0].removesuffix('_sha256')}. "
                "Give another --out, or --overwrite to replace them"
            )
        clear_labels(self.out)
        manifest["precision"] = resolve_precision(self.config.precision)
        self._write(manifest)
        return manifest

    def run(self, manifest: dict[str, Any], progress: Progress) -> None:
        """Scores the shards that are not there yet."""
        done = 0
        for number in range(self.shards):
            first = number * self.config.shard_pairs
            count = min(self.config.shard_pairs, self.groups - first)
            if not _shard(self.out, number).exists():
                part = _offset(progress, done, self.groups)
                self._score_shard(number, range(first, first + count), manifest, part)
            done += count
            progress(done, self.groups, "")

    def _score_shard(
        self, number: int, groups: range, manifest: dict[str, Any], progress: Progress
    ) -> None:
        rows = self.rows.filter(pl.col("group").is_between(groups[0], groups[-1]))
        texts = rows.unique("group", maintain_order=True).sort("group")
        encoded = self.teacher.encoder.encode(texts["query"].to_list(), texts["pin"].to_list())
        if manifest["precision"] == "bf16" and not self.in_bf16:
            self._to_bf16(encoded, manifest)
        started = time.monotonic()
        probabilities = self._probabilities(encoded, progress)
        wanted = rows["group"].to_numpy() - groups.start
        frame = predictions_frame(rows, probabilities[wanted], self.config.name)
        with atomic(_shard(self.out, number)) as temporary:
            frame.write_parquet(temporary)
        seconds = manifest.get("seconds", 0.0) + time.monotonic() - started
        scored = manifest.get("scored", 0) + len(groups)
        rate = round(scored / max(seconds, 1e-9), 1)
        manifest.update(seconds=seconds, scored=scored, pairs_per_second=rate)
        self._write(manifest)

    def _to_bf16(self, encoded: Sequence[Encoded], manifest: dict[str, Any]) -> None:
        """Turns the model to bf16 and notes by how much that moves a sample of the labels."""
        sample = [encoded[at] for at in np.linspace(0, len(encoded) - 1, _SAMPLE, dtype=int)]
        exact = self._probabilities(sample)
        self.teacher.model.to(torch.bfloat16)
        self.in_bf16 = True
        if "drift" not in manifest:
            manifest["drift"] = drift(exact, self._probabilities(sample))

    def _probabilities(self, encoded: Sequence[Encoded], progress: Progress = silent) -> Floats:
        logits = predict_logits(
            self.teacher.model,
            self.teacher.encoder,
            encoded,
            batch_tokens=self.config.batch_tokens,
            progress=progress,
        )
        return softmax(logits, self.teacher.settings.temperature)

    def _write(self, manifest: dict[str, Any]) -> None:
        with atomic(self.out / MANIFEST) as temporary:
            temporary.write_text(json.dumps(manifest, indent=1) + "\n")


def drift(exact: Floats, fast: Floats) -> dict[str, float]:
    """How far `fast` probabilities are from `exact` ones (both (pairs, 5)).

    Returns:
        pairs, mean and largest |difference|, and the share of pairs whose best grade differs.
    """
    moved = np.abs(exact - fast)
    flips = (exact.argmax(axis=1) != fast.argmax(axis=1)).mean()
    return {
        "pairs": float(len(exact)),
        "mean": float(moved.mean()),
        "largest": float(moved.max()),
        "flips": float(flips),
    }


def _offset(progress: Progress, before: int, total: int) -> Progress:
    """`progress` of a part that follows `before` units of `total`."""
    whole = total

    def report(done: int, total: int, what: str = "") -> None:  # noqa: ARG001
        progress(before + done, whole, what)

    return report
