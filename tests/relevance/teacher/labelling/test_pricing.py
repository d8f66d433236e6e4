from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from relevance.errors import InputError
from relevance.teacher.labelling import LabelConfig, price_labels

CONFIG = LabelConfig(precision="fp32", device="cpu", threads=2)


def test_the_price_follows_from_the_rate(
    tables, model, stub, write, tmp_path: Path, monkeypatch
) -> None:
    stub.install(monkeypatch.setattr, stub.StubEngine(seconds=0.0005))
    paths = write(tables)
    before = sorted(tmp_path.rglob("*"))
    price = price_labels(
        *paths, model, config=CONFIG, price_per_hour=3.0, workers=4, sample_seconds=0.1
    )
    assert sorted(tmp_path.rglob("*")) == before  # nothing is written
    assert (price.pairs, price.sampled, price.engine) == (1200, 512, "torch")
    assert price.distinct_share == price.distinct / 1200
    assert 100 < price.pairs_per_second < 2000  # the stub sleeps half a millisecond a pair
    assert price.hours == pytest.approx(price.distinct / price.pairs_per_second / 4 / 3600)
    assert price.device_hours == pytest.approx(price.hours * 4 * 2)
    assert price.cost == pytest.approx(price.hours * 4 * 3.0)
    assert price.cost_per_million == pytest.approx(price.cost / 1200 * 1e6)


def test_the_rate_counts_distinct_pairs(
    tables, model, stub, write, tmp_path: Path, monkeypatch
) -> None:
    """Thirty queries of one text: only what the Pins say differently is scored, and paid."""
    engine = stub.install(monkeypatch.setattr)
    same = tables | {"queries": tables["queries"].with_columns(text=pl.lit("the same"))}
    price = price_labels(*write(same), model, config=CONFIG, sample_seconds=60)
    assert price.sampled == price.distinct < 200
    assert price.cost is None
    assert len(engine.scored) == price.distinct + 64  # warm-up
    assert price.tokens == pytest.approx(
        sum(len(text.encode()) for text in engine.scored[64:]) / price.distinct, abs=0.1
    )


def test_nothing_to_price(tables, model, engine, write, tmp_path: Path) -> None:
    none = tables | {"pairs": tables["pairs"].clear()}
    with pytest.raises(InputError, match=r"holds no pair\. There is nothing to price"):
        price_labels(*write(none), model, config=CONFIG)


def test_errors_of_the_tables_come_beforehand(tables, model, engine, write, tmp_path: Path) -> None:
    lacking = tables | {"queries": tables["queries"][:5]}
    with pytest.raises(InputError, match="is not in queries"):
        price_labels(*write(lacking), model, config=CONFIG)
