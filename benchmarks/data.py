"""The files that the contenders read, made from a seed; run in a process of its own.

- ranking: `run`, `qrels` (in random order), `queries` with string ids; and `joined`, the file that
  `gradewise evaluation ranking --write-joined` makes of them. 50 Pins a query are returned; 60 % of
  them are judged, and 10 more that were not returned. No two scores of a query are equal, so that
  the order of ties plays no part.
- grades: `predictions`, both sides in one file: 100 pairs a query, p1…p5, the human grade.
- judgments: pairs graded by 3 of 500 annotators, 30 pairs a query.
- sessions: an A/B test's session log, see `benchmarks.session_data`.
- labelling: pairs of skewed lengths for a teacher, see `benchmarks.teacher_data`.
- grading: a round of pairs to grade with three judgments each, see `benchmarks.grading_data`.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.grading_data import grading as write_grading
from benchmarks.session_data import sessions as write_sessions
from benchmarks.teacher_data import labelling as write_labelling

SEED = 20261123
COUNTRIES = (
    *("US", "GB", "CA", "AU", "DE", "FR", "ES", "IT", "NL", "BE"),
    *("SE", "PL", "BR", "MX", "AR", "CL", "JP", "KR", "IN", "ID"),
)
"""Twenty, the first the largest."""

RETURNED, JUDGED, UNRETURNED = 50, 30, 10
_PIN_PRIME = 1_000_003
_BINS = (-1.5, -0.6, 0.3, 1.1)
_BLOCK = 10_000


def ranking(folder: Path, size: float) -> None:
    """Writes run, qrels, queries and joined of 10^5 × `size` queries."""
    _ranked(folder, size)  # whose arrays are gone before the join needs memory
    _join(folder)


def _ranked(folder: Path, size: float) -> None:
    rng = np.random.default_rng(SEED)
    n = max(int(1e5 * size), 20)
    wide = RETURNED + UNRETURNED
    pins = _distinct_pins(rng, n, wide)
    latent = rng.normal(size=(n, wide)).astype(np.float32)
    grades = (np.digitize(latent + rng.normal(size=(n, wide)), _BINS) + 1).astype(np.int8)
    scores = _distinct_scores(rng, latent[:, :RETURNED])
    some = np.broadcast_to(np.arange(RETURNED) < JUDGED, (n, RETURNED))
    judged = np.hstack([rng.permuted(some, axis=1), np.ones((n, UNRETURNED), dtype=bool)])
    country = _countries(rng, n)
    query = np.repeat(np.arange(n, dtype=np.int32), wide)
    frame = pl.DataFrame({"query_id": query, "pin_id": pins.ravel(), "grade": grades.ravel()})
    named = frame.select(
        _name("query_id", "q", 7).alias("query_id"),
        _name("pin_id", "pin", 8).alias("pin_id"),
        "grade",
    )
    returned = np.tile(np.arange(wide) < RETURNED, n)
    run = named.filter(returned).select("query_id", "pin_id", score=scores.ravel())
    run.write_parquet(folder / "run.parquet")
    qrels = named.filter(judged.ravel()).sample(fraction=1.0, shuffle=True, seed=SEED)
    qrels.write_parquet(folder / "qrels.parquet")
    queries = pl.DataFrame({"query_id": np.arange(n), "country": country})
    queries.select(
        _name("query_id", "q", 7).alias("query_id"),
        pl.format("query {}", "query_id").alias("text"),
        "country",
    ).write_parquet(folder / "queries.parquet")


def _join(folder: Path) -> None:
    """Writes the joined file as a user would."""
    from typer.main import get_command

    from app.commands.evaluation import app

    files = " ".join(f"--{name} {folder / name}.parquet" for name in ("run", "qrels", "queries"))
    words = f"ranking {files} --metrics P@8 --reps 0 --write-joined {folder / 'joined.parquet'}"
    with contextlib.redirect_stdout(io.StringIO()):
        get_command(app).main(words.split(), standalone_mode=False)


def grades(folder: Path, size: float) -> None:
    """Writes predictions with human grades: 10^5 × `size` queries of 100 pairs."""
    rng = np.random.default_rng(SEED)
    n = max(int(1e5 * size), 20)
    cuts = np.array(_BINS, dtype=np.float32)
    parts = []
    for start in range(0, n, _BLOCK):
        m = min(_BLOCK, n - start)
        shared = rng.normal(scale=0.5, size=(m, 1))
        latent = (shared + rng.normal(size=(m, 100))).astype(np.float32).ravel()
        below = 1 / (1 + np.exp(2.0 * (latent[:, None] - cuts)))
        edges = np.hstack([np.zeros((len(latent), 1)), below, np.ones((len(latent), 1))])
        truth = np.digitize(latent + rng.logistic(scale=0.6, size=len(latent)), _BINS) + 1
        columns = {f"p{k + 1}": (edges[:, k + 1] - edges[:, k]).astype("f4") for k in range(5)}
        query = np.repeat(np.arange(start, start + m, dtype=np.int32), 100)
        pins = _distinct_pins(rng, m, 100).ravel()
        parts.append(
            pl.DataFrame(
                {"query_id": query, "pin_id": pins, "grade": truth.astype(np.int8), **columns}
            )
        )
    pl.concat(parts).write_parquet(folder / "predictions.parquet")


def judgments(folder: Path, size: float) -> None:
    """Writes 10^6 × `size` judgments: each pair by 3 of 500 annotators."""
    rng = np.random.default_rng(SEED)
    n = max(int(1e6 * size) // 3, 60)
    truth = rng.choice(5, size=n, p=(0.15, 0.2, 0.25, 0.25, 0.15))
    first = rng.integers(0, 500, n)
    annotators = (first[:, None] + np.array([0, 167, 331])) % 500
    noise = rng.choice([-1, 0, 1], size=(n, 3), p=(0.15, 0.7, 0.15))
    given = np.clip(truth[:, None] + noise, 0, 4) + 1
    pair = np.repeat(np.arange(n), 3)
    frame = pl.DataFrame(
        {
            "query_id": pair // 30,
            "pin_id": pair,
            "annotator": annotators.ravel(),
            "grade": given.ravel().astype(np.int8),
        }
    )
    frame.select(
        _name("query_id", "q", 6).alias("query_id"),
        _name("pin_id", "pin", 8).alias("pin_id"),
        _name("annotator", "a", 3).alias("annotator"),
        "grade",
    ).write_parquet(folder / "judgments.parquet")


def sessions(folder: Path, size: float) -> None:
    """Writes a session log: 10^7 × `size` sessions; see `benchmarks.session_data`."""
    write_sessions(folder, size, COUNTRIES)


FILES: dict[str, tuple[Callable[[Path, float], None], tuple[str, ...]]] = {
    "ranking": (ranking, ("run", "qrels", "queries", "joined")),
    "grades": (grades, ("predictions",)),
    "judgments": (judgments, ("judgments",)),
    "sessions": (sessions, ("sessions",)),
    "grading": (write_grading, ("queries", "pins", "samples", "judgments")),
    "labelling": (write_labelling, ("pairs", "queries", "pins", "qrels")),
}
"""Set of files → what writes it, and the names of its Parquet files."""


def _distinct_pins(rng: np.random.Generator, n: int, wide: int) -> NDArray[np.int32]:
    """(n, wide) numbers of Pins, distinct in a row: steps around a circle of prime length."""
    start = rng.integers(0, _PIN_PRIME, (n, 1))
    step = rng.integers(1, _PIN_PRIME, (n, 1))
    return ((start + step * np.arange(wide)) % _PIN_PRIME).astype(np.int32)


def _distinct_scores(rng: np.random.Generator, latent: NDArray[np.float32]) -> NDArray[np.float32]:
    """Noisy 32-bit scores, drawn again where two of a query are equal."""
    scores = latent + rng.normal(size=latent.shape).astype(np.float32)
    while True:
        ordered = np.sort(scores, axis=1)
        tied = (np.diff(ordered, axis=1) == 0).any(axis=1)
        if not tied.any():
            return scores
        scores[tied] = latent[tied] + rng.normal(size=latent[tied].shape).astype(np.float32)


def _countries(rng: np.random.Generator, n: int) -> list[str]:
    share = 1 / np.arange(1, len(COUNTRIES) + 1)
    return [COUNTRIES[i] for i in rng.choice(len(COUNTRIES), size=n, p=share / share.sum())]


def _name(column: str, prefix: str, digits: int) -> pl.Expr:
    return prefix + pl.col(column).cast(pl.String).str.zfill(digits)


if __name__ == "__main__":
    name, target, scale = sys.argv[1:]
    FILES[name][0](Path(target), float(scale))
