"""`gradewise evaluation ranking`: joined files, label noise, assisted figures, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from app.cli import app
from relevance.provenance import hash_query, seen_queries, write_provenance

FIGURES = ("metric", "slice", "group", "system", "value", "ci_low", "ci_high", "n", "note")


def run(*args: str | Path) -> list[dict]:
    result = CliRunner().invoke(app, ["evaluation", "ranking", *map(str, args), "--format", "json"])
    assert result.exit_code == 0, result.output
    return [{key: row[key] for key in FIGURES} for row in json.loads(result.stdout)]


def refused(*args: str | Path) -> str:
    result = CliRunner().invoke(app, ["evaluation", "ranking", *map(str, args)])
    assert result.exit_code == 1
    return str(result.exception)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A run of 40 queries, grades with a posterior, countries, and a teacher's predictions."""
    rng = np.random.default_rng(0)
    rows = [(f"q{i}", f"p{j}") for i in range(40) for j in range(10)]
    posterior = rng.dirichlet(np.full(5, 0.4), size=len(rows))
    keys = pl.DataFrame(rows, schema=["query_id", "pin_id"], orient="row")
    grades = keys.with_columns(
        grade=pl.Series(posterior.argmax(axis=1) + 1),
        **{f"p{k + 1}": posterior[:, k] for k in range(5)},
    )
    tables = {
        "run": keys.with_columns(score=pl.Series(rng.random(len(rows)).round(1))),
        "qrels": grades.sample(fraction=0.6, seed=1),
        "queries": pl.DataFrame({
            "query_id": [f"q{i}" for i in range(40)],
            "text": ["t"] * 40,
            "country": ["US", "FR"] * 20,
            "traffic": [1.0] * 40,
        }),
        "teacher": grades.drop("grade"),
    }  # fmt: skip
    for name, table in tables.items():
        table.write_parquet(tmp_path / f"{name}.parquet")
    return {name: tmp_path / f"{name}.parquet" for name in tables}


def test_a_joined_file_gives_the_figures_of_the_two(files: dict[str, Path], tmp_path: Path) -> None:
    write_provenance(files["run"], command="x", seen_queries=[hash_query("q3")])
    given = ["--run", f"new={files['run']}", "--qrels", files["qrels"]]
    given += ["--queries", files["queries"]]
    out = tmp_path / "joined.parquet"
    apart = run(*given, "--by", "country", "--write-joined", out)
    assert "seen_in_training: 1" in apart[0]["note"]
    assert run("--joined", out, "--by", "country") == apart
    assert seen_queries(out) == {hash_query("q3")}
    assert "joined.parquet is there already" in refused(*given, "--write-joined", out)
    assert run(*given, "--by", "country", "--write-joined", out, "--overwrite") == apart
    noisy = run("--joined", out, "--label-noise", "20")
    assert noisy == run(*given, "--label-noise", "20")
    assert "label_noise: 20 draws" in noisy[0]["note"]
    assert noisy[0]["ci_high"] - noisy[0]["ci_low"] > apart[0]["ci_high"] - apart[0]["ci_low"]


def test_no_replicates_no_interval(files: dict[str, Path]) -> None:
    row = run("--run", files["run"], "--qrels", files["qrels"], "--reps", "0")[0]
    assert row["system"] == "run"
    assert row["value"] is not None
    assert row["ci_low"] is None
    assert "no_interval" in row["note"]


def test_assisted_figures_name_the_teacher(files: dict[str, Path]) -> None:
    given = ["--run", files["run"], "--qrels", files["qrels"], "--queries", files["queries"]]
    row = run(*given, "--assisted", files["teacher"])[0]
    assert "n_teacher: " in row["note"]
    assert "leave out --label-noise and --reps" in refused(
        *given, "--assisted", files["teacher"], "--reps", "100"
    )


def test_what_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    assert "--run is missing" in refused("--qrels", files["qrels"])
    assert "--qrels is missing" in refused("--run", files["run"])
    assert "leave out --run, --qrels" in refused(
        "--joined", files["run"], "--run", files["run"], "--qrels", files["qrels"]
    )
    assert "has no column grade" in refused("--joined", files["run"])
    assert "made by: gradewise evaluation ranking" in refused("--joined", tmp_path / "no.parquet")


def test_a_json_list_beside_a_run_is_no_provenance(files: dict[str, Path]) -> None:
    files["run"].with_suffix(".json").write_text("[]")
    assert run("--run", files["run"], "--qrels", files["qrels"], "--reps", "0")[0]["n"] > 0


def test_rows_without_a_system_do_not_repeat_those_of_another(tmp_path: Path) -> None:
    rows = pl.DataFrame({"query_id": ["q", "q"], "pin_id": ["p", "p"], "score": [2.0, 1.0]})
    rows = rows.with_columns(system=pl.Series(["mine", None]))
    rows.write_parquet(tmp_path / "mine.parquet")
    rows.write_parquet(tmp_path / "other.parquet")
    qrels = pl.DataFrame({"query_id": ["q"], "pin_id": ["p"], "grade": [5]})
    qrels.write_parquet(tmp_path / "qrels.parquet")
    given: list[str | Path] = ["--qrels", tmp_path / "qrels.parquet", "--metrics", "P@1"]
    for name in ("mine.parquet", "x=" + str(tmp_path / "other.parquet")):
        path = name if "=" in name else tmp_path / name
        assert "query 'q', pin 'p' twice" in refused("--run", path, *given)
    named = {row["system"] for row in run("--run", tmp_path / "other.parquet", *given)}
    assert named == {"mine", "other"}


def test_two_files_of_one_system_are_searched_for_pairs_that_both_have(
    files: dict[str, Path],
) -> None:
    twice = ["--run", f"new={files['run']}", "--run", f"new={files['run']}"]
    assert "twice" in refused(*twice, "--qrels", files["qrels"])


@pytest.mark.parametrize("which", ["run", "qrels"])
def test_a_pair_that_a_file_has_twice_names_its_line(files: dict[str, Path], which: str) -> None:
    frame = pl.read_parquet(files[which])
    path = files[which].with_name("twice.parquet")
    pl.concat([frame, frame[2:3]]).write_parquet(path)
    given = files | {which: path}
    told = refused("--run", given["run"], "--qrels", given["qrels"])
    assert f"line {frame.height + 1}: " in told
    assert "is there already (line 3)" in told
