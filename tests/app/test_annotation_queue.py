from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import annotation.sync.desk
from annotation.adjudicate import adjudicate
from annotation.sync.submit import submit
from app.commands.annotation import app
from relevance.errors import InputError, MissingInputError
from relevance.provenance import read_provenance
from relevance.tables import read_table
from relevance.workspace import Workspace

run = CliRunner().invoke
QUICK = ("--method", "dawid-skene-shrunk")


def call(*words: object):
    return run(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def graded(tmp_path):
    space = Workspace(tmp_path / "w")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(120):
        true = int(rng.integers(1, 6))
        for who in sorted(rng.permutation(list("abcd"))[:3]):
            grade = int(np.clip(true + rng.choice([-1, 0, 0, 0, 0, 1]), 1, 5))
            rows.append((f"q{i // 3:02}", f"p{i % 3}", who, grade, 12.0))
    rows += [("q99", "p0", "a", 1, 40.0), ("q99", "p0", "b", 5, 40.0)]
    names = ["query_id", "pin_id", "annotator", "grade", "seconds"]
    judgments = pl.DataFrame(rows, schema=names, orient="row")
    queries = judgments.select("query_id").unique(maintain_order=True)
    queries = queries.with_columns(text=pl.lit("rug"), country=pl.lit("US"), language=pl.lit("en"))
    samples = judgments.select("query_id", "pin_id").unique(maintain_order=True)
    samples = samples.with_columns(
        inclusion_probability=pl.lit(0.25), stratum=pl.lit("US"), draw=pl.lit("measure")
    )
    tables = {"judgments": judgments, "queries": queries, "samples": samples}
    for name, table in tables.items():
        space.write(name, table, command="test")
    return space


def test_the_senior_queue_can_be_pushed(graded):
    where = ("queue", "--workspace", graded.root, "--for", "senior", *QUICK)
    found = call(*where, "--minutes", 1)
    path = graded.root / "queue-senior.parquet"
    queue = read_table(path, "samples")
    assert queue.row(0, named=True)["query_id"] == "q99"
    assert queue["seconds"].sum() <= 60
    assert set(queue["inclusion_probability"]) == {0.25}
    assert {"reason", "entropy", "range", "worth"} <= set(queue.columns)
    assert "q99" in found.stdout
    assert f"annotation push --purpose senior --samples {path}" in found.stderr
    assert read_provenance(path)["config"]["for"] == "senior"
    with pytest.raises(InputError, match="--overwrite"):
        call(*where)


def test_ruled_pairs_do_not_come_back(graded):
    ruling = pl.DataFrame(
        {"query_id": ["q99"], "pin_id": ["p0"], "annotator": ["boss"], "grade": [3]}
    )
    graded.write("rulings", ruling, command="test")
    call("queue", "--workspace", graded.root, "--for", "senior", *QUICK)
    queue = pl.read_parquet(graded.root / "queue-senior.parquet")
    assert "q99" not in set(queue["query_id"])


def test_the_extra_queue_is_ordered_by_worth(graded):
    found = call("queue", "--workspace", graded.root, "--for", "extra", *QUICK, "--format", "json")
    rows = json.loads(found.stdout)
    assert [row["worth"] for row in rows] == sorted((row["worth"] for row in rows), reverse=True)
    assert "--purpose extra" in found.stderr
    less = (
        "queue",
        "--workspace",
        graded.root,
        "--for",
        "extra",
        "--least",
        9,
        "--overwrite",
        *QUICK,
    )
    assert "0 pairs" in call(*less).stderr
    with pytest.raises(InputError, match="loss 'abs' is unknown"):
        call(*less, "--loss", "abs")


def test_the_calibration_set_keeps_its_grades_at_home(graded):
    where = ("queue", "--workspace", graded.root, "--for", "calibration", "--pairs", 20)
    with pytest.raises(MissingInputError, match="gradewise annotation adjudicate"):
        call(*where)
    qrels = adjudicate(graded.read("judgments"), "dawid-skene")
    graded.write("qrels", qrels, command="test")
    found = call(*where)
    pushed = read_table(graded.root / "queue-calibration.parquet", "samples")
    gold = graded.read("gold-calibration")
    assert pushed.height == gold.height == 20
    assert "grade" not in pushed.columns
    assert set(pushed["draw"]) == {"gold"}
    known = qrels.select("query_id", "pin_id", "grade")
    assert gold.join(known, on=["query_id", "pin_id", "grade"], how="semi").height == 20
    assert "--purpose extra" in found.stderr
    with pytest.raises(InputError, match="--overwrite"):
        call(*where)


def test_without_judgments_there_is_no_queue(tmp_path):
    with pytest.raises(MissingInputError, match="gradewise annotation pull"):
        call("queue", "--workspace", tmp_path, "--for", "extra")


def test_a_dispute_goes_to_a_senior_and_comes_back_as_a_ruling(space, server):
    """queue → push --purpose senior → a ruling on the server → pull → adjudicate --rulings."""
    pairs = space.read("pairs").sort("query_id", "pin_id")
    rows = [(q, p, who, 4) for q, p in pairs.select("query_id", "pin_id").rows() for who in "ab"]
    rows[0] = (*rows[0][:3], 1)
    names = ["query_id", "pin_id", "annotator", "grade"]
    space.write("judgments", pl.DataFrame(rows, schema=names, orient="row"), command="elsewhere")
    call("queue", "--workspace", space.root, "--for", "senior", *QUICK)
    path = space.root / "queue-senior.parquet"
    disputed = pl.read_parquet(path).row(0, named=True)
    assert (disputed["query_id"], disputed["pin_id"], disputed["range"]) == (*rows[0][:2], 3)
    call("push", "--workspace", space.root, "--purpose", "senior", "--samples", path)
    ruling = pl.DataFrame([(*rows[0][:2], "boss", 2)], schema=names, orient="row")
    with annotation.sync.desk.open_desk(space.root) as desk:
        submit(desk, ruling, purpose="senior")
    call("pull", "--workspace", space.root, "--overwrite")
    assert space.read("rulings").select("query_id", "pin_id", "grade").rows() == [(*rows[0][:2], 2)]
    space.write("judgments", pl.DataFrame(rows, schema=names, orient="row"), command="elsewhere")
    out = space.root / "qrels.parquet"
    rulings = space.root / "rulings.parquet"
    words = ("adjudicate", space.root / "judgments.parquet", "--rulings", rulings, "--out", out)
    call(*words, "--method", "dawid-skene-shrunk")
    settled = pl.read_parquet(out).row(0, named=True)
    assert (settled["query_id"], settled["grade"]) == (rows[0][0], 2)
    assert settled["method"].startswith("ruling(")
