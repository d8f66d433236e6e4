"""Values a pair of predicted grades: scikit-learn's figures, and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
)

from evaluation.metrics.pointwise import (
    NLL_FLOOR,
    Floats,
    accuracy,
    brier,
    mae,
    nll,
    predicted_grade,
    rps,
    within1,
)

LEVELS = [1, 2, 3, 4, 5]


def predictions(seed: int, n: int) -> tuple[Floats, Floats]:
    """Human grades and probabilities, some of them 0, 1 or equal."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(5, 0.4), size=n)
    p[rng.random(n) < 0.2] = np.eye(5)[rng.integers(5)]
    p[rng.random(n) < 0.1] = 0.2
    return rng.integers(1, 6, n).astype(np.float64), p


@given(st.integers(0, 10_000), st.integers(1, 40))
@settings(deadline=None, max_examples=30)
def test_equal_to_scikit_learn(seed: int, n: int) -> None:
    grades, p = predictions(seed, n)
    most = predicted_grade(p)
    assert accuracy(grades, p).mean() == pytest.approx(accuracy_score(grades, most), abs=1e-12)
    assert mae(grades, p).mean() == pytest.approx(mean_absolute_error(grades, most), abs=1e-12)
    assert nll(grades, p).mean() == pytest.approx(log_loss(grades, p, labels=LEVELS), rel=1e-12)
    theirs = brier_score_loss(grades, p, labels=LEVELS, scale_by_half=False)
    assert brier(grades, p).mean() == pytest.approx(theirs, rel=1e-12, abs=1e-15)
    thresholds = [
        brier_score_loss(grades <= k, np.minimum(p[:, :k].sum(axis=1), 1), pos_label=True)
        for k in LEVELS[:-1]
    ]
    assert rps(grades, p).mean() == pytest.approx(np.mean(thresholds), abs=1e-12)


def test_the_ranked_score_punishes_a_miss_by_its_distance() -> None:
    sure_of_five = np.eye(5)[[4, 4, 4]]
    found = rps(np.array([5.0, 4.0, 1.0]), sure_of_five)
    assert found.tolist() == [0, 1 / 4, 1]
    assert brier(np.array([5.0, 4.0, 1.0]), sure_of_five).tolist() == [0, 2, 2]


def test_ranked_score_by_hand() -> None:
    p = np.array([[0.1, 0.2, 0.3, 0.15, 0.25]])
    # P(grade ≤ 1 … 4) = .1, .3, .6, .75 against 0, 0, 1, 1 for grade 3
    expected = (0.1**2 + 0.3**2 + 0.4**2 + 0.25**2) / 4
    assert rps(np.array([3.0]), p) == pytest.approx([expected], abs=1e-15)
    assert brier(np.array([3.0]), p) == pytest.approx(
        [0.1**2 + 0.2**2 + 0.7**2 + 0.15**2 + 0.25**2], abs=1e-15
    )
    assert nll(np.array([3.0]), p) == pytest.approx([-np.log(0.3)], abs=1e-15)


def test_a_grade_of_probability_zero_costs_the_floor_and_not_infinity() -> None:
    cost = nll(np.array([1.0, 5.0]), np.eye(5)[[4, 4]])
    assert cost.tolist() == [pytest.approx(36.04365338911715), 0.0]
    assert cost[0] == -np.log(NLL_FLOOR)
    assert not np.signbit(cost[1])


def test_the_most_probable_grade_and_the_lower_of_equals() -> None:
    p = np.array([[0.1, 0.4, 0.1, 0.4, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]])
    assert predicted_grade(p).tolist() == [2, 5]
    grades = np.array([3.0, 2.0])
    assert accuracy(grades, p).tolist() == [0, 0]
    assert within1(grades, p).tolist() == [1, 0]
    assert mae(grades, p).tolist() == [1, 3]


def test_no_pair_gives_no_value() -> None:
    for function in (accuracy, within1, mae, rps, brier, nll):
        assert function(np.zeros(0), np.zeros((0, 5))).shape == (0,)
