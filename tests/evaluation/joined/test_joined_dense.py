"""Joined tables by way of a matrix: the same values as by way of lists in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest.mock import Mock

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import joined
from evaluation.joined import evaluate_joined
from evaluation.joined.dense import dense_lists
from evaluation.metrics.lists import NO_GRADE
from relevance.results import Results

CUT = "nDCG@3,nDCG(gain=exp)@20,sDCG@5,DCG@4,P@2,R@3,RR@3,AP@4,ERR@3,RBP@4,Judged@3"
WHOLE = "nDCG,DCG,R,RR,AP,RBP,Judged"


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """Queries of 4 to 9 rows, of which any may lack its score or its grade; scores may tie."""
    spread = draw(st.sampled_from([2, 8, 1_000]))
    lengths = draw(st.lists(st.integers(4, draw(st.sampled_from([4, 9]))), min_size=1, max_size=6))
    scores = st.one_of(st.none(), st.integers(-spread, spread).map(lambda s: s / 4))
    grades = st.one_of(st.none(), st.integers(1, 5))
    rows = [
        (query, f"p{place}", draw(scores), draw(grades), "US" if query % 2 else "FR")
        for query, length in enumerate(lengths)
        for place in range(length)
    ]
    rows += [(99, f"p{place}", -0.0 if place else 0.0, 4, "US") for place in range(4)]
    kinds = {"query_id": pl.Int64, "pin_id": pl.String, "score": pl.Float32, "grade": pl.Int8}
    return pl.DataFrame(rows, schema={**kinds, "country": pl.String}, orient="row")


@contextmanager
def without_matrix() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joined, "_densely", lambda *_: None)
        yield


def assert_same(dense: Results, general: Results) -> None:
    assert len(dense) == len(general)
    for one, other in zip(dense, general, strict=True):
        assert (one.metric, one.group, one.n, one.n_undefined, one.note) == (
            *(other.metric, other.group, other.n, other.n_undefined, other.note),
        )
        values = [(row.value, row.ci_low, row.ci_high) for row in (one, other)]
        assert values[0] == pytest.approx(values[1], abs=1e-12)


@settings(deadline=None, max_examples=80)
@given(tables(), st.sampled_from(["docid", "average"]), st.sampled_from([CUT, WHOLE]))
def test_a_matrix_gives_what_lists_in_order_give(
    table: pl.DataFrame, ties: str, metrics: str
) -> None:
    evaluate = partial(evaluate_joined, table, metrics=metrics, by="country", ties=ties, reps=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evaluation.joined.dense._TIED", 1.0)
        found = evaluate()
    with without_matrix():
        assert_same(found, evaluate())


@pytest.mark.parametrize("ties", ["docid", "average"])
def test_few_ties_among_many_queries(ties: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    n_queries, n_rows = 300, 40
    n = n_queries * n_rows
    grades, unknown = rng.integers(1, 6, n), rng.random(n) < 0.1
    table = pl.DataFrame(
        {
            "query_id": np.repeat(np.arange(n_queries), n_rows),
            "pin_id": [f"p{i % n_rows}" for i in range(n)],
            "score": rng.permutation(n).astype(np.float32),
            "grade": pl.Series(grades, dtype=pl.Int8).set(pl.Series(unknown), None),
        }
    )
    scores = table["score"].to_numpy().copy()
    scores[5:9] = 1e8
    scores[-3:] = 1e9
    table = table.with_columns(score=scores)
    in_order = Mock(wraps=joined._in_order)
    monkeypatch.setattr(joined, "_in_order", in_order)
    found = evaluate_joined(table, ties=ties)
    assert sum(len(call.args[1].ids) for call in in_order.call_args_list) == 2
    with without_matrix():
        assert_same(found, evaluate_joined(table, ties=ties))


def test_lists_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.joined.dense._TIED", 1.0)
    scores = np.array([1, 3, np.nan, 2, 5, 5, np.nan, np.nan], dtype=np.float32)
    grades = np.array([4, NO_GRADE, 5, 2, 1, 3, NO_GRADE, 0], dtype=np.int8)
    found = dense_lists(np.array([0, 4]), scores, grades, 2)
    assert found is not None
    lists, tied = found
    assert lists.starts.tolist() == [0, 2, 4]
    np.testing.assert_array_equal(lists.grades[:2], [np.nan, 2])
    assert sorted(lists.grades[2:].tolist()) == [1, 3]
    assert lists.judged_starts.tolist() == [0, 3, 6]
    assert lists.judged.tolist() == [5, 4, 2, 3, 1, 0]
    assert tied.tolist() == [False, True]


def test_every_score_stands_before_none_and_blocks_end_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("evaluation.joined.dense._PLACES", 8)
    inf, nan = np.inf, np.nan
    minus_nan = np.array([0xFFFFFFFF], dtype=np.uint32).view(np.float32)[0]
    scores = [nan, -inf, inf, 0, minus_nan, -1e30, 1, 2, nan, 3, 4, 5, minus_nan]
    grades = np.array([1, 2, 3, 4, 5, 1, 2, 3, 4, NO_GRADE, 1, 2, 3], dtype=np.int8)
    found = dense_lists(np.array([0, 6, 10]), np.array(scores, dtype=np.float32), grades, None)
    assert found is not None
    lists, tied = found
    assert lists.starts.tolist() == [0, 4, 7, 9]
    np.testing.assert_array_equal(lists.grades, [3, 4, 1, 2, nan, 3, 2, 2, 1])
    assert lists.judged_starts.tolist() == [0, 6, 9, 12]
    assert lists.judged.tolist() == [5, 4, 3, 2, 1, 1, 4, 3, 2, 3, 2, 1]
    assert not tied.any()


def test_no_matrix_is_made_where_most_queries_have_ties() -> None:
    scores = np.array([1, 2, 3, 3, 4, 4], dtype=np.float32)
    assert dense_lists(np.array([0, 2, 4]), scores, np.ones(6, dtype=np.int8), None) is None


def test_a_matrix_that_were_mostly_empty_is_not_made() -> None:
    scores = np.arange(30, dtype=np.float32)
    first = np.array([0, 1, 2, 3])
    assert dense_lists(first, scores, np.ones(30, dtype=np.int8), 5) is None
