from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from app.cli import app
from relevance.errors import InputError, MissingInputError


@pytest.fixture
def call(monkeypatch):
    """Runs `annotation adjudicate` and gives what it printed; errors of gradewise are raised."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words):
        result = CliRunner().invoke(app, ["annotation", "adjudicate", *map(str, words)])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.stderr
        return result

    return run


@pytest.fixture
def files(tmp_path):
    """Judgments of 80 pairs by two careful people and one who guesses, gold, rulings, a scale."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 80)
    key = {"query_id": [f"q{i:02}" for i in range(80)], "pin_id": ["p"] * 80}
    shown = [
        pl.DataFrame(key).with_columns(
            annotator=pl.lit(who),
            grade=np.where(rng.random(80) < right, truth, rng.integers(0, 3, 80)),
        )
        for who, right in (("ann", 0.9), ("bob", 0.85), ("cy", 0.1))
    ]
    pl.concat(shown).write_csv(tmp_path / "judgments.csv")
    gold = pl.DataFrame(key).with_columns(grade=truth)
    gold.head(30).write_csv(tmp_path / "gold.csv")
    ruling = pl.DataFrame(
        {"query_id": ["q70"], "pin_id": ["p"], "annotator": ["sam"], "grade": [2]}
    )
    ruling.write_csv(tmp_path / "rulings.csv")
    (tmp_path / "scale.toml").write_text("levels = [0, 1, 2]\nordered = false\n")
    return tmp_path


def test_gold_rulings_and_a_scale_of_ones_own(call, files):
    out = files / "qrels.parquet"
    told = call(
        *(files / "judgments.csv", "--out", out, "--scale", files / "scale.toml"),
        *("--gold", files / "gold.csv", "--rulings", files / "rulings.csv", "--format", "json"),
    )
    qrels = pl.read_parquet(out)
    assert [name for name in qrels.columns if name.startswith("p")] == ["pin_id", "p1", "p2", "p3"]
    counted = dict(qrels["method"].value_counts().iter_rows())
    assert counted["gold"] == 30
    assert counted["ruling(sam)"] == 1
    (rest,) = counted.keys() - {"gold", "ruling(sam)"}
    assert f"80 pairs adjudicated by {rest}" in told.stderr
    assert "nats a held-out vote" in told.stderr
    assert "Mean probability of the chosen grade 0." in told.stderr
    assert "30 pairs are gold and keep their grade" in told.stderr
    assert "1 pairs ruled by seniors" in told.stderr
    rows = json.loads(told.stdout)
    assert {row["metric"] for row in rows} == {"accuracy", "log_loss"}
    assert {row["system"] for row in rows} >= {"auto", "majority", "dawid-skene", "nominal"}
    assert rows[0]["note"]
    provenance = json.loads((files / "qrels.json").read_text())
    assert {"judgments.csv", "gold.csv", "rulings.csv"} <= set(provenance["inputs"])


def test_doubtful_pairs_are_counted_and_sent_on(call, files):
    out = ("--out", files / "q.csv", "--scale", files / "scale.toml", "--method", "majority")
    told = call(files / "judgments.csv", *out, "--entropy", 0.5).stderr
    assert "pairs in doubt (entropy of 0.50 bits or more): gradewise annotation queue" in told
    assert "nats" not in told
    sure = call(files / "judgments.csv", *out, "--entropy", 2, "--overwrite").stderr
    assert "0 pairs in doubt (entropy of 2.00 bits or more)\n" in sure


def test_gold_that_nobody_judged_is_told(call, files):
    pl.DataFrame({"query_id": ["z"], "pin_id": ["p"], "grade": [1]}).write_csv(files / "g.csv")
    told = call(
        *(files / "judgments.csv", "--out", files / "q.csv", "--gold", files / "g.csv"),
        *("--scale", "trec", "--method", "median"),
    )
    assert "No gold pair was judged" in told.stderr
    assert pl.read_csv(files / "q.csv").height == 80


def test_what_is_wrong_is_told(call, files):
    out = ("--out", files / "q.csv")
    with pytest.raises(InputError, match="Did you mean 'five'"):
        call(files / "judgments.csv", *out, "--scale", "fiv")
    with pytest.raises(MissingInputError, match="rulings"):
        call(files / "judgments.csv", *out, "--scale", "trec", "--rulings", files / "rulings.jsonl")
    with pytest.raises(InputError, match="grade"):
        call(files / "judgments.csv", *out)
    with pytest.raises(InputError, match="method 'dawid' is unknown"):
        call(files / "judgments.csv", *out, "--scale", "trec", "--method", "dawid")
