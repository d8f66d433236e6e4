"""Confidence sequences: the formula, what it promises, and what daily peeking does without it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.experiment.sequential import Look, Step, always_valid_p, critical, follow, is_thin
from evaluation.moments import Arm, Contrast, Moments, ratio_contrast

Numbers = NDArray[Any]


def contrast(z: float, se: float = 0.01, control: float = 0.4) -> Contrast:
    """A comparison whose estimate is `z` standard errors."""
    arm = se**2 / 2
    return Contrast(Arm(control + z * se, arm, arm**2 / 5000), Arm(control, arm, arm**2 / 5000))


def by_the_paper(sigma: float, users: int, tightest_at: int, alpha: float) -> float:
    """Half-width as REFERENCE §4 writes it; σ̂ is the standard error at this look."""
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tightest_at
    inside = (
        2 * (users * rho2 + 1) / (users**2 * rho2) * math.log(math.sqrt(users * rho2 + 1) / alpha)
    )
    return sigma * math.sqrt(users) * math.sqrt(inside)


@pytest.mark.parametrize("users", [1, 37, 200, 5000, 10_000, 10**6, 10**9])
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.2])
def test_the_formula(users: int, alpha: float) -> None:
    expected = by_the_paper(0.02, users, 10_000, alpha)
    assert 0.02 * critical(users, 10_000, alpha) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("users", "expected"),
    # At α = .05, Nρ² = 7.93607 at N = N*: √(2 · 8.93607/7.93607 · ln(√8.93607/.05)) = 3.03521.
    [(100, 9.08438), (1000, 3.85505), (10_000, 3.03521), (20_000, 3.06148), (10**6, 3.56164)],
)
def test_standard_errors_worked_out_by_hand(users: int, expected: float) -> None:
    assert critical(users, 10_000, 0.05) == pytest.approx(expected, abs=5e-6)


def test_p_worked_out_by_hand() -> None:
    # √8.93607 · exp(-9 · 7.93607 / (2 · 8.93607)) = 2.98933 · exp(-3.99643)
    assert always_valid_p(3.0, 10_000, 10_000, 0.05) == pytest.approx(0.0549479, abs=5e-7)
    assert always_valid_p(0.0, 10_000, 10_000, 0.05) == 1.0
    assert always_valid_p(60.0, 10_000, 10_000, 0.05) == pytest.approx(0.0, abs=1e-300)


def test_no_users_no_bound() -> None:
    assert critical(0, 10_000, 0.05) == math.inf
    assert always_valid_p(9.0, 0, 10_000, 0.05) == 1.0


@given(
    z=st.floats(-12, 12),
    users=st.integers(200, 10**8),
    tightest_at=st.integers(1, 10**7),
    alpha=st.floats(0.0005, 0.4),
)
def test_p_is_below_alpha_exactly_when_the_sequence_excludes_zero(
    z: float, users: int, tightest_at: int, alpha: float
) -> None:
    assume(abs(abs(z) - critical(users, tightest_at, alpha)) > 1e-9)
    step = Step("", (users // 2, users - users // 2), contrast(z))
    (look,) = follow([step], alpha=alpha, tightest_at=tightest_at)
    assert look.sequence is not None
    assert look.p_always_valid is not None
    excludes = look.sequence[0] > 0 or look.sequence[1] < 0
    assert (look.p_always_valid < alpha) == excludes
    assert look.crossed == (excludes if z > 0 else -excludes)
    if look.rel_sequence is not None:
        assert (look.rel_sequence[0] > 0 or look.rel_sequence[1] < 0) == excludes


@given(users=st.integers(1, 10**9), tightest_at=st.integers(1, 10**8))
def test_it_is_always_wider_than_one_look(users: int, tightest_at: int) -> None:
    assert critical(users, tightest_at, 0.05) > 3.03


def test_it_is_tightest_where_it_is_said_to_be() -> None:
    widths = {users: critical(users, 10_000, 0.05) for users in range(5000, 20_000, 10)}
    assert min(widths, key=lambda users: widths[users]) == pytest.approx(10_000, rel=0.05)


def test_looks_begin_with_enough_users_and_p_never_rises() -> None:
    steps = [
        Step("1", (99, 500), contrast(9.0)),
        Step("2", (200, 700), None),
        Step("2", (300, 800), contrast(9.0), thin=True),
        Step("3", (400, 900), contrast(4.9)),
        Step("4", (500, 950), contrast(0.3)),
        Step("5", (4000, 4000), contrast(-9.0)),
    ]
    looks = follow(steps, tightest_at=1000, min_users=100)
    assert [look.step for look in looks] == steps
    assert looks[:3] == [Look(step, None, None, None) for step in steps[:3]]
    assert {look.level for look in looks} == {0.95}
    p = [look.p_always_valid for look in looks[3:]]
    assert p[0] == p[1] == pytest.approx(always_valid_p(4.9, 1300, 1000, 0.05))
    assert p[2] == pytest.approx(always_valid_p(9, 8000, 1000, 0.05))
    assert [look.crossed for look in looks] == [0, 0, 0, 1, 1, 1]
    assert looks[4].sequence == steps[4].contrast.interval_at(critical(1450, 1000, 0.05))  # type: ignore[union-attr]
    assert follow([]) == []


def test_no_relative_sequence_where_the_control_may_be_zero() -> None:
    (look,) = follow([Step("1", (500, 500), contrast(1.0, control=0.02))])
    assert look.sequence is not None
    assert look.rel_sequence is None


def arm(n: int, x: Numbers, y: Numbers | None = None) -> Moments:
    """An arm of n users of whom the first have these x (and y, else 1)."""
    table = np.zeros((n, 4))
    table[: len(x), 0] = x
    table[:, 1] = 1 if y is None else y
    return Moments.of(table)


@pytest.mark.parametrize(
    ("treatment", "control", "share", "thin"),
    [
        (arm(500, np.ones(20)), arm(500, np.ones(20)), True, False),
        (arm(500, np.ones(19)), arm(500, np.ones(20)), True, True),
        (arm(500, np.ones(480)), arm(500, np.ones(300)), True, False),
        (arm(500, np.ones(300)), arm(500, np.ones(481)), True, True),
        (arm(500, np.zeros(1)), arm(500, np.ones(300)), True, True),
        (arm(500, np.ones(20)), arm(500, np.ones(500)), False, False),
        (arm(500, np.r_[np.ones(30), 100]), arm(500, np.ones(500)), False, True),
        (arm(500, np.ones(150)), arm(1500, np.ones(150)), False, False),
        (arm(500, np.ones(149)), arm(1500, np.ones(150)), False, True),
        (arm(500, np.ones(149)), arm(1499, np.ones(150)), False, False),
        (arm(50, np.ones(50), np.r_[1000, np.ones(49)]), arm(50, np.ones(50)), False, True),
    ],
)
def test_what_is_thin(treatment: Moments, control: Moments, share: bool, thin: bool) -> None:
    assert is_thin(treatment, control, share=share) == thin
    assert is_thin(control, treatment, share=share) == thin


def crossings(looks: list[Look], alpha: float = 0.05) -> tuple[bool, bool, bool]:
    """Whether the sequence excluded 0 at some look; the fixed test at any step; at the last.

    Who peeks at the fixed test does not wait until the data are no longer thin.
    """
    seen = [look for look in looks if look.sequence is not None]
    excludes = any(low > 0 or high < 0 for low, high in map(_sequence, seen))
    if seen:
        last = seen[-1].p_always_valid
        assert last is not None
        assert (last < alpha) == excludes
    steps = [look.step for look in looks if min(look.step.users) >= 100]
    fixed = [step.contrast.p_value < alpha for step in steps if step.contrast]
    return excludes, any(fixed), fixed[-1]


def _sequence(look: Look) -> tuple[float, float]:
    assert look.sequence is not None
    return look.sequence


def daily(rng: np.random.Generator, users: int, days: int) -> list[Step]:
    """An A/A experiment: heavy users return over weeks, with a taste each; a look every evening."""
    treated = rng.random(users) < 0.5
    first = np.minimum(rng.exponential(days / 4, users).astype(int), days - 1)
    taste = rng.beta(0.8, 1.2, users)
    habit = np.minimum(rng.lognormal(-1.2, 1.3, users), 8)
    here = np.arange(days) >= first[:, None]
    sessions = rng.poisson(habit[:, None] * here) + (np.arange(days) == first[:, None])
    fulfilled = rng.binomial(sessions, taste[:, None]).cumsum(axis=1)
    sessions = sessions.cumsum(axis=1)
    steps = []
    for day in range(days):
        users = here[:, day]
        steps.append(step(str(day), fulfilled[users, day], sessions[users, day], treated[users]))
    return steps


def step(
    name: str, x: Numbers, y: Numbers, treated: NDArray[np.bool_], *, share: bool = True
) -> Step:
    """All data up to a look, as moments."""
    nothing = np.zeros(len(x))
    table = np.column_stack([x, y, nothing, nothing])
    arms = Moments.of(table[treated]), Moments.of(table[~treated])
    made = ratio_contrast([arms[0]], [arms[1]], cuped=False)
    return Step(name, (arms[0].n, arms[1].n), made, is_thin(*arms, share=share))


def every_50_users(rng: np.random.Generator, users: int) -> list[Step]:
    """An A/A experiment in which users come one by one, each with all of a heavy-tailed total."""
    treated = rng.random(users) < 0.5
    sessions = 1.0 + rng.poisson(np.minimum(rng.lognormal(0.5, 1.2, users), 100))
    fulfilled = rng.binomial(sessions.astype(int), rng.beta(0.8, 1.2, users)).astype(float)
    return [
        step(str(n), fulfilled[:n], sessions[:n], treated[:n]) for n in range(200, users + 1, 50)
    ]


def money(
    rng: np.random.Generator,
    users: int,
    split: float = 0.5,
    sigma: float = 1.5,
    buyers: float = 0.2,
) -> list[Step]:
    """The same for a mean per user of money: most spend nothing, a few very much."""
    treated = rng.random(users) < split
    spent = np.where(rng.random(users) < buyers, rng.lognormal(2, sigma, users), 0.0)
    ones = np.ones(users)
    return [
        step(str(n), spent[:n], ones[:n], treated[:n], share=False)
        for n in range(200, users + 1, users // 40)
    ]


def rare(rng: np.random.Generator, users: int) -> list[Step]:
    """A share of 2 % of users with a split of 1:9."""
    treated = rng.random(users) < 0.1
    bought = (rng.random(users) < 0.02).astype(float)
    ones = np.ones(users)
    return [
        step(str(n), bought[:n], ones[:n], treated[:n]) for n in range(1000, users + 1, users // 20)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment",
    [
        # share of 2,000 A/A experiments that cross: sequence; fixed test at any look; at the last
        pytest.param(lambda rng: daily(rng, 1500, 28), id="daily"),  # .009; .176; .043
        pytest.param(lambda rng: every_50_users(rng, 2000), id="every 50"),  # .016; .254; .047
        pytest.param(lambda rng: money(rng, 2000), id="money"),  # .006; .196; .038
    ],
)
def test_peeking_all_the_time_crosses_in_at_most_five_percent(
    experiment: Callable[[np.random.Generator], list[Step]],
) -> None:
    rng = np.random.default_rng(7)
    runs = 2000
    found = np.zeros(3)
    for _ in range(runs):
        found += crossings(follow(experiment(rng), tightest_at=1500))
    sequence, peeked, once = found / runs
    assert sequence <= 0.05
    assert peeked > max(0.15, 10 * sequence)
    assert 0.035 <= once <= 0.065


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment",
    [
        # share of 600 A/A experiments that cross: as it is; with looks at thin data as well
        pytest.param(lambda rng: rare(rng, 16_000), id="rare"),  # .002; .110
        pytest.param(
            lambda rng: money(rng, 12_000, 0.1, 1.3, buyers=1.0), id="money"
        ),  # .028; .062
    ],
)
def test_thin_data_have_to_wait(experiment: Callable[[np.random.Generator], list[Step]]) -> None:
    rng = np.random.default_rng(11)
    runs = 600
    crossed = np.zeros(2)
    for _ in range(runs):
        steps = experiment(rng)
        early = [dataclasses.replace(step, thin=False) for step in steps]
        crossed += [follow(each, tightest_at=5000)[-1].crossed != 0 for each in (steps, early)]
    assert crossed[0] / runs <= 0.05
    assert crossed[1] / runs > 0.05


@pytest.mark.slow
def test_looking_on_the_way_to_a_plan_costs_little() -> None:
    """The verdict's rule: the sequence before the planned users are in, the fixed test then."""
    rng = np.random.default_rng(1)
    runs, looks = 100_000, 28
    share = np.arange(1, looks + 1) / looks
    z = rng.standard_normal((runs, looks)).cumsum(axis=1) / np.sqrt(np.arange(1, looks + 1))
    bounds = np.array([critical(10_000 * s, 10_000, 0.05) for s in share])
    early = (np.abs(z) > bounds)[:, :-1].any(axis=1)
    wrong = early | (np.abs(z[:, -1]) > 1.959964)
    assert wrong.mean() == pytest.approx(0.054, abs=0.003)
    assert (np.abs(z) > bounds).any(axis=1).mean() < 0.02
