from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from relevance.errors import InputError, ModelError
from relevance.provenance import seen_queries
from relevance.teacher.bases import Base
from relevance.teacher.folds import deal_queries, train_folds
from relevance.teacher.labelling import (
    MANIFEST,
    LabelConfig,
    clear_labels,
    label_pairs,
    read_labels,
)
from relevance.teacher.train import TeacherConfig, train_teacher

Tables = dict[str, pl.DataFrame]
TRAINING = TeacherConfig(
    base="tiny", epochs=1, batch_size=32, max_tokens=32, precision="fp32", threads=1
)
CONFIG = LabelConfig(shard_pairs=30, precision="fp32", threads=1)


@pytest.fixture
def model(tiny_base: Base, tables: Tables, tmp_path: Path) -> Path:
    tables_in = (tables["qrels"], tables["queries"], tables["pins"])
    return train_teacher(*tables_in, tmp_path / "teacher", TRAINING)


def _label(
    tables: Tables, model: Path, out: Path, config: LabelConfig = CONFIG, **options: Any
) -> pl.DataFrame:
    return label_pairs(
        tables["qrels"], tables["queries"], tables["pins"], model, out, config=config, **options
    )


def test_one_row_a_pair_in_shards(tables: Tables, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    labels = _label(tables, model, out)
    assert labels.columns == ["query_id", "pin_id", "p1", "p2", "p3", "p4", "p5", "model"]
    keys = ["query_id", "pin_id"]
    assert labels.select(keys).equals(tables["qrels"].select(keys).sort(keys))
    np.testing.assert_allclose(labels.select(pl.sum_horizontal(pl.col("^p.$"))).to_numpy(), 1)
    assert labels["model"].unique().to_list() == ["teacher"]
    shards = sorted(out.glob("shard-*.parquet"))
    assert len(shards) == 5  # 128 pairs in 30s
    assert sum(pl.read_parquet(shard).height for shard in shards) == 128
    assert seen_queries(out) == seen_queries(model)
    assert read_labels(out).equals(labels)


def test_pairs_with_the_same_texts_are_scored_once(
    tables: Tables, model: Path, tmp_path: Path
) -> None:
    twins = tables["pins"].with_columns(pl.col("pin_id") + "-twin")
    pins = pl.concat([tables["pins"], twins])
    pairs = pl.concat([tables["qrels"], tables["qrels"].with_columns(pl.col("pin_id") + "-twin")])
    labels = _label({**tables, "pins": pins, "qrels": pairs}, model, tmp_path / "labels")
    manifest = json.loads((tmp_path / "labels" / MANIFEST).read_text())
    assert (manifest["pairs"], manifest["distinct"], manifest["scored"]) == (256, 128, 128)
    twin = pl.col("pin_id").str.ends_with("-twin")
    probabilities = pl.col("^p[1-5]$")
    assert (
        labels.filter(twin).select(probabilities).equals(labels.filter(~twin).select(probabilities))
    )


def test_labels_of_other_pairs_are_refused_or_replaced(
    tables: Tables, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels"
    _label(tables, model, out)
    fewer = tables | {"qrels": tables["qrels"].head(10)}
    with pytest.raises(InputError, match=r"labels with another pairs.* --overwrite"):
        _label(fewer, model, out)
    assert _label(fewer, model, out, replace_stale=True).height == 10
    assert len(list(out.glob("shard-*.parquet"))) == 1
    clear_labels(out)
    with pytest.raises(ModelError, match="holds no labels"):
        read_labels(out)


def test_a_pair_that_is_there_twice_is_named(tables: Tables, model: Path, tmp_path: Path) -> None:
    twice = tables | {"qrels": pl.concat([tables["qrels"], tables["qrels"].head(1)])}
    with pytest.raises(InputError, match="query 'q00', pin 'p00' is there twice"):
        _label(twice, model, tmp_path / "labels")


def test_bf16_notes_its_drift(tables: Tables, model: Path, tmp_path: Path) -> None:
    exact = _label(tables, model, tmp_path / "exact")
    fast = _label(tables, model, tmp_path / "fast", replace(CONFIG, precision="bf16"))
    manifest = json.loads((tmp_path / "fast" / MANIFEST).read_text())
    assert 0 < manifest["drift"]["mean"] <= manifest["drift"]["largest"] < 0.05
    moved = exact["p5"].to_numpy() - fast["p5"].to_numpy()
    assert 0 < np.abs(moved).max() < 0.05


def test_queries_are_dealt_once_each() -> None:
    parts = deal_queries([f"q{number}" for number in range(10)], 3, seed=0)
    assert [len(part) for part in parts] == [4, 3, 3]
    assert sorted(sum(parts, start=[])) == sorted(f"q{number}" for number in range(10))  # noqa: RUF017
    with pytest.raises(InputError, match="folds must be 2 to 3"):
        deal_queries(["a", "b", "c"], 4, seed=0)


def test_folds_predict_every_pair_by_a_model_that_has_not_seen_its_query(
    tiny_base: Base, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relevance.teacher import folds as folding

    trained: list[set[str]] = []
    real = folding.train_teacher

    def watch(qrels: pl.DataFrame, *arguments: Any, **options: Any) -> Path:
        trained.append(set(qrels["query_id"]))
        return real(qrels, *arguments, **options)

    monkeypatch.setattr(folding, "train_teacher", watch)
    inputs = (tables["qrels"], tables["queries"], tables["pins"], tmp_path / "folded", TRAINING)
    predictions = train_folds(*inputs, folds=2)
    assert predictions.height == tables["qrels"].height
    assert predictions["model"].unique().to_list() == ["folded"]
    assert trained[0].isdisjoint(trained[1])
    assert trained[0] | trained[1] == set(tables["queries"]["query_id"])
    stored = tmp_path / "folded" / "predictions.parquet"
    assert pl.read_parquet(stored).height == predictions.height
    assert seen_queries(stored) == frozenset()

    assert train_folds(*inputs, folds=2, resume=True).equals(predictions)
    assert len(trained) == 2  # nothing was trained again
    with pytest.raises(InputError, match="folds of other inputs"):
        train_folds(*inputs, folds=4, resume=True)
