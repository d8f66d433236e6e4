"""Simulations of everything at once: false positives, coverage, and power as planned.

Users differ in taste and come very unequally often, so that sessions are far from independent.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from evaluation.experiment import ExperimentConfig
from evaluation.experiment.calibrate import calibrate_users, outcomes_to_read
from evaluation.experiment.horizons import Cut, pseudo_users
from evaluation.experiment.many import SUMS, contrasts, large_strata
from evaluation.experiment.plan import plan_days
from evaluation.experiment.planner import Target
from evaluation.moments import PRODUCTS, VARIABLES
from evaluation.outcomes import parse_outcome
from relevance.results import ComparisonRow, ExperimentRow, Results

pytestmark = pytest.mark.slow

Floats = NDArray[np.float64]
KINDS = ("fulfilled", "mean(buys)", "any(buys)", "ratio(clicks,views)")
COUNTRIES = ("FR", "JP", "US")
FIRST, DAYS = date(2025, 3, 1), 14


class World:
    """Users as they come: taste, sessions a day, country."""

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.country = rng.choice(3, n, p=[0.2, 0.3, 0.5])
        self.taste = rng.beta(1.2, 1.8, n) * np.array([0.9, 0.6, 0.8])[self.country]
        self.rate = np.minimum(rng.lognormal(0.9, 1.1, n), 60) / DAYS

    def outcome(
        self, kind: str, sessions: NDArray[np.int64], taste: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """x and y of users (or user-days) with so many sessions, and how many were successes."""
        if kind.startswith("ratio"):
            views = sessions + self.rng.poisson(2 * sessions)
            clicks = self.rng.binomial(views, taste) * 1.0
            return clicks, views * 1.0, clicks
        if kind.startswith("mean"):
            buys = self.rng.poisson(sessions * taste) * 1.0
            return buys, (sessions > 0) * 1.0, np.minimum(buys, sessions)
        if kind.startswith("any"):
            buys = self.rng.binomial(sessions, 0.4 * taste) * 1.0
            return (buys > 0) * 1.0, (sessions > 0) * 1.0, buys
        fulfilled = self.rng.binomial(sessions, taste) * 1.0
        return fulfilled, sessions * 1.0, fulfilled

    def log(self, kind: str) -> pl.DataFrame:
        """One row a user × day of 28 days."""
        sessions = self.rng.poisson(self.rate[:, None] * np.ones(2 * DAYS))
        user, day = np.nonzero(sessions)
        n = sessions[user, day]
        x, y, successes = self.outcome(kind, n, self.taste[user])
        dates = np.datetime64(FIRST) + np.arange(2 * DAYS)
        return pl.DataFrame(
            {
                "unit": user,
                "day": pl.Series(dates[day]),
                "group_0": np.array(COUNTRIES)[self.country[user]],
                "sessions": n,
                "o0_x": x,
                "o0_y": y,
                "o1_x": successes,
                "o1_y": n * 1.0,
            }
        )

    def period(
        self, kind: str, lift: Floats, whole: float | None
    ) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """x, y and sessions of one period; a lift for each user."""
        sessions = self.rng.poisson(self.rate * DAYS)
        if whole is not None:  # a share of users: those without become users with
            x, y, _ = self.outcome(kind, sessions, self.taste)
            flips = self.rng.random(len(x)) < lift * whole / (1 - whole)
            return np.maximum(x, flips * y), y, sessions
        x, y, _ = self.outcome(kind, sessions, self.taste * (1 + lift))
        return x, y, sessions


def experiments(kind: str, n: int, lift: float, runs: int, seed: int) -> tuple[Floats, Floats]:
    """Sums of treatment and control, shape (runs, 3, `SUMS`), of fresh users in every run."""
    rng = np.random.default_rng(seed)
    whole = None
    if kind.startswith("any"):
        x, y, _ = World(1_000_000, rng).period(kind, np.zeros(1_000_000), 0.5)
        whole = float(x.sum() / y.sum())
    found = []
    at_once = max(1, 500_000 // n)
    for first in range(0, runs, at_once):
        size = min(at_once, runs - first)
        world = World(n * size, rng)
        treated = rng.random(n * size) < 0.5
        x0, y0, _ = world.period(kind, np.zeros(n * size), 0.5 if whole else None)
        x, y, sessions = world.period(kind, lift * treated, whole)
        values = dict(zip(VARIABLES, (x, y, x0, y0), strict=True))
        here = sessions > 0  # who does not come is not in the experiment
        columns = [here * 1.0, *values.values(), *(values[a] * values[b] for a, b in PRODUCTS)]
        cell = (np.repeat(np.arange(size), n) * 2 + treated) * 3 + world.country
        sums = [np.bincount(cell, weights=c * here, minlength=6 * size) for c in columns]
        found.append(np.stack(sums, axis=-1).reshape(size, 2, 3, len(SUMS)))
    both = np.concatenate(found)
    return both[:, 1], both[:, 0]


def row(results: Results, metric: str) -> ComparisonRow:
    found = results.find(metric)
    assert isinstance(found, ComparisonRow), metric
    return found


def calibrated(kind: str) -> Results:
    """2,000 splits of one log of 6,000 users."""
    config = ExperimentConfig(outcome=kind)
    frame = World(6000, np.random.default_rng(11)).log(kind)
    outcomes = outcomes_to_read(config)
    users = pseudo_users(frame, outcomes, Cut.of(frame["day"], DAYS))
    return calibrate_users(users, outcomes, config, runs=2000, seed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_a_splits_of_a_log(kind: str) -> None:
    results = calibrated(kind)
    for name in (kind, f"{kind},unadjusted", f"{kind},any_group"):
        rate = row(results, f"false_positives({name})").value
        assert rate is not None
        assert 0.035 <= rate <= 0.065, name
    naive = row(results, f"false_positives({kind},session_z_test)").value
    assert naive is not None
    assert naive > 0.15
    for name in (kind, f"{kind},relative"):
        assert (row(results, f"coverage({name})").value or 0) >= 0.94
    power = row(results, f"power({kind})")
    assert abs(power.difference or 0) < 0.03
    alarms = row(results, "false_alarms(sample_ratio)").value
    assert alarms is not None
    assert alarms <= 0.008


@pytest.mark.parametrize("kind", KINDS)
def test_power_is_what_was_planned(kind: str) -> None:
    pool, traffic = 40_000, 0.1
    log = World(pool, np.random.default_rng(5)).log(kind)
    target = Target(days=DAYS, before=DAYS, traffic=traffic)
    plan = plan_days(log, (parse_outcome(kind),), None, target, by=("country",))
    mde = plan.find(f"mde({kind})")
    assert isinstance(mde, ExperimentRow)
    assert mde.value is not None
    arms = experiments(kind, round(pool * traffic), mde.value, 4000, seed=7)
    users = sum(arm[..., 0].sum() / len(arm) for arm in arms)
    assert users == pytest.approx(mde.n, rel=0.01)
    found = contrasts(*large_strata(*arms))
    assert found.defined.all()
    power = (found.p_value < 0.05).mean()
    assert power == pytest.approx(0.8, abs=0.02)
    low, high = found.rel_interval(0.95)
    assert ((low <= mde.value) & (mde.value <= high)).mean() >= 0.94


@pytest.mark.parametrize("kind", KINDS)
def test_fresh_users_without_an_effect(kind: str) -> None:
    arms = experiments(kind, 1500, 0.0, 3000, seed=3)
    found = contrasts(*large_strata(*arms))
    assert 0.035 <= (found.p_value < 0.05).mean() <= 0.065
    low, high = found.interval(0.95)
    assert ((low <= 0) & (high >= 0)).mean() >= 0.94


@pytest.mark.parametrize("rate", [0.02, 0.5, 0.97])
def test_relative_intervals_cover_at_small_and_large_rates(rate: float) -> None:
    rng = np.random.default_rng(2)
    n, runs, lift = 2000, 3000, 0.02
    spread = 30.0
    found: list[Floats] = []
    for _ in range(10):
        size = n * runs // 10
        taste = rng.beta(rate * spread, (1 - rate) * spread, size)
        y = rng.poisson(np.minimum(rng.lognormal(0.9, 0.9, size), 40)) + 1
        treated = rng.random(size) < 0.5
        x = rng.binomial(y, taste)
        flips = rng.binomial(y - x, treated * lift * rate / (1 - rate))
        values = dict(zip(VARIABLES, ((x + flips) * 1.0, y * 1.0, 0.0 * y, 0.0 * y), strict=True))
        columns = [np.ones(size), *values.values(), *(values[a] * values[b] for a, b in PRODUCTS)]
        cell = np.repeat(np.arange(runs // 10), n) * 2 + treated
        sums = [np.bincount(cell, weights=c, minlength=2 * runs // 10) for c in columns]
        found.append(np.stack(sums, axis=-1).reshape(runs // 10, 2, 1, len(SUMS)))
    both = np.concatenate(found)
    low, high = contrasts(both[:, 1], both[:, 0]).rel_interval(0.95)
    assert ((low <= lift) & (lift <= high)).mean() >= 0.94


def test_beyond_the_log_a_plan_is_cautious_but_not_far_off() -> None:
    rng = np.random.default_rng(3)
    world = World(30_000, rng)
    early, later = (world.log("fulfilled") for _ in range(2))
    days = pl.concat([early, later.with_columns(pl.col("day") + pl.duration(days=2 * DAYS))])
    days = days.sort("unit", "day")
    outcomes, target = (parse_outcome("fulfilled"),), Target(before=DAYS)
    short = plan_days(early, outcomes, None, target, by=("country",))
    whole = plan_days(days, outcomes, None, target, by=("country",))
    for group in ("21", "28"):
        guess, truth = (each.find("mde(fulfilled)", group=group) for each in (short, whole))
        assert guess is not None
        assert truth is not None
        assert (guess.note, truth.note) == ("extrapolated", "")
        assert guess.n == pytest.approx(truth.n, rel=0.02)
        assert truth.value is not None
        assert guess.value is not None
        assert truth.value <= guess.value <= 1.2 * truth.value
