from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from scipy.stats import binomtest

from relevance.world import World, WorldConfig
from relevance.world.sessions import START, make_sessions


def users(sessions: pl.DataFrame) -> pl.DataFrame:
    """Per user: sessions and fulfilled ones from the first exposure on, and before it."""
    first = sessions.filter(pl.col("exposed_at").is_not_null()).group_by("unit_id")
    joined = sessions.join(first.agg(first=pl.col("started_at").min()), on="unit_id")
    after = pl.col("started_at") >= pl.col("first")
    return joined.group_by("unit_id", maintain_order=True).agg(
        variant=pl.col("variant").drop_nulls().first(),
        country=pl.col("country").first(),
        n=after.sum(),
        y=pl.col("fulfilled").filter(after).sum(),
        n_before=(~after).sum(),
        y_before=pl.col("fulfilled").filter(~after).sum(),
    )


def lift(frame: pl.DataFrame) -> tuple[float, float]:
    """Relative lift and its standard error (delta method by user, control's rate as known)."""
    n, y = frame["n"].to_numpy().astype(float), frame["y"].to_numpy()
    treated = (frame["variant"] == "treatment").to_numpy()
    rates, variances = [], []
    for arm in (~treated, treated):
        rate = y[arm].sum() / n[arm].sum()
        residual = (y[arm] - rate * n[arm]) / n[arm].mean()
        rates.append(rate)
        variances.append(residual.var() / arm.sum())
    return rates[1] / rates[0] - 1, float(np.sqrt(sum(variances))) / rates[0]


def test_users_are_randomised_and_the_ratio_check_passes(world: World) -> None:
    sessions = world.sessions
    inside = sessions.filter(pl.col("started_at") >= START)
    assert inside["variant"].null_count() == 0
    assert inside.group_by("unit_id").agg(pl.col("variant").n_unique())["variant"].max() == 1
    exposed = users(sessions)
    n_treated = int((exposed["variant"] == "treatment").sum())
    assert binomtest(n_treated, exposed.height).pvalue > 0.05


def test_the_weeks_before_have_no_variant_and_no_exposure(world: World) -> None:
    before = world.sessions.filter(pl.col("started_at") < START)
    assert before.height > 100_000
    assert before["variant"].null_count() == before.height
    assert before["exposed_at"].null_count() == before.height
    assert before["started_at"].min() >= START - timedelta(days=29)
    assert world.sessions["started_at"].max() < START + timedelta(days=14)
    known = set(before["unit_id"])
    assert 0.7 < len(known) / world.config.users < 0.9  # the others are new


def test_a_few_users_make_many_sessions(world: World) -> None:
    counts = users(world.sessions)["n"].sort(descending=True)
    top = counts.head(counts.len() // 10).sum() / counts.sum()
    assert top > 0.3
    assert counts.max() > 20 * counts.median()


def test_the_lift_is_found_with_the_weeks_before_as_covariate(world: World) -> None:
    frame = users(world.sessions)
    n, y = frame["n"].to_numpy().astype(float), frame["y"].to_numpy()
    n0, y0 = frame["n_before"].to_numpy().astype(float), frame["y_before"].to_numpy()
    treated = (frame["variant"] == "treatment").to_numpy()
    linear = (y - y.sum() / n.sum() * n) / n.mean()
    before = y0 - y0.sum() / n0.sum() * n0
    theta = np.cov(linear, before)[0, 1] / before.var()
    adjusted = linear - theta * before
    difference = adjusted[treated].mean() - adjusted[~treated].mean()
    error = np.sqrt(
        adjusted[treated].var() / treated.sum() + adjusted[~treated].var() / (~treated).sum()
    )
    assert adjusted.var() < 0.85 * linear.var()  # CUPED is worth it
    assert difference / error > 2.5
    rate = y[~treated].sum() / n[~treated].sum()
    assert abs(difference / rate - world.true_lift["all"]) < 3 * error / rate


def test_true_lift_is_positive_and_smallest_in_japan(world: World) -> None:
    lifts = world.true_lift
    assert set(lifts) == {"all", *world.config.queries}
    assert 0.015 < lifts["all"] < 0.025
    assert 0 < lifts["JP"] < 0.5 * min(lifts["US"], lifts["FR"], lifts["MX"])


def test_estimates_of_many_worlds_scatter_around_the_truth_as_their_errors_say() -> None:
    scores = []
    for seed in range(60):
        config = WorldConfig(
            seed=seed,
            users=3000,
            sessions_per_user=6,
            pre_period_days=1,
            queries={"US": 2, "MX": 1},
        )
        sessions, truth = make_sessions(config)
        frame = users(sessions)
        estimate, error = lift(frame)
        scores.append((estimate - truth["all"]) / error)
    assert abs(np.mean(scores)) < 3 / np.sqrt(60)
    assert 0.75 < np.std(scores) < 1.25


def test_the_estimate_of_many_users_comes_near_the_truth() -> None:
    config = WorldConfig(seed=1, users=60_000, pre_period_days=1, queries={"US": 2, "MX": 1})
    sessions, truth = make_sessions(config)
    estimate, error = lift(users(sessions))
    assert error < 0.006
    assert abs(estimate - truth["all"]) < 2 * error


def test_sessions_are_ordered_and_outcomes_are_zero_or_one(small: World) -> None:
    sessions = small.sessions
    assert sessions["session_id"].is_unique().all()
    assert sessions["started_at"].is_sorted()
    assert set(sessions["fulfilled"].unique()) == {0.0, 1.0}
    late = sessions.filter(pl.col("exposed_at") < pl.col("started_at"))
    assert late.is_empty()
