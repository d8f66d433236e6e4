"""Paired statistics against scipy, by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.compare.paired import (
    LabelNoise,
    Stratum,
    bootstrap_p,
    fieller,
    paired_difference,
    t_test,
    wins_of,
)
from evaluation.intervals import Estimate, Ratio, estimate_all, t_quantile


def _pair(seed: int, n: int, lift: float, spread: float = 0.3) -> Stratum:
    rng = np.random.default_rng(seed)
    old = rng.random(n) + 0.3
    return Stratum(old, old + lift + rng.normal(0, spread, size=n))


def test_interval_and_p_value_are_those_of_the_paired_t_test() -> None:
    pair = _pair(0, 30, 0.05)
    for level in (0.9, 0.95):
        found = paired_difference([pair], level=level)
        theirs = stats.ttest_rel(pair.candidate, pair.baseline)
        ends = theirs.confidence_interval(level)
        assert found.interval == pytest.approx((ends.low, ends.high))
        assert found.p_value == pytest.approx(theirs.pvalue)
        assert found.value == pytest.approx(np.mean(pair.candidate - pair.baseline))


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 10_000), st.integers(5, 40), st.floats(-0.2, 0.2), st.floats(0.8, 0.99))
def test_the_relative_interval_excludes_zero_exactly_when_the_t_test_rejects(
    seed: int, n: int, lift: float, level: float
) -> None:
    found = paired_difference([_pair(seed, n, lift)], level=level)
    assert found.interval is not None
    assert found.relative_interval is not None
    assert found.p_value is not None
    low, high = found.relative_interval
    assert low <= found.relative <= high
    assert (low > 0, high < 0) == (found.interval[0] > 0, found.interval[1] < 0)
    assert (low > 0 or high < 0) == (found.p_value < 1 - level)


def test_fieller_inverts_the_t_test() -> None:
    """At both ends the statistic of new - (1 + δ) old is exactly t."""
    t = t_quantile(0.95, 29)
    moments = {"v_old": 4e-4, "v_both": 3e-4, "v_new": 5e-4}
    for end in fieller(0.6, 0.65, **moments, t=t):
        gap = 0.65 - (1 + end) * 0.6
        variance = 5e-4 - 2 * (1 + end) * 3e-4 + (1 + end) ** 2 * 4e-4
        assert abs(gap) / np.sqrt(variance) == pytest.approx(t)
    assert fieller(0.01, 0.65, **moments, t=t) is None
    assert fieller(0.0, 0.65, v_old=0.0, v_both=0.0, v_new=0.0, t=t) is None


def test_a_total_weighs_its_groups_and_their_variances() -> None:
    pairs = [_pair(1, 25, 0.1), _pair(2, 60, -0.05)]
    shares = (0.3, 0.7)
    strata = [Stratum(p.baseline, p.candidate, s) for p, s in zip(pairs, shares, strict=True)]
    found = paired_difference(strata)
    gaps = [p.candidate - p.baseline for p in pairs]
    parts = np.array([s**2 * g.var(ddof=1) / len(g) for s, g in zip(shares, gaps, strict=True)])
    error = np.sqrt(parts.sum())
    df = parts.sum() ** 2 / (parts[0] ** 2 / 24 + parts[1] ** 2 / 59)
    value = 0.3 * gaps[0].mean() + 0.7 * gaps[1].mean()
    assert found.value == pytest.approx(value)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(value) / error, df))
    half = stats.t.ppf(0.975, df) * error
    assert found.interval == pytest.approx((value - half, value + half))


def test_what_cannot_be_told_is_none() -> None:
    assert paired_difference([]).value is None
    assert paired_difference([Stratum(np.zeros(0), np.zeros(0))]).value is None
    one = paired_difference([Stratum(np.array([0.5]), np.array([0.75]))])
    assert (one.value, one.relative, one.interval, one.p_value, one.mde) == (
        0.25, 0.5, None, None, None,
    )  # fmt: skip
    zero = paired_difference([Stratum(np.zeros(5), np.array([0, 0, 1, 1, 0.5]))])
    assert zero.relative is None
    assert zero.relative_interval is None
    assert zero.interval is not None


def test_equal_lists_and_constant_gains() -> None:
    old = np.array([0.25, 0.5, 0.75])
    same = paired_difference([Stratum(old, old)])
    assert (same.value, same.interval, same.p_value, same.mde) == (0, (0, 0), 1, 0)
    constant = paired_difference([Stratum(old, old + 0.25)])
    assert (constant.interval, constant.p_value) == ((0.25, 0.25), 0)
    assert t_test(0.1, 0.0, 5) == 0


def test_a_difference_that_is_rounding_is_none() -> None:
    old = np.array([0.1, 0.2, 0.3])
    assert paired_difference([Stratum(old, old[[2, 0, 1]])]).value == 0


@pytest.mark.parametrize("n", [12, 60])
def test_the_minimum_detectable_effect_is_found_four_times_in_five(n: int) -> None:
    """Simulated at a true difference of exactly the effect that the true spread gives."""
    rng = np.random.default_rng(3)
    unit = rng.normal(size=n)
    unit = (unit - unit.mean()) / unit.std(ddof=1)
    mde = paired_difference([Stratum(np.zeros(n) + 0.5, 0.5 + unit)]).mde
    assert mde is not None
    gaps = rng.normal(mde, 1, size=(4000, n))
    found = stats.ttest_1samp(gaps, 0, axis=1).pvalue < 0.05
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


def test_more_power_or_level_needs_a_larger_effect() -> None:
    pair = _pair(4, 40, 0.0)
    usual = paired_difference([pair]).mde
    assert paired_difference([pair], power=0.9).mde > usual
    assert paired_difference([pair], level=0.99).mde > usual


def test_wins_ties_and_losses() -> None:
    old = np.array([0.5, 0.5, 0.5, 0.3])
    new = np.array([0.6, 0.5 + 1e-13, 0.4, 0.4])
    found = wins_of([Stratum(old, new), Stratum(old[:1], new[:1], 0.5)])
    assert (found.wins, found.ties, found.losses) == (3, 1, 1)
    found = wins_of([Stratum(old, new)], higher_is_better=False)
    assert (found.wins, found.ties, found.losses) == (1, 1, 2)


def test_the_bootstrap_test_is_near_the_t_test() -> None:
    gap = np.random.default_rng(6).normal(0.05, 0.3, size=60)
    estimate = estimate_all([Ratio(gap, np.ones(60))])[0]
    theirs = stats.ttest_1samp(gap, 0).pvalue
    assert 0.001 < theirs < 0.3
    assert bootstrap_p(estimate) == pytest.approx(theirs, rel=0.35)


def test_the_bootstrap_test_by_hand() -> None:
    replicates = np.array([0.0, 0.1, 0.2, 0.3, 0.45])
    made = Estimate(0.2, replicates, np.zeros(5))
    assert bootstrap_p(made) == (2 + 1) / 6  # 0.0 and 0.45 stray by 0.2 or more
    assert bootstrap_p(Estimate(float("nan"), replicates, np.zeros(5))) is None
    assert bootstrap_p(Estimate(0.2, np.zeros(0), np.zeros(5))) is None
    assert bootstrap_p(Estimate(0.2, replicates, np.zeros(1))) is None


def test_label_noise_adds_its_variance() -> None:
    pair = _pair(7, 50, 0.1)
    rng = np.random.default_rng(8)
    old = 0.8 + rng.normal(0, 0.02, size=200)
    new = old + 0.1 + rng.normal(0, 0.05, size=200)
    plain = paired_difference([pair])
    noisy = paired_difference([pair], noise=LabelNoise(old, new))
    gap = pair.candidate - pair.baseline
    parts = np.array([gap.var(ddof=1) / 50, (new - old).var(ddof=1)])
    df = parts.sum() ** 2 / (parts[0] ** 2 / 49 + parts[1] ** 2 / 199)
    half = stats.t.ppf(0.975, df) * np.sqrt(parts.sum())
    assert noisy.interval == pytest.approx((gap.mean() - half, gap.mean() + half))
    assert noisy.value == plain.value
    assert noisy.p_value > plain.p_value
    empty = LabelNoise(np.full(9, np.nan), np.full(9, np.nan))
    assert paired_difference([pair], noise=empty).interval == plain.interval
    assert empty.variance == 0
