from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from relevance.world import World


def ndcg20(world: World, run: pl.DataFrame) -> pl.DataFrame:
    """A small implementation of its own: gain grade - 1, ideal over the whole pool."""
    ranked = run.join(world.truth, on=["query_id", "pin_id"]).sort("query_id", "rank")
    discount = 1 / np.log2(np.arange(2, 22))
    rows = []
    for (query,), group in ranked.group_by("query_id", maintain_order=True):
        gain = group["grade"].to_numpy() - 1.0
        ideal = np.sort(gain)[::-1][:20] @ discount
        rows.append((query, gain[:20] @ discount / ideal))
    frame = pl.DataFrame(rows, schema=["query_id", "value"], orient="row")
    return frame.join(world.queries.select("query_id", "country"), on="query_id")


def test_the_candidate_is_truly_better_but_hardly_in_japan(world: World) -> None:
    production = ndcg20(world, world.runs_production)
    candidate = ndcg20(world, world.runs_candidate)
    gain = candidate["value"].mean() / production["value"].mean() - 1
    assert 0.02 < gain < 0.045
    both = production.with_columns(difference=candidate["value"] - production["value"])
    by = dict(both.group_by("country").agg(pl.col("difference").mean()).iter_rows())
    assert all(value > 0 for value in by.values())
    assert min(by, key=lambda country: by[country]) == "JP"
    assert by["JP"] < 0.6 * min(by["US"], by["FR"], by["MX"])


@pytest.mark.parametrize("system", ["production", "candidate"])
def test_scores_and_ranks_agree(small: World, system: str) -> None:
    run = getattr(small, f"runs_{system}")
    assert run["system"].unique().to_list() == [system]
    for _, group in run.group_by("query_id"):
        ordered = group.sort("rank")
        assert ordered["rank"].to_list() == list(range(1, group.height + 1))
        assert ordered["score"].is_sorted(descending=True)


def test_engagement_is_biased_by_position(world: World) -> None:
    pairs = world.pairs.join(world.truth, on=["query_id", "pin_id"])

    def rate(rows: pl.DataFrame) -> float:
        return float(rows["clicks"].sum() / rows["impressions"].sum())

    for grade in range(1, 6):
        same = pairs.filter(grade=grade)
        top, deep = same.filter(pl.col("position") <= 3), same.filter(pl.col("position") >= 15)
        assert rate(top) > 2 * rate(deep), grade
    top = pairs.filter(pl.col("position") <= 10)  # few bad Pins stand higher up
    rates = [rate(top.filter(grade=grade)) for grade in range(1, 6)]
    assert rates == sorted(rates)
    low_at_top = rate(pairs.filter((pl.col("grade") == 3) & (pl.col("position") == 1)))
    high_below = rate(pairs.filter((pl.col("grade") == 5) & (pl.col("position") >= 20)))
    assert low_at_top > high_below


def test_engagement_counts_nest(world: World) -> None:
    pairs = world.pairs
    assert (pairs["clicks"] <= pairs["impressions"]).all()
    assert (pairs["long_clicks"] <= pairs["clicks"]).all()
    assert (pairs["saves"] <= pairs["clicks"]).all()
    assert pairs["impressions"].min() >= 0
    position = world.runs_production.select("query_id", "pin_id", "rank")
    joined = pairs.join(position, on=["query_id", "pin_id"])
    assert (joined["position"] == joined["rank"]).all()


@pytest.mark.parametrize(("space", "low", "high"), [("search", 0.75, 0.85)])
def test_embeddings_inform_but_do_not_suffice(
    world: World, space: str, low: float, high: float
) -> None:
    from scipy.stats import rankdata

    joined = world.truth.join(
        world.query_embeddings.rename({"search": "query"}), on="query_id"
    ).join(world.pin_embeddings, on="pin_id")
    similarity = (np.stack(joined["query"].to_numpy()) * np.stack(joined[space].to_numpy())).sum(1)
    good = joined["grade"].to_numpy() >= 4
    ranks = rankdata(similarity)
    n_good = good.sum()
    auroc = (ranks[good].sum() - n_good * (n_good + 1) / 2) / (n_good * (~good).sum())
    assert low < auroc < high


def test_visual_and_graph_embeddings_know_the_subject(world: World) -> None:
    local = (world.pins["country"] == "US").to_numpy()  # each country has a space of its own
    subject = world.pin_attributes["subject"].to_numpy()[local][:600]
    for space in ("visual", "graph"):
        vectors = np.stack(world.pin_embeddings[space].to_numpy())[local][:600]
        similarity = vectors @ vectors.T
        same = subject[:, None] == subject[None, :]
        np.fill_diagonal(same, val=False)
        other = ~same & ~np.eye(len(subject), dtype=bool)
        assert similarity[same].mean() > similarity[other].mean() + 0.1
