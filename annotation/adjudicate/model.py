"""The default model: patterned annotators, hard items; EM over all pairs at once.

Each pair has a true level t, a level u that it may be taken for, and a difficulty d: an annotator
whose confusion is C votes v with probability (1-d)·C[t, v] + d·C[u, v]. So errors on one pair are
alike, as they are in life, and many votes for a hard pair are worth less than they seem. The
difficulty's density is ease·(1-d)^(ease-1); u falls as everybody's errors on t do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from annotation.adjudicate.counting import kernel
from annotation.adjudicate.patterns import PATTERNS, resembled
from annotation.adjudicate.votes import UNKNOWN, Floats, Ints, Votes, normal, softmax

_DIFFICULTIES = (0.2, 0.4, 0.6)
_MOST_LEVELS = 10
"""Scales with more levels get no hard pairs: their number grows with the square."""

_MOST_ENTRIES = 60_000_000
"""Likewise where a table (annotator · level) × state would outgrow this."""

_EASY_ROUNDS, _HARD_ROUNDS = 12, 8
_BLOCK = 200_000  # entries (pair, state) worked on at once, so that they stay in the cache
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Settings:
    """Hyper-parameters of the model.

    Attributes:
        kind: `ordinal` or `nominal`: the patterns that annotators are shrunk to.
        strength: Pseudo-votes a true level that pull an annotator to their pattern.
        ease: How rare hard pairs are: 3 many, 16 few, infinite none.
    """

    kind: str
    strength: float
    ease: float = 16.0


@dataclass(frozen=True, slots=True)
class States:
    """What a pair may be: every (true level, other level, difficulty).

    Attributes:
        mixture: Shares of the levels' confusions, (n_states, K), rows summing to 1.
        truth: True level, (n_states,).
        other: The level it may be taken for, (n_states,); the true one where difficulty is 0.
        difficulty: (n_states,).
    """

    mixture: Floats
    truth: Ints
    other: Ints
    difficulty: Floats

    def prior(self, levels: Floats, pooled: Floats, ease: float) -> Floats:
        """P(state), (n_states,), from that of the levels (K,) and everybody's confusion (K, K)."""
        taken = normal(pooled * (1 - np.eye(len(levels))) + 1e-3) if len(levels) > 1 else pooled
        other = np.where(self.other == self.truth, 1.0, taken[self.truth, self.other])
        return normal(levels[self.truth] * other * (1 - self.difficulty) ** (ease - 1))

    def truths(self, posterior: Floats) -> Floats:
        """P(level), (n, K), from P(state), (n, n_states)."""
        return posterior @ np.eye(self.mixture.shape[1])[self.truth]


def states_of(k: int, *, hard: bool) -> States:
    """One easy state a level, and with `hard` every two levels at every difficulty."""
    cells = [(level, level, 0.0) for level in range(k)]
    if hard:
        cells += [(t, u, d) for t in range(k) for u in range(k) if u != t for d in _DIFFICULTIES]
    truth, other = (np.array([cell[i] for cell in cells], dtype=np.int64) for i in (0, 1))
    difficulty = np.array([cell[2] for cell in cells])
    eye = np.eye(k)
    mixture = (1 - difficulty)[:, None] * eye[truth] + difficulty[:, None] * eye[other]
    return States(mixture, truth, other, difficulty)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model.

    Attributes:
        states: What a pair may be.
        prior: P(state), (n_states,).
        confusion: P(vote | true level) of each annotator, (n_annotators, K, K).
        emission: P(vote | state), (n_annotators · K, n_states), a row an annotator and vote.
    """

    states: States
    prior: Floats
    confusion: Floats
    emission: Floats


def fit(votes: Votes, settings: Settings) -> Fitted:
    """Fits the model by EM: first without hard pairs, then with them.

    Args:
        votes: The votes; gold pairs keep their level.
        settings: Hyper-parameters.
    """
    k = votes.n_levels
    start = normal(votes.counts() + 0.3)
    levels = normal(start.sum(axis=0))
    engine = _Engine(votes, settings)
    fitted = engine.maximised(engine.counted(start), levels, states_of(k, hard=False))
    for _ in range(_EASY_ROUNDS):
        fitted = engine.step(fitted, fitted.states)
    hard = states_of(k, hard=True)
    room = math.isfinite(settings.ease) and 2 <= k <= _MOST_LEVELS
    if room and fitted.emission.shape[0] * len(hard.truth) <= _MOST_ENTRIES:
        fitted = engine.step(fitted, hard)
        for _ in range(_HARD_ROUNDS):
            fitted = engine.step(fitted, hard)
    return fitted


def read(
    fitted: Fitted, votes: Votes, correlation: float, *, clamp: bool = True
) -> Iterator[tuple[slice, Floats]]:
    """P(state) of the pairs, block by block: (pairs, (n_pairs, n_states)).

    Args:
        fitted: A fitted model.
        votes: Votes of these annotators on any pairs.
        correlation: How alike the errors on a pair are beyond its difficulty, 0…1: n votes count as
            n / (1 + (n-1)·correlation).
        clamp: Whether gold pairs keep their level.
    """
    logs = np.log(fitted.emission)
    prior = np.log(np.maximum(fitted.prior, _TINY))
    worth = 1 / (1 + np.maximum(votes.per_item - 1, 0) * correlation)
    cells = votes.cells()
    rows = max(_BLOCK // len(prior), 1)
    for start in range(0, votes.n_items, rows):
        block = slice(start, min(start + rows, votes.n_items))
        evidence = np.asarray(cells[block] @ logs) * worth[block, None] + prior
        if clamp and votes.gold.size:
            gold = votes.gold[block, None]
            evidence[(gold != UNKNOWN) & (fitted.states.truth != gold)] = -np.inf
        yield block, softmax(evidence)


def posterior(fitted: Fitted, votes: Votes, correlation: float, *, clamp: bool = True) -> Floats:
    """P(level) of each pair, (n_items, K); arguments as `read`."""
    found = np.zeros((votes.n_items, votes.n_levels))
    for block, states in read(fitted, votes, correlation, clamp=clamp):
        found[block] = fitted.states.truths(states)
    return found


class _Engine:
    """The parts of an EM step that stay the same."""

    def __init__(self, votes: Votes, settings: Settings) -> None:
        self.votes = votes
        self.settings = settings
        self.cells = votes.cells()
        self.kernel = kernel(votes.n_levels, ordered=False)
        shares = np.bincount(votes.level, minlength=votes.n_levels)
        self.marginal = normal(shares.astype(np.float64) + 1.0)
        self.common: Floats = np.zeros(0)

    def counted(self, truth: Floats) -> Floats:
        """Expected votes, (n_annotators · K, K): a row an annotator and vote, truth in columns."""
        return np.asarray(self.cells.T @ truth)

    def step(self, fitted: Fitted, states: States) -> Fitted:
        """One round: P(state) under `fitted`, then the model that fits it best, on `states`."""
        k = self.votes.n_levels
        total, levels = np.zeros_like(fitted.emission), np.zeros(k)
        for block, found in read(fitted, self.votes, 0.0):
            total += self.cells[block].T @ found
            levels += fitted.states.truths(found).sum(axis=0)
        flat = fitted.confusion.transpose(0, 2, 1).reshape(-1, k)
        counts = (total / fitted.emission) @ fitted.states.mixture * flat
        return self.maximised(counts, normal(levels + 1.0), states)

    def maximised(self, counts: Floats, levels: Floats, states: States) -> Fitted:
        """The model from expected votes as `counted` gives them."""
        k = self.votes.n_levels
        by_annotator = counts.reshape(-1, k, k).transpose(0, 2, 1)  # annotator, truth, vote
        pooled = normal(by_annotator.sum(axis=0) + k * self.kernel)
        patterns = PATTERNS[self.settings.kind](pooled, self.marginal)
        if not self.common.size:
            self.common = np.full(len(patterns), 1 / len(patterns))
        target, self.common = resembled(by_annotator, patterns, self.common)
        confusion = normal(by_annotator + self.settings.strength * target)
        emission = confusion.transpose(0, 2, 1).reshape(-1, k) @ states.mixture.T
        prior = states.prior(levels, pooled, self.settings.ease)
        return Fitted(states, prior, confusion, emission)
