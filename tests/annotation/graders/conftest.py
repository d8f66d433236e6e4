from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

SHARES = (0.3, 0.25, 0.18, 0.15, 0.12)


@dataclass(frozen=True)
class Crowd:
    judgments: pl.DataFrame
    truth: pl.DataFrame
    bias: np.ndarray  # mean grade of each annotator less that of one without severity
    scatter: np.ndarray  # standard deviation about what the panel gives on average


def names(n: int) -> list[str]:
    return [f"a{who:03}" for who in range(n)]


def make_crowd(
    seed: int,
    *,
    people: int = 12,
    queries: int = 100,
    pins: int = 6,
    overlap: int = 3,
    severity: np.ndarray | float = 0.2,
    noise: tuple[float, float] = (0.5, 0.9),
    guessers: int = 0,
    guesser_votes: int | None = None,
) -> Crowd:
    """Latent truth + severity + noise, rounded to 1-5; the first `guessers` grade at random."""
    rng = np.random.default_rng(seed)
    lean = rng.normal(0, severity, people) if np.isscalar(severity) else np.asarray(severity)
    blur = rng.uniform(*noise, people)
    n = queries * pins
    truth = rng.choice(5, n, p=SHARES) + 1
    who = np.argsort(rng.random((n, people)), axis=1)[:, :overlap]

    def grades(true, person):
        seen = (
            true + lean[person] + blur[person] * rng.normal(size=np.broadcast(true, person).shape)
        )
        given = np.clip(np.rint(seen), 1, 5).astype(np.int64)
        return np.where(person < guessers, rng.integers(1, 6, given.shape), given)

    grade = grades(truth[:, None], who)
    item = np.repeat(np.arange(n), overlap)
    frame = pl.DataFrame(
        {
            "query_id": [f"q{i // pins:05}" for i in item],
            "pin_id": [f"p{i % pins:02}" for i in item],
            "annotator": [names(people)[w] for w in who.ravel()],
            "grade": grade.ravel(),
        }
    )
    if guesser_votes is not None:
        kept = frame.filter(pl.col("annotator") < names(people)[guessers])
        kept = kept.group_by("annotator", maintain_order=True).head(guesser_votes)
        frame = pl.concat(
            [
                frame.filter(pl.col("annotator") >= names(people)[guessers]),
                kept.select(frame.columns),
            ]
        )
    many = rng.choice(5, 40_000, p=SHARES) + 1
    all_ = np.stack([grades(many, np.full(len(many), person)) for person in range(people)])
    # Grades end at 1 and 5, so noise alone moves a mean: somebody without severity is the zero.
    usual = np.clip(np.rint(many + np.mean(noise) * rng.normal(size=len(many))), 1, 5)
    panel = np.array([all_[guessers:, many == level].mean() for level in range(1, 6)])[many - 1]
    return Crowd(
        frame,
        pl.DataFrame(
            {
                "query_id": [f"q{i // pins:05}" for i in range(n)],
                "pin_id": [f"p{i % pins:02}" for i in range(n)],
                "grade": truth,
            }
        ),
        (all_ - usual).mean(axis=1),
        (all_ - panel).std(axis=1),
    )


@pytest.fixture(scope="session")
def crowd():
    return make_crowd
