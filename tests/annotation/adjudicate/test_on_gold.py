from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from annotation.adjudicate import adjudicate, on_gold


def test_the_figures_are_those_of_each_method_and_nobody_sees_the_gold(crowd):
    judgments, truth = crowd(n=300, noisy=2)
    gold = pl.DataFrame(
        {"query_id": [f"q{i:04}" for i in range(300)], "pin_id": "p", "grade": truth}
    )
    methods = ["majority", "dawid-skene"]
    rows = list(on_gold(judgments, gold, methods=methods))
    assert [row.metric for row in rows] == ["accuracy", "accuracy", "log_loss", "log_loss"]
    assert [row.system for row in rows[:2]] == ["dawid-skene", "majority"]
    assert rows[0].value > rows[1].value
    assert rows[2].value < rows[3].value
    for row in rows:
        found = adjudicate(judgments, row.system)
        chance = found.select(f"p{k}" for k in range(1, 6)).to_numpy()[range(300), truth - 1]
        figure = (
            np.mean(found["grade"].to_numpy() == truth)
            if row.metric == "accuracy"
            else -np.log(np.maximum(chance, 0.01)).mean()
        )
        assert row.value == pytest.approx(figure)
        assert row.ci_low < row.value < row.ci_high
        assert row.n == 300
    assert rows[0].note == "ahead of every other at this level"
    assert rows[1].note == rows[3].note == ""


def test_methods_that_do_the_same_are_not_told_apart(crowd):
    judgments, truth = crowd(n=60, noisy=0)
    gold = pl.DataFrame(
        {"query_id": [f"q{i:04}" for i in range(40)], "pin_id": "p", "grade": truth[:40]}
    )
    rows = list(on_gold(judgments, gold, methods=["majority", "median", "majority"]))
    assert len(rows) == 4
    assert rows[0].note == "not sure: any other may do as well"
    some = list(on_gold(judgments, gold, methods=["majority", "median", "dawid-skene-shrunk"]))
    assert {row.system for row in some} == {"majority", "median", "dawid-skene-shrunk"}


def test_gold_that_nobody_judged_says_nothing(crowd):
    judgments, _ = crowd(n=30)
    gold = pl.DataFrame({"query_id": ["else"], "pin_id": ["p"], "grade": [3]})
    assert len(on_gold(judgments, gold)) == 0
