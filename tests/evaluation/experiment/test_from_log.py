"""The whole way from a session log to rows."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from evaluation.experiment import ExperimentConfig, analyze
from relevance.errors import InputError
from relevance.results import ExperimentRow, Results

START = datetime(2025, 3, 10)


def made(seed: int, users: int, lift: float = 0.0) -> pl.DataFrame:
    """A log of heavy users with a pre-period of a week and an experiment of a week."""
    rng = np.random.default_rng(seed)
    country = rng.choice(["FR", "JP", "US"], users)
    treated = rng.random(users) < 0.5
    taste, weight = rng.beta(3, 4, users), np.minimum(rng.lognormal(0.8, 0.9, users), 60)
    frames = []
    for inside in (False, True):
        n = rng.poisson(weight) + inside
        user = np.repeat(np.arange(users), n)
        rate = np.minimum(taste * (1 + lift * treated * inside), 1)[user]
        day = rng.random(len(user)) * 7 * (1 if inside else -1)
        started = np.datetime64(START, "us") + (day * 86_400e6).astype("timedelta64[us]")
        variant = pl.Series(np.where(treated, "treatment", "control")[user])
        nobody = pl.Series([None] * len(user), dtype=pl.String)
        frames.append(
            pl.DataFrame(
                {
                    "unit_id": user,
                    "variant": variant if inside else nobody,
                    "country": country[user],
                    "started_at": started,
                    "fulfilled": (rng.random(len(user)) < rate).astype(np.int64),
                    "clicks": rng.poisson(2, len(user)),
                }
            ).with_columns(exposed_at=pl.when(pl.lit(inside)).then("started_at"))
        )
    return pl.concat(frames).with_columns(session_id=pl.int_range(pl.len()))


def row(results: Results, metric: str, group: str = "all") -> Any:
    found = results.find(metric, group=group)
    assert isinstance(found, ExperimentRow), (metric, group)
    return found


def test_the_worked_example_goes_through_the_whole_analysis() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tea = pytest.importorskip("tea_tasting")
    users = pl.from_arrow(tea.make_users_data(rng=42, covariates=True))
    assert isinstance(users, pl.DataFrame)
    frames = []
    for sessions, orders, day in (
        ("sessions", "orders", 0),
        ("sessions_covariate", "orders_covariate", -9),
    ):
        count = users[sessions].cast(pl.Int64)
        ends = np.repeat(count.cum_sum().to_numpy(), count)
        place = ends - np.arange(len(ends)) - 1
        user = users[np.repeat(np.arange(len(users)), count)]
        frames.append(
            user.select(
                pl.col("user").alias("member"),
                pl.col("variant").alias("arm"),
                pl.lit(START + timedelta(days=day)).alias("when"),
                (pl.Series(place) < user[orders].cast(pl.Int64)).alias("ordered"),
            )
        )
    log = pl.concat(frames)
    config = ExperimentConfig(
        unit="member",
        variant="arm",
        control="0",
        outcome="ordered",
        started_at="when",
        start=START - timedelta(days=1),
    )
    results = analyze(log, config)
    primary, plain = row(results, "ordered"), row(results, "ordered(unadjusted)")
    assert (primary.metric, primary.system, primary.n) == ("ordered", "1", 4000)
    assert primary.p_value == pytest.approx(0.002292943842523, abs=1e-9)
    assert primary.difference == pytest.approx(0.03173426303678084, abs=1e-9)
    assert plain.baseline == pytest.approx(0.2657256067360079, abs=1e-9)
    assert plain.value == pytest.approx(0.28903061224489796, abs=1e-9)
    assert plain.difference_ci_low == pytest.approx(-0.0024594336679095, abs=1e-9)
    assert plain.difference_ci_high == pytest.approx(0.0490694446856896, abs=1e-9)
    assert plain.p_value == pytest.approx(0.0762375997816836, abs=1e-9)
    ratio = row(results, "sample_ratio")
    assert ratio.p_value == pytest.approx(0.46702758387372245, abs=1e-12)
    assert "CUPED took away 37.4 %" in primary.note


def test_a_look_is_the_analysis_of_that_evening() -> None:
    """Up to each day the same figures as of a log that ends there."""
    log = made(3, 800, lift=0.3)
    looked = analyze(log, ExperimentConfig(sequential=True))
    looks = [r for r in looked if isinstance(r, ExperimentRow) and r.role == "look"]
    assert [r.group for r in looks] == [f"2025-03-{day}" for day in range(10, 17)]
    for day in (2, 6):
        end = START + timedelta(days=day + 1)
        cut = row(analyze(log, ExperimentConfig(end=end)), "fulfilled")
        for name in ("n", "n_sessions", "value", "baseline", "difference", "p_value"):
            assert getattr(looks[day], name) == pytest.approx(getattr(cut, name), rel=1e-9), name
    whole = row(analyze(log), "fulfilled")
    assert row(looked, "fulfilled").difference == pytest.approx(whole.difference, rel=1e-12)


def test_a_session_z_test_would_be_wrong_here_and_ours_is_not() -> None:
    log = made(5, 400)
    plain = row(analyze(log, ExperimentConfig(cuped=False)), "fulfilled(unadjusted)")
    inside = log.filter(pl.col("exposed_at").is_not_null())
    arms = inside.group_by("variant").agg(x=pl.col("fulfilled").sum(), y=pl.len())
    x, n = arms["x"].to_numpy(), arms["y"].to_numpy()
    p = x.sum() / n.sum()
    naive = np.sqrt(p * (1 - p) * (1 / n).sum())
    low, high = plain.difference_ci_low, plain.difference_ci_high
    assert (high - low) / 2 / 1.96 > 1.2 * naive


def test_users_of_several_outcomes_are_counted_as_the_log_has_them(tmp_path: Path) -> None:
    log = made(4, 500)
    file = tmp_path / "sessions.parquet"
    log.write_parquet(file)
    told: list[tuple[int, int]] = []
    results = analyze(
        file,
        ExperimentConfig(metrics=("mean(clicks)", "any(clicks)", "mean(sessions)")),
        progress=lambda done, total, what="": told.append((done, total)),
    )
    assert all(0 <= done <= total for done, total in told)
    inside = log.filter(pl.col("exposed_at").is_not_null())
    users = inside.group_by("unit_id", "variant").agg(
        clicks=pl.col("clicks").sum(), any=pl.col("clicks").max() > 0, sessions=pl.len()
    )
    for metric, column in (
        ("mean(clicks)", "clicks"),
        ("any(clicks)", "any"),
        ("mean(sessions)", "sessions"),
    ):
        plain = analyze(log.drop("country"), ExperimentConfig(outcome=metric, cuped=False)).rows[0]
        arms = [
            users.filter(variant=v)[column].cast(pl.Float64).to_numpy()
            for v in ("treatment", "control")
        ]
        theirs = stats.ttest_ind(*arms, equal_var=False)
        assert isinstance(plain, ExperimentRow)
        assert plain.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
        assert (plain.n, plain.n_sessions) == (500, len(inside))
        found = row(results, metric)
        assert (found.role, found.n) == ("secondary", 500)
        # Weighted and adjusted, it is another estimate of the same.
        assert found.difference_ci_low < plain.difference < found.difference_ci_high


def test_dirt_does_not_change_the_figures_and_is_counted() -> None:
    log = made(9, 500)
    twice = log.filter(pl.col("unit_id") < 5).with_columns(
        pl.when(pl.col("variant") == "control")
        .then(pl.lit("treatment"))
        .when(pl.col("variant") == "treatment")
        .then(pl.lit("control"))
        .alias("variant"),
        session_id=pl.col("session_id") + 10**6,
    )
    strange = log.filter(pl.col("unit_id") == 7).with_columns(
        unit_id=pl.lit(10**6), variant=pl.lit("holdback"), session_id=pl.col("session_id") + 10**7
    )
    dirty = pl.concat([log, twice, strange.cast(log.schema), log.head(11)])
    dirty = dirty.sample(fraction=1, shuffle=True, seed=2)
    config = ExperimentConfig(split={"control": 1.0, "treatment": 1.0})
    results, clean = analyze(dirty, config), analyze(log.filter(pl.col("unit_id") >= 5), config)
    assert results.rows[0] == clean.rows[0]
    assert row(results, "excluded(contaminated)").n == 5
    assert row(results, "excluded(unknown_variant)").n == 1
    assert row(results, "excluded(duplicate_sessions)").n_sessions == 11
    with pytest.raises(InputError, match=r"5 users were seen in two variants.*--contaminated drop"):
        analyze(dirty, ExperimentConfig(split=config.split, contaminated="error"))
