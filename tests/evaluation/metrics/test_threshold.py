"""AUROC and AUPRC against scikit-learn; their influence values against weighting a query."""

from __future__ import annotations

import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation.metrics import threshold
from evaluation.metrics.pointwise import accuracy, mae, predicted_grade, within1
from evaluation.metrics.threshold import at_least, auprc, auroc

PAIRS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1)),
    min_size=2,
    max_size=30,
)
BOTH = [(auroc, roc_auc_score), (auprc, average_precision_score)]


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
@given(pairs=PAIRS)
@settings(deadline=None, max_examples=60)
def test_equal_to_scikit_learn(ours, theirs, pairs: list[tuple[bool, float]]) -> None:
    labels = np.array([label for label, _ in pairs])
    scores = np.array([score for _, score in pairs])
    value, influence = ours(labels, scores)
    assert influence.shape == labels.shape
    if labels.all() or not labels.any():
        assert math.isnan(value)
        assert not influence.any()
        return
    assert value == pytest.approx(theirs(labels, scores), abs=1e-12)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
def test_influence_is_the_derivative_by_a_weight(ours, theirs) -> None:
    rng = np.random.default_rng(3)
    labels = rng.random(40) < 0.4
    scores = np.round(rng.random(40) + labels * 0.4, 1)  # with ties
    influence = ours(labels, scores)[1]
    step = 1e-6
    for pair in range(40):
        up, down = np.ones(40), np.ones(40)
        up[pair] += step
        down[pair] -= step
        change = theirs(labels, scores, sample_weight=up) - theirs(
            labels, scores, sample_weight=down
        )
        assert influence[pair] == pytest.approx(change / (2 * step), abs=1e-6)


@given(pairs=PAIRS)
@settings(deadline=None, max_examples=40)
def test_auroc_is_unmoved_by_monotone_scores_and_turned_by_their_sign(
    pairs: list[tuple[bool, float]],
) -> None:
    labels = np.array([label for label, _ in pairs])
    scores = np.round(np.array([score for _, score in pairs]), 6)
    value = auroc(labels, scores)[0]
    assert auroc(labels, scores * 8)[0] == pytest.approx(value, abs=1e-12, nan_ok=True)
    assert auroc(labels, -scores)[0] == pytest.approx(1 - value, abs=1e-12, nan_ok=True)


def test_probability_of_a_grade_or_better() -> None:
    p = np.array([[0.1, 0.2, 0.3, 0.15, 0.25]])
    assert at_least(p, 4) == pytest.approx([0.4])
    assert at_least(p, 2) == pytest.approx([0.9])


def test_the_most_probable_grade_and_the_lower_of_equals() -> None:
    p = np.array([[0.1, 0.4, 0.1, 0.4, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]])
    assert predicted_grade(p).tolist() == [2, 5]
    grades = np.array([3.0, 2.0])
    assert accuracy(grades, p).tolist() == [0, 0]
    assert within1(grades, p).tolist() == [1, 0]
    assert mae(grades, p).tolist() == [1, 3]


def neighbours(score: float, steps: int) -> float:
    """The float that many floats above `score`: the upper bits of a few of them are equal."""
    return float(np.frombuffer(np.int64(np.float64(score).view(np.int64) + steps).tobytes())[0])


NEAR = st.builds(neighbours, st.sampled_from([0.0, 0.1, 0.25, 0.7]), st.integers(0, 40))
HARD = st.lists(
    st.tuples(st.booleans(), NEAR | st.sampled_from([0.0, -0.0, 5e-324, 1.0, 1.0000001])),
    min_size=2,
    max_size=60,
)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(pairs=HARD, chunk=st.sampled_from([1, 3, 8, 1 << 16]))
@settings(deadline=None, max_examples=80)
def test_chunks_neighbouring_floats_and_zeros(
    dtype: type, pairs: list[tuple[bool, float]], chunk: int
) -> None:
    labels = np.array([label for label, _ in pairs])
    scores = np.array([score for _, score in pairs]).astype(dtype).astype(np.float64)
    if labels.all() or not labels.any():
        return
    with mock.patch.multiple(threshold, _CHUNK=chunk, _STRETCH=chunk, _MANY=5 * chunk):
        for ours, theirs in BOTH:
            expected = theirs(labels, scores)
            value, influence = ours(labels, scores)
            assert value == pytest.approx(expected, abs=1e-12)
            assert influence.sum() == pytest.approx(0, abs=1e-12)
            kept = scores.copy()
            alone, nothing = ours(labels, kept, influence=False)
            assert alone == pytest.approx(value, abs=1e-15)
            assert nothing.size == 0
            assert kept.tobytes() == scores.tobytes()
        short = scores.astype(np.float32)  # 32 bits are sorted as 32 bits
        area, moved = auroc(labels, short)
        assert auroc(labels, short, influence=False)[0] == area
        assert area == value_of(labels, short.astype(np.float64))
        assert moved.tolist() == auroc(labels, short.astype(np.float64))[1].tolist()
        assert auroc(labels, kept, influence=False, overwrite=True)[0] == value_of(labels, scores)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(
    runs=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=12),
    stretch=st.sampled_from([1, 4, 1 << 18]),
)
@settings(deadline=None, max_examples=60)
def test_short_and_long_runs_of_equal_scores(
    dtype: type, runs: list[tuple[int, int]], stretch: int
) -> None:
    positive = np.repeat([True, False] * len(runs), [n for run in runs for n in run])
    levels = np.repeat(np.arange(len(runs)), [sum(run) for run in runs])
    order = np.random.default_rng(len(levels)).permutation(len(levels))
    labels, scores = positive[order], (levels[order] / 16).astype(dtype)
    if labels.all() or not labels.any():
        return
    with mock.patch.multiple(threshold, _STRETCH=stretch, _MANY=3 * stretch):
        value = auroc(labels, scores, influence=False)[0]
    assert value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert value == auroc(labels, scores)[0]


def value_of(labels: np.ndarray, scores: np.ndarray) -> float:
    return auroc(labels, scores)[0]


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
@pytest.mark.parametrize("digits", [None, 2, 5])
def test_many_pairs_with_and_without_ties(ours, theirs, digits: int | None) -> None:
    rng = np.random.default_rng(8)
    scores = rng.random(150_000)
    labels = rng.random(150_000) < scores
    scores = scores if digits is None else np.round(scores, digits)
    value, influence = ours(labels, scores)
    assert value == pytest.approx(theirs(labels, scores), abs=1e-12)
    assert ours(labels, scores, influence=False)[0] == pytest.approx(value, abs=1e-15)
    assert influence.sum() == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("ours", [auroc, auprc])
def test_one_class_has_no_value_whether_influence_is_wanted_or_not(ours) -> None:
    labels, scores = np.ones(3, dtype=bool), np.array([0.1, 0.2, 0.3])
    value, influence = ours(labels, scores)
    assert math.isnan(value)
    assert influence.tolist() == [0, 0, 0]
    value, influence = ours(labels, scores, influence=False)
    assert math.isnan(value)
    assert influence.size == 0
