from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.adjudicate import model, stack
from annotation.adjudicate.classic import dawid_skene, fit_one_coin
from annotation.adjudicate.held_out import CORRELATIONS, Scores, compare, sampled
from annotation.adjudicate.model import Settings, fit, posterior, read, states_of
from annotation.adjudicate.patterns import PATTERNS, resembled
from annotation.adjudicate.votes import Votes


def votes_of(rows, k=3, **options):
    """Votes of (item, annotator, level) rows, which are sorted first."""
    rows = sorted(rows)
    item, annotator, level = (
        np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)
    )
    return Votes(item, annotator, level, item.max() + 1, annotator.max() + 1, k, **options)


def some_votes(n=60, k=3, people=5, seed=0, **options):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    rows = [
        (i, j, int(true) if rng.random() < 0.9 - 0.15 * j else int(rng.integers(0, k)))
        for i, true in enumerate(truth)
        for j in range(people)
        if rng.random() < 0.8 or j == i % people
    ]
    return votes_of(rows, k, **options), truth


def plain_dawid_skene(votes, steps):  # noqa: C901
    """Dawid & Skene in loops, as crowd-kit does it: counts of at least 1e-10, no other prior."""
    given_ = list(zip(votes.item, votes.annotator, votes.level, strict=True))
    k = votes.n_levels
    truth = [[0.0] * k for _ in range(votes.n_items)]
    for i, _, v in given_:
        truth[i][v] += 1
    truth = [[x / sum(row) for x in row] for row in truth]
    for _ in range(steps):
        prior = [max(sum(row[t] for row in truth) / len(truth), 1e-10) for t in range(k)]
        confusion = {}
        for _, j, v in given_:
            confusion[j, v] = [0.0] * k
        for i, j, v in given_:
            for t in range(k):
                confusion[j, v][t] += truth[i][t]
        for j in {j for j, _ in confusion}:
            own = [key for key in confusion if key[0] == j]
            for t in range(k):
                counts = {key: max(confusion[key][t], 1e-10) for key in own}
                for key in own:
                    confusion[key][t] = counts[key] / sum(counts.values())
        logs = [[math.log(p) for p in prior] for _ in truth]
        for i, j, v in given_:
            for t in range(k):
                logs[i][t] += math.log(confusion[j, v][t])
        truth = []
        for row in logs:
            weights = [math.exp(x - max(row)) for x in row]
            truth.append([w / sum(weights) for w in weights])
    return np.array(truth)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)),
        min_size=1,
        unique_by=lambda row: row[:2],
    ),
    st.integers(1, 8),
)
def test_dawid_skene_is_the_plain_loop(rows, steps):
    number = {item: at for at, item in enumerate(sorted({row[0] for row in rows}))}
    votes = votes_of([(number[i], j, v) for i, j, v in rows])
    found = dawid_skene(votes, steps=steps, tolerance=-1.0)
    assert np.abs(found - plain_dawid_skene(votes, steps)).max() < 1e-8


def test_dawid_skene_stops_once_nothing_moves():
    votes, _ = some_votes()
    assert np.abs(dawid_skene(votes) - dawid_skene(votes, steps=400)).max() < 1e-5


def test_naming_levels_and_annotators_otherwise_changes_nothing():
    votes, _ = some_votes(k=3)
    turned = np.array([2, 0, 1])
    other = replace(votes, level=turned[votes.level], ordered=False)
    mirrored = replace(votes, annotator=votes.n_annotators - 1 - votes.annotator, ordered=False)
    for method in (dawid_skene, lambda v: posterior(fit(v, Settings("nominal", 8.0)), v, 0.2)):
        found = method(replace(votes, ordered=False))
        assert method(other)[:, turned] == pytest.approx(found, abs=1e-9)
        assert method(mirrored) == pytest.approx(found, abs=1e-9)


def test_one_coin_learns_who_is_right():
    votes, truth = some_votes(n=300)
    found, accuracy = fit_one_coin(votes)
    assert (np.diff(accuracy) < 0).all()
    assert np.mean(found.argmax(axis=1) == truth) > 0.9


@pytest.mark.parametrize("kind", PATTERNS)
@pytest.mark.parametrize("k", [2, 3, 5])
def test_patterns_are_confusions_and_votes_find_theirs(kind, k):
    pooled = np.full((k, k), 0.3 / (k - 1)) + np.eye(k) * (0.7 - 0.3 / (k - 1))
    patterns = PATTERNS[kind](pooled, np.full(k, 1 / k))
    assert patterns.sum(axis=2) == pytest.approx(np.ones(patterns.shape[:2]))
    assert (patterns > 0).all()
    counts = 200 * patterns  # one annotator a pattern, who votes exactly so
    mean, common = resembled(counts, patterns, np.full(len(patterns), 1 / len(patterns)))
    assert common.sum() == pytest.approx(1)
    assert np.abs(mean - patterns).max() < 0.12
    unknown, _ = resembled(np.zeros((1, k, k)), patterns, np.full(len(patterns), 1 / len(patterns)))
    assert unknown[0] == pytest.approx(patterns.mean(axis=0))


def test_states_are_mixtures_of_two_levels():
    states = states_of(3, hard=True)
    assert len(states.truth) == 3 + 3 * 2 * len(model._DIFFICULTIES)
    assert states.mixture.sum(axis=1) == pytest.approx(np.ones(len(states.truth)))
    rows = np.arange(len(states.truth))
    own = states.mixture[rows, states.truth]
    assert own == pytest.approx(1 - states.difficulty)
    prior = states.prior(np.array([0.5, 0.3, 0.2]), np.full((3, 3), 1 / 3), 16.0)
    assert prior.sum() == pytest.approx(1)
    assert states.truths(prior[None])[0] == pytest.approx([0.5, 0.3, 0.2])
    hard = states.prior(np.array([0.5, 0.3, 0.2]), np.full((3, 3), 1 / 3), 3.0)
    assert (hard * states.difficulty).sum() > (prior * states.difficulty).sum()


def test_the_posterior_of_states_is_bayes_rule_by_hand():
    votes, _ = some_votes(n=12)
    fitted = fit(votes, Settings("nominal", 8.0))
    found = posterior(fitted, votes, 0.25)
    for item in range(votes.n_items):
        own = np.flatnonzero(votes.item == item)
        worth = 1 / (1 + (len(own) - 1) * 0.25)
        weights = []
        for state, share in enumerate(fitted.prior):
            likelihood = share
            for vote in own:
                j, v = votes.annotator[vote], votes.level[vote]
                chance = fitted.states.mixture[state] @ fitted.confusion[j][:, v]
                likelihood *= chance**worth
            weights.append(likelihood)
        by_level = [
            sum(w for w, t in zip(weights, fitted.states.truth, strict=True) if t == level)
            for level in range(3)
        ]
        assert found[item] == pytest.approx(np.array(by_level) / sum(by_level))


def test_blocks_do_not_show(monkeypatch):
    votes, _ = some_votes()
    whole = posterior(fit(votes, Settings("ordinal", 8.0)), votes, 0.1)
    monkeypatch.setattr(model, "_BLOCK", 60)
    fitted = fit(votes, Settings("ordinal", 8.0))
    assert len(list(read(fitted, votes, 0.1))) > 10
    assert posterior(fitted, votes, 0.1) == pytest.approx(whole)


def test_more_correlation_is_less_sure_and_single_votes_keep_their_worth():
    votes, _ = some_votes(people=6)
    fitted = fit(votes, Settings("nominal", 8.0))
    sure = [posterior(fitted, votes, each).max(axis=1).mean() for each in (0.0, 0.2, 0.5, 1.0)]
    assert sure == sorted(sure, reverse=True)
    single = replace(votes_of([(0, 0, 1), (1, 1, 2)]), n_annotators=votes.n_annotators)
    assert posterior(fitted, single, 0.0) == pytest.approx(posterior(fitted, single, 1.0))


def test_large_scales_and_tables_have_no_hard_pairs(monkeypatch):
    votes, _ = some_votes(k=11)
    assert len(fit(votes, Settings("ordinal", 8.0)).prior) == 11
    monkeypatch.setattr(model, "_MOST_ENTRIES", 10)
    votes, _ = some_votes(k=3)
    assert len(fit(votes, Settings("ordinal", 8.0)).prior) == 3


def test_held_out_votes_by_hand():
    votes, _ = some_votes(n=40)
    scores = compare(votes, [Settings("nominal", 8.0)])
    fold = np.random.default_rng(1).permutation(votes.n) % 5
    total = base = 0.0
    for k in range(5):
        train, test = votes.only(fold != k), votes.only(fold == k)
        shares = (np.bincount(train.level, minlength=3) + 1) / (train.n + 3)
        base += np.log(shares[test.level]).sum()
        fitted = fit(train, Settings("nominal", 8.0))
        states = np.concatenate([block for _, block in read(fitted, train, CORRELATIONS[2])])
        chance = fitted.emission[test.annotator * 3 + test.level]
        total += np.log((states[test.item] * chance).sum(axis=1)).sum()
    assert scores.base == pytest.approx(base / votes.n)
    assert scores.families[Settings("nominal", 8.0)][2] == pytest.approx(total / votes.n)
    assert scores.best > max(scores.base, scores.simple["majority"], scores.simple["smoothed"])


def test_the_comparison_is_made_on_some_pairs_of_a_large_set(monkeypatch):
    votes, _ = some_votes(n=200)
    monkeypatch.setattr("annotation.adjudicate.held_out.MOST_VOTES", 100)
    some = sampled(votes)
    assert 100 <= some.n <= 105
    assert (some.per_item > 0).all()
    assert some.n_annotators == votes.n_annotators


def scores_of(**losses):
    """Scores in which a kind's family loses so much of the information at each correlation."""
    families = {Settings(kind, 8.0): -0.5 - 0.5 * np.array(each) for kind, each in losses.items()}
    return Scores(-1.0, {"majority": -0.9}, families)


FLAT = [0.0] * len(CORRELATIONS)


def test_the_least_correlation_that_foretells_as_well_is_taken_and_caution_costs_little():
    falling = [0.02, 0.0005, 0.0, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05]
    scores = scores_of(nominal=falling)
    settings_ = Settings("nominal", 8.0)
    assert stack._correlation(scores, settings_, 0.0) == pytest.approx(0.05)
    assert stack._correlation(scores, settings_, 0.1) == pytest.approx(0.15)
    assert stack._correlation(scores, settings_, 0.5) == pytest.approx(0.25)  # costs 1.5 %
    assert stack._correlation(scores_of(nominal=FLAT), settings_, 0.4) == pytest.approx(0.4)


def test_caution_falls_where_order_shows():
    votes, _ = some_votes(k=3)
    worse = [0.03] * len(CORRELATIONS)
    ordered = stack._caution(votes, scores_of(ordinal=FLAT, nominal=worse))
    alike = stack._caution(votes, scores_of(ordinal=FLAT, nominal=FLAT))
    classes = stack._caution(replace(votes, ordered=False), scores_of(nominal=FLAT))
    assert ordered == pytest.approx(stack.CAUTION_ORDERED, abs=1e-3)
    assert alike > 0.3
    assert classes == pytest.approx(stack.CAUTION_CLASSES, abs=1e-3)
    two, _ = some_votes(k=2)
    assert stack._caution(two, scores_of(nominal=FLAT)) < classes


@pytest.mark.parametrize("kind", ["ordinal", "nominal"])
def test_caution_falls_where_votes_refute_correlation(kind):
    votes, _ = some_votes(k=3)
    found = [
        stack._caution(votes, scores_of(**{kind: [*FLAT[:-1], loss]}))
        for loss in (0.0, 0.03, 0.05, 0.1)
    ]
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(stack.CAUTION_INDEPENDENT, abs=1e-3)
    assert found[0] > 1.5 * found[-1]


def test_the_ordinal_model_knows_who_slips_and_who_answers_always_alike():
    pooled, shares = np.full((5, 5), 0.1) + np.eye(5) / 2, np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    known = PATTERNS["ordinal"](pooled, shares)
    always = np.tile(np.eye(5)[4], (5, 1))
    assert np.abs(known - always).max(axis=(1, 2)).min() < 0.2
    beside = np.abs(np.subtract.outer(np.arange(5), np.arange(5))) == 1
    slipping = 0.5 * np.eye(5) + 0.5 * beside / beside.sum(axis=1, keepdims=True)
    assert np.abs(known - slipping).max(axis=(1, 2)).min() < 0.1


def test_weights_fall_with_the_information_lost():
    one = [stack.TOLERANCE] * len(CORRELATIONS)
    weights = stack._weights(scores_of(ordinal=FLAT, nominal=one), 6)
    assert weights[Settings("ordinal", 8.0)] == pytest.approx(1 / (1 + math.exp(-1)))
    assert sum(weights.values()) == pytest.approx(1)
    assert len(stack._weights(scores_of(ordinal=FLAT, nominal=one), 1)) == 1
    lost = [0.5] * len(CORRELATIONS)
    assert list(stack._weights(scores_of(ordinal=FLAT, nominal=lost), 6)) == [
        Settings("ordinal", 8.0)
    ]


def test_enough_gold_replaces_caution():
    votes, truth = some_votes(n=240, k=3, people=4)
    wrong = truth.copy()
    wrong[::4] = (truth[::4] + 1) % 3  # gold that votes could never show to be so
    known = replace(votes, gold=np.where(np.arange(240) < 160, wrong, -1), ordered=False)
    honest = replace(votes, gold=np.where(np.arange(240) < 160, truth, -1), ordered=False)
    doubted = stack.stacked(known, ["nominal"])
    trusted = stack.stacked(honest, ["nominal"])
    assert doubted.caution > trusted.caution
    free = slice(160, None)
    assert doubted.posterior[free].max(axis=1).mean() < trusted.posterior[free].max(axis=1).mean()
    assert (doubted.posterior[:160].argmax(axis=1) == wrong[:160]).all()


def test_progress_is_told():
    votes, _ = some_votes(n=30)
    told = []
    stack.stacked(votes, ["ordinal"], lambda done, total, what="": told.append((done, total, what)))
    assert told[0] == (1, 5 * len(stack.STRENGTHS), "ordinal, held-out votes")
    assert told[-1][0] == told[-1][1]
    assert all(a[0] < b[0] for a, b in itertools.pairwise(told) if a[1] == b[1])
