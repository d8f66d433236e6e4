"""On the built-in world: more teaching beats fewer human labels beats BM25."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from relevance.blend import runs_from
from relevance.features import StudentInputs
from relevance.matching import bm25
from relevance.student.distill import StudentConfig, distill_student
from relevance.student.score import score_pairs
from relevance.world import World, make_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def _soft(truth: pl.DataFrame) -> pl.DataFrame:
    """What a good teacher would say: most of the mass on the true grade and its neighbours."""
    grades = truth["grade"].to_numpy()[:, None]
    p = np.exp(-2.0 * (np.arange(1, 6) - grades) ** 2)
    p /= p.sum(axis=1, keepdims=True)
    ids = truth.select("query_id", "pin_id")
    return ids.with_columns(pl.Series(f"p{k + 1}", p[:, k]) for k in range(5))


def _auroc(runs: pl.DataFrame, truth: pl.DataFrame) -> float:
    both = truth.join(runs, on=["query_id", "pin_id"])
    return float(roc_auc_score(both["grade"].to_numpy() >= 4, both["score"].to_numpy()))


@pytest.mark.slow
def test_distilled_beats_human_labels_beats_bm25(world: World, tmp_path: Path) -> None:
    inputs = StudentInputs(
        world.queries, world.pins, world.pairs, world.query_embeddings, world.pin_embeddings
    )
    truth = world.truth.join(world.queries.select("query_id", "country"), on="query_id")
    number = pl.col("query_id").rank("dense").over("country")
    test = truth.filter(number <= 36)
    few = truth.filter(number > 36, pl.col("country") == "US").filter(
        pl.col("query_id").rank("dense") <= 40
    )
    many = truth.filter(number > 36).join(few, on=["query_id", "pin_id"], how="anti")
    figures = {"bm25": _auroc(bm25(test, inputs.queries, inputs.pins), test)}
    for name, targets in (("human", few), ("distilled", _soft(many))):
        out = distill_student(targets, inputs, tmp_path / name, StudentConfig())
        figures[name] = _auroc(runs_from(score_pairs(test, inputs, out), name), test)
    assert figures["bm25"] + 0.03 < figures["human"] < figures["distilled"] - 0.005
    assert figures["distilled"] > 0.87
