"""The demo's stages of grading that need no Label Studio."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from app.loop import grading
from app.loop.bench import Bench, LoopConfig
from relevance.errors import SettingsError
from relevance.progress import silent
from relevance.world import grade_pairs

WORLD = """
[world]
queries = {US = 20, FR = 8, MX = 8, JP = 8}
pins = 500
candidates = 12
users = 200
[demo]
training_queries = 8
evaluation_queries = 4
open_pairs = 2
"""
PAIR = ["query_id", "pin_id"]


def bench_of(root: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> Bench:
    root.mkdir()
    (root / "gradewise.toml").write_text(WORLD + more)
    monkeypatch.setenv("GRADEWISE_CONFIG", str(root / "gradewise.toml"))
    bench = Bench(root, 0, cast("Any", None))
    for name, frame in (
        ("queries", bench.world.queries),
        ("pairs", bench.world.pairs),
        ("qrels-truth", bench.world.truth),
    ):
        bench.write(name, frame)
    return bench


def test_gold_and_repeats_are_hidden_among_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_of(tmp_path / "one", monkeypatch, "gold_questions = 5\nrepeats = 0.05\n")
    said = grading.sample(bench, silent)
    samples, gold = bench.read("samples"), bench.read("gold")
    of = {draw: samples.filter(pl.col("draw") == draw) for draw in grading.GRADED}
    graded = pl.concat(of.values())
    hidden = samples.filter(pl.col("draw") == "gold")
    again = samples.filter(pl.col("draw") == "repeat")
    assert hidden.select(PAIR).equals(gold.select(PAIR))
    assert gold.height == 4 * 5
    assert set(gold["source"]) == {"built-in world"}
    truth = bench.world.truth.select(*PAIR, "grade")
    assert gold.join(truth, on=[*PAIR, "grade"], how="semi").height == gold.height
    assert hidden.join(graded, on=PAIR, how="semi").is_empty(), "gold is graded for itself only"
    assert again.join(graded, on=PAIR, how="semi").height == again.height
    assert again.height == 3 * 2 + 7  # 5% of 48 pairs each, and of 144 in the US
    assert "20 gold questions and 13 repeats hidden" in said


def test_the_same_seed_draws_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    for name in ("one", "other"):
        bench = bench_of(tmp_path / name, monkeypatch)
        grading.sample(bench, silent)
        drawn.append((bench.read("samples"), bench.read("gold")))
    assert drawn[0][0].equals(drawn[1][0])
    assert drawn[0][1].equals(drawn[1][1])


def test_nothing_need_be_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(tmp_path / "one", monkeypatch, "gold_questions = 0\nrepeats = 0\n")
    grading.sample(bench, silent)
    samples = bench.read("samples")
    assert set(samples["draw"]) == {"measure", "training", "pool"}
    assert bench.read("gold").is_empty()
    graded = samples.filter(pl.col("draw").is_in(grading.GRADED)).sort(PAIR)
    judgments = grade_pairs(bench.world, graded, seed=0)
    bench.write("judgments", judgments)
    bench.write("repeats", judgments.clear())
    said = grading.adjudicate(bench, silent)
    assert "11 annotators" in said
    assert bench.read("qrels").height == graded.height
    cards = bench.read("results-graders")
    assert cards["n_gold"].sum() == cards["n_repeats"].sum() == 0


def test_the_same_people_grade_a_pair_again_and_not_all_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_of(tmp_path / "one", monkeypatch, "repeats = 0.5\n")
    grading.sample(bench, silent)
    samples = bench.read("samples")
    judgments = grade_pairs(bench.world, samples, seed=0)
    repeated = samples.filter(pl.col("draw") == "repeat")
    again = grading._graded_again(bench, repeated, judgments)
    both = again.join(judgments, on=[*PAIR, "annotator"], suffix="_before")
    assert both.height == again.height == 3 * repeated.height
    same = (both["grade"] == both["grade_before"]).mean()
    assert isinstance(same, float)
    assert 0.5 < same < 0.95


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("gold_questions", -1, "gold_questions must be at least 0"),
        ("repeats", 1.0, "share below 1"),
        ("overlap", 0, "overlap must be at least 1"),
    ],
)
def test_impossible_settings_are_refused(field: str, value: float, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        LoopConfig(**{field: value})  # type: ignore[arg-type]
