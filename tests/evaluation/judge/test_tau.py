"""Kendall's τ-b against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from evaluation.judge.tau import tau_of_lists, tau_with_influence

LISTS = st.lists(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=8), min_size=1, max_size=8
)


@settings(deadline=None, max_examples=80)
@given(LISTS)
def test_lists_are_scipys(lists: list[list[tuple[int, int]]]) -> None:
    starts = np.cumsum([0, *map(len, lists)])
    pairs = np.array([pair for pairs in lists for pair in pairs], dtype=float).reshape(-1, 2)
    found = tau_of_lists(pairs[:, 0], pairs[:, 1], starts)
    for tau, pairs_of in zip(found, lists, strict=True):
        x, y = [p[0] for p in pairs_of], [p[1] for p in pairs_of]
        if len(set(y)) < 2:
            assert np.isnan(tau)
        elif len(set(x)) < 2:
            assert tau == 0
        else:
            assert tau == pytest.approx(kendalltau(x, y).statistic, abs=1e-12)


def test_influence_is_the_jackknifes() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 9, 400) / 9
    x = y + rng.normal(0, 0.4, 400)
    tau, influence = tau_with_influence(x, y)
    assert tau == pytest.approx(kendalltau(x, y).statistic, abs=1e-12)
    jackknife = [
        tau - kendalltau(np.delete(x, i), np.delete(y, i)).statistic for i in range(0, 400, 10)
    ]
    assert np.corrcoef(influence[::10], jackknife)[0, 1] > 0.999
    assert np.std(influence[::10]) == pytest.approx(np.std(jackknife), rel=0.02)
    assert abs(influence.sum()) < 1e-9


def test_values_that_do_not_vary_have_no_order() -> None:
    tau, influence = tau_with_influence(np.ones(5), np.arange(5.0))
    assert np.isnan(tau)
    assert not influence.any()
