"""Packed lists: the quick ways of summing and sorting give what the plain ways give."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from evaluation.metrics import lists as packed
from evaluation.metrics.lists import expected, pack, pack_graded, settled, sum_head


@pytest.mark.parametrize("k", [None, 1, 3, 200])
def test_long_lists_are_summed_as_short_ones_are(
    k: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    starts = np.concatenate(([0], np.cumsum([0, 1, 90, 3, 0, 40])))
    values = rng.random(starts[-1])
    weights = 1 / np.arange(1.0, 91)
    by_row = sum_head(starts, values, k, of=np.sqrt, weights=weights)
    monkeypatch.setattr(packed, "_RANKS", 1_000)
    by_rank = sum_head(starts, values, k, of=np.sqrt, weights=weights)
    plain = [
        sum((np.sqrt(values[a:b]) * weights[: b - a])[:k]) for a, b in itertools.pairwise(starts)
    ]
    assert by_rank == pytest.approx(plain)
    assert by_row.tolist() == by_rank.tolist()
    assert sum_head(starts, values, k).tolist() == pytest.approx(
        [values[a:b][:k].sum() for a, b in itertools.pairwise(starts)]
    )


@pytest.mark.parametrize(
    "grades", [[3.0, 1, 5, 1, 2], [0.5, 2.25, -1, 3, 3], [-2.0, -3, 10**9, 0, 7], [4.0] * 5]
)
def test_judgments_stand_best_first_whatever_the_grades(grades: list[float]) -> None:
    query = np.array([2, 0, 2, 2, 0])
    found = pack(3, np.array([0]), np.array([1.0]), query, np.array(grades))
    assert found.judged_starts.tolist() == [0, 2, 2, 5]
    by_query = [[g for q, g in zip(query, grades, strict=True) if q == i] for i in (0, 2)]
    assert found.judged.tolist() == [g for mine in by_query for g in sorted(mine, reverse=True)]


def test_a_grade_of_nan_is_no_judgment() -> None:
    grades = np.array([np.nan, 2.0, 1.0], dtype=np.float32)
    found = pack_graded(np.array([0, 3]), np.array([0, -1, 2]), np.zeros(3, dtype=np.int32), grades)
    np.testing.assert_array_equal(found.grades, [np.nan, np.nan, 1.0])
    assert found.judged.tolist() == [2.0, 1.0]
    nothing = pack_graded(np.array([0, 1]), np.array([-1]), np.zeros(0, dtype=np.int32), grades[:0])
    assert np.isnan(nothing.grades).all()
    assert nothing.judged_starts.tolist() == [0, 0]


@pytest.mark.parametrize("n_alone", [0, 40])
def test_ties_share_their_mean_and_lose_their_order(n_alone: int) -> None:
    """Many ties and few among many Pins are worked out in two ways."""
    grades = np.concatenate([np.arange(n_alone, dtype=np.float64), [2, np.nan, 4, 3, 5]])
    query = np.zeros(len(grades), dtype=np.int64)
    scores = np.concatenate([np.arange(n_alone)[::-1] + 9.0, [3, 3, 3, 2, 2]])
    found = pack(1, query, grades, query[:0], grades[:0], scores=scores)
    mean = expected(found, np.nan_to_num(grades))
    assert mean[n_alone:].tolist() == [2, 2, 2, 4, 4]
    assert mean[:n_alone].tolist() == list(range(n_alone))
    np.testing.assert_array_equal(settled(found).grades[n_alone:], [4, 2, np.nan, 5, 3])
    np.testing.assert_array_equal(settled(found).grades[:n_alone], grades[:n_alone])
