"""A labelling job from tables to audited shards, to be killed and continued at any moment."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from relevance.errors import InputError, ModelError
from relevance.progress import Progress, silent
from relevance.provenance import seen_queries, write_provenance
from relevance.teacher.engines import open_engine
from relevance.teacher.labelling.audit import verify_labels
from relevance.teacher.labelling.config import DEFAULTS, LabelConfig
from relevance.teacher.labelling.manifest import (
    PLAN_FOLDER,
    Manifest,
    claim,
    new_manifest,
    read_labels,
    write_manifest,
)
from relevance.teacher.labelling.pipeline import score_here
from relevance.teacher.labelling.planning import Inputs, Plan, plan, read_plan, shard_name
from relevance.teacher.labelling.precision import choose_engine
from relevance.teacher.labelling.shards import Scorer, ShardFacts, finished
from relevance.teacher.model import load_teacher, read_settings
from relevance.training import resolve_device

_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be scored, wherever that is done.

    Attributes:
        plan: The shards' inputs.
        todo: Numbers of the shards that are not done.
        out: Where their labels go: `out`/`shard_name(number)`.
        model: Folder of the teacher.
        engine: Name of the engine that was chosen.
        precision: What it multiplies in.
        config: How; its engine and precision are what was asked for, not what was chosen.
        name: What `model` says in the predictions.
        job: Identity of the job, to be written into the shards (`Scorer.job`).
    """

    plan: Plan
    todo: Sequence[int]
    out: Path
    model: Path
    engine: str
    precision: str
    config: LabelConfig
    name: str
    job: str


Run = Callable[[Work, Scorer, Progress], Iterable[ShardFacts]]
"""Scores the shards of some work: `run_here`, or a cluster. Yields the facts of each written one.

The scorer is loaded in this process already; the progress is told of distinct pairs of `todo`.
"""


def run_here(work: Work, scorer: Scorer, progress: Progress) -> Iterator[ShardFacts]:
    """Scores in this process."""
    return score_here(work.plan, work.todo, work.out, scorer, progress)


def label_files(
    pairs: Path,
    queries: Path,
    pins: Path,
    model: Path,
    out: Path,
    *,
    config: LabelConfig = DEFAULTS,
    replace_stale: bool = False,
    run: Run = run_here,
    progress: Progress = silent,
) -> Manifest:
    """Probabilities of the five grades for every pair, in shards; memory does not grow with them.

    Args:
        pairs: query_id and pin_id; a file or a folder of files. Parquet is streamed; other formats
            are read whole.
        queries: Their queries, likewise.
        pins: Their Pins, likewise.
        model: Folder of a trained teacher.
        out: Folder for shard-*.parquet and manifest.json; an interrupted run in it is continued,
            and a finished one is audited and, where a shard is damaged, mended.
        config: How.
        replace_stale: Where `out` holds labels of another job, replace them instead of raising an
            error.
        run: Where the shards are scored.
        progress: Told of pairs planned, then of distinct pairs scored.

    Returns:
        The manifest of the finished job.

    Raises:
        InputError: A query or Pin is missing, a pair is there twice, `out` holds labels of another
            job, or another process is at work in it.
        ModelError: The model folder is not whole, or the labels fail the audit.
    """
    tables = (pairs, queries, pins)
    return _label(
        tables, model, out, config, replace_stale=replace_stale, run=run, progress=progress
    )


def label_pairs(
    pairs: pl.DataFrame,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    model: Path,
    out: Path,
    *,
    config: LabelConfig = DEFAULTS,
    replace_stale: bool = False,
    progress: Progress = silent,
) -> pl.DataFrame:
    """`label_files` of frames: the same labels, also returned.

    Returns:
        A `predictions` frame, exactly one row a pair, sorted by query_id and pin_id.

    Raises:
        InputError: See `label_files`.
        ModelError: See `label_files`.
    """
    tables = (pairs, queries, pins)
    _label(tables, model, out, config, replace_stale=replace_stale, run=run_here, progress=progress)
    return read_labels(out)


def _label(
    tables: tuple[Path | pl.DataFrame, Path | pl.DataFrame, Path | pl.DataFrame],
    model: Path,
    out: Path,
    config: LabelConfig,
    *,
    replace_stale: bool,
    run: Run,
    progress: Progress,
) -> Manifest:
    features = read_settings(model).text_features
    inputs = Inputs.of(*tables, features)
    new = new_manifest(model, inputs.identities(), config)
    out.mkdir(parents=True, exist_ok=True)
    with _alone_in(out):
        manifest = claim(out, new, replace_stale=replace_stale)
        if manifest.finished and not verify_labels(out).problems:
            return manifest
        made = read_plan(out / PLAN_FOLDER) or plan(
            inputs, features, out / PLAN_FOLDER, shard_pairs=config.shard_pairs, progress=progress
        )
        manifest = dataclasses.replace(
            manifest,
            pairs=made.pairs,
            distinct=made.distinct,
            shards=len(made.shards),
            pairs_digest=made.digest,
            plan_seconds=made.seconds,
            finished=False,
        )
        return _Job(manifest, made, model, out, config).complete(run, progress)


class _Job:
    """A planned job."""

    def __init__(
        self, manifest: Manifest, made: Plan, model: Path, out: Path, config: LabelConfig
    ) -> None:
        self.manifest = manifest
        self.plan = made
        self.model = model
        self.out = out
        self.config = config

    def complete(self, run: Run, progress: Progress) -> Manifest:
        """Scores what is not done yet, audits all of it, and marks the folder finished."""
        write_manifest(self.out, self.manifest)
        todo = [number for number in range(len(self.plan.shards)) if not self._is_done(number)]
        if todo:
            scorer = self._scorer()
            for facts in run(self._work(todo), scorer, self._rated(todo, progress)):
                self._count(facts)
        return self._finish(progress)

    def _is_done(self, number: int) -> bool:
        if not self.manifest.engine:  # none was scored yet
            return False
        target = self.out / shard_name(number)
        return finished(self.plan.source(number), target, self.manifest.job) is not None

    def _scorer(self) -> Scorer:
        """The loaded teacher, in the engine and precision chosen before or now."""
        device = resolve_device(self.config.device)
        teacher, known = load_teacher(self.model, device=device), self.manifest
        if known.engine:
            engine = open_engine(
                known.engine, teacher, precision=known.precision, threads=self.config.threads
            )
        else:
            choice = choose_engine(teacher, self.plan, self.config)
            engine = choice.engine
            self._update(
                engine=engine.name,
                precision=engine.precision,
                drift=choice.drift,
                note=choice.note,
            )
        name, batch_tokens = self.manifest.model, self.config.batch_tokens
        return Scorer(teacher, engine, name, batch_tokens, self.manifest.job)

    def _work(self, todo: Sequence[int]) -> Work:
        known = self.manifest
        return Work(
            plan=self.plan,
            todo=todo,
            out=self.out,
            model=self.model,
            engine=known.engine,
            precision=known.precision,
            config=self.config,
            name=known.model,
            job=known.job,
        )

    def _rated(self, todo: Sequence[int], progress: Progress) -> Progress:
        """`progress` of the whole job from that of the shards to do, with rate and time left."""
        whole = self.plan.distinct
        before = whole - sum(self.plan.shards[number].distinct for number in todo)
        started = time.monotonic()

        def report(done: int, total: int, what: str = "") -> None:  # noqa: ARG001
            rate = done / max(time.monotonic() - started, 1e-9)
            left = (whole - before - done) / rate if rate else float("nan")
            told = f"{rate:,.0f} pairs/s, {duration(left)} left" if done else ""
            progress(before + done, whole, ", ".join(filter(None, (told, what))))

        return report

    def _count(self, facts: ShardFacts) -> None:
        scored = self.manifest.scored + facts.distinct
        seconds = self.manifest.seconds + facts.seconds
        self._update(
            scored=scored,
            tokens=self.manifest.tokens + facts.tokens,
            seconds=round(seconds, 3),
            pairs_per_second=round(scored / max(seconds, 1e-9), 1),
        )

    def _finish(self, progress: Progress) -> Manifest:
        audit = verify_labels(self.out, progress=progress)
        if audit.problems:
            raise ModelError(
                f"{self.out} fails its audit: {audit.problems[0]}. Label again to mend it; "
                "if it fails again, the disk or memory of this machine is faulty"
            )
        write_provenance(
            self.out,
            command="gradewise teacher label",
            inputs={"model": self.manifest.model_sha256, **self.manifest.inputs},
            config={"engine": self.manifest.engine, "precision": self.manifest.precision},
            seen_queries=seen_queries(self.model),
        )
        self._update(finished=True)
        shutil.rmtree(self.plan.folder, ignore_errors=True)
        return self.manifest

    def _update(self, **values: Any) -> None:
        self.manifest = dataclasses.replace(self.manifest, **values)
        write_manifest(self.out, self.manifest)


def duration(seconds: float) -> str:
    """Seconds in words: `"40 s"`, `"12 min"`, `"3.5 h"`; `"?"` for NaN."""
    if seconds != seconds:  # noqa: PLR0124 - NaN
        return "?"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


@contextlib.contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Keeps a second process out of the folder; a killed one lets go of it.

    Raises:
        InputError: Another process is at work in it.
    """
    with (out / _LOCK).open("w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no such locks on this system
            pass
        except OSError:
            raise InputError(
                f"another process is labelling into {out}. Wait for it, or give another --out"
            ) from None
        yield
