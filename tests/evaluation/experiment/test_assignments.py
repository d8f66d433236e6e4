"""Random splits: every sum is that of the users who are really in it."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.experiment import assignments
from evaluation.experiment.assignments import Measure, Users, split_blocks
from evaluation.experiment.effects import Effect
from evaluation.experiment.many import SUMS

SHARES = (0.5, 0.3, 0.2)


def made(n: int = 500, lift: float = 0.1) -> Users:
    rng = np.random.default_rng(0)
    y = rng.poisson(3, n) + 1.0
    values = np.column_stack([rng.gamma(2, y), y, rng.gamma(2, y), y])
    effect = Effect.of(lift, x=values[:, 0].sum(), y=y.sum(), flips=False)
    bounds = np.array([0, 120, n])
    who = np.arange(n)  # a place of its own for everyone: the counts then say who is where
    measure = Measure(values, effect, values[:, :2])
    return Users(("FR", "US"), bounds, (measure,), {"user": who, "country": (who >= 120) * 1})


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignments, "USERS_AT_ONCE", 37)
    monkeypatch.setattr(assignments, "SPLITS_AT_ONCE", 16)


def test_sums_are_those_of_the_users_in_a_variant(small_blocks: None) -> None:
    users = made()
    blocks = list(split_blocks(users, SHARES, runs=40, seed=5))
    assert [block.counts["user"].shape[1] for block in blocks] == [16, 16, 8]
    values = users.measures[0].values
    for block in blocks:
        sums, who = block.sums[0], block.counts["user"]
        assert (who.sum(axis=0) == 1).all()  # everyone is in exactly one variant
        for split in range(0, who.shape[1], 5):
            for stratum, part in enumerate((slice(0, 120), slice(120, 500))):
                arms = [sums.control[split], *(sums.treated[t, split] for t in (0, 1))]
                for variant, arm in enumerate(arms):
                    mine = values[part][who[variant, split, part] == 1]
                    expected = [len(mine), *mine.sum(axis=0)]
                    products = mine.T @ mine
                    expected += list(products[np.triu_indices(4)])
                    assert arm[stratum] == pytest.approx(expected, rel=1e-12)
                    assert block.counts["country"][variant, split, stratum] == len(mine)
            naive = [values[who[v, split] == 1, :2].sum(axis=0) for v in range(3)]
            assert sums.naive[:, split] == pytest.approx(np.array(naive), rel=1e-12)


def test_the_effect_is_on_the_treated_alone(small_blocks: None) -> None:
    sums = next(split_blocks(made(), SHARES, runs=4, seed=1)).sums[0]
    ratio = sums.lifted / sums.treated
    once = [SUMS.index(name) for name in ("x", "x_y", "x_x0", "x_y0")]
    assert ratio[..., once] == pytest.approx(np.full_like(ratio[..., once], 1.1))
    assert ratio[..., SUMS.index("x_x")] == pytest.approx(np.full_like(ratio[..., 0], 1.21))
    rest = [i for i in range(len(SUMS)) if i not in (*once, SUMS.index("x_x"))]
    assert ratio[..., rest] == pytest.approx(np.ones_like(ratio[..., rest]))


def test_shares_are_kept_and_seeds_repeat() -> None:
    users = made(4000)
    first = next(split_blocks(users, SHARES, runs=100, seed=7))
    shares = first.counts["user"].sum(axis=2) / 4000
    assert shares.mean(axis=1) == pytest.approx(SHARES, abs=0.003)
    spread = shares[1].std()
    assert spread == pytest.approx(np.sqrt(0.3 * 0.7 / 4000), rel=0.25)
    again = next(split_blocks(users, SHARES, runs=100, seed=7))
    other = next(split_blocks(users, SHARES, runs=100, seed=8))
    assert np.array_equal(first.counts["user"], again.counts["user"])
    assert not np.array_equal(first.counts["user"], other.counts["user"])
    assert np.array_equal(first.sums[0].lifted, again.sums[0].lifted)


def test_fewer_runs_are_the_first_of_more() -> None:
    few = list(split_blocks(made(), (0.5, 0.5), runs=128, seed=0))
    more = list(split_blocks(made(), (0.5, 0.5), runs=300, seed=0))
    assert len(more) == 3
    assert np.array_equal(few[0].sums[0].treated, more[0].sums[0].treated)
