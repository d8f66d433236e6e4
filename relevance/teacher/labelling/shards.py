"""One shard: texts in, probabilities out. The step that a job runs here and a cluster elsewhere.

A labelled shard is written under a temporary name and renamed, says in its footer what it was made
from, and carries checksums, so that whoever continues a job knows which shards are whole.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from relevance.errors import ModelError
from relevance.files import atomic
from relevance.progress import Progress, silent
from relevance.teacher.encode import Encoded
from relevance.teacher.engines import Engine, open_engine
from relevance.teacher.labelling.planning import ROW_GROUP
from relevance.teacher.model import LoadedTeacher, load_teacher
from relevance.teacher.predict import PROBABILITIES, Floats, predictions_frame, softmax

WINDOW = 8192
"""Distinct pairs that are tokenised, sorted by length and scored together."""
_FOOTER = b"gradewise"
_KEYS = ["query_id", "pin_id"]
_TEXTS = ["query", "pin"]
_SCHEMA = pa.schema(
    [
        *((name, pa.large_string()) for name in _KEYS),
        *((name, pa.float64()) for name in PROBABILITIES),
        ("model", pa.large_string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Scorer:
    """What scores shards, loaded once a process.

    Attributes:
        teacher: Its encoder and its temperature.
        engine: Multiplies.
        name: What `model` says in the predictions.
        batch_tokens: Tokens of a batch, padding included; None for what suits the engine.
        job: Identity of the job; a shard of another one is not taken for done.
    """

    teacher: LoadedTeacher
    engine: Engine
    name: str
    batch_tokens: int | None = None
    job: str = ""


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What a labelled shard is.

    Attributes:
        pairs: Rows.
        distinct: Pairs of texts that were scored.
        tokens: Their tokens, without padding.
        seconds: Time that scoring took; 0 where it was found done.
    """

    pairs: int
    distinct: int
    tokens: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a shard's distinct pairs, ready for the engine.

    Attributes:
        shard: Input of the shard.
        texts: query, pin of the whole shard, each pair of texts once, in order.
        encoded: Token ids of this part.
        last: Whether it is the shard's last.
    """

    shard: Path
    texts: pl.DataFrame
    encoded: Sequence[Encoded]
    last: bool


def open_scorer(
    model: Path,
    *,
    engine: str,
    precision: str,
    threads: int | None,
    name: str = "",
    batch_tokens: int | None = None,
    job: str = "",
) -> Scorer:
    """A scorer for the teacher of a model folder, in the precision that was decided on.

    Raises:
        ModelError: The folder is not whole.
        MissingExtraError: The engine's library is not installed.
    """
    teacher = load_teacher(model)
    opened = open_engine(engine, teacher, precision=precision, threads=threads)
    return Scorer(teacher, opened, name or model.name, batch_tokens, job)


def score_shard(
    source: Path, target: Path, scorer: Scorer, *, progress: Progress = silent
) -> ShardFacts:
    """Labels one shard: each distinct pair of texts is scored once, each row gets its p1…p5.

    Args:
        source: Parquet file with query_id, pin_id, query, pin (`Plan.source`).
        target: Where the predictions go; written whole or not at all.
        scorer: The loaded teacher.
        progress: Told of distinct pairs done.

    Returns:
        What it holds now.
    """
    scored, done = Scored(), 0
    for window in windows([source], scorer.teacher):
        scored.add(window, scorer, after(progress, done, window.texts.height))
        done += len(window.encoded)
    return write_shard(source, target, scorer, scored)


def windows(sources: Sequence[Path], teacher: LoadedTeacher) -> Iterator[Window]:
    """The distinct pairs of shards, read, tokenised and cut into parts; at least one a shard."""
    for source in sources:
        texts = distinct_texts(source)
        for first in range(0, max(texts.height, 1), WINDOW):
            part = texts[first : first + WINDOW]
            encoded = teacher.encoder.encode(part["query"].to_list(), part["pin"].to_list())
            yield Window(source, texts, encoded, first + WINDOW >= texts.height)


@dataclass(slots=True)
class Scored:
    """What the engine made of a shard so far.

    Attributes:
        texts: query, pin of the whole shard, each pair of texts once.
        logits: Of the windows scored, in the order of `texts`.
        tokens: Tokens scored, without padding.
        seconds: Time the engine took.
    """

    texts: pl.DataFrame = field(default_factory=pl.DataFrame)
    logits: list[Floats] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0

    def add(self, window: Window, scorer: Scorer, progress: Progress = silent) -> None:
        """Scores a window."""
        self.texts = window.texts
        if not window.encoded:
            self.logits.append(np.zeros((0, len(PROBABILITIES))))
            return
        started = time.monotonic()
        self.logits.append(
            scorer.engine.logits(
                window.encoded, batch_tokens=scorer.batch_tokens, progress=progress
            )
        )
        self.seconds += time.monotonic() - started
        self.tokens += sum(map(len, window.encoded))


def write_shard(source: Path, target: Path, scorer: Scorer, scored: Scored) -> ShardFacts:
    """Writes the labelled shard, a row group at a time.

    Raises:
        ModelError: A logit is not finite.
    """
    texts = scored.texts
    probabilities = softmax(np.concatenate(scored.logits), scorer.teacher.settings.temperature)
    if not np.isfinite(probabilities).all():
        raise ModelError(
            f"the teacher gives {scorer.name} no finite probabilities for a pair of {source.name}. "
            "Its weights are damaged or its training diverged: train it again"
        )
    index = texts.with_row_index("_text")
    facts = {"job": scorer.job, "distinct": texts.height, "tokens": scored.tokens}
    schema = _SCHEMA.with_metadata({_FOOTER: json.dumps(facts).encode()})
    rows = 0
    with (
        atomic(target) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for part in _groups(source, [*_KEYS, *_TEXTS]):
            at = part.join(index, on=_TEXTS, how="left", maintain_order="left")["_text"]
            labelled = predictions_frame(part, probabilities[at.to_numpy()], scorer.name)
            table = labelled.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer.write_table(table.cast(schema), row_group_size=ROW_GROUP)
            rows += part.height
    return ShardFacts(rows, texts.height, scored.tokens, scored.seconds)


def distinct_texts(source: Path) -> pl.DataFrame:
    """Query and pin of a shard's input, each pair of texts once, in the order of its rows."""
    texts = pl.DataFrame(schema=dict.fromkeys(_TEXTS, pl.String))
    for part in _groups(source, _TEXTS):
        texts = pl.concat([texts, part]).unique(maintain_order=True)
    return texts


def finished(source: Path, target: Path, job: str) -> ShardFacts | None:
    """What a labelled shard holds; None where it is missing, damaged or of another job.

    Every page is read against its checksum, and the ids are compared with the input's.
    """
    if not target.exists():
        return None
    try:
        facts = json.loads(pq.read_schema(target).metadata[_FOOTER])
        rows = 0
        for wanted, found in zip(
            _groups(source, _KEYS), _groups(target, _SCHEMA.names), strict=True
        ):
            if not wanted.equals(found.select(_KEYS)):
                return None
            rows += wanted.height
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return None
    if facts.get("job") != job:
        return None
    return ShardFacts(rows, int(facts["distinct"]), int(facts["tokens"]))


def _groups(path: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """A Parquet file of ours by row groups; labels have the groups of their input."""
    with pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=list(columns), use_threads=False)
            yield pl.DataFrame(pl.from_arrow(table))


def after(progress: Progress, before: int, whole: int) -> Progress:
    """`progress` of a part that follows `before` units of `whole`."""

    def report(done: int, total: int, what: str = "") -> None:  # noqa: ARG001
        progress(before + done, whole, what)

    return report
