"""QWK, ECE and confusion against scikit-learn and scipy; their sums add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from evaluation.metrics import METRICS, SUMS, parse, parse_all
from evaluation.metrics.pointwise import Floats, predicted_grade

LEVELS = [1, 2, 3, 4, 5]
TEXTS = ["QWK", "ECE", "ECE(bins=4)", "confusion(grade=4,predicted=5)"]


def predictions(seed: int, n: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(5, 0.4), size=n)
    p[rng.random(n) < 0.2] = np.eye(5)[rng.integers(5)]
    return rng.integers(1, 6, n).astype(np.float64), p


def figure(text: str, grades: Floats, p: Floats) -> float:
    measure = parse(text)
    columns = measure.metric.function(grades, p, **measure.arguments)
    assert measure.metric.finish is not None
    return float(measure.metric.finish(columns.sum(axis=0), **measure.arguments))


def test_the_family_is_tested_whole() -> None:
    family = {name for name, metric in METRICS.items() if metric.family == SUMS}
    assert family == {parse(text).metric.name for text in TEXTS}


@given(st.integers(0, 10_000), st.integers(2, 60))
@settings(deadline=None, max_examples=60)
def test_kappa_equal_to_scikit_learn(seed: int, n: int) -> None:
    grades, p = predictions(seed, n)
    most = predicted_grade(p)
    ours = figure("QWK", grades, p)
    if len({*grades, *most}) == 1:
        assert math.isnan(ours)
        return
    theirs = cohen_kappa_score(grades, most, labels=LEVELS, weights="quadratic")
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_kappa_without_variation_is_undefined_and_opposites_are_minus_one() -> None:
    assert math.isnan(figure("QWK", np.full(4, 2.0), np.eye(5)[[1] * 4]))
    assert figure("QWK", np.array([1.0, 5.0]), np.eye(5)[[4, 0]]) == -1
    assert figure("QWK", np.array([1.0, 3.0, 5.0]), np.eye(5)[[0, 2, 4]]) == 1
    assert figure("QWK", np.array([1.0, 3.0, 5.0]), np.eye(5)[[2, 2, 2]]) == 0


def test_kappa_stays_exact_over_ten_million_pairs() -> None:
    """Ten million pairs graded and predicted 5, one of them predicted 4: observed = expected."""
    columns = METRICS["QWK"].function(np.array([5.0, 5.0]), np.eye(5)[[4, 3]])
    assert METRICS["QWK"].finish is not None
    assert METRICS["QWK"].finish(columns[0] * 1e7 + columns[1]) == 0


@given(st.integers(0, 10_000), st.integers(1, 80), st.sampled_from([1, 4, 10, 15]))
@settings(deadline=None, max_examples=60)
def test_calibration_error_from_scikit_learns_curve(seed: int, n: int, bins: int) -> None:
    grades, p = predictions(seed, n)
    confidence, hit = p.max(axis=1), predicted_grade(p) == grades
    share, mean = calibration_curve(hit, confidence, n_bins=bins)
    counts = np.unique(
        np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence), return_counts=True
    )[1]
    theirs = float(np.sum(counts * np.abs(share - mean)) / n)
    assert figure(f"ECE(bins={bins})", grades, p) == pytest.approx(theirs, abs=1e-12)


def test_calibration_error_by_hand() -> None:
    p = np.array([[0.6, 0.4, 0, 0, 0], [0.6, 0.4, 0, 0, 0], [0.0, 0, 0, 0.1, 0.9]])
    grades = np.array([1.0, 2.0, 4.0])
    # bin (.5, .6]: |1.2 - 1|, bin (.8, .9]: |.9 - 0|
    assert figure("ECE(bins=10)", grades, p) == pytest.approx((0.2 + 0.9) / 3)
    assert figure("ECE(bins=1)", grades, p) == pytest.approx(abs(2.1 - 1) / 3)
    assert figure("ECE", grades, p) == figure("ECE(bins=15)", grades, p)


def test_a_bin_holds_its_upper_end() -> None:
    p = np.array([[0.7, 0.3, 0, 0, 0], [0.71, 0.29, 0, 0, 0], [1.0, 0, 0, 0, 0]])
    columns = METRICS["ECE"].function(np.full(3, 5.0), p, bins=10)
    assert columns.shape == (3, 11)
    assert np.argmax(columns[:, 1:], axis=1).tolist() == [6, 7, 9]


@given(st.integers(0, 10_000), st.integers(1, 60))
@settings(deadline=None, max_examples=40)
def test_confusion_equal_to_scikit_learn(seed: int, n: int) -> None:
    grades, p = predictions(seed, n)
    theirs = confusion_matrix(grades, predicted_grade(p), labels=LEVELS).astype(float)
    given = theirs.sum(axis=1, keepdims=True)
    for measure in parse_all("confusion"):
        g, k = (int(measure.arguments[name]) - 1 for name in ("grade", "predicted"))
        ours = figure(measure.text, grades, p)
        if given[g] == 0:
            assert math.isnan(ours)
        else:
            assert ours == pytest.approx(theirs[g, k] / given[g, 0], abs=1e-15)


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_is_undefined(text: str) -> None:
    assert math.isnan(figure(text, np.zeros(0), np.zeros((0, 5))))


@pytest.mark.parametrize("text", TEXTS)
def test_finish_takes_the_sums_of_many_samples_at_once(text: str) -> None:
    grades, p = predictions(7, 400)
    query = np.random.default_rng(0).integers(0, 9, len(grades))
    query[query == 5] = 4  # one without a pair
    measure = parse(text)
    columns = measure.metric.function(grades, p, **measure.arguments)
    sums = np.stack([columns[query == q].sum(axis=0) for q in range(9)])
    assert measure.metric.finish is not None
    many = measure.metric.finish(np.stack([sums, 2 * sums]), **measure.arguments)
    assert many.shape == (2, 9)
    for q in range(9):
        alone = figure(text, grades[query == q], p[query == q])
        assert many[:, q] == pytest.approx([alone, alone], abs=1e-12, nan_ok=True)
    assert np.isnan(many[:, 5]).all()
