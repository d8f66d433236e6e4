from __future__ import annotations

import polars as pl
import pytest

from annotation.client.fake import FakeServer, FakeStudio
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.store import Store


@pytest.fixture
def make_desk(tmp_path):
    """Opens a desk on a fake server; called again, it is a new client in the same workspace."""
    opened = []

    def make(server: FakeServer | None = None, name: str = LOCAL) -> Desk:
        server = server or FakeServer()
        store = Store(tmp_path / "label-studio" / "gradewise.sqlite3")
        opened.append(store)
        return Desk(FakeStudio(server), store, name, tmp_path, frozenset(), server.wait)

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def queries() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "query_id": ["q1", "q2", "q3"],
            "text": ["boho rug", "gâteau chocolat", "rug ideas"],
            "country": ["US", "FR", "US"],
            "language": ["en", "fr", "en"],
        }
    )


@pytest.fixture
def pins() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "pin_id": [f"p{i}" for i in range(4)],
            "title": ["Boho rug", "Cake", None, "Rug"],
            "description": ["woven", "sweet", "none", "wool"],
            "image": ["images/p0.svg", "https://cdn.example/p1.png", None, "javascript:alert(1)"],
        }
    )


@pytest.fixture
def samples() -> pl.DataFrame:
    rows = [(q, f"p{i}") for q in ("q1", "q2", "q3") for i in range(4)]
    return pl.DataFrame(rows, schema=["query_id", "pin_id"], orient="row")


@pytest.fixture
def judgments(samples) -> pl.DataFrame:
    """Three annotators a pair; one abstains here and there."""
    rows = [
        {
            "query_id": query,
            "pin_id": pin,
            "annotator": f"{query}-{who}",
            "grade": None if (i + j) % 7 == 0 else (i + j) % 5 + 1,
            "flag": "cannot_judge" if (i + j) % 7 == 0 else None,
            "comment": "hard" if j == 1 else None,
            "seconds": 1.5 * j + i + 1,
        }
        for i, (query, pin) in enumerate(samples.iter_rows())
        for j, who in enumerate("abc")
    ]
    return pl.DataFrame(rows)
