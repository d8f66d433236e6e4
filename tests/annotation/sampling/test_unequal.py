from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.sampling.unequal import (
    equal,
    inclusion_probabilities,
    systematic,
    variance_of_total,
)
from relevance.errors import InputError

SIZES = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=40)


class Comb:
    """A random stream with a given order and start."""

    def __init__(self, order, start):
        self.order, self.start = order, start

    def permutation(self, units):
        return np.asarray(units)[list(self.order)]

    def random(self):
        return self.start


def by_hand(sizes, n):
    """π by taking out certain units one after the other."""
    sizes = np.asarray(sizes, dtype=float)
    out = np.zeros(len(sizes))
    open_ = list(range(len(sizes)))
    while n > 0 and open_:
        share = n * sizes[open_] / sizes[open_].sum()
        if share.max() < 1:
            out[open_] = share
            break
        largest = open_[int(np.argmax(share))]
        out[largest] = 1.0
        open_.remove(largest)
        n -= 1
    return out


@settings(deadline=None)
@given(sizes=SIZES, share=st.floats(0, 1))
def test_probabilities_sum_to_n_and_follow_the_sizes(sizes, share):
    n = round(share * len(sizes))
    chance = inclusion_probabilities(np.array(sizes), n)
    assert chance.sum() == pytest.approx(n, abs=1e-9)
    assert chance == pytest.approx(by_hand(sizes, n), abs=1e-9)
    if n:
        assert ((chance > 0) & (chance <= 1)).all()
        order = np.argsort(sizes)
        assert (np.diff(chance[order]) >= -1e-12).all()


def test_certain_units_and_mistakes():
    chance = inclusion_probabilities(np.array([100.0, 1, 1, 1, 1]), 3)
    assert chance.tolist() == [1, 0.5, 0.5, 0.5, 0.5]
    assert inclusion_probabilities(np.array([5.0, 1.0]), 2).tolist() == [1, 1]
    assert inclusion_probabilities(np.array([5.0, 1.0]), 0).tolist() == [0, 0]
    with pytest.raises(InputError, match="3 units cannot be drawn from 2"):
        inclusion_probabilities(np.ones(2), 3)
    with pytest.raises(InputError, match="size 0 could never be drawn"):
        inclusion_probabilities(np.array([1.0, 0.0]), 1)


@settings(deadline=None)
@given(sizes=SIZES, share=st.floats(0, 1), seed=st.integers(0, 99))
def test_a_draw_has_its_size_and_every_certain_unit(sizes, share, seed):
    n = round(share * len(sizes))
    chance = inclusion_probabilities(np.array(sizes), n)
    drawn = systematic(chance, np.random.default_rng(seed))
    assert len(drawn) == n == len(set(drawn.tolist()))
    assert set(np.flatnonzero(chance == 1)) <= set(drawn.tolist())


def test_every_unit_is_hit_with_its_probability_whatever_the_order():
    """All orders of a tiny population and all starts, integrated exactly."""
    chance = inclusion_probabilities(np.array([4.0, 1.0, 2.5, 3.0, 9.0]), 3)
    assert chance.max() == 1.0
    open_ = np.flatnonzero(chance < 1)
    together = np.zeros((5, 5))
    orders = list(itertools.permutations(range(len(open_))))
    for order in orders:
        ends = np.cumsum(chance[open_][list(order)])
        cuts = np.unique(np.concatenate([[0.0, 1.0], np.ceil(ends) - ends, (1 - ends) % 1]))
        hit = np.zeros(5)
        for low, high in itertools.pairwise(cuts):
            units = systematic(chance, Comb(order, (low + high) / 2))
            hit[units] += high - low
            together[np.ix_(units, units)] += (high - low) / len(orders)
        assert hit == pytest.approx(chance, abs=1e-12)
    assert np.diag(together) == pytest.approx(chance, abs=1e-12)
    assert (together > 0).all()  # the random order makes every couple possible


@pytest.mark.parametrize("n", [1, 4, 9])
def test_realised_frequencies_equal_the_probabilities(n):
    sizes = np.exp(np.random.default_rng(5).normal(size=12))
    chance = inclusion_probabilities(sizes, n)
    hits, reps = np.zeros(12), 4000
    for seed in range(reps):
        hits[systematic(chance, np.random.default_rng([seed, n]))] += 1
    error = np.sqrt(chance * (1 - chance) / reps)
    assert (np.abs(hits / reps - chance) <= 4 * error + 1e-12).all()


def test_equal_draws_are_nested_and_equally_likely():
    assert set(equal(9, 3, np.random.default_rng(1))) <= set(equal(9, 5, np.random.default_rng(1)))
    hits = np.zeros(6)
    for seed in range(3000):
        hits[equal(6, 2, np.random.default_rng(seed))] += 1
    assert hits / 3000 == pytest.approx(np.full(6, 1 / 3), abs=4 * np.sqrt(2 / 9 / 3000))


def test_the_variance_is_exact_for_simple_random_sampling():
    """Against the enumeration of all samples."""
    y, n = np.array([1.0, 4.0, 2.0, 8.0, 3.0]), 2
    chance = np.full(5, n / 5)
    totals = [y[list(s)].sum() * 5 / n for s in itertools.combinations(range(5), n)]
    assert variance_of_total(y, chance) == pytest.approx(np.var(totals))


def test_the_variance_is_near_for_unequal_probabilities():
    rng = np.random.default_rng(2)
    sizes = np.exp(rng.normal(size=40))
    y = 2 * sizes + rng.normal(size=40)
    chance = inclusion_probabilities(sizes, 10)
    totals = []
    for seed in range(3000):
        drawn = systematic(chance, np.random.default_rng([seed, 7]))
        totals.append((y[drawn] / chance[drawn]).sum())
    assert np.mean(totals) == pytest.approx(y.sum(), abs=4 * np.std(totals) / np.sqrt(3000))
    assert variance_of_total(y, chance) == pytest.approx(np.var(totals), rel=0.15)


def test_certain_and_hopeless_units_have_no_variance_and_noise_adds():
    y = np.array([5.0, 7.0])
    assert variance_of_total(y, np.array([1.0, 0.0])) == 0.0
    chance = np.full(4, 0.5)
    without = variance_of_total(np.ones(4), chance)
    assert without == pytest.approx(0.0)
    assert variance_of_total(np.ones(4), chance, np.full(4, 0.25)) > 1.0
