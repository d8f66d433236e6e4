from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from app.cli import app
from relevance.errors import GradewiseError
from relevance.provenance import hash_query, read_provenance, seen_queries, write_provenance
from relevance.tables import read_table, write_table
from relevance.world import make_world, tiny

TABLES = ("queries", "pins", "pairs", "query_embeddings", "pin_embeddings")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a tiny world, and a student distilled from its true grades."""
    folder = tmp_path_factory.mktemp("student")
    world = make_world(tiny(seed=1))
    for name in TABLES:
        write_table(getattr(world, name), folder / f"{name}.parquet", name)
    write_table(world.truth, folder / "qrels.csv", "qrels")
    write_provenance(folder / "qrels.csv", command="test", seen_queries={hash_query("earlier")})
    result = _run("distill", *_inputs(folder), "--out", folder / "model", "--epochs", 2)
    assert result.exit_code == 0, result.output
    return folder


def _run(verb: str, *arguments: object):
    return CliRunner().invoke(app, ["student", verb, *map(str, arguments)])


def _tables(folder: Path, *, embeddings: bool = True) -> list[object]:
    names = TABLES if embeddings else TABLES[:3]
    return [p for n in names for p in (f"--{n.replace('_', '-')}", folder / f"{n}.parquet")]


def _inputs(folder: Path) -> list[object]:
    return ["--targets", folder / "qrels.csv", *_tables(folder)]


def test_distill_writes_a_model_that_knows_what_it_has_seen(folder: Path) -> None:
    assert {path.name for path in (folder / "model").iterdir()} == {
        "model.safetensors",
        "config.json",
        "metrics.json",
        "provenance.json",
        "README.md",
    }
    queries = read_table(folder / "pairs.parquet", "pairs")["query_id"].unique()
    assert seen_queries(folder / "model") == {
        hash_query("earlier"),
        *(hash_query(query) for query in queries),
    }
    made_from = (read_provenance(folder / "model") or {})["inputs"]
    assert set(made_from) == {"qrels.csv", "queries.parquet", "pins.parquet", "pairs.parquet"} | {
        "query_embeddings.parquet",
        "pin_embeddings.parquet",
    }


def test_score_writes_predictions_and_a_run_that_hand_on_the_seen_queries(folder: Path) -> None:
    predictions, run = folder / "predictions.parquet", folder / "run.trec"
    model = folder / "model"
    result = _run(
        "score", *_tables(folder), "--model", model, "--out", predictions, "--run", run,
        "--name", "s1",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    n = read_table(folder / "pairs.parquet", "pairs").height
    frame = read_table(predictions, "predictions")
    assert (frame.height, frame["model"].unique().to_list()) == (n, ["s1"])
    runs = read_table(run, "runs")
    assert (runs.height, runs["system"].unique().to_list()) == (n, ["s1"])
    assert seen_queries(predictions) == seen_queries(run) == seen_queries(model)
    best = runs.filter(pl.col("rank") == 1)
    assert (best["score"] >= runs["score"].mean()).sum() > best.height / 2


def test_distill_takes_predictions_too(folder: Path, tmp_path: Path) -> None:
    pairs = read_table(folder / "pairs.parquet", "pairs").select("query_id", "pin_id")
    soft = pairs.with_columns(pl.lit(0.2).alias(f"p{k}") for k in range(1, 6))
    write_table(soft.with_columns(model=pl.lit("t")), tmp_path / "soft.parquet", "predictions")
    result = _run(
        "distill", "--targets", tmp_path / "soft.parquet", *_tables(folder, embeddings=False),
        "--without-embeddings", "--epochs", 1, "--out", tmp_path / "m",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "m/config.json").read_text())["embeddings"] == "none"


def test_nothing_is_overwritten_unasked(folder: Path) -> None:
    result = _run("distill", *_inputs(folder), "--out", folder / "model")
    assert isinstance(result.exception, GradewiseError)
    assert "--overwrite" in str(result.exception)


def test_a_model_with_embeddings_asks_for_them(folder: Path, tmp_path: Path) -> None:
    tables = _tables(folder, embeddings=False)
    result = _run("score", *tables, "--model", folder / "model", "--out", tmp_path / "p.parquet")
    assert isinstance(result.exception, GradewiseError)
    assert "Give --query-embeddings and --pin-embeddings" in str(result.exception)


def test_latency_prints_rows_of_metric_and_value(folder: Path) -> None:
    result = _run("latency", "--model", folder / "model", "--repeats", 5, "--format", "json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert {row["metric"] for row in rows} == {"latency_p50_seconds", "latency_p99_seconds"}
    assert all(0 < row["value"] < 10 for row in rows)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom app.cli import app\n"
        "assert CliRunner().invoke(app, ['student', 'distill', '--help']).exit_code == 0\n"
        "print(sorted({'torch', 'scipy', 'safetensors'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert found == "[]"
