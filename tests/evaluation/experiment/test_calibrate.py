"""Calibration: each split is judged as `analyze` judges it, and the counts say what happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from evaluation.experiment import ExperimentConfig, analyze_moments
from evaluation.experiment import calibrate as module
from evaluation.experiment.assignments import split_blocks
from evaluation.experiment.calibrate import calibrate_users, outcomes_to_read
from evaluation.experiment.calibration_gate import gate_fires
from evaluation.experiment.calibration_inputs import ordered, subjects, users_of
from evaluation.experiment.calibration_rows import outside
from evaluation.experiment.many import contrasts, large_strata
from evaluation.experiment.sample_ratio import SampleRatio
from evaluation.intervals.proportion import wilson
from evaluation.moments import Moments
from evaluation.outcomes import parse_outcome
from evaluation.sessions import SessionMoments
from relevance.errors import InputError, SettingsError
from relevance.results import ComparisonRow, Results

DAY = date(2025, 3, 10)


def heavy(
    n: int = 1500, seed: int = 0, names: tuple[str, ...] = ("FR", "JP", "US")
) -> pl.DataFrame:
    """Users who differ in taste and come very unequally often."""
    rng = np.random.default_rng(seed)
    taste, weight = rng.beta(1.5, 2, n), np.minimum(rng.lognormal(1.0, 1.1, n), 80)
    y, y0 = rng.poisson(weight) + 1, rng.poisson(weight)
    return pl.DataFrame(
        {
            "unit": np.arange(n),
            "group_0": rng.choice(names, n),
            "day": pl.Series([DAY + timedelta(days=int(d)) for d in rng.integers(0, 5, n)]),
            "sessions": y,
            "o0_x": rng.binomial(y, taste),
            "o0_y": y,
            "o0_x0": rng.binomial(y0, taste),
            "o0_y0": y0,
        }
    )


def row(results: Results, metric: str, system: str | None = None) -> ComparisonRow:
    found = [r for r in results if r.metric == metric and system in (None, r.system)]
    assert isinstance(found[0], ComparisonRow), metric
    return found[0]


def test_a_split_is_judged_as_analyze_judges_it(
    moments_of: Callable[..., SessionMoments],
) -> None:
    config = ExperimentConfig(srm_alpha=0.2)  # a gate that fires now and then
    frame = ordered(heavy(600))
    parts = subjects(
        frame, [config.primary], [config.primary], shares=(0.5, 0.5), cuped=True, alpha=0.05,
        lift=0.1,
    )  # fmt: skip
    users = users_of(frame, parts, [config.primary.name])
    who = users.__class__(
        users.strata, users.bounds, users.measures, {**users.places, "user": np.arange(users.n)}
    )
    block = next(split_blocks(who, (0.5, 0.5), runs=40, seed=2))
    counts = {name: block.counts[name] for name in ("group_0", "day")}
    gate = gate_fires(counts, (0.5, 0.5), config.srm_alpha)
    found = contrasts(*large_strata(block.sums[0].treated[0], block.sums[0].control))
    invalid = []
    for split in range(40):
        variant = np.where(block.counts["user"][1, split] == 1, "treatment", "control")
        log = frame.with_columns(variant=pl.Series(variant))
        results = analyze_moments(moments_of(log, by=("country",)), config)
        assert results.rows[0].p_value == pytest.approx(found.p_value[split], rel=1e-9)  # type: ignore[attr-defined]
        said = next(r.note for r in results if r.metric == "verdict")
        invalid.append(float(said.startswith("invalid")))
    assert gate.tolist() == invalid
    assert 0 < sum(invalid) < 40


def _of_counts(counts: Any, names: list[str]) -> dict[str, dict[str, Moments]]:
    """Variant → place → moments of nothing but users."""
    return {
        name: {
            f"place {p}": Moments(int(n), np.zeros(4), np.zeros((4, 4)))
            for p, n in enumerate(counts[v, 0])
        }
        for v, name in enumerate(names)
    }


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.8, 0.2), (0.5, 0.25, 0.25)])
@pytest.mark.parametrize("users", [40, 900])
def test_the_gate_is_that_of_sample_ratio(shares: tuple[float, ...], users: int) -> None:
    rng = np.random.default_rng(users)
    names = [f"v{i}" for i in range(len(shares))]
    country, day = rng.integers(0, 3, users), rng.integers(0, 4, users)
    fires, expected = [], []
    for _ in range(60):
        variant = rng.choice(len(shares), users, p=shares)
        counts = {
            name: np.array(
                [[[((variant == v) & (of == p)).sum() for p in range(of.max() + 1)]]
                 for v in range(len(shares))]
            ).astype(float)
            for name, of in (("group_0", country), ("day", day))
        }  # fmt: skip
        fires.append(bool(gate_fires(counts, shares, 0.15)[0]))

        intended = dict(zip(names, shares, strict=True))
        moments = [_of_counts(counts[family], names) for family in ("group_0", "day")]
        ratio = SampleRatio.of({"country": moments[0]}, moments[1], intended, 0.15)
        expected.append(bool(ratio.broken))
    assert fires == expected
    assert 0 < sum(fires) < 60


@pytest.fixture(scope="module")
def results() -> Results:
    config = ExperimentConfig()
    return calibrate_users(heavy(), outcomes_to_read(config), config, runs=1000)


def test_ours_is_right_and_the_session_z_test_is_not(results: Results) -> None:
    ours, naive = (
        row(results, f"false_positives(fulfilled{of})") for of in ("", ",session_z_test")
    )
    assert ours.value == pytest.approx(0.05, abs=0.02)
    assert naive.value is not None
    assert naive.value > 0.15
    assert naive.note.startswith("for comparison: a z-test over sessions would be wrong ")
    assert not outside(results, ExperimentConfig())
    family = row(results, "false_positives(fulfilled,any_group)")
    assert (family.slice, family.baseline) == ("country", 0.05)
    assert family.value == pytest.approx(0.05, abs=0.025)
    assert row(results, "standard_error(fulfilled)").value == pytest.approx(1, abs=0.07)


def test_power_is_what_is_planned_and_intervals_cover(results: Results) -> None:
    power = row(results, "power(fulfilled)")
    assert power.baseline == pytest.approx(0.8, abs=1e-3)
    assert power.value == pytest.approx(power.baseline, abs=0.035)
    for name in ("coverage(fulfilled)", "coverage(fulfilled,relative)"):
        assert row(results, name).value == pytest.approx(0.95, abs=0.02)
    alarms = row(results, "false_alarms(sample_ratio)")
    assert alarms.value is not None
    assert alarms.value < 0.01
    assert alarms.baseline == pytest.approx(0.004)  # overall, country, day, since


def test_intervals_are_wilsons_and_the_splits_are_counted(results: Results) -> None:
    ours = row(results, "false_positives(fulfilled)")
    assert ours.n == 1000
    assert ours.value is not None
    expected = stats.binomtest(round(1000 * ours.value), 1000).proportion_ci(method="wilson")
    assert (ours.ci_low, ours.ci_high) == pytest.approx((expected.low, expected.high))
    assert wilson(0.0, 10)[0] == 0.0
    assert ours.definition == "1,000 random splits of 1,500 users"


def test_the_same_seed_gives_the_same_rows_and_order_does_not_matter() -> None:
    config = ExperimentConfig()
    outcomes = outcomes_to_read(config)
    frame = heavy(300)
    first = calibrate_users(frame, outcomes, config, runs=100, seed=4)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    assert first == calibrate_users(shuffled, outcomes, config, runs=100, seed=4)
    assert first != calibrate_users(frame, outcomes, config, runs=100, seed=5)


def test_several_treatments_are_adjusted_together() -> None:
    config = ExperimentConfig(split={"control": 2, "a": 1, "b": 1})
    found = calibrate_users(heavy(900), outcomes_to_read(config), config, runs=400)
    rates = [row(found, "false_positives(fulfilled)", name).value for name in ("a", "b")]
    assert all(rate is not None and rate < 0.05 for rate in rates)
    assert row(found, "power(fulfilled)", "a").baseline == pytest.approx(0.8, abs=1e-3)


def mean_frame(n: int = 800) -> tuple[pl.DataFrame, dict[str, Any]]:
    rng = np.random.default_rng(2)
    base = heavy(n)
    clicks = rng.gamma(2, base["o0_y"].to_numpy())
    return base, {"x": clicks, "y": np.ones(n), "x0": np.zeros(n), "y0": np.zeros(n)}


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("mean(revenue)", "the session z-test is compared for shares of sessions only"),
        ("mean(sessions)", "a number of sessions has no session z-test"),
        ("ratio(revenue,pages)", "the session z-test is compared for shares of sessions only"),
    ],
)
def test_where_there_is_no_session_z_test_it_says_why(outcome: str, reason: str) -> None:
    config = ExperimentConfig(outcome=outcome)
    base, values = mean_frame()
    outcomes = outcomes_to_read(config)
    for i, _ in enumerate(outcomes):
        base = base.with_columns(**{f"o{i}_{k}": pl.Series(v) for k, v in values.items()})
    found = calibrate_users(base, outcomes, config, runs=200)
    naive = row(found, f"false_positives({outcome},session_z_test)")
    assert (naive.value, naive.note, naive.n_undefined) == (None, reason, 200)
    assert row(found, f"false_positives({outcome})").value == pytest.approx(0.05, abs=0.05)


def test_a_mean_reads_the_rate_that_its_session_z_test_takes() -> None:
    read = outcomes_to_read(ExperimentConfig(outcome="mean(buys)", metrics=("any(buys)", "age")))
    assert [o.name for o in read] == ["mean(buys)", "any(buys)", "age", "rate(buys)"]


def test_a_users_property_is_compared_with_its_share_of_sessions() -> None:
    config = ExperimentConfig(outcome="user(age)")
    age = np.random.default_rng(0).normal(40, 9, 1500)
    frame = heavy().with_columns(o0_x=pl.Series(age), o0_y=1.0, o0_x0=0.0, o0_y0=0.0)
    found = calibrate_users(frame, outcomes_to_read(config), config, runs=400)
    naive = row(found, "false_positives(user(age),session_z_test)").value
    assert naive is not None
    assert naive > 0.3


def test_an_interrupted_calibration_reports_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ExperimentConfig()
    outcomes, frame = outcomes_to_read(config), heavy(200)

    def stop_after(splits: int) -> Callable[..., None]:
        def report(done: int, total: int, what: str = "") -> None:
            if done >= splits:
                raise KeyboardInterrupt

        return report

    found = calibrate_users(frame, outcomes, config, runs=1000, progress=stop_after(200))
    assert row(found, "interrupted").note == "interrupted after 256 of 1,000 splits"
    assert row(found, "false_positives(fulfilled)").n == 256
    monkeypatch.setattr(module, "FEWEST_RUNS", 200)
    with pytest.raises(KeyboardInterrupt):
        calibrate_users(frame, outcomes, config, runs=1000, progress=stop_after(100))


def test_what_cannot_be_calibrated_is_refused() -> None:
    config = ExperimentConfig()
    outcomes = outcomes_to_read(config)
    with pytest.raises(SettingsError, match="runs must be at least 100, got 5"):
        calibrate_users(heavy(100), outcomes, config, runs=5)
    with pytest.raises(InputError, match="3 users can be split; a calibration needs at least 8"):
        calibrate_users(heavy(100).head(3), outcomes, config)
    with pytest.raises(InputError, match="fulfilled: 100 users cannot be compared"):
        calibrate_users(heavy(100).with_columns(o0_x=pl.col("o0_y")), outcomes, config)
    with pytest.raises(SettingsError, match=r"a lift of \+900 % is not possible"):
        calibrate_users(heavy(100), outcomes, config, lift=9.0)
    with pytest.raises(SettingsError, match="split must give the control 'control'"):
        calibrate_users(heavy(100), outcomes, ExperimentConfig(split={"a": 1, "b": 1}))


def test_a_rate_that_is_off_is_told() -> None:
    config = ExperimentConfig()
    rows = [
        ComparisonRow(metric=f"false_positives({name})", value=value)
        for name, value in (("fulfilled", 0.066), ("fulfilled,session_z_test", 0.3), ("x", 0.2))
    ]
    assert outside(Results(tuple(rows)), config) == rows[:1]
    assert parse_outcome("fulfilled").name == "fulfilled"
