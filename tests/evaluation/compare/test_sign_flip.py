"""The sign-flip test: enumerated, drawn and in closed form."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.compare.sign_flip import (
    CLOSED_FROM,
    FLIPS,
    enumerated,
    saddlepoint,
    sign_flip,
    sign_flips,
)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-8, 8), min_size=1, max_size=9))
def test_few_differences_are_enumerated(eighths: list[int]) -> None:
    """P@8 differences, whose sums are often equal."""
    moved = np.array(eighths) / 8
    every = [abs(sum(s * d for s, d in zip(signs, eighths, strict=True)))
             for signs in itertools.product((1, -1), repeat=len(eighths))]  # fmt: skip
    assert sign_flip(moved) == np.mean(np.array(every) >= abs(sum(eighths)))


def test_enumeration_is_the_exact_permutation_test_of_scipy() -> None:
    values = np.random.default_rng(4).normal(0.3, 1, size=11)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip(values) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_drawn_flips_come_to_the_exact_test_of_all_signs() -> None:
    values = np.random.default_rng(1).standard_t(3, size=16) + 0.45
    exact = enumerated(values)
    assert 0.02 < exact < 0.5
    found = [sign_flip(values, seed=seed) for seed in range(10)]
    assert len(set(found)) > 1  # drawn: 2^16 ways are more than the flips
    assert np.mean(found) == pytest.approx(exact, abs=4 * np.sqrt(exact / FLIPS / 10))


def test_zeros_change_nothing() -> None:
    values = np.random.default_rng(0).normal(0.2, 1, size=30)
    assert sign_flip(np.append(values, np.zeros(50))) == sign_flip(values)
    assert sign_flip(np.zeros(9)) == 1
    assert sign_flip(np.zeros(0)) == 1


def test_drawn_flips_know_their_own_limit() -> None:
    assert sign_flip(np.ones(40), flips=999) == 1 / 1000
    values = np.random.default_rng(0).normal(size=30)
    assert sign_flip(values, seed=3) == sign_flip(values, seed=3) == sign_flip(-values, seed=3)


def test_metrics_that_share_flips_have_the_p_values_they_have_alone() -> None:
    rng = np.random.default_rng(2)
    columns = np.stack([rng.normal(0.1, 1, 60), rng.normal(0.3, 1, 60), np.zeros(60)], axis=1)
    columns[8:, 2] = 0
    columns[:8, 2] = 1
    together = sign_flips(columns, seed=1, key="US")
    assert together.tolist() == [sign_flip(c, seed=1, key="US") for c in columns.T]
    assert together[2] == 2 / 2**8


def test_flips_hold_their_level() -> None:
    rng = np.random.default_rng(5)
    p = np.array([sign_flip(rng.standard_t(3, size=20), seed=i, flips=400) for i in range(500)])
    assert 0.03 <= np.mean(p < 0.05) <= 0.07


def _many(kind: str, rng: np.random.Generator, n: int) -> np.ndarray:
    return {
        "normal": lambda: rng.normal(size=n),
        "heavy": lambda: rng.standard_t(6, size=n),
        "eighths": lambda: rng.integers(-3, 4, size=n) / 8,
        "fifths": lambda: rng.choice([-0.2, 0.0, 0.2], size=n),
        "skewed": lambda: rng.exponential(size=n) - 1,
    }[kind]()


@pytest.mark.parametrize("kind", ["normal", "heavy", "eighths", "fifths", "skewed"])
@pytest.mark.parametrize("z", [0.3, 2.0, 3.0])
def test_the_closed_form_is_what_flips_come_to(kind: str, z: float) -> None:
    """Within the error of 10,000 flips, at the smallest n for which it is used."""
    rng = np.random.default_rng(7)
    values = _many(kind, rng, 3 * CLOSED_FROM)
    values = values[values != 0][:CLOSED_FROM]
    wanted = z * np.sqrt(np.sum(values**2))
    order = np.argsort(-values)  # turn signs until the sum is as wanted
    for index in order:
        gap = wanted - values.sum()
        if abs(values[index]) * 2 <= abs(gap) and np.sign(values[index]) != np.sign(gap):
            values[index] = -values[index]
    bits = np.random.default_rng(8).integers(2, size=(10_000, len(values)), dtype=np.int8)
    sums = 2 * (bits.astype(np.float32) @ values.astype(np.float32)) - np.float32(values.sum())
    drawn = np.mean(np.abs(sums) >= abs(values.sum()) - 1e-3)
    found = saddlepoint(values)
    assert sign_flip(values) == found
    assert found == pytest.approx(drawn, abs=4 * np.sqrt(max(drawn, 1e-4) / 10_000))


def test_the_closed_form_in_the_far_tail() -> None:
    """All of n differences up: 2^(1 - n) exactly; here of few, where it can be told."""
    values = np.linspace(1, 2, 24)
    flipped = values.copy()
    flipped[:2] = -flipped[:2]
    assert saddlepoint(flipped) == pytest.approx(enumerated(flipped), rel=0.15)
    assert 0 < sign_flip(np.ones(5000)) < 1e-250
    assert sign_flip(np.tile([1.0, -1.0], 2000)) == 1


def test_a_few_giants_among_many_are_drawn() -> None:
    """Two thousand small differences and one that decides: the sum has two humps."""
    values = np.append(np.full(CLOSED_FROM, 1e-3), 1.0)
    values[: CLOSED_FROM // 2] *= -1
    assert sign_flip(values) == pytest.approx(0.5, abs=0.03)


def test_a_hundred_thousand_queries_take_no_time() -> None:
    values = np.random.default_rng(0).normal(0.005, 1, size=100_000)
    assert sign_flip(values) == pytest.approx(
        2 * stats.norm.sf(abs(values.sum()) / np.sqrt(np.sum(values**2))), rel=1e-3
    )
