"""Tables of any size as streams of checked frames: Parquet files, folders of files, frames.

Parquet is read a few thousand rows at a time, so that memory does not grow with the table; files of
other formats are read whole, one after the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from relevance.casts import DTYPES
from relevance.checks import conform
from relevance.dialects.beir import METADATA, adopt, renaming
from relevance.errors import MissingInputError, TableError
from relevance.files import fingerprint
from relevance.formats import MADE_BY, Source, read_source
from relevance.grades import FIVE
from relevance.json_rows import Lines
from relevance.records import TABLES

FRAME_ROWS = 1 << 14
"""Rows of a frame of a stream, at most."""
FRAME_BYTES = 8 << 20
"""Bytes of a frame of a stream, nearly at most."""
_READ_ROWS = 4096  # rows decoded at once: so many of the longest texts must fit into memory
_READ_BYTES = 1 << 20


class TableSource(Protocol):
    """A table that can be read again and again, frame by frame."""

    @property
    def name(self) -> str:
        """Key of `relevance.records.TABLES`."""

    def rows(self) -> int:
        """Rows in all."""

    def size(self) -> int:
        """Bytes of its columns in memory, roughly."""

    def frames(self) -> Iterator[pl.DataFrame]:
        """Checked frames of the wanted columns, in the order of the table."""

    def identity(self) -> str:
        """128 hexadecimal bits that change when the table does."""

    def places(self, key: Mapping[str, str]) -> list[tuple[str, int]]:
        """File (or table) and 1-based line or row of each row that has these cells."""


def open_table(
    given: Path | pl.DataFrame, name: str, columns: Sequence[str] | None = None
) -> TableSource:
    """A stream over a file, a folder of files, or a frame.

    Args:
        given: What holds the rows. Of a folder every file is read, those below it too, in the order
            of their names; hidden ones, those that begin with `_`, and JSON files beside Parquet
            are not.
        name: Key of `relevance.records.TABLES`.
        columns: Columns wanted, those the table must have among them; None for only those.

    Raises:
        MissingInputError: The file is not there.
        TableError: The folder holds no file.
    """
    needed = [column.name for column in TABLES[name].columns if not column.optional]
    wanted = list(dict.fromkeys([*needed, *(columns or ())]))
    if isinstance(given, pl.DataFrame):
        return FrameSource(name, given.select([n for n in wanted if n in given.columns]))
    return FileSource(name, wanted, _files(given, name))


@dataclass(frozen=True, slots=True)
class FrameSource:
    """A table that is in memory already.

    Attributes:
        name: Key of `relevance.records.TABLES`.
        frame: Its rows.
    """

    name: str
    frame: pl.DataFrame

    def rows(self) -> int:
        """See `TableSource.rows`."""
        return self.frame.height

    def size(self) -> int:
        """See `TableSource.size`."""
        return int(self.frame.estimated_size())

    def frames(self) -> Iterator[pl.DataFrame]:
        """See `TableSource.frames`."""
        yield from self.frame.iter_slices(FRAME_ROWS)

    def identity(self) -> str:
        """See `TableSource.identity`; the order of the rows does not matter."""
        digest = xxhash.xxh3_128()
        ordered = self.frame.sort([k for k in TABLES[self.name].key if k in self.frame.columns])
        for part in ordered.iter_slices(FRAME_ROWS):
            digest.update(part.write_csv(include_header=True).encode())
        return digest.hexdigest()

    def places(self, key: Mapping[str, str]) -> list[tuple[str, int]]:
        """See `TableSource.places`."""
        return [(self.name, row + 1) for row in _matching(self.frame, key)]


@dataclass(frozen=True, slots=True)
class FileSource:
    """A table in files.

    Attributes:
        name: Key of `relevance.records.TABLES`.
        columns: Columns wanted, under our names.
        files: The files, in order.
    """

    name: str
    columns: Sequence[str]
    files: Sequence[Path]

    def rows(self) -> int:
        """See `TableSource.rows`; a file that is not Parquet is read for it."""
        return sum(
            pq.read_metadata(path).num_rows
            if _is_parquet(path)
            else read_source(path, TABLES[self.name]).frame.height
            for path in self.files
        )

    def size(self) -> int:
        """See `TableSource.size`."""
        return sum(map(self._size, self.files))

    def frames(self) -> Iterator[pl.DataFrame]:
        """See `TableSource.frames`.

        Raises:
            TableError: The first thing that is wrong, with its place.
        """
        for source in self._sources():
            frame, problems = conform(source, TABLES[self.name], FIVE, distinct=False)
            if problems:
                raise problems[0]
            there = [name for name in self.columns if name in frame.columns]
            yield from frame.select(there).iter_slices(FRAME_ROWS)

    def identity(self) -> str:
        """See `TableSource.identity`: of the files' bytes in their order, whatever their names."""
        digest = xxhash.xxh3_128()
        for path in self.files:
            digest.update(fingerprint(path).encode())
        return digest.hexdigest()

    def places(self, key: Mapping[str, str]) -> list[tuple[str, int]]:
        """See `TableSource.places`; reads the table once more."""
        found = []
        for source in self._sources():
            frame, _ = conform(source, TABLES[self.name], FIVE, distinct=False)
            found += [(str(source.path), n) for n in source.lines(_matching(frame, key))]
        return found

    def _sources(self) -> Iterator[Source]:
        for path in self.files:
            if _is_parquet(path):
                yield from _parquet_sources(path, self.name, self.columns)
            else:
                yield read_source(path, TABLES[self.name])

    def _size(self, path: Path) -> int:
        if not _is_parquet(path):
            return path.stat().st_size
        metadata = pq.read_metadata(path)
        names = renaming(metadata.schema.names, self.name)
        return sum(
            chunk.total_uncompressed_size
            for group in range(metadata.num_row_groups)
            for chunk in map(metadata.row_group(group).column, range(metadata.num_columns))
            if names.get(chunk.path_in_schema, chunk.path_in_schema) in self.columns
        )


def _files(path: Path, name: str) -> list[Path]:
    if not path.exists():
        raise MissingInputError(path, MADE_BY[name])
    if not path.is_dir():
        return [path]
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file() and not any(map(_is_hidden, file.relative_to(path).parts))
    ]
    if any(map(_is_parquet, found)):
        found = [file for file in found if file.suffix != ".json"]  # manifests and provenance
    if not found:
        raise TableError(
            "the folder holds no file", path=path, way_out=f"Put files of the table {name} in it"
        )
    return found


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return path.is_file() and file.read(4) == b"PAR1"
    except OSError:
        return False


def _parquet_sources(path: Path, name: str, columns: Collection[str]) -> Iterator[Source]:
    """The wanted columns of a Parquet file under our names, a frame at a time."""
    row = 0
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_READ_BYTES) as file:
            there = file.schema_arrow.names
            names = renaming(there, name)
            wanted = [n for n in there if names.get(n, n) in columns or (names and n == METADATA)]
            if _lacks(name, {names.get(n, n) for n in wanted}):
                wanted = there  # so that the error says what there is
            batches = file.iter_batches(batch_size=_READ_ROWS, columns=wanted, use_threads=False)
            for table in _heaped(batches, file.schema_arrow):
                frame, theirs = adopt(pl.DataFrame(pl.from_arrow(table)), name)
                yield Source(path, "parquet", frame, _lines_from(row + 1), theirs)
                row += frame.height
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:120]
        raise TableError(
            f"the Parquet file is truncated or damaged ({reason})",
            path=path,
            way_out="Make or copy it again",
        ) from None


def _heaped(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Batches put together to tables of `FRAME_ROWS` or `FRAME_BYTES`; an empty one of none."""
    heap: list[pa.RecordBatch] = []
    told = False
    for batch in batches:
        heap.append(batch)
        if (
            sum(one.num_rows for one in heap) >= FRAME_ROWS
            or sum(one.nbytes for one in heap) >= FRAME_BYTES
        ):
            yield pa.Table.from_batches(heap)
            heap, told = [], True
    if heap or not told:
        yield pa.Table.from_batches(heap) if heap else schema.empty_table()


def _lacks(name: str, there: Collection[str]) -> bool:
    return any(not column.optional and column.name not in there for column in TABLES[name].columns)


def _lines_from(first: int) -> Lines:
    return lambda rows: [first + row for row in rows]


def _matching(frame: pl.DataFrame, key: Mapping[str, str]) -> list[int]:
    cells = [pl.col(name) == pl.lit(cell, DTYPES["text"]) for name, cell in key.items()]
    rows: list[int] = frame.select(pl.all_horizontal(cells)).to_series().arg_true().to_list()
    return rows
