"""Pairs for a teacher to label and to learn from, and the teacher that every contender uses.

Pins have 10 to 150 words, most of them few; grades say whether the query's words are among the
Pin's. The teacher is MiniLM with a random head: what it says is of no use, how long it takes is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

SEED = 20261124
PAIRS = 5_000
TRAINING = 480
_TEXT = (
    "boho rug wool kitchen small garden ideas linen dress summer easy dinner vegan cake autumn "
    "nails gold desk oak poster lamp sofa modern vintage wedding table birthday green outdoor"
)
WORDS = _TEXT.split()
TEACHER = "teacher"
"""Folder of the teacher, beside the tables."""


def labelling(folder: Path, size: float) -> None:
    """Writes pairs (5,000 × `size`), queries and pins, and qrels of the first 480 × `size`."""
    rng = np.random.default_rng(SEED)
    n = max(int(PAIRS * size), 40)
    lengths = np.clip(np.round(np.exp(rng.normal(np.log(38), 0.6, n))), 10, 150).astype(int)
    queries = [" ".join(rng.choice(WORDS, 3)) for _ in range(n)]
    pins = [" ".join(rng.choice(WORDS, length)) for length in lengths]
    ids = [f"{number:07d}" for number in range(n)]
    names = {"query_id": [f"q{one}" for one in ids], "pin_id": [f"p{one}" for one in ids]}
    pairs = pl.DataFrame(names)
    pairs.write_parquet(folder / "pairs.parquet")
    pairs.select("query_id", text=pl.Series(queries)).write_parquet(folder / "queries.parquet")
    pairs.select("pin_id", description=pl.Series(pins)).write_parquet(folder / "pins.parquet")
    shared = [
        1 + min(4, len(set(query.split()) & set(pin.split())))
        for query, pin in zip(queries, pins, strict=True)
    ]
    graded = pairs.with_columns(grade=pl.Series(shared)).head(max(int(TRAINING * size), 40))
    graded.write_parquet(folder / "qrels.parquet")


def ready_teacher(folder: Path) -> Path:
    """The folder of the teacher beside the tables, made on first use."""
    from relevance.teacher.bases import find_base
    from relevance.teacher.encode import open_encoder
    from relevance.teacher.model import Settings, new_teacher, save_teacher, write_settings
    from relevance.teacher.tuning import Tuning
    from relevance.teacher.weights import prepare_weights

    out = folder / TEACHER
    if (out / "gradewise.json").exists():
        return out
    weights = prepare_weights(find_base("all-MiniLM-L6-v2"))
    teacher = new_teacher(weights, tuning=Tuning(), seed=SEED)
    save_teacher(out, teacher, open_encoder(weights.folder, weights.base, 256))
    write_settings(
        out,
        Settings(base=weights.base.name, max_tokens=256, text_features=("description",)),
    )
    return out
