"""Correlations of past experiments against scipy, known constructions and simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.experiment.association import (
    Floats,
    Sample,
    Statistic,
    associate,
    pearson,
    reliability,
    sign_agreement,
    slope,
    spearman,
)

UNKNOWN = np.nan


def sample(
    x: ArrayLike,
    y: ArrayLike,
    experiments: ArrayLike | None = None,
    *,
    x_error: float = UNKNOWN,
    y_error: float = UNKNOWN,
) -> Sample:
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    owners = np.arange(len(xs)) if experiments is None else np.asarray(experiments)
    return Sample(xs, ys, owners, np.full(len(xs), x_error), np.full(len(xs), y_error))


def correlated(n: int, rho: float, seed: int = 0) -> tuple[Floats, Floats]:
    x, noise = np.random.default_rng(seed).standard_normal((2, n))
    return x, rho * x + np.sqrt(1 - rho**2) * noise


POINT = st.tuples(st.integers(-5, 5), st.integers(-5, 5), st.integers(0, 3))


@given(st.lists(POINT, min_size=3, max_size=12))
def test_weighted_figures_are_those_of_repeated_points(points: list[tuple[int, int, int]]) -> None:
    x, y, times = (np.array(part, dtype=float) for part in zip(*points, strict=True))
    many_x, many_y = np.repeat(x, times.astype(int)), np.repeat(y, times.astype(int))
    if len(many_x) < 2 or np.ptp(many_x) == 0 or np.ptp(many_y) == 0:
        return
    weight = times[None, :]
    assert pearson(weight, x, y)[0] == pytest.approx(stats.pearsonr(many_x, many_y)[0], abs=1e-9)
    assert spearman(weight, x, y)[0] == pytest.approx(stats.spearmanr(many_x, many_y)[0], abs=1e-9)
    assert slope(weight, x, y)[0] == pytest.approx(stats.linregress(many_x, many_y).slope, abs=1e-9)


def test_figures_of_many_experiments() -> None:
    x, y = correlated(40, 0.6)
    found = associate(sample(x, y))
    for name, oracle in (
        ("pearson", stats.pearsonr(x, y)[0]),
        ("spearman", stats.spearmanr(x, y)[0]),
        ("slope", stats.linregress(x, y).slope),
        ("sign_agreement", np.mean(np.sign(x) == np.sign(y))),
    ):
        got = found[name]
        assert got.value == pytest.approx(oracle, rel=1e-12)
        assert got.interval is not None
        assert got.interval[0] < oracle < got.interval[1]
        assert "40 experiments" in got.note
    assert associate(sample(x, y)) == found
    assert associate(sample(x, y), seed=1)["pearson"].interval != found["pearson"].interval


def test_few_experiments_have_fishers_interval() -> None:
    x, y = correlated(4, 0.6)
    found = associate(sample(x, y), level=0.9)
    oracle = stats.pearsonr(x, y)
    low, high = oracle.confidence_interval(0.9)
    assert found["pearson"].interval == pytest.approx((low, high), rel=1e-9)
    assert found["pearson"].note == "fewer than 5 experiments: interval by Fisher's z"
    r = found["spearman"].value
    assert r is not None
    half = stats.norm.ppf(0.95) * np.sqrt(1 + r**2 / 2)
    assert found["spearman"].interval == pytest.approx(
        (np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half))
    )
    assert found["slope"].interval is None
    assert found["slope"].note == "fewer than 5 experiments: no interval"


def test_points_of_one_experiment_are_no_new_experiments() -> None:
    x, y = correlated(12, 0.5)
    owners = np.repeat(np.arange(3), 4)
    assert "too narrow" in associate(sample(x, y, owners))["pearson"].note
    copies = associate(sample(np.repeat(x, 9), np.repeat(y, 9), np.repeat(np.arange(12), 9)))
    once = associate(sample(x, y))
    assert copies["pearson"].value == pytest.approx(once["pearson"].value)
    assert copies["pearson"].interval == pytest.approx(once["pearson"].interval, abs=1e-9)


def test_too_few_points_or_no_variation_are_undefined_with_the_reason() -> None:
    found = associate(sample([1, 2, 3], [1, 2, 4]))
    assert set(found.values()) == {Statistic(None, None, "needs 4 points, there are 3", 3)}
    assert len(found) == 6
    flat = associate(sample([0.1] * 6, [1, 2, 3, 4, 5, 6]))
    assert flat["pearson"].value is None
    assert flat["pearson"].note == "all offline differences are equal"
    assert flat["sign_agreement"].value == 1
    still = associate(sample([1, 2, 3, 4], [0, 0, 0, 0]))
    assert still["spearman"].note == "all online differences are equal"
    assert still["slope"].value == 0
    assert still["sign_agreement"].value is None


def test_signs_count_only_where_both_moved() -> None:
    x, y = np.array([1, -1, 1, 0, 2.0]), np.array([2, -2, -1, 1, 0.0])
    assert sign_agreement(np.ones((1, 5)), x, y) == [pytest.approx(2 / 3)]


def test_measurement_noise_is_taken_out() -> None:
    rng = np.random.default_rng(3)
    n, rho, noise = 800, 0.8, 0.7
    x, y = correlated(n, rho, seed=4)
    seen = sample(
        x + noise * rng.standard_normal(n), 2 * y + noise * rng.standard_normal(n),
        np.arange(n), x_error=noise, y_error=noise,
    )  # fmt: skip
    x_share, y_share = (share[0] for share in reliability(np.ones((1, n)), seen))
    assert x_share == pytest.approx(1 / (1 + noise**2), abs=0.05)
    assert y_share == pytest.approx(4 / (4 + noise**2), abs=0.05)
    found = associate(seen, reps=50)
    attenuated = rho * np.sqrt(x_share * y_share)
    assert found["pearson"].value == pytest.approx(attenuated, abs=0.05)
    assert found["pearson_corrected"].value == pytest.approx(rho, abs=0.05)
    assert found["slope_corrected"].value == pytest.approx(2 * rho, abs=0.12)
    low, high = found["pearson_corrected"].interval or (0, 0)
    assert low < rho < high
    assert "reliability 0.6" in found["pearson_corrected"].note


def test_the_correction_says_where_it_ends() -> None:
    x, y = correlated(20, 0.95)
    capped = associate(sample(x, y, x_error=0.7 * float(np.std(x)), y_error=0.1))
    assert capped["pearson_corrected"].value == 1
    drowned = associate(sample(x, y, x_error=3.0, y_error=0.1))
    for name in ("pearson_corrected", "slope_corrected"):
        assert drowned[name].value is None
        assert drowned[name].note == "the points vary no more than their measurement noise"
        assert associate(sample(x, y))[name].note == "standard errors are unknown"
    shaky = associate(sample(x, y, x_error=0.97 * float(np.std(x)), y_error=0.1))
    assert shaky["slope_corrected"].interval is None
    assert "of the resamplings: no interval" in shaky["slope_corrected"].note


def test_perfect_points_are_no_certainty() -> None:
    x = np.arange(1.0, 7.0)
    found = associate(sample(x, x**3))
    assert (found["spearman"].value, found["spearman"].interval) == (1, None)
    assert found["spearman"].note == "the same in every resampling: no interval"
    signs = found["sign_agreement"]
    oracle = stats.binomtest(6, 6).proportion_ci(method="wilson")
    assert signs.value == 1
    assert signs.interval == pytest.approx((oracle.low, oracle.high))
    four = associate(sample(x[:4], x[:4]))["pearson"]
    assert four.value == pytest.approx(1)
    assert four.interval is None


def test_signs_of_one_experiment_go_together() -> None:
    x, y = correlated(24, 0.3, seed=2)
    once = associate(sample(x, y))["sign_agreement"]
    share = once.value or 0
    wilson = stats.binomtest(round(24 * share), 24).proportion_ci(method="wilson")
    assert once.interval == pytest.approx((wilson.low, wilson.high), abs=0.02)
    owners = np.repeat(np.arange(24), 9)
    copies = associate(sample(np.repeat(x, 9), np.repeat(y, 9), owners))["sign_agreement"]
    assert copies.interval == pytest.approx(once.interval, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("clusters", "size", "rho"), [(6, 4, 0.7), (12, 4, 0.0), (20, 1, 0.5)])
def test_intervals_over_experiments_cover(clusters: int, size: int, rho: float) -> None:
    rng = np.random.default_rng(11)
    runs, hits = 400, 0
    owners = np.repeat(np.arange(clusters), size)
    for run in range(runs):
        shared, own = rng.standard_normal((2, clusters)), rng.standard_normal((2, clusters * size))
        z = np.sqrt(0.5) * np.repeat(shared, size, axis=1) + np.sqrt(0.5) * own
        x, y = z[0], rho * z[0] + np.sqrt(1 - rho**2) * z[1]
        ends = associate(sample(x, y, owners), reps=400, seed=run)["pearson"].interval
        assert ends is not None
        hits += ends[0] <= rho <= ends[1]
    assert 0.91 <= hits / runs <= 0.99


@pytest.mark.slow
def test_corrected_intervals_cover_what_there_is_without_noise() -> None:
    rng = np.random.default_rng(12)
    runs, rho, noise, hits = 300, 0.6, 0.6, 0
    owners = np.repeat(np.arange(12), 4)
    for run in range(runs):
        x, own = rng.standard_normal((2, 48))
        y = rho * x + np.sqrt(1 - rho**2) * own
        seen = x + noise * rng.standard_normal(48), y + noise * rng.standard_normal(48)
        points = sample(*seen, owners, x_error=noise, y_error=noise)
        ends = associate(points, reps=400, seed=run)["pearson_corrected"].interval
        assert ends is not None
        hits += ends[0] <= rho <= ends[1]
    assert 0.9 <= hits / runs <= 0.99
