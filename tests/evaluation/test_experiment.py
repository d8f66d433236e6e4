"""From a session log to rows and a verdict."""

from __future__ import annotations

import dataclasses
import json
import warnings
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from evaluation.experiment import ExperimentConfig, analyze, analyze_moments
from evaluation.moments import Arm, Contrast
from evaluation.sample_ratio import SampleRatio
from evaluation.sessions import SessionLog, session_moments
from evaluation.verdict import VERDICTS, Evidence, Rules, decide
from relevance.errors import InputError, SettingsError
from relevance.results import ExperimentRow, Results, results_from

START = datetime(2025, 3, 10)


def made(
    seed: int = 0,
    users: int = 3000,
    lift: float = 0.0,
    countries: dict[str, float] | None = None,
    share: float = 0.5,
    before: bool = True,
) -> pl.DataFrame:
    """A log of heavy users; `countries` gives each its own lift instead of `lift`."""
    rng = np.random.default_rng(seed)
    lifts = countries or {"FR": lift, "JP": lift, "US": lift}
    country = rng.choice(list(lifts), users)
    treated = rng.random(users) < share
    taste = rng.beta(3, 4, users)
    weight = np.minimum(rng.lognormal(0.8, 0.9, users), 60)
    frames = []
    for period in ("before", "inside") if before else ("inside",):
        inside = period == "inside"
        n = rng.poisson(weight) + inside
        user = np.repeat(np.arange(users), n)
        effect = np.array([lifts[name] for name in country]) * treated * inside
        fulfilled = rng.random(len(user)) < np.minimum(taste * (1 + effect), 1)[user]
        day = rng.random(len(user)) * 7 * (1 if inside else -1)
        started = np.datetime64(START, "us") + (day * 86_400e6).astype("timedelta64[us]")
        missing = [None] * len(user)
        variant = np.where(treated, "treatment", "control")[user]
        frames.append(
            pl.DataFrame(
                {
                    "unit_id": user,
                    "variant": pl.Series(
                        variant if inside else [None] * len(user), dtype=pl.String
                    ),
                    "country": country[user],
                    "started_at": started,
                    "exposed_at": pl.Series(started if inside else missing).cast(pl.Datetime("us")),
                    "fulfilled": fulfilled.astype(float),
                }
            )
        )
    log = pl.concat(frames)
    return log.with_columns(session_id=pl.int_range(pl.len()))


def row(results: Results, metric: str, group: str = "all", system: str | None = None) -> Any:
    found = results.find(metric, group=group, system=system)
    assert isinstance(found, ExperimentRow), (metric, group)
    return found


def verdict(results: Results) -> str:
    return str(row(results, "verdict").note)


@pytest.fixture(scope="module")
def lifted() -> Results:
    return analyze(made(seed=1, lift=0.08))


def test_the_worked_example_goes_through_the_whole_analysis() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tea = pytest.importorskip("tea_tasting")
    users = pl.from_arrow(tea.make_users_data(rng=42, covariates=True))
    assert isinstance(users, pl.DataFrame)
    frames = []
    for sessions, orders, day in (
        ("sessions", "orders", 0),
        ("sessions_covariate", "orders_covariate", -9),
    ):
        count = users[sessions].cast(pl.Int64)
        ends = np.repeat(count.cum_sum().to_numpy(), count)
        place = ends - np.arange(len(ends)) - 1
        user = users[np.repeat(np.arange(len(users)), count)]
        frames.append(
            user.select(
                pl.col("user").alias("member"),
                pl.col("variant").alias("arm"),
                pl.lit(START + timedelta(days=day)).alias("when"),
                (pl.Series(place) < user[orders].cast(pl.Int64)).alias("ordered"),
            )
        )
    log = pl.concat(frames)
    config = ExperimentConfig(
        unit="member",
        variant="arm",
        control="0",
        outcome="ordered",
        started_at="when",
        start=START - timedelta(days=1),
    )
    results = analyze(log, config)
    primary, plain = results.rows[0], row(results, "ordered(unadjusted)")
    assert isinstance(primary, ExperimentRow)
    assert (primary.metric, primary.system, primary.n) == ("ordered", "1", 4000)
    assert primary.p_value == pytest.approx(0.002292943842523, abs=1e-9)
    assert primary.difference == pytest.approx(0.03173426303678084, abs=1e-9)
    assert plain.baseline == pytest.approx(0.2657256067360079, abs=1e-9)
    assert plain.value == pytest.approx(0.28903061224489796, abs=1e-9)
    assert plain.difference_ci_low == pytest.approx(-0.0024594336679095, abs=1e-9)
    assert plain.difference_ci_high == pytest.approx(0.0490694446856896, abs=1e-9)
    assert plain.p_value == pytest.approx(0.0762375997816836, abs=1e-9)
    ratio = row(results, "sample_ratio")
    assert ratio.p_value == pytest.approx(0.46702758387372245, abs=1e-12)
    assert (ratio.value, ratio.baseline) == (pytest.approx(1977 / 4000), 0.5)
    assert "CUPED took away 37.4 %" in primary.note
    assert analyze(log.filter(pl.col("when") >= START), config).rows[0].metric == "ordered"


def test_rows_come_in_their_order(lifted: Results) -> None:
    metrics = [(r.metric, r.slice, r.group) for r in lifted]
    countries = ["FR", "JP", "US"]
    assert metrics[:8] == [
        ("fulfilled", "all", "all"),
        *(("fulfilled", "country", name) for name in (*countries, "(mean)")),
        ("fulfilled(unadjusted)", "all", "all"),
        ("heterogeneity", "country", "all"),
        ("sample_ratio", "all", "all"),
    ]
    assert metrics[8:12] == [
        *(("sample_ratio", "country", name) for name in countries),
        ("verdict", "all", "all"),
    ]


def test_rows_are_strict_json_and_come_back_from_a_frame(lifted: Results) -> None:
    dicts = json.loads(lifted.to_json())
    assert {"n_sessions", "p_adjusted", "rel_difference_ci_low"} <= set(dicts[0])
    assert results_from(lifted.to_frame().to_dicts()) == results_from(dicts)


def test_a_true_lift_is_found_and_shipped(lifted: Results) -> None:
    primary = row(lifted, "fulfilled")
    assert primary.rel_difference_ci_low <= 0.08 <= primary.rel_difference_ci_high
    assert primary.difference == pytest.approx(primary.value - primary.baseline)
    assert primary.ci_low < primary.value < primary.ci_high
    assert (primary.n, primary.n_sessions) == (3000, made(seed=1)["exposed_at"].count())
    assert verdict(lifted).startswith("ship: the fulfillment rate rose from ")
    assert verdict(lifted).endswith("over 3,000 users, and no country fell significantly")


def test_cuped_and_strata_narrow_the_interval(lifted: Results) -> None:
    primary, plain = row(lifted, "fulfilled"), row(lifted, "fulfilled(unadjusted)")
    width = primary.difference_ci_high - primary.difference_ci_low
    assert width < 0.9 * (plain.difference_ci_high - plain.difference_ci_low)
    without = analyze(made(seed=1, lift=0.08), ExperimentConfig(cuped=False))
    assert "CUPED" not in without.rows[0].note


def test_countries_carry_both_p_values_and_holm_is_the_larger(lifted: Results) -> None:
    rows = [row(lifted, "fulfilled", name) for name in ("FR", "JP", "US")]
    assert sum(r.n for r in rows) == row(lifted, "fulfilled").n
    assert all(r.p_adjusted >= r.p_value for r in rows)
    smallest = min(rows, key=lambda r: r.p_value)
    assert smallest.p_adjusted == pytest.approx(min(3 * smallest.p_value, 1))


def test_without_countries_or_pre_period_the_first_row_is_the_plain_figure() -> None:
    results = analyze(made(before=False).drop("country"))
    assert results.find("fulfilled(unadjusted)") is None
    assert results.rows[0].note == ""
    assert [r.metric for r in results][:3] == ["fulfilled", "sample_ratio", "verdict"]


def test_a_session_z_test_would_be_wrong_here_and_ours_is_not() -> None:
    log = made(seed=5, users=400)
    primary = analyze(log, ExperimentConfig(cuped=False)).find("fulfilled(unadjusted)")
    assert isinstance(primary, ExperimentRow)
    inside = log.filter(pl.col("exposed_at").is_not_null())
    arms = inside.group_by("variant").agg(
        x=pl.col("fulfilled").sum(), y=pl.len(), users=pl.col("unit_id").n_unique()
    )
    p, n = arms["x"].sum() / arms["y"].sum(), arms["y"].to_numpy()
    naive = np.sqrt(p * (1 - p) * (1 / n).sum())
    low, high = primary.difference_ci_low, primary.difference_ci_high
    assert low is not None
    assert high is not None
    assert (high - low) / 2 / 1.96 > 1.2 * naive


def test_a_broken_split_is_invalid_and_says_where() -> None:
    log = made(seed=2, users=4000, lift=0.2)
    lost = (pl.col("country") == "FR") & (pl.col("variant") == "treatment")
    log = log.filter(~(lost & (pl.col("unit_id") % 3 == 0)).fill_null(False))
    results = analyze(log)
    said = verdict(results)
    assert said.startswith("invalid: users are not split as intended")
    assert "in FR" in said
    assert "none of the lifts is evidence" in said
    assert row(results, "sample_ratio", "FR").note == "broken"
    assert row(results, "sample_ratio", "JP").note == ""
    assert row(results, "fulfilled").note.startswith("invalid: sample ratio")
    counts = (
        log.filter(pl.col("variant").is_not_null())
        .group_by("variant")
        .agg(pl.col("unit_id").n_unique())
    )
    expected = stats.chisquare(counts["unit_id"].to_numpy()).pvalue
    assert row(results, "sample_ratio").p_value == pytest.approx(expected, rel=1e-9)


def test_a_day_with_a_broken_split_is_found() -> None:
    log = made(seed=3, users=4000, before=False).sort("started_at")
    first = log.group_by("unit_id").agg(pl.col("started_at").min().alias("first"))
    log = log.join(first, on="unit_id")
    bad = pl.col("first").dt.date() == (START + timedelta(days=2)).date()
    log = log.filter(~(bad & (pl.col("variant") == "control") & (pl.col("unit_id") % 2 == 0)))
    assert "on 2025-03-12" in verdict(analyze(log))


def test_an_intended_split_that_is_not_even() -> None:
    log = made(seed=4, share=0.2)
    assert verdict(analyze(log)).startswith("invalid")
    fine = analyze(log, ExperimentConfig(split={"treatment": 1, "control": 4}))
    assert row(fine, "sample_ratio").baseline == pytest.approx(0.2)
    assert not verdict(fine).startswith("invalid")


def test_a_fall_is_stopped_and_a_hurt_country_is_held() -> None:
    assert verdict(analyze(made(seed=1, lift=-0.1))).startswith("stop: the fulfillment rate fell")
    mixed = made(seed=1, users=6000, countries={"FR": -0.2, "JP": 0.2, "US": 0.2})
    results = analyze(mixed)
    assert verdict(results).startswith("hold: ")
    assert "fell significantly in FR (−" in verdict(results)
    found = row(results, "heterogeneity")
    assert found.value > 0.8
    assert found.p_value < 1e-6


def test_no_clear_change_is_not_yet_unless_the_wanted_lift_is_ruled_out() -> None:
    log = made(seed=7)
    assert verdict(analyze(log)).startswith("not yet: ")
    held = analyze(log, ExperimentConfig(min_lift=0.5))
    assert verdict(held).startswith("hold: ")
    assert "rules out the lift worth having (+50.0 %)" in verdict(held)


def test_few_users_get_no_verdict() -> None:
    said = verdict(analyze(made(users=60, lift=0.5)))
    assert said.startswith("not yet: ")
    assert "needs 100 in each" in said


def test_several_treatments_each_have_rows_and_a_verdict() -> None:
    log = made(seed=8, users=4000)
    third = pl.when((pl.col("unit_id") % 3 == 0) & pl.col("variant").is_not_null())
    log = log.with_columns(variant=third.then(pl.lit("other")).otherwise("variant"))
    split = {"control": 1.0, "treatment": 1.0, "other": 1.0}
    results = analyze(log, ExperimentConfig(split=split))
    for system in ("treatment", "other"):
        assert row(results, "verdict", system=system).note
        assert row(results, "fulfilled", system=system).p_adjusted is not None
    p = [row(results, "fulfilled", system=s) for s in ("treatment", "other")]
    assert max(r.p_adjusted / r.p_value for r in p) >= 1
    assert row(results, "sample_ratio").baseline == pytest.approx(1 / 3)


def test_what_is_left_out_is_counted() -> None:
    log = made(seed=9, users=500)
    twice = log.filter(pl.col("unit_id") < 5).with_columns(
        pl.when(pl.col("variant") == "control")
        .then(pl.lit("treatment"))
        .when(pl.col("variant") == "treatment")
        .then(pl.lit("control"))
        .alias("variant"),
        session_id=pl.col("session_id") + 10**6,
    )
    stranger = log.filter(pl.col("unit_id") == 7).with_columns(
        unit_id=pl.lit(10**6), variant=pl.lit("holdback"), session_id=pl.col("session_id") + 10**7
    )
    dirty = pl.concat([log, twice, stranger.cast(log.schema), log.head(11)])
    split = {"control": 1.0, "treatment": 1.0}
    results = analyze(dirty, ExperimentConfig(split=split))
    assert row(results, "excluded(contaminated)").n == 5
    assert row(results, "excluded(unknown_variant)").n == 1
    assert row(results, "excluded(duplicate_sessions)").n_sessions == 11
    assert row(results, "fulfilled").n == 495
    with pytest.raises(InputError, match=r"5 users were seen in two variants.*--contaminated drop"):
        analyze(dirty, ExperimentConfig(split=split, contaminated="error"))


def test_dirt_does_not_change_the_figures() -> None:
    log = made(seed=9, users=500)
    mixed = pl.concat([log, log.sample(200, seed=1)]).sample(fraction=1, shuffle=True, seed=2)
    clean, dirty = analyze(log), analyze(mixed)
    assert dirty.rows[0] == clean.rows[0]


def test_users_without_a_country_are_a_group_of_their_own() -> None:
    log = made(seed=9, users=500).with_columns(
        country=pl.when(pl.col("unit_id") % 10 > 0).then("country")
    )
    results = analyze(log)
    assert row(results, "fulfilled", "(missing)").n == 50
    assert row(results, "kept(no_country)").n == 50
    assert row(results, "fulfilled").n == 500


def test_tiny_countries_share_a_stratum_and_have_no_figure_of_their_own() -> None:
    log = made(seed=9, users=600).with_columns(
        country=pl.when(pl.col("unit_id") == 3).then(pl.lit("IS")).otherwise("country")
    )
    results = analyze(log)
    tiny = row(results, "fulfilled", "IS")
    assert (tiny.n, tiny.p_value, tiny.note) == (1, None, "too few users to compare")
    assert row(results, "fulfilled").n == 600
    assert row(results, "sample_ratio", "IS").note == "too few users to test"


def test_an_outcome_that_never_varies_has_no_interval() -> None:
    results = analyze(made(users=300).with_columns(fulfilled=pl.lit(1.0)))
    primary = row(results, "fulfilled")
    assert (primary.value, primary.difference, primary.p_value) == (1.0, 0.0, None)
    assert "nothing varies" in primary.note
    assert verdict(results).startswith("not yet: the fulfillment rate does not vary")


def test_outcomes_beyond_one_are_told() -> None:
    results = analyze(made(users=300).with_columns(fulfilled=pl.col("fulfilled") * 30))
    assert row(results, "outcome").note == "outcomes from 0 to 30: a mean per session, not a rate"
    assert analyze(made(users=300)).find("outcome") is None


def test_a_log_without_any_outcome_has_rows_but_no_figures() -> None:
    results = analyze(made(users=300).with_columns(fulfilled=pl.lit(None, pl.Float64)))
    primary = row(results, "fulfilled")
    assert (primary.value, primary.n, primary.n_sessions) == (None, 300, 0)
    assert row(results, "excluded(missing_outcome)").n_sessions > 300
    assert verdict(results).startswith("not yet: ")
    assert results.find("outcome") is None


def test_a_log_without_session_ids_says_that_repeats_were_not_looked_for() -> None:
    results = analyze(made(users=300).drop("session_id"))
    note = "not looked for: there is no session column"
    assert row(results, "excluded(duplicate_sessions)").note == note


def test_moments_may_be_added_up_from_parts() -> None:
    log = made(seed=6, users=800)
    whole = session_moments(log, SessionLog())
    parts = [session_moments(log.filter(pl.col("unit_id") % 2 == k), SessionLog()) for k in (0, 1)]
    cells = pl.concat([part.cells for part in parts])
    merged = analyze_moments(dataclasses.replace(whole, cells=cells), ExperimentConfig())
    assert merged == analyze_moments(whole, ExperimentConfig())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ExperimentConfig(control="contrl"), "no variant 'contrl'.*Did you mean 'control'"),
        (ExperimentConfig(split={"control": 1, "treatmnt": 1}), "Did you mean 'treatment'"),
        (ExperimentConfig(split={"treatment": 1}), "must give the control 'control' a weight"),
        (ExperimentConfig(variant="many"), "there is no variant 'control'"),
        (ExperimentConfig(variant="many", control="7"), "variants; is it the right column"),
        (ExperimentConfig(start=datetime(2031, 1, 1)), "no session was exposed to a variant"),
    ],
)
def test_wrong_variants_are_told(config: ExperimentConfig, message: str) -> None:
    log = made(users=60).with_columns(many=pl.col("unit_id"))
    with pytest.raises((InputError, SettingsError), match=message):
        analyze(log, config)


def test_one_variant_is_no_experiment() -> None:
    with pytest.raises(InputError, match="all are 'control'; a comparison needs two"):
        analyze(made(users=60).with_columns(variant=pl.lit("control")))


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0}, {"srm_alpha": 2}, {"contaminated": "keep"}, {"split": {"a": -1}}]
)
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        ExperimentConfig(**wrong)


arms = st.builds(Arm, st.floats(0.01, 0.99), st.floats(1e-8, 1e-2), st.just(1e-12))


@given(
    treatment=arms,
    control=arms,
    p=st.floats(0, 1),
    broken=st.sampled_from(["", "on Monday"]),
    users=st.integers(0, 300),
    p_country=st.floats(0, 1),
)
def test_every_verdict_is_one_of_the_words_and_one_sentence(
    treatment: Arm, control: Arm, p: float, broken: str, users: int, p_country: float
) -> None:
    contrast = Contrast(treatment, control)
    groups = {"FR": (contrast, p_country), "US": (contrast, 1.0)}
    evidence = Evidence(
        rate="the fulfillment rate",
        primary=contrast,
        p_value=p,
        users=(users, 200),
        kind="country",
        groups=groups,
        broken=broken,
    )
    assume(treatment.value != control.value)
    word, reason = decide(evidence, Rules(min_lift=0.01))
    assert word in VERDICTS
    assert reason
    assert ". " not in reason.replace("p < .", "").replace("p = 0.", "")
    if broken:
        assert word == "invalid"
    elif users < 100:
        assert word == "not yet"
    elif word == "ship":
        assert p < 0.05
        assert contrast.difference > 0


def test_no_days_and_no_groups_test_only_the_whole() -> None:
    ratio = SampleRatio.of({}, {}, {"control": 0.5, "treatment": 0.5}, 0.001)
    assert (ratio.overall.users, ratio.overall.share("control"), ratio.broken) == (0, None, "")
