"""The alternative-annotator test: does a judge stand in for each annotator at least as well?

Each annotator is left out in turn; whoever is nearer to the others' grades of a pair, the judge or
the annotator, has the advantage there (both, where they are equally near). The judge wins over an
annotator if its share of advantages is not lower by ε or more, the price people are worth.

References:
    Calderon, Reichart, Dror, The Alternative Annotator Test for LLM-as-a-Judge, ACL 2025
    (arXiv 2501.10970). Their paired t-test takes pairs as independent; ours sums the pairs of a
    query first (cluster-robust, Cameron & Miller 2015), which is theirs where a query is one pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.agreement.graded import dense
from evaluation.multiplicity import benjamini_hochberg

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MIN_PAIRS = 30
"""Pairs that an annotator must share with others to be tested, as in the paper."""
MIN_CLUSTERS = 10
"""Queries that these must come from."""
FALSE_DISCOVERIES = 0.05
WINNING_RATE = 0.5
"""Share of annotators that the judge must win over."""


@dataclass(frozen=True, slots=True)
class Versus:
    """The judge against one annotator.

    Attributes:
        annotator: Code of the annotator.
        judge_advantage: Share of pairs on which the judge is at least as near to the others.
        own_advantage: Share on which the annotator is.
        p_value: One-sided, of the judge's share being lower by ε or more; NaN if not tested.
        n_pairs: Pairs that the annotator shares with others.
        n_queries: Queries that these come from.
    """

    annotator: int
    judge_advantage: float
    own_advantage: float
    p_value: float
    n_pairs: int
    n_queries: int

    @property
    def tested(self) -> bool:
        """Whether the annotator has enough pairs and queries."""
        return self.n_pairs >= MIN_PAIRS and self.n_queries >= MIN_CLUSTERS


def advantages(judge: Ints, own: Ints, others: Floats, levels: Floats, *, ordered: bool) -> Ints:
    """Who is nearer to the others on each pair: 1 the judge, -1 the annotator, 0 both alike.

    Nearness is the paper's: the root mean squared distance to the others' grades (ordered levels),
    or the share of them that is the same (unordered).

    Args:
        judge: (n,) index of the judge's level.
        own: (n,) index of the annotator's.
        others: (n, K) how many others gave each level.
        levels: (K,) values of the levels.
        ordered: Whether levels are ordered.
    """
    apart = np.subtract.outer(levels, levels)
    cost = apart**2 if ordered else (apart != 0).astype(np.float64)
    distance = others @ cost  # of every level the judge or annotator could have given
    at = np.arange(len(judge))
    return np.asarray(np.sign(distance[at, own] - distance[at, judge]), dtype=np.int64)


def against_each(
    advantage: Ints, annotator: Ints, query: Ints, *, n_queries: int, epsilon: float
) -> list[Versus]:
    """The judge against every annotator who graded a pair that others graded too.

    Args:
        advantage: (n,) of each judgment, as `advantages` gives it.
        annotator: (n,) its annotator.
        query: (n,) its query.
        n_queries: Codes of queries are below it.
        epsilon: ε, by how much the judge's share may be lower.
    """
    names, who = np.unique(annotator, return_inverse=True)
    pairs = np.bincount(who)
    cluster, at = dense(who * n_queries + query, len(names) * n_queries)
    of_cluster = who[at]
    gain = np.bincount(who, weights=advantage) / pairs  # judge's share - annotator's
    residual = np.bincount(cluster, weights=advantage - gain[who])
    clusters = np.bincount(of_cluster)
    with np.errstate(invalid="ignore", divide="ignore"):
        correction = clusters / (clusters - 1)
        variance = correction * np.bincount(of_cluster, weights=residual**2) / pairs**2
    p_values = _one_sided(gain + epsilon, np.sqrt(variance), clusters - 1)
    judge = np.bincount(who, weights=advantage >= 0) / pairs
    own = np.bincount(who, weights=advantage <= 0) / pairs
    found = []
    for i, name in enumerate(names):
        enough = pairs[i] >= MIN_PAIRS and clusters[i] >= MIN_CLUSTERS
        p_value = float(p_values[i]) if enough else float("nan")
        n_pairs, n = int(pairs[i]), int(clusters[i])
        found.append(Versus(int(name), float(judge[i]), float(own[i]), p_value, n_pairs, n))
    return found


def adjusted(families: Sequence[Sequence[Versus]]) -> list[Floats]:
    """Benjamini-Yekutieli's adjusted p-values of all families together; NaN where not tested.

    References:
        Benjamini & Yekutieli, Annals of Statistics 2001 (any dependence).
    """
    p_values = np.array([versus.p_value for family in families for versus in family])
    tested = ~np.isnan(p_values)
    found = np.full(len(p_values), np.nan)
    if tested.any():
        harmonic = float(np.sum(1 / np.arange(1, tested.sum() + 1)))
        found[tested] = np.minimum(benjamini_hochberg(p_values[tested].tolist()) * harmonic, 1.0)
    ends = np.cumsum([len(family) for family in families])
    return np.split(found, ends[:-1])


def _one_sided(margin: Floats, error: Floats, df: Ints) -> Floats:
    """p-values of a margin above 0; without any spread, 0 or 1 by its sign."""
    from scipy.special import stdtr

    with np.errstate(invalid="ignore", divide="ignore"):
        p_values = stdtr(np.maximum(df, 1), -margin / error)
    certain = np.where(margin > 0, 0.0, 1.0)
    return np.asarray(np.where(error > 0, p_values, certain), dtype=np.float64)
