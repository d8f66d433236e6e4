from __future__ import annotations

import dataclasses
import json

import numpy as np
import polars as pl
import pytest

from annotation.adjudicate import adjudicated
from annotation.graders import Limits, scorecards
from annotation.graders.rows import flat, nested
from annotation.graders.scorecards import examine
from annotation.graders.verdicts import verdict_of
from annotation.graders.worst import disagreements
from relevance.errors import InputError
from relevance.grades import ESCI, FIVE, GradeScale

SCHEMA = {"query_id": pl.String, "pin_id": pl.String, "annotator": pl.String, "grade": pl.Int64}


def frame(rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def card_of(cards, name):
    return next(card for card in cards if card.annotator == name)


@pytest.fixture(scope="module")
def panel(crowd):
    made = crowd(11, queries=150, guessers=1, severity=0.1)
    rng = np.random.default_rng(0)
    seconds = pl.Series("seconds", rng.lognormal(2.3, 0.4, len(made.judgments)))
    return made.judgments.with_columns(seconds), made.truth


def as_text(cards):
    return json.dumps([nested(card, [1, 2, 3, 4, 5]) for card in cards])


def test_the_guesser_comes_first_and_nobody_else_is_flagged(panel):
    judgments, truth = panel
    cards = scorecards(judgments, gold=truth.head(150))
    assert [card.annotator for card in cards if card.flags] == ["a000"]
    assert cards[0].annotator == "a000"
    aspects = {flag.aspect for flag in cards[0].flags}
    assert {"noise", "follows"} <= aspects
    assert "follows others" in cards[0].verdict
    p_values = [flag.p_adjusted for flag in cards[0].flags]
    assert p_values == sorted(p_values)
    assert all(card.verdict == "ok" for card in cards[1:])
    assert cards[0].alpha_gain.low > 0
    assert [card.n for card in cards[1:]] == sorted((card.n for card in cards[1:]), reverse=True)


def test_cards_do_not_depend_on_the_order_of_rows(panel):
    judgments, truth = panel
    shuffled = judgments.sample(fraction=1, shuffle=True, seed=3)
    assert as_text(scorecards(judgments, gold=truth)) == as_text(scorecards(shuffled, gold=truth))


def test_counts_are_those_of_the_table(panel):
    judgments, _ = panel
    for card in scorecards(judgments):
        own = judgments.filter(pl.col("annotator") == card.annotator)
        assert card.n == card.n_shared == own.height
        assert card.seconds.value == pytest.approx(own["seconds"].median())
        assert card.confusion.sum() == pytest.approx(own.height)
        given = own.group_by("grade").len().sort("grade")["len"].to_list()
        assert card.confusion.sum(axis=0) == pytest.approx(given)
        told = np.trace(card.confusion) / own.height
        assert card.agrees.value == pytest.approx(told)
        assert card.agrees.low < told < card.agrees.high


def test_nobody_is_blamed_on_ten_labels():
    rows = [(f"q{i:03}", "p", who, 3) for i in range(200) for who in "abc"]
    rows += [(f"q{i:03}", "p", "new", 1 if i % 2 else 5) for i in range(10)]
    gold = frame([(f"q{i:03}", "p", "", 3) for i in range(10)]).drop("annotator")
    card = card_of(scorecards(frame(rows), gold=gold), "new")
    assert card.flags == ()
    assert card.n_more >= 10
    assert card.verdict == f"too few to tell ({card.n_more} more)"
    assert card.gold.value == 0.0


def test_how_many_more_is_what_finds_twice_the_tolerance(crowd):
    made = crowd(12, people=8, queries=15, severity=0.0)
    cards = scorecards(made.judgments)
    for card in cards:
        assert card.n_more is not None
        wide = (card.severity.high - card.severity.low) / 2
        assert (card.n_more > 0) == (card.verdict != "ok")
        assert wide < 0.6
    more = crowd(12, people=8, queries=120, severity=0.0)
    assert all(card.n_more == 0 for card in scorecards(more.judgments))


def test_a_looser_limit_flags_nobody(panel):
    judgments, _ = panel
    limits = Limits(noise=10.0, follows=-1.0, severity=4.0)
    assert not any(card.flags for card in scorecards(judgments, limits=limits))


def test_somebody_surely_but_slightly_severe_is_not_flagged(crowd):
    lean = np.zeros(6)
    lean[2] = -0.2
    cards = scorecards(crowd(13, people=6, queries=500, severity=lean).judgments)
    card = card_of(cards, "a002")
    assert card.severity.high < 0
    assert card.flags == ()
    lean[2] = -0.7
    severe = card_of(scorecards(crowd(13, people=6, queries=100, severity=lean).judgments), "a002")
    assert [flag.aspect for flag in severe.flags] == ["severity"]
    assert severe.severity_shrunk.value > severe.severity.value


@pytest.mark.parametrize("aspect", ["gold", "consistency", "fast", "abstain"])
def test_every_aspect_is_found(panel, aspect):
    judgments, truth = panel
    judgments = judgments.filter(pl.col("annotator") != "a000")
    rng = np.random.default_rng(1)
    odd = pl.col("annotator") == "a004"
    gold, repeats = None, None
    if aspect == "gold":
        # Wrong on gold where the others are right: their grades are the truth there.
        gold = truth.rename({"grade": "true"})
        judgments = judgments.join(gold, on=["query_id", "pin_id"], how="left").with_columns(
            pl.when(odd).then("grade").otherwise("true").alias("grade")
        )
        gold = gold.rename({"true": "grade"})
    elif aspect == "consistency":
        again = pl.Series("again", rng.integers(1, 6, len(judgments)))
        repeats = judgments.with_columns(pl.when(odd).then(again).otherwise("grade").alias("grade"))
    elif aspect == "fast":
        quick = pl.when(odd).then(0.4).otherwise("seconds").alias("seconds")
        judgments = judgments.with_columns(quick)
    else:
        skip = odd & (pl.int_range(pl.len()) % 2 == 0)
        none = pl.when(skip).then(None).otherwise("grade").alias("grade")
        judgments = judgments.with_columns(none)
    flagged = [card for card in scorecards(judgments, repeats, gold) if card.flags]
    assert [card.annotator for card in flagged] == ["a004"]
    assert aspect in [flag.aspect for flag in flagged[0].flags]


def test_an_adjudication_at_hand_is_used(panel):
    judgments, _ = panel
    made = adjudicated(judgments, "dawid-skene", FIVE)
    assert examine(judgments, adjudication=made).consensus.method == "dawid-skene"


def test_one_person_alone_is_told_nothing():
    cards = scorecards(frame([("q", "p", "a", 3), ("r", "p", "a", None)]))
    card = cards[0]
    assert (card.n, card.n_shared, card.n_more) == (2, 0, None)
    assert card.severity.value is None
    assert card.alpha is None
    assert card.verdict == "too few to tell"
    assert card.abstained.value == 0.5


def test_unordered_scales_have_no_severity(panel):
    judgments, _ = panel
    classes = GradeScale(name="classes", levels=(1, 2, 3, 4, 5), ordered=False)
    cards = scorecards(judgments, scale=classes)
    assert [one.annotator for one in cards if one.flags] == ["a000"]
    card = cards[0]
    assert card.verdict.startswith("follows others")
    assert cards[1].n_more == 0
    assert card.severity.value is None
    assert card.noise.value is None
    assert card.agrees.value is not None
    assert card.weeks == ()


def test_levels_need_not_be_one_apart():
    rng = np.random.default_rng(5)
    levels = np.array([1, 2, 4, 5])
    rows = []
    for i in range(300):
        true = rng.integers(0, 4)
        for who in "abc":
            seen = int(np.clip(true + rng.choice([0, 0, 0, 1, -1]), 0, 3))
            rows.append((f"q{i:03}", "p", who, int(levels[seen])))
    cards = scorecards(frame(rows), scale=ESCI)
    assert all(card.confusion.shape == (4, 4) for card in cards)
    assert all(card.verdict == "ok" for card in cards)


def test_rows_are_plain_and_complete(panel):
    judgments, _ = panel
    card = scorecards(judgments)[0]
    row = flat(card)
    assert row["severity_ci_low"] == card.severity.low
    assert row["n_gold"] == 0
    assert row["gold"] is None
    deep = nested(card, [1, 2, 3, 4, 5])
    assert json.loads(json.dumps(deep, allow_nan=False))["levels"] == [1, 2, 3, 4, 5]
    assert deep["flags"][0]["aspect"] == card.flags[0].aspect


def test_worst_disagreements_come_first_with_the_others_grades():
    rows = [(f"q{i:02}", "p", who, 2 + i % 3) for i in range(60) for who in "abc"]
    odd = [(*row[:3], 5 if row[0] == "q00" and row[2] == "a" else row[3]) for row in rows]
    found = examine(frame(odd).with_columns(comment=pl.lit("?")))
    worst = disagreements(found, "a", 3)
    assert len(worst) == 3
    first = worst[0]
    assert (first.query_id, first.grade, first.others) == ("q00", 5, (2, 2))
    assert first.comment == "?"
    assert first.expected == pytest.approx(2, abs=0.3)
    assert first.chance < worst[1].chance
    with pytest.raises(InputError, match="no judgment is by 'd'"):
        disagreements(found, "d")


def test_verdicts_in_words():
    assert verdict_of((), 0) == "ok"
    assert verdict_of((), 1234) == "too few to tell (1,234 more)"
    assert verdict_of((), None) == "too few to tell"


def test_a_panel_of_equal_grades_is_fine():
    cards = scorecards(frame([(f"q{i}", "p", who, 3) for i in range(40) for who in "abc"]))
    assert all(card.flags == () for card in cards)
    assert all(card.severity.value == pytest.approx(0) for card in cards)
    assert dataclasses.asdict(cards[0])["alpha"] is None
