"""What a labelling job will take: planned for real, scored on a timed sample, priced an hour."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from relevance.errors import InputError
from relevance.progress import Progress, silent
from relevance.teacher.encode import Encoded
from relevance.teacher.labelling.config import DEFAULTS, LabelConfig
from relevance.teacher.labelling.planning import Inputs, Plan, plan
from relevance.teacher.labelling.precision import choose_engine
from relevance.teacher.labelling.shards import Scored, Scorer, Window, distinct_texts, write_shard
from relevance.teacher.model import LoadedTeacher, load_teacher, read_settings
from relevance.training import cores, resolve_device

SAMPLE_SECONDS = 10.0
"""Time that the sample may take, roughly; a window of `_WINDOW` pairs is the least."""
_WINDOW = 512
_WARM_UP = 64


@dataclass(frozen=True, slots=True)
class Price:
    """What a job takes.

    Attributes:
        pairs: Rows.
        distinct: Pairs of texts, each scored once.
        shards: Files.
        plan_seconds: Time the plan took here.
        sampled: Distinct pairs scored for the rate.
        tokens: Mean tokens of one.
        pairs_per_second: Distinct pairs a second of one worker, reading, tokenising and writing
            included.
        engine: Engine of the sample.
        precision: Its precision.
        drift: How far that is from fp32; empty for fp32 itself.
        note: Why engine or precision are not what was asked for.
        device: `"cpu"` or `"cuda"`.
        threads: Threads of a worker.
        workers: Workers like this one.
        hours: Until the job is done.
        device_hours: GPU hours, or core hours on a processor, of all workers.
        cost: What all of it costs; None without a price.
        cost_per_million: Of a million pairs; None without a price.
    """

    pairs: int
    distinct: int
    shards: int
    plan_seconds: float
    sampled: int
    tokens: float
    pairs_per_second: float
    engine: str
    precision: str
    drift: Mapping[str, float]
    note: str
    device: str
    threads: int
    workers: int
    hours: float
    device_hours: float
    cost: float | None
    cost_per_million: float | None

    @property
    def distinct_share(self) -> float:
        """Share of the pairs that has to be scored, 0 to 1."""
        return self.distinct / self.pairs


def price_labels(
    pairs: Path,
    queries: Path,
    pins: Path,
    model: Path,
    *,
    config: LabelConfig = DEFAULTS,
    price_per_hour: float | None = None,
    workers: int = 1,
    sample_seconds: float = SAMPLE_SECONDS,
    progress: Progress = silent,
) -> Price:
    """Plans the job in a temporary folder, scores a sample of it, and writes nothing else.

    Hours are the distinct pairs over the rate of all workers: the plan, which is made once, and
    workers that wait for the last shard are not in it.

    Args:
        pairs: As of `label_files`, like the next three.
        queries: Their queries.
        pins: Their Pins.
        model: Folder of a trained teacher.
        config: How pairs will be labelled.
        price_per_hour: Of one worker, in whatever currency.
        workers: Machines or GPUs like this one that will share the job.
        sample_seconds: Time that the sample may take.
        progress: Told of pairs planned, then of distinct pairs of the sample.

    Raises:
        InputError: There is no pair, a query or Pin is missing, or a pair is there twice.
        ModelError: The model folder is not whole.
    """
    features = read_settings(model).text_features
    with tempfile.TemporaryDirectory(prefix="gradewise-") as room:
        made = plan(
            Inputs.of(pairs, queries, pins, features),
            features,
            Path(room) / "plan",
            shard_pairs=config.shard_pairs,
            progress=progress,
        )
        if not made.pairs:
            raise InputError(f"{pairs} holds no pair. There is nothing to price")
        teacher = load_teacher(model, device=resolve_device(config.device))
        choice = choose_engine(teacher, made, config)
        scorer = Scorer(teacher, choice.engine, config.name or model.name, config.batch_tokens)
        sample = _time_sample(made, scorer, Path(room), sample_seconds, progress)
    hours = made.distinct / sample.rate / workers / 3600
    device = resolve_device(config.device)
    threads = config.threads or cores()
    cost = None if price_per_hour is None else hours * workers * price_per_hour
    return Price(
        pairs=made.pairs,
        distinct=made.distinct,
        shards=len(made.shards),
        plan_seconds=made.seconds,
        sampled=sample.pairs,
        tokens=round(sample.tokens / sample.pairs, 1),
        pairs_per_second=sample.rate,
        engine=choice.engine.name,
        precision=choice.engine.precision,
        drift=choice.drift,
        note=choice.note,
        device=device,
        threads=threads,
        workers=workers,
        hours=hours,
        device_hours=hours * workers * (1 if device == "cuda" else threads),
        cost=cost,
        cost_per_million=None if cost is None else cost / made.pairs * 1e6,
    )


@dataclass(frozen=True, slots=True)
class _Sample:
    pairs: int
    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        """Pairs a second."""
        return self.pairs / max(self.seconds, 1e-9)


def _time_sample(
    made: Plan, scorer: Scorer, room: Path, budget: float, progress: Progress
) -> _Sample:
    """Labels pairs as the job would, one window after the other, until the budget is spent."""
    warm = next(_windows(made, scorer.teacher, _WARM_UP))
    Scored().add(warm, scorer)
    pairs, tokens = 0, 0
    started = time.monotonic()
    for number, window in enumerate(_windows(made, scorer.teacher, _WINDOW)):
        scored = Scored()
        scored.add(window, scorer)
        source = room / f"sample-{number}.parquet"
        keys = pl.int_range(window.texts.height, eager=True).cast(pl.String)
        window.texts.select(
            keys.alias("query_id"), keys.alias("pin_id"), "query", "pin"
        ).write_parquet(source)
        write_shard(source, room / f"labelled-{number}.parquet", scorer, scored)
        pairs, tokens = pairs + len(window.encoded), tokens + scored.tokens
        seconds = time.monotonic() - started
        progress(pairs, made.distinct, f"sample, {pairs / seconds:,.0f} pairs/s")
        if seconds >= budget:
            break
    return _Sample(pairs, tokens, time.monotonic() - started)


def _windows(made: Plan, teacher: LoadedTeacher, size: int) -> Iterator[Window]:
    """Windows of `size` distinct pairs, each its own shard, read and tokenised when asked for."""
    for number in range(len(made.shards)):
        texts = distinct_texts(made.source(number))
        for part in texts.iter_slices(size) if texts.height else ():
            encoded: list[Encoded] = teacher.encoder.encode(
                part["query"].to_list(), part["pin"].to_list()
            )
            yield Window(made.source(number), part, encoded, last=True)
