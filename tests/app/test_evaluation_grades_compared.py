"""`gradewise evaluation grades --baseline`: predictions against those of another model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.commands.evaluation import app
from relevance.errors import SettingsError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["grades", *(str(argument) for argument in arguments)])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two models of 20 queries: the new one is right where the old one is, and twice elsewhere."""
    n = 160
    grade = [1 + (i * 7) % 5 for i in range(n)]
    keys = pl.DataFrame(
        {"query_id": [f"q{i // 8:02d}" for i in range(n)], "pin_id": [f"p{i}" for i in range(n)]}
    )
    for name, wrong in (("old", 3), ("new", 6)):
        guess = [1 + g % 5 if i % wrong == 0 else g for i, g in enumerate(grade)]
        soft = {f"p{k}": [0.6 if g == k else 0.1 for g in guess] for k in range(1, 6)}
        frame = keys.with_columns(**{k: pl.Series(v) for k, v in soft.items()})
        frame.write_parquet(tmp_path / f"{name}.parquet")
    keys.with_columns(grade=pl.Series(grade)).write_csv(tmp_path / "qrels.csv")
    queries = keys.select("query_id").unique().sort("query_id").with_row_index("i")
    queries.select(
        "query_id",
        text=pl.lit("lamp"),
        country=pl.when(pl.col("i") % 2 == 0).then(pl.lit("US")).otherwise(pl.lit("FR")),
    ).write_csv(tmp_path / "queries.csv")
    return tmp_path


def against(folder: Path, *more: object) -> Result:
    return run(
        "--baseline", folder / "old.parquet", "--predictions", f"next={folder / 'new.parquet'}",
        "--qrels", folder / "qrels.csv", *more,
    )  # fmt: skip


def test_rows_are_differences_of_the_same_pairs(files: Path) -> None:
    done = against(
        files, "--queries", files / "queries.csv", "--by", "country", "--metrics",
        "accuracy,AUROC@4", "--format", "json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    assert [(r["metric"], r["group"]) for r in rows[:4]] == [
        ("accuracy", "all"), ("accuracy", "FR"), ("accuracy", "US"), ("accuracy", "(mean)"),
    ]  # fmt: skip
    first = rows[0]
    assert (first["system"], first["n"]) == ("next", 160)
    assert first["difference"] == pytest.approx(27 / 160)
    assert first["difference_ci_low"] < 27 / 160 < first["difference_ci_high"]
    assert first["p_value"] < 0.01
    assert first["p_adjusted"] >= first["p_value"]
    assert "test=swap" in first["definition"]


def test_the_table_reads_like_a_comparison(files: Path) -> None:
    done = against(files, "--metrics", "accuracy")
    assert done.exit_code == 0, done.output
    assert "difference" in done.stdout
    assert "next against old, on the same queries" in done.stdout


def test_a_gate_looks_at_the_candidate(files: Path) -> None:
    assert against(files, "--fail-under", "accuracy=0.99").exit_code == 3
    assert against(files, "--fail-under", "accuracy=0.5").exit_code == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [(["--sampled"], "--sampled cannot go with --baseline"), (["--label-noise", 9], "leave out")],
)
def test_what_does_not_go_with_it(files: Path, more: list[object], message: str) -> None:
    done = against(files, *more)
    assert isinstance(done.exception, SettingsError)
    assert message in str(done.exception)


def test_predictions_are_needed(files: Path) -> None:
    done = run("--baseline", files / "old.parquet", "--qrels", files / "qrels.csv")
    assert isinstance(done.exception, SettingsError)
    assert "--predictions is missing" in str(done.exception)
