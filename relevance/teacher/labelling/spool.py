"""Frames dealt into numbered buckets on disk: work too large for memory is cut by a hash.

The buckets live as long as the work; nobody reads them later.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

FAN_OUT = 128
"""Buckets of a spool, at most: so many files are open at once."""
BUFFER_BYTES = 16 << 20
"""Bytes that a spool keeps in memory before it writes."""
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class Spool:
    """Rows by bucket, appended now and read back bucket by bucket.

    Use as a context manager: it closes the files and, at the end, removes them.

    Args:
        folder: Where; it must not be there yet.
        buckets: How many, 1 to `FAN_OUT`.
    """

    def __init__(self, folder: Path, buckets: int) -> None:
        self.folder = folder
        self.rows: NDArray[np.int64] = np.zeros(buckets, dtype=np.int64)
        self.size: NDArray[np.int64] = np.zeros(buckets, dtype=np.int64)
        self._waiting: list[list[pa.Table]] = [[] for _ in range(buckets)]
        self._held = 0
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        folder.mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, frame: pl.DataFrame, bucket: pl.Expr) -> None:
        """Puts each row into the bucket that `bucket` (whole numbers from 0) says."""
        if frame.is_empty():
            return
        dealt = frame.with_columns(bucket.cast(pl.Int64).alias("_bucket")).sort(
            "_bucket", maintain_order=True
        )
        counts = np.bincount(dealt["_bucket"].to_numpy(), minlength=len(self.rows))
        # plain strings: views would keep, and write, the whole frame's texts with every slice
        table = dealt.drop("_bucket").to_arrow(compat_level=pl.CompatLevel.oldest())
        ends = np.cumsum(counts)
        for at in np.flatnonzero(counts).tolist():
            part = table.slice(int(ends[at] - counts[at]), int(counts[at]))
            self._waiting[at].append(part)
            self.rows[at] += part.num_rows
            self.size[at] += part.nbytes
        self._held += table.nbytes
        if self._held >= BUFFER_BYTES:
            self._flush()

    def seal(self) -> None:
        """Writes what waits and closes the files; `read` may follow, `add` may not."""
        self._flush()
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def read(self, bucket: int) -> Iterator[pl.DataFrame]:
        """The frames of one bucket; its file is removed once they are read."""
        path = self._path(bucket)
        if not path.exists():
            return
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as batches:
            for batch in batches:
                yield pl.DataFrame(pl.from_arrow(batch))
        path.unlink()

    def _flush(self) -> None:
        for at, parts in enumerate(self._waiting):
            if not parts:
                continue
            if at not in self._writers:
                self._writers[at] = pa.ipc.new_stream(
                    str(self._path(at)), parts[0].schema, options=_OPTIONS
                )
            self._writers[at].write_table(pa.concat_tables(parts).combine_chunks())
            parts.clear()
        self._held = 0

    def _path(self, bucket: int) -> Path:
        return self.folder / f"{bucket:03d}.arrows"


def bucket_of(columns: list[str], buckets: int, *, seed: int) -> pl.Expr:
    """A bucket of 0 … buckets-1 by the hash of `columns`; other seeds deal independently."""
    return pl.struct(columns).hash(seed) % buckets
