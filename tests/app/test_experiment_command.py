"""`gradewise experiment analyze`: flags, formats, messages, exit codes."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.cli import app, main
from app.commands.experiment import inputs
from app.loading import load
from relevance.files import hash_file
from relevance.provenance import read_provenance

run = CliRunner()

COLUMNS = {
    "session_id": "s",
    "unit_id": "member",
    "variant": "arm",
    "country": "market",
    "started_at": "begin",
    "exposed_at": "seen",
    "fulfilled": "saved",
}


def log_of(users: int = 600, lift: float = 0.3, seed: int = 0) -> pl.DataFrame:
    """Sessions of ten days; two thirds of the users have earlier ones."""
    rng = np.random.default_rng(seed)
    variant = np.where(np.arange(users) % 2, "treatment", "control")
    n = rng.integers(1, 9, users)
    user = np.repeat(np.arange(users), n)
    rate = 0.4 * (1 + lift * (variant == "treatment"))
    seconds = rng.integers(0, 86_400 * 10, len(user))
    started = np.datetime64(datetime(2025, 3, 1), "us") + seconds.astype("timedelta64[s]")
    sessions = pl.DataFrame(
        {
            "session_id": np.arange(len(user)),
            "unit_id": user,
            "variant": variant[user],
            "country": np.array(["FR", "US", "JP"])[user % 3],
            "started_at": started,
            "exposed_at": started,
            "fulfilled": (rng.random(len(user)) < rate[user]).astype(np.int8),
            "clicks": rng.poisson(2, len(user)),
            "device": np.where(user % 5 < 2, "phone", "web"),
        }
    )
    before = sessions.filter(pl.col("unit_id") % 3 > 0).with_columns(
        session_id=pl.col("session_id") + 10**6,
        variant=pl.lit(None, pl.String),
        started_at=pl.col("started_at") - timedelta(days=20),
        exposed_at=pl.lit(None, pl.Datetime("us")),
    )
    return pl.concat([sessions, before])


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "sessions.parquet"
    log_of().write_parquet(path)
    return path


@pytest.fixture(autouse=True)
def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "gradewise.toml"
    monkeypatch.setenv("GRADEWISE_CONFIG", str(path))
    return path


def analyze(*words: object) -> Result:
    return run.invoke(app, ["experiment", "analyze", *map(str, words)])


def rows_of(*words: object) -> list[dict[str, Any]]:
    done = analyze(*words, "--format", "json")
    assert done.exit_code == 0, done.output
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


@cache
def plain_rows(log: Path) -> list[dict[str, Any]]:
    """What the log says without any flag."""
    return rows_of(log)


def without_source(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "source"} for row in rows]


def test_a_gradewise_log_needs_no_flag(log: Path) -> None:
    rows = plain_rows(log)
    assert (rows[0]["metric"], rows[0]["slice"], rows[0]["n"]) == ("fulfilled", "all", 600)
    assert {row["group"] for row in rows if row["slice"] == "country"} >= {"FR", "US", "JP"}
    assert any(r["metric"] == "verdict" and r["note"].startswith("ship: ") for r in rows)
    assert re.fullmatch(r"gradewise \S+; sessions=xxh3:[0-9a-f]{12}", rows[0]["source"])


def test_every_role_has_its_rows_in_their_order(log: Path) -> None:
    rows = rows_of(
        log, "--by", "country", "--by", "device", "--metric", "mean(sessions)", "--metric",
        "clicks", "--guardrail", "mean(clicks) >= -50%", "--sequential", "--tightest-at", "600",
    )  # fmt: skip
    roles = list(dict.fromkeys(row["role"] for row in rows))
    assert " ".join(roles) == (
        "primary unadjusted heterogeneity secondary guardrail look sample_ratio verdict count"
    )
    assert {r["slice"] for r in rows if r["role"] == "primary"} == {"all", "country", "device"}
    assert len([r for r in rows if r["role"] == "look"]) == 10
    guard = next(r for r in rows if r["role"] == "guardrail")
    assert (guard["margin"], guard["margin_relative"]) == (-0.5, True)
    assert guard["note"].startswith("holds: ")


def test_columns_are_mapped_by_flags(log: Path, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    pl.read_parquet(log).rename(COLUMNS).write_csv(path)
    flags = "--unit member --variant arm --control control --outcome saved --by market --session s"
    times = "--started-at begin --exposed-at seen --start 2025-03-01 --split control=1,treatment=1"
    rows = rows_of(path, *flags.split(), *times.split())
    plain = rows_of(log, "--start", "2025-03-01")
    assert [row["value"] for row in rows] == [row["value"] for row in plain]
    assert (rows[0]["metric"], rows[1]["slice"]) == ("saved", "market")


def test_columns_are_mapped_by_settings_and_flags_win(
    log: Path, tmp_path: Path, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.parquet"
    pl.read_parquet(log).rename(COLUMNS).write_parquet(path)
    toml.write_text(
        "[experiment]\nunit = 'member'\nvariant = 'arm'\noutcome = 'clicks'\nby = ['market']\n"
        "session = 's'\nstarted_at = 'begin'\nexposed_at = 'seen'\nstart = 2025-03-01\n"
        "guardrails = ['mean(clicks) >= -50%']\nsplit = {control = 1, treatment = 1}\n"
    )
    monkeypatch.setenv("GRADEWISE_EXPERIMENT_ADJUST", "bh")
    rows = rows_of(path, "--outcome", "saved")
    toml.unlink()
    plain = rows_of(
        log, "--start", "2025-03-01", "--guardrail", "mean(clicks) >= -50%", "--adjust", "bh"
    )
    assert [row["value"] for row in rows] == [row["value"] for row in plain]
    assert [row["p_adjusted"] for row in rows] == [row["p_adjusted"] for row in plain]


def test_the_window_ends_where_it_is_told(log: Path) -> None:
    whole, half = plain_rows(log), rows_of(log, "--end", "2025-03-05")
    left = {row["metric"]: row["n_sessions"] for row in half}["excluded(outside_window)"]
    sessions = pl.read_parquet(log)
    late = sessions.filter(
        pl.col("started_at") >= datetime(2025, 3, 5), pl.col("variant").is_not_null()
    )
    assert half[0]["n"] < whole[0]["n"]
    assert half[0]["n_sessions"] == whole[0]["n_sessions"] - late.height
    assert 0 < left <= late.height


def test_a_table_of_users_gives_what_its_sessions_give(log: Path, tmp_path: Path) -> None:
    sessions = pl.read_parquet(log)
    exposed = pl.col("exposed_at").is_not_null()
    users = sessions.group_by("unit_id").agg(
        variant=pl.col("variant").drop_nulls().first(),
        country=pl.col("country").first(),
        clicks=pl.col("clicks").filter(exposed).sum(),
        clicks_before=pl.col("clicks").filter(~exposed).sum(),
        earlier=(~exposed).any(),
    )
    before = pl.when("earlier").then("clicks_before")
    users.with_columns(clicks_before=before).drop("earlier").write_parquet(tmp_path / "u.parquet")
    flags = ["--outcome", "mean(clicks)"]
    mine, theirs = (
        rows_of(tmp_path / "u.parquet", "--per-user", *flags)[0],
        rows_of(log, *flags)[0],
    )
    for name in ("value", "baseline", "difference", "p_value", "variance_reduction"):
        assert mine[name] == pytest.approx(theirs[name], rel=1e-9), name


def test_the_table_is_for_people(log: Path) -> None:
    text = analyze(log).stdout
    assert text.startswith("SHIP: the fulfillment rate rose from ")
    assert "95 % interval" in text
    assert "50.00% of 600 users in treatment, intended 50.00%" in text
    assert "- contaminated" not in text
    lines = [line.split() for line in text.splitlines()]
    assert [line[0] for line in lines if line[:1] in (["FR"], ["JP"], ["US"])] == ["FR", "JP", "US"]
    assert "sessions=xxh3:" in text.splitlines()[-1]


def test_the_table_tells_what_was_left_out_and_what_is_broken(tmp_path: Path) -> None:
    log = log_of()
    broken = log.filter(~((pl.col("unit_id") % 2 == 0) & (pl.col("unit_id") % 4 == 0)))
    pl.concat([broken, broken.head(3)]).with_columns(
        fulfilled=pl.col("fulfilled") * 2
    ).write_parquet(tmp_path / "s.parquet")
    text = analyze(tmp_path / "s.parquet").stdout
    assert text.startswith("INVALID: ")
    assert "fulfilled, treatment against control: NOT EVIDENCE, the split is broken" in text
    assert "- BROKEN, see the verdict" in text
    assert re.search(r"- duplicate sessions +3 ", text)
    assert "outcome: outcomes from 0 to 2" in text


def test_several_treatments_are_told_apart(tmp_path: Path) -> None:
    log = log_of(900)
    other = pl.when(pl.col("variant").is_not_null()).then(
        pl.when(pl.col("unit_id") % 3 == 0).then(pl.lit("other")).otherwise("variant")
    )
    log.with_columns(variant=other).write_parquet(tmp_path / "s.parquet")
    text = analyze(tmp_path / "s.parquet").stdout
    assert " (treatment): " in text
    assert " (other): " in text


@pytest.mark.parametrize("form", ["csv", "markdown"])
def test_other_formats_hold_every_row(log: Path, form: str) -> None:
    rows = plain_rows(log)
    text = analyze(log, "--format", form).stdout
    if form == "csv":
        assert len(list(csv.DictReader(io.StringIO(text)))) == len(rows)
    else:
        assert len([line for line in text.splitlines() if line.startswith("| ")]) == len(rows) + 1


def test_saved_moments_give_the_same_rows(log: Path, tmp_path: Path) -> None:
    flags = ["--metric", "mean(sessions)", "--sequential"]
    for name in ("moments.parquet", "moments.csv"):
        path = tmp_path / name
        made = analyze(log, *flags, "--save-moments", path, "--format", "json")
        assert made.exit_code == 0, made.output
        again = rows_of(path, "--moments", *flags)
        assert without_source(again) == without_source(json.loads(made.stdout))
        assert "moments=xxh3:" in again[0]["source"]
        assert "cells of moments" in made.stderr


def test_a_table_of_a_database_gives_the_same_rows(log: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "log.duckdb")) as database:
        database.execute(f"create table visits as from '{log}'")
    there = rows_of("--connect", f"duckdb://{tmp_path / 'log.duckdb'}", "--table", "visits")
    assert without_source(there) == without_source(plain_rows(log))
    assert there[0]["source"].endswith(f"; sessions=visits in duckdb://{tmp_path / 'log.duckdb'}")


def test_a_password_is_told_nowhere() -> None:
    log = inputs.Log(None, connect="postgres://me:secret@host/logs?password=other", table="visits")
    told = f"{log.told(log.sources())} {log.hashes()}"
    assert "sessions=visits in postgres" in told
    assert "secret" not in told
    assert "other" not in told


def test_a_saved_result_is_what_the_dashboard_shows(log: Path, tmp_path: Path) -> None:
    root = tmp_path / "work"
    done = analyze(
        log, "--save", root, "--alpha", "0.1", "--start", "2025-03-01", "--format", "csv"
    )
    assert done.exit_code == 0, done.output
    tables = load(root)
    printed = csv.DictReader(io.StringIO(done.stdout))
    assert [row.metric for row in tables.rows("experiment")] == [row["metric"] for row in printed]
    told = read_provenance(root / "results-experiment.parquet") or {}
    assert told["command"] == "gradewise experiment analyze"
    assert told["inputs"] == {"sessions": hash_file(log)}
    assert told["config"]["start"] == "2025-03-01T00:00:00"
    assert tables.level == 0.9


def test_nothing_is_overwritten_unasked(log: Path, tmp_path: Path) -> None:
    flags = ["--save", tmp_path / "work", "--save-moments", tmp_path / "m.parquet"]
    assert analyze(log, *flags).exit_code == 0
    before = (tmp_path / "m.parquet").stat().st_mtime_ns
    for kept in (flags[:2], flags[2:]):
        refused = analyze(log, *kept)
        assert refused.exit_code == 1
        assert "Add --overwrite" in str(refused.exception)
    assert (tmp_path / "m.parquet").stat().st_mtime_ns == before
    assert analyze(log, *flags, "--overwrite").exit_code == 0


def test_a_huge_log_is_named_by_its_size(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "HASHED_UP_TO", 10)
    source = rows_of(log)[0]["source"]
    assert source.endswith(f"; sessions=sessions.parquet ({log.stat().st_size:,} bytes)")


def test_a_folder_is_a_log_too(log: Path, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    sessions = pl.read_parquet(log)
    sessions.head(100).write_parquet(folder / "a.parquet")
    sessions.slice(100).write_parquet(folder / "b.parquet")
    rows = rows_of(folder, "--memory", "0.5")
    assert without_source(rows) == without_source(plain_rows(log))
    assert re.search(r"; sessions=parts \(2 files, [\d,]+ bytes\)$", rows[0]["source"])


def test_a_gate_may_say_no(log: Path) -> None:
    assert analyze(log, "--fail-on", "invalid", "--fail-on", "stop").exit_code == 0
    assert analyze(log, "--fail-on", "ship").exit_code == 3
    early = ["--planned-users", "5000", "--fail-on", "not yet"]
    assert analyze(log, *early).exit_code == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--split", "control"], "is not NAME=WEIGHT"),
        (["--split", "control=much"], "is not NAME=WEIGHT"),
        (["--split", "control=nan"], "is not NAME=WEIGHT"),
        (["--start", "monday"], "is not a time"),
        (["--end", "friday"], "is not a time"),
        (["--contaminated", "keep"], "keep"),
        (["--adjust", "bonferroni"], "bonferroni"),
        (["--fail-on", "maybe"], "maybe"),
    ],
)
def test_wrong_flags_are_usage_errors(log: Path, flags: list[str], message: str) -> None:
    done = analyze(log, *flags)
    assert done.exit_code == 2
    assert message in done.output


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["{log}", "--control", "contrl"], "Did you mean 'control'"),
        (["{log}", "--unit", "unitid"], "Did you mean 'unit_id'"),
        (["{log}", "--split", "control=1,treatment=-1"], "the weight of 'treatment' must be > 0"),
        (["{log}", "--guardrail", "mean(clicks)"], "guardrail 'mean(clicks)' has no margin"),
        (["{log}", "--metric", "fulfilled"], "outcome 'fulfilled' is asked for twice"),
        (["{log}", "--connect", "duckdb://x"], "Give a log, SESSIONS, or --connect URL"),
        ([], "Give a log, SESSIONS, or --connect URL --table NAME; there is neither"),
        (["--connect", "duckdb://x"], "--table NAME is missing"),
        (["{log}", "--table", "x"], "--connect URL is missing"),
        (["--connect", "duckdb://x", "--table", "x", "--moments"], "--moments needs a file"),
        (["nowhere.parquet"], "nowhere.parquet not found"),
    ],
)
def test_user_errors_are_one_line(
    log: Path,
    flags: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = [flag.replace("{log}", str(log)) for flag in flags]
    monkeypatch.setattr(sys, "argv", ["gradewise", "experiment", "analyze", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert message in said
    assert len(said.splitlines()) == 1


def test_help_loads_nothing_heavy() -> None:
    heavy = ("ibis", "duckdb", "scipy", "polars", "numpy", "sqlglot")
    code = (
        "import sys; from app.commands import experiment; "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
