"""True effects: their expectation is exact, for single users and for moments."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.experiment.effects import Effect, counts_successes
from evaluation.moments import Moments
from relevance.errors import SettingsError


def people(n: int = 400) -> np.ndarray:
    rng = np.random.default_rng(1)
    y, y0 = rng.poisson(4, n) + 1, rng.poisson(3, n)
    taste = rng.beta(2, 3, n)
    return np.column_stack([rng.binomial(y, taste), y, rng.binomial(y0, taste), y0]).astype(float)


@pytest.mark.parametrize("flips", [True, False])
@pytest.mark.parametrize("lift", [0.2, 0.0, -0.3])
def test_the_expectation_of_moments_is_that_of_many_draws(flips: bool, lift: float) -> None:
    users = people()
    x, y = users[:, 0], users[:, 1]
    effect = Effect.of(lift, x=x.sum(), y=y.sum(), flips=flips)
    expected = effect.applied(Moments.of(users))
    assert expected.sums[0] == pytest.approx((1 + lift) * x.sum(), rel=1e-12)
    rng = np.random.default_rng(0)
    draws = [np.column_stack([effect.draw(x, y, rng), users[:, 1:]]) for _ in range(2000)]
    mean = np.mean([Moments.of(each).products for each in draws], axis=0)
    assert expected.products == pytest.approx(mean, rel=5e-3 if flips else 1e-12)
    if flips:
        assert all(counts_successes(each[:, 0], y) for each in draws)
    assert expected.products[1:, 1:] == pytest.approx(Moments.of(users).products[1:, 1:])


def test_a_lift_that_cannot_be_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"\+60 % is not possible here.*−100 % and \+50 %"):
        Effect.of(0.6, x=2, y=3, flips=True)
    with pytest.raises(SettingsError, match="−100 % and any number"):
        Effect.of(-1.0, x=2, y=3, flips=False)
    assert Effect.of(0.5, x=2, y=3, flips=True).chance == 1.0


def test_counts_of_successes_are_whole_numbers_up_to_their_trials() -> None:
    ones = np.ones(3)
    assert counts_successes(np.array([0.0, 1.0, 1.0]), ones)
    assert not counts_successes(np.array([0.0, 0.5, 1.0]), ones)
    assert not counts_successes(np.array([0.0, 2.0, 1.0]), ones)
    assert not counts_successes(np.array([0.0, -1.0, 1.0]), ones)
