from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from annotation.adjudicate import adjudicated
from annotation.graders.coded import code, latest
from annotation.graders.consensus import consensus, known_levels
from annotation.graders.told import agreement_of, beyond_chance, confusion_of
from relevance.errors import InputError
from relevance.grades import FIVE, TREC


@pytest.fixture(scope="module")
def made(crowd):
    judgments = crowd(0, people=6, queries=20).judgments
    panel = code(judgments, FIVE)
    adjudication = adjudicated(judgments, "dawid-skene", FIVE)
    return panel, adjudication, consensus(panel, adjudication, None)


def test_the_consensus_of_a_vote_is_bayes_rule_over_the_other_votes(made):
    panel, adjudication, agreed = made
    prior = adjudication.posterior.mean(axis=0)
    for vote in range(0, len(panel.pair), 37):
        found = np.log(prior)
        for other in np.flatnonzero(panel.pair == panel.pair[vote]):
            if other != vote:
                name = panel.people[panel.annotator[other]]
                column = np.asarray(adjudication.confusions[name])[:, panel.level[other]]
                found = found + np.log(np.maximum(column, 1e-3))
        expected = np.exp(found - found.max())
        assert agreed.others[vote] == pytest.approx(expected / expected.sum())


def test_a_vote_does_not_move_its_own_consensus(made):
    panel, adjudication, agreed = made
    level = panel.level.copy()
    level[0] = (level[0] + 2) % 5
    fields = {name: getattr(panel, name) for name in panel.__dataclass_fields__}
    other = consensus(type(panel)(**{**fields, "level": level}), adjudication, None)
    assert other.others[0] == pytest.approx(agreed.others[0])
    assert not np.allclose(other.others[1], agreed.others[1])


def test_confusion_adds_up_the_expected_votes(made):
    panel, _, agreed = made
    found = confusion_of(panel, agreed)
    who, given = 2, 3
    mine = (panel.annotator == who) & (panel.level == given) & panel.shared
    expected = [math.fsum(agreed.others[mine, truth]) for truth in range(5)]
    assert found[who, :, given] == pytest.approx(expected)
    assert found[who].sum() == pytest.approx(((panel.annotator == who) & panel.shared).sum())


def test_agreement_beyond_chance_is_cohens_kappa(made):
    panel, _, agreed = made
    table, shares = confusion_of(panel, agreed), agreement_of(panel, agreed)
    kappas = []
    for one in table:
        p = one / one.sum()
        chance = sum(p[k].sum() * p[:, k].sum() for k in range(5))
        kappas.append((np.trace(p) - chance) / (1 - chance))
    found = beyond_chance(shares, table)
    assert found.value == pytest.approx(kappas / np.median(kappas))
    votes = agreed.others[np.arange(len(panel.pair)), panel.level][panel.annotator == 1]
    assert shares.error[1] == pytest.approx(votes.std(ddof=1) / len(votes) ** 0.5)


def test_gold_is_the_consensus_where_it_is_known(made):
    panel, adjudication, _ = made
    first = panel.pairs.row(0)
    rows = [(*first, 4), ("nowhere", "p", 1), (*panel.pairs.row(5), 9)]
    gold = pl.DataFrame(rows, schema=["query_id", "pin_id", "grade"], orient="row")
    known = known_levels(panel, gold)
    assert known[0] == 3
    assert (known[1:] == -1).all()
    agreed = consensus(panel, adjudication, gold)
    assert agreed.others[panel.pair == 0].tolist() == [[0, 0, 0, 1, 0]] * 3
    assert agreed.posterior[0].tolist() == [0, 0, 0, 1, 0]


def test_the_latest_judgment_counts():
    rows = [("q", "p", "a", 1), ("q", "p", "b", 2), ("q", "p", "a", 5)]
    frame = pl.DataFrame(rows, schema=["query_id", "pin_id", "annotator", "grade"], orient="row")
    assert latest(frame)["grade"].to_list() == [5, 2]
    days = pl.Series("created_at", ["2026-01-03", "2026-01-01", "2026-01-02"]).str.to_datetime()
    assert latest(frame.with_columns(days))["grade"].to_list() == [1, 2]
    assert code(frame, FIVE).grade.tolist() == [5, 2]


def test_codes_keep_abstentions_apart():
    rows = [("q", "p", "a", None), ("q", "p", "b", 2), ("r", "p", "a", 3), ("q", "s", "c", None)]
    schema = {"query_id": pl.String, "pin_id": pl.String, "annotator": pl.String, "grade": pl.Int64}
    panel = code(pl.DataFrame(rows, schema=schema, orient="row"), TREC)
    assert panel.people == ("a", "b", "c")
    assert panel.levels.tolist() == [2, 3]
    assert panel.abstained.tolist() == [True, False, True, False]
    assert panel.pairs.rows() == [("q", "p"), ("q", "s"), ("r", "p")]
    assert panel.query.tolist() == [0, 0, 1]
    assert panel.shared.tolist() == [False, False]


def test_mistakes_are_told():
    schema = {"query_id": pl.String, "pin_id": pl.String, "annotator": pl.String, "grade": pl.Int64}
    empty = pl.DataFrame([("q", "p", "a", None)], schema=schema, orient="row")
    with pytest.raises(InputError, match="the judgments have no grade"):
        code(empty, FIVE)
    wrong = pl.DataFrame([("q", "p", "a", 7)], schema=schema, orient="row")
    with pytest.raises(InputError, match="grade must be 1-5, got 7 for query 'q', pin 'p'"):
        code(wrong, FIVE)
