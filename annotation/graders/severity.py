"""Severity: how much lower or higher somebody grades than others would grade the same pairs.

On pairs that several people graded, a grade is the pair's own level + the annotator's severity +
chance. Both are fitted together (weighted least squares over the pairs' contrasts), so that

- an annotator is compared with the others on the very same pairs, never with themselves;
- a severe colleague does not make the others look lenient, for their severity is fitted along;
- people who guess weigh little (weights from `annotation.graders.noise`).

Contrasts tell differences only. They are centred on the panel: a robust mean of the severities,
which a few odd people do not move. That the panel's own mean may be off the truth is part of every
interval (spread of the severities / √people); gold grades settle it where there are any.

Intervals are cluster-robust (by query, or by pair below `FEW_QUERIES` queries), from the joint fit
of all severities: they contain the uncertainty of the consensus itself.

References:
    Searle, Linear Models, 1971 (two-way classification); Linacre, Many-Facet Rasch Measurement,
    1989 (rater severity); Liang and Zeger, Biometrika 1986 (the sandwich).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from annotation.graders.coded import Bools, Floats, Ints, Panel, sums
from annotation.graders.shrinking import paule_mandel

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FEW_QUERIES = 30
"""Below so many queries on the whole, pairs are taken as independent instead of queries."""

_HUBER = 1.5
_CLIP = 3.0
_ROUNDS = 20
_LEVEL = 0.25  # grades that a whole panel may well be off, however alike its people are
_ENOUGH_GOLD = 10


@dataclass(frozen=True, slots=True)
class Shared:
    """The votes on pairs that several people graded.

    Attributes:
        vote: (S,) index of the vote in the panel.
        pair: (S,) its pair, renumbered 0…n_pairs-1, ascending.
        annotator: (S,) its annotator.
        grade: (S,) the grade.
        cluster: (n_pairs,) code of each pair's cluster: its query, or the pair itself.
        n_people: A.
        island: (A,) the annotator's group of people who are linked by shared pairs; -1 if none.
    """

    vote: Ints
    pair: Ints
    annotator: Ints
    grade: Floats
    cluster: Ints
    n_people: int
    island: Ints

    @property
    def n_pairs(self) -> int:
        """Pairs with two votes or more."""
        return len(self.cluster)

    @property
    def n_votes(self) -> Ints:
        """(A,) shared votes of each annotator."""
        return np.bincount(self.annotator, minlength=self.n_people).astype(np.int64)

    @property
    def n_clusters(self) -> Floats:
        """(A,) clusters that each annotator has shared votes in."""
        size = int(self.cluster.max(initial=0)) + 1
        who = np.unique(self.annotator * size + self.cluster[self.pair]) // size
        return np.bincount(who, minlength=self.n_people).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Fit:
    """A figure of each annotator, and how sure it is.

    Attributes:
        value: (A,) figures; NaN where there is nothing to go by.
        error: (A,) their standard errors.
        freedom: (A,) degrees of freedom: the annotator's clusters - 1.
        common: (A,) part of the error² that all share, which more votes of one do not change.
    """

    value: Floats
    error: Floats
    freedom: Floats
    common: Floats


def shared_votes(panel: Panel) -> Shared:
    """The votes on pairs with two votes or more, ready to be fitted."""
    vote = np.flatnonzero(panel.shared)
    of_vote = panel.pair[vote]
    first = np.diff(of_vote, prepend=-1) != 0
    pair = np.cumsum(first) - 1
    query = panel.query[of_vote[first]]
    cluster = (np.cumsum(np.diff(query, prepend=query[:1]) != 0)).astype(np.int64)
    if not len(cluster) or cluster[-1] + 1 < FEW_QUERIES:
        cluster = np.arange(len(query))
    annotator = panel.annotator[vote]
    return Shared(
        vote=vote,
        pair=pair.astype(np.int64),
        annotator=annotator,
        grade=panel.grade[vote],
        cluster=cluster,
        n_people=panel.n_people,
        island=_islands(pair, annotator, panel.n_people),
    )


def severities(shared: Shared, weight: Floats) -> Fit:
    """Severity of each annotator, in grades; positive = gives higher grades than the others.

    Args:
        shared: The votes.
        weight: (A,) weight of an annotator's votes, 1 / variance.

    Returns:
        Severities about the panel's centre; those of different islands are not comparable.
    """
    n, w = shared.n_people, weight[shared.annotator]
    total = sums(shared.pair, w, shared.n_pairs)
    mean = sums(shared.pair, w * shared.grade, shared.n_pairs) / total
    inverse = _inverse(shared, w, total)
    raw = inverse @ sums(shared.annotator, w * (shared.grade - mean[shared.pair]), n)
    level = sums(shared.pair, w * (shared.grade - raw[shared.annotator]), shared.n_pairs) / total
    own = w * (shared.grade - raw[shared.annotator] - level[shared.pair])
    score = matrix(shared.cluster[shared.pair], shared.annotator, own, n)
    covariance = inverse @ (score.T @ score).toarray() @ inverse
    freedom = shared.n_clusters - 1.0
    value, variance, common = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n)
    for island in range(int(shared.island.max(initial=-1)) + 1):
        who = np.flatnonzero(shared.island == island)
        value[who], variance[who] = _centred(raw[who], covariance[np.ix_(who, who)])
        common[who] = _level_variance(value[who], variance[who])
    freedom = np.where(freedom >= 1, freedom, np.nan)
    error = np.sqrt(variance * (freedom + 1) / freedom + common)
    return Fit(value, error, freedom, common)


def anchored(fit: Fit, shared: Shared, panel: Panel, known: Ints) -> Fit:
    """The severities moved to the level that gold grades say, as far as these are sure.

    An island with answers to fewer than ten gold pairs stays where it is.

    Args:
        fit: Severities about the panel's centre.
        shared: The votes they come from.
        panel: All votes.
        known: (U,) index of the level of a pair that is gold; -1 elsewhere.
    """
    value, common = fit.value.copy(), fit.common.copy()
    gold = known[panel.pair] >= 0
    for island in range(int(shared.island.max(initial=-1)) + 1):
        who = shared.island == island
        votes = np.flatnonzero(gold & who[panel.annotator])
        prior = max(float(fit.common[who].max()), _LEVEL**2)
        cluster = np.unique(panel.pair[votes], return_inverse=True)[1]
        n_pairs = int(cluster.max(initial=-1)) + 1
        if n_pairs < _ENOUGH_GOLD:
            continue
        off = panel.grade[votes] - fit.value[panel.annotator[votes]]
        off -= panel.levels[known[panel.pair[votes]]]
        found = sums(cluster, off - off.mean(), n_pairs)
        noise = float((found**2).sum()) / len(off) ** 2 * n_pairs / (n_pairs - 1)
        keep = prior / (prior + noise)
        value[who] += keep * off.mean()
        common[who] = keep * noise
    error = np.sqrt(fit.error**2 - fit.common + common)
    return Fit(value, error, fit.freedom, common)


def residuals(shared: Shared, severity: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Each vote against the others' votes on its pair, freed of their severity.

    Args:
        shared: The votes.
        severity: (A,) severities.
        weight: (A,) weights.

    Returns:
        (S,) grade - weighted mean of the others' grades; its own severity is still in it. And
        (S,) the sum of the others' weights.
    """
    w = weight[shared.annotator]
    freed = w * (shared.grade - severity[shared.annotator])
    total = sums(shared.pair, w, shared.n_pairs)[shared.pair] - w
    others = (sums(shared.pair, freed, shared.n_pairs)[shared.pair] - freed) / total
    return shared.grade - others, total


def quadratic(inverse: Floats, meat: Floats) -> Floats:
    """(A,) diagonal of inverse · meat · inverseᵀ."""
    return np.asarray(np.einsum("ij,ij->i", inverse @ meat, inverse), dtype=np.float64)


def matrix(row: Ints, column: Ints, value: Floats, n_columns: int) -> csr_array:
    """Sparse matrix of the sums of the values of each (row, column)."""
    from scipy.sparse import csr_array

    n_rows = int(row.max()) + 1 if len(row) else 1
    return csr_array((value, (row, column)), shape=(n_rows, n_columns))


def _centred(raw: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Severities of an island about its robust mean, and their variances with that of the mean."""
    share = _robust_shares(raw, np.diag(covariance))
    centred = raw - share @ raw
    about = covariance @ share
    variance = np.diag(covariance) - 2 * about + share @ about
    return centred, np.maximum(variance, 0.0)


def _robust_shares(raw: Floats, variance: Floats) -> Floats:
    """(a,) shares, adding up to 1, of the severities in Huber's mean."""
    spread2 = _spread2(raw, variance)
    centre = float(np.median(raw))
    share: Floats = np.full(len(raw), 1 / len(raw))
    for _ in range(_ROUNDS):
        scale = np.sqrt(spread2 + variance) + 1e-9
        far = np.abs(raw - centre) / scale
        share = np.minimum(1.0, _HUBER / np.maximum(far, 1e-9)) / scale**2
        share /= share.sum()
        centre = float(share @ raw)
    return share


def _level_variance(centred: Floats, variance: Floats) -> float:
    """Variance of the panel's true mean severity, if people were drawn from those without any.

    Few people also tell their spread poorly: (n + 1) / (n - 1) is the variance of Student's t with
    n + 1 degrees of freedom.
    """
    n = len(centred)
    share = _robust_shares(centred, variance)
    return _spread2(centred, variance) * float((share**2).sum()) * (n + 1) / max(n - 1, 1)


def _spread2(value: Floats, variance: Floats) -> float:
    """Variance of the true severities among usual people: the odd ones' are clipped."""
    middle = float(np.median(value))
    scale = 1.4826 * float(np.median(np.abs(value - middle))) + float(np.sqrt(np.median(variance)))
    return paule_mandel(np.clip(value, middle - _CLIP * scale, middle + _CLIP * scale), variance)


def _inverse(shared: Shared, w: Floats, total: Floats) -> Floats:
    """Inverse of the normal equations, each island's severities with a mean of 0."""
    n = shared.n_people
    share = sums(shared.annotator, w / total[shared.pair], n)
    half = matrix(shared.pair, shared.annotator, w / np.sqrt(total[shared.pair]), n)
    normal = np.diag(sums(shared.annotator, w, n)) - (half.T @ half).toarray()
    there = shared.island >= 0
    same = (shared.island[:, None] == shared.island[None, :]) & there[:, None]
    gauge = share / np.maximum(same @ share, 1e-300)
    stiff = float(np.diag(normal)[there].mean()) if there.any() else 1.0
    normal += np.outer(gauge, gauge) * same * stiff
    normal[~there, ~there] = 1.0
    inverse = np.linalg.inv(normal)
    return np.asarray(inverse * there[:, None] * there[None, :], dtype=np.float64)


def _islands(pair: Ints, annotator: Ints, n_people: int) -> Ints:
    from scipy.sparse.csgraph import connected_components

    found = np.full(n_people, -1, dtype=np.int64)
    if not len(pair):
        return found
    incidence = matrix(pair, annotator, np.ones(len(pair)), n_people)
    _, label = connected_components(incidence.T @ incidence, directed=False)
    there: Bools = np.bincount(annotator, minlength=n_people) > 0
    found[there] = np.unique(label[there], return_inverse=True)[1]
    return found
