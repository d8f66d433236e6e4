"""A toy world that a student can learn: the grade follows from cosine and interest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from relevance.features import StudentInputs
from relevance.student.distill import StudentConfig, distill_student

N_QUERIES, N_PINS, DEPTH, SIZE = 60, 200, 20, 8


@pytest.fixture(scope="session")
def inputs() -> StudentInputs:
    rng = np.random.default_rng(5)
    queries, pins = rng.normal(size=(N_QUERIES, SIZE)), rng.normal(size=(N_PINS, SIZE))
    query_ids, pin_ids = [f"q{i:02}" for i in range(N_QUERIES)], [f"p{i:03}" for i in range(N_PINS)]
    shown = [rng.choice(N_PINS, DEPTH, replace=False) for _ in query_ids]
    return StudentInputs(
        queries=pl.DataFrame(
            {
                "query_id": query_ids,
                "text": [f"thing {i % 7}" for i in range(N_QUERIES)],
                "segment": rng.choice(["home", "food", "art"], N_QUERIES),
            }
        ),
        pins=pl.DataFrame(
            {
                "pin_id": pin_ids,
                "title": [f"thing {i % 7}" for i in range(N_PINS)],
                "interest": rng.choice(["home", "food", "art"], N_PINS),
            }
        ),
        pairs=pl.DataFrame(
            {
                "query_id": [q for q in query_ids for _ in range(DEPTH)],
                "pin_id": [pin_ids[place] for places in shown for place in places],
                "impressions": rng.integers(0, 50, N_QUERIES * DEPTH),
            }
        ).with_columns(clicks=pl.col("impressions") // 5),
        query_embeddings=pl.DataFrame({"query_id": query_ids, "search": queries.tolist()}),
        pin_embeddings=pl.DataFrame({"pin_id": pin_ids, "search": pins.tolist()}),
    )


@pytest.fixture(scope="session")
def truth(inputs: StudentInputs) -> pl.DataFrame:
    """query_id, pin_id, grade of every pair."""
    vectors = [
        inputs.pairs.join(table, on=key, how="left", maintain_order="left")["search"]
        for table, key in ((inputs.query_embeddings, "query_id"), (inputs.pin_embeddings, "pin_id"))
        if table is not None
    ]
    query, pin = (np.array(v.to_list()) for v in vectors)
    cosine = (query * pin).sum(1) / np.linalg.norm(query, axis=1) / np.linalg.norm(pin, axis=1)
    grade = 1 + np.digitize(cosine, [-0.4, -0.1, 0.2, 0.5])
    return inputs.pairs.select("query_id", "pin_id", grade=pl.Series(grade))


@pytest.fixture(scope="session")
def config() -> StudentConfig:
    return StudentConfig(epochs=12, hidden=(32, 16), batch_size=64, learning_rate=5e-3, dropout=0.1)


@pytest.fixture(scope="session")
def split(truth: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pairs to learn from, and pairs of other queries to test on."""
    learned = pl.col("query_id") < "q45"
    return truth.filter(learned), truth.filter(~learned)


@pytest.fixture(scope="session")
def student(
    tmp_path_factory: pytest.TempPathFactory,
    split: tuple[pl.DataFrame, pl.DataFrame],
    inputs: StudentInputs,
    config: StudentConfig,
) -> Path:
    out = tmp_path_factory.mktemp("models") / "student"
    return distill_student(split[0], inputs, out, config)
