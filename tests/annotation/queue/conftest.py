from __future__ import annotations

import importlib.util
from pathlib import Path

import polars as pl
import pytest

SCHEMA = {"query_id": pl.String, "pin_id": pl.String, "annotator": pl.String, "grade": pl.Int64}


@pytest.fixture(scope="session")
def table():
    """Rows (query, annotator, grade) → judgments of Pin p."""

    def make(rows):
        return pl.DataFrame(
            [(query, "p", who, grade) for query, who, grade in rows], schema=SCHEMA, orient="row"
        )

    return make


@pytest.fixture(scope="session")
def saving():
    """The simulation in saving.py beside this file."""
    path = Path(__file__).with_name("saving.py")
    spec = importlib.util.spec_from_file_location("saving", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
