from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest


@pytest.fixture
def table():
    """Makes judgments of (query, annotator, grade) rows."""

    def make(rows):
        return pl.DataFrame(
            [(q, "p", a, g) for q, a, g in rows],
            schema={
                "query_id": pl.String,
                "pin_id": pl.String,
                "annotator": pl.String,
                "grade": pl.Int64,
            },
            orient="row",
        )

    return make


@pytest.fixture
def crowd(table):
    """Five grades, two good annotators and `noisy` who answer at random; with the truth."""

    def make(n=400, seed=0, noisy=1):
        generator = np.random.default_rng(seed)
        truth = generator.integers(1, 6, n)
        rows = []
        for i, true in enumerate(truth):
            for who in range(2 + noisy):
                near = int(np.clip(true + generator.choice([-1, 0, 0, 0, 0, 1]), 1, 5))
                grade = near if who < 2 else int(generator.integers(1, 6))
                rows.append((f"q{i:04}", f"a{who}", grade))
        return table(rows), truth

    return make


@pytest.fixture
def data():
    """The folder of public data sets."""
    folder = os.environ.get("GRADEWISE_DATA")
    if not folder:
        pytest.skip("GRADEWISE_DATA names no folder of public data sets")
    return Path(folder)
