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
    Arm,
    Contrast,
    Moments,
    average_contrast,
    heterogeneity,
    ratio_contrast,
    sample_ratio_p,
    total,
)
from evaluation.multiplicity import benjamini_hochberg, holm


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


@pytest.mark.slow
def test_adjusted_p_values_equal_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(3).random(17) ** 3
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1], abs=1e-15)
    theirs = multitest.multipletests(p, method="fdr_bh")[1]
    assert benjamini_hochberg(p) == pytest.approx(theirs, abs=1e-15)


def test_holm_and_benjamini_hochberg_by_hand() -> None:
    p = [0.04, 0.01, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert benjamini_hochberg(p) == pytest.approx([0.04, 0.02, 0.04, 0.02])
    assert holm([]).tolist() == []
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


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


def test_heterogeneity_of_equal_and_of_opposite_effects() -> None:
    def effect(value: float) -> Contrast:
        return Contrast(Arm(0.5 + value, 5e-5, 1e-12), Arm(0.5, 5e-5, 1e-12))

    same = heterogeneity([effect(0.01)] * 4)
    assert (same.q, same.df, same.i2) == (pytest.approx(0, abs=1e-12), 3, 0.0)
    found = heterogeneity([effect(0.05), effect(-0.05)])
    assert found.q == pytest.approx(2 * 0.05**2 / 1e-4)
    assert found.i2 == pytest.approx(1 - 1 / found.q)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.q, 1))


def test_mean_of_groups_counts_each_the_same() -> None:
    big = Contrast(Arm(0.5, 1e-6, 1e-16), Arm(0.4, 1e-6, 1e-16))
    small = Contrast(Arm(0.3, 1e-4, 1e-11), Arm(0.3, 1e-4, 1e-11))
    mean = average_contrast([big, small])
    assert mean.difference == pytest.approx(0.05)
    assert mean.variance == pytest.approx((2e-6 + 2e-4) / 4)
    assert average_contrast([big]).p_value == pytest.approx(big.p_value)


def heavy_users(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Users who differ much in sessions and in taste: (x, y, x0, y0), no effect."""
    taste = rng.beta(2, 3, n)
    weight = np.minimum(rng.lognormal(1.0, 1.0, n), 200)
    y, y0 = 1 + rng.poisson(weight), rng.poisson(weight)
    columns = [rng.binomial(y, taste), y, rng.binomial(y0, taste), y0]
    return np.column_stack(columns).astype(float)


def false_positives(runs: int, n: int, seed: int) -> dict[str, float]:
    """Share of A/A tests that claim an effect at 5 %, by method."""
    rng = np.random.default_rng(seed)
    claims = {"plain": 0, "cuped": 0, "stratified": 0, "naive": 0}
    for _ in range(runs):
        users = heavy_users(rng, n)
        country = rng.integers(0, 4, n)
        variant = rng.integers(0, 2, n)
        claims["plain"] += compare(users, variant, cuped=False).p_value < 0.05
        claims["cuped"] += compare(users, variant, cuped=True).p_value < 0.05
        strata = [
            [Moments.of(users[(variant == v) & (country == c)]) for c in range(4)] for v in (1, 0)
        ]
        stratified = ratio_contrast(*strata)
        assert stratified is not None
        claims["stratified"] += stratified.p_value < 0.05
        claims["naive"] += naive_p(users, variant) < 0.05
    return {name: count / runs for name, count in claims.items()}


def test_false_positives_stay_near_five_percent_and_the_naive_test_does_not() -> None:
    share = false_positives(300, 600, seed=11)
    for method in ("plain", "cuped", "stratified"):
        assert 0.02 <= share[method] <= 0.085, share
    assert share["naive"] > 0.15, share


@pytest.mark.slow
def test_false_positives_over_two_thousand_runs() -> None:
    share = false_positives(2000, 2000, seed=12)
    for method in ("plain", "cuped", "stratified"):
        assert 0.035 <= share[method] <= 0.065, share
    assert share["naive"] > 0.15, share


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.03, 0.5])
def test_relative_interval_covers_the_true_lift(rate: float) -> None:
    rng = np.random.default_rng(13)
    covered = 0
    for _ in range(2000):
        users = []
        for mean in (1.1 * rate, rate):
            taste = rng.beta(2, 2 * (1 - mean) / mean, 1000)
            y = 1 + rng.poisson(np.minimum(rng.lognormal(1, 1, 1000), 200))
            x = rng.binomial(y, taste)
            users.append([Moments.of(np.column_stack([x, y, 0 * y, 0 * y]).astype(float))])
        contrast = ratio_contrast(*users)
        assert contrast is not None
        interval = contrast.rel_interval(0.95)
        assert interval is not None
        covered += interval[0] <= 0.1 <= interval[1]
    assert 0.935 <= covered / 2000 <= 0.965
