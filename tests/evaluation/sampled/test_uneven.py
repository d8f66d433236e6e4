"""Single pairs drawn with chances that differ within a query: the model of what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from evaluation.ranking import evaluate_ranking
from evaluation.sampled import evaluate_sampled_ranking
from evaluation.sampled.ideal import Graded, _odds_left
from relevance.world import WorldConfig, make_world

DRAWS = 100


def promised(population: Any) -> np.ndarray:
    """(N,) chance of each pair, in proportion to the gain that the model expects; a sixth."""
    shares = population.predictions.select(f"p{k}" for k in range(1, 6)).to_numpy()
    promise = shares @ np.array([0.0, 1, 3, 7, 15]) + 0.1
    return np.minimum(promise * (len(promise) / 6 / promise.sum()), 1.0)


def systematic(chance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    order = rng.permutation(len(chance))
    reached = np.cumsum(chance[order]) + rng.random()
    return np.sort(order[np.floor(reached) > np.floor(reached - chance[order])])


def test_pairs_left_for_one_drawn_are_told_by_grade_not_by_query_or_rank() -> None:
    rng = np.random.default_rng(4)
    query, level = np.repeat(np.arange(200), 6), rng.integers(0, 5, 1200)
    band = rng.integers(0, 3, 1200)
    own = np.exp(rng.normal(0, 1, 200) + level.reshape(200, 6).mean(axis=1))[query]
    of_level, of_band = np.array([9.0, 5, 3, 2, 1]), np.array([1.0, 2, 7])
    weight = 1 + own * of_level[level] * of_band[band]
    found = _odds_left(Graded(query, level, band, weight), band, 3, 5)
    assert found / found[-1] == pytest.approx(of_level, rel=1e-2)
    same = _odds_left(Graded(query, level, band, 1 + own), band, 3, 5)
    assert same / same[-1] == pytest.approx(np.ones(5), rel=1e-2)


class Pool:
    """The first 20 of two systems of the world, and chances by the gain that a model expects."""

    def __init__(self) -> None:
        world = make_world(WorldConfig(seed=3, queries={"US": 120}, users=400))
        runs = [world.runs_production, world.runs_candidate]
        best = pl.concat(run.select("query_id", "pin_id", "rank") for run in runs)
        best = best.filter(pl.col("rank") <= 20).group_by("query_id", "pin_id").agg(pl.min("rank"))
        pool = best.join(world.truth, on=["query_id", "pin_id"]).sort("query_id", "pin_id")
        grade = pool["grade"].to_numpy()
        guess = grade + np.random.default_rng(0).normal(0, 0.9, len(grade))
        weight = np.exp(-((np.arange(1, 6) - guess[:, None]) ** 2) / 1.2)
        gain = np.sqrt((weight / weight.sum(axis=1, keepdims=True)) @ np.arange(5.0) ** 2)
        size = gain / np.log2(pool["rank"].to_numpy() + 1)
        self.run = world.runs_production
        self.qrels = pool.select("query_id", "pin_id", "grade")
        self.chance = np.minimum(400 * size / size.sum(), 1.0)

    def figure(self, qrels: pl.DataFrame) -> float:
        made = evaluate_sampled_ranking(
            self.run, qrels, candidates=self.qrels, drawn="pairs", metrics="nDCG@20", reps=0
        )
        row = made.find("nDCG@20")
        assert row is not None
        assert row.value is not None
        return row.value


@pytest.mark.slow
def test_ndcg_from_uneven_pairs_is_nearly_unbiased() -> None:
    """Good Pins are drawn most, so that what is missing is worse than what is there.

    Taken for the same, the ideals are too high, and nDCG is low by half a standard error.
    """
    pool, rng = Pool(), np.random.default_rng(1)
    true = evaluate_ranking(pool.run, pool.qrels, metrics="nDCG@20", reps=0).find("nDCG@20")
    assert true is not None
    assert true.value is not None
    found = []
    for _ in range(DRAWS):
        rows = systematic(pool.chance, rng)
        chance = pl.Series(pool.chance[rows])
        found.append(pool.figure(pool.qrels[rows].with_columns(inclusion_probability=chance)))
    values = np.array(found)
    assert abs(values.mean() - true.value) / values.std(ddof=1) < 0.3


def test_a_note_marks_ndcg_from_uneven_pairs(population: Any) -> None:
    chance = promised(population)
    rows = systematic(chance, np.random.default_rng(2))
    uneven = population.drawn(rows, chance[rows])
    made = evaluate_sampled_ranking(population.run, uneven, metrics="nDCG@10,R@10,P@8", reps=0)
    marked = {row.metric: "uneven_pairs" in row.note for row in made}
    assert marked == {
        "nDCG@10": True, "R@10": True, "P@8": False, "Judged@8": False, "Judged@10": False
    }  # fmt: skip


def test_pairs_even_within_queries_are_not_marked(population: Any) -> None:
    """Other chances elsewhere, or pairs that were known before, are none within a query."""
    rows = np.sort(np.random.default_rng(3).choice(population.qrels.height, 700, replace=False))
    chance = np.where(rows < 1500, 0.1, 0.3)
    chance[::7] = 1.0
    even = population.drawn(rows, chance)
    row = evaluate_sampled_ranking(population.run, even, metrics="nDCG@10", reps=0).find("nDCG@10")
    assert row is not None
    assert "uneven_pairs" not in row.note
