from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.adjudicate import ADJUDICATORS, adjudicate, adjudicated, choose, read_votes
from relevance.errors import InputError
from relevance.grades import ESCI, FIVE, TREC, GradeScale

METHODS = [*ADJUDICATORS, "auto"]
CLASSES = GradeScale("classes", (0, 1, 2), ordered=False)
VOTES = st.lists(
    st.tuples(
        st.sampled_from(["q1", "q2", "q3"]),
        st.sampled_from(["a", "b", "c", "d"]),
        st.none() | st.integers(1, 5),
    ),
    max_size=25,
    unique_by=lambda row: row[:2],
)
COLUMNS = ["query_id", "pin_id", "grade", "p1", "p2", "p3", "p4", "p5", "n_judgments", "method"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_the_contract(method, table):
    @settings(
        max_examples=4 if method in ("ordinal", "nominal") else 25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(rows=VOTES)
    def holds(rows):
        judgments = table(rows)
        qrels = adjudicate(judgments, method)
        assert qrels.columns == COLUMNS
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

    holds()


@pytest.mark.parametrize("method", METHODS)
def test_agreement_of_all_is_the_grade(method, table):
    rows = [("q1", who, 4) for who in "abc"] + [("q2", who, 1) for who in "abc"]
    assert adjudicate(table(rows), method)["grade"].to_list() == [4, 1]


def test_majority_and_median_by_hand(table):
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


def test_a_blurred_vote_between_two_others_wins(table):
    judgments = table([("q1", "a", 2), ("q1", "b", 3), ("q1", "c", 4)])
    assert adjudicate(judgments, "smoothed")["grade"].to_list() == [3]


@pytest.mark.parametrize("method", ["one-coin", "dawid-skene", "dawid-skene-shrunk", "auto"])
def test_models_of_the_annotators_see_through_those_who_guess(method, crowd):
    judgments, truth = crowd(noisy=2)
    right = np.mean(adjudicate(judgments, method)["grade"].to_numpy() == truth)
    simple = np.mean(adjudicate(judgments, "majority")["grade"].to_numpy() == truth)
    assert right > simple + 0.05


@pytest.mark.parametrize("method", ["dawid-skene", "ordinal"])
def test_it_is_learned_that_an_annotator_is_severe(method, table):
    truth = np.random.default_rng(3).integers(1, 6, 300)
    shared = [
        (f"q{i:04}", who, max(int(true) - (who == "severe"), 1))
        for i, true in enumerate(truth)
        for who in ("fair", "just", "severe")
    ]
    alone = [(f"z{grade}", "severe", grade) for grade in (2, 3, 4)]
    qrels = adjudicate(table(shared + alone), method)
    found = qrels.filter(pl.col("query_id").str.starts_with("z"))
    assert found["grade"].to_list() == [3, 4, 5]


def test_auto_models_annotators_only_where_they_can_be_told_apart(crowd, table):
    judgments, _ = crowd(n=150)
    assert set(adjudicate(judgments)["method"]) == {"auto(ordinal)"}
    assert set(adjudicate(judgments.head(30))["method"]) == {"auto(smoothed)"}
    one_each = judgments.unique("query_id", keep="first")
    assert set(adjudicate(one_each)["method"]) == {"auto(smoothed)"}
    one_person = judgments.filter(pl.col("annotator") == "a0")
    assert adjudicate(one_person)["grade"].equals(one_person.sort("query_id")["grade"])
    same = judgments.with_columns(grade=pl.lit(2))
    assert set(adjudicate(same)["grade"]) == {2}
    assert choose(read_votes(judgments.head(30), FIVE).votes) == "smoothed"


def test_what_was_found_on_the_way(crowd):
    judgments, _ = crowd(n=150, noisy=1)
    found = adjudicated(judgments)
    assert found.method == "auto(ordinal)"
    assert set(found.scores) == {"majority", "smoothed", "one-coin", "ordinal", "nominal"}
    assert found.scores["ordinal"] > max(found.scores["majority"], found.scores["nominal"])
    assert list(found.confusions) == ["a0", "a1", "a2"]
    for confusion in found.confusions.values():
        assert confusion.sum(axis=1) == pytest.approx(np.ones(5))
    sure = {name: float(np.diag(matrix).mean()) for name, matrix in found.confusions.items()}
    assert sure["a2"] < 0.35 < 0.5 < min(sure["a0"], sure["a1"])
    assert found.entropy.shape == (150,)
    assert ((found.entropy >= 0) & (found.entropy <= np.log(5) + 1e-9)).all()
    assert found.posterior[found.entropy.argmin()].max() > found.posterior.max(axis=1).mean()
    assert adjudicated(judgments, "majority").scores == {}


def test_abstentions_count_for_nothing_and_pairs_without_a_grade_are_left_out(table):
    judgments = table([("q1", "a", None), ("q1", "b", 3), ("q2", "a", None)])
    qrels = adjudicate(judgments, "majority")
    assert qrels.select("query_id", "grade", "n_judgments").rows() == [("q1", 3, 1)]
    assert adjudicated(judgments, "majority").n_abstained == 1
    nobody = adjudicated(table([("q1", "a", None)]))
    assert (nobody.pairs.height, nobody.n_abstained, nobody.confusions) == (0, 1, None)


def test_a_repeated_judgment_counts_once_the_last(table):
    judgments = table([("q1", "a", 1), ("q1", "a", 5), ("q1", "b", 5)])
    assert adjudicate(judgments, "majority").row(0)[2:9] == (5, 0, 0, 0, 0, 1, 2)
    assert adjudicated(judgments, "majority").n_repeated == 1


def test_the_latest_judgment_counts_wherever_its_row_is_and_may_be_an_abstention(table):
    judgments = table([("q1", "a", 5), ("q1", "a", 1), ("q2", "a", None), ("q2", "a", 4)])
    at = [datetime(2026, 1, day, tzinfo=UTC) for day in (2, 1, 2, 1)]
    found = adjudicate(judgments.with_columns(created_at=pl.Series(at)), "majority")
    assert found.select("query_id", "grade").rows() == [("q1", 5)]


def test_other_scales(table):
    judgments = table([("q1", "a", 0), ("q1", "b", 0), ("q2", "a", -1), ("q2", "b", 3)])
    qrels = adjudicate(judgments, "majority", TREC)
    assert qrels.columns[3:6] == ["p1", "p2", "p3"]
    assert qrels["grade"].to_list() == [0, -1]
    with pytest.raises(InputError, match="grade 3 of query 'q1', Pin 'p' is not on the scale esci"):
        adjudicate(table([("q1", "a", 3)]), "majority", ESCI)


def test_classes_without_order_are_modelled_as_such(table):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 120)
    taken = (0.0, 0.1, 0.3)  # how often each class is taken for the next
    rows = [
        (f"q{i:03}", f"a{who}", int(true + (rng.random() < taken[true] + who / 20)) % 3)
        for i, true in enumerate(truth)
        for who in range(3)
    ]
    found = adjudicated(table(rows), "auto", CLASSES)
    assert found.method == "auto(nominal)"
    assert "ordinal" not in found.scores
    assert np.mean(found.grades == truth) > 0.85
    far = adjudicate(table([("q1", "a", 0), ("q1", "b", 2)]), "smoothed", CLASSES)
    assert far["p2"][0] < far["p1"][0]  # no grade lies between two others


@pytest.mark.parametrize("method", METHODS)
def test_a_scale_that_turns_out_to_have_one_level(method, table):
    found = adjudicate(table([("q1", "a", 7), ("q1", "b", 7)]), method, TREC)
    assert found.select("grade", "p1").rows() == [(7, 1.0)]


def test_an_unknown_method_is_told(table):
    with pytest.raises(InputError, match="Did you mean 'majority'"):
        adjudicate(table([]), "majorty")


def test_gold_stands_and_teaches_what_the_annotators_are_like(table):
    rng = np.random.default_rng(1)
    truth = rng.integers(1, 6, 80)
    rows = [
        (f"q{i:03}", who, int(true) if who == "good" else 6 - int(true))
        for i, true in enumerate(truth)
        for who in ("good", "upside", "down")
    ]
    judgments = table(rows)
    for method in ("dawid-skene", "one-coin", "ordinal", "nominal"):
        blind = adjudicated(judgments, method)
        assert np.mean(blind.grades == truth) < 0.5
        gold = pl.DataFrame(
            {"query_id": [f"q{i:03}" for i in range(40)], "pin_id": "p", "grade": truth[:40]}
        )
        found = adjudicated(judgments, method, gold=gold)
        assert found.is_gold.sum() == 40
        assert (found.grades[:40] == truth[:40]).all()
        assert found.posterior[:40].max(axis=1) == pytest.approx(np.ones(40))
        if method != "one-coin":  # which knows nobody who is wrong in a certain way
            assert np.mean(found.grades[40:] == truth[40:]) > 0.9
        assert found.qrels()["method"].to_list()[39:41] == ["gold", found.method]
    with pytest.raises(InputError, match=r"gold: grade 9 .* is not on the scale five"):
        adjudicate(judgments, gold=gold.with_columns(grade=pl.lit(9)))


def test_rulings_override_with_provenance(table):
    judgments = table([("q1", "a", 1), ("q1", "b", 1), ("q2", "a", 3), ("q3", "a", None)])
    rulings = table([("q1", "sam", 2), ("q1", "kim", 5), ("q3", "kim", 4), ("q2", "kim", None)])
    found = adjudicate(judgments, "majority", rulings=rulings)
    assert found.columns == COLUMNS
    assert found.select("query_id", "grade", "n_judgments", "method").rows() == [
        ("q1", 5, 2, "ruling(kim)"),
        ("q2", 3, 1, "majority"),
        ("q3", 4, 0, "ruling(kim)"),
    ]
    assert found.row(0)[3:8] == pytest.approx((0.05, 0, 0, 0, 0.95))
    assert found.row(2)[3:8] == pytest.approx((0.01, 0.01, 0.01, 0.96, 0.01))
    with pytest.raises(InputError, match="rulings: grade 8"):
        adjudicate(judgments, "majority", rulings=table([("q1", "kim", 8)]))
