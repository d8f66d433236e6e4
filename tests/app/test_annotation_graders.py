from __future__ import annotations

import csv
import io
import json
from datetime import datetime

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from app.commands.annotation import app
from relevance.errors import InputError, MissingInputError
from relevance.provenance import read_provenance
from relevance.workspace import Workspace

run = CliRunner().invoke


def call(*words: object):
    return run(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Six people on 150 pairs, each pair by three; one of them guesses, quickly."""
    space = Workspace(tmp_path_factory.mktemp("graded"))
    rng = np.random.default_rng(0)
    rows = []
    for i in range(150):
        true = int(rng.integers(1, 6))
        for who in sorted(rng.permutation([f"person-{n}" for n in range(5)] + ["guesser"])[:3]):
            near = int(np.clip(true + rng.choice([-1, 0, 0, 0, 1]), 1, 5))
            guess = who == "guesser"
            rows.append(
                {
                    "query_id": f"q{i // 3:02}",
                    "pin_id": f"p{i % 3}",
                    "annotator": who,
                    "grade": int(rng.integers(1, 6)) if guess else near,
                    "comment": "hard" if i % 9 == 0 else None,
                    "seconds": 1.0 if guess else float(rng.uniform(8, 20)),
                    "created_at": datetime(2026, 5, 4 + i % 14),
                    "true": true,
                }
            )
    frame = pl.DataFrame(rows)
    pairs = frame.select("query_id", "pin_id", grade="true").unique(maintain_order=True)
    queries = frame.select("query_id").unique(maintain_order=True)
    tables = {
        "judgments": frame.drop("true"),
        "gold": pairs.head(60),
        "repeats": frame.drop("true").head(120),
        "queries": queries.with_columns(pl.format("query number {}", "query_id").alias("text")),
    }
    for name, table in tables.items():
        space.write(name, table, command="test")
    return space.root


def test_the_table_names_who_to_talk_to_first_and_fits_120_columns(graded):
    found = call("graders", "--workspace", graded)
    lines = found.stdout.splitlines()
    assert lines[0].split()[:3] == ["annotator", "n", "seconds"]
    assert lines[1].startswith("guesser")
    assert "too fast 100%" in lines[1]
    assert max(len(line.rstrip()) for line in lines) <= 120
    assert len(lines) == 7
    assert "6 annotators: 1 to talk to" in found.stderr


def test_columns_give_way_before_the_table_grows_too_wide(graded):
    frame = pl.read_parquet(graded / "judgments.parquet")
    wide = frame.with_columns(pl.col("seconds") * 100_000)
    path = graded / "wide.parquet"
    wide.write_parquet(path)
    lines = call("graders", path, "--gold", graded / "gold.parquet").stdout.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 120
    assert "Δα" not in lines[0]
    assert "verdict" in lines[0]


def test_json_csv_and_markdown(graded):
    rows = json.loads(call("graders", "--workspace", graded, "--format", "json").stdout)
    assert rows[0]["annotator"] == "guesser"
    assert {flag["aspect"] for flag in rows[0]["flags"]} >= {"fast", "noise"}
    assert len(rows[0]["confusion"]) == 5
    assert rows[0]["n_gold"] > 0
    assert sum(week["n"] for week in rows[1]["weeks"]) == rows[1]["n_shared"]
    text = call("graders", "--workspace", graded, "--format", "csv").stdout
    flat = list(csv.DictReader(io.StringIO(text)))
    assert [row["annotator"] for row in flat] == [row["annotator"] for row in rows]
    assert float(flat[1]["severity"]) == pytest.approx(rows[1]["severity"])
    assert "confusion" not in flat[0]
    assert call("graders", "--workspace", graded, "--format", "markdown").stdout.startswith("| ann")


def test_a_file_alone_will_do(graded):
    found = call("graders", graded / "judgments.parquet", "--format", "json")
    rows = json.loads(found.stdout)
    assert rows[0]["n_gold"] == 0
    assert rows[0]["repeats"] is None


def test_detail_shows_confusions_weeks_and_the_worst_disagreements(graded):
    text = call("graders", "--workspace", graded, "--detail", "guesser").stdout
    assert "by grade of others" in text
    assert "by grade of gold" in text
    assert "2026-05-04" in text
    assert "query number q" in text
    assert "least expected grades" in text
    with pytest.raises(InputError, match="no judgment is by 'persn-1'"):
        call("graders", "--workspace", graded, "--detail", "persn-1")


def test_calibration_says_who_passes(graded):
    where = ("graders", "--workspace", graded, "--calibration")
    with pytest.raises(MissingInputError, match="annotation queue --for calibration"):
        call(*where)
    found = call(*where, "--gold", graded / "gold.parquet")
    assert "guesser" in found.stdout.splitlines()[1]
    assert "retrain" in found.stdout.splitlines()[1]
    rows = json.loads(call(*where, "--gold", graded / "gold.parquet", "--format", "json").stdout)
    assert rows[0]["decision"] == "retrain"
    assert all(row["decision"] in ("pass", "more") for row in rows[1:])
    assert "accuracy ≥ 0.55" in found.stderr
    # Where purposes are known, only extra opinions are of the round.
    first = pl.read_parquet(graded / "judgments.parquet")
    extra = (
        pl.when(pl.col("annotator") == "guesser").then(pl.lit("grade")).otherwise(pl.lit("extra"))
    )
    path = graded / "purposes.parquet"
    first.with_columns(extra.alias("purpose")).write_parquet(path)
    asked = ("graders", path, "--calibration", "--gold", graded / "gold.parquet")
    assert "guesser" not in call(*asked).stdout


def test_mistakes_are_told(tmp_path):
    with pytest.raises(InputError, match="give a file of judgments, or a folder with --workspace"):
        call("graders")
    with pytest.raises(MissingInputError, match="gradewise annotation pull"):
        call("graders", "--workspace", tmp_path)


def test_save_keeps_the_table_for_the_dashboard(graded):
    found = call("graders", "--workspace", graded, "--save", "--level", "0.9", "--format", "json")
    kept = pl.read_parquet(graded / "results-graders.parquet")
    printed = json.loads(found.stdout)
    assert kept["annotator"].to_list() == [row["annotator"] for row in printed]
    assert kept["severity"].to_list() == pytest.approx([row["severity"] for row in printed])
    assert kept["n_gold"].sum() == sum(row["n_gold"] for row in printed) > 0
    made = read_provenance(graded / "results-graders.parquet")
    assert made["config"] == {"level": 0.9}
    assert set(made["inputs"]) == {"judgments", "repeats", "gold"}
    assert "6 annotators → " in found.stderr


def test_save_gives_undefined_figures_columns_of_numbers(tmp_path):
    alone = pl.DataFrame({"query_id": ["q"], "pin_id": ["p"], "annotator": ["only"], "grade": [3]})
    Workspace(tmp_path).write("judgments", alone, command="test")
    call("graders", "--workspace", tmp_path, "--save")
    kept = pl.read_parquet(tmp_path / "results-graders.parquet")
    assert kept["severity"].to_list() == [None]
    assert kept.schema["severity"] == pl.Float64
    assert kept.schema["n_more"] == pl.Int64


@pytest.mark.parametrize("words", [("--save",), ("--workspace", "w", "--save", "--calibration")])
def test_save_needs_a_workspace_and_scorecards(words, tmp_path):
    path = tmp_path / "judgments.csv"
    path.write_text("query_id,pin_id,annotator,grade\nq,p,a,3\n")
    with pytest.raises(InputError, match="--save needs a --workspace"):
        call("graders", path, *words)
