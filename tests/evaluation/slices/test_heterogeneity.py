"""Cochran's Q and I²: against statsmodels and scipy, and whether the p-value keeps its word."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evaluation.slices.heterogeneity import cochran


def test_statsmodels_says_the_same() -> None:
    from statsmodels.stats.meta_analysis import combine_effects

    rng = np.random.default_rng(0)
    values, variances = rng.normal(size=6), rng.uniform(0.05, 0.4, size=6)
    found, theirs = cochran(values, variances), combine_effects(values, variances)
    assert found is not None
    assert (found.q, found.df) == (pytest.approx(theirs.q), theirs.df)
    assert found.i2 == pytest.approx(max(0.0, theirs.i2))
    assert found.p_value == pytest.approx(theirs.test_homogeneity().pvalue)


def test_with_sizes_the_p_value_is_welchs() -> None:
    rng = np.random.default_rng(1)
    groups = [rng.normal(size=n, scale=n / 10) for n in (8, 15, 40, 11)]
    sizes = [len(group) for group in groups]
    found = cochran(
        [group.mean() for group in groups],
        [group.var(ddof=1) / len(group) for group in groups],
        sizes,
    )
    assert found is not None
    welch = stats.f_oneway(*groups, equal_var=False)
    assert found.p_value == pytest.approx(welch.pvalue)


def test_alike_groups_have_no_heterogeneity() -> None:
    found = cochran([0.5, 0.5, 0.5], [0.1, 0.2, 0.3])
    assert found is not None
    assert (found.q, found.df, found.p_value, found.i2) == (0.0, 2, 1.0, 0.0)


def test_groups_without_a_value_or_a_variance_are_left_aside() -> None:
    values, variances = [0.1, 0.5, np.nan, 0.9], [0.1, 0.2, 0.1, 0.0]
    assert cochran(values, variances) == cochran([0.1, 0.5], [0.1, 0.2])
    assert cochran(values, variances, [9, 8, 7, 1]) == cochran([0.1, 0.5], [0.1, 0.2], [9, 8])
    assert cochran([0.1, np.nan], [0.1, 0.1]) is None
    assert cochran([], []) is None


def test_ten_queries_a_group_are_enough_for_welchs_p_value_but_not_for_chi_squares() -> None:
    rng = np.random.default_rng(5)
    draws = rng.normal(size=(1_500, 12, 10))
    values, variances = draws.mean(axis=2), draws.var(axis=2, ddof=1) / 10
    small = {"welch": 0, "chi2": 0}
    for value, variance in zip(values, variances, strict=True):
        welch, chi2 = cochran(value, variance, [10] * 12), cochran(value, variance)
        assert welch is not None
        assert chi2 is not None
        small["welch"] += welch.p_value < 0.05
        small["chi2"] += chi2.p_value < 0.05
    assert 0.035 <= small["welch"] / 1_500 <= 0.075
    assert small["chi2"] / 1_500 > 0.12
