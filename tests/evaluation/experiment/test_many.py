"""Thousands of comparisons at once are those of `ratio_contrast`, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.experiment.lift import stratified
from evaluation.experiment.many import SUMS, Contrasts, contrasts, large_strata
from evaluation.moments import NOTHING, VARIABLES, Contrast, Moments, ratio_contrast


def sums(moments: Moments) -> list[float]:
    named = {"n": float(moments.n), **dict(zip(VARIABLES, moments.sums, strict=True))}
    for i, a in enumerate(VARIABLES):
        for j, b in enumerate(VARIABLES):
            named[f"{a}_{b}"] = moments.products[i, j]
    return [named[name] for name in SUMS]


def users(rng: np.random.Generator, n: int, *, before: bool, binary: bool) -> Moments:
    if not n:
        return NOTHING
    y = rng.poisson(3, n) + 1.0
    y0 = rng.poisson(2, n) * float(before)
    x = rng.binomial(y.astype(int), 0.4) if binary else rng.gamma(2, y)
    x0 = rng.binomial(y0.astype(int), 0.4) if binary else rng.gamma(2, y0 + 1e-9)
    return Moments.of(np.column_stack([x, y, x0 * (y0 > 0), y0]))


def drawn(
    seed: int, runs: int, strata: int, most: int, *, before: bool, binary: bool
) -> tuple[Any, list[list[tuple[Moments, Moments]]]]:
    rng = np.random.default_rng(seed)
    made = [
        [
            tuple(
                users(rng, int(rng.integers(0, most)), before=before, binary=binary)
                for _ in range(2)
            )
            for _ in range(strata)
        ]
        for _ in range(runs)
    ]
    arrays = np.array([[[sums(arm) for arm in pair] for pair in run] for run in made])
    return arrays.transpose(2, 0, 1, 3), made  # type: ignore[return-value]


def check(found: Contrasts, run: int, expected: Contrast | None) -> None:
    assert found.defined[run] == (expected is not None)
    if expected is None:
        assert np.isnan(found.p_value[run])
        return
    interval, relative = found.interval(0.9), found.rel_interval(0.9)
    pairs = [
        (found.values[0][run], expected.treatment.value),
        (found.values[1][run], expected.control.value),
        (found.difference[run], expected.difference),
        (found.variance[run], expected.variance),
        (found.df[run], expected.df),
        (found.theta[run], expected.theta),
        (found.p_value[run], expected.p_value),
        *zip((ends[run] for ends in interval), expected.interval(0.9), strict=True),
    ]
    fieller = expected.rel_interval(0.9)
    assert np.isnan(relative[0][run]) == (fieller is None)
    if fieller:
        pairs += zip((ends[run] for ends in relative), fieller, strict=True)
    for ours, theirs in pairs:
        assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    strata=st.integers(1, 5),
    most=st.sampled_from([4, 30, 60, 300]),
    before=st.booleans(),
    binary=st.booleans(),
    cuped=st.booleans(),
)
def test_equal_to_the_comparison_of_analyze(
    seed: int, strata: int, most: int, before: bool, binary: bool, cuped: bool
) -> None:
    arrays, made = drawn(seed, 4, strata, most, before=before, binary=binary)
    found = contrasts(*large_strata(arrays[0], arrays[1]), cuped=cuped)
    for run, arms in enumerate(made):
        check(found, run, stratified([arm for arm in arms if arm[0].n + arm[1].n], cuped=cuped))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), before=st.booleans())
def test_equal_to_ratio_contrast_stratum_by_stratum(seed: int, before: bool) -> None:
    arrays, made = drawn(seed, 3, 2, 50, before=before, binary=True)
    found = contrasts(arrays[0], arrays[1])
    for run, arms in enumerate(made):
        treated, control = zip(*arms, strict=True)
        check(found, run, ratio_contrast(treated, control))


def test_the_smallest_large_stratum_joins_small_ones_that_are_too_few() -> None:
    rng = np.random.default_rng(3)
    arms = [
        (users(rng, n, before=True, binary=True), users(rng, n, before=True, binary=True))
        for n in (100, 50, 3)
    ]
    arrays = np.array([[[sums(arm) for arm in pair] for pair in arms]]).transpose(2, 0, 1, 3)
    treated, control = large_strata(arrays[0], arrays[1])
    assert treated[0, :, 0].tolist() == [100, 0, 0, 53]
    check(contrasts(treated, control), 0, stratified(arms, cuped=True))


def test_nothing_varies_and_nobody_is_there() -> None:
    same = sums(Moments.of(np.tile([1.0, 2.0, 0.0, 0.0], (40, 1))))
    nobody = [0.0] * len(SUMS)
    arrays = np.array([[same], [nobody]])
    assert contrasts(arrays, arrays).defined.tolist() == [False, False]
