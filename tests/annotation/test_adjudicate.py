from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.adjudicate import ADJUDICATORS, adjudicate
from relevance.errors import InputError
from relevance.grades import ESCI, TREC

METHODS = [*ADJUDICATORS, "auto"]


def table(rows):
    return pl.DataFrame(
        [(q, "p", a, g) for q, a, g in rows],
        schema={
            "query_id": pl.String,
            "pin_id": pl.String,
            "annotator": pl.String,
            "grade": pl.Int64,
        },
        orient="row",
    )


def crowd(n=400, seed=0, noisy=1):
    """Five grades, two good annotators and `noisy` who answer at random; with the truth."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(1, 6, n)
    rows = []
    for i, true in enumerate(truth):
        for who in range(2 + noisy):
            near = int(np.clip(true + generator.choice([-1, 0, 0, 0, 0, 1]), 1, 5))
            grade = near if who < 2 else int(generator.integers(1, 6))
            rows.append((f"q{i:04}", f"a{who}", grade))
    return table(rows), truth


VOTES = st.lists(
    st.tuples(
        st.sampled_from(["q1", "q2", "q3"]),
        st.sampled_from(["a", "b", "c", "d"]),
        st.none() | st.integers(1, 5),
    ),
    max_size=25,
    unique_by=lambda row: row[:2],
)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=30, deadline=None)
@given(rows=VOTES)
def test_every_method_keeps_the_contract(method, rows):
    judgments = table(rows)
    qrels = adjudicate(judgments, method)
    columns = ["query_id", "pin_id", "grade", "p1", "p2", "p3", "p4", "p5", "n_judgments", "method"]
    assert qrels.columns == columns
    given_ = [row for row in rows if row[2] is not None]
    assert qrels["query_id"].to_list() == sorted({row[0] for row in given_})
    assert qrels["n_judgments"].sum() == len(given_)
    posterior = qrels.select("p1", "p2", "p3", "p4", "p5").to_numpy()
    assert np.allclose(posterior.sum(axis=1), 1)
    assert (posterior >= 0).all()
    best = np.argmax(np.round(posterior, 9), axis=1) + 1
    assert qrels["grade"].to_list() == best.tolist()
    shuffled = adjudicate(judgments.sample(fraction=1, shuffle=True, seed=1), method)
    assert shuffled.equals(qrels)


@pytest.mark.parametrize("method", METHODS)
def test_agreement_of_all_is_the_grade(method):
    qrels = adjudicate(
        table([("q1", who, 4) for who in "abc"] + [("q2", who, 1) for who in "abc"]), method
    )
    assert qrels["grade"].to_list() == [4, 1]


def test_majority_and_median_by_hand():
    grades = {"q1": (5, 2), "q2": (1, 5, 5), "q3": (1, 1, 3, 5, 5)}
    votes = [
        (query, f"a{i}", grade) for query, all_ in grades.items() for i, grade in enumerate(all_)
    ]
    judgments = table(votes)
    majority = adjudicate(judgments, "majority")
    assert majority["grade"].to_list() == [2, 5, 1]
    assert majority.row(1)[3:8] == pytest.approx((1 / 3, 0, 0, 0, 2 / 3))
    median = adjudicate(judgments, "median")
    assert median["grade"].to_list() == [2, 5, 3]


def test_a_blurred_vote_between_two_others_wins():
    judgments = table([("q1", "a", 2), ("q1", "b", 3), ("q1", "c", 4)])
    assert adjudicate(judgments, "smoothed")["grade"].to_list() == [3]


@pytest.mark.parametrize("method", ["dawid-skene", "dawid-skene-shrunk", "auto"])
def test_models_of_the_annotators_see_through_one_who_guesses(method):
    judgments, truth = crowd(noisy=2)
    right = np.mean(adjudicate(judgments, method)["grade"].to_numpy() == truth)
    simple = np.mean(adjudicate(judgments, "majority")["grade"].to_numpy() == truth)
    assert right > simple + 0.05


def test_dawid_skene_learns_that_an_annotator_is_severe():
    truth = np.random.default_rng(3).integers(1, 6, 600)
    shared = [
        (f"q{i:04}", who, max(int(true) - (who == "severe"), 1))
        for i, true in enumerate(truth)
        for who in ("fair", "just", "severe")
    ]
    alone = [(f"z{grade}", "severe", grade) for grade in (2, 3, 4)]
    qrels = adjudicate(table(shared + alone), "dawid-skene")
    found = qrels.filter(pl.col("query_id").str.starts_with("z"))
    assert found["grade"].to_list() == [3, 4, 5]


def test_auto_models_annotators_only_where_they_can_be_told_apart():
    judgments, _ = crowd(n=200)
    assert set(adjudicate(judgments)["method"]) == {"auto(dawid-skene-shrunk)"}
    assert set(adjudicate(judgments.head(30))["method"]) == {"auto(smoothed)"}
    one_each = judgments.unique("query_id", keep="first")
    assert set(adjudicate(one_each)["method"]) == {"auto(smoothed)"}


def test_the_posterior_is_roughly_calibrated():
    judgments, truth = crowd(n=1500, noisy=0, seed=5)
    qrels = adjudicate(judgments)
    top = qrels.select(pl.max_horizontal("p1", "p2", "p3", "p4", "p5")).to_series().to_numpy()
    right = qrels["grade"].to_numpy() == truth
    assert abs(top.mean() - right.mean()) < 0.05


def test_abstentions_count_for_nothing_and_pairs_without_a_grade_are_left_out():
    judgments = table([("q1", "a", None), ("q1", "b", 3), ("q2", "a", None)])
    qrels = adjudicate(judgments, "majority")
    assert qrels.select("query_id", "grade", "n_judgments").rows() == [("q1", 3, 1)]


def test_a_repeated_judgment_counts_once_the_last():
    judgments = table([("q1", "a", 1), ("q1", "a", 5), ("q1", "b", 5)])
    assert adjudicate(judgments, "majority").row(0)[2:9] == (5, 0, 0, 0, 0, 1, 2)


def test_other_scales():
    judgments = table([("q1", "a", 0), ("q1", "b", 0), ("q2", "a", -1), ("q2", "b", 3)])
    qrels = adjudicate(judgments, "majority", TREC)
    assert qrels.columns[3:6] == ["p1", "p2", "p3"]
    assert qrels["grade"].to_list() == [0, -1]
    with pytest.raises(InputError, match="grade 3 of query 'q1', Pin 'p' is not on the scale esci"):
        adjudicate(table([("q1", "a", 3)]), "majority", ESCI)


def test_an_unknown_method_is_told():
    with pytest.raises(InputError, match="Did you mean 'majority'"):
        adjudicate(table([]), "majorty")


def test_large_input_is_quick():
    generator = np.random.default_rng(0)
    n = 100_000
    judgments = pl.DataFrame(
        {
            "query_id": [f"q{i // 3:06}" for i in range(n)],
            "pin_id": ["p"] * n,
            "annotator": [f"a{i % 3}-{i // 3 % 40}" for i in range(n)],
            "grade": generator.integers(1, 6, n),
        }
    )
    assert adjudicate(judgments).height == n // 3 + 1
