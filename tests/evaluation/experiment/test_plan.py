"""A plan from a log of ordinary days: horizons, moments, power, days."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import optimize

from evaluation.experiment import ExperimentConfig
from evaluation.experiment.horizons import Cut, Growth, growth, moments_by_day, pseudo_users
from evaluation.experiment.plan import plan, plan_days
from evaluation.experiment.planner import MOST_DAYS, Target
from evaluation.experiment.power import Population, detectable_lift, power_at, power_of, scaled
from evaluation.moments import Arm, Contrast, Moments
from evaluation.outcomes import Outcome, parse_outcome
from evaluation.sessions import daily
from relevance.errors import InputError, SettingsError
from relevance.results import ExperimentRow, Results

FIRST = date(2025, 3, 1)
OUTCOMES = tuple(parse_outcome(t) for t in ("fulfilled", "mean(buys)", "any(buys)", "user(age)"))


def log(n: int = 1500, days: int = 20, seed: int = 0) -> pl.DataFrame:
    """One row a user × day with sessions: o0 a rate, o1 a mean, o2 a share of users, o3 a trait."""
    rng = np.random.default_rng(seed)
    taste, weight = rng.beta(2, 3, n), np.minimum(rng.lognormal(0.6, 1.0, n), 40) / 14
    country = rng.choice(["US", "FR", "JP"], n, p=[0.5, 0.3, 0.2])
    age = rng.normal(40, 10, n)
    sessions = rng.poisson(weight[:, None] * np.ones(days))
    user, day = np.nonzero(sessions)
    y = sessions[user, day]
    x = rng.binomial(y, taste[user])
    return pl.DataFrame(
        {
            "unit": user,
            "day": [FIRST + timedelta(days=int(d)) for d in day],
            "group_0": country[user],
            "sessions": y,
            "o0_x": x.astype(float), "o0_y": y.astype(float),
            "o1_x": x.astype(float), "o1_y": 1.0,
            "o2_x": (x > 0) * 1.0, "o2_y": 1.0,
            "o3_x": age[user], "o3_y": 1.0,
        }
    )  # fmt: skip


def row(results: Results, metric: str, group: str = "all") -> ExperimentRow:
    found = results.find(metric, group=group)
    assert isinstance(found, ExperimentRow), (metric, group)
    return found


def test_the_log_is_cut_in_half_or_as_asked() -> None:
    days = log()["day"]
    cut = Cut.of(days, None)
    assert (cut.before, cut.days, cut.start) == (10, 10, date(2025, 3, 11))
    assert (Cut.of(days, 0).before, Cut.of(days, 19).days) == (0, 1)
    with pytest.raises(InputError, match="20 days before the experiment leave none of the log's"):
        Cut.of(days, 20)
    with pytest.raises(InputError, match="the log has no session with a time"):
        Cut.of(pl.Series([None], dtype=pl.Date), None)


@pytest.mark.parametrize("i", range(4))
@pytest.mark.parametrize("group", ["group_0", None])
def test_moments_of_a_day_are_those_of_the_users_so_far(i: int, group: str | None) -> None:
    days = log(300)
    cut = Cut.of(days["day"], None)
    found = moments_by_day(days, OUTCOMES, i, cut, group)
    assert len(found) == 10
    for until in (1, 4, 10):
        users = pseudo_users(days, OUTCOMES, cut, until)
        values = users.select(f"o{i}_{v}" for v in ("x", "y", "x0", "y0")).to_numpy()
        label = users[group].to_numpy() if group else np.full(len(users), "all")
        assert set(found[until - 1]) == set(label)
        for name, moments in found[until - 1].items():
            expected = Moments.of(values[label == name])
            assert moments.n == expected.n
            assert moments.sums == pytest.approx(expected.sums)
            assert moments.products == pytest.approx(expected.products)
            assert moments.sessions == users.filter(label == name)["sessions"].sum()


def test_pseudo_users_keep_what_a_user_has_once() -> None:
    days = pl.DataFrame(
        {
            "unit": ["a", "a", "a", "b"],
            "day": [FIRST + timedelta(days=d) for d in (0, 2, 3, 3)],
            "group_0": ["US", None, "FR", "JP"],
            "sessions": [1, 2, 3, 1],
            "o0_x": [1.0, 2.0, 1.0, 0.0], "o0_y": [1.0, 2.0, 3.0, 1.0],
            "o1_x": [1.0, 2.0, 1.0, 0.0], "o1_y": 1.0,
            "o2_x": [1.0, 1.0, 0.0, 0.0], "o2_y": 1.0,
            "o3_x": [5.0, 7.0, 6.0, 3.0], "o3_y": 1.0,
        }
    )  # fmt: skip
    users = pseudo_users(days, OUTCOMES, Cut.of(days["day"], 2)).sort("unit")
    assert users["group_0"].to_list() == [None, "JP"]  # of the first session, even if it is blank
    assert users["sessions"].to_list() == [5, 1]
    a = users.row(0, named=True)
    assert [a[f"o0_{v}"] for v in ("x", "y", "x0", "y0")] == [3, 5, 1, 1]
    assert [a[f"o1_{v}"] for v in ("x", "y", "x0", "y0")] == [3, 1, 1, 1]
    assert [a[f"o2_{v}"] for v in ("x", "y", "x0", "y0")] == [1, 1, 1, 1]
    assert [a[f"o3_{v}"] for v in ("x", "y", "x0", "y0")] == [7, 1, 5, 1]
    assert users["o1_y0"].to_list() == [1, 0]


def test_users_grow_as_the_log_shows_and_then_as_they_did() -> None:
    days = log()
    seen = growth(days, Cut.of(days["day"], None)).seen
    assert seen[-1] == days["unit"].n_unique()
    assert seen[3] == days.filter(pl.col("day") < FIRST + timedelta(days=4))["unit"].n_unique()
    root = Growth(tuple(round(1e6 * d**0.5) for d in range(1, 29)))
    assert root.exponent == pytest.approx(0.5, abs=1e-4)
    assert root.factor(14, 14) == 1
    assert root.factor(14, 28) == pytest.approx(2**0.5, rel=1e-4)
    assert root.factor(14, 56) == pytest.approx(2.0, rel=1e-4)
    assert Growth((10, 10)).factor(2, 365) == 1  # everybody has been seen
    assert Growth((10,)).exponent == 1


def population(n: int = 4000, flips: bool = True, **more: object) -> Population:
    rng = np.random.default_rng(5)
    taste, y, y0 = rng.beta(2, 3, n), rng.poisson(4, n) + 1, rng.poisson(4, n)
    users = np.column_stack([rng.binomial(y, taste), y, rng.binomial(y0, taste), y0]) * 1.0
    half = n // 3
    strata = {"FR": Moments.of(users[:half]), "US": Moments.of(users[half:])}
    return Population(strata, flips, (0.5, 0.5), **more)  # type: ignore[arg-type]


def test_power_is_that_of_the_test_under_the_lift() -> None:
    contrast = Contrast(Arm(0.53, 1e-4, 0.0), Arm(0.5, 1e-4, 0.0))
    shift = 0.03 / np.sqrt(2e-4)
    from scipy.stats import norm

    expected = norm.sf(1.959964 - shift) + norm.cdf(-1.959964 - shift)
    assert power_of(contrast, 0.05) == pytest.approx(expected, abs=1e-6)
    assert power_at(population(), 0.0, 0.05) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize("flips", [True, False])
@pytest.mark.parametrize("plain", [True, False])
def test_the_detectable_lift_is_found_with_the_wanted_power(flips: bool, plain: bool) -> None:
    people = population(flips=flips)
    lift = detectable_lift(people, 0.05, 0.8, plain=plain)
    assert lift is not None
    assert power_at(people, lift, 0.05, plain=plain) == pytest.approx(0.8, abs=1e-4)
    root = optimize.brentq(lambda d: (power_at(people, d, 0.05, plain=plain) or 0) - 0.8, 1e-3, 0.4)
    assert lift == pytest.approx(root, rel=1e-3)
    less = detectable_lift(people, 0.05, 0.5, plain=plain)
    assert less is not None
    assert less < lift


def test_what_helps_and_what_does_not() -> None:
    base = detectable_lift(population(), 0.05, 0.8)
    plain = detectable_lift(population(), 0.05, 0.8, plain=True)
    without = detectable_lift(population(cuped=False), 0.05, 0.8)
    assert base is not None
    assert plain is not None
    assert without is not None
    assert base < without
    assert without == pytest.approx(plain, rel=0.01)  # these strata are alike
    uneven = Population(population().strata, True, (0.1, 0.9))
    assert (detectable_lift(uneven, 0.05, 0.8) or 0) / base == pytest.approx(5 / 3, rel=0.05)
    more = {name: scaled(moments, 4) for name, moments in population().strata.items()}
    four = detectable_lift(Population(more, True, (0.5, 0.5)), 0.05, 0.8)
    assert four == pytest.approx(base / 2, rel=0.01)


def test_where_no_lift_can_be_found_there_is_none() -> None:
    few = Population({"US": scaled(population().everyone, 6 / 4000)}, True, (0.5, 0.5))
    assert detectable_lift(few, 0.05, 0.8) is None  # it would take a rate above 1
    nobody = Population({}, True, (0.5, 0.5))
    assert detectable_lift(nobody, 0.05, 0.8) is None
    assert power_at(nobody, 0.1, 0.05) is None


@pytest.fixture(scope="module")
def results() -> Results:
    return plan_days(log(), OUTCOMES[:1], None, Target(min_lift=0.17), by=("country",))


def test_the_fewest_days_reach_the_power_and_a_day_less_does_not(results: Results) -> None:
    days = row(results, "days(fulfilled)")
    assert days.value is not None
    assert 2 <= days.value <= 10
    target = Target(min_lift=0.17, days=int(days.value) - 1)
    enough = row(results, "power(fulfilled)")
    short = row(plan_days(log(), OUTCOMES[:1], None, target, by=("country",)), "power(fulfilled)")
    assert short.value is not None
    assert enough.value is not None
    assert short.value < 0.8 <= enough.value
    plain = row(results, "days(fulfilled,unadjusted)")
    assert plain.value is not None
    assert plain.value >= days.value
    assert (days.role, days.ci_level, days.n) == ("plan", 0.95, enough.n)
    assert days.rel_difference == 0.17
    assert days.difference == pytest.approx(0.17 * (days.baseline or 0))


def test_rows_come_in_their_order(results: Results) -> None:
    first = ["days", "days", "mde", "mde", "power", "cuped_gain"]
    places = [(r.slice, r.group) for r in results][::6][:4]
    assert places == [("all", "all"), *(("country", name) for name in ("FR", "JP", "US"))]
    assert [r.metric.partition("(")[0] for r in results][:24] == 4 * first
    curve = [r for r in results if r.slice == "day"]
    assert [r.group for r in curve][:11] == [*map(str, range(1, 11)), "14"]
    assert all("extrapolated" in r.note for r in curve if int(r.group) > 10)
    assert not any("extrapolated" in r.note for r in curve if int(r.group) <= 10)
    values = [r.value for r in curve if r.metric == "mde(fulfilled)"]
    assert values == sorted(values, reverse=True)
    assert results.rows[0].definition == (
        "from 2025-03-01 to 2025-03-20: 10 days before, 10 as an experiment"
    )


def test_a_group_alone_takes_longer_and_says_so(results: Results) -> None:
    whole = row(results, "mde(fulfilled)")
    for name in ("FR", "JP", "US"):
        alone = row(results, "mde(fulfilled)", name)
        assert alone.value is not None
        assert whole.value is not None
        assert alone.value > whole.value
        assert alone.n < whole.n
    total = sum(row(results, "mde(fulfilled)", name).n for name in ("FR", "JP", "US"))
    assert total == whole.n


def test_a_day_of_the_curve_is_the_plan_for_that_day(results: Results) -> None:
    found = plan_days(log(), OUTCOMES[:1], None, Target(days=7), by=("country",))
    assert row(found, "mde(fulfilled)").value == row(results, "mde(fulfilled)", "7").value
    assert found.find("days(fulfilled)") is None
    assert row(found, "mde(fulfilled)").note == "7 days"


def test_an_absolute_lift_is_a_relative_one_of_the_outcomes_value() -> None:
    found = plan_days(log(), OUTCOMES[:1], None, Target(min_difference=0.05, days=10))
    wanted = row(found, "power(fulfilled)")
    assert wanted.difference == pytest.approx(0.05)
    assert wanted.rel_difference == pytest.approx(0.05 / (wanted.baseline or 0))


def test_what_is_beyond_a_year_or_cannot_be_has_no_days() -> None:
    tiny = plan_days(log(), OUTCOMES[:1], None, Target(min_lift=1e-4))
    days = row(tiny, "days(fulfilled)")
    assert (days.value, days.note) == (None, f"not within {MOST_DAYS} days")
    assert row(tiny, "mde(fulfilled)").note == "10 days"
    huge = plan_days(log(), OUTCOMES[:1], None, Target(min_lift=9.0))
    assert row(huge, "days(fulfilled)").value is None
    assert row(huge, "power(fulfilled)").value is None


def test_days_beyond_the_log_are_marked() -> None:
    mde = row(plan_days(log(), OUTCOMES[:1]), "mde(fulfilled)").value or 0
    found = plan_days(log(), OUTCOMES[:1], None, Target(min_lift=0.97 * mde))
    days = row(found, "days(fulfilled)")
    assert days.value is not None
    assert days.value > 10
    assert days.note == "extrapolated"
    assert row(found, "mde(fulfilled)").note == f"{days.value:.0f} days; extrapolated"


def test_traffic_split_and_level_cost_what_they_cost() -> None:
    base = row(plan_days(log(), OUTCOMES[:1]), "mde(fulfilled)")
    half = row(plan_days(log(), OUTCOMES[:1], None, Target(traffic=0.5)), "mde(fulfilled)")
    assert half.n == pytest.approx(base.n / 2, abs=2)
    assert half.value == pytest.approx((base.value or 0) * 2**0.5, rel=0.02)
    config = ExperimentConfig(split={"control": 2, "small": 1, "large": 2})
    three = row(plan_days(log(), OUTCOMES[:1], config), "mde(fulfilled)")
    assert three.system == "small"
    assert (three.value or 0) > (base.value or 0)
    strict = row(plan_days(log(), OUTCOMES[:1], ExperimentConfig(alpha=0.01)), "mde(fulfilled)")
    assert (strict.value or 0) / (base.value or 1) == pytest.approx(3.4174 / 2.8016, rel=0.01)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda o: o.name)
def test_every_kind_of_outcome_can_be_planned_for(outcome: Outcome) -> None:
    found = plan_days(log(), OUTCOMES, None, Target(days=10), by=("country",))
    mde = row(found, f"mde({outcome.name})")
    assert mde.value is not None
    assert 0 < mde.value < 1
    assert mde.baseline is not None


def sessions(n: int = 3000) -> pl.DataFrame:
    days = log(n)
    rows = days[np.repeat(np.arange(len(days)), days["sessions"].to_numpy())]
    number = pl.int_range(pl.len()).over("unit", "day")
    return rows.with_columns(number=number).select(
        unit_id="unit",
        country="group_0",
        started_at=pl.col("day").cast(pl.Datetime("us")) + pl.duration(minutes=pl.col("number")),
        fulfilled=(pl.col("number") < pl.col("o0_x")).cast(pl.Int64),
    )


def test_a_session_log_is_planned_from_its_days(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target(days=10)
    found = plan(sessions(), None, target)
    assert found == plan_days(log(3000), OUTCOMES[:1], None, target, by=("country",))
    monkeypatch.setattr(daily, "SAMPLED_FROM", len(sessions()) / 2)
    half = plan(sessions(), None, target)
    whole, part = (row(each, "mde(fulfilled)") for each in (found, half))
    assert part.definition.endswith("; a random 50 % of the users stand for all")
    assert part.n == pytest.approx(whole.n, rel=0.05)
    assert part.value == pytest.approx(whole.value, rel=0.1)


def test_a_target_must_make_sense() -> None:
    for target, message in (
        ({"min_lift": 0.1, "min_difference": 0.1}, "not for both"),
        ({"min_lift": 0.0}, "min_lift must be above 0, got 0.0"),
        ({"min_difference": -1.0}, "min_difference must be above 0"),
        ({"power": 1.0}, "power must be between 0 and 1, got 1.0"),
        ({"traffic": 0.0}, "traffic must be above 0, got 0.0"),
        ({"days": 366}, "days must be between 1 and 365, got 366"),
    ):
        with pytest.raises(SettingsError, match=message):
            Target(**target)  # type: ignore[arg-type]
