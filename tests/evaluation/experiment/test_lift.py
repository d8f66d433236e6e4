"""One treatment against control: strata, groups, their mean, heterogeneity, cautions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from evaluation.experiment.cautions import cautions, is_share
from evaluation.experiment.lift import Comparison, Lift, arms_of, stratified
from evaluation.moments import Moments, ratio_contrast, total
from evaluation.outcomes import parse_outcome
from evaluation.slices.heterogeneity import cochran

Floats = NDArray[np.float64]


def rates(rng: np.random.Generator, n: int, rate: float) -> Moments:
    """Users with 5 to 14 sessions each."""
    y = rng.integers(5, 15, n)
    return Moments.of(np.column_stack([rng.binomial(y, rate), y, 0 * y, 0 * y]).astype(float))


def means(x: Floats) -> Moments:
    return Moments.of(np.column_stack([x, np.ones(len(x)), 0 * x, 0 * x]))


def compared(moments: dict[str, dict[str, Moments]]) -> Comparison:
    return Comparison.of(moments, treatment="t", control="c", cuped=True)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    """FR: more of the treatment's users and a high rate; JP: neither. No effect anywhere."""
    rng = np.random.default_rng(1)
    return compared(
        {
            "t": {"FR": rates(rng, 3000, 0.6), "JP": rates(rng, 1000, 0.2)},
            "c": {"FR": rates(rng, 1000, 0.6), "JP": rates(rng, 3000, 0.2)},
        }
    )


def test_weighting_takes_away_a_difference_in_mix(comparison: Comparison) -> None:
    assert comparison.plain is not None
    assert comparison.primary is not None
    assert comparison.plain.difference > 0.15
    assert comparison.primary.p_value > 0.01
    assert comparison.primary.control.value == pytest.approx(0.4, abs=0.02)


def test_the_mean_of_groups_is_that_of_their_differences(comparison: Comparison) -> None:
    differences = [c.difference for c in comparison.defined.values()]
    assert comparison.mean is not None
    assert comparison.mean.difference == pytest.approx(np.mean(differences))
    alone = compared({v: {"FR": comparison.arms["FR"][i]} for i, v in enumerate("tc")})
    assert (alone.mean, alone.heterogeneity, alone.shrunk(0.95)) == (None, None, None)


def test_heterogeneity_is_cochrans_with_degrees_of_freedom_of_the_arms() -> None:
    rng = np.random.default_rng(2)
    groups = {"FR": (0.6, 0.5), "JP": (0.5, 0.5), "US": (0.4, 0.5)}
    found = compared(
        {v: {g: rates(rng, 80, r[i]) for g, r in groups.items()} for i, v in enumerate("tc")}
    )
    contrasts = list(found.defined.values())
    d, v = [c.difference for c in contrasts], [c.variance for c in contrasts]
    known = cochran(d, v)
    assert found.heterogeneity is not None
    assert known is not None
    assert (found.heterogeneity.q, found.heterogeneity.i2) == (known.q, known.i2)
    assert found.heterogeneity.i2 > 0.5
    assert known.p_value < found.heterogeneity.p_value < 2 * known.p_value + 1e-6
    assert known.p_value == pytest.approx(stats.chi2.sf(known.q, 2))


def test_heterogeneity_of_alike_groups_is_uniform() -> None:
    rng = np.random.default_rng(3)
    p = []
    for _ in range(150):
        moments = {v: {g: rates(rng, 60, 0.4) for g in "abcd"} for v in "tc"}
        found = compared(moments).heterogeneity
        assert found is not None
        p.append(found.p_value)
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_small_groups_share_a_stratum() -> None:
    rng = np.random.default_rng(4)
    large = [(rates(rng, 200, 0.5), rates(rng, 200, 0.5)) for _ in range(2)]
    tiny = [(rates(rng, n, 0.5), rates(rng, n, 0.5)) for n in (1, 12, 11)]
    merged = (total([t for t, _ in tiny]), total([c for _, c in tiny]))
    expected = ratio_contrast(*zip(*[*large, merged], strict=True))
    assert stratified([*tiny, *large], cuped=True) == expected
    # Too small even together: they join the smaller of the large ones.
    joined = (large[0][0] + tiny[0][0], large[0][1] + tiny[0][1])
    expected = ratio_contrast(*zip(large[1], joined, strict=True))
    found = stratified([tiny[0], *large], cuped=True)
    assert found is not None
    assert expected is not None
    assert found.p_value == pytest.approx(expected.p_value, rel=1e-9)
    assert stratified([tiny[0]], cuped=True) is None
    assert stratified([], cuped=True) is None


def test_a_group_of_one_variant_only_is_not_compared_but_kept() -> None:
    rng = np.random.default_rng(5)
    moments = {"t": {"FR": rates(rng, 90, 0.5), "US": rates(rng, 90, 0.5)}}
    moments["c"] = {"US": rates(rng, 90, 0.5)}
    found = compared(moments)
    assert list(found.groups) == ["FR", "US"]
    assert found.groups["FR"] is None
    assert list(found.members(alpha=0.05, adjust="holm")) == ["US"]
    assert [m.n for m in found.everyone] == [180, 90]
    assert arms_of(moments, treatment="t", control="none")["US"][1].n == 0


def test_a_lift_is_stratified_by_the_first_column_only(comparison: Comparison) -> None:
    rng = np.random.default_rng(6)
    by_country = {v: {g: a[i] for g, a in comparison.arms.items()} for i, v in enumerate("tc")}
    by_platform = {v: {g: rates(rng, 2000, 0.4) for g in ("android", "ios")} for v in "tc"}
    outcome = parse_outcome("fulfilled")
    both = {"country": by_country, "platform": by_platform}
    lift = Lift.of(outcome, both, treatment="t", control="c", cuped=False)
    assert lift.stratified_by == "country"
    assert lift.overall is lift.slices["country"]
    whole = {v: {"all": total(list(groups.values()))} for v, groups in by_country.items()}
    plain = Lift.of(outcome, {"all": whole}, treatment="t", control="c", cuped=False)
    assert (plain.stratified_by, plain.slices) == ("", {})
    assert plain.overall.primary == plain.overall.plain


def said(treatment: Moments, control: Moments, text: str, low: float, high: float) -> list[str]:
    contrast = ratio_contrast([treatment], [control])
    assert contrast is not None
    bounded = contrast.rel_interval(0.95) is not None
    arms = (treatment, control)
    return cautions(contrast, arms, parse_outcome(text), (low, high), bounded=bounded)


def test_ordinary_data_need_no_caution() -> None:
    rng = np.random.default_rng(7)
    assert said(rates(rng, 300, 0.5), rates(rng, 300, 0.5), "fulfilled", 0, 1) == []
    x = rng.poisson(3, (2, 300)).astype(float)
    assert said(means(x[0]), means(x[1]), "mean(clicks)", 0, 9) == []
    assert said(means(x[0] - 3), means(x[1]), "user(profit)", -3, 9) == []


def test_few_heavy_users_are_told() -> None:
    rng = np.random.default_rng(8)
    y = np.minimum(rng.pareto(1.1, (2, 400)) * 10 + 1, 1e5).round()
    arms = [Moments.of(np.column_stack([v // 2, v, 0 * v, 0 * v])) for v in y]
    (note,) = said(arms[0], arms[1], "fulfilled", 0, 1)
    weight = min(v.sum() ** 2 / (v**2).sum() for v in y)
    assert note == f"an arm weighs like {weight:.0f} equal users: p and intervals are rough"
    spent = [means(v) for v in y]
    assert said(spent[0], spent[1], "mean(spent)", 0, 1e5)[-1] == note
    # Signed sums may be small however many users there are.
    assert note not in said(spent[0], spent[1], "mean(profit)", -5, 1e5)


@pytest.mark.parametrize("rare", [True, False])
def test_rare_events_are_told_on_either_side_of_a_share(rare: bool) -> None:
    x = np.zeros((2, 2000))
    x[0, :4], x[1, :9] = 1, 1
    x = x if rare else 1 - x
    notes = said(means(x[0]), means(x[1]), "any(bought)", 0, 1)
    assert notes[-1] == "rests on 4 users in an arm: p and intervals are rough"
    x[0, :30] = x[1, :40] = 1 if rare else 0
    assert said(means(x[0]), means(x[1]), "any(bought)", 0, 1) == []


def test_a_control_that_may_be_zero_has_no_relative_interval() -> None:
    x = np.zeros((2, 500))
    x[0, :30], x[1, :2] = 1, 1
    notes = said(means(x[0]), means(x[1]), "any(bought)", 0, 1)
    assert notes[0] == "the control is not clearly above 0: no relative interval"


def test_shares_are_known_by_their_values() -> None:
    assert is_share(parse_outcome("any(x)"), (0, 40))
    assert is_share(parse_outcome("fulfilled"), (0, 1))
    assert is_share(parse_outcome("fulfilled"), (None, None))
    assert not is_share(parse_outcome("fulfilled"), (0, 1.5))
    assert not is_share(parse_outcome("mean(fulfilled)"), (0, 1))
