"""`gradewise evaluation grades`: predictions and grades from two files, or from one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.commands.evaluation import app
from relevance.errors import GradewiseError, InputError, SettingsError, TableError
from relevance.provenance import hash_query, write_provenance

METRICS = "accuracy,MAE,QWK,AUROC@3,AUROC@5"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["grades", *(str(argument) for argument in arguments)])


def rows(*arguments: object) -> list[dict[str, Any]]:
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    parsed: list[dict[str, Any]] = json.loads(done.stdout)
    return parsed


def fails(error: type[GradewiseError], message: str, *arguments: object) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, error), done.output
    assert message in str(done.exception)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Predictions, qrels with a posterior and queries; the same in one Parquet and one CSV file."""
    n = 96
    grade = pl.Series("grade", [1 + (i * 7) % 5 for i in range(n)])
    guess = [1 + (i * 7 + (i % 3 == 0)) % 5 for i in range(n)]
    probabilities = {f"p{k}": [0.6 if g == k else 0.1 for g in guess] for k in range(1, 6)}
    keys = pl.DataFrame({
        "query_id": [f"q{i // 8:02d}" for i in range(n)], "pin_id": [f"p{i}" for i in range(n)]
    })  # fmt: skip
    country = ["US" if i // 8 % 2 else "FR" for i in range(n)]
    keys.with_columns(**{k: pl.Series(v) for k, v in probabilities.items()}).write_parquet(
        tmp_path / "teacher.parquet"
    )
    posterior = {f"p{k}": (grade == k) * 0.75 + 0.05 for k in range(1, 6)}
    keys.with_columns(grade, **posterior).write_csv(tmp_path / "qrels.csv")
    queries = keys.select("query_id", country=pl.Series(country)).unique().sort("query_id")
    queries.with_columns(text=pl.lit("lamp")).write_csv(tmp_path / "queries.csv")
    joined = keys.with_columns(
        grade, **{k: pl.Series(v) for k, v in probabilities.items()}, country=pl.Series(country)
    )
    joined.write_parquet(tmp_path / "joined.parquet")
    joined.write_csv(tmp_path / "joined.csv")
    return tmp_path


def without(found: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in names} for row in found]


def pair_of(files: Path) -> tuple[object, ...]:
    return "--predictions", files / "teacher.parquet", "--qrels", files / "qrels.csv"


@pytest.mark.parametrize("options", [(), ("--reps", "0"), ("--reps", "300", "--seed", "4")])
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_one_file_or_two_say_the_same(files: Path, options: tuple[str, ...], ending: str) -> None:
    asked = ("--metrics", METRICS, "--by", "country", *options)
    two = rows(*pair_of(files), "--queries", files / "queries.csv", *asked)
    one = rows("--joined", f"teacher={files / f'joined.{ending}'}", *asked)
    figures = ("value", "ci_low", "ci_high")
    assert without(one, "source", *figures) == without(two, "source", *figures)
    for name in figures:
        expected = [row[name] for row in two]
        assert [row[name] for row in one] == pytest.approx(expected, abs=1e-12)
    assert [(row["metric"], row["group"]) for row in one][:5] == [
        ("accuracy", "all"), ("accuracy", "FR"), ("accuracy", "US"), ("accuracy", "(mean)"),
        ("MAE", "all"),
    ]  # fmt: skip
    assert one[0]["source"].split("; ")[1].startswith("joined=")
    assert two[0]["source"].count("; ") == 3


def test_reps_and_their_error_are_in_the_note(files: Path) -> None:
    drawn = rows("--joined", files / "joined.parquet", "--reps", "200")
    assert all("mc_error: " in row["note"] for row in drawn if row["value"] is not None)
    none = rows("--joined", files / "joined.parquet", "--reps", "0")
    assert {(row["ci_low"], row["note"]) for row in none} == {(None, "no_interval")}


def test_label_noise_widens(files: Path) -> None:
    plain = rows(*pair_of(files), "--metrics", "accuracy")
    noisy = rows(*pair_of(files), "--metrics", "accuracy", "--label-noise", "50")
    assert "label_noise: 50 draws" in noisy[0]["note"]
    assert noisy[0]["value"] == plain[0]["value"]
    assert noisy[0]["ci_high"] - noisy[0]["ci_low"] > plain[0]["ci_high"] - plain[0]["ci_low"]
    fails(
        SettingsError, "p1…p5 of a joined file are the model's",
        "--joined", files / "joined.csv", "--label-noise", "50",
    )  # fmt: skip


def test_gates_of_figures_that_should_be_high_or_low(files: Path) -> None:
    for gate, code in (("accuracy=0.5", 0), ("accuracy=0.7", 3), ("MAE=2", 0), ("MAE=0.1", 3)):
        done = run("--joined", files / "joined.csv", "--fail-under", gate, "--reps", "0")
        assert done.exit_code == code, gate
    fails(InputError, "no such metric", "--joined", files / "joined.csv", "--fail-under", "QWK=0")


def test_queries_that_the_model_has_seen_are_left_out(files: Path) -> None:
    seen = [hash_query("q01"), hash_query("q05")]
    for name in ("joined.parquet", "teacher.parquet"):
        write_provenance(files / name, command="x", seen_queries=seen)
    (one, *_) = rows("--joined", files / "joined.parquet")
    (two, *_) = rows(*pair_of(files))
    assert (one["n"], one["note"]) == (two["n"], two["note"]) == (80, "seen_in_training: 2")
    (kept, *_) = rows("--joined", files / "joined.parquet", "--allow-seen")
    assert (kept["n"], kept["note"]) == (96, "seen_kept: 2")


def test_what_does_not_go_together(files: Path) -> None:
    joined = ("--joined", files / "joined.csv")
    fails(SettingsError, "--qrels is missing", *pair_of(files)[:2])
    fails(SettingsError, "--predictions is missing", "--qrels", files / "qrels.csv")
    fails(SettingsError, "--predictions is missing")
    fails(SettingsError, "--joined holds grades and predictions", *joined, *pair_of(files))
    fails(InputError, "does not fit here", *joined, "--metrics", "nDCG@5")
    broken = files / "broken.csv"
    broken.write_text("query_id,grade,p1,p2,p3,p4,p5\nq,3,.2,.2,.2,.2,.3\n")
    fails(TableError, "broken.csv line 2, column p1: p1…p5 must sum to 1", "--joined", broken)
