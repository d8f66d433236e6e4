from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from annotation.graders import Limits, scorecards


def dated(judgments, weeks=5, seed=0):
    rng = np.random.default_rng(seed)
    start = datetime(2026, 3, 2)
    days = [
        start + timedelta(seconds=int(s)) for s in rng.integers(0, weeks * 604800, len(judgments))
    ]
    return judgments.with_columns(pl.Series("created_at", days))


def card_of(cards, name):
    return next(card for card in cards if card.annotator == name)


def test_who_turns_severe_in_one_week_is_found_and_nobody_else(crowd):
    judgments = dated(crowd(1, queries=200, severity=0.05).judgments)
    late = pl.col("created_at") >= datetime(2026, 3, 30)
    turned = pl.when(late & (pl.col("annotator") == "a003")).then(
        (pl.col("grade") - 2).clip(1, 5)
    ).otherwise("grade").alias("grade")  # fmt: skip
    cards = scorecards(judgments.with_columns(turned))
    found = card_of(cards, "a003")
    assert [flag.aspect for flag in found.flags] == ["drift"]
    assert "drift -" in found.verdict
    assert [week.start for week in found.weeks if week.flagged] == [date(2026, 3, 30)]
    assert [card.annotator for card in cards if card.flags] == ["a003"]
    assert cards[0] is found


def test_weeks_are_means_of_the_votes_in_them(crowd):
    judgments = dated(crowd(2, queries=60).judgments, weeks=3)
    card = card_of(scorecards(judgments), "a001")
    assert sum(week.severity.n for week in card.weeks) == card.n_shared
    mean = sum(week.severity.value * week.severity.n for week in card.weeks) / card.n_shared
    assert mean == pytest.approx(card.severity.value, abs=0.1)
    week = card.weeks[0]
    rest = [(one.severity.value, one.severity.n) for one in card.weeks[1:]]
    others = sum(value * n for value, n in rest) / sum(n for _, n in rest)
    assert week.change.value == pytest.approx(week.severity.value - others)
    assert week.change.low < week.change.value < week.change.high


def test_without_times_there_are_no_weeks(crowd):
    judgments = crowd(3, queries=20).judgments
    assert scorecards(judgments)[0].weeks == ()
    empty = judgments.with_columns(created_at=pl.lit(None, pl.Datetime))
    assert scorecards(empty)[0].weeks == ()


def test_few_votes_in_a_week_are_no_drift(crowd):
    judgments = dated(crowd(4, queries=40, severity=0.05).judgments, weeks=8)
    first = pl.col("created_at") < datetime(2026, 3, 9)
    odd = pl.when(first & (pl.col("annotator") == "a002")).then(5).otherwise("grade").alias("grade")
    card = card_of(scorecards(judgments.with_columns(odd)), "a002")
    assert card.weeks[0].severity.n < Limits().least
    assert not any(week.flagged for week in card.weeks)
