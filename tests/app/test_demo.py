"""The whole loop, small: interrupted and resumed, and twice with one seed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from annotation.local.install import find_executable
from relevance.results import results_from

pytestmark = [pytest.mark.slow, pytest.mark.live]

SETTINGS = """
[demo]
training_queries = 8
evaluation_queries = 4
open_pairs = 2
endpoint_pairs = 10
[world]
queries = {US = 20, FR = 8, MX = 8, JP = 8}
pins = 500
candidates = 12
users = 2000
[teacher]
epochs = 1
max_tokens = 40
"""
NOT_COMPARED = ("created_at", "seconds")


def _command(workspace: Path) -> list[str]:
    code = "from app.cli import main; main()"
    return [sys.executable, "-c", code, "demo", "--no-serve", "--workspace", str(workspace)]


def _environment(folder: Path) -> dict[str, str]:
    settings = folder / "gradewise.toml"
    settings.write_text(SETTINGS)
    return {**os.environ, "GRADEWISE_CONFIG": str(settings)}


def _run(workspace: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(workspace),
        env=_environment(folder),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def _interrupt_when(workspace: Path, folder: Path, made: str) -> int:
    """Starts the demo and sends Ctrl-C as soon as a file is there."""
    process = subprocess.Popen(
        _command(workspace), env=_environment(folder), stderr=subprocess.DEVNULL
    )
    give_up = time.monotonic() + 600
    while not (workspace / made).exists() and process.poll() is None:
        assert time.monotonic() < give_up, f"{made} was not made in ten minutes"
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    return process.wait(timeout=120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_executable() is None:
        pytest.skip("needs Label Studio: gradewise annotation serve --install-only")
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def straight(folder: Path) -> subprocess.CompletedProcess[str]:
    return _run(folder / "straight", folder)


def test_it_ends_with_a_verdict_and_a_report(
    folder: Path, straight: subprocess.CompletedProcess[str]
) -> None:
    assert straight.returncode == 0, straight.stderr
    assert "verdict" in straight.stdout
    assert (folder / "straight" / "report.html").stat().st_size > 20_000
    judgments = pl.read_parquet(folder / "straight" / "judgments.parquet")
    assert judgments.filter(pl.col("source") == "endpoint").height == 30
    assert judgments.height == 3 * (12 * (8 + 4 * 4) + 4 * 20)
    grades = results_from(
        pl.read_parquet(folder / "straight" / "results-grades.parquet").to_dicts()
    )
    assert {row.system for row in grades} >= {"teacher", "student", "student_human", "bm25"}
    trained = [row for row in grades if "seen_in_training" in row.note and row.group == "US"]
    assert trained, "the training queries must be left out and counted"


def test_it_measures_its_annotators_by_hidden_questions(
    folder: Path, straight: subprocess.CompletedProcess[str]
) -> None:
    root = folder / "straight"
    tables = {
        name: pl.read_parquet(root / f"{name}.parquet")
        for name in ("samples", "gold", "judgments", "repeats", "qrels", "results-graders")
    }
    pair = ["query_id", "pin_id"]
    samples, gold, judgments = tables["samples"], tables["gold"], tables["judgments"]
    assert gold.height == samples.filter(pl.col("draw") == "gold").height == 4 * 20
    assert tables["qrels"].join(gold, on=pair, how="semi").is_empty(), "gold measures no system"
    assert tables["qrels"].height == 12 * (8 + 4 * 4)
    repeated = samples.filter(pl.col("draw") == "repeat")
    again = tables["repeats"].join(judgments, on=[*pair, "annotator"], how="semi")
    assert again.height == tables["repeats"].height == 3 * repeated.height > 0
    cards = tables["results-graders"]
    assert cards["n"].sum() == judgments.height
    assert cards["n_gold"].sum() == judgments.join(gold, on=pair, how="semi")["grade"].count()
    assert cards["n_repeats"].sum() > 0
    queue = pl.read_parquet(root / "queue-senior.parquet")
    assert f"{queue.height} disputes" in straight.stderr
    assert "Annotators" in (root / "report.html").read_text()


def test_interrupted_and_run_again_it_gives_the_same_tables(
    folder: Path, straight: subprocess.CompletedProcess[str]
) -> None:
    workspace = folder / "interrupted"
    for made in (
        "label-studio/gradewise.sqlite3",
        "qrels.parquet",
        "models/teacher",
        "runs-student.parquet",
    ):
        assert _interrupt_when(workspace, folder, made) in (130, -signal.SIGINT)
    resumed = _run(workspace, folder)
    assert resumed.returncode == 0, resumed.stderr
    assert "done before" in resumed.stderr
    names = sorted(path.name for path in (folder / "straight").glob("*.parquet"))
    assert names == sorted(path.name for path in workspace.glob("*.parquet"))
    for name in names:
        one, other = (
            pl.read_parquet(root / name).drop(NOT_COMPARED, strict=False)
            for root in (folder / "straight", workspace)
        )
        assert one.equals(other), f"{name} differs between two runs with one seed"
    again = _run(workspace, folder)
    assert again.stderr.count("done before") == again.stderr.count("✓")
