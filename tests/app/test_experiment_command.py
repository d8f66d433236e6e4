"""`gradewise experiment analyze`: flags, formats, messages, exit codes."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.cli import app, main

run = CliRunner()


def log_of(users: int = 600, lift: float = 0.3, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    variant = np.where(np.arange(users) % 2, "treatment", "control")
    n = rng.integers(1, 9, users)
    user = np.repeat(np.arange(users), n)
    rate = 0.4 * (1 + lift * (variant == "treatment"))
    seconds = rng.integers(0, 10**6, len(user))
    started = np.datetime64(datetime(2025, 3, 1), "us") + seconds.astype("timedelta64[s]")
    return pl.DataFrame(
        {
            "session_id": np.arange(len(user)),
            "unit_id": user,
            "variant": variant[user],
            "country": np.array(["FR", "US", "JP"])[user % 3],
            "started_at": started,
            "exposed_at": started,
            "fulfilled": (rng.random(len(user)) < rate[user]).astype(np.int8),
        }
    )


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "sessions.parquet"
    log_of().write_parquet(path)
    return path


def analyze(*words: object) -> Result:
    return run.invoke(app, ["experiment", "analyze", *map(str, words)])


def test_a_gradewise_log_needs_no_flag(log: Path) -> None:
    done = analyze(log, "--format", "json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert (rows[0]["metric"], rows[0]["slice"], rows[0]["n"]) == ("fulfilled", "all", 600)
    assert {row["group"] for row in rows if row["slice"] == "country"} >= {"FR", "US", "JP"}
    assert any(r["metric"] == "verdict" and r["note"].startswith("ship: ") for r in rows)


def test_columns_are_mapped_by_flags(log: Path, tmp_path: Path) -> None:
    renamed = {
        "session_id": "s",
        "unit_id": "member",
        "variant": "arm",
        "country": "market",
        "started_at": "begin",
        "exposed_at": "seen",
        "fulfilled": "saved",
    }
    path = tmp_path / "log.csv"
    pl.read_parquet(log).rename(renamed).write_csv(path)
    flags = "--unit member --variant arm --control control --outcome saved --by market --session s"
    times = "--started-at begin --exposed-at seen --start 2025-03-01 --split control=1,treatment=1"
    done = analyze(path, *flags.split(), *times.split(), "--format", "json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    plain = json.loads(analyze(log, "--start", "2025-03-01", "--format", "json").stdout)
    assert [row["value"] for row in rows] == [row["value"] for row in plain]
    assert (rows[0]["metric"], rows[1]["slice"]) == ("saved", "market")


def test_the_table_is_for_people(log: Path) -> None:
    text = analyze(log).stdout
    assert text.startswith("SHIP: the fulfillment rate rose from ")
    assert "95 % interval" in text
    assert "sample ratio: 0.5000 of users in treatment, intended 0.5000" in text
    assert "excluded(contaminated)" not in text
    lines = [line.split() for line in text.splitlines()]
    assert [line[0] for line in lines if line[:1] in (["FR"], ["JP"], ["US"])] == ["FR", "JP", "US"]


def test_the_table_tells_what_was_left_out_and_what_is_broken(tmp_path: Path) -> None:
    log = log_of()
    broken = log.filter(~((pl.col("variant") == "control") & (pl.col("unit_id") % 4 == 0)))
    pl.concat([broken, broken.head(3)]).with_columns(
        fulfilled=pl.col("fulfilled") * 2
    ).write_parquet(tmp_path / "s.parquet")
    text = analyze(tmp_path / "s.parquet").stdout
    assert text.startswith("INVALID: ")
    assert "BROKEN (all" in text
    assert "excluded(duplicate_sessions): 3 sessions" in text
    assert "outcome: outcomes from 0 to 2" in text


def test_several_treatments_are_told_apart(tmp_path: Path) -> None:
    log = log_of(900)
    other = pl.when(pl.col("unit_id") % 3 == 0).then(pl.lit("other")).otherwise("variant")
    log.with_columns(variant=other).write_parquet(tmp_path / "s.parquet")
    text = analyze(tmp_path / "s.parquet").stdout
    assert " (treatment): " in text
    assert " (other): " in text


@pytest.mark.parametrize("form", ["csv", "markdown"])
def test_other_formats_hold_every_row(log: Path, form: str) -> None:
    rows = json.loads(analyze(log, "--format", "json").stdout)
    text = analyze(log, "--format", form).stdout
    if form == "csv":
        assert len(list(csv.DictReader(io.StringIO(text)))) == len(rows)
    else:
        assert len(text.splitlines()) == len(rows) + 2


def test_a_gate_may_say_no(log: Path) -> None:
    assert analyze(log, "--fail-on", "invalid", "--fail-on", "stop").exit_code == 0
    assert analyze(log, "--fail-on", "ship").exit_code == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--split", "control"], "is not NAME=WEIGHT"),
        (["--split", "control=much"], "is not NAME=WEIGHT"),
        (["--split", "control=nan"], "is not NAME=WEIGHT"),
        (["--start", "monday"], "is not a time"),
        (["--contaminated", "keep"], "keep"),
    ],
)
def test_wrong_flags_are_usage_errors(log: Path, flags: list[str], message: str) -> None:
    done = analyze(log, *flags)
    assert done.exit_code == 2
    assert message in done.output


def test_user_errors_are_one_line(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for flags, message in (
        (["--control", "contrl"], "Did you mean 'control'"),
        (["--unit", "unitid"], "Did you mean 'unit_id'"),
        (["--split", "control=1,treatment=-1"], "the weight of 'treatment' must be > 0"),
    ):
        monkeypatch.setattr(sys, "argv", ["gradewise", "experiment", "analyze", str(log), *flags])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr().err
        assert stopped.value.code == 1
        assert message in said
        assert len(said.splitlines()) == 1


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from app.commands import experiment; "
        "print([m for m in ('ibis', 'duckdb', 'scipy', 'numpy.linalg.lapack') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
