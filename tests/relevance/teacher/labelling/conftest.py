"""A teacher without weights, and tables small enough to foretell every label."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from relevance.teacher.predict import softmax

_spec = importlib.util.spec_from_file_location("stub", Path(__file__).with_name("stub.py"))
_stub = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_stub)


@pytest.fixture(scope="session")
def stub() -> ModuleType:
    """The module of the teacher without weights."""
    return _stub


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> object:
    """The stub's engine, installed; it remembers what it scored."""
    return _stub.install(monkeypatch.setattr)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return _stub.write_model(tmp_path / "teacher")


def world(n_queries: int, n_pins: int, per_query: int) -> dict[str, pl.DataFrame]:
    """Tables with some empty and some equal Pins; `per_query` pairs a query."""
    pins = [
        {
            "pin_id": f"p{at:04d}",
            "title": None if at % 11 == 0 else f"title {at % 97}",
            "description": f"about {at % 13}" if at % 3 else None,
        }
        for at in range(n_pins)
    ]
    queries = [{"query_id": f"q{at:03d}", "text": f"query {at}"} for at in range(n_queries)]
    pairs = [
        {"query_id": f"q{q:03d}", "pin_id": f"p{(q * 31 + step * 7) % n_pins:04d}"}
        for q in range(n_queries)
        for step in range(per_query)
    ]
    schema = {"pin_id": pl.String, "title": pl.String, "description": pl.String}
    return {
        "pairs": pl.DataFrame(pairs).sample(fraction=1, shuffle=True, seed=0),
        "queries": pl.DataFrame(queries),
        "pins": pl.DataFrame(pins, schema=schema),
    }


@pytest.fixture
def tables() -> dict[str, pl.DataFrame]:
    """1,200 pairs of 30 queries and 200 Pins."""
    return world(30, 200, 40)


@pytest.fixture
def make_world() -> object:
    return world


@pytest.fixture
def write(tmp_path: Path) -> object:
    """Writes tables as Parquet; returns the paths of pairs, queries, pins."""

    def write(tables: dict[str, pl.DataFrame], folder: Path = tmp_path) -> tuple[Path, Path, Path]:
        folder.mkdir(exist_ok=True)
        for name, frame in tables.items():
            frame.write_parquet(folder / f"{name}.parquet", row_group_size=500)
        return tuple(folder / f"{name}.parquet" for name in ("pairs", "queries", "pins"))

    return write


@pytest.fixture
def foretell() -> object:
    """The predictions that the stub must give, by another way: row by row, without hashing."""
    from relevance.text import pick_features, render

    features = pick_features(_stub.FEATURES)

    def foretell(tables: dict[str, pl.DataFrame], name: str = "teacher") -> pl.DataFrame:
        queries = dict(tables["queries"].select("query_id", "text").iter_rows())
        pins = {row["pin_id"]: render(row, features) for row in tables["pins"].to_dicts()}
        keys = sorted(tables["pairs"].select("query_id", "pin_id").iter_rows())
        logits = np.array([_stub.foretold(queries[q], pins[p]) for q, p in keys])
        frame = pl.DataFrame(keys, schema=["query_id", "pin_id"], orient="row")
        p = softmax(logits)
        return frame.with_columns(
            *(pl.Series(f"p{level + 1}", p[:, level]) for level in range(5)), model=pl.lit(name)
        )

    return foretell
