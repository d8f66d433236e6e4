"""Intervals: against closed forms and scipy, and whether they cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evaluation.intervals import (
    Linear,
    Ratio,
    combine,
    estimate_all,
    estimate_function,
    resampled_sums,
    t_quantile,
)
from evaluation.metrics.threshold import auroc


def means(values: np.ndarray) -> Ratio:
    return Ratio(values, np.ones(len(values)))


def test_a_large_sample_has_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(3, 2, size=5_000)
    low, high = estimate_all([means(values)], reps=4_000)[0].interval()
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_bca_is_scipys_up_to_the_expansion_and_chance() -> None:
    values = np.random.default_rng(1).exponential(size=400)
    low, high = estimate_all([means(values)], reps=9_999)[0].interval()
    theirs = stats.bootstrap((values,), np.mean, n_resamples=9_999, rng=2).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_a_ratio_weighs_queries_by_their_size() -> None:
    ratio = Ratio(np.array([1.0, 9.0, 0.0]), np.array([1.0, 10.0, 0.0]))
    estimate = estimate_all([ratio])[0]
    assert estimate.value == 10 / 11
    assert len(estimate.influence) == 2  # a query without units is not in the figure
    assert estimate.influence.sum() == pytest.approx(0, abs=1e-15)


def test_the_same_seed_and_key_give_the_same_interval_and_others_do_not() -> None:
    columns = np.random.default_rng(0).random((50, 2))
    first = resampled_sums(columns, seed=1, key="country=US")
    assert np.array_equal(first, resampled_sums(columns, seed=1, key="country=US"))
    assert not np.array_equal(first, resampled_sums(columns, seed=1, key="country=FR"))
    assert not np.array_equal(first, resampled_sums(columns, seed=2, key="country=US"))


def test_each_resampling_draws_n_queries() -> None:
    sums = resampled_sums(np.ones((37, 1)), reps=100)
    assert np.array_equal(sums, np.full((100, 1), 37.0))


def test_too_little_or_no_variation() -> None:
    assert estimate_all([means(np.array([0.5]))])[0].interval() is None
    assert estimate_all([means(np.zeros(0))])[0].interval() is None
    assert estimate_all([means(np.full(9, 0.5))])[0].interval() == (0.5, 0.5)
    assert estimate_all([Linear(float("nan"), np.zeros(5))])[0].interval() is None


def test_auroc_stays_within_its_bounds() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([True, False] * 10)
    value, influence = auroc(labels, labels + rng.normal(0, 0.4, size=20))
    low, high = estimate_all([Linear(value, influence)])[0].interval()
    assert 0 < low < value < high < 1


def test_a_function_of_sums_agrees_with_the_ratio() -> None:
    rng = np.random.default_rng(4)
    ratio = Ratio(rng.random(60), rng.integers(1, 9, 60).astype(float))
    exact = estimate_all([ratio], seed=5)[0]
    general = estimate_function(ratio.columns, lambda s: s[..., :1] / s[..., 1:], seed=5)[0]
    assert general.value == pytest.approx(exact.value, abs=1e-15)
    assert general.replicates == pytest.approx(exact.replicates)
    assert general.interval() == pytest.approx(exact.interval(), rel=0.02)


def test_a_combination_has_the_variance_of_independent_groups() -> None:
    rng = np.random.default_rng(0)
    groups = [rng.normal(size=n) for n in (40, 60)]
    parts = [estimate_all([means(v)], key=str(i))[0] for i, v in enumerate(groups)]
    both = combine(parts, [3.0, 1.0])
    assert both.value == pytest.approx(0.75 * groups[0].mean() + 0.25 * groups[1].mean())
    first, second = (v.var() / len(v) for v in groups)
    expected = np.sqrt(0.75**2 * first + 0.25**2 * second)
    assert both.replicates.std() == pytest.approx(expected, rel=0.06)


def test_t_quantile() -> None:
    assert t_quantile(0.95, 9) == pytest.approx(stats.t.ppf(0.975, 9))


@pytest.mark.parametrize("n", [12, 36, 150])
def test_intervals_of_a_mean_cover(n: int) -> None:
    """Skewed values in [0, 1], as nDCG has: nominal 95 % within Monte-Carlo error."""
    rng = np.random.default_rng(n)
    hits = 0
    for seed in range(400):
        estimate = estimate_all([means(rng.beta(6, 2, size=n))], seed=seed, reps=500)[0]
        low, high = estimate.interval()
        hits += low <= 0.75 <= high
    assert 0.915 <= hits / 400 <= 0.985


def test_intervals_of_auroc_by_query_cover_where_those_by_pair_do_not() -> None:
    """Each query shifts the labels and the scores of all its pairs: pairs are not independent."""

    def world(n: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        query = np.repeat(np.arange(n), 12)
        shift = rng.normal(size=n)[query]
        labels = rng.normal(size=12 * n) < shift
        return query, labels, labels + shift + rng.normal(size=12 * n)

    rng = np.random.default_rng(7)
    truth = auroc(*world(40_000, rng)[1:])[0]
    hits = {"query": 0, "pair": 0}
    for seed in range(200):
        query, labels, scores = world(40, rng)
        value, influence = auroc(labels, scores)
        units = {"query": np.bincount(query, weights=influence), "pair": influence}
        for unit, values in units.items():
            low, high = estimate_all([Linear(value, values)], seed=seed, reps=400)[0].interval()
            hits[unit] += low <= truth <= high
    assert 0.91 <= hits["query"] / 200 <= 0.99
    assert hits["pair"] / 200 < 0.85
