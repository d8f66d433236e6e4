"""Which queries a study learns from and is tested on, and how samples are drawn."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from app.studies.folds import (
    draw_queries,
    draw_slice,
    first_queries,
    folds_by_query,
    hold_out,
    published_split,
    train_on_language,
    unlabelled_pairs,
)


def queries_of(languages: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"query_id": [f"q{i:03}" for i in range(len(languages))], "language": languages}
    )


@settings(deadline=None)
@given(n_queries=st.integers(2, 40), n_folds=st.integers(2, 5), seed=st.integers(0, 9))
def test_folds_test_every_query_once_and_never_learn_from_it(
    n_queries: int, n_folds: int, seed: int
) -> None:
    queries = queries_of(["en"] * n_queries)
    folds = folds_by_query(queries, n_folds, seed=seed)
    tested = [query_id for fold in folds for query_id in fold.test]
    assert sorted(tested) == queries["query_id"].to_list()
    for fold in folds:
        assert sorted(fold.train + fold.test) == queries["query_id"].to_list()
    assert folds == folds_by_query(queries.reverse(), n_folds, seed=seed)


def test_a_language_is_learned_from_and_all_are_tested() -> None:
    queries = queries_of(["en"] * 10 + ["fr", "ar"])
    (fold,) = train_on_language(queries, "en")
    assert len(fold.train) == 8
    assert set(fold.train) < {f"q{i:03}" for i in range(10)}
    assert {"q010", "q011"} < set(fold.test)
    assert set(fold.train).isdisjoint(fold.test)
    assert len(fold.test) == 4


def test_queries_are_held_out() -> None:
    queries = queries_of(["en"] * 10)
    (fold,) = hold_out(queries, 4)
    assert (len(fold.train), len(fold.test)) == (6, 4)
    assert sorted(fold.train + fold.test) == queries["query_id"].to_list()
    assert hold_out(queries, 4, seed=1) != hold_out(queries, 4)


def test_a_published_split_leaves_out_what_shares_a_picture_with_a_test() -> None:
    queries = pl.DataFrame(
        {
            "query_id": ["a", "b", "c", "d", "e"],
            "split": ["train", "train", "train", "valid", "test"],
            "pictures": ["1 2", "3", "5", "2 9", "5"],
        }
    )
    (fold,) = published_split(queries, train="train", test="valid", unit="pictures")
    assert (fold.train, fold.test) == (("b", "c"), ("d",))


@settings(deadline=None)
@given(small=st.integers(1, 70), more=st.integers(0, 40), seed=st.integers(0, 9))
def test_fewer_labels_are_a_part_of_more_in_whole_queries(small: int, more: int, seed: int) -> None:
    qrels = pl.DataFrame(
        [{"query_id": f"q{q}", "pin_id": f"p{p}"} for q in range(8) for p in range(q + 1)]
    )
    few, many = (first_queries(qrels, n, seed=seed) for n in (small, small + more))
    assert few.join(many, on=few.columns).height == few.height
    assert few["query_id"].n_unique() == 1 or few.height <= small
    assert few.equals(qrels.join(few, on="query_id", how="semi"))
    assert few.equals(first_queries(qrels.reverse(), small, seed=seed).reverse())
    assert first_queries(qrels, None).equals(qrels)


@settings(deadline=None)
@given(n_pairs=st.integers(1, 40), seed=st.integers(0, 9))
def test_a_slice_is_drawn_evenly_whatever_the_order(n_pairs: int, seed: int) -> None:
    qrels = pl.DataFrame(
        [{"query_id": f"q{q}", "pin_id": f"p{p}", "grade": 3} for q in range(5) for p in range(6)]
    )
    drawn = draw_slice(qrels, n_pairs, seed=seed)
    assert drawn.height == min(n_pairs, 30)
    assert not drawn.is_duplicated().any()
    assert drawn.join(qrels, on=qrels.columns).height == drawn.height
    assert drawn.equals(draw_slice(qrels.reverse(), n_pairs, seed=seed))


def test_unlabelled_pairs_are_the_best_that_nobody_judged() -> None:
    queries = pl.DataFrame({"query_id": ["a", "b"], "text": ["brass lamp", "rug"]})
    pins = pl.DataFrame(
        {"pin_id": ["1", "2", "3", "4"], "title": ["brass lamp", "brass desk", "rug", "oak"]}
    )
    judged = pl.DataFrame({"query_id": ["a"], "pin_id": ["1"]})
    found = unlabelled_pairs(("a", "b"), queries, pins, judged, 3)
    assert found.rows() == [("a", "2"), ("b", "3")]
    assert unlabelled_pairs(("a",), queries, pins, judged, 0).height == 0


def test_queries_are_drawn_whole() -> None:
    qrels = pl.DataFrame(
        [{"query_id": f"q{q}", "pin_id": f"p{p}"} for q in range(9) for p in range(3)]
    )
    drawn = draw_queries(qrels, 4)
    assert drawn.group_by("query_id").len()["len"].to_list() == [3] * 4
    assert drawn.join(qrels, on=qrels.columns).height == 12
    assert draw_queries(qrels, 20).equals(qrels)
