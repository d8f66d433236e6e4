from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from annotation.graders.coded import code
from annotation.graders.measures import measure
from annotation.graders.noise import log_errors, variances, weights
from annotation.graders.severity import anchored, residuals, severities, shared_votes
from relevance.grades import FIVE


def frame(rows):
    schema = {"query_id": pl.String, "pin_id": pl.String, "annotator": pl.String, "grade": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def fitted(judgments, weight=None):
    panel = code(judgments, FIVE)
    shared = shared_votes(panel)
    given = np.ones(panel.n_people) if weight is None else np.asarray(weight)
    return panel, shared, severities(shared, given)


def test_two_people_differ_by_their_mean_difference():
    gaps = [1, 1, 0, 1, 2, 1]
    rows = [(f"q{i}", "p", "high", 2 + gap) for i, gap in enumerate(gaps)]
    rows += [(f"q{i}", "p", "low", 2) for i in range(len(gaps))]
    _, _, fit = fitted(frame(rows))
    assert fit.value[0] - fit.value[1] == pytest.approx(1.0)
    assert fit.value.sum() == pytest.approx(0.0, abs=1e-9)
    # Each is half the difference away from the middle: half the error of the mean difference.
    own = fit.error[0] ** 2 - fit.common[0]
    assert own == pytest.approx(np.var(gaps, ddof=1) / len(gaps) / 4)


def test_severities_equal_least_squares_on_dummies(crowd):
    judgments = crowd(3, people=7, queries=20).judgments.filter(pl.int_range(pl.len()) % 5 != 0)
    panel, shared, fit = fitted(judgments)
    n, items = panel.n_people, shared.n_pairs
    design = np.zeros((len(shared.grade), n + items))
    design[np.arange(len(shared.grade)), shared.annotator] = 1
    design[np.arange(len(shared.grade)), n + shared.pair] = 1
    beta = np.linalg.lstsq(design, shared.grade, rcond=None)[0][:n]
    assert fit.value - fit.value[0] == pytest.approx(beta - beta[0])


def test_weighted_severities_equal_weighted_least_squares(crowd):
    panel = code(crowd(4, people=5, queries=15).judgments, FIVE)
    shared, weight = shared_votes(panel), np.array([1.0, 4.0, 0.5, 2.0, 1.0])
    fit = severities(shared, weight)
    n, items, w = 5, shared.n_pairs, np.sqrt(weight[shared.annotator])
    design = np.zeros((len(w), n + items))
    design[np.arange(len(w)), shared.annotator] = w
    design[np.arange(len(w)), n + shared.pair] = w
    beta = np.linalg.lstsq(design, w * shared.grade, rcond=None)[0][:n]
    assert fit.value - fit.value[0] == pytest.approx(beta - beta[0])


def test_a_severe_colleague_does_not_make_the_others_lenient():
    rng = np.random.default_rng(0)
    truth = rng.integers(2, 5, 300)
    rows = [
        (f"q{i:03}", "p", who, int(t) - (who == "severe"))
        for i, t in enumerate(truth)
        for who in ("fair", "just", "kind", "severe")
    ]
    _, _, fit = fitted(frame(rows))
    assert fit.value == pytest.approx([0, 0, 0, -1], abs=0.02)


def test_the_error_is_that_of_resampled_queries(crowd):
    made = crowd(5, people=6, queries=60, pins=4)
    _panel, _shared, fit = fitted(made.judgments)
    rng, drawn = np.random.default_rng(1), []
    by_query = made.judgments.partition_by("query_id")
    for _ in range(150):
        parts = [
            by_query[at].with_columns(query_id=pl.lit(f"d{place:03}"))
            for place, at in enumerate(rng.integers(0, len(by_query), len(by_query)))
        ]
        again = fitted(pl.concat(parts))[2].value
        drawn.append(again - again.mean())
    centred_error = np.std(drawn, axis=0, ddof=1)
    own = np.sqrt(fit.error**2 - fit.common)
    assert own == pytest.approx(centred_error, rel=0.25)


def test_people_without_shared_pairs_and_islands_are_kept_apart():
    rows = [(f"q{i}", "p", who, 3 + (who == "b")) for i in range(5) for who in "ab"]
    rows += [(f"r{i}", "p", who, 1 + 3 * (who == "d")) for i in range(5) for who in "cd"]
    rows += [("s", "p", "lonely", 5)]
    panel, shared, fit = fitted(frame(rows))
    assert panel.people == ("a", "b", "c", "d", "lonely")
    assert shared.island.tolist() == [0, 0, 1, 1, -1]
    assert fit.value[:4] == pytest.approx([-0.5, 0.5, -1.5, 1.5])
    assert np.isnan(fit.value[4])
    assert np.isnan(fit.error[4])


def test_residuals_leave_the_vote_itself_out():
    rows = [("q", "p", "a", 5), ("q", "p", "b", 3), ("q", "p", "c", 2), ("q", "r", "a", 4)]
    _panel, shared, _ = fitted(frame(rows))
    severity = np.array([0.5, 0.5, -0.5])
    apart, others = residuals(shared, severity, np.array([1.0, 1.0, 3.0]))
    assert others.tolist() == [4.0, 4.0, 2.0]
    assert apart[0] == pytest.approx(5 - ((3 - 0.5) + 3 * (2 + 0.5)) / 4)
    assert apart[2] == pytest.approx(2 - ((5 - 0.5) + (3 - 0.5)) / 2)


def test_gold_settles_the_level_of_the_panel():
    rng = np.random.default_rng(2)
    truth = rng.integers(2, 5, 400)
    lean = dict(zip("abcd", (1, 1, 0, 1), strict=True))
    rows = [
        (f"q{i:03}", "p", who, int(t) + lean[who])
        for i, t in enumerate(truth)
        for who in rng.permutation(list("abcd"))[:3]
    ]
    panel, shared, fit = fitted(frame(rows))
    known = np.full(panel.n_pairs, -1)
    known[:100] = truth[:100] - 1
    moved = anchored(fit, shared, panel, known)
    assert moved.value == pytest.approx([1, 1, 0, 1], abs=0.05)
    few = anchored(fit, shared, panel, np.where(np.arange(panel.n_pairs) < 9, known, -1))
    assert few.value.tolist() == fit.value.tolist()
    assert moved.value - moved.value[0] == pytest.approx(fit.value - fit.value[0])


def test_gold_narrows_the_intervals(crowd):
    made = crowd(8, queries=60, severity=0.3)
    panel, shared, fit = fitted(made.judgments)
    moved = anchored(fit, shared, panel, made.truth["grade"].to_numpy() - 1)
    assert (moved.error < fit.error).all()
    assert moved.value - moved.value[0] == pytest.approx(fit.value - fit.value[0])


def test_three_complete_annotators_have_grubbs_variances():
    rng = np.random.default_rng(3)
    n = 2_000
    truth = rng.integers(1, 6, n)
    errors = rng.choice([-1, 0, 1], (n, 3), p=[0.2, 0.6, 0.2]) * np.array([0, 1, 1])
    errors[:, 2] += rng.choice([-1, 0, 1], n)
    grades = truth[:, None] + errors + 10  # off any end of a scale
    rows = [(f"q{i:05}", "p", "abc"[k], int(grades[i, k])) for i in range(n) for k in range(3)]
    wide = FIVE.__class__(name="wide", levels=tuple(range(30)))
    panel = code(frame(rows), wide)
    shared = shared_votes(panel)
    ones = np.ones(3)
    found = variances(shared, severities(shared, ones).value, ones).value
    apart = {(a, b): np.var(grades[:, a] - grades[:, b]) for a in range(3) for b in range(a)}
    whole = sum(apart.values()) / 2
    grubbs = [whole - apart[2, 1], whole - apart[2, 0], whole - apart[1, 0]]
    assert found == pytest.approx(grubbs, abs=2e-3)


def test_two_people_alone_share_their_noise():
    rng = np.random.default_rng(4)
    rows = [(f"q{i:03}", "p", who, int(rng.integers(2, 5))) for i in range(200) for who in "ab"]
    _panel, shared, fit = fitted(frame(rows))
    found = variances(shared, fit.value, np.ones(2)).value
    gap = shared.grade[::2] - shared.grade[1::2]
    assert found == pytest.approx([np.var(gap) / 2] * 2, rel=0.02)


def test_weights_are_bounded_and_filled():
    found = weights(np.array([0.5, 0.5, 50.0, 0.001, np.nan]))
    assert found == pytest.approx(1 / np.array([0.5, 0.5, 5.0, 0.125, 0.5]))
    assert weights(np.full(2, np.nan)).tolist() == [1.0, 1.0]


def test_errors_of_few_votes_are_steadied(crowd):
    panel = code(crowd(6, people=6, queries=40).judgments, FIVE)
    shared = shared_votes(panel)
    fit = variances(shared, severities(shared, np.ones(6)).value, np.ones(6))
    steady, own = log_errors(fit, shared.n_votes), fit.error / fit.value
    assert np.ptp(steady) < np.ptp(own)
    assert np.median(steady) == pytest.approx(np.median(own), rel=0.15)


def test_a_guesser_follows_nobody_and_one_who_repeats_a_grade_neither(crowd):
    made = crowd(7, guessers=1).judgments
    same = pl.when(pl.col("annotator") == "a001").then(3).otherwise("grade").alias("grade")
    panel = code(made.with_columns(same), FIVE)
    follows = measure(panel, np.full(panel.n_pairs, -1)).follows
    assert abs(follows.value[0]) < 3 * follows.error[0]
    assert follows.value[1] == pytest.approx(0, abs=1e-12)
    assert follows.value[2:].min() > 0.7
