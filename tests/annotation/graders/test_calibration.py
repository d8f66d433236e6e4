from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from annotation.adjudicate import adjudicate
from annotation.graders.calibration import Bars, calibrated
from annotation.graders.calibration_set import calibration_pairs
from annotation.graders.rows import calibration_row
from evaluation.intervals.proportion import wilson
from relevance.errors import InputError


@pytest.fixture(scope="module")
def qrels(crowd):
    made = crowd(21, people=8, queries=150, overlap=5, noise=(0.4, 0.7))
    return adjudicate(made.judgments, "dawid-skene"), made.truth


def answers(gold, off, name="new"):
    """Grades `off` levels from the known ones, in turn, kept on the scale."""
    grade = np.clip(gold["grade"].to_numpy() + np.resize(off, len(gold)), 1, 5)
    return gold.select("query_id", "pin_id", annotator=pl.lit(name)).with_columns(
        pl.Series("grade", grade)
    )


def test_the_set_is_confident_spread_and_half_borders(qrels):
    found, truth = qrels
    chosen = calibration_pairs(found, 40)
    assert chosen.height == 40
    assert chosen["certainty"].min() >= 0.8
    assert chosen.group_by("query_id").len()["len"].max() <= 2
    assert chosen.group_by("grade").len()["len"].min() >= 4
    clear = chosen.filter(pl.col("kind") == "clear").height
    assert 16 <= clear <= 24
    assert {"border 2/3", "border 3/4"} <= set(chosen["kind"])
    right = chosen.join(truth, on=["query_id", "pin_id"], suffix="_true")
    assert (right["grade"] == right["grade_true"]).mean() > 0.8
    assert chosen.equals(calibration_pairs(found.sample(fraction=1, shuffle=True, seed=2), 40))
    assert not chosen.equals(calibration_pairs(found, 40, seed=1))


def test_small_sources_give_what_there_is(qrels):
    found, _ = qrels
    some = calibration_pairs(found.head(30), 200)
    assert 0 < some.height < 30
    with pytest.raises(InputError, match="no grade is known with 80% from 9 judgments"):
        calibration_pairs(found, least_judgments=9)
    with pytest.raises(InputError, match="needs qrels with a posterior"):
        calibration_pairs(found.drop("p5"))


@pytest.mark.parametrize(
    ("off", "decision"),
    [
        ([0], "pass"),
        ([0, 0, 0, 0, 1, -1], "pass"),
        ([0, 0, 1, -1, 0, -1], "more"),
        ([1, 0, 1, 2, 1], "retrain"),
        ([2, -2, 0, 1, -2], "retrain"),
    ],
)
def test_decisions(qrels, off, decision):
    gold = calibration_pairs(qrels[0], 40)
    found = calibrated(answers(gold, off), gold)
    assert found[0].decision == decision
    assert bool(found[0].reasons) == (decision != "pass")
    assert (found[0].n_more == 0) == (decision != "more")


def test_figures_by_hand(qrels):
    gold = calibration_pairs(qrels[0], 40)
    given = answers(gold, [0, 0, 0, 1])
    one = calibrated(given, gold)[0]
    right = (given["grade"] == gold["grade"]).sum()
    assert (one.n, one.accuracy.value) == (40, right / 40)
    assert (one.accuracy.low, one.accuracy.high) == wilson(right / 40, 40, 0.9)
    gap = (given["grade"] - gold["grade"]).to_numpy()
    assert one.severity.value == pytest.approx(gap.mean())
    row = calibration_row(one)
    assert row["accuracy"] == one.accuracy.value
    assert row["decision"] == one.decision


def test_how_many_more_would_decide(qrels):
    gold = calibration_pairs(qrels[0], 40)
    one = calibrated(answers(gold, [0, 0, 0, 1, -1]), gold)[0]
    assert one.decision == "more"
    total = 40 + one.n_more
    low = wilson(one.accuracy.value, total, 0.9)[0]
    near = wilson(one.within1.value, total, 0.9)[0]
    assert low >= Bars().accuracy
    assert near >= Bars().within1
    before = [wilson(share.value, total - 1, 0.9)[0] for share in (one.accuracy, one.within1)]
    assert before[0] < Bars().accuracy or before[1] < Bars().within1


def test_few_pairs_decide_nothing(qrels):
    gold = calibration_pairs(qrels[0], 40)
    bad = calibrated(answers(gold.head(10), [2, -2]), gold)[0]
    assert bad.decision == "more"
    assert bad.reasons[0] == "pairs"
    assert bad.n_more == 10


def test_those_to_train_come_first_and_others_are_left_out(qrels):
    gold = calibration_pairs(qrels[0], 40)
    good, bad = answers(gold, [0], "good"), answers(gold, [2, -2], "bad")
    other = good.with_columns(annotator=pl.lit("elsewhere"), query_id=pl.lit("unknown"))
    found = calibrated(pl.concat([good, bad, other]), gold)
    assert [one.annotator for one in found] == ["bad", "good"]
    with pytest.raises(InputError, match="no judgment is of a pair of the calibration set"):
        calibrated(other, gold)
