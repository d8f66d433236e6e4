"""`prediction_powered`: the estimator against closed forms, another package, its own promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from evaluation.assisted.prediction_powered import (
    MIN_ASSISTED,
    MIN_STRATUM,
    Stratum,
    assist,
    merged,
    powered,
    satterthwaite,
    total,
)

Floats = NDArray[np.float64]


def stratum(y: Floats, f: Floats, others: Floats) -> Stratum:
    """A stratum in which the metric is defined everywhere."""
    return Stratum(*(np.column_stack([v, np.ones(len(v))]) for v in (y, f, others)))


def drawn(
    n: int = 60, n_others: int = 600, *, follows: float = 0.8, bias: float = -0.1, seed: int = 0
) -> Stratum:
    rng = np.random.default_rng(seed)
    x, own = rng.normal(size=(2, n + n_others))
    y = 0.7 + 0.1 * (follows * x + np.sqrt(1 - follows**2) * own)
    f = 0.7 + bias + 0.1 * x
    return stratum(y[:n], f[:n], f[n:])


def test_without_the_teacher_it_is_the_plain_t_interval() -> None:
    one = drawn()
    alone = powered([one], weight=0.0)
    theirs = stats.ttest_1samp(one.people[:, 0], 0).confidence_interval(0.95)
    assert alone.value == pytest.approx(one.people[:, 0].mean())
    assert alone.interval() == pytest.approx((theirs.low, theirs.high))
    assert alone.df == 59


def test_undefined_queries_leave_the_plain_t_interval_of_the_others() -> None:
    one = drawn()
    defined = np.arange(60) % 4 != 0
    holes = Stratum(one.people * defined[:, None], one.teacher, one.others)
    alone = powered([holes], weight=0.0)
    theirs = stats.ttest_1samp(one.people[defined, 0], 0).confidence_interval(0.95)
    assert alone.interval() == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_a_given_weight_is_the_formula_of_the_paper(weight: float) -> None:
    one = drawn(bias=0.2)
    y, f, others = one.people[:, 0], one.teacher[:, 0], one.others[:, 0]
    found = powered([one], weight=weight)
    assert found.value == pytest.approx(weight * others.mean() + (y - weight * f).mean())
    variance = np.var(y - weight * f, ddof=1) / len(y)
    variance += weight**2 * np.var(others, ddof=1) / len(others)
    assert found.variance == pytest.approx(variance)


def test_the_figures_of_ppi_python() -> None:
    """ppi-python 0.2.3, ppi_mean_pointestimate and ppi_mean_ci (normal quantiles, ddof 0)."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=5400)
    y, f = 0.7 + 0.1 * x + 0.08 * rng.normal(size=5400), 0.65 + 0.12 * x
    one = stratum(y[:400], f[:400], f[400:])
    for weight, value, low, high in (
        (0.5, 0.70365842, 0.6947476, 0.71256925),
        (1.0, 0.70177804, 0.69316675, 0.71038934),
        (None, 0.70256158, 0.69436837, 0.71075479),
    ):
        found = powered([one], weight=weight)
        assert found.value == pytest.approx(value, abs=1e-8 if weight else 1e-4)
        assert found.interval() == pytest.approx((low, high), abs=1e-4)


def test_a_perfect_teacher_of_everything_leaves_only_its_own_sampling() -> None:
    one = drawn(follows=1.0, n_others=100_000)
    found, alone = assist([one])
    assert found.weight == pytest.approx(1.0, abs=0.01)
    assert found.value == pytest.approx(0.7, abs=0.002)
    assert found.half_width() < 0.05 * alone.half_width()


def test_the_weight_is_found_without_the_query_it_is_used_for() -> None:
    one = drawn(n=30)
    y, f = one.people[:, 0], one.teacher[:, 0]
    weights = []
    for left_out in range(30):
        rest = np.delete(np.arange(30), left_out)
        slope = np.cov(y[rest], f[rest])[0, 1] / np.var(f[rest], ddof=1)
        # the shares of n and N stay those of the whole sample
        weights.append(min(slope / (1 + 30 / 600), 1.0))
    found = powered([one])
    assert found.weight == pytest.approx(np.mean(weights), rel=1e-9)
    residual = y - np.array(weights) * (f - one.others[:, 0].mean())
    assert found.value == pytest.approx(residual.mean(), rel=1e-9)


def test_a_ratio_is_estimated_as_numerator_over_denominator() -> None:
    rng = np.random.default_rng(1)
    defined = rng.random(4_000) < 0.7
    y = np.where(defined, 0.6 + 0.1 * rng.normal(size=4_000), 0.0)
    people = np.column_stack([y, defined])
    teacher = np.column_stack([y * 0.9, np.where(defined, 0.9, 0.2)])
    one = Stratum(people[:200], teacher[:200], teacher[200:])
    found, alone = assist([one])
    assert alone.value == pytest.approx(people[:200, 0].sum() / defined[:200].sum())
    assert found.half_width() < alone.half_width()
    assert found.value == pytest.approx(people[:, 0].sum() / defined.sum(), abs=0.015)


def test_strata_weigh_what_they_have_of_the_queries() -> None:
    big = stratum(np.full(20, 0.8), np.zeros(20), np.zeros(980))
    small = stratum(np.full(20, 0.4), np.zeros(20), np.zeros(80))
    assert powered([big, small], weight=0.0).value == pytest.approx((0.8 * 1000 + 0.4 * 100) / 1100)


def test_graded_queries_without_a_teacher_are_used_all_the_same() -> None:
    one = drawn(n=200, n_others=2_000)
    teacher = one.teacher.copy()
    teacher[:100] = np.nan
    half = Stratum(one.people, teacher, one.others)
    found, alone = assist([half])
    y, f = one.people[:, 0], one.teacher[100:, 0]
    fixed = powered([half], weight=0.6)
    assert fixed.value == pytest.approx(y.mean() + 0.6 * (one.others[:, 0].mean() - f.mean()))
    assert alone.value == pytest.approx(y.mean())
    assert assist([one])[0].half_width() < found.half_width() < alone.half_width()


def test_few_graded_queries_are_left_to_people() -> None:
    one = drawn(n=MIN_ASSISTED - 1)
    found, alone = assist([one])
    assert found is alone
    assert found.weight == 0
    assert assist([drawn(n=MIN_ASSISTED + 10)])[0].weight > 0


def test_no_other_queries_and_a_constant_teacher_are_no_help() -> None:
    one = drawn()
    for useless in (
        Stratum(one.people, one.teacher, one.others[:0]),
        Stratum(one.people, np.ones_like(one.teacher), np.ones_like(one.others)),
    ):
        found, alone = assist([useless])
        assert (found.value, found.weight) == (alone.value, 0.0)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(5, 80), st.integers(0, 300), st.floats(-1, 1))
def test_never_wider_than_people_alone(seed: int, n: int, others: int, follows: float) -> None:
    found, alone = assist([drawn(n, others, follows=follows, seed=seed)])
    assert found.half_width() <= alone.half_width()
    assert 0 <= found.weight <= 1


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.1, 5), st.floats(-2, 2))
def test_the_unit_of_the_metric_does_not_matter(seed: int, scale: float, shift: float) -> None:
    one = drawn(40, 100, seed=seed)
    y, f, others = one.people[:, 0], one.teacher[:, 0], one.others[:, 0]
    moved = stratum(y * scale + shift, f * scale - shift, others * scale - shift)
    before, after = powered([one]), powered([moved])
    assert after.value == pytest.approx(before.value * scale + shift, abs=1e-9)
    assert after.half_width() == pytest.approx(before.half_width() * scale, rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 15), min_size=1, max_size=6))
def test_merging_keeps_every_query_and_leaves_no_small_stratum(sizes: list[int]) -> None:
    strata = [drawn(n, 3, seed=i) for i, n in enumerate(sizes)]
    found = merged(strata)
    assert sum(len(s.people) for s in found) == sum(sizes)
    assert sum(len(s.others) for s in found) == 3 * len(sizes)
    assert all(s.n_defined >= MIN_STRATUM for s in found) or len(found) == 1


def test_a_total_is_the_weighted_mean_of_independent_groups() -> None:
    parts = [powered([drawn(40, 100, seed=s)]) for s in (1, 2)]
    both = total(parts, [3, 1])
    assert both.value == pytest.approx(0.75 * parts[0].value + 0.25 * parts[1].value)
    variances = np.array([0.75**2 * parts[0].variance, 0.25**2 * parts[1].variance])
    assert both.variance == pytest.approx(variances.sum())
    assert both.df == pytest.approx(satterthwaite(variances, np.array([39.0, 39.0])))


def test_nothing_defined_is_nothing_said() -> None:
    one = drawn()
    empty = Stratum(np.zeros_like(one.people), one.teacher, one.others)
    found, _ = assist([empty])
    assert np.isnan(found.value)
    assert found.interval() is None


def test_one_query_has_no_interval() -> None:
    found, _ = assist([drawn(n=1)])
    assert found.interval() is None
    assert not np.isnan(found.value)


@pytest.mark.parametrize("follows", [0.0, 0.8])
def test_intervals_of_forty_queries_in_two_strata_cover(follows: float) -> None:
    """600 samples: two standard errors below 93 %. The slow tests take the world's queries."""
    hits, ratios = 0, []
    for seed in range(600):
        parts = [drawn(20, 200, follows=follows, bias=b, seed=2 * seed + i)
                 for i, b in enumerate((0.3, -0.2))]  # fmt: skip
        found, alone = assist(parts)
        ends = found.interval()
        assert ends is not None
        hits += ends[0] <= 0.7 <= ends[1]
        ratios.append(found.half_width() / alone.half_width())
    assert hits / 600 >= 0.91
    assert np.mean(ratios) < (0.75 if follows else 1.0)
