"""Intervals: against closed forms and scipy, and whether they cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.intervals import (
    Linear,
    Ratio,
    Smooth,
    combine,
    estimate_all,
    estimate_function,
    resampled_sums,
    t_quantile,
)
from evaluation.intervals.resampling import weights
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


def test_without_replicates_there_is_a_figure_and_no_interval() -> None:
    for n in (50, 5_000):
        estimate = estimate_all([means(np.arange(n) / n)], reps=0)[0]
        assert estimate.value == pytest.approx(np.arange(n).mean() / n)
        assert len(estimate.replicates) == 0
        assert estimate.interval() is None
        assert estimate.mc_error() is None
    function = estimate_function(np.ones((9, 2)), lambda s: s[..., :1] / s[..., 1:], reps=0)[0]
    assert (function.value, function.interval()) == (1.0, None)


def test_many_rows_are_drawn_as_few_are() -> None:
    """Weights of long columns are counted row by row; they sum to n, and each varies like 1."""
    n = 5_000
    drawn = np.concatenate(list(weights(n, reps=30, seed=3)))
    assert drawn.shape == (30, n)
    assert np.array_equal(drawn.sum(axis=1), np.full(30, n))
    assert drawn.var() == pytest.approx(1 - 1 / n, abs=0.01)


@pytest.mark.parametrize("n", [40, 5_000])
def test_chunks_do_not_change_the_weights(n: int) -> None:
    whole = np.concatenate(list(weights(n, reps=12, seed=5)))
    pieces = list(weights(n, reps=12, seed=5, width=4_000_000 // 5))
    assert [len(piece) for piece in pieces] == [5, 5, 2]
    assert np.array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_stated_monte_carlo_error_is_what_other_seeds_do(level: float) -> None:
    values = np.random.default_rng(2).exponential(size=60)
    found = [estimate_all([means(values)], seed=seed, reps=400)[0] for seed in range(300)]
    ends = np.array([estimate.interval(level) for estimate in found])
    stated = np.array([estimate.mc_error(level) for estimate in found])
    assert np.median(stated, axis=0) == pytest.approx(ends.std(axis=0), rel=0.2)


def test_monte_carlo_error_falls_with_the_root_of_the_replicates() -> None:
    values = np.random.default_rng(2).exponential(size=60)
    few, many = (estimate_all([means(values)], reps=r)[0].mc_error() for r in (1_000, 16_000))
    assert np.array(few) / many == pytest.approx([4.0, 4.0], rel=0.35)
    assert estimate_all([means(np.full(9, 0.5))])[0].mc_error() == (0.0, 0.0)
    assert estimate_all([means(np.array([0.5]))])[0].mc_error() is None


ratios = st.integers(2, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0, 1), min_size=n, max_size=n),
        st.lists(st.integers(1, 9), min_size=n, max_size=n),
    )
)


@settings(deadline=None)
@given(ratios)
def test_influences_add_up_to_nothing_and_move_as_weights_do(
    case: tuple[list[float], list[int]],
) -> None:
    numerator, denominator = np.array(case[0]), np.array(case[1], dtype=float)
    estimate = estimate_all([Ratio(numerator, denominator)], reps=5)[0]
    assert estimate.influence.sum() == pytest.approx(0, abs=1e-12)
    weight = np.ones(len(numerator))
    weight[0] += 1e-6
    moved = (weight @ numerator) / (weight @ denominator) - estimate.value
    assert moved == pytest.approx(1e-6 * estimate.influence[0], abs=1e-11)


@settings(deadline=None)
@given(ratios, st.integers(0, 2**32))
def test_order_of_queries_and_unit_of_weight_change_no_figure(
    case: tuple[list[float], list[int]], seed: int
) -> None:
    numerator, denominator = np.array(case[0]), np.array(case[1], dtype=float)
    order = np.random.default_rng(seed).permutation(len(numerator))
    whole = estimate_all([Ratio(numerator, denominator)], reps=5)[0]
    other = estimate_all([Ratio(3 * numerator[order], 3 * denominator[order])], reps=5)[0]
    assert other.value == pytest.approx(whole.value)
    assert other.variance == pytest.approx(whole.variance, abs=1e-15)
    assert other.influence == pytest.approx(whole.influence[order], abs=1e-12)


def test_order_of_many_queries_changes_no_interval() -> None:
    rng = np.random.default_rng(0)
    ratio = Ratio(rng.exponential(size=3_000), rng.integers(1, 9, 3_000).astype(float))
    order = rng.permutation(3_000)
    whole = estimate_all([ratio])[0]
    other = estimate_all([Ratio(ratio.numerator[order], ratio.denominator[order])])[0]
    assert other.interval() == pytest.approx(whole.interval(), rel=1e-9)


@settings(deadline=None)
@given(ratios)
def test_a_higher_level_never_has_a_narrower_interval(
    case: tuple[list[float], list[int]],
) -> None:
    estimate = estimate_all([Ratio(np.array(case[0]), np.array(case[1], dtype=float))], reps=99)[0]
    ends = [estimate.interval(level) for level in (0.5, 0.8, 0.95, 0.99)]
    lows, highs = np.array(ends).T
    assert np.all(np.diff(lows) <= 0)
    assert np.all(np.diff(highs) >= 0)


def test_a_combination_of_one_is_itself_and_only_shares_count() -> None:
    rng = np.random.default_rng(0)
    parts = [estimate_all([means(rng.random(n))], key=str(n))[0] for n in (12, 30, 3_000)]
    alone = combine(parts[:1], [7.0])
    assert alone.value == parts[0].value
    assert alone.interval() == pytest.approx(parts[0].interval())
    one, ten = (combine(parts, [s, 2 * s, 3 * s]) for s in (1.0, 10.0))
    assert one.interval() == pytest.approx(ten.interval())
    back = combine(parts[::-1], [3.0, 2.0, 1.0])
    assert back.interval() == pytest.approx(one.interval())


def test_small_groups_are_expanded_each_for_itself() -> None:
    """The mean of fifty groups of three queries: its variance is that of the unbiased estimate."""
    rng = np.random.default_rng(1)
    groups = [rng.normal(size=3) for _ in range(50)]
    parts = [estimate_all([means(v)], key=str(i))[0] for i, v in enumerate(groups)]
    both = combine(parts, [1.0] * 50)
    unbiased = sum(v.var(ddof=1) / 3 for v in groups) / 50**2
    assert both.variance == pytest.approx(unbiased, rel=1e-9)
    assert both.replicates.var() * 150 / 149 == pytest.approx(unbiased, rel=0.1)


def test_a_combination_with_a_group_of_one_query_has_no_interval() -> None:
    parts = [estimate_all([means(v)])[0] for v in (np.array([0.2]), np.array([0.4, 0.8]))]
    both = combine(parts, [1.0, 1.0])
    assert both.value == pytest.approx(0.4)
    assert both.interval() is None


def test_variance_of_a_mean_is_the_textbooks() -> None:
    values = np.random.default_rng(0).random(17)
    estimate = estimate_all([means(values)])[0]
    assert estimate.variance == pytest.approx(values.var(ddof=1) / 17)
    assert np.isnan(estimate_all([means(values[:1])])[0].variance)


@pytest.mark.parametrize("n", [25, 100])
def test_intervals_of_a_smooth_function_cover(n: int) -> None:
    """A correlation over queries, whose distribution is skewed: nominal 95 %."""

    def correlation(sums: np.ndarray) -> np.ndarray:
        count, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
        cross = count * xy - x * y
        return np.asarray(cross / np.sqrt((count * xx - x * x) * (count * yy - y * y)))

    rng = np.random.default_rng(n)
    hits = 0
    for seed in range(300):
        x = rng.normal(size=n)
        y = 0.6 * x + 0.8 * rng.normal(size=n)
        columns = np.column_stack([np.ones(n), x, y, x * x, y * y, x * y])
        estimate = estimate_all([Smooth(columns, correlation)], seed=seed, reps=400)[0]
        low, high = estimate.interval()
        hits += low <= 0.6 <= high
    assert 0.90 <= hits / 300 <= 0.99
