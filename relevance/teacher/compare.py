"""Several teachers on the same folds: what differs is one thing, and everything else is the same.

Each contender (a base, a set of text features) is trained and labels out of fold in a folder of its
own, one after the other; a run that was killed goes on where it stopped. What it took is kept in
`facts.json` beside the predictions.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from relevance.baselines import chance, from_score, majority
from relevance.errors import InputError, MissingExtraError, ModelError
from relevance.files import atomic
from relevance.matching import bm25
from relevance.progress import Progress, silent
from relevance.results import Evaluate
from relevance.tables import read_table
from relevance.teacher.bases import Base, find_base
from relevance.teacher.config import TeacherConfig
from relevance.teacher.folds import PREDICTIONS, deal_queries, train_folds
from relevance.teacher.labelling import MANIFEST
from relevance.teacher.weights import prepare_weights
from relevance.text import TEXT_FEATURES
from relevance.training import hash_rows

FACTS = "facts.json"
BASELINES = ("bm25", "majority", "chance")
"""What every teacher must beat, strongest first."""

_LARGE = 1_000_000_000  # weights from which a decoder is trained in 4 bits
_SAVED_EVERY = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to train a teacher.

    Attributes:
        name: Its folder, and `model` of its predictions.
        config: How it is trained.
    """

    name: str
    config: TeacherConfig


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a contender.

    Attributes:
        name: Its name.
        predictions: Out-of-fold predictions of every graded pair; None if it could not be trained.
        seconds: Wall time of training and labelling all folds, over all runs that it took.
        pairs_per_second: Rate at which its teachers labelled, loading included.
        note: What to know: why there are no predictions and how to get them, or what the weights
            cannot show.
    """

    name: str
    predictions: pl.DataFrame | None
    seconds: float | None = None
    pairs_per_second: float | None = None
    note: str = ""


def base_contenders(
    names: Sequence[str], config: TeacherConfig, *, tuning: str | None = None
) -> list[Contender]:
    """One contender a base, alike but for what the base asks for.

    Args:
        names: Names of bases, each once.
        config: How every one is trained.
        tuning: `full`, `lora` or `qlora` for all; None for what suits each: `qlora` for decoders of
            a billion weights, `lora` for other decoders, `full` for the rest.

    Raises:
        InputError: A base is unknown or there twice, or there is none.
    """
    if not names:
        raise InputError("there is no base to compare. See: gradewise teacher bases")
    twice = [name for name in names if list(names).count(name) > 1]
    if twice:
        raise InputError(f"base {twice[0]!r} is there twice. Name each base once")
    return [
        Contender(
            name, dataclasses.replace(config, base=name, tuning=tuning or suited(find_base(name)))
        )
        for name in names
    ]


def suited(base: Base) -> str:
    """The tuning that suits a base: `full`, `lora` or `qlora`."""
    if base.family != "decoder":
        return "full"
    return "qlora" if base.parameters >= _LARGE else "lora"


def out_of_fold(
    qrels: pl.DataFrame,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    out: Path,
    contenders: Sequence[Contender],
    *,
    folds: int,
    evaluate: Evaluate | None = None,
    progress: Progress = silent,
) -> Iterator[Outcome]:
    """Trains each contender on the same folds and labels every graded pair with it.

    Args:
        qrels: Graded pairs.
        queries: Their queries.
        pins: Their Pins.
        out: Folder; each contender has its own in it, and one that is done is not trained again.
        contenders: What to train; all must have one seed, which deals the folds.
        folds: Number of folds.
        evaluate: Metrics of validation predictions.
        progress: Told of the steps of the fold at hand, and whose they are.

    Yields:
        One outcome a contender, as soon as it is there. A base whose weights cannot be had, or that
        does not learn, gets one without predictions that says why.

    Raises:
        InputError: The seeds differ, or a folder holds folds of other inputs or settings.
    """
    if len({contender.config.seed for contender in contenders}) > 1:
        raise InputError("contenders must share one seed, which deals the folds")
    texts = _text_hash(queries, pins)
    for number, contender in enumerate(contenders, start=1):
        folder = out / contender.name
        clock = _Clock.of(folder, texts)
        told = clock.running(progress, f"{contender.name} ({number}/{len(contenders)})")
        try:
            note = clock.note if clock.finished else note_of_weights(contender.config.base)
            train_folds(
                qrels, queries, pins, folder, contender.config,
                folds=folds, evaluate=evaluate, resume=True, progress=told,
            )  # fmt: skip
        except (ModelError, MissingExtraError) as error:
            yield Outcome(contender.name, None, note=str(error))
            continue
        seconds = clock.stop(note)
        predictions = read_table(folder / PREDICTIONS, "predictions")
        yield Outcome(contender.name, predictions, seconds, _labelling_rate(folder), note)


def note_of_weights(name: str) -> str:
    """What to know of the weights of a base that can be had here; empty for nothing.

    Raises:
        ModelError: They cannot be had, though perhaps those of its fallback; or are damaged.
        MissingExtraError: A package that reads them is not installed.
    """
    base = find_base(name)
    # without the fallback: its figures must not stand under this base's name
    return prepare_weights(dataclasses.replace(base, fallback="")).note


def baseline_predictions(
    qrels: pl.DataFrame, queries: pl.DataFrame, pins: pl.DataFrame, *, folds: int, seed: int
) -> dict[str, pl.DataFrame]:
    """Out-of-fold predictions of `BASELINES` on the folds of `out_of_fold`.

    Args:
        qrels: Graded pairs.
        queries: Their queries.
        pins: Their Pins.
        folds: Number of folds.
        seed: That of the contenders.
    """
    pairs = qrels.select("query_id", "pin_id")
    scores = bm25(pairs, queries, pins)
    found: dict[str, list[pl.DataFrame]] = {name: [] for name in BASELINES[:2]}
    for part in deal_queries(qrels["query_id"].unique().to_list(), folds, seed):
        inside = pl.col("query_id").is_in(part)
        learned = qrels.filter(~inside)
        found["bm25"].append(from_score(scores, learned).filter(inside))
        found["majority"].append(majority(pairs.filter(inside), learned))
    ready = {name: pl.concat(frames) for name, frames in found.items()}
    return ready | {"chance": chance(pairs, seed=seed)}


def clear(out: Path, contenders: Sequence[Contender]) -> None:
    """Removes what is there of contenders, so that they are trained anew."""
    for contender in contenders:
        shutil.rmtree(out / contender.name, ignore_errors=True)


@dataclass(slots=True)
class _Clock:
    """The wall time that a contender took, kept in its folder while it runs."""

    path: Path
    texts: str
    spent: float
    finished: bool
    note: str
    started: float = 0.0
    saved: float = 0.0

    @classmethod
    def of(cls, folder: Path, texts: str) -> _Clock:
        """That of a folder, if a run has been there.

        Raises:
            InputError: It was on other queries or Pins.
        """
        path = folder / FACTS
        facts: Mapping[str, object] = json.loads(path.read_text()) if path.exists() else {}
        if facts.get("texts", texts) != texts:
            raise InputError(
                f"{folder} was trained on other queries or Pins. "
                "Give the same ones or another --out, or train anew with --overwrite"
            )
        spent = float(str(facts.get("seconds", 0.0)))
        return cls(path, texts, spent, bool(facts.get("finished")), str(facts.get("note", "")))

    def running(self, progress: Progress, name: str) -> Progress:
        """Starts it; returns a progress that also keeps the time."""
        self.started = self.saved = time.monotonic()

        def told(done: int, total: int, what: str = "") -> None:
            if not self.finished and time.monotonic() - self.saved >= _SAVED_EVERY:
                self.saved = time.monotonic()
                self._save(self.spent + self.saved - self.started, "")
            progress(done, total, f"{name} {what}")

        return told

    def stop(self, note: str) -> float:
        """Notes that all is done; returns the seconds it took over all runs."""
        if not self.finished:
            self.spent += time.monotonic() - self.started
            self.finished = True
            self._save(self.spent, note)
        return self.spent

    def _save(self, seconds: float, note: str) -> None:
        facts = {
            "seconds": round(seconds, 3),
            "finished": self.finished,
            "note": note,
            "texts": self.texts,
        }
        with atomic(self.path) as temporary:
            temporary.write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n")


def _text_hash(queries: pl.DataFrame, pins: pl.DataFrame) -> str:
    names = [feature.name for feature in TEXT_FEATURES]
    return "-".join(
        (
            hash_rows(queries.sort("query_id"), ["query_id", "text"])[:16],
            hash_rows(pins.sort("pin_id"), ["pin_id", *names])[:16],
        )
    )


def _labelling_rate(folder: Path) -> float | None:
    """Pairs scored a second over all folds, as their manifests say; None if they do not."""
    facts = [json.loads(path.read_text()) for path in folder.glob(f"folds/*/labels/{MANIFEST}")]
    seconds = sum(float(each.get("seconds") or 0.0) for each in facts)
    scored = sum(int(each.get("scored") or 0) for each in facts)
    return scored / seconds if seconds > 0 and scored else None
