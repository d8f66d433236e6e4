"""What a query has to offer, where only some of its candidates were graded: E[1 / ideal].

nDCG divides by the DCG of the best order of all candidates, recall by the relevant ones among them.
From five graded Pins of twenty-five that is not known, and the plug-in (every graded Pin standing
for 1 / π) is off by more than its noise: one Pin of grade 5 would make an ideal of nothing but 5s.
So the ideal's reciprocal is averaged over the grades that are missing, as a model expects them from
the rank that the system gave a Pin and from the query's graded Pins: shares of the grades in bands
of ranks, tilted towards better or worse by a normal effect of the query. Where pairs of a query had
different chances, what is missing is unlike what was drawn (good Pins were drawn first, say): the
shares are those of the drawn ones times 1 / π - 1, by grade. With no grade missing it is the
ideal's own reciprocal.

The estimate of the mean is right wherever that model is, and in any case the nearer the more of a
query was graded: consistent, not unbiased. Chances that follow something that goes with a query's
grades beyond the rank (a teacher's guess) are met only in part.

References:
    Särndal, Swensson and Wretman 1992, ch. 6 (model-assisted estimates); Sverchkov and Pfeffermann,
    Survey Methodology 2004 (what was not drawn, from what was, by 1 / π - 1); Agresti, Categorical
    Data Analysis, 2002, §12.4 (adjacent-categories logits with a random effect); Yilmaz, Kanoulas
    and Aslam, SIGIR 2008 (xinfAP and the inferred nDCG, whose ideal is the plug-in).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evaluation.intervals import generator
from evaluation.metrics import Measure
from evaluation.sampled.variance import Floats, Ints
from relevance.grades import GradeScale

DRAWS = 100
"""Draws of the missing grades of a query."""

_AT_ONCE = 2_000  # queries whose grades are drawn together
_NODES = 15  # of the query's effect
_ROUNDS = 60
_FITTED = 20_000  # pairs that the model is fitted to
_IN_BAND = 40  # graded pairs that make a band of ranks
_BANDS = 6
_SMOOTHED = 2.0  # pairs that a band borrows from all
_NEAR = 1e-4


@dataclass(frozen=True, slots=True)
class Graded:
    """The graded pairs of N queries.

    Attributes:
        query: (M,) query code.
        level: (M,) which grade it has, from 0.
        rank: (M,) rank that the system gave it, from 0; -1 = not returned.
        weight: (M,) 1 / probability.
    """

    query: Ints
    level: Ints
    rank: Ints
    weight: Floats


@dataclass(frozen=True, slots=True)
class Model:
    """Shares of the grades by band of ranks and effect of the query.

    Attributes:
        graded: (T, R, K) of graded pairs, at each of T effects, in each of R bands.
        missing: (T, R, K) of the others; the same where all pairs were as likely.
        chance: (T,) of the effects.
    """

    graded: Floats
    missing: Floats
    chance: Floats

    def posterior(self, graded: Graded, band: Ints, n_queries: int) -> Floats:
        """(N, T) chances of the effects of each query, given its graded pairs."""
        logs = np.log(self.graded)
        likelihood = np.column_stack(
            [np.bincount(graded.query, at[band, graded.level], minlength=n_queries) for at in logs]
        )
        likelihood += np.log(self.chance)
        likelihood -= likelihood.max(axis=1, keepdims=True)
        weights = np.exp(likelihood)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Candidates:
    """What is known, and expected, of the candidates of N queries.

    Attributes:
        known: (N, K) graded candidates of each grade.
        missing: (N, R) candidates without a grade in each band of ranks.
        model: What their grades may be.
        posterior: (N, T) chances of each query's effect.
    """

    known: Ints
    missing: Ints
    model: Model
    posterior: Floats


def candidates_of(
    graded: Graded, unjudged: tuple[Ints, Ints], sizes: Floats, n_levels: int, *, seed: int
) -> Candidates:
    """What the graded pairs say of all candidates.

    Args:
        graded: The graded pairs.
        unjudged: Query code and rank of every returned Pin without a grade, by rank in a query.
        sizes: (N,) candidates of each query; NaN = as many as queries have on average, 0 = nothing
            could be drawn of it.
        n_levels: K.
        seed: Seed of the choice of queries that the model is fitted to.
    """
    n = len(sizes)
    place = graded.query * n_levels + graded.level
    known = np.bincount(place, minlength=n * n_levels).reshape(n, n_levels)
    edges = _edges(graded.rank)
    band = _band(graded.rank, edges)
    left = _filled(graded, known.sum(axis=1), sizes) - known.sum(axis=1)
    query, rank = unjudged
    before = np.bincount(query, minlength=n).cumsum() - np.bincount(query, minlength=n)
    first = np.arange(len(query)) - before[query] < left[query]
    n_bands = len(edges) + 2
    cells = query[first] * n_bands + _band(rank[first], edges)
    missing = np.bincount(cells, minlength=n * n_bands).reshape(n, n_bands)
    missing[:, -1] += left - missing.sum(axis=1)
    model = _fitted(*_some(graded, band, n, seed), n_bands, n_levels)
    return Candidates(known, missing, model, model.posterior(graded, band, n))


def reciprocals(
    candidates: Candidates, levels: Floats, measure: Measure, scale: GradeScale, *, seed: int
) -> tuple[Floats, Floats]:
    """(N,) E[1 / ideal] of each query, 0 where there is nothing to find; P(there is something).

    Args:
        candidates: What is known of them.
        levels: (K,) the grades, ascending.
        measure: nDCG or R.
        scale: Scale of the grades.
        seed: Seed of the draws.
    """
    ideal = _ideal_of(measure, levels, scale)
    rng = generator(seed, "ideal")
    inverse, something = np.zeros(len(candidates.known)), np.zeros(len(candidates.known))
    sure = ~candidates.missing.any(axis=1)
    inverse[sure], something[sure] = _inverted(ideal(candidates.known[sure]))
    open_ = np.flatnonzero(~sure)
    for start in range(0, len(open_), _AT_ONCE):
        rows = open_[start : start + _AT_ONCE]
        once, there = _inverted(ideal(_drawn(candidates, rows, rng)))
        inverse[rows], something[rows] = once.mean(axis=0), there.mean(axis=0)
    return inverse, something


def _drawn(candidates: Candidates, rows: Ints, rng: np.random.Generator) -> Ints:
    """(DRAWS, n, K) counts of the grades of all candidates of some queries."""
    reached = np.cumsum(candidates.posterior[rows], axis=1)
    node = (rng.random((DRAWS, len(rows)))[:, :, None] > reached).sum(axis=2)
    node = np.minimum(node, reached.shape[1] - 1)
    counts = np.broadcast_to(candidates.known[rows], (DRAWS, *candidates.known[rows].shape)).copy()
    for band in range(candidates.missing.shape[1]):
        shares = candidates.model.missing[node, band]
        counts += rng.multinomial(candidates.missing[rows, band], shares)
    return counts


def _filled(graded: Graded, known: Ints, sizes: Floats) -> Ints:
    """(N,) candidates of each query, no fewer than are graded."""
    n = len(sizes)
    usual = np.round(graded.weight.sum() / max(np.count_nonzero(sizes != 0), 1))
    certain = (known > 0) & (np.bincount(graded.query, graded.weight > 1, minlength=n) == 0)
    guessed = np.where(certain, known, np.maximum(known, usual))
    return np.where(np.isnan(sizes), guessed, np.maximum(np.nan_to_num(sizes), known)).astype(
        np.int64
    )


def _edges(rank: Ints) -> Ints:
    """Ranks at which a new band begins, so that each has enough graded pairs."""
    returned = np.sort(rank[rank >= 0])
    n_bands = min(_BANDS, len(returned) // _IN_BAND)
    cuts = [returned[len(returned) * part // n_bands] for part in range(1, n_bands)]
    return np.unique(np.array([cut for cut in cuts if cut > 0], dtype=np.int64))


def _band(rank: Ints, edges: Ints) -> Ints:
    """(M,) band of each rank; what was not returned has one of its own, the last."""
    band = np.searchsorted(edges, rank, side="right")
    return np.where(rank < 0, len(edges) + 1, band).astype(np.int64)


def _some(graded: Graded, band: Ints, n_queries: int, seed: int) -> tuple[Graded, Ints, int]:
    """The pairs of some queries, where there are more than it takes to fit the model."""
    if len(graded.query) <= _FITTED:
        return graded, band, n_queries
    share = _FITTED / len(graded.query)
    chosen = generator(seed, "fitted").random(n_queries) < share
    rows = np.flatnonzero(chosen[graded.query])
    code = np.cumsum(chosen) - 1
    some = Graded(
        code[graded.query[rows]], graded.level[rows], graded.rank[rows], graded.weight[rows]
    )
    return some, band[rows], int(chosen.sum())


def _fitted(graded: Graded, band: Ints, n_queries: int, n_bands: int, n_levels: int) -> Model:
    """The model, by expectation and maximisation of the likelihood of the graded pairs."""
    place = band * n_levels + graded.level
    seen = np.bincount(place, minlength=n_bands * n_levels).reshape(n_bands, n_levels)
    pooled = (seen.sum(axis=0) / seen.sum() + 1e-3) / (1 + 1e-3 * n_levels)
    seen = seen + _SMOOTHED * pooled
    base = seen / seen.sum(axis=1, keepdims=True)
    steps = np.arange(n_levels) - pooled @ np.arange(n_levels)
    nodes, chance = np.polynomial.hermite_e.hermegauss(_NODES)
    chance = chance / chance.sum()
    odds = _odds_left(graded, band, n_bands, n_levels)
    judged = np.bincount(graded.query, minlength=n_queries) > 0
    spread = 0.5
    for _ in range(_ROUNDS):
        shares = _tilted(base, spread * nodes, steps)
        model = Model(shares, _reweighted(shares, odds), chance)
        posterior = model.posterior(graded, band, n_queries)
        by_band = np.column_stack(
            [
                np.bincount(band, posterior[graded.query, t], minlength=n_bands)
                for t in range(_NODES)
            ]
        )
        expected = np.einsum("rt,trk->rk", by_band, shares)
        expected += _SMOOTHED * np.einsum("t,trk->rk", chance, shares)
        before = base
        base = np.maximum(base * seen / expected, 1e-9)
        base /= base.sum(axis=1, keepdims=True)
        wider = spread * float(np.sqrt((posterior[judged] @ nodes**2).mean()))
        done = abs(wider - spread) < _NEAR and np.abs(base - before).max() < _NEAR
        spread = max(wider, 1e-3)
        if done:
            break
    shares = _tilted(base, spread * nodes, steps)
    return Model(shares, _reweighted(shares, odds), chance)


def _odds_left(graded: Graded, band: Ints, n_bands: int, n_levels: int) -> Floats:
    """(K,) how many pairs of each grade were not drawn for one that was, but for a factor.

    A drawn pair stands for 1 / π - 1 that were not. What these have in common in a query or a band
    of ranks says nothing of grades, so that it is a factor of its own: 1 / π - 1 is taken as query
    × band × grade, whose factors are found in turn (Poisson regression).
    """
    left = graded.weight - 1
    by_query, by_band = np.ones(int(graded.query.max()) + 1), np.ones(n_bands)
    by_level = np.ones(n_levels)
    factors = [
        (graded.query, by_query), (band, by_band), (graded.level, by_level),
    ]  # fmt: skip
    for _ in range(_ROUNDS):
        before = by_level.copy()
        for codes, factor in factors:
            others = by_query[graded.query] * by_band[band] * by_level[graded.level] / factor[codes]
            found = np.bincount(codes, left, minlength=len(factor))
            expected = np.bincount(codes, others, minlength=len(factor))
            known = (found > 0) & (expected > 0)
            factor[known] = found[known] / expected[known]
        if np.abs(by_level / before - 1).max() < _NEAR:
            break
    return by_level


def _reweighted(shares: Floats, odds: Floats) -> Floats:
    """(T, R, K) shares of the grades of what was not drawn, from those of what was."""
    left = shares * odds
    return np.asarray(left / left.sum(axis=2, keepdims=True))


def _tilted(base: Floats, effects: Floats, steps: Floats) -> Floats:
    """(T, R, K) shares of the grades, tilted by each effect."""
    shares = base * np.exp(effects[:, None] * steps)[:, None, :]
    return np.asarray(shares / shares.sum(axis=2, keepdims=True))


def _inverted(ideal: Floats) -> tuple[Floats, Floats]:
    there = ideal > 0
    return np.divide(1.0, ideal, out=np.zeros_like(ideal), where=there), there.astype(np.float64)


def _ideal_of(measure: Measure, levels: Floats, scale: GradeScale) -> Callable[[Ints], Floats]:
    """What gives (…,) ideals of (…, K) counts of the grades."""
    options = dict(measure.options)
    if measure.metric.name == "R":
        rel = int(options.get("rel", scale.relevant_from))
        relevant = levels >= rel
        return lambda counts: counts[..., relevant].sum(axis=-1).astype(np.float64)
    gain = options.get("gain")
    gains = scale.gains(levels, None if gain is None else str(gain))
    best = np.argsort(-gains, kind="stable")

    def dcg(counts: Ints) -> Floats:
        ends = np.cumsum(counts[..., best], axis=-1)
        if measure.cutoff is not None:
            ends = np.minimum(ends, measure.cutoff)
        discounts = 1.0 / np.log2(np.arange(2.0, int(ends.max(initial=0)) + 2))
        reached = np.concatenate(([0.0], np.cumsum(discounts)))[ends]
        steps = np.diff(reached, axis=-1, prepend=0.0)
        return np.asarray(steps @ gains[best])

    return dcg
