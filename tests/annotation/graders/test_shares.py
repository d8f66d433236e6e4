from __future__ import annotations

import math
import statistics

import numpy as np
import polars as pl
import pytest

from annotation.graders.chances import binomial_lower, binomial_upper, t_quantile, t_upper
from annotation.graders.coded import code
from annotation.graders.consensus import known_levels
from annotation.graders.shares import (
    abstentions,
    gold_answers,
    mean_figure,
    paces,
    repeated,
    too_fast,
)
from evaluation.intervals.proportion import wilson
from relevance.grades import FIVE

SCHEMA = {"query_id": pl.String, "pin_id": pl.String, "annotator": pl.String, "grade": pl.Int64}


def frame(rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def test_gold_accuracy_by_hand():
    rows = [("q1", "p", "a", 4), ("q2", "p", "a", 2), ("q3", "p", "a", 5), ("q1", "p", "b", 1)]
    gold = frame([("q1", "p", "", 4), ("q2", "p", "", 3), ("q3", "p", "", 1)]).drop("annotator")
    panel = code(frame(rows), FIVE)
    found = gold_answers(panel, known_levels(panel, gold))
    assert found.exact.hits.tolist() == [1, 0]
    assert found.within1.hits.tolist() == [2, 0]
    assert found.exact.n.tolist() == [3, 1]
    assert found.confusion[0][3].tolist() == [0, 0, 0, 1, 0]
    figure = found.exact.figures(0.95)[0]
    assert (figure.value, figure.low, figure.high) == (1 / 3, *wilson(1 / 3, 3))
    severity = found.severity(panel.levels, 0.95)
    gaps = [0, -1, 4]
    half = 4.302652729911275 * statistics.stdev(gaps) / math.sqrt(3)
    assert severity[0].value == pytest.approx(1.0)
    assert (severity[0].low, severity[0].high) == pytest.approx((1 - half, 1 + half))
    assert severity[1].value == -3
    assert severity[1].low is None
    others = found.exact.of_others()
    assert others.tolist() == [0.0, 1 / 3]


def test_repeats_are_compared_with_the_first_vote():
    panel = code(
        frame(
            [("q1", "p", "a", 3), ("q2", "p", "a", None), ("q3", "p", "a", 1), ("q1", "p", "b", 5)]
        ),
        FIVE,
    )
    again = frame(
        [("q1", "p", "a", 4), ("q2", "p", "a", 4), ("q3", "p", "a", 1), ("q1", "p", "c", 1)]
    )
    exact, near = repeated(panel, again)
    assert exact.hits.tolist() == [1, 0]
    assert near.hits.tolist() == [2, 0]
    assert exact.n.tolist() == [2, 0]
    assert exact.figures(0.9)[1].value is None
    assert repeated(panel, None)[0].n.tolist() == [0, 0]


def test_abstentions_are_measured_on_the_same_pairs():
    rows = [
        ("q1", "p", "a", None), ("q1", "p", "b", 3), ("q1", "p", "c", None),
        ("q2", "p", "a", 3), ("q2", "p", "b", 3),
        ("q3", "p", "a", None),
    ]  # fmt: skip
    found = abstentions(code(frame(rows), FIVE))
    assert found.own.hits.tolist() == [2, 0, 1]
    assert found.own.n.tolist() == [3, 2, 1]
    assert found.more == pytest.approx([(1 - 1 / 2 + 0 - 0) / 2, (-1 + 0) / 2, 1 - 1 / 2])
    assert found.n.tolist() == [2, 2, 1]
    assert (found.error > 0).all()


def test_pace_is_the_median_with_quartiles():
    rows = [(f"q{i}", "p", "a", 3) for i in range(5)] + [("q0", "p", "b", 3)]
    seconds = [1.0, 2.0, 3.0, 10.0, None, 7.0]
    panel = code(frame(rows).with_columns(pl.Series("seconds", seconds)), FIVE)
    first, second = paces(panel)
    assert (first.value, first.low, first.high, first.n) == (2.5, 1.75, 4.75, 4)
    assert second.value == 7
    assert paces(code(frame(rows), FIVE))[0].value is None
    # A fifth of the median 3.0 is 0.6; of a bar of 2.5 seconds, two of four are below.
    assert too_fast(panel, None).hits.tolist() == [0, 0]
    assert too_fast(panel, 2.5).hits.tolist() == [2, 0]
    assert too_fast(panel, 2.5).n.tolist() == [4, 1]
    assert too_fast(code(frame(rows), FIVE), 2.5).n.tolist() == [0, 0]
    broken = frame(rows).with_columns(seconds=pl.lit(float("nan")))
    assert too_fast(code(broken, FIVE), None).n.tolist() == [0, 0]


def test_chances_equal_scipy_stats():
    from scipy import stats

    freedom = np.array([1.0, 4.0, 30.0, np.inf])
    expected = [*stats.t.ppf(0.975, freedom[:3]), stats.norm.ppf(0.975)]
    assert t_quantile(0.95, freedom) == pytest.approx(expected)
    assert np.isnan(t_quantile(0.95, np.array([np.nan]))[0])
    x = np.array([-1.0, 0.5, 2.0])
    assert t_upper(x, freedom[:3]) == pytest.approx(stats.t.sf(x, freedom[:3]))
    hits, n, p = np.array([0, 3, 10]), np.array([10, 10, 10]), np.array([0.2, 0.5, 0.9])
    assert binomial_lower(hits, n, p) == pytest.approx(stats.binom.cdf(hits, n, p))
    assert binomial_upper(hits, n, 0.1) == pytest.approx(stats.binom.sf(hits - 1, n, 0.1))


def test_a_mean_of_nothing_is_undefined():
    assert mean_figure([], 0.95).value is None
    assert mean_figure([2.0], 0.95).low is None
