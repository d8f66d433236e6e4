"""The plan of a labelling job: pairs with their texts, cut into shards by the hash of the texts.

Equal texts fall into one shard, so each shard is scored by itself and yet no text twice. The plan
is made on disk, whatever the size of the tables, and no shard is scored before all of it is there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from relevance.errors import TableError
from relevance.files import atomic
from relevance.progress import Progress, silent
from relevance.teacher.labelling.digests import Summed
from relevance.teacher.labelling.sources import TableSource, open_table
from relevance.teacher.labelling.spool import FAN_OUT, Spool, bucket_of
from relevance.teacher.labelling.texts import add_texts, pin_side, query_side

PLAN = "plan.json"
ROW_GROUP = 16_384
"""Rows of a shard that are in memory at once."""
MOST_SHARDS = 10_000
LARGEST_SHARD = 1 << 17
SMALLEST_SHARD = 4096
_HELD_ROWS = 1 << 17  # rows of a shard sorted at once; a text with more pairs is cut by their ids
_KEYS = ["query_id", "pin_id"]
_COLUMNS = [*_KEYS, "query", "pin"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The three tables of a labelling job."""

    pairs: TableSource
    queries: TableSource
    pins: TableSource

    @classmethod
    def of(
        cls,
        pairs: Path | pl.DataFrame,
        queries: Path | pl.DataFrame,
        pins: Path | pl.DataFrame,
        text_features: Sequence[str],
    ) -> Inputs:
        """Streams over files, folders or frames; of Pins only what the teacher reads."""
        return cls(
            open_table(pairs, "pairs"),
            open_table(queries, "queries"),
            open_table(pins, "pins", text_features),
        )

    def identities(self) -> dict[str, str]:
        """Table → 128-bit XXH3 of what it holds."""
        return {one.name: one.identity() for one in (self.pairs, self.queries, self.pins)}


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """What a shard will hold.

    Attributes:
        pairs: Rows.
        distinct: Pairs of texts to score.
    """

    pairs: int
    distinct: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Shards ready to be scored.

    Attributes:
        folder: Holds a Parquet file a shard: query_id, pin_id, query, pin, sorted by the ids.
        shards: The shards in order.
        digest: Of the pairs' ids, in whatever order (`relevance.teacher.labelling.digests`).
        seconds: Time it took.
    """

    folder: Path
    shards: tuple[PlannedShard, ...]
    digest: str
    seconds: float

    @property
    def pairs(self) -> int:
        """Rows in all."""
        return sum(shard.pairs for shard in self.shards)

    @property
    def distinct(self) -> int:
        """Pairs of texts to score in all."""
        return sum(shard.distinct for shard in self.shards)

    def source(self, number: int) -> Path:
        """The input of a shard."""
        return self.folder / shard_name(number)


def shard_name(number: int) -> str:
    """File name of a shard, in the plan and among the labels."""
    return f"shard-{number:05d}.parquet"


def shard_pairs_for(pairs: int) -> int:
    """Pairs a shard where nobody says: 4,096, more where that made more than 10,000 shards."""
    return min(max(SMALLEST_SHARD, -(-pairs // MOST_SHARDS)), LARGEST_SHARD)


def plan(
    inputs: Inputs,
    text_features: Sequence[str],
    folder: Path,
    *,
    shard_pairs: int | None = None,
    progress: Progress = silent,
) -> Plan:
    """Deals the pairs with their texts into shards; memory does not grow with any table.

    Args:
        inputs: The tables.
        text_features: Text features of a Pin that the teacher reads.
        folder: Where the shards' inputs go; a half-made plan in it is made anew.
        shard_pairs: Pairs a shard on average; None for `shard_pairs_for`.
        progress: Told of pairs read.

    Returns:
        The plan, also written to `folder`/plan.json, last of all.

    Raises:
        InputError: A query or Pin is missing, or a pair is there twice.
        TableError: A table is not what its contract says.
    """
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    total = inputs.pairs.rows()
    count = max(1, -(-total // (shard_pairs or shard_pairs_for(total))))
    work = folder / "work"
    work.mkdir(parents=True)
    pairs = Summed(inputs.pairs.frames())
    frames = _told(iter(pairs), total, progress)
    frames = add_texts(frames, pin_side(inputs.pins, inputs.pairs, text_features), work)
    frames = add_texts(frames, query_side(inputs.queries, inputs.pairs), work)
    cut = _Cut(inputs.pairs, folder, count)
    cut.deal((frame.select(_COLUMNS) for frame in frames), 0, count, work / "shards")
    shutil.rmtree(work)
    shards = tuple(cut.shards[number] for number in range(count))
    made = Plan(folder, shards, pairs.digest, round(time.monotonic() - started, 3))
    values = {
        "shards": [dataclasses.astuple(shard) for shard in shards],
        "digest": made.digest,
        "seconds": made.seconds,
    }
    with atomic(folder / PLAN) as temporary:
        temporary.write_text(json.dumps(values) + "\n")
    return made


def read_plan(folder: Path) -> Plan | None:
    """The whole plan in `folder`; None where there is none, or one that was not finished."""
    try:
        values: dict[str, Any] = json.loads((folder / PLAN).read_text())
        shards = tuple(PlannedShard(*counts) for counts in values["shards"])
        found = Plan(folder, shards, values["digest"], values["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if all(found.source(n).exists() for n in range(len(shards))) else None


class _Cut:
    """Cuts a stream of pairs with texts into `count` shards in `folder`."""

    def __init__(self, pairs: TableSource, folder: Path, count: int) -> None:
        self.pairs = pairs
        self.folder = folder
        self.count = count
        self.shards: dict[int, PlannedShard] = {}

    def deal(self, frames: Iterator[pl.DataFrame], low: int, high: int, work: Path) -> None:
        """Deals rows of the shards `low` to `high` - 1, at most `FAN_OUT` ways at once."""
        if high - low == 1:
            self._finish(low, frames, work)
            return
        ways = min(FAN_OUT, high - low)
        edges = [low + (high - low) * at // ways for at in range(ways + 1)]
        shard = bucket_of(["query", "pin"], self.count, seed=0).cast(pl.Int64)
        with Spool(work, ways) as spool:
            for frame in frames:
                spool.add(frame, ((shard - low + 1) * ways - 1) // (high - low))
            spool.seal()
            for at in range(ways):
                self.deal(spool.read(at), edges[at], edges[at + 1], work / f"{at}")

    def _finish(self, number: int, frames: Iterator[pl.DataFrame], work: Path) -> None:
        """Writes one shard, sorted by ids in parts that fit into memory."""
        rows = 0
        texts = pl.DataFrame(schema={"query": pl.String, "pin": pl.String})
        with atomic(self.folder / shard_name(number)) as temporary, _writer(temporary) as writer:
            for part in self._parts(frames, work, depth=0):
                rows += part.height
                texts = pl.concat([texts, part.select("query", "pin")]).unique()
                writer.write_table(_arrow(part), row_group_size=ROW_GROUP)
        self.shards[number] = PlannedShard(rows, texts.height)

    def _parts(
        self, frames: Iterator[pl.DataFrame], work: Path, *, depth: int
    ) -> Iterator[pl.DataFrame]:
        """The rows in sorted parts of some `_HELD_ROWS`, no pair in two parts or twice in one."""
        held: list[pl.DataFrame] = []
        for frame in frames:
            held.append(frame)
            if sum(one.height for one in held) > _HELD_ROWS:
                break
        else:
            if held:
                yield self._distinct(pl.concat(held))
            return
        self._distinct(pl.concat(held))
        folder = work.with_name(f"{work.name}-{depth}")
        with Spool(folder, FAN_OUT) as spool:
            for many in (iter(held), frames):
                for frame in many:
                    spool.add(frame, bucket_of(_KEYS, FAN_OUT, seed=10 + depth))
            del held[:]
            spool.seal()
            for at in range(FAN_OUT):
                yield from self._parts(spool.read(at), folder / f"{at}", depth=depth + 1)

    def _distinct(self, part: pl.DataFrame) -> pl.DataFrame:
        """`part` sorted by its ids.

        Raises:
            TableError: A pair is there twice.
        """
        ordered = part.sort(_KEYS)
        keys = ordered.select(_KEYS)
        twice = keys.filter((keys == keys.shift(1)).select(pl.all_horizontal(pl.all())).to_series())
        if twice.height:
            self._refuse_twice(*twice.row(0))
        return ordered

    def _refuse_twice(self, query: str, pin: str) -> None:
        (path, first), (again, second) = self.pairs.places({"query_id": query, "pin_id": pin})[:2]
        before = f"line {first}" if path == again else f"{path} line {first}"
        raise TableError(
            f"query {query!r}, pin {pin!r} is there twice, first in {before}",
            path=again,
            line=second,
            way_out="Remove one of them",
        )


@contextlib.contextmanager
def _writer(path: Path) -> Iterator[pq.ParquetWriter]:
    schema = pa.schema([(name, pa.large_string()) for name in _COLUMNS])
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        yield writer


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def _told(frames: Iterator[pl.DataFrame], total: int, progress: Progress) -> Iterator[pl.DataFrame]:
    done = 0
    for frame in frames:
        yield frame
        done += frame.height
        progress(done, total, "planning")
