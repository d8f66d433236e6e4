from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from annotation.adjudicate import adjudicated
from annotation.queue import QUEUE_COLUMNS, doubts, extra_queue, senior_queue
from annotation.queue.gain import expected_gain, loss_matrix
from annotation.queue.senior import doubtful_from
from relevance.grades import FIVE

METHOD = "dawid-skene-shrunk"


@pytest.fixture(scope="module")
def judged(table):
    """Forty pairs all agree on, and some they do not."""
    rows = [(f"q{i:02}", who, 1 + i % 5) for i in range(40) for who in "abc"]
    rows += [("x4", "a", 1), ("x4", "b", 5), ("x4", "c", 1)]
    rows += [("x2", "a", 3), ("x2", "b", 5), ("x2", "c", 3)]
    rows += [("x1", "a", 3), ("x1", "b", 4), ("x1", "c", None)]
    rows += [("none", "a", None), ("none", "b", None)]
    seconds = {"x4": 30.0, "x2": 60.0}
    frame = table(rows)
    return frame.with_columns(
        pl.col("query_id").replace_strict(seconds, default=12.0).alias("seconds")
    )


def found_in(judged, **known):
    made = adjudicated(judged, METHOD, FIVE, gold=known.get("gold"))
    return made, doubts(judged, made, FIVE, **known)


def test_disputed_and_doubtful_pairs_go_to_a_senior_worth_most_first(judged):
    made, found = found_in(judged)
    queue = senior_queue(found, entropy=0.3)
    assert queue.columns == list(QUEUE_COLUMNS)
    assert set(queue["query_id"]) == {"x4", "x2", "x1", "none"}
    assert queue["worth"].to_list() == sorted(queue["worth"], reverse=True)
    rows = {row["query_id"]: row for row in queue.iter_rows(named=True)}
    assert rows["x4"]["range"] == 4
    assert rows["x4"]["reason"].startswith("range 4")
    assert rows["x1"]["range"] == 1
    assert rows["x1"]["reason"] == f"entropy {round(rows['x1']['entropy'], 1)} bits"
    at = made.pairs["query_id"].to_list().index("x4")
    p = made.posterior[at]
    assert rows["x4"]["entropy"] == pytest.approx(-sum(x * math.log2(x) for x in p if x > 0))
    losses = [sum(p[t] * abs(t - d) for t in range(5)) for d in range(5)]
    assert rows["x4"]["worth"] == pytest.approx(min(losses))
    assert set(queue["overlap"]) == {1}
    assert senior_queue(found, apart=9, entropy=9)["query_id"].to_list() == ["none"]


def test_the_usual_bar_is_half_of_the_most_entropy():
    assert doubtful_from(5) == pytest.approx(math.log2(5) / 2)
    assert doubtful_from(2) == 0.5


def test_what_nobody_could_judge_goes_to_a_senior_but_to_nobody_else(judged):
    made, found = found_in(judged)
    rows = {row["query_id"]: row for row in senior_queue(found).iter_rows(named=True)}
    assert rows["none"]["reason"] == "nobody could judge"
    assert rows["none"]["range"] == 0
    assert "none" not in set(extra_queue(found, made, least=0.0)["query_id"])


def test_settled_pairs_are_left_out(judged, table):
    rulings = table([("x4", "boss", 2), ("x2", "boss", None)])
    gold = table([("x1", "", 3)]).drop("annotator")
    _, found = found_in(judged, rulings=rulings, gold=gold)
    queue = senior_queue(found, entropy=0.3)
    assert set(queue["query_id"]) == {"x2", "none"}


def test_the_budget_is_kept(judged):
    _, found = found_in(judged)
    queue = senior_queue(found, entropy=0.3, minutes=1.0)
    assert queue["seconds"].sum() <= 60
    whole = senior_queue(found, entropy=0.3)
    assert queue.equals(whole.head(queue.height))
    assert whole["seconds"].sum() > 60
    assert senior_queue(found, entropy=0.3, minutes=0).is_empty()


def test_samples_hand_on_their_probabilities(judged):
    _, found = found_in(judged)
    rows = [
        ("x4", "p", 0.2, "US", "training"),
        ("x4", "p", 0.5, "US", "measure"),
        ("x4", "p", 1.0, "US", "repeat"),
    ]
    names = ["query_id", "pin_id", "inclusion_probability", "stratum", "draw"]
    samples = pl.DataFrame(rows, schema=names, orient="row")
    queue = senior_queue(found, samples=samples, entropy=0.3)
    rows = {row["query_id"]: row for row in queue.iter_rows(named=True)}
    assert (rows["x4"]["inclusion_probability"], rows["x4"]["draw"]) == (0.5, "measure")
    assert (rows["x2"]["inclusion_probability"], rows["x2"]["draw"]) == (1.0, "pool")


@pytest.fixture(scope="module")
def four(table):
    """Four people, three opinions a pair, so that one of them is always left to ask."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(120):
        true = int(rng.integers(1, 6))
        people = sorted(rng.permutation(list("abcd"))[:3])
        grades = np.clip(true + rng.choice([-1, 0, 0, 0, 1], 3), 1, 5)
        rows += [(f"q{i:03}", who, int(g)) for who, g in zip(people, grades, strict=True)]
    return table(rows)


def test_an_extra_opinion_where_it_gains_most_per_second(four):
    made = adjudicated(four, METHOD, FIVE)
    found = doubts(four, made, FIVE)
    queue = extra_queue(found, made)
    assert queue.columns == list(QUEUE_COLUMNS)
    assert 0 < queue.height < 120
    assert queue["worth"].to_list() == sorted(queue["worth"], reverse=True)
    assert set(queue["overlap"]) == {1}
    row = queue.row(0, named=True)
    at = made.pairs["query_id"].to_list().index(row["query_id"])
    judges = set(four.filter(pl.col("query_id") == row["query_id"])["annotator"])
    (left,) = set("abcd") - judges
    confusion = np.asarray(made.confusions[left])
    gain = expected_gain(made.posterior[[at]], confusion, loss_matrix(np.arange(1.0, 6.0)))[0]
    assert row["worth"] == pytest.approx(gain / 15 * 60)
    assert row["reason"] == f"one vote gains {round(gain, 3)} grades"


def test_nobody_left_to_ask_means_no_extra(judged):
    made, found = found_in(judged.filter(pl.col("query_id") != "none"))
    rest = extra_queue(found, made, least=0.0)
    assert rest.is_empty()


def test_locales_have_annotators_of_their_own(four):
    home = four.select("query_id").unique().with_columns(
        locale=pl.when(pl.col("query_id") < "q060").then(pl.lit("en-US")).otherwise(pl.lit("fr-FR"))
    )  # fmt: skip
    us = four.filter((pl.col("query_id") >= "q060") | (pl.col("annotator") != "d"))
    made = adjudicated(us, METHOD, FIVE)
    found = doubts(us, made, FIVE)
    anywhere = extra_queue(found, made)
    split = extra_queue(found, made, locales=home)
    complete = us.group_by("query_id").len().filter(pl.col("len") == 3)["query_id"]
    done = set(complete.filter(complete < "q060"))
    assert not done & set(split["query_id"])
    assert done & set(anywhere["query_id"])


def test_earlier_extras_raise_the_overlap(four):
    purpose = pl.when(pl.col("annotator") == "a").then(pl.lit("extra")).otherwise(pl.lit("grade"))
    given = four.with_columns(purpose.alias("purpose"))
    made = adjudicated(given, METHOD, FIVE)
    queue = extra_queue(doubts(given, made, FIVE), made)
    with_a = set(four.filter(pl.col("annotator") == "a")["query_id"])
    for row in queue.iter_rows(named=True):
        assert row["overlap"] == 1 + (row["query_id"] in with_a)


def test_a_higher_bar_asks_for_less(four):
    made = adjudicated(four, METHOD, FIVE)
    found = doubts(four, made, FIVE)
    sizes = [extra_queue(found, made, least=bar).height for bar in (0.0, 0.05, 0.2, 9.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 0
    for loss, unit in (("quadratic", "grades²"), ("zero-one", "errors")):
        assert extra_queue(found, made, least=0.0, loss=loss)["reason"][0].endswith(unit)
