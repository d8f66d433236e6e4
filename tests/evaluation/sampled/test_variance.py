"""The variance: the textbook's where there is one, and that of all samples where they are few."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from evaluation.intervals import Ratio
from evaluation.sampled.variance import (
    Spread,
    independent,
    residuals,
    spread_linear,
    spread_ratio,
    total,
    within,
)


def test_simple_random_sampling_has_the_textbook_variance() -> None:
    """N² (1 - f) s² / n (Cochran 1977, §2.6), which is unbiased over all samples."""
    everything = np.array([1.0, 4, 2, 7, 5, 5])
    size, n = len(everything), 3
    chance, stratum = np.full(n, n / size), np.zeros(n, dtype=np.int64)
    samples = [everything[list(rows)] for rows in combinations(range(size), n)]
    totals = [some.sum() * size / n for some in samples]
    found = [within(some * size / n, chance, stratum) for some in samples]
    textbook = [size**2 * (1 - n / size) * some.var(ddof=1) / n for some in samples]
    assert found == pytest.approx(textbook)
    assert np.mean(found) == pytest.approx(np.var(totals))


def test_strata_add_up_and_certain_units_add_nothing() -> None:
    moved = np.array([3.0, 5, 8, 1, 2, 9])
    chance = np.array([0.5, 0.5, 0.5, 0.2, 0.2, 1.0])
    stratum = np.array([0, 0, 0, 1, 1, 2])
    apart = sum(
        within(moved[stratum == h], chance[stratum == h], np.zeros((stratum == h).sum(), int))
        for h in range(3)
    )
    assert within(moved, chance, stratum) == pytest.approx(apart)
    assert within(moved[5:], chance[5:], stratum[5:] - 2) == 0


def test_a_unit_alone_in_its_stratum_counts_as_drawn_by_itself() -> None:
    one = np.array([4.0]), np.array([0.25])
    assert within(*one, np.array([0])) == independent(*one) == 0.75 * 16


def test_queries_drawn_at_random_have_s2_over_n() -> None:
    values = np.random.default_rng(1).normal(size=12)
    _, residual = residuals(values, np.ones(12))
    variance = total(residual, residual, np.full(12, 0.3), np.zeros(12, dtype=np.int64))
    assert variance == pytest.approx(values.var(ddof=1) / 12)


def test_a_spread_is_the_estimates_own_and_leaves_the_figure_alone() -> None:
    values, sizes = np.random.default_rng(1).uniform(size=(2, 40))
    plain = Ratio(values, sizes)
    drawn = np.zeros((5, 2))
    own = plain.estimate(drawn).variance
    same = spread_ratio(values, sizes, Spread(own, 40))
    assert same.numerator is values
    wider = spread_ratio(values, sizes, Spread(4 * own, 40)).estimate(drawn)
    assert wider.value == pytest.approx(plain.estimate(drawn).value)
    assert wider.variance == pytest.approx(4 * own)
    few = spread_ratio(values, sizes, Spread(own, 4)).estimate(drawn)
    assert few.variance / own == pytest.approx((3.182 / 2.023) ** 2, rel=1e-3)  # t(3), t(39)
    line = spread_linear(0.8, np.array([0.1, -0.1]), Spread(0.08, 2))
    assert line.influence == pytest.approx([2**0.5 / 10, -(2**0.5) / 10])
