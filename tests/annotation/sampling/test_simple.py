from __future__ import annotations

import polars as pl
import pytest

from annotation.sampling import (
    SAMPLE_COLUMNS,
    SamplePlan,
    draw_samples,
    pool,
)
from relevance.errors import InputError


def world(per_country=10, candidates=3, countries=("US", "FR")):
    queries = pl.DataFrame(
        {
            "query_id": [f"{c}{i:02}" for c in countries for i in range(per_country)],
            "country": [c for c in countries for _ in range(per_country)],
        }
    )
    pairs = pl.DataFrame(
        [(q, f"p{j}") for q in queries["query_id"] for j in range(candidates)],
        schema=["query_id", "pin_id"],
        orient="row",
    )
    return queries, pairs


PLAN = SamplePlan(measure=4, training={"US": 5}, pool=2)


def test_training_and_measured_queries_are_apart_and_whole():
    queries, pairs = world()
    drawn = draw_samples(queries, pairs, PLAN, seed=1)
    assert tuple(drawn.columns) == SAMPLE_COLUMNS
    counts = drawn.group_by("stratum", "draw").agg(
        pl.col("query_id").n_unique().alias("queries"), pl.len().alias("pairs")
    )
    found = {
        (row["stratum"], row["draw"]): (row["queries"], row["pairs"]) for row in counts.to_dicts()
    }
    assert found["US", "measure"] == found["FR", "measure"] == (4, 12)
    assert found["US", "training"] == (5, 15)
    assert ("FR", "training") not in found
    assert found["US", "pool"][1] == found["FR", "pool"][1] == 2
    by_query = drawn.group_by("query_id").agg(pl.col("draw").n_unique())
    assert by_query["draw"].max() == 1
    assert drawn.equals(drawn.sort("query_id", "pin_id", "draw"))


def test_probabilities_are_drawn_over_there_are():
    queries, pairs = world()
    drawn = draw_samples(queries, pairs, PLAN, seed=1)
    known = dict(drawn.filter(stratum="US").select("draw", "inclusion_probability").iter_rows())
    assert known == {"measure": 0.4, "training": 0.5, "pool": pytest.approx(2 / 3)}


def test_a_draw_depends_on_the_seed_and_the_own_country_only():
    queries, pairs = world()
    drawn = draw_samples(queries, pairs, PLAN, seed=1)
    shuffled = draw_samples(queries[::-1], pairs.sample(fraction=1, shuffle=True), PLAN, seed=1)
    assert drawn.equals(shuffled)
    assert not drawn.equals(draw_samples(queries, pairs, PLAN, seed=2))
    alone = draw_samples(queries.filter(country="US"), pairs, PLAN, seed=1)
    assert alone.equals(drawn.filter(stratum="US"))


def test_too_few_queries_are_told():
    queries, pairs = world()
    with pytest.raises(InputError, match="US has 10 queries with candidate pairs; 6 to measure"):
        draw_samples(queries, pairs, SamplePlan(measure=6, training={"US": 5}))


def test_inclusion_is_as_often_as_the_probability_says():
    queries, pairs = world(6, 1, ("US",))
    plan = SamplePlan(measure=2, training={"US": 1})
    draws = [draw_samples(queries, pairs, plan, seed=seed) for seed in range(300)]
    share = pl.concat(draws).group_by("query_id", "draw").len()
    for draw, probability in (("measure", 1 / 3), ("training", 1 / 6)):
        counts = share.filter(draw=draw)["len"]
        assert counts.len() == 6
        assert ((counts / 300 - probability).abs() < 0.1).all()


def test_the_pool_takes_the_first_of_each_system_once():
    run = pl.DataFrame(
        {
            "system": ["a", "a", "a", "b", "b"],
            "query_id": ["q"] * 5,
            "pin_id": ["p1", "p2", "p3", "p3", "p4"],
            "rank": [1, 2, 3, 1, 2],
            "score": [0.5, 0.5, 0.9, 0.2, 0.1],
        }
    )
    assert pool([run], 2)["pin_id"].to_list() == ["p2", "p3", "p4"]  # p2 beats p1: ties by id
    assert pool([run.drop("score")], 1)["pin_id"].to_list() == ["p1", "p3"]
    assert pool([run.filter(system="a"), run.filter(system="b").drop("system")], 9).height == 4
