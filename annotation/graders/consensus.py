"""What the others say: each vote's leave-one-out consensus, a posterior without the vote itself.

A pair's posterior is prior × the likelihood of every vote under its annotator's confusion; without
one of the votes it is the same product without that factor. An annotator is thus measured against
people who did not include them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from annotation.adjudicate import Adjudication
from annotation.graders.coded import Floats, Ints, Panel

_LEAST = 1e-3  # no vote is impossible, whatever an adjudicator has learnt from few


@dataclass(frozen=True, slots=True)
class Consensus:
    """Posteriors over the levels.

    Attributes:
        posterior: (U, K) of each pair, from all votes; rows of NaN where nobody graded it.
        others: (R, K) of each vote's pair, from the votes of the others alone; the prior where
            there are none.
        confusions: (A, K, K) each annotator's P(vote | truth), truth in rows.
        known: (U,) index of the level of a pair whose grade is known beforehand; -1 elsewhere.
        method: The adjudicator.
    """

    posterior: Floats
    others: Floats
    confusions: Floats
    known: Ints
    method: str

    @property
    def pooled(self) -> Floats:
        """(K, K) mean of the annotators' confusions."""
        return np.asarray(self.confusions.mean(axis=0), dtype=np.float64)


def consensus(panel: Panel, made: Adjudication, gold: pl.DataFrame | None) -> Consensus:
    """The leave-one-out consensus of every vote.

    Args:
        panel: The votes.
        made: What an adjudicator made of the same judgments.
        gold: query_id, pin_id, grade of pairs that are known; there the consensus is that grade.
    """
    k = len(panel.levels)
    position = positions(panel.pairs, made.pairs)
    posterior = np.full((panel.n_pairs, k), np.nan)
    posterior[position[position >= 0]] = made.posterior[position >= 0]
    known = known_levels(panel, gold)
    sure = known >= 0
    posterior[sure] = np.eye(k)[known[sure]]
    confusions = _confusions(panel, made)
    prior = np.log(np.maximum(made.posterior.mean(axis=0), _LEAST))
    evidence = np.log(np.maximum(confusions, _LEAST))[panel.annotator, :, panel.level]
    total = np.zeros((panel.n_pairs, k))
    for level in range(k):
        total[:, level] = np.bincount(panel.pair, evidence[:, level], minlength=panel.n_pairs)
    logs = prior + total[panel.pair] - evidence
    others = np.exp(logs - logs.max(axis=1, keepdims=True))
    others /= others.sum(axis=1, keepdims=True)
    of_vote = known[panel.pair]
    others[of_vote >= 0] = np.eye(k)[of_vote[of_vote >= 0]]
    return Consensus(posterior, others, confusions, known, made.method)


def known_levels(panel: Panel, gold: pl.DataFrame | None) -> Ints:
    """(U,) index of the level of each pair that is gold; -1 for others, and off the scale."""
    known = np.full(panel.n_pairs, -1, dtype=np.int64)
    if gold is None or gold.is_empty():
        return known
    position = positions(panel.pairs, gold)
    grade = gold["grade"].to_numpy().astype(np.float64)
    level = np.minimum(np.searchsorted(panel.levels, grade), len(panel.levels) - 1)
    fits = (position >= 0) & (panel.levels[level] == grade)
    known[position[fits]] = level[fits]
    return known


def positions(pairs: pl.DataFrame, other: pl.DataFrame) -> Ints:
    """(n,) position in `pairs` of each row of `other`, by query_id and pin_id; -1 = not there."""
    numbered = pairs.with_row_index("_at")
    found = other.select("query_id", "pin_id").join(
        numbered, on=["query_id", "pin_id"], how="left", maintain_order="left"
    )
    return found["_at"].cast(pl.Int64).fill_null(-1).to_numpy()


def _confusions(panel: Panel, made: Adjudication) -> Floats:
    """(A, K, K); somebody unknown to the adjudicator errs like the mean of the others."""
    k = len(panel.levels)
    given = made.confusions or {}
    mean = np.mean(list(given.values()), axis=0) if given else np.full((k, k), 1 / k)
    return np.stack([np.asarray(given.get(name, mean)) for name in panel.people])
