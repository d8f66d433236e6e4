"""Texts joined to a stream of pairs, however large the tables of queries and Pins are.

A table that fits into a bound is held and looked up. A larger one is dealt into buckets by the hash
of its ids, the pairs with it, and each bucket joined by itself. Pins are rendered when a pair asks
for them, once each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from relevance.errors import InputError, TableError
from relevance.teacher.labelling.sources import TableSource
from relevance.teacher.labelling.spool import FAN_OUT, Spool, bucket_of
from relevance.text import pick_features, render_pins

HELD_ROWS = 1 << 16
"""Rows of queries or Pins held in memory at once."""
HELD_BYTES = 32 << 20
"""Bytes of them."""
_DEEPEST = 4  # levels of dealing: 128**4 buckets; beyond, one id must fill a bucket

Frames = Iterator[pl.DataFrame]
Texts = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Side:
    """The table that gives the pairs a text.

    Attributes:
        source: Queries or Pins.
        pairs: The pairs, to say where a missing id is.
        key: query_id or pin_id.
        column: What the text is called in the pairs: query or pin.
        texts: Frame of the table → key and `column`.
    """

    source: TableSource
    pairs: TableSource
    key: str
    column: str
    texts: Texts


def query_side(queries: TableSource, pairs: TableSource) -> Side:
    """Pairs get the text of their query."""

    def texts(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select("query_id", pl.col("text").alias("query"))

    return Side(queries, pairs, "query_id", "query", texts)


def pin_side(pins: TableSource, pairs: TableSource, text_features: Sequence[str]) -> Side:
    """Pairs get the rendered text of their Pin."""
    features = pick_features(text_features)

    def texts(frame: pl.DataFrame) -> pl.DataFrame:
        return render_pins(frame, features).rename({"text": "pin"})

    return Side(pins, pairs, "pin_id", "pin", texts)


def add_texts(frames: Frames, side: Side, folder: Path) -> Frames:
    """The pairs of `frames` with the text of `side`, in any order.

    Args:
        frames: Pairs.
        side: What gives the text.
        folder: Room on disk, needed where the table is large; must not be there yet.

    Raises:
        InputError: The table lacks an id.
        TableError: It has one twice.
    """
    rows, size = side.source.rows(), side.source.size()
    return _add(frames, side, side.source.frames(), (rows, size), folder, depth=0)


def _add(
    frames: Frames, side: Side, table: Frames, extent: tuple[int, int], folder: Path, *, depth: int
) -> Frames:
    parts = max(-(-extent[0] // HELD_ROWS), -(-extent[1] // HELD_BYTES))
    if parts <= 1 or depth >= _DEEPEST:
        held = _Held(side, table)
        yield from (held.join(frame) for frame in frames)
        return
    buckets = min(parts, FAN_OUT)
    bucket = bucket_of([side.key], buckets, seed=depth + 1)
    with (
        Spool(folder / f"{side.column}-table", buckets) as tables,
        Spool(folder / f"{side.column}-pairs", buckets) as pairs,
    ):
        for spool, stream in ((tables, table), (pairs, frames)):
            for frame in stream:
                spool.add(frame, bucket)
            spool.seal()
        for at in range(buckets):
            inner = folder / f"{side.column}-{at}"
            extent = int(tables.rows[at]), int(tables.size[at])
            yield from _add(pairs.read(at), side, tables.read(at), extent, inner, depth=depth + 1)


class _Held:
    """A table in memory, whose texts are made when they are first asked for."""

    def __init__(self, side: Side, table: Frames) -> None:
        self.side = side
        frames = list(table)
        self.table = (
            pl.concat(frames) if frames else pl.DataFrame({side.key: []}, {side.key: pl.String})
        )
        self.made = pl.DataFrame(schema={side.key: pl.String, side.column: pl.String})
        self._refuse_twice()

    def join(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with its texts."""
        key = self.side.key
        new = frame.select(key).unique().join(self.made, on=key, how="anti")
        if new.height:
            rows = self.table.join(new, on=key, how="semi")
            if rows.height < new.height:
                self._refuse_missing(new.join(rows, on=key, how="anti")[key])
            self.made = pl.concat([self.made, self.side.texts(rows)])
        return frame.join(self.made, on=key, how="left", maintain_order="left")

    def _refuse_twice(self) -> None:
        ids = self.table[self.side.key]
        if ids.n_unique() == len(ids):
            return
        name = self.side.source.name
        again = str(ids.filter(ids.is_duplicated()).sort()[0])
        first, second = self.side.source.places({self.side.key: again})[:2]
        raise TableError(
            f"{self.side.key}={again} is there already ({_place(first)})",
            path=second[0],
            line=second[1],
            way_out=f"Keep one row; {self.side.key} identifies a row of {name}",
        )

    def _refuse_missing(self, ids: pl.Series) -> None:
        key, table = self.side.key, self.side.source.name
        lacking = str(ids.sort()[0])
        place = self.side.pairs.places({key: lacking})[0]
        more = f", and {len(ids) - 1} more at least" if len(ids) > 1 else ""
        raise InputError(
            f"{_place(place)}: {key} {lacking!r} is not in {table}{more}. "
            f"Give the {table} that these pairs were made from"
        )


def _place(place: tuple[str, int]) -> str:
    return f"{place[0]} line {place[1]}"
