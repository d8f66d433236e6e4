"""How often the analysis is wrong where the truth is known: heavy users, every kind of outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from evaluation.moments import Contrast, Moments, ratio_contrast

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Made = Callable[[np.random.Generator, int, Floats], Floats]
"""Users (x, y, x0, y0) of whom each has a relative lift."""


def _rate(rate: float) -> Made:
    """Sessions of heavy users whose tastes differ; near 1 it is the failures that shrink."""

    def users(rng: np.random.Generator, n: int, lift: Floats) -> Floats:
        weight = np.minimum(rng.lognormal(1, 1, n), 200)
        taste = rng.beta(4 * rate, 4 * (1 - rate), n)
        y, y0 = 1 + rng.poisson(weight), rng.poisson(weight)
        lifted = taste * (1 + lift) if rate < 0.5 else 1 - (1 - taste) * _failing(rate, lift)
        columns = [rng.binomial(y, np.minimum(lifted, 1)), y, rng.binomial(y0, taste), y0]
        return np.column_stack(columns).astype(float)

    return users


def _failing(rate: float, lift: Floats) -> Floats:
    return np.asarray((1 - rate * (1 + lift)) / (1 - rate))


def _any(rate: float) -> Made:
    """Users who have something with this probability, and had it before with another."""

    def users(rng: np.random.Generator, n: int, lift: Floats) -> Floats:
        x, x0 = rng.random(n) < rate * (1 + lift), rng.random(n) < 0.3
        return np.column_stack([x, np.ones(n), x0, np.ones(n)]).astype(float)

    return users


def _mean(rng: np.random.Generator, n: int, lift: Floats) -> Floats:
    """Clicks of heavy users; some have no pre-period."""
    weight = np.minimum(rng.lognormal(1, 1, n), 200)
    known = rng.random(n) < 0.7
    x0 = rng.poisson(weight) * known
    return np.column_stack([rng.poisson(weight * (1 + lift)), np.ones(n), x0, known]).astype(float)


def _ratio(rng: np.random.Generator, n: int, lift: Floats) -> Floats:
    """Clicks ÷ impressions."""
    seen, before = (rng.poisson(5 * np.minimum(rng.lognormal(1, 1, n), 200)) for _ in range(2))
    taste = rng.beta(2, 18, n)
    x = rng.binomial(seen, np.minimum(taste * (1 + lift), 1))
    return np.column_stack([x, seen, rng.binomial(before, taste), before]).astype(float)


def _user(rng: np.random.Generator, n: int, lift: Floats) -> Floats:
    """Money, lognormal."""
    x0 = rng.lognormal(3, 1, n)
    x = x0 * rng.lognormal(0, 0.5, n) * (1 + lift)
    return np.column_stack([x, np.ones(n), x0, np.ones(n)])


KINDS: dict[str, tuple[Made, int]] = {
    "rate .4": (_rate(0.4), 2000),
    "rate .005": (_rate(0.005), 2000),
    "rate .95": (_rate(0.95), 2000),
    "any .3": (_any(0.3), 2000),
    "any .005": (_any(0.005), 8000),
    "any .95": (_any(0.95), 2000),
    "mean": (_mean, 2000),
    "ratio": (_ratio, 2000),
    "user": (_user, 2000),
}
"""Outcome → its users, and how many of them."""


def strata(users: Floats, variant: Ints, country: Ints, which: int) -> list[Moments]:
    return [Moments.of(users[(variant == which) & (country == c)]) for c in range(4)]


def contrasts(users: Floats, variant: Ints, country: Ints) -> dict[str, Contrast | None]:
    """What `analyze` shows: the plain figure, with CUPED, and the primary."""
    arms = [strata(users, variant, country, which) for which in (1, 0)]
    whole = [[Moments.of(users[variant == which])] for which in (1, 0)]
    return {
        "plain": ratio_contrast(*whole, cuped=False),
        "cuped": ratio_contrast(*whole),
        "primary": ratio_contrast(*arms),
    }


def naive_p(users: Floats, variant: Ints) -> float:
    """The z-test over sessions: what gradewise must not do."""
    x, y = (np.array([users[variant == v, i].sum() for v in (0, 1)]) for i in (0, 1))
    pooled = x.sum() / y.sum()
    z = (x[1] / y[1] - x[0] / y[0]) / math.sqrt(pooled * (1 - pooled) * (1 / y).sum())
    return float(2 * stats.norm.sf(abs(z)))


def false_positives(
    made: Made, n: int, runs: int, seed: int, *, naive: bool = False
) -> dict[str, float]:
    """Share of A/A tests that claim an effect at 5 %, by figure."""
    rng = np.random.default_rng(seed)
    claims = dict.fromkeys(("plain", "cuped", "primary", "naive"), 0)
    for _ in range(runs):
        users = made(rng, n, np.zeros(n))
        variant, country = rng.integers(0, 2, n), rng.integers(0, 4, n)
        for name, contrast in contrasts(users, variant, country).items():
            claims[name] += contrast is not None and contrast.p_value < 0.05
        if naive:
            claims["naive"] += naive_p(users, variant) < 0.05
    return {name: count / runs for name, count in claims.items()}


def coverage(made: Made, n: int, lift: float, runs: int, seed: int) -> dict[str, float]:
    """Share of relative intervals of 95 % that hold the true lift, by figure."""
    rng = np.random.default_rng(seed)
    covered = dict.fromkeys(("plain", "cuped", "primary"), 0)
    for _ in range(runs):
        variant, country = rng.integers(0, 2, n), rng.integers(0, 4, n)
        users = made(rng, n, np.where(variant == 1, lift, 0.0))
        for name, contrast in contrasts(users, variant, country).items():
            assert contrast is not None
            interval = contrast.rel_interval(0.95)
            covered[name] += interval is None or interval[0] <= lift <= interval[1]
    return {name: count / runs for name, count in covered.items()}


def claimed(share: dict[str, float]) -> Sequence[float]:
    return [share[name] for name in ("plain", "cuped", "primary")]


def test_false_positives_stay_near_five_percent_and_the_naive_test_does_not() -> None:
    share = false_positives(_rate(0.4), 1200, runs=400, seed=11, naive=True)
    assert all(0.02 <= each <= 0.085 for each in claimed(share)), share
    assert share["naive"] > 0.15, share


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_false_positives_over_two_thousand_runs(kind: str) -> None:
    made, n = KINDS[kind]
    sessions = kind.startswith("rate")
    share = false_positives(made, n, runs=2000, seed=12, naive=sessions)
    assert all(0.035 <= each <= 0.065 for each in claimed(share)), share
    if sessions:
        assert share["naive"] > 0.1, share


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "lift"),
    [
        ("rate .005", 0.2),
        ("rate .4", 0.1),
        ("rate .95", 0.02),
        ("any .005", 0.3),
        ("any .95", 0.02),
        ("mean", 0.1),
        ("ratio", -0.1),
        ("user", 0.1),
    ],
)
def test_relative_intervals_cover_the_true_lift(kind: str, lift: float) -> None:
    """At small and at large rates; where the set is unbounded it covers."""
    made, n = KINDS[kind]
    share = coverage(made, n, lift, runs=2000, seed=13)
    assert min(share.values()) >= 0.94, share
    assert max(share.values()) <= 0.975, share
