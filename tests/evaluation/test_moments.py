"""The statistics against other people's implementations, exact examples and simulation."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special, stats

from evaluation.moments import (
    NOTHING,
    PRODUCTS,
    VARIABLES,
    Arm,
    Contrast,
    Moments,
    average_contrast,
    ratio_contrast,
    sample_ratio_p,
    total,
)


def heavy_users(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Users who differ much in sessions and in taste: (x, y, x0, y0), no effect."""
    taste = rng.beta(2, 3, n)
    weight = np.minimum(rng.lognormal(1.0, 1.0, n), 200)
    y, y0 = 1 + rng.poisson(weight), rng.poisson(weight)
    columns = [rng.binomial(y, taste), y, rng.binomial(y0, taste), y0]
    return np.column_stack(columns).astype(float)


@pytest.fixture(scope="module")
def tea() -> Any:
    """tea-tasting, whose import warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tea_tasting")


@pytest.fixture(scope="module")
def example(tea: Any) -> tuple[NDArray[np.float64], NDArray[np.int64], Any]:
    """tea-tasting's worked example: users (orders, sessions, the same before), variant, table."""
    table = tea.make_users_data(rng=42, covariates=True)
    columns = table.to_pydict()
    names = ("orders", "sessions", "orders_covariate", "sessions_covariate")
    users = np.column_stack([columns[name] for name in names]).astype(float)
    return users, np.array(columns["variant"]), table


def compare(users: NDArray[np.float64], variant: NDArray[np.int64], *, cuped: bool) -> Contrast:
    arms = [[Moments.of(users[variant == which])] for which in (1, 0)]
    contrast = ratio_contrast(*arms, cuped=cuped)
    assert contrast is not None
    return contrast


def test_worked_example_has_the_published_figures(example: Any) -> None:
    users, variant, _ = example
    found = compare(users, variant, cuped=False)
    assert found.control.value == pytest.approx(0.2657256067360079, abs=1e-12)
    assert found.treatment.value == pytest.approx(0.28903061224489796, abs=1e-12)
    assert found.difference == pytest.approx(0.02330500550889003, abs=1e-12)
    assert found.interval(0.95) == pytest.approx((-0.0024594336679095, 0.0490694446856896))
    assert found.p_value == pytest.approx(0.0762375997816836, abs=1e-9)
    adjusted = compare(users, variant, cuped=True)
    assert adjusted.p_value == pytest.approx(0.002292943842523, abs=1e-9)
    assert adjusted.reduction == pytest.approx(0.37369823897245213, abs=1e-9)


def naive_p(users: NDArray[np.float64], variant: NDArray[np.int64]) -> float:
    """The z-test over sessions: what gradewise must not do."""
    x, y = (np.array([users[variant == v, i].sum() for v in (0, 1)]) for i in (0, 1))
    rate, pooled = x / y, x.sum() / y.sum()
    z = (rate[1] - rate[0]) / math.sqrt(pooled * (1 - pooled) * (1 / y).sum())
    return float(2 * stats.norm.sf(abs(z)))


def test_naive_test_of_the_worked_example_would_claim_an_effect(example: Any) -> None:
    users, variant, _ = example
    assert naive_p(users, variant) == pytest.approx(0.0202, abs=5e-4)


@pytest.mark.parametrize("cuped", [False, True])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_equals_tea_tasting_on_its_example(
    tea: Any, example: Any, cuped: bool, level: float
) -> None:
    users, variant, table = example
    covariates = ("orders_covariate", "sessions_covariate") if cuped else ()
    metric = tea.RatioOfMeans("orders", "sessions", *covariates, confidence_level=level)
    theirs = tea.Experiment(m=metric).analyze(table).to_dicts()[0]
    ours = compare(users, variant, cuped=cuped)
    low, high = ours.interval(level)
    got = (ours.control.value, ours.treatment.value, ours.difference, low, high, ours.p_value)
    names = ("control", "treatment", "effect_size")
    ends = ("effect_size_ci_lower", "effect_size_ci_upper")
    expected = [theirs[name] for name in (*names, *ends, "pvalue")]
    assert got == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(20, 200), cuped=st.booleans())
def test_equals_tea_tasting_on_made_logs(seed: int, n: int, cuped: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tea = pytest.importorskip("tea_tasting")
        import pyarrow as pa
    rng = np.random.default_rng(seed)
    users = heavy_users(rng, n)
    variant = np.arange(n) % 2
    names = ("x", "y", "x0", "y0")
    table = pa.table({"variant": variant, **{k: users[:, i] for i, k in enumerate(names)}})
    metric = tea.RatioOfMeans(*(names if cuped else names[:2]))
    theirs = tea.Experiment(m=metric).analyze(table).to_dicts()[0]
    ours = compare(users, variant, cuped=cuped)
    got = (ours.control.value, ours.treatment.value, *ours.interval(0.95), ours.p_value)
    ends = ("effect_size_ci_lower", "effect_size_ci_upper", "pvalue")
    assert got == pytest.approx([theirs[k] for k in ("control", "treatment", *ends)], abs=1e-9)


@pytest.mark.slow
def test_standard_error_equals_weighted_regression(example: Any) -> None:
    sm = pytest.importorskip("statsmodels.api")
    users, variant, _ = example
    some = users[:, 1] > 0
    x, y = users[some, 0], users[some, 1]
    fit = sm.WLS(x / y, sm.add_constant(variant[some]), weights=y).fit(cov_type="HC1")
    ours = compare(users[some], variant[some], cuped=False)
    assert ours.difference == pytest.approx(fit.params[1], abs=1e-12)
    assert math.sqrt(ours.variance) == pytest.approx(fit.bse[1], rel=1e-6 + 1 / some.sum())


def test_sample_ratio_of_the_worked_example() -> None:
    assert sample_ratio_p([2023, 1977], [1, 1]) == pytest.approx(0.46702758387372245, abs=1e-12)


@given(
    counts=st.lists(st.integers(1, 100_000), min_size=2, max_size=5),
    weights=st.lists(st.floats(0.1, 10), min_size=5, max_size=5),
)
def test_sample_ratio_equals_scipy(counts: list[int], weights: list[float]) -> None:
    split = np.array(weights[: len(counts)])
    expected = stats.chisquare(counts, sum(counts) * split / split.sum()).pvalue
    assert sample_ratio_p(counts, split.tolist()) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_sample_ratio_of_nobody_is_not_broken() -> None:
    assert sample_ratio_p([0, 0], [1, 1]) == 1.0


arms = st.builds(
    Arm,
    st.floats(-2, 2),
    st.floats(1e-6, 1),
    st.floats(1e-9, 1e-3),
)


@given(treatment=arms, control=arms, level=st.floats(0.5, 0.999))
def test_relative_interval_excludes_zero_exactly_when_significant(
    treatment: Arm, control: Arm, level: float
) -> None:
    contrast = Contrast(treatment, control)
    relative = contrast.rel_interval(level)
    if relative is None or abs(contrast.p_value - (1 - level)) < 1e-9:
        return
    low, high = relative
    assert low <= high
    assert (not low <= 0 <= high) == (contrast.p_value < 1 - level)
    absolute = contrast.interval(level)
    assert (not absolute[0] <= 0 <= absolute[1]) == (contrast.p_value < 1 - level)


@given(treatment=arms, control=arms)
def test_ends_of_the_relative_interval_meet_the_test(treatment: Arm, control: Arm) -> None:
    contrast = Contrast(treatment, control)
    relative = contrast.rel_interval(0.95)
    if relative is None:
        return
    t = special.stdtrit(contrast.df, 0.975)
    for end in relative:
        gap = abs(treatment.value - (1 + end) * control.value)
        half = t * math.sqrt(treatment.variance + (1 + end) ** 2 * control.variance)
        assert gap == pytest.approx(half, rel=1e-5, abs=1e-6)


def test_relative_interval_is_unbounded_where_the_control_may_be_zero() -> None:
    contrast = Contrast(Arm(0.02, 1e-4, 1e-11), Arm(0.01, 1e-4, 1e-11))
    assert contrast.rel_interval(0.95) is None


def test_no_sessions_no_variation_or_too_few_users_is_no_comparison() -> None:
    some = Moments.of(np.array([[1.0, 2, 0, 0], [0, 1, 0, 0], [2, 3, 0, 0]]))
    alike = Moments.of(np.array([[1.0, 2, 0, 0]] * 3))
    idle = Moments.of(np.zeros((3, 4)))
    assert ratio_contrast([some], [some]) is not None
    assert ratio_contrast([some], [Moments.of(np.array([[1.0, 2, 0, 0]]))]) is None
    assert ratio_contrast([some], [NOTHING]) is None
    assert ratio_contrast([alike], [alike]) is None
    assert ratio_contrast([some], [idle]) is None
    assert ratio_contrast([], []) is None


@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(1, 59), max_size=4))
def test_moments_add_up(seed: int, cuts: list[int]) -> None:
    users = heavy_users(np.random.default_rng(seed), 60)
    parts = [Moments.of(part) for part in np.split(users, sorted(cuts))]
    whole, merged = Moments.of(users), total(parts)
    assert (merged.n, merged.sums.tolist()) == (whole.n, whole.sums.tolist())
    assert merged.products.tolist() == whole.products.tolist()
    assert whole.covariance == pytest.approx(np.cov(users.T), abs=1e-9)


def test_weighting_to_one_mix_takes_away_a_difference_in_mix() -> None:
    rng = np.random.default_rng(5)

    def users(n: int, rate: float) -> Moments:
        y = rng.integers(5, 15, n).astype(float)
        return Moments.of(np.column_stack([rng.binomial(y.astype(int), rate), y, 0 * y, 0 * y]))

    treatment, control = [users(3000, 0.6), users(1000, 0.2)], [users(1000, 0.6), users(3000, 0.2)]
    raw = ratio_contrast([total(treatment)], [total(control)])
    weighted = ratio_contrast(treatment, control)
    assert raw is not None
    assert weighted is not None
    assert raw.difference > 0.15
    assert weighted.p_value > 0.01
    assert weighted.treatment.value == pytest.approx(0.4, abs=0.02)


def test_mean_of_groups_counts_each_the_same() -> None:
    big = Contrast(Arm(0.5, 1e-6, 1e-16), Arm(0.4, 1e-6, 1e-16))
    small = Contrast(Arm(0.3, 1e-4, 1e-11), Arm(0.3, 1e-4, 1e-11))
    mean = average_contrast([big, small])
    assert mean.difference == pytest.approx(0.05)
    assert mean.variance == pytest.approx((2e-6 + 2e-4) / 4)
    assert average_contrast([big]).p_value == pytest.approx(big.p_value)


def of_values(x: NDArray[np.float64]) -> Moments:
    """Users with an outcome that is a mean over users."""
    return Moments.of(np.column_stack([x, np.ones(len(x)), 0 * x, 0 * x]))


def test_moments_from_named_sums_with_a_prefix_and_sessions() -> None:
    whole = Moments.of(heavy_users(np.random.default_rng(1), 9))
    sums = {f"o3_{name}": whole.sums[i] for i, name in enumerate(VARIABLES)}
    for a, b in PRODUCTS:
        sums[f"o3_{a}_{b}"] = whole.products[VARIABLES.index(a), VARIABLES.index(b)]
    found = Moments.of_sums(9, sums, "o3_", sessions=40)
    assert (found.n, found.sessions) == (9, 40)
    assert found.sums.tolist() == whole.sums.tolist()
    assert found.products.tolist() == whole.products.tolist()
    assert (found + found).sessions == 80


def test_effective_users_are_those_who_hold_the_sum() -> None:
    even, one = of_values(np.full(50, 3.0)), of_values(np.array([1e6] + [1.0] * 49))
    assert even.effective("x") == pytest.approx(50)
    assert one.effective("x") == pytest.approx(1, abs=1e-3)
    bought = of_values(np.array([1.0] * 7 + [0.0] * 93))
    assert bought.effective("x") == pytest.approx(7)
    assert bought.effective_failures == pytest.approx(93)
    assert math.isnan(bought.effective("x0"))


@pytest.mark.parametrize("mean", [0.0, 1e3, 1e5, 1e6])
@pytest.mark.parametrize("n", [100, 10_000])
def test_variance_of_large_means_is_off_by_less_than_the_bound(mean: float, n: int) -> None:
    """Sums added one by one, the worst way; the truth from centred values."""
    rng = np.random.default_rng(int(mean) + n)
    arms, centred = [], []
    for _ in range(2):
        x = mean + rng.normal(0, 1, n)
        sums = np.add.accumulate(np.column_stack([x, x * x]))[-1]
        products = np.zeros((4, 4))
        products[:2, :2] = [[sums[1], sums[0]], [sums[0], n]]
        arms.append([Moments(n, np.array([sums[0], n, 0, 0]), products)])
        centred.append([of_values(x - mean)])
    found, truth = ratio_contrast(*arms), ratio_contrast(*centred)
    assert found is not None
    assert truth is not None
    assert abs(found.variance / truth.variance - 1) <= found.rounding + 1e-9
    assert found.difference == pytest.approx(truth.difference, abs=1e-9 * max(mean, 1))
    assert found.rounding < (1e-6 if mean <= 1e3 else 0.2)


@pytest.mark.parametrize("n", [10, 1000, 100_000])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e6 + 0.1, 7.0])
def test_a_spread_that_may_be_rounding_is_none(n: int, value: float) -> None:
    same = [of_values(np.full(n, value))]
    assert ratio_contrast(same, [of_values(np.full(n + 1, value))]) is None


def test_a_pre_period_that_does_not_vary_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    users = [np.column_stack([rng.poisson(3, 500), *np.full((3, 500), 1 / 3)]) for _ in range(2)]
    arms = [[Moments.of(part)] for part in users]
    found = ratio_contrast(*arms)
    assert found is not None
    assert (found.theta, found.reduction) == (0.0, 0.0)
    assert found == ratio_contrast(*arms, cuped=False)
