"""An audit of a folder of labels: every pair once, every row a distribution."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from relevance.progress import Progress, silent
from relevance.teacher.labelling.digests import digest_of, hash_pairs
from relevance.teacher.labelling.manifest import read_manifest
from relevance.teacher.labelling.planning import shard_name
from relevance.teacher.predict import PROBABILITIES

TOLERANCE = 1e-6
"""By how much p1…p5 of a row may miss the sum 1, and a probability 0 or 1."""
BUCKET_ROWS = 4_000_000
"""Hashes of pairs sorted at once; more pairs are dealt into files first."""
_MOST_BUCKETS = 500
_ROWS = 65_536
_KEYS = ("query_id", "pin_id")


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Attributes:
        pairs: Pairs the manifest promises.
        rows: Rows there are.
        shards: Shards read.
        problems: What is wrong, one sentence each; empty if nothing is.
    """

    pairs: int
    rows: int
    shards: int
    problems: tuple[str, ...]


def verify_labels(out: Path, *, progress: Progress = silent) -> Audit:
    """Reads every row of a finished labelling folder; memory does not grow with the pairs.

    Checked: rows = pairs of the manifest, and the pairs are those of the input (by a sum of hashes
    that the plan made); no pair twice; p1…p5 within 0–1 and of sum 1; no shard missing, damaged (by
    its pages' checksums) or too many.

    Args:
        out: The folder.
        progress: Told of shards read.

    Raises:
        ModelError: There is no manifest.
    """
    manifest = read_manifest(out)
    count, pairs = manifest.shards, manifest.pairs
    problems = [
        f"{path.name} is no shard of this job"
        for path in sorted(out.glob("shard-*.parquet"))
        if path.name not in {shard_name(number) for number in range(count)}
    ]
    with tempfile.TemporaryDirectory(prefix="gradewise-") as room:
        keys = _Hashes(Path(room), pairs)
        for number in range(count):
            problems += _check_shard(out / shard_name(number), keys)
            progress(number + 1, count, "audit")
        twice = keys.repeated()
    if keys.rows != pairs:
        problems.append(f"{keys.rows:,} rows for {pairs:,} pairs")
    if len(twice):
        problems += _name_repeated(out, count, set(twice.tolist()))
    if not problems and manifest.pairs_digest != keys.digest:
        problems.append("the rows are not the pairs of the input")
    return Audit(pairs, keys.rows, count, tuple(problems))


class _Hashes:
    """Hashes of pairs, in memory or dealt into files by their upper part."""

    def __init__(self, room: Path, expected: int) -> None:
        self.buckets = min(-(-max(expected, 1) // BUCKET_ROWS), _MOST_BUCKETS)
        self.room = room
        self.rows = 0
        self.total = 0
        self.held: list[NDArray[np.uint64]] = []

    def add(self, frame: pl.DataFrame) -> None:
        hashes = hash_pairs(frame)
        self.rows += len(hashes)
        self.total += int(hashes.sum(dtype=np.uint64))
        if self.buckets == 1:
            self.held.append(hashes)
            return
        at = (hashes >> np.uint64(40)) % np.uint64(self.buckets)
        for bucket in np.unique(at).tolist():
            with (self.room / f"{bucket}").open("ab") as file:
                file.write(hashes[at == bucket].tobytes())

    @property
    def digest(self) -> str:
        return digest_of(self.total)

    def repeated(self) -> NDArray[np.uint64]:
        """Hashes that are there more than once."""
        again = (hashes[1:][hashes[1:] == hashes[:-1]] for hashes in self._sorted())
        return np.asarray(np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *again])))

    def _sorted(self) -> Iterator[NDArray[np.uint64]]:
        if self.held:
            yield np.sort(np.concatenate(self.held))
        for path in self.room.iterdir():
            yield np.sort(np.fromfile(path, dtype=np.uint64))


def _check_shard(path: Path, keys: _Hashes) -> list[str]:
    """Problems of one shard; its pairs are added to `keys`."""
    if not path.exists():
        return [f"{path.name} is missing"]
    outside = off = 0
    try:
        for frame in _frames(path, [*_KEYS, *PROBABILITIES]):
            keys.add(frame)
            p = frame.select(PROBABILITIES).to_numpy()
            within = ((p >= -TOLERANCE) & (p <= 1 + TOLERANCE)).all(axis=1)  # false for NaN
            outside += int((~within).sum())
            off += int((~(np.abs(p.sum(axis=1) - 1) <= TOLERANCE))[within].sum())
    except (pa.ArrowException, OSError) as error:
        return [f"{path.name} is damaged ({str(error).splitlines()[0][:80]})"]
    problems = [f"{path.name}: {outside} rows with a probability outside 0–1"] if outside else []
    return problems + ([f"{path.name}: {off} rows do not sum to 1"] if off else [])


def _name_repeated(out: Path, count: int, hashes: set[int]) -> list[str]:
    """The pairs of these hashes that are really there twice, at most five."""
    seen: dict[tuple[str, str], str] = {}
    problems: list[str] = []
    for number in range(count):
        path = out / shard_name(number)
        if not path.exists():
            continue
        for frame in _frames(path, list(_KEYS)):
            suspects = frame.filter(np.isin(hash_pairs(frame), list(hashes)))
            for query, pin in suspects.iter_rows():
                if before := seen.get((query, pin)):
                    where = f"{before} and {path.name}"
                    problems.append(f"query {query!r}, pin {pin!r} is there twice: in {where}")
                seen[query, pin] = path.name
                if len(problems) == 5:
                    return problems
    return problems


def _frames(path: Path, columns: list[str]) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True) as file:
        for batch in file.iter_batches(_ROWS, columns=columns, use_threads=False):
            yield pl.DataFrame(pl.from_arrow(batch))
