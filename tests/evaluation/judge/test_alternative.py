"""The alternative-annotator test against the paper's own procedure, written out anew."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, ttest_1samp

from evaluation.judge.alternative import (
    MIN_CLUSTERS,
    MIN_PAIRS,
    adjusted,
    advantages,
    against_each,
)

LEVELS = np.arange(1.0, 6.0)


def paper(
    grades: np.ndarray, judge: np.ndarray, epsilon: float, *, ordered: bool
) -> list[tuple[float, float, float]]:
    """Each annotator's p-value and both shares of advantage; NaN = not graded."""
    found = []
    for j in range(grades.shape[1]):
        by_judge, by_human = [], []
        for i in np.flatnonzero(~np.isnan(grades[:, j])):
            others = np.delete(grades[i], j)
            others = others[~np.isnan(others)]
            if len(others) == 0:
                continue
            if ordered:
                scores = [-np.sqrt(np.mean((g - others) ** 2)) for g in (judge[i], grades[i, j])]
            else:
                scores = [np.mean(g == others) for g in (judge[i], grades[i, j])]
            by_judge.append(float(scores[0] >= scores[1]))
            by_human.append(float(scores[1] >= scores[0]))
        apart = np.subtract(by_human, by_judge)
        p_value = ttest_1samp(apart, epsilon, alternative="less").pvalue
        found.append((p_value, float(np.mean(by_judge)), float(np.mean(by_human))))
    return found


def ours(
    grades: np.ndarray, judge: np.ndarray, epsilon: float, *, ordered: bool, per_query: int = 1
) -> list:
    """The same by our functions; pair i belongs to query i // per_query."""
    graded = ~np.isnan(grades)
    counts = np.stack([(grades == level).sum(axis=1) for level in LEVELS], axis=1)
    pair, annotator = np.nonzero(graded & (graded.sum(axis=1) >= 2)[:, None])
    own = grades[pair, annotator].astype(int) - 1
    others = counts[pair] - np.eye(5)[own]
    gain = advantages(judge[pair].astype(int) - 1, own, others, LEVELS, ordered=ordered)
    query = pair // per_query
    return against_each(gain, annotator, query, n_queries=int(query.max()) + 1, epsilon=epsilon)


def crowd(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.integers(1, 6, n)
    grades = np.clip(true[:, None] + rng.integers(-1, 2, (n, 4)), 1, 5).astype(float)
    grades[rng.random((n, 4)) < 0.3] = np.nan
    return grades, np.clip(true + rng.integers(-1, 2, n), 1, 5).astype(float)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_as_in_the_paper_where_a_query_is_one_pair(seed: int, ordered: bool) -> None:
    grades, judge = crowd(seed)
    expected = paper(grades, judge, 0.15, ordered=ordered)
    found = ours(grades, judge, 0.15, ordered=ordered)
    for versus, (p_value, by_judge, by_human) in zip(found, expected, strict=True):
        assert versus.p_value == pytest.approx(p_value, rel=1e-9)
        assert versus.judge_advantage == pytest.approx(by_judge)
        assert versus.own_advantage == pytest.approx(by_human)


def test_pairs_of_a_query_are_not_independent() -> None:
    """The same pair ten times over in a query says no more than once."""
    grades, judge = crowd(1, n=60)
    once = ours(grades, judge, 0.15, ordered=True)
    tenfold = ours(grades.repeat(10, axis=0), judge.repeat(10), 0.15, ordered=True, per_query=10)
    for single, many in zip(once, tenfold, strict=True):
        assert many.n_pairs == 10 * single.n_pairs
        assert many.p_value == pytest.approx(single.p_value, rel=1e-9)


def test_too_few_pairs_or_queries_are_not_tested() -> None:
    grades, judge = crowd(2, n=MIN_PAIRS - 1)
    assert not any(versus.tested for versus in ours(grades, judge, 0.15, ordered=True))
    grades, judge = crowd(2, n=200)
    few = ours(grades, judge, 0.15, ordered=True, per_query=200 // (MIN_CLUSTERS - 1) + 1)
    assert {versus.n_queries for versus in few} == {MIN_CLUSTERS - 1}
    assert all(np.isnan(versus.p_value) for versus in few)


def test_a_judge_who_is_always_as_near_wins_for_certain() -> None:
    grades = np.full((40, 3), 4.0)
    same = ours(grades, np.full(40, 4.0), 0.15, ordered=True)
    assert [versus.p_value for versus in same] == [0, 0, 0]
    far = ours(grades, np.full(40, 1.0), 0.15, ordered=True)
    assert [versus.p_value for versus in far] == [1, 1, 1]


def test_p_values_are_adjusted_over_all_groups() -> None:
    first = ours(*crowd(0), 0.15, ordered=True)
    second = ours(*crowd(1), 0.15, ordered=True)
    short = ours(*crowd(2, n=20), 0.15, ordered=True)
    found = adjusted([first, short, second])
    p_values = [versus.p_value for versus in [*first, *second]]
    expected = false_discovery_control(p_values, method="by")
    assert np.concatenate([found[0], found[2]]) == pytest.approx(expected)
    assert np.isnan(found[1]).all()
    assert [len(part) for part in adjusted([[], first])] == [0, 4]
