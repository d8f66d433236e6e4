"""`gradewise experiment calibrate` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.commands.experiment import app
from relevance.errors import InputError, SettingsError
from relevance.results import ComparisonRow, Results


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


def rows(*arguments: object) -> list[dict[str, Any]]:
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, (done.output, done.exception)
    parsed: list[dict[str, Any]] = json.loads(done.stdout)
    return parsed


def figure(found: list[dict[str, Any]], metric: str) -> dict[str, Any]:
    return next(row for row in found if row["metric"] == metric)


def made(path: Path, *, variants: bool) -> Path:
    """A log of heavy users: 500 in an experiment, or the same days without one."""
    rng = np.random.default_rng(1)
    taste, rate = rng.beta(1.2, 1.8, 500), np.minimum(rng.lognormal(1.2, 1.1, 500), 80)
    frames = []
    for first, exposed in ((0, False), (7, variants)):
        user = np.repeat(np.arange(500), rng.poisson(rate) + exposed)
        day = first + rng.random(len(user)) * 7
        when = np.datetime64("2025-03-01", "us") + (day * 86_400e6).astype("timedelta64[us]")
        frame = pl.DataFrame(
            {
                "unit_id": user,
                "country": np.array(["FR", "US"])[user % 2],
                "started_at": when,
                "fulfilled": rng.binomial(1, taste[user]),
            }
        )
        if variants:
            names = pl.Series(np.array(["control", "treatment"])[(user // 2) % 2])
            frame = frame.with_columns(
                variant=names if exposed else pl.lit(None, pl.String),
                exposed_at=pl.col("started_at") if exposed else pl.lit(None, pl.Datetime("us")),
            )
        frames.append(frame)
    pl.concat(frames).write_parquet(path)
    return path


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("calibrate") / "experiment.parquet", variants=True)


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("calibrate") / "ordinary.parquet", variants=False)


def test_the_answer_and_the_session_z_test(log: Path) -> None:
    done = run(log, "--runs", 400)
    assert done.exit_code == 0, done.output
    first, second, *rest = done.stdout.splitlines()
    assert first.startswith("fulfilled: without any effect ")
    assert first.endswith("of 400 splits are significant at 0.05: as it should be.")
    assert second.startswith("fulfilled: for comparison: a z-test over sessions would be wrong ")
    assert "400 random splits of 500 users" in rest[-2]
    assert "sessions=xxh3:" in rest[-1]


def test_json_is_the_long_table(log: Path) -> None:
    found = rows(log, "--runs", 300)
    ours, naive = (
        figure(found, f"false_positives(fulfilled{rest})") for rest in ("", ",session_z_test")
    )
    assert found[0] == ours
    assert (ours["n"], ours["baseline"], ours["system"]) == (300, 0.05, "treatment")
    assert ours["ci_low"] < ours["value"] < ours["ci_high"]
    assert naive["value"] > 0.15
    family = figure(found, "false_positives(fulfilled,any_group)")
    assert family["slice"] == "country"
    assert figure(found, "power(fulfilled)")["baseline"] == pytest.approx(0.8, abs=1e-3)
    assert rows(log, "--runs", 300) == found
    assert rows(log, "--runs", 300, "--seed", 1) != found


def test_real_variants_are_ignored_unless_the_control_is_split(log: Path) -> None:
    found = rows(log, "--runs", 100, "--within-control")
    assert found[0]["definition"] == "100 random splits of 250 users"
    wrong = run(log, "--within-control", "--control", "old").exception
    assert isinstance(wrong, InputError)
    assert str(wrong).startswith(
        "no user is in the variant 'old', only in 'control', 'treatment'. Name the control"
    )


def test_a_log_without_variants_is_cut(ordinary: Path) -> None:
    found = rows(ordinary, "--runs", 200)
    halves = pl.read_parquet(ordinary).filter(pl.col("started_at").dt.day() > 7)
    users = halves["unit_id"].n_unique()
    assert found[0]["definition"] == f"200 random splits of {users} users"
    assert figure(found, "false_positives(fulfilled,session_z_test)")["value"] > 0.1
    late = rows(ordinary, "--runs", 100, "--before", 13)
    last = halves.filter(pl.col("started_at").dt.day() > 13)
    assert late[0]["definition"] == f"100 random splits of {last['unit_id'].n_unique()} users"
    nobody = run(ordinary, "--within-control").exception
    assert "column 'variant' is missing" in str(nobody)


def test_a_table_of_users_is_enough(ordinary: Path, tmp_path: Path) -> None:
    days = pl.read_parquet(ordinary).with_columns(late=pl.col("started_at").dt.day() > 7)
    users = days.group_by("unit_id").agg(
        pl.col("country").first(),
        pl.col("fulfilled").filter("late").sum(),
        pl.col("fulfilled").filter(~pl.col("late")).sum().alias("fulfilled_before"),
        sessions=pl.col("late").sum(),
        sessions_before=(~pl.col("late")).sum(),
    )
    path = tmp_path / "users.csv"
    users.write_csv(path)
    found = rows(path, "--per-user", "--runs", 200)
    assert found[0]["definition"] == f"200 random splits of {len(users)} users"
    assert figure(found, "false_positives(fulfilled,session_z_test)")["value"] > 0.1
    split = rows(path, "--per-user", "--runs", 100, "--variant", "country", "--control", "FR")
    assert split[0]["definition"] == found[0]["definition"].replace("200", "100")


def test_the_lift_to_inject_is_an_option(log: Path) -> None:
    found = rows(log, "--runs", 300, "--lift", "60%")
    power = figure(found, "power(fulfilled)")
    assert power["note"].startswith("with a true lift of +60 %")
    assert power["value"] > 0.95
    wrong = run(log, "--lift", "900%").exception
    assert isinstance(wrong, SettingsError)
    assert "a lift of +900 % is not possible here" in str(wrong)


@pytest.mark.parametrize(("rate", "code"), [(0.0645, 0), (0.0655, 3), (0.034, 3)])
def test_a_rate_out_of_bounds_fails_if_wanted(
    log: Path, monkeypatch: pytest.MonkeyPatch, rate: float, code: int
) -> None:
    from evaluation.experiment import calibrate as module

    row = ComparisonRow(metric="false_positives(fulfilled)", value=rate, baseline=0.05, n=2000)
    monkeypatch.setattr(module, "calibrate", lambda *_, **__: Results((row,)))
    done = run(log, "--fail-on", "false-positives")
    assert done.exit_code == code
    assert ("NOT as it should be" in done.stdout) == bool(code)
    assert run(log).exit_code == 0


def test_an_interrupted_run_is_told_by_its_exit_code(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evaluation.experiment import calibrate as module

    real = module.calibrate

    def stopped(*arguments: Any, **options: Any) -> Results:
        def stop(done: int, total: int, what: str = "") -> None:
            if total == 2000 and done >= 128:
                raise KeyboardInterrupt

        return real(*arguments, **{**options, "progress": stop})

    monkeypatch.setattr(module, "calibrate", stopped)
    done = run(log)
    assert done.exit_code == 130
    assert "interrupted after 128 of 2,000 splits" in done.stdout
