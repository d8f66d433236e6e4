"""Hashes by which pairs are known again, the same on every machine and in every version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray


def hash_pairs(frame: pl.DataFrame) -> NDArray[np.uint64]:
    """64-bit XXH3 of each row's query_id and pin_id."""
    digest = xxhash.xxh3_64_intdigest
    lines = zip(frame["query_id"].to_list(), frame["pin_id"].to_list(), strict=True)
    hashes = (digest(f"{len(query)}\t{query}\t{pin}".encode()) for query, pin in lines)
    return np.fromiter(hashes, dtype=np.uint64, count=frame.height)


def digest_of(total: int) -> str:
    """A sum of hashes as 64 bits in hexadecimal: it tells sets of pairs apart in any order."""
    return f"{total % (1 << 64):016x}"


class Summed:
    """Frames of pairs passed through, their hashes summed.

    Args:
        frames: With query_id and pin_id.
    """

    def __init__(self, frames: Iterable[pl.DataFrame]) -> None:
        self._frames = frames
        self._total = 0

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for frame in self._frames:
            self._total += int(hash_pairs(frame).sum(dtype=np.uint64))
            yield frame

    @property
    def digest(self) -> str:
        """Of what has passed."""
        return digest_of(self._total)
