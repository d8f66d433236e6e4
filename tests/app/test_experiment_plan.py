"""`gradewise experiment plan` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.commands.experiment import app
from relevance.errors import SettingsError, TableError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def rows(*arguments: object) -> list[dict[str, Any]]:
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, (done.output, done.exception)
    parsed: list[dict[str, Any]] = json.loads(done.stdout)
    return parsed


def figure(found: list[dict[str, Any]], metric: str, group: str = "all") -> dict[str, Any]:
    return next(row for row in found if (row["metric"], row["group"]) == (metric, group))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty ordinary days of 1,200 users, without variants."""
    rng = np.random.default_rng(0)
    taste, rate = rng.beta(2, 3, 1200), np.minimum(rng.lognormal(0.8, 1.0, 1200), 40) / 20
    user, day = np.nonzero(rng.poisson(rate[:, None] * np.ones(20)))
    seconds = (day + rng.random(len(day))) * 86_400e6
    path = tmp_path_factory.mktemp("plan") / "ordinary.parquet"
    pl.DataFrame(
        {
            "member": user,
            "when": np.datetime64("2025-03-01", "us") + seconds.astype("timedelta64[us]"),
            "country": np.array(["FR", "US"])[user % 2],
            "found": rng.binomial(1, taste[user]),
            "clicks": rng.poisson(2 * taste[user]),
        }
    ).write_parquet(path)
    return path


COLUMNS = ("--unit", "member", "--outcome", "found", "--started-at", "when")


def test_the_answer_is_a_sentence_for_a_product_manager(log: Path) -> None:
    done = run(log, *COLUMNS, "--min-lift", "25%")
    assert done.exit_code == 0, done.output
    first = done.stdout.splitlines()[0]
    assert first.startswith(
        "To see a lift of +25 % in found with 80 % power (two-sided test at 5 %): "
    )
    assert " users" in first
    assert "; without strata and CUPED " in first
    days = int(first.split("test at 5 %): ")[1].split()[0])
    weeks = -(-days // 7)
    assert first.endswith(f" Whole weeks are safer: {7 * weeks} days.") == (days % 7 > 0)
    for text in ("FR", "US", "power to +25 %", "Detectable lift in found by days", "extrapolated"):
        assert text in done.stdout
    assert "from 2025-03-01 to 2025-03-20: 10 days before, 10 as an experiment" in done.stdout
    assert "sessions=xxh3:" in done.stdout


def test_what_can_so_many_days_find(log: Path) -> None:
    done = run(log, *COLUMNS, "--days", 7, "--metric", "mean(clicks)")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("7 days and ")
    assert " users find a lift of +" in lines[0]
    assert any(line.startswith("7 days and ") and "mean(clicks)" in line for line in lines[1:])
    assert "days to" not in done.stdout


def test_json_is_the_long_table(log: Path) -> None:
    found = rows(log, *COLUMNS, "--min-lift", ".25")
    same = rows(log, *COLUMNS, "--min-lift", "25%")
    assert found == same
    days, mde = figure(found, "days(found)"), figure(found, "mde(found)")
    assert found[0] == days
    assert (days["role"], days["ci_level"], days["system"]) == ("plan", 0.95, "treatment")
    assert mde["value"] <= 0.25
    assert mde["difference"] == pytest.approx(mde["value"] * mde["baseline"])
    assert {row["slice"] for row in found} == {"all", "country", "day"}
    absolute = rows(log, *COLUMNS, "--min-difference", 0.25 * days["baseline"], "--days", 10)
    assert figure(absolute, "power(found)")["rel_difference"] == pytest.approx(0.25, rel=0.05)


def test_split_traffic_and_the_pre_period_are_options(log: Path) -> None:
    whole = figure(rows(log, *COLUMNS, "--days", 8), "mde(found)")
    part = figure(rows(log, *COLUMNS, "--days", 8, "--traffic", "50%"), "mde(found)")
    assert part["n"] == pytest.approx(whole["n"] / 2, abs=1)
    assert part["value"] > whole["value"]
    split = ("--control", "old", "--split", "old=4,new=1")
    uneven = figure(rows(log, *COLUMNS, "--days", 8, *split), "mde(found)")
    assert (uneven["system"], uneven["n"]) == ("new", whole["n"])
    assert uneven["value"] > whole["value"]
    none = rows(log, *COLUMNS, "--days", 8, "--before", 0)
    assert figure(none, "cuped_gain(found)")["value"] == 0
    assert "no pre-period, 20 as an experiment" in none[0]["definition"]


def test_a_lift_that_a_year_does_not_find_says_what_would_help(log: Path) -> None:
    done = run(log, *COLUMNS, "--min-lift", "0.1%")
    assert "not within 365 days. Beyond the log only the users are taken to grow" in done.stdout
    assert "> 365" in done.stdout
    assert "10 days and " in done.stdout


def test_the_settings_hold_the_lift_worth_having(
    log: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gradewise.toml").write_text(
        '[experiment]\nunit = "member"\noutcome = "found"\nstarted_at = "when"\nmin_lift = 0.25\n'
    )
    assert figure(rows(log), "days(found)")["rel_difference"] == 0.25
    assert figure(rows(log, "--min-lift", "30%"), "days(found)")["rel_difference"] == 0.3


def test_what_is_wrong_is_said(log: Path) -> None:
    assert isinstance(run(log).exception, TableError)
    wrong = run(log, *COLUMNS, "--min-lift", "much").exception
    assert isinstance(wrong, SettingsError)
    assert str(wrong) == "--min-lift must be a share, got 'much'. Write 1% or .01"
    both = run(log, *COLUMNS, "--min-lift", "1%", "--min-difference", ".01").exception
    assert "not for both" in str(both)
