"""A grading round: queries, Pins, the pairs to grade, and three judgments of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

SEED = 20261124
PINS_A_QUERY = 20
ANNOTATORS = 6
OPINIONS = 3

_WORDS = (
    *("boho", "rug", "wool", "kitchen", "small", "garden", "ideas", "linen", "dress", "summer"),
    *("easy", "dinner", "vegan", "cake", "autumn", "nails", "gold", "desk", "oak", "poster"),
)


def grading(folder: Path, size: float) -> None:
    """Writes queries, pins, samples and judgments of 10^4 × `size` pairs."""
    rng = np.random.default_rng(SEED)
    n = max(int(1e4 * size), 40)
    n_queries = -(-n // PINS_A_QUERY)
    asked = [f"q{i // PINS_A_QUERY:05d}" for i in range(n)]
    shown = [f"pin{i:06d}" for i in range(n)]
    queries = pl.DataFrame(
        {
            "query_id": [f"q{i:05d}" for i in range(n_queries)],
            "text": [_text(rng, 3) for _ in range(n_queries)],
            "country": "US",
            "language": "en",
        }
    )
    pins = pl.DataFrame(
        {
            "pin_id": shown,
            "title": [_text(rng, 6) for _ in range(n)],
            "description": [_text(rng, 30) for _ in range(n)],
            "board_titles": [[_text(rng, 3), _text(rng, 2)] for _ in range(n)],
        }
    )
    samples = pl.DataFrame({"query_id": asked, "pin_id": shown, "draw": "measure"})
    first = rng.integers(0, ANNOTATORS, n)
    judgments = pl.concat(
        pl.DataFrame(
            {
                "query_id": asked,
                "pin_id": shown,
                "annotator": [f"grader-{(one + k) % ANNOTATORS}" for one in first],
                "grade": rng.integers(1, 6, n).astype(np.int8),
                "flag": pl.Series([None] * n, dtype=pl.String),
                "comment": pl.Series([None] * n, dtype=pl.String),
                "seconds": rng.uniform(2, 20, n).round(1),
            }
        )
        for k in range(OPINIONS)
    )
    queries.write_parquet(folder / "queries.parquet")
    pins.write_parquet(folder / "pins.parquet")
    samples.write_parquet(folder / "samples.parquet")
    judgments.write_parquet(folder / "judgments.parquet")


def _text(rng: np.random.Generator, n: int) -> str:
    return " ".join(_WORDS[i] for i in rng.integers(0, len(_WORDS), n))
