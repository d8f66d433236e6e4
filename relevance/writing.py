"""Frames to the bytes of a file in each format; the inverse of `relevance.formats`."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from relevance.errors import InputError, did_you_mean

_TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"


def encode(frame: pl.DataFrame, path: Path, table: str) -> bytes:
    """The frame as the bytes of a file whose name is `path`.

    Raises:
        InputError: The ending is unknown, or the format cannot hold this table.
    """
    zipped = path.suffix == ".gz"
    ending = path.with_suffix("").suffix if zipped else path.suffix
    encoders = ENCODERS | dict.fromkeys(TREC_ENDINGS, TREC_ENCODERS.get(table))
    if ending not in encoders:
        near = did_you_mean(ending, encoders)
        raise InputError(f"{path}: no format ends in {ending!r}.{near} Use {', '.join(encoders)}")
    encoder = encoders[ending]
    if encoder is None:
        raise InputError(f"{path}: a TREC file holds qrels or runs, not {table}. Use .csv")
    try:
        data = encoder(frame)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return gzip.compress(data, mtime=0) if zipped else data


def _parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


def _csv(frame: pl.DataFrame) -> bytes:
    return _flat(frame).write_csv().encode()


def _tsv(frame: pl.DataFrame) -> bytes:
    return _flat(frame).write_csv(separator="\t").encode()


def _jsonl(frame: pl.DataFrame) -> bytes:
    return _texts(frame).write_ndjson().encode()


def _json(frame: pl.DataFrame) -> bytes:
    return b"[" + _jsonl(frame).strip().replace(b"\n", b",\n") + b"]\n"


def _trec_qrels(frame: pl.DataFrame) -> bytes:
    return _words(frame.select("query_id", pl.lit("0").alias("0"), "pin_id", "grade"))


def _trec_runs(frame: pl.DataFrame) -> bytes:
    """Missing ranks follow the scores, missing scores the ranks, and a missing system is "run"."""
    absent = {"system": pl.String, "rank": pl.Int64, "score": pl.Float64}
    frame = frame.with_columns(
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in absent.items()
        if name not in frame.columns
    )
    place = pl.col("score").rank("ordinal", descending=True).over("system", "query_id")
    rank = pl.coalesce("rank", place.cast(pl.Int64))
    score = pl.coalesce("score", -pl.col("rank").cast(pl.Float64))
    system = pl.col("system").fill_null("run")
    return _words(
        frame.select(
            "query_id",
            pl.lit("Q0").alias("Q0"),
            "pin_id",
            rank.alias("rank"),
            score.alias("score"),
            system,
        )
    )


def _words(frame: pl.DataFrame) -> bytes:
    texts = frame.select(pl.all().cast(pl.String).fill_null(""))
    for column in texts:
        spaced = column.str.contains(r"^$|\s")
        if spaced.any():
            raise InputError(
                f"{column.name} {column.filter(spaced)[0]!r} is empty or has blanks, which a TREC "
                "file cannot hold. Use .csv"
            )
    lines = texts.select(pl.concat_str(pl.all(), separator=" ")).to_series()
    return "".join(f"{line}\n" for line in lines).encode()


Encoder = Callable[[pl.DataFrame], bytes]

ENCODERS: dict[str, Encoder | None] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".json": _json,
}
"""Ending → what makes the bytes."""

TREC_ENDINGS = (".trec", ".qrels", ".run", ".txt")
TREC_ENCODERS: dict[str, Encoder] = {"qrels": _trec_qrels, "runs": _trec_runs}
"""Table → what makes a TREC file of it."""


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
