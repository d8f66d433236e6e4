"""`gradewise evaluation judge`: as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.commands.evaluation import app
from relevance.errors import InputError, MissingInputError, SettingsError
from relevance.provenance import hash_query, write_provenance


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["judge", *(str(argument) for argument in arguments)])


def rows(*arguments: object) -> list[dict[str, Any]]:
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not strict JSON")

    parsed: list[dict[str, Any]] = json.loads(done.stdout, parse_constant=refuse)
    return parsed


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Forty queries of six Pins, three annotators, a good judge, a run."""
    rng = np.random.default_rng(0)
    truth = rng.normal(3, 1.4, 240)
    query, pin = [f"q{i // 6:02d}" for i in range(240)], [f"p{i:03d}" for i in range(240)]

    def noisy(spread: float) -> np.ndarray:
        return np.clip(np.rint(truth + rng.normal(0, spread, 240)), 1, 5).astype(int)

    ids = {"query_id": query, "pin_id": pin}
    people = [pl.DataFrame({**ids, "annotator": a, "grade": noisy(0.8)}) for a in ("a", "b", "c")]
    pl.concat(people).write_parquet(tmp_path / "judgments.parquet")
    sure = np.eye(5)[noisy(0.3) - 1] * 0.8 + 0.04
    said = pl.DataFrame({**ids, **{f"p{k + 1}": sure[:, k] for k in range(5)}})
    said.write_parquet(tmp_path / "teacher.parquet")
    pl.DataFrame({
        "query_id": [f"q{i:02d}" for i in range(40)],
        "text": "lamp",
        "country": ["US" if i % 4 else "FR" for i in range(40)],
    }).write_parquet(tmp_path / "queries.parquet")  # fmt: skip
    pl.DataFrame({**ids, "score": truth}).write_parquet(tmp_path / "new.parquet")
    return tmp_path


def test_the_answer_comes_first_and_per_country(files: Path) -> None:
    found = rows(
        files / "judgments.parquet",
        "--predictions", files / "teacher.parquet",
        "--queries", files / "queries.parquet",
    )  # fmt: skip
    answers = [(r["group"], r["value"], r["note"][:4]) for r in found if r["metric"] == "judge"]
    assert answers == [("all", 1.0, "yes:"), ("FR", 1.0, "yes:"), ("US", 1.0, "yes:")]
    assert [row["metric"] for row in found[:3]] == ["judge"] * 3
    assert {row["system"] for row in found} == {"teacher"}
    assert "epsilon=0.15" in found[0]["definition"]
    assert "predictions teacher=" in found[0]["source"]
    order = [row for row in found if row["metric"] == "tau"]
    assert [row["group"] for row in order] == ["all", "FR", "US", "(mean)"]
    assert all(row["value"] > row["baseline"] for row in order)


def test_an_experiment_that_changes_the_judge(files: Path) -> None:
    found = rows(
        files / "judgments.parquet", "--predictions", files / "teacher.parquet", "--changes-judge"
    )
    assert found[0]["value"] == 0
    assert found[0]["note"].startswith("no: the experiment changes the judge itself")


def test_a_run_by_both_labels_and_a_name_for_the_judge(files: Path) -> None:
    found = rows(
        files / "judgments.parquet",
        "--predictions", f"llm={files / 'teacher.parquet'}",
        "--run", f"ours={files / 'new.parquet'}",
        "--metric", "P@3",
        "--reps", 100,
    )  # fmt: skip
    assert found[0]["system"] == "llm"
    (level,) = [row for row in found if row["metric"] == "P@3"]
    assert (level["system"], level["n"]) == ("ours", 40)
    assert any(row["metric"] == "tau(P@3)" for row in found)


def test_queries_that_the_judge_has_seen_do_not_speak_for_it(files: Path) -> None:
    seen = [hash_query(f"q{i:02d}") for i in range(38)]
    write_provenance(files / "teacher.parquet", command="teacher label", seen_queries=seen)
    arguments = (files / "judgments.parquet", "--predictions", files / "teacher.parquet")
    first = rows(*arguments)[0]
    assert first["value"] is None
    assert first["note"].startswith("not enough data: 0 annotators")
    assert first["note"].endswith("seen_in_training: 38")
    assert rows(*arguments, "--allow-seen")[0]["value"] == 1


def test_as_text(files: Path) -> None:
    done = run(files / "judgments.parquet", "--predictions", files / "teacher.parquet")
    assert done.exit_code == 0
    assert "yes: stands in for 3 of 3 annotators" in " ".join(done.stdout.split())


def test_what_is_wrong_is_said(files: Path) -> None:
    missing = run(files / "judgments.parquet", "--predictions", files / "none.parquet")
    assert isinstance(missing.exception, MissingInputError)
    other = pl.read_parquet(files / "teacher.parquet").with_columns(query_id=pl.lit("z"))
    other.write_parquet(files / "other.parquet")
    apart = run(files / "judgments.parquet", "--predictions", files / "other.parquet")
    assert isinstance(apart.exception, InputError)
    assert "no judged pair is among the predictions" in str(apart.exception)
    arguments = (files / "judgments.parquet", "--predictions", files / "teacher.parquet")
    split = run(*arguments, "--by", "country")
    assert isinstance(split.exception, SettingsError)
    assert "--by country needs the queries table: --queries FILE" in str(split.exception)
