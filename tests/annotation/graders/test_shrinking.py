from __future__ import annotations

import numpy as np
import pytest

from annotation.graders.shrinking import paule_mandel, shrink


def test_equal_errors_have_a_closed_form():
    y, error = np.array([0.0, 1.0, 2.0, 5.0]), 0.5
    between = np.var(y, ddof=1) - error**2
    assert paule_mandel(y, np.full(4, error**2)) == pytest.approx(between)
    found = shrink(y, np.full(4, error))
    keep = between / (between + error**2)
    assert found.value == pytest.approx(2 + keep * (y - 2))
    own = keep * error**2 + (1 - keep) ** 2 * (between + error**2) / 4
    assert found.error == pytest.approx(np.full(4, np.sqrt(own)))
    assert found.spread == pytest.approx(np.sqrt(between))


def test_no_more_spread_than_chance_means_no_spread():
    y, error = np.array([0.1, -0.1, 0.0]), np.array([0.5, 1.0, 0.25])
    found = shrink(y, error)
    mean = np.average(y, weights=1 / error**2)
    assert found.spread == 0
    assert found.value == pytest.approx(np.full(3, mean))
    assert found.error == pytest.approx(np.full(3, (1 / error**2).sum() ** -0.5))


def test_the_root_makes_the_weighted_squares_as_large_as_expected():
    rng = np.random.default_rng(0)
    s2 = rng.uniform(0.01, 0.5, 30)
    y = rng.normal(0, np.sqrt(s2 + 0.4))
    spread2 = paule_mandel(y, s2)
    w = 1 / (s2 + spread2)
    assert (w * (y - np.average(y, weights=w)) ** 2).sum() == pytest.approx(29)


def test_undefined_figures_stay_undefined():
    found = shrink(np.array([1.0, np.nan, 2.0]), np.array([0.1, 0.1, np.nan]))
    assert np.isnan(found.value).tolist() == [False, True, True]
    assert np.isnan(shrink(np.array([np.nan]), np.array([1.0])).mean)
