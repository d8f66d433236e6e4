"""On the world, whose grades are known: figures are right on average, intervals hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from evaluation.pointwise import evaluate_grades
from evaluation.ranking import evaluate_ranking
from evaluation.sampled import evaluate_sampled_grades, evaluate_sampled_ranking
from relevance.world import WorldConfig, make_world

pytestmark = pytest.mark.slow

RANKED = ("P@8", "DCG@10", "nDCG@20")
GRADED = ("accuracy", "MAE", "AUROC@4")
DRAWS = 200
LEAST = 0.92


class Everything:
    """Grades of all pairs of the world, production's run, and a model that is often right."""

    def __init__(self) -> None:
        world = make_world(WorldConfig(queries={"US": 100, "FR": 60}, pins=2000))
        self.qrels = world.truth.select("query_id", "pin_id", "grade").sort("query_id", "pin_id")
        self.run = world.runs_production
        self.queries = world.queries.select("query_id", "country")
        rng = np.random.default_rng(8)
        guess = self.qrels["grade"].to_numpy() + rng.normal(0, 1.1, self.qrels.height)
        weight = np.exp(-((np.arange(1, 6) - guess[:, None]) ** 2))
        chance = weight / weight.sum(axis=1, keepdims=True)
        self.predictions = self.qrels.select("query_id", "pin_id").with_columns(
            **{f"p{k + 1}": chance[:, k] for k in range(5)}
        )
        self.unsure = 1 - chance.max(axis=1) + 0.05
        self.country = self.qrels.join(self.queries, on="query_id", maintain_order="left")[
            "country"
        ]


@pytest.fixture(scope="module")
def everything() -> Everything:
    return Everything()


def at_random(everything: Everything, rng: np.random.Generator) -> pl.DataFrame:
    """A fifth of the pairs."""
    n = everything.qrels.height
    rows = np.sort(rng.choice(n, n // 5, replace=False))
    return everything.qrels[rows].with_columns(inclusion_probability=(n // 5) / n)


def by_uncertainty(everything: Everything, rng: np.random.Generator) -> pl.DataFrame:
    """A fifth of the pairs by the model's doubt, systematically in random order."""
    n = everything.qrels.height // 5
    chance = n * everything.unsure / everything.unsure.sum()
    order = rng.permutation(len(chance))
    reached = np.cumsum(chance[order]) + rng.random()
    hit = np.floor(reached) > np.floor(reached - chance[order])
    rows = np.sort(order[hit])
    return everything.qrels[rows].with_columns(inclusion_probability=pl.Series(chance[rows]))


def by_stratum(everything: Everything, rng: np.random.Generator) -> pl.DataFrame:
    """A tenth of the American pairs and a third of the French, as strata."""
    parts = []
    for name, share in (("US", 0.1), ("FR", 1 / 3)):
        rows = np.flatnonzero((everything.country == name).to_numpy())
        n = round(share * len(rows))
        drawn = everything.qrels[np.sort(rng.choice(rows, n, replace=False))]
        chance, stratum = pl.lit(n / len(rows)), pl.lit(name)
        parts.append(drawn.with_columns(inclusion_probability=chance, stratum=stratum))
    return pl.concat(parts)


def queries_by_stratum(everything: Everything, rng: np.random.Generator) -> pl.DataFrame:
    """15 American queries of 100 and 20 French ones of 60, with all their pairs."""
    parts = []
    for name, n in (("US", 15), ("FR", 20)):
        ids = everything.queries.filter(country=name)["query_id"].to_numpy()
        chosen = pl.DataFrame({"query_id": rng.choice(ids, n, replace=False)})
        chance, stratum = pl.lit(n / len(ids)), pl.lit(name)
        parts.append(chosen.with_columns(inclusion_probability=chance, stratum=stratum))
    return everything.qrels.join(pl.concat(parts), on="query_id", maintain_order="left")


@pytest.mark.parametrize("draw", [at_random, by_uncertainty, by_stratum, queries_by_stratum])
def test_figures_are_right_on_average_and_intervals_hold_them(
    everything: Everything, draw: Callable[..., pl.DataFrame]
) -> None:
    truth = {
        row.metric: row.value
        for row in (
            *evaluate_ranking(everything.run, everything.qrels, metrics=RANKED, reps=0),
            *evaluate_grades(everything.predictions, everything.qrels, metrics=GRADED, reps=0),
        )
    }
    rng = np.random.default_rng(21)
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in (*RANKED, *GRADED)}
    options: dict[str, Any] = {"reps": 400}
    for _ in range(DRAWS):
        qrels = draw(everything, rng)
        ranked = evaluate_sampled_ranking(everything.run, qrels, metrics=RANKED, **options)
        graded = evaluate_sampled_grades(everything.predictions, qrels, metrics=GRADED, **options)
        for row in (*ranked, *graded):
            if row.metric in found:
                found[row.metric].append((row.value, row.ci_low, row.ci_high))  # type: ignore[arg-type]
    for name, rows in found.items():
        value, low, high = np.array(rows).T
        error = float(value.std(ddof=1))
        # a bias of a quarter of the standard error, and what chance adds in so many draws
        off = abs(float(value.mean()) - truth[name]) / error  # type: ignore[operator]
        assert off < 0.25 + 2 / DRAWS**0.5, (name, off)
        covered = float(((low <= truth[name]) & (truth[name] <= high)).mean())
        assert covered >= LEAST, (name, covered)


def test_intervals_hold_the_figure_of_queries_like_these(many: Any) -> None:
    """Each time other queries, and a quarter of their pairs: both parts of the variance."""
    truth = evaluate_ranking(many.run, many.qrels, metrics="P@8", reps=0).find("P@8")
    assert truth is not None
    rng = np.random.default_rng(4)
    held = []
    for _ in range(DRAWS):
        ids = pl.DataFrame({"query_id": rng.choice(many.queries["query_id"], 60, replace=False)})
        some = many.qrels.join(ids, on="query_id", how="semi", maintain_order="left")
        rows = np.sort(rng.choice(some.height, some.height // 4, replace=False))
        qrels = some[rows].with_columns(inclusion_probability=len(rows) / some.height)
        run = many.run.join(ids, on="query_id", how="semi", maintain_order="left")
        made = evaluate_sampled_ranking(run, qrels, drawn="pairs", metrics="P@8", reps=400)
        row = made.find("P@8")
        assert row is not None
        held.append(row.ci_low <= truth.value <= row.ci_high)  # type: ignore[operator]
    assert np.mean(held) >= LEAST
