"""`--assisted` of `gradewise evaluation ranking` and `compare`, on the built-in world."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.commands.evaluation import app
from relevance.provenance import hash_query, write_provenance
from relevance.world import WorldConfig, make_world

COUNTRIES = {"US": 60, "FR": 40}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world of 100 queries, 50 of them graded; a teacher that is right three times in four."""
    at = tmp_path_factory.mktemp("assisted")
    world = make_world(WorldConfig(queries=COUNTRIES, pins=800, candidates=20, users=400))
    rng = np.random.default_rng(0)
    grade = world.truth["grade"].to_numpy()
    said = np.where(rng.random(len(grade)) < 0.75, grade, rng.integers(1, 6, size=len(grade)))
    columns = {f"p{k}": pl.Series(np.where(said == k, 0.8, 0.05)) for k in range(1, 6)}
    world.truth.select("query_id", "pin_id").with_columns(**columns).write_parquet(
        at / "teacher.parquet"
    )
    graded = world.queries.sort("query_id").gather_every(2)["query_id"]
    world.truth.write_parquet(at / "truth.parquet")
    world.truth.filter(pl.col("query_id").is_in(graded.implode())).write_parquet(
        at / "qrels.parquet"
    )
    world.queries.write_parquet(at / "queries.parquet")
    world.runs_production.write_parquet(at / "production.parquet")
    world.runs_candidate.write_parquet(at / "candidate.parquet")
    return at


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows(*arguments: object) -> list[dict[str, Any]]:
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, (done.output, done.exception)
    parsed: list[dict[str, Any]] = json.loads(done.stdout)
    return parsed


def ranking(folder: Path, *more: object, qrels: str = "qrels") -> list[dict[str, Any]]:
    return rows(
        "ranking", "--run", folder / "production.parquet", "--qrels", folder / f"{qrels}.parquet",
        "--queries", folder / "queries.parquet", "--by", "country", *more,
    )  # fmt: skip


def compare(folder: Path, *more: object, qrels: str = "qrels") -> list[dict[str, Any]]:
    return rows(
        "compare", "--baseline", folder / "production.parquet",
        "--candidate", folder / "candidate.parquet", "--qrels", folder / f"{qrels}.parquet",
        "--queries", folder / "queries.parquet", "--by", "country", *more,
    )  # fmt: skip


def width(row: dict[str, Any], what: str = "") -> float:
    return float(row[f"{what}ci_high"] - row[f"{what}ci_low"])


def test_ranking_is_narrower_and_near_the_truth(folder: Path) -> None:
    assisted = ranking(folder, "--assisted", folder / "teacher.parquet")
    alone, truth = ranking(folder), ranking(folder, qrels="truth")
    assert [(r["metric"], r["group"]) for r in assisted] == [
        (r["metric"], r["group"]) for r in alone
    ]
    for row, people, true in zip(assisted, alone, truth, strict=True):
        if row["metric"].startswith("Judged") or row["group"] != "all":
            continue
        assert "people_only" in row["note"]
        assert width(row) < 0.95 * width(people)
        assert row["ci_low"] < true["value"] < row["ci_high"]


def test_compare_is_narrower_and_near_the_truth(folder: Path) -> None:
    assisted = compare(folder, "--assisted", folder / "teacher.parquet")
    truth = {(r["metric"], r["group"]): r for r in compare(folder, qrels="truth")}
    alone = {(r["metric"], r["group"]): r for r in compare(folder)}
    assert {r["metric"] for r in assisted} >= {"nDCG@20", "P@8"}
    for row in assisted:
        key = (row["metric"], row["group"])
        if row["group"] != "all":
            continue
        assert width(row, "difference_") < width(alone[key], "difference_")
        true = truth[key]["difference"]
        assert row["difference_ci_low"] < true < row["difference_ci_high"]
        assert row["note"].startswith("baseline production; assisted")


def test_what_the_teacher_has_seen_is_left_out(folder: Path) -> None:
    teacher = folder / "taught.parquet"
    teacher.write_bytes((folder / "teacher.parquet").read_bytes())
    graded = pl.read_parquet(folder / "qrels.parquet")["query_id"].unique().sort()
    write_provenance(
        teacher, command="teacher label", seen_queries=[hash_query(q) for q in graded[:9]]
    )
    row = ranking(folder, "--assisted", teacher)[0]
    assert row["n"] == 41
    assert "seen_in_training: 9" in row["note"]


def test_text_shows_the_notes(folder: Path) -> None:
    done = run(
        "ranking", "--run", folder / "production.parquet", "--qrels", folder / "qrels.parquet",
        "--assisted", folder / "teacher.parquet",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "width_ratio" in done.stdout
