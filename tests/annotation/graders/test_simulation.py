"""Known severities and guessers: are intervals right, honest people left alone, guessers found?"""

from __future__ import annotations

import resource
import time

import numpy as np
import polars as pl
import pytest

from annotation.graders import scorecards

pytestmark = pytest.mark.slow


def moments(rng, n):
    """Times in four weeks."""
    return pl.Series(rng.integers(0, 28 * 86_400, n) * 1_000).cast(pl.Datetime("ms"))


def coverage(crowd, reps, **sizes):
    severity, noise, false = [], [], 0
    for seed in range(reps):
        made = crowd(seed, **sizes)
        cards = {card.annotator: card for card in scorecards(made.judgments)}
        for who, (bias, scatter) in enumerate(zip(made.bias, made.scatter, strict=True)):
            card = cards[f"a{who:03}"]
            severity.append(card.severity.low <= bias <= card.severity.high)
            noise.append(card.noise.low <= scatter <= card.noise.high)
        false += any(
            card.flags for card in cards.values() if abs(made.bias[int(card.annotator[1:])]) < 0.25
        )
    return np.mean(severity), np.mean(noise), false / reps


@pytest.mark.parametrize(
    "sizes",
    [
        {"people": 12, "queries": 100},
        {"people": 12, "queries": 25, "severity": 0.12},
        {"people": 6, "queries": 60, "overlap": 2},
        {"people": 30, "queries": 150},
    ],
)
def test_intervals_cover_and_honest_people_are_left_alone(crowd, sizes):
    severity, noise, false = coverage(crowd, 600 // (sizes["people"] + 8), **sizes)
    assert severity >= 0.93
    assert noise >= 0.90
    assert false <= 0.05


def test_honest_people_are_left_alone_in_every_aspect(crowd):
    """Gold, repeats, times, weeks and abstentions too: at most 5 % of panels have a flag at all."""
    false, reps = 0, 60
    for seed in range(reps):
        rng = np.random.default_rng(seed)
        made = crowd(seed, queries=60, severity=0.08, noise=(0.6, 0.75))
        n = len(made.judgments)
        full = made.judgments.with_columns(
            pl.when(pl.Series(rng.random(n) < 0.03)).then(None).otherwise("grade").alias("grade"),
            pl.Series("seconds", rng.lognormal(2.3, 0.45, n)),
            pl.Series("created_at", moments(rng, n)),
        )
        again = full.sample(n // 5, seed=seed)
        slip = pl.Series(rng.choice([-1, 0, 0, 0, 1], len(again)))
        repeats = again.with_columns((pl.col("grade") + slip).clip(1, 5))
        gold = made.truth.sample(100, seed=seed)
        false += any(card.flags for card in scorecards(full, repeats, gold))
    assert false / reps <= 0.05


def test_a_guesser_with_200_labels_is_found(crowd):
    found = 0
    for seed in range(30):
        made = crowd(seed, queries=200, guessers=1, guesser_votes=200)
        cards = {card.annotator: card for card in scorecards(made.judgments)}
        found += bool(cards["a000"].flags)
    assert found / 30 >= 0.9


def test_twice_the_tolerated_severity_is_found_when_there_are_enough_votes(crowd):
    """Whoever reads "ok" would have been found with a probability of about .8."""
    found = []
    for seed in range(40):
        lean = np.random.default_rng(seed).normal(0, 0.08, 12)
        lean[3] = -0.7  # grades end at 1: half a grade on average
        made = crowd(seed, queries=130, severity=lean)
        card = next(one for one in scorecards(made.judgments) if one.annotator == "a003")
        assert made.bias[3] == pytest.approx(-0.5, abs=0.1)
        if card.n_more == 0:
            found.append("severity" in [flag.aspect for flag in card.flags])
    assert len(found) >= 10
    assert np.mean(found) >= 0.7


def test_a_million_judgments_by_500_people_in_half_a_minute():
    rng = np.random.default_rng(0)
    n_pairs, people = 333_334, 500
    truth = rng.integers(1, 6, n_pairs)
    others = np.array([0, 7, 91])
    who = (rng.integers(0, people, (n_pairs, 1)) + others) % people
    grade = np.clip(truth[:, None] + np.rint(rng.normal(0, 0.7, who.shape)), 1, 5).ravel()
    item = np.repeat(np.arange(n_pairs), 3)
    frame = pl.DataFrame({"q": item // 20, "p": item % 20, "a": who.ravel()}).select(
        pl.format("q{}", "q").alias("query_id"),
        pl.format("p{}", "p").alias("pin_id"),
        pl.format("a{}", "a").alias("annotator"),
        pl.Series("grade", grade.astype(np.int64)),
        pl.Series("seconds", rng.lognormal(2.3, 0.4, len(item))),
        pl.Series("created_at", moments(rng, len(item))),
    )
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cards = scorecards(frame)
    assert len(cards) == people
    assert not any(card.flags for card in cards)
    assert time.process_time() - started < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2_000_000  # kB
