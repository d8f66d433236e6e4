"""What `analyze` says of users, against tea-tasting, statsmodels and scipy."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from evaluation.experiment import ExperimentConfig, analyze_moments
from evaluation.moments import Moments, ratio_contrast
from evaluation.sessions import SessionMoments
from relevance.results import ExperimentRow, Results

Floats = NDArray[np.float64]
MomentsOf = Callable[..., SessionMoments]

KEYS = ("control", "treatment", "effect_size", "effect_size_ci_lower", "effect_size_ci_upper")


@pytest.fixture(scope="module")
def tea() -> Any:
    """tea-tasting, whose import warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tea_tasting")


def row(results: Results, metric: str) -> ExperimentRow:
    found = results.find(metric)
    assert isinstance(found, ExperimentRow)
    return found


def figures(found: ExperimentRow) -> list[float | None]:
    ends = (found.difference_ci_low, found.difference_ci_high)
    return [found.baseline, found.value, found.difference, *ends, found.p_value]


def frame(variant: NDArray[np.int64], **columns: Floats) -> pl.DataFrame:
    names = np.where(variant == 1, "treatment", "control")
    return pl.DataFrame({"variant": names, **columns})


def outcome(users: Floats, i: int = 0) -> dict[str, Floats]:
    """Columns of outcome i from users' x, y, x0, y0."""
    return {f"o{i}_{name}": users[:, k] for k, name in enumerate(("x", "y", "x0", "y0"))}


def test_the_worked_example_has_the_published_figures(tea: Any, moments_of: MomentsOf) -> None:
    """Of REFERENCE: every figure, overall and with CUPED, and the sample ratio."""
    columns = tea.make_users_data(rng=42, covariates=True).to_pydict()
    names = ("orders", "sessions", "orders_covariate", "sessions_covariate")
    users = np.column_stack([columns[name] for name in names]).astype(float)
    moments = moments_of(
        frame(np.array(columns["variant"]), **outcome(users)), ["ratio(orders,sessions)"]
    )
    config = ExperimentConfig(outcome="ratio(orders, sessions)")
    adjusted = analyze_moments(moments, config)
    primary, plain = adjusted.rows[0], row(adjusted, "ratio(orders,sessions)(unadjusted)")
    assert isinstance(primary, ExperimentRow)
    assert plain.baseline == pytest.approx(0.2657256067360079, abs=1e-12)
    assert plain.value == pytest.approx(0.28903061224489796, abs=1e-12)
    assert plain.difference == pytest.approx(0.02330500550889003, abs=1e-12)
    assert plain.difference_ci_low == pytest.approx(-0.0024594336679095, abs=1e-12)
    assert plain.difference_ci_high == pytest.approx(0.0490694446856896, abs=1e-12)
    assert plain.p_value == pytest.approx(0.0762375997816836, abs=1e-12)
    assert primary.p_value == pytest.approx(0.002292943842523, abs=1e-12)
    assert primary.variance_reduction == pytest.approx(0.37369823897245213, abs=1e-9)
    assert "CUPED took away 37.4 %" in primary.note
    ratio = row(adjusted, "sample_ratio")
    assert (ratio.n, ratio.value) == (4000, 1977 / 4000)
    assert ratio.p_value == pytest.approx(0.46702758387372245, abs=1e-12)
    without = analyze_moments(moments, ExperimentConfig(outcome=config.outcome, cuped=False))
    assert figures(row(without, config.primary.name)) == figures(plain)


logs = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "n": st.integers(20, 200),
        "tail": st.floats(0.2, 1.5),
        "scale": st.sampled_from([1e-3, 1.0, 1e4]),
        "alpha": st.sampled_from([0.01, 0.05, 0.2]),
    }
)


def made(seed: int, n: int, tail: float, scale: float) -> tuple[NDArray[np.int64], Floats]:
    """Variant and users who differ much: x, y, x0, y0 with everybody in the pre-period."""
    rng = np.random.default_rng(seed)
    taste, weight = rng.beta(2, 3, n), np.minimum(rng.lognormal(1, tail, n), 200)
    y, y0 = 1 + rng.poisson(weight), 1 + rng.poisson(weight)
    users = np.column_stack([rng.binomial(y, taste) * scale, y, rng.binomial(y0, taste), y0])
    return np.arange(n) % 2, users.astype(float)


@settings(max_examples=25, deadline=None)
@given(log=logs, cuped=st.booleans())
def test_ratios_are_those_of_tea_tasting(
    tea: Any, moments_of: MomentsOf, log: dict[str, Any], cuped: bool
) -> None:
    import pyarrow as pa

    alpha = log["alpha"]
    variant, users = made(**{k: v for k, v in log.items() if k != "alpha"})
    names = ("x", "y", "x0", "y0")
    table = pa.table({"variant": variant, **{k: users[:, i] for i, k in enumerate(names)}})
    metric = tea.RatioOfMeans(*names[: 4 if cuped else 2], confidence_level=1 - alpha)
    theirs = tea.Experiment(m=metric).analyze(table).to_dicts()[0]
    config = ExperimentConfig(outcome="ratio(x,y)", cuped=cuped, alpha=alpha)
    ours = row(
        analyze_moments(moments_of(frame(variant, **outcome(users)), ["ratio(x,y)"]), config),
        "ratio(x,y)",
    )
    expected = [theirs[name] for name in (*KEYS, "pvalue")]
    assert figures(ours) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(log=logs, cuped=st.booleans(), kind=st.sampled_from(["mean", "any", "user"]))
def test_outcomes_of_users_are_the_means_of_tea_tasting(
    tea: Any, moments_of: MomentsOf, log: dict[str, Any], cuped: bool, kind: str
) -> None:
    """Where y is 1 for all, Welch's test of means; with everybody in the pre-period CUPED too."""
    import pyarrow as pa

    alpha = log["alpha"]
    variant, users = made(**{k: v for k, v in log.items() if k != "alpha"})
    x, x0 = users[:, 0], users[:, 2]
    if kind == "any":
        x, x0 = (x > 0).astype(float), (x0 > 0).astype(float)
    ones = np.ones(len(x))
    table = pa.table({"variant": variant, "x": x, "x0": x0})
    metric = tea.Mean("x", "x0" if cuped else None, confidence_level=1 - alpha)
    theirs = tea.Experiment(m=metric).analyze(table).to_dicts()[0]
    columns = outcome(np.column_stack([x, ones, x0, ones]))
    config = ExperimentConfig(outcome=f"{kind}(x)", cuped=cuped, alpha=alpha)
    ours = row(
        analyze_moments(moments_of(frame(variant, **columns), [f"{kind}(x)"]), config), f"{kind}(x)"
    )
    if ours.p_value is None:
        assert x.std() == 0
        return
    expected = [theirs[name] for name in (*KEYS, "pvalue")]
    assert figures(ours) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(log=logs)
def test_plain_means_are_welchs_test_of_scipy(moments_of: MomentsOf, log: dict[str, Any]) -> None:
    variant, users = made(**{k: v for k, v in log.items() if k != "alpha"})
    x = users[:, 0]
    theirs = stats.ttest_ind(x[variant == 1], x[variant == 0], equal_var=False)
    interval = theirs.confidence_interval(1 - log["alpha"])
    config = ExperimentConfig(outcome="mean(x)", alpha=log["alpha"])
    ours = row(analyze_moments(moments_of(frame(variant, o0_x=x), ["mean(x)"]), config), "mean(x)")
    scale = abs(x).max()
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    found = [ours.difference_ci_low, ours.difference_ci_high]
    assert found == pytest.approx([interval.low, interval.high], abs=1e-9 * scale)


@pytest.mark.parametrize("seed", range(5))
def test_welch_intervals_of_a_family_at_its_levels(moments_of: MomentsOf, seed: int) -> None:
    """Each country by itself, at the level that Holm leaves it."""
    variant, users = made(seed, 900, 1.0, 1.0)
    country = np.random.default_rng(seed).choice(["FR", "JP", "US"], 900)
    x = users[:, 0] * (1 + 0.5 * variant * (country == "JP"))
    moments = moments_of(frame(variant, o0_x=x, group_0=country), ["mean(x)"], ["country"])
    results = analyze_moments(moments, ExperimentConfig(outcome="mean(x)"))
    for name in ("FR", "JP", "US"):
        found = results.find("mean(x)", group=name)
        assert isinstance(found, ExperimentRow)
        assert found.ci_level is not None
        arms = [x[(variant == v) & (country == name)] for v in (1, 0)]
        theirs = stats.ttest_ind(*arms, equal_var=False).confidence_interval(found.ci_level)
        assert found.difference_ci_low == pytest.approx(theirs.low, rel=1e-9)
        assert found.difference_ci_high == pytest.approx(theirs.high, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("n", [400, 4000])
@pytest.mark.parametrize("uneven", [False, True])
def test_standard_errors_are_those_of_weighted_regression(n: int, uneven: bool) -> None:
    """WLS of x/y on treatment with weights y and HC1; with arms that differ in size up to 1/n."""
    sm = pytest.importorskip("statsmodels.api")
    variant, users = made(7, n, 1.0, 1.0)
    if uneven:
        variant = (np.arange(n) % 4 == 0).astype(np.int64)
    x, y = users[:, 0], users[:, 1]
    fit = sm.WLS(x / y, sm.add_constant(variant), weights=y).fit(cov_type="HC1")
    ours = ratio_contrast(*([Moments.of(users[variant == v])] for v in (1, 0)), cuped=False)
    assert ours is not None
    assert ours.difference == pytest.approx(fit.params[1], abs=1e-12)
    error = math.sqrt(ours.variance)
    assert error == pytest.approx(fit.bse[1], rel=1e-6 + (1 / (n / 4) if uneven else 0))


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(60, 4000), min_size=2, max_size=4),
    weights=st.lists(st.floats(0.8, 1.2), min_size=4, max_size=4),
)
def test_the_sample_ratio_is_the_chi_square_test_of_scipy(
    moments_of: MomentsOf, counts: list[int], weights: list[float]
) -> None:
    names = ["control", "b", "c", "d"][: len(counts)]
    split = dict(zip(names, weights, strict=False))
    variant = np.repeat(names, counts)
    x = np.arange(len(variant)) % 2
    moments = moments_of(pl.DataFrame({"variant": variant, "o0_x": x}), ["any(x)"])
    results = analyze_moments(moments, ExperimentConfig(outcome="any(x)", split=split))
    share = np.array(weights[: len(counts)])
    theirs = stats.chisquare(counts, sum(counts) * share / share.sum()).pvalue
    assert row(results, "sample_ratio").p_value == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    word = row(results, "verdict").note.partition(":")[0]
    assert (word == "invalid") == (theirs < 0.001)


@pytest.mark.parametrize("n", [2000, 20_000])
def test_revenue_of_a_million_and_a_bit_is_still_welchs_test(moments_of: MomentsOf, n: int) -> None:
    """Within what the row says of rounding; see `evaluation.moments`."""
    rng = np.random.default_rng(n)
    x, variant = 1e6 + rng.normal(0, 1, n), np.arange(n) % 2
    x += variant * 0.3
    theirs = stats.ttest_ind(x[variant == 1], x[variant == 0], equal_var=False)
    moments = moments_of(frame(variant, o0_x=x), ["mean(x)"])
    found = row(analyze_moments(moments, ExperimentConfig(outcome="mean(x)")), "mean(x)")
    assert found.difference == pytest.approx(0.3, abs=0.2)
    assert "rounding may be " in found.note
    said = float(found.note.partition("rounding may be ")[2].partition(" %")[0]) / 100
    assert found.difference_ci_low is not None
    assert found.difference_ci_high is not None
    ours = found.difference_ci_high - found.difference_ci_low
    ends = theirs.confidence_interval(0.95)
    assert abs(ours / (ends.high - ends.low) - 1) <= said
    assert found.p_value == pytest.approx(theirs.pvalue, rel=0.5)


def test_moderate_revenue_says_nothing_of_rounding(moments_of: MomentsOf) -> None:
    rng = np.random.default_rng(2)
    x, variant = 1000 + rng.normal(0, 50, 2000), np.arange(2000) % 2
    moments = moments_of(frame(variant, o0_x=x), ["mean(x)"])
    found = row(analyze_moments(moments, ExperimentConfig(outcome="mean(x)")), "mean(x)")
    assert found.note == ""
    assert math.isfinite(found.p_value or math.nan)
