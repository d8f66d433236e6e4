"""Frames to the bytes of a file in each format; the inverse of `relevance.formats`."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from relevance.dialects import beir, pytrec, quepid, trec
from relevance.errors import InputError, did_you_mean
from relevance.formulas import NUMBER, RISKY, guard
from relevance.records import TABLES

Encoder = Callable[[pl.DataFrame], bytes]

_TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"


def encode(frame: pl.DataFrame, path: Path, table: str, to: str | None = None) -> bytes:
    """The frame as the bytes of a file whose name is `path`.

    Args:
        frame: The rows.
        path: Its ending names the format; `.gz` after it zips.
        table: Name of the table.
        to: Key of `FORMATS`, if not the ending names the format.

    Raises:
        InputError: There is no such format or ending, or the format cannot hold this table.
    """
    name = format_of(path) if to is None else to
    if name not in FORMATS:
        raise InputError(
            f"no format is called {name!r}.{did_you_mean(name, FORMATS)} Use {', '.join(FORMATS)}"
        )
    encoder = FORMATS[name].get(table)
    if encoder is None:
        holds = " or ".join(FORMATS[name])
        shown = name.upper() if name == "trec" else name
        raise InputError(f"{path}: a {shown} file holds {holds}, not {table}. Use .csv")
    try:
        data = encoder(frame)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return gzip.compress(data, mtime=0) if path.suffix == ".gz" else data


def format_of(path: Path) -> str:
    """The format that the ending of a file's name means.

    Raises:
        InputError: It means none.
    """
    ending = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if ending not in ENDINGS:
        near = did_you_mean(ending, ENDINGS)
        raise InputError(f"{path}: no format ends in {ending!r}.{near} Use {', '.join(ENDINGS)}")
    return ENDINGS[ending]


def _parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


def defused(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with texts that a spreadsheet would run guarded, as `relevance.formulas` says."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    risky = {
        name: pl.col(name).str.contains(RISKY) & ~pl.col(name).str.contains(NUMBER)
        for name in texts
    }
    return frame.with_columns(
        pl.when(at).then(pl.lit("'") + pl.col(name)).otherwise(pl.col(name)).alias(name)
        for name, at in risky.items()
    ).rename(guard)


def _csv(frame: pl.DataFrame) -> bytes:
    return defused(_flat(frame)).write_csv().encode()


def _tsv(frame: pl.DataFrame) -> bytes:
    return defused(_flat(frame)).write_csv(separator="\t").encode()


def _jsonl(frame: pl.DataFrame) -> bytes:
    return _texts(frame).write_ndjson().encode()


def _json(frame: pl.DataFrame) -> bytes:
    return b"[" + _jsonl(frame).strip().replace(b"\n", b",\n") + b"]\n"


def _everything(encoder: Encoder) -> Mapping[str, Encoder]:
    return dict.fromkeys(TABLES, encoder)


def _timed(encoder: Encoder) -> Encoder:
    return lambda frame: encoder(_texts(frame))


FORMATS: Mapping[str, Mapping[str, Encoder]] = {
    "parquet": _everything(_parquet),
    "csv": _everything(_csv),
    "tsv": _everything(_tsv),
    "jsonl": _everything(_jsonl),
    "json": _everything(_json),
    "trec": trec.WRITERS,
    "beir": {table: _timed(encoder) for table, encoder in beir.WRITERS.items()},
    "pytrec": pytrec.WRITERS,
    "quepid": quepid.WRITERS,
}
"""Format → table that it can hold → what makes the bytes."""

ENDINGS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".json": "json",
    ".trec": "trec",
    ".qrels": "trec",
    ".run": "trec",
    ".txt": "trec",
}
"""Ending → format; the others need naming."""


def _texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Times as ISO 8601 text in UTC."""
    times = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    return frame.with_columns(pl.col(name).dt.strftime(_TIME) for name in times)


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Times as text and nested cells as JSON, for formats without types."""
    frame = _texts(frame)
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(
        pl.Series(
            name, [None if cell is None else json.dumps(cell) for cell in frame[name].to_list()]
        )
        for name in nested
    )
