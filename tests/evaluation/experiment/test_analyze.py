"""From users to rows and a verdict; the log itself is tested in `evaluation.sessions`."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.experiment import ExperimentConfig, analyze_moments
from evaluation.moments import Moments, ratio_contrast
from evaluation.sessions import SessionMoments
from relevance.errors import InputError, SettingsError
from relevance.results import ExperimentRow, Results, results_from

MomentsOf = Callable[..., SessionMoments]

START = date(2025, 3, 10)
OUTCOMES = ("fulfilled", "mean(clicks)", "any(purchase)", "mean(sessions)")
BY = ("country", "platform")


def made(
    seed: int = 0,
    users: int = 3000,
    lift: float = 0.0,
    countries: dict[str, float] | None = None,
    share: float = 0.5,
    before: bool = True,
) -> pl.DataFrame:
    """Heavy users with four outcomes; `countries` gives each its own lift instead of `lift`."""
    rng = np.random.default_rng(seed)
    lifts = countries or {"FR": lift, "JP": lift, "US": lift}
    country, platform = rng.choice(list(lifts), users), rng.choice(["android", "ios"], users)
    treated = rng.random(users) < share
    taste, weight = rng.beta(3, 4, users), np.minimum(rng.lognormal(0.8, 0.9, users), 60)
    y, y0 = 1 + rng.poisson(weight), rng.poisson(weight) * before
    effect = 1 + np.array([lifts[name] for name in country]) * treated
    return pl.DataFrame(
        {
            "variant": np.where(treated, "treatment", "control"),
            "group_0": country,
            "group_1": platform,
            "day": [START + timedelta(days=int(day)) for day in rng.integers(0, 7, users)],
            "sessions": y,
            "o0_x": rng.binomial(y, np.minimum(taste * effect, 1)),
            "o0_y": y,
            "o0_x0": rng.binomial(y0, taste),
            "o0_y0": y0,
            "o1_x": rng.poisson(weight * effect),
            "o2_x": rng.random(users) < 0.1,
            "o3_x": y,
        }
    )


LIFTED = made(seed=1, users=6000, lift=0.08)


def row(results: Results, metric: str, group: str = "all", system: str | None = None) -> Any:
    found = results.find(metric, group=group, system=system)
    assert isinstance(found, ExperimentRow), (metric, group)
    return found


def of_role(results: Results, role: str) -> list[ExperimentRow]:
    return [r for r in results if isinstance(r, ExperimentRow) and r.role == role]


def verdict(results: Results) -> str:
    return str(row(results, "verdict").note)


@pytest.fixture(scope="module")
def run(moments_of: MomentsOf) -> Callable[..., Results]:
    """`run(users, by=…, looks=…, **config)` → rows of the analysis of all four outcomes."""

    def analyzed(
        users: pl.DataFrame, by: tuple[str, ...] = ("country",), looks: bool = False, **config: Any
    ) -> Results:
        moments = moments_of(users, OUTCOMES, by, looks=looks)
        return analyze_moments(moments, ExperimentConfig(**config))

    return analyzed


@pytest.fixture(scope="module")
def lifted(run: Any) -> Results:
    return run(LIFTED)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def full(run: Any) -> Results:
    """Everything that can be asked for at once."""
    return run(  # type: ignore[no-any-return]
        LIFTED,
        by=BY,
        looks=True,
        metrics=("mean(clicks)", "any(purchase)"),
        guardrails="mean(sessions) >= -5%",
        sequential=True,
    )


def test_rows_come_in_their_order(full: Results) -> None:
    found = [(r.role, r.metric, r.slice) for r in full if isinstance(r, ExperimentRow)]
    assert [key for key, _ in itertools.groupby(found)] == [
        ("primary", "fulfilled", "all"),
        ("primary", "fulfilled", "country"),
        ("primary", "fulfilled", "platform"),
        ("unadjusted", "fulfilled(unadjusted)", "all"),
        ("heterogeneity", "heterogeneity", "country"),
        ("heterogeneity", "heterogeneity", "platform"),
        ("secondary", "mean(clicks)", "all"),
        ("secondary", "mean(clicks)", "country"),
        ("secondary", "any(purchase)", "all"),
        ("secondary", "any(purchase)", "country"),
        ("guardrail", "mean(sessions)", "all"),
        ("look", "fulfilled", "day"),
        ("sample_ratio", "sample_ratio", "all"),
        ("sample_ratio", "sample_ratio", "country"),
        ("sample_ratio", "sample_ratio", "platform"),
        ("sample_ratio", "sample_ratio", "day"),
        ("verdict", "verdict", "all"),
        *(("count", metric, "all") for metric in COUNTED),
        ("count", "excluded(missing_outcome)", "outcome"),
        ("count", "analysed", "all"),
    ]
    groups = [r.group for r in of_role(full, "primary")]
    assert groups == ["all", "FR", "JP", "US", "(mean)", "android", "ios", "(mean)"]


COUNTED = (
    "log",
    "excluded(not_exposed)",
    "excluded(contaminated)",
    "excluded(unknown_variant)",
    "kept(with_pre_period)",
    "kept(no_country)",
    "kept(several_country)",
    "kept(no_platform)",
    "excluded(duplicate_sessions)",
    "excluded(no_unit)",
    "excluded(no_variant)",
    "excluded(outside_window)",
    "excluded(missing_outcome)",
)


def test_rows_are_strict_json_and_come_back_from_a_frame(full: Results) -> None:
    dicts = json.loads(full.to_json())
    assert {"n_sessions", "q_value", "shrunk_difference", "sequence_ci_low"} <= set(dicts[0])
    assert results_from(full.to_frame().to_dicts()) == results_from(dicts)


def test_a_true_lift_is_found_and_shipped(lifted: Results) -> None:
    primary = row(lifted, "fulfilled")
    assert primary.rel_difference_ci_low <= 0.08 <= primary.rel_difference_ci_high
    assert primary.difference == pytest.approx(primary.value - primary.baseline)
    assert primary.rel_difference == pytest.approx(primary.difference / primary.baseline)
    assert primary.ci_low < primary.value < primary.ci_high
    assert (primary.n, primary.n_sessions) == (6000, LIFTED["sessions"].sum())
    assert (primary.role, primary.ci_level, primary.definition) == (
        "primary",
        0.95,
        "Σ fulfilled ÷ sessions with a value; variance over users",
    )
    assert verdict(lifted).startswith("ship: the fulfillment rate rose from ")
    assert "over 6,000 users, and no country fell significantly" in verdict(lifted)


def test_the_primary_is_stratified_by_the_first_column_and_uses_cuped(run: Any) -> None:
    users = LIFTED
    results = run(users, by=BY)
    arms = []
    for variant in ("treatment", "control"):
        parts = users.filter(variant=variant).partition_by("group_0", as_dict=True)
        columns = ["o0_x", "o0_y", "o0_x0", "o0_y0"]
        arms.append(
            [Moments.of(parts[name,].select(columns).to_numpy()) for name in ("FR", "JP", "US")]
        )
    expected = ratio_contrast(*arms)
    assert expected is not None
    primary, plain = row(results, "fulfilled"), row(results, "fulfilled(unadjusted)")
    assert primary.difference == pytest.approx(expected.difference, abs=1e-12)
    assert primary.p_value == pytest.approx(expected.p_value, rel=1e-9)
    assert primary.variance_reduction == pytest.approx(expected.reduction, rel=1e-9)
    said = f"CUPED took away {100 * expected.reduction:.1f} % of the variance"
    assert primary.note == f"weighted to one mix of country; {said}"
    width = primary.difference_ci_high - primary.difference_ci_low
    assert width < 0.9 * (plain.difference_ci_high - plain.difference_ci_low)
    without = row(run(users, cuped=False), "fulfilled")
    assert without.note == "weighted to one mix of country"
    assert without.variance_reduction is None
    swapped = run(users, by=BY, cuped=False)
    assert row(swapped, "fulfilled", "ios") == row(
        analyzed_by_platform(run, users), "fulfilled", "ios"
    )


def analyzed_by_platform(run: Any, users: pl.DataFrame) -> Any:
    """The same log, split by the second column only."""
    renamed = users.drop("group_0").rename({"group_1": "group_0"})
    return run(renamed, by=("platform",), cuped=False)


def test_only_some_columns_may_be_asked_for(run: Any, moments_of: MomentsOf) -> None:
    users = made(seed=1, lift=0.08)
    some = run(users, by=BY, metrics="any(purchase)")
    moments = moments_of(users, OUTCOMES, BY)
    only = analyze_moments(moments, ExperimentConfig(by="platform", metrics="any( purchase )"))
    assert {r.slice for r in of_role(only, "primary")} == {"all", "platform"}
    assert "weighted to one mix of platform" in row(only, "fulfilled").note
    assert row(only, "fulfilled", "ios") == row(some, "fulfilled", "ios")
    spelled = analyze_moments(moments, ExperimentConfig(outcome="rate(fulfilled)"))
    assert spelled.rows[0].value == row(some, "fulfilled").value


@pytest.mark.parametrize("adjust", ["holm", "bh"])
def test_groups_are_a_family_with_intervals_to_match(run: Any, adjust: str) -> None:
    lifts = {"DE": 0.0, "FR": 0.25, "IT": 0.0, "JP": 0.12, "US": 0.01}
    results = run(made(seed=3, users=5000, countries=lifts), adjust=adjust)
    rows = [row(results, "fulfilled", name) for name in lifts]
    assert sum(r.n for r in rows) == 5000
    claimed = [r.p_adjusted < 0.05 for r in rows]
    assert 0 < sum(claimed) < len(claimed)
    for r, claim in zip(rows, claimed, strict=True):
        assert r.p_value <= r.q_value <= (r.p_adjusted if adjust == "holm" else r.q_value)
        assert (r.difference_ci_low > 0 or r.difference_ci_high < 0) == claim
        assert (r.rel_difference_ci_low > 0 or r.rel_difference_ci_high < 0) == claim
        assert r.ci_level > 0.95 - 1e-12
        assert r.shrunk_ci_low < r.shrunk_difference < r.shrunk_ci_high
    spread = [max(d) - min(d) for d in ([r.difference for r in rows], shrunk(rows))]
    assert spread[1] < spread[0]
    smallest = min(rows, key=lambda r: r.p_value)
    assert smallest.p_adjusted == pytest.approx(min(5 * smallest.p_value, 1))
    assert smallest.q_value == pytest.approx(min(5 * smallest.p_value, 1), rel=1e-6)
    mean = row(results, "fulfilled", "(mean)")
    assert mean.difference == pytest.approx(np.mean([r.difference for r in rows]))
    assert (mean.p_adjusted, mean.ci_level, mean.shrunk_difference) == (None, 0.95, None)


def shrunk(rows: list[ExperimentRow]) -> list[float]:
    return [r.shrunk_difference for r in rows if r.shrunk_difference is not None]


def test_heterogeneity_is_told_for_every_column(run: Any) -> None:
    mixed = {"FR": -0.2, "JP": 0.2, "US": 0.2}
    results = run(made(seed=1, users=6000, countries=mixed), by=BY)
    by_country, by_platform = of_role(results, "heterogeneity")
    assert (by_country.slice, by_platform.slice) == ("country", "platform")
    assert by_country.value is not None
    assert by_country.p_value is not None
    assert by_platform.p_value is not None
    assert by_country.value > 0.8
    assert by_country.p_value < 1e-6 < by_platform.p_value
    assert by_country.note.endswith("on 2 df")


def test_secondary_outcomes_are_a_family_of_their_own(full: Results) -> None:
    clicks, bought = (r for r in of_role(full, "secondary") if r.slice == "all")
    assert (clicks.metric, bought.metric) == ("mean(clicks)", "any(purchase)")
    assert clicks.p_value is not None
    assert bought.p_value is not None
    assert clicks.p_value < bought.p_value
    assert clicks.p_adjusted == pytest.approx(min(1, 2 * clicks.p_value))
    assert bought.p_adjusted == pytest.approx(max(bought.p_value, 2 * clicks.p_value))
    assert clicks.ci_level == pytest.approx(0.975)
    assert clicks.definition == "mean over users of Σ clicks"
    countries = [r for r in of_role(full, "secondary") if r.slice == "country"]
    assert [r.group for r in countries] == ["FR", "JP", "US"] * 2
    assert all(r.p_adjusted is not None and r.q_value is not None for r in countries)


def test_a_guardrail_has_its_margin_and_finding(run: Any) -> None:
    users = made(seed=1, users=6000, lift=0.08)
    fewer = pl.when(pl.col("variant") == "treatment").then(0.5).otherwise(1.0)
    results = run(users, guardrails="mean(sessions) >= -10%")
    (guard,) = of_role(results, "guardrail")
    assert (guard.metric, guard.margin, guard.margin_relative) == ("mean(sessions)", -0.1, True)
    assert guard.note.startswith("holds: mean(sessions) ")
    assert verdict(results).startswith("ship: ")
    assert "the guardrail holds" in verdict(results)
    broken = run(users.with_columns(o3_x=fewer * pl.col("o3_x")), guardrails="mean(sessions)>=-1%")
    assert of_role(broken, "guardrail")[0].note.startswith("broken: mean(sessions) fell")
    assert verdict(broken).startswith("stop: ")
    held = run(
        users.with_columns(o3_x=fewer * pl.col("o3_x")),
        guardrails="mean(sessions)>=-1%",
        on_guardrail_broken="hold",
    )
    assert verdict(held).startswith("hold: ")
    same = run(users.with_columns(o2_x=pl.lit(0.0)), guardrails="any(purchase) <= 1%")
    assert of_role(same, "guardrail")[0].note.startswith("holds: any(purchase) is 0 for every user")


def test_looks_are_the_analyses_of_each_evening(run: Any, full: Results) -> None:
    looks = of_role(full, "look")
    days = [(START + timedelta(days=i)).isoformat() for i in range(7)]
    assert [r.group for r in looks] == days
    users = LIFTED
    third = run(users.filter(pl.col("day") <= START + timedelta(days=2)))
    now, then = row(third, "fulfilled"), looks[2]
    for name in ("n", "n_sessions", "value", "baseline", "difference", "p_value", "ci_low"):
        assert getattr(then, name) == pytest.approx(getattr(now, name), rel=1e-12), name
    assert looks[-1].difference == pytest.approx(row(full, "fulfilled").difference, rel=1e-12)
    p = [r.p_always_valid for r in looks if r.p_always_valid is not None]
    assert len(p) == 7
    assert p == sorted(p, reverse=True)
    for r in looks:
        assert r.sequence_ci_low is not None
        assert r.difference_ci_low is not None
        assert r.rel_sequence_ci_low is not None
        assert r.rel_difference_ci_low is not None
        assert r.sequence_ci_low < r.difference_ci_low
        assert r.rel_sequence_ci_low < r.rel_difference_ci_low


def test_looks_wait_until_there_is_enough_to_see(run: Any) -> None:
    users = made(seed=5, users=2000)
    results = run(users, looks=True, sequential=True, min_users=300)
    looks = of_role(results, "look")
    early = [
        min(
            users.filter(pl.col("day") <= START + timedelta(days=i))["variant"]
            .value_counts()["count"]
            .to_list()
        )
        < 300
        for i in range(7)
    ]
    assert early[0]
    assert not early[-1]
    assert [r.p_always_valid is None for r in looks] == early
    assert ["too early for an always-valid look" in r.note for r in looks] == early
    assert all(r.p_value is not None for r in looks)
    rare = users.with_columns(o2_x=pl.int_range(pl.len()) % 100 == 0)
    thin = run(rare, looks=True, sequential=True, outcome="any(purchase)")
    assert {r.p_always_valid for r in of_role(thin, "look")} == {None}


def test_before_the_plan_is_reached_only_the_sequence_decides(run: Any) -> None:
    users = made(seed=2, users=3000, lift=0.08)
    fixed = run(users)
    assert verdict(fixed).startswith("ship: ")
    early = run(users, planned_users=4000)
    assert verdict(early).startswith("not yet: ")
    assert "1,000 planned users are still missing" in verdict(early)
    peeking = run(users, looks=True, sequential=True, planned_users=4000)
    assert "always-valid p" in verdict(peeking)
    reached = run(users, looks=True, sequential=True, planned_users=3000)
    assert verdict(reached).startswith("ship: ")
    sure = run(made(seed=2, lift=0.3), looks=True, sequential=True, planned_users=9000)
    assert verdict(sure).startswith("ship: ")


def test_several_treatments_are_adjusted_for_each_other(run: Any) -> None:
    users = made(seed=8, users=6000, lift=0.07)
    third = pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("other"))
    users = users.with_columns(variant=third.otherwise("variant"))
    looked = {"looks": True, "sequential": True}
    results = run(users, metrics="mean(clicks)", guardrails="mean(sessions)>=-9%", **looked)
    assert [r.system for r in of_role(results, "verdict")] == ["other", "treatment"]
    overall = [r for r in of_role(results, "primary") if r.slice == "all"]
    p = sorted(r.p_value for r in overall if r.p_value is not None)
    assert sorted(r.p_adjusted or 0 for r in overall) == pytest.approx(
        [min(1, 2 * p[0]), max(2 * p[0], p[1])]
    )
    for r in [*overall, *(r for r in of_role(results, "secondary") if r.slice == "all")]:
        assert r.p_adjusted is not None
        assert r.difference_ci_low is not None
        assert r.difference_ci_high is not None
        assert (r.difference_ci_low > 0 or r.difference_ci_high < 0) == (r.p_adjusted < 0.05)
    assert row(results, "sample_ratio").baseline == pytest.approx(1 / 3)
    alone = run(users.filter(pl.col("variant") != "other"), **looked)
    mine = [r for r in of_role(results, "look") if r.system == "treatment"]
    for one, two in zip(of_role(alone, "look"), mine, strict=True):
        assert one.p_always_valid is not None
        assert two.p_always_valid is not None
        assert one.sequence_ci_low is not None
        assert two.sequence_ci_low is not None
        assert two.sequence_ci_low < one.sequence_ci_low
        assert two.p_always_valid >= one.p_always_valid


def test_a_broken_split_is_invalid_and_says_where(run: Any) -> None:
    users = made(seed=2, users=6000, lift=0.2)
    lost = (pl.col("group_0") == "FR") & (pl.col("variant") == "treatment")
    users = users.filter(~(lost & (pl.int_range(pl.len()) % 3 == 0)))
    results = run(users, by=BY, looks=True, sequential=True, metrics="mean(clicks)")
    said = verdict(results)
    assert said.startswith("invalid: users are not split as intended")
    assert "in country FR" in said
    assert row(results, "sample_ratio", "FR").note == "broken"
    assert row(results, "sample_ratio", "JP").note == ""
    roles = ("primary", "unadjusted", "secondary", "look")
    doubted = [r for role in roles for r in of_role(results, role)]
    assert all(r.note.startswith("invalid: sample ratio") for r in doubted)
    counts = users["variant"].value_counts()["count"].to_numpy()
    expected = stats.chisquare(counts).pvalue
    assert row(results, "sample_ratio").p_value == pytest.approx(expected, rel=1e-9)


def test_a_day_with_a_broken_split_is_found(run: Any) -> None:
    users = made(seed=3, users=6000)
    bad = (pl.col("day") == START + timedelta(days=2)) & (pl.col("variant") == "control")
    results = run(users.filter(~(bad & (pl.int_range(pl.len()) % 2 == 0))))
    assert "on 2025-03-12" in verdict(results)
    assert row(results, "sample_ratio", "2025-03-12").note == "broken"
    assert row(results, "sample_ratio", "2025-03-11").note == ""


def test_a_split_that_breaks_on_the_way_has_a_row_of_its_own(run: Any) -> None:
    users = made(seed=3, users=9000)
    late = (pl.col("day") >= START + timedelta(days=4)) & (pl.col("variant") == "control")
    results = run(users.filter(~(late & (pl.int_range(pl.len()) % 6 == 0))))
    assert "since 2025-03-1" in verdict(results)
    since = [r for r in of_role(results, "sample_ratio") if r.slice == "since"]
    assert since
    assert {r.note for r in since} == {"broken"}


def test_an_intended_split_that_is_not_even(run: Any) -> None:
    users = made(seed=4, share=0.2)
    assert verdict(run(users)).startswith("invalid")
    fine = run(users, split={"treatment": 1, "control": 4})
    assert row(fine, "sample_ratio").baseline == pytest.approx(0.2)
    assert not verdict(fine).startswith("invalid")


def test_a_fall_is_stopped_and_a_hurt_group_of_any_column_is_held(run: Any) -> None:
    assert verdict(run(made(seed=1, lift=-0.1))).startswith("stop: the fulfillment rate fell")
    mixed = made(seed=1, users=6000, countries={"FR": -0.2, "JP": 0.2, "US": 0.2})
    held = run(mixed)
    assert verdict(held).startswith("hold: ")
    assert "fell significantly in FR (−" in verdict(held)
    stopped = run(mixed, on_group_fell="stop")
    assert verdict(stopped).startswith("stop: ")
    renamed = mixed.rename({"group_0": "group_1", "group_1": "group_0"})
    second = run(renamed, by=("platform", "country"))
    assert verdict(second).startswith("hold: ")
    assert "fell significantly in country FR (−" in verdict(second)


def test_few_users_get_no_verdict(run: Any) -> None:
    said = verdict(run(made(users=60, lift=0.5)))
    assert said.startswith("not yet: ")
    assert "needs 100 in each" in said


def test_without_groups_or_pre_period_the_first_row_is_the_plain_figure(run: Any) -> None:
    results = run(made(before=False).drop("group_0", "group_1"), by=())
    assert results.find("fulfilled(unadjusted)") is None
    assert results.rows[0].note == ""
    assert [r.metric for r in results][:2] == ["fulfilled", "sample_ratio"]
    assert of_role(results, "heterogeneity") == []


def test_users_without_a_group_are_a_group_of_their_own(run: Any) -> None:
    users = made(seed=9, users=500)
    nowhere = pl.int_range(pl.len()) % 10 == 0
    results = run(users.with_columns(group_0=pl.when(~nowhere).then("group_0")))
    assert row(results, "fulfilled", "(missing)").n == 50
    assert row(results, "kept(no_country)").n == 50
    assert row(results, "fulfilled").n == 500


def test_groups_too_small_to_compare_stay_with_their_reason(run: Any) -> None:
    users = made(seed=9, users=600)
    tiny = pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("IS")).otherwise("group_0")
    results = run(users.with_columns(group_0=tiny))
    iceland = row(results, "fulfilled", "IS")
    assert (iceland.n, iceland.p_value, iceland.p_adjusted, iceland.shrunk_difference) == (
        1,
        None,
        None,
        None,
    )
    assert iceland.note == "too few users to compare"
    assert row(results, "fulfilled").n == 600
    assert row(results, "fulfilled", "(mean)").note.endswith("1 that cannot be compared left out")
    assert row(results, "sample_ratio", "IS").note == "too few users to test"


def test_an_outcome_that_never_varies_has_no_interval(run: Any) -> None:
    users = made(users=300).with_columns(o0_x="o0_y")
    results = run(users)
    primary = row(results, "fulfilled")
    assert (primary.value, primary.difference, primary.p_value) == (1.0, 0.0, None)
    assert "nothing varies" in primary.note
    assert verdict(results).startswith("not yet: the fulfillment rate does not vary")


def test_an_outcome_that_nobody_has_is_undefined(run: Any) -> None:
    nothing = {f"o0_{name}": pl.lit(0) for name in ("x", "y", "x0", "y0")}
    results = run(made(users=300).with_columns(**nothing))
    primary = row(results, "fulfilled")
    assert (primary.value, primary.baseline, primary.n) == (None, None, 300)
    assert primary.note.endswith("no values to compare")
    assert verdict(results).startswith("not yet: ")


def counted(moments: SessionMoments, **columns: int) -> SessionMoments:
    """The same with these counts in the first cell of the control."""
    first = pl.int_range(pl.len()) == 0
    changed = {k: pl.when(first).then(v).otherwise(k).cast(pl.Int64) for k, v in columns.items()}
    return dataclasses.replace(moments, cells=moments.cells.with_columns(**changed))


def test_what_is_left_out_is_counted(moments_of: MomentsOf) -> None:
    users = made(seed=9, users=1000).with_columns(
        contaminated=pl.int_range(pl.len()) < 5,
        variant=pl.when(pl.int_range(pl.len()) < 20).then("variant").otherwise("variant"),
    )
    strange = users.head(7).with_columns(contaminated=pl.lit(False), variant=pl.lit("holdback"))
    unexposed = users.head(9).with_columns(
        variant=pl.lit(None, pl.String), contaminated=pl.lit(False), day=pl.lit(None, pl.Date)
    )
    moments = moments_of(pl.concat([users, strange, unexposed]), OUTCOMES, ("country",))
    counts = {"with_pre_period": 11, "several_groups": 3, "no_variant": 4, "outside": 6}
    clean = moments.cells.filter(pl.col("variant").is_not_null() & ~pl.col("contaminated"))
    rest = moments.cells.join(clean, on=moments.cells.columns, how="anti", nulls_equal=True)
    moments = dataclasses.replace(
        moments, cells=pl.concat([clean, rest]), duplicates=13, no_unit=2, rows=10_000
    )
    moments = counted(moments, o0_missing=21, o1_missing=22, **counts)
    split = {"control": 1.0, "treatment": 1.0}
    config = ExperimentConfig(split=split, metrics=("mean(clicks)", "any(purchase)"))
    results = analyze_moments(moments, config)
    found = {(r.metric, r.group): (r.n, r.n_sessions) for r in of_role(results, "count")}
    sessions = int(clean.filter(pl.col("variant") != "holdback")["sessions"].sum())
    assert found == {
        ("log", "all"): (1016, 10_000),
        ("excluded(not_exposed)", "all"): (9, 0),
        ("excluded(contaminated)", "all"): (5, 0),
        ("excluded(unknown_variant)", "all"): (7, 0),
        ("kept(with_pre_period)", "all"): (11, 0),
        ("kept(no_country)", "all"): (0, 0),
        ("kept(several_country)", "all"): (3, 0),
        ("excluded(duplicate_sessions)", "all"): (0, 13),
        ("excluded(no_unit)", "all"): (0, 2),
        ("excluded(no_variant)", "all"): (0, 4),
        ("excluded(outside_window)", "all"): (0, 6),
        ("excluded(missing_outcome)", "all"): (0, 21),
        ("excluded(missing_outcome)", "mean(clicks)"): (0, 22),
        ("excluded(missing_outcome)", "any(purchase)"): (0, 0),
        ("analysed", "all"): (995, sessions),
    }
    left_out = sum(found[f"excluded({why})", "all"][0] for why in USERS_LEFT_OUT)
    assert found["log", "all"][0] - left_out == found["analysed", "all"][0]
    assert row(results, "fulfilled").n == 995
    assert row(results, "fulfilled").n_sessions == sessions - 21
    assert row(results, "mean(clicks)").n_sessions == sessions
    assert row(results, "excluded(no_unit)").value == 2 / 10_000
    assert row(results, "excluded(contaminated)").value == 5 / 1016
    with pytest.raises(InputError, match=r"5 users were seen in two variants.*--contaminated drop"):
        analyze_moments(moments, dataclasses.replace(config, contaminated="error"))


USERS_LEFT_OUT = ("not_exposed", "contaminated", "unknown_variant")


def test_users_without_a_value_are_counted_as_users(moments_of: MomentsOf) -> None:
    users = made(users=300)
    moments = counted(
        moments_of(
            users.rename({"o1_x": "age"}).with_columns(o1_x="age"), ("fulfilled", "user(age)")
        ),
        o1_missing=12,
    )
    results = analyze_moments(moments, ExperimentConfig(metrics="user(age)"))
    missing = row(results, "excluded(missing_outcome)", "user(age)")
    assert (missing.n, missing.n_sessions, missing.value) == (12, 0, 12 / 300)


def test_repeated_sessions_that_were_not_looked_for_are_told(moments_of: MomentsOf) -> None:
    moments = moments_of(made(users=300), OUTCOMES, ("country",))
    unnamed = dataclasses.replace(moments, duplicates=None)
    many = dataclasses.replace(unnamed, rows=20_000_001)
    unknown = "not asked for, no session column, or removed before"
    for found, why in ((unnamed, unknown), (many, "too many rows")):
        results = analyze_moments(found, ExperimentConfig())
        assert row(results, "excluded(duplicate_sessions)").note == f"not looked for: {why}"


def test_rates_beyond_one_are_told_and_not_in_percent(moments_of: MomentsOf) -> None:
    users = made(users=900).with_columns(o0_x=pl.col("o0_x") * 30)
    moments = moments_of(users, OUTCOMES, ("country",))
    high = moments.cells.with_columns(o0_high=pl.lit(30.0))
    results = analyze_moments(dataclasses.replace(moments, cells=high), ExperimentConfig())
    assert row(results, "outcome").note == "outcomes from 0 to 30: a mean per session, not a rate"
    assert "%" not in verdict(results).partition("(")[0]
    fine = analyze_moments(moments, ExperimentConfig())
    assert fine.find("outcome") is None
    other = dataclasses.replace(moments, outcomes=(*moments.outcomes[1:], moments.outcomes[0]))
    assert analyze_moments(other, ExperimentConfig(outcome="mean(clicks)")).find("outcome") is None


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 99), cuts=st.lists(st.integers(1, 799), max_size=3))
def test_moments_may_be_added_up_from_parts_in_any_order(
    moments_of: MomentsOf, seed: int, cuts: list[int]
) -> None:
    users = made(seed=6, users=800)
    whole = moments_of(users, OUTCOMES, BY)
    ends = [0, *sorted(cuts), 800]
    parts = [
        moments_of(users[a:b], OUTCOMES, BY).cells for a, b in itertools.pairwise(ends) if a < b
    ]
    cells = pl.concat(parts).sample(fraction=1, shuffle=True, seed=seed)
    config = ExperimentConfig(metrics="mean(clicks)")
    merged = analyze_moments(dataclasses.replace(whole, cells=cells), config)
    assert merged == analyze_moments(whole, config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"control": "contrl"}, "no variant 'contrl'.*Did you mean 'control'"),
        ({"split": {"control": 1, "treatmnt": 1}}, "Did you mean 'treatment'"),
        ({"split": {"treatment": 1}}, "must give the control 'control' a weight"),
        ({"by": "contry"}, r"not split by 'contry', only by country.*Make them anew with --by"),
        ({"metrics": "mean(click)"}, r"hold no outcome 'mean\(click\)', only fulfilled, mean"),
        ({"sequential": True}, "not booked day by day.*leave --sequential out"),
    ],
)
def test_what_the_moments_do_not_hold_is_told(
    moments_of: MomentsOf, config: dict[str, Any], message: str
) -> None:
    moments = moments_of(made(users=60), OUTCOMES, ("country",))
    with pytest.raises((InputError, SettingsError), match=message):
        analyze_moments(moments, ExperimentConfig(**config))


def test_variants_that_make_no_experiment_are_told(moments_of: MomentsOf) -> None:
    users = made(users=60)
    one = moments_of(users.with_columns(variant=pl.lit("control")), OUTCOMES)
    with pytest.raises(InputError, match="all are 'control'; a comparison needs two variants"):
        analyze_moments(one, ExperimentConfig())
    none = moments_of(users.with_columns(variant=pl.lit(None, pl.String)), OUTCOMES)
    with pytest.raises(InputError, match=r"exposed to a variant\. Check --variant"):
        analyze_moments(none, ExperimentConfig())
    names = pl.int_range(pl.len()).cast(pl.String)
    many = moments_of(users.with_columns(variant=names), OUTCOMES)
    with pytest.raises(InputError, match="there are 60 variants; is it the right column"):
        analyze_moments(many, ExperimentConfig(control="7"))


def test_looks_need_a_time(moments_of: MomentsOf) -> None:
    timeless = made(users=60).with_columns(day=pl.lit(None, pl.Date))
    moments = moments_of(timeless, OUTCOMES, ("country",), looks=True)
    with pytest.raises(InputError, match=r"the log has no time.*--started-at"):
        analyze_moments(moments, ExperimentConfig(sequential=True))
    plain = analyze_moments(moments, ExperimentConfig())
    assert [r.slice for r in of_role(plain, "sample_ratio")] == ["all", *["country"] * 3]


def test_all_users_contaminated_leaves_nothing_but_counts(moments_of: MomentsOf) -> None:
    users = made(users=60).with_columns(contaminated=pl.lit(True))
    results = analyze_moments(moments_of(users, OUTCOMES, ("country",)), ExperimentConfig())
    assert row(results, "fulfilled").note == "too few users to compare"
    assert row(results, "excluded(contaminated)").n == 60
    assert row(results, "analysed").n == 0
