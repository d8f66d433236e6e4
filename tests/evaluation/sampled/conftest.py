"""A small population of which every grade is known, and ways to draw from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest


@dataclass(frozen=True)
class Population:
    """Everything: grades of all candidates, one system's run, a model's predictions, queries."""

    qrels: pl.DataFrame
    run: pl.DataFrame
    predictions: pl.DataFrame
    queries: pl.DataFrame

    def drawn(
        self, rows: np.ndarray, chance: np.ndarray | float, stratum: object = ""
    ) -> pl.DataFrame:
        """Qrels of some rows."""
        picked = self.qrels[np.asarray(rows)]
        chances = np.broadcast_to(np.asarray(chance, dtype=float), picked.height)
        strata = np.broadcast_to(np.asarray(stratum, dtype=str), picked.height)
        return picked.with_columns(
            inclusion_probability=pl.Series(chances), stratum=pl.Series(strata)
        )


def make_population(n_queries: int, n_pins: int, seed: int = 0) -> Population:
    """Queries differ in how good their candidates are; the system finds good ones with noise."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(0, 1, n_queries)[:, None]
    latent = quality + rng.normal(0, 1.3, (n_queries, n_pins))
    grade = np.clip(np.round(latent + 3), 1, 5).astype(np.int64).ravel()
    score = latent.ravel() + rng.normal(0, 1.5, grade.size)
    guess = grade + rng.normal(0, 1.2, grade.size)
    weight = np.exp(-((np.arange(1, 6) - guess[:, None]) ** 2) / 2)
    chance = weight / weight.sum(axis=1, keepdims=True)
    ids = {
        "query_id": np.repeat([f"q{i:04d}" for i in range(n_queries)], n_pins),
        "pin_id": np.tile([f"p{i:03d}" for i in range(n_pins)], n_queries),
    }
    half = n_queries // 2
    return Population(
        qrels=pl.DataFrame({**ids, "grade": grade}),
        run=pl.DataFrame({**ids, "score": score}).with_columns(system=pl.lit("s")),
        predictions=pl.DataFrame({**ids, **{f"p{k + 1}": chance[:, k] for k in range(5)}}),
        queries=pl.DataFrame(
            {
                "query_id": [f"q{i:04d}" for i in range(n_queries)],
                "country": ["US"] * half + ["FR"] * (n_queries - half),
            }
        ),
    )


@pytest.fixture(scope="session")
def tiny_population() -> Population:
    return make_population(4, 3, seed=3)


@pytest.fixture(scope="session")
def population() -> Population:
    return make_population(150, 20)


@pytest.fixture(scope="session")
def many() -> Population:
    return make_population(3000, 20, seed=6)
