"""Families: adjusted p-values, the levels that go with them, shrunk effects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evaluation.experiment.families import (
    bh_levels,
    family,
    holm_levels,
    paule_mandel,
    shrink,
)
from evaluation.moments import Arm, Contrast
from evaluation.multiplicity import ADJUSTMENTS, benjamini_hochberg, holm
from relevance.errors import InputError

ALPHA = 0.05

p_values = st.lists(st.floats(0, 1) | st.floats(0, 0.05), min_size=1, max_size=12)
contrasts = st.lists(
    st.builds(
        Contrast,
        st.builds(Arm, st.floats(0.2, 0.8), st.floats(1e-6, 1e-2), st.floats(1e-12, 1e-6)),
        st.builds(Arm, st.floats(0.2, 0.8), st.floats(1e-6, 1e-2), st.floats(1e-12, 1e-6)),
    ),
    min_size=1,
    max_size=10,
)


def test_holm_levels_by_hand() -> None:
    """Of four, .005 and .01 pass steps 1 and 2 (α/4, α/3); .03 stops step 3 (α/2)."""
    levels = holm_levels([0.03, 0.005, 0.6, 0.01], ALPHA)
    assert levels == pytest.approx([1 - 0.05 / 2, 1 - 0.05 / 4, 1 - 0.05 / 2, 1 - 0.05 / 3])
    assert holm_levels([0.04, 0.5], ALPHA) == pytest.approx([0.975, 0.975])
    assert holm_levels([0.2], ALPHA) == pytest.approx([0.95])
    assert holm_levels([0.001, 0.002], ALPHA) == pytest.approx([0.975, 0.95])


def test_bh_level_is_that_of_its_discoveries() -> None:
    """Of four, three are found: .03 ≤ .05 · 3/4."""
    assert bh_levels([0.03, 0.005, 0.6, 0.01], ALPHA) == pytest.approx([1 - 0.05 * 3 / 4] * 4)
    assert bh_levels([0.3, 0.4], ALPHA) == pytest.approx([0.975, 0.975])
    assert bh_levels([], ALPHA).tolist() == []


def test_a_family_of_one_is_the_plain_test() -> None:
    for adjust in ADJUSTMENTS:
        (only,) = family([0.031], alpha=ALPHA, adjust=adjust)
        assert (only.p_adjusted, only.q_value, only.level) == (0.031, 0.031, 0.95)
    assert family([], alpha=ALPHA) == []


@given(p_values)
def test_members_carry_holm_or_bh_and_always_bh(p: list[float]) -> None:
    for adjust, adjusted in (("holm", holm(p)), ("bh", benjamini_hochberg(p))):
        members = family(p, alpha=ALPHA, adjust=adjust)
        assert [m.p_adjusted for m in members] == adjusted.tolist()
        assert [m.q_value for m in members] == benjamini_hochberg(p).tolist()
        assert all(m.level + 1e-12 >= 1 - ALPHA and m.level < 1 for m in members)
        if adjust == "bh":
            assert len({m.level for m in members}) == 1


def test_an_unknown_way_to_adjust_is_told() -> None:
    with pytest.raises(InputError, match=r"'bonferroni' is unknown. Use one of holm, bh"):
        family([0.1], alpha=ALPHA, adjust="bonferroni")


@settings(max_examples=100)
@given(members=contrasts, alpha=st.sampled_from([0.01, 0.05, 0.2]))
@pytest.mark.parametrize("adjust", list(ADJUSTMENTS))
def test_adjusted_intervals_exclude_zero_exactly_where_adjusted_p_is_significant(
    adjust: str, members: list[Contrast], alpha: float
) -> None:
    """Absolute and relative, at every member's own level."""
    joined = family([c.p_value for c in members], alpha=alpha, adjust=adjust)
    for contrast, member in zip(members, joined, strict=True):
        assume(abs(member.p_adjusted - alpha) > 1e-9)
        claimed = member.p_adjusted < alpha
        low, high = contrast.interval(member.level)
        assert (low > 0 or high < 0) == claimed
        relative = contrast.rel_interval(member.level)
        if relative is not None:
            assert (relative[0] > 0 or relative[1] < 0) == claimed


def test_paule_mandel_makes_q_what_it_should_be() -> None:
    y, v = np.array([0.1, 0.5, -0.3, 0.9]), np.array([0.01, 0.04, 0.02, 0.09])
    found = paule_mandel(y, v)
    weight = 1 / (v + found)
    assert weight @ (y - weight @ y / weight.sum()) ** 2 == pytest.approx(3)
    assert paule_mandel(np.array([0.1, 0.11, 0.1]), np.full(3, 1.0)) == 0.0
    equal = np.array([0.0, 1.0, 2.0, 7.0])
    assert paule_mandel(equal, np.full(4, 0.5)) == pytest.approx(equal.var(ddof=1) - 0.5)


@given(
    effects=st.lists(st.floats(-1, 1), min_size=3, max_size=8),
    scale=st.floats(1e-4, 1e4),
    seed=st.integers(0, 99),
)
def test_paule_mandel_does_not_depend_on_the_unit(
    effects: list[float], scale: float, seed: int
) -> None:
    y = np.array(effects)
    v = np.random.default_rng(seed).uniform(0.01, 0.1, len(y))
    rescaled = paule_mandel(y * scale, v * scale**2) / scale**2
    assert rescaled == pytest.approx(paule_mandel(y, v), rel=1e-6, abs=1e-9)


def test_shrunk_effects_lie_between_the_raw_ones_and_their_mean() -> None:
    raw, variances = [0.10, -0.02, 0.03, 0.30], [0.001, 0.004, 0.002, 0.02]
    found = shrink(raw, variances, level=0.95)
    assert found is not None
    pulled = 1 - np.array(variances) / (np.array(variances) + found.between)
    assert found.effects == pytest.approx(found.mean + pulled * (np.array(raw) - found.mean))
    assert np.all(found.low < found.effects)
    assert np.all(found.effects < found.high)
    assert found.effects[3] < 0.2


def test_equal_effects_all_become_their_mean() -> None:
    found = shrink([0.1, 0.1, 0.1], [0.01, 0.02, 0.04], level=0.95)
    assert found is not None
    assert found.between == 0.0
    assert found.effects == pytest.approx([0.1] * 3)
    half = 1.959964 / np.sqrt(1 / 0.01 + 1 / 0.02 + 1 / 0.04)
    assert found.high - found.effects == pytest.approx([half] * 3, rel=1e-6)


def test_two_groups_cannot_tell_how_groups_vary() -> None:
    assert shrink([0.1, 0.2], [0.01, 0.01], level=0.95) is None
    assert shrink([], [], level=0.95) is None


@pytest.mark.parametrize("groups", [3, 20])
@pytest.mark.parametrize("between", [0.0, 0.3, 1.0, 4.0])
def test_shrunk_intervals_cover_and_shrunk_effects_are_closer(groups: int, between: float) -> None:
    rng = np.random.default_rng(groups)
    covered = shrunk_error = raw_error = 0.0
    runs = 200
    for _ in range(runs):
        v = np.exp(rng.normal(0, 1, groups))
        truth = 5 + rng.normal(0, np.sqrt(between), groups)
        y = truth + rng.normal(0, np.sqrt(v))
        found = shrink(y.tolist(), v.tolist(), level=0.95)
        assert found is not None
        covered += float(np.mean((found.low <= truth) & (truth <= found.high)))
        shrunk_error += float(np.mean((found.effects - truth) ** 2))
        raw_error += float(np.mean((y - truth) ** 2))
    assert covered / runs >= 0.89
    assert covered / runs <= (0.985 if between >= 1 else 1)
    assert shrunk_error < 0.9 * raw_error
