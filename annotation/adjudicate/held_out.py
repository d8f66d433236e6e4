"""Candidates compared by how well they foretell votes that they have not seen; truth plays no part.

A fifth of the votes is held out; each candidate sees the others and gives every held-out vote a
probability. The mean log of it is the candidate's score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from annotation.adjudicate.classic import fit_one_coin
from annotation.adjudicate.counting import kernel, smoothed
from annotation.adjudicate.model import Settings, fit, read
from annotation.adjudicate.votes import Bools, Floats, Ints, Votes, normal
from relevance.progress import Progress, silent

FOLDS = 5
MOST_VOTES = 20_000
"""Votes that the comparison is made on; of more, those on a random part of the pairs."""

_WORK = 40_000  # votes × folds: small sets use every fold, large ones the first two
CORRELATIONS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)
"""Correlations of errors on a pair that are tried, ascending."""
_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Scores:
    """What held-out votes say.

    Attributes:
        base: Mean log likelihood of held-out votes from the shares of the levels alone, in nats.
        simple: Simple method → mean log likelihood.
        families: Settings → mean log likelihood at each of `CORRELATIONS`.
    """

    base: float
    simple: dict[str, float]
    families: dict[Settings, Floats]

    @property
    def best(self) -> float:
        """The highest score of a family; -inf if there is none."""
        return max((float(each.max()) for each in self.families.values()), default=-np.inf)

    def by_kind(self) -> dict[str, float]:
        """Kind of model → the highest score of its families."""
        found: dict[str, float] = {}
        for settings, each in self.families.items():
            found[settings.kind] = max(found.get(settings.kind, -np.inf), float(each.max()))
        return found


def compare(votes: Votes, grid: Sequence[Settings], progress: Progress = silent) -> Scores:
    """Scores of the simple methods and of the model under each of `grid`.

    Args:
        votes: At least one vote.
        grid: Hyper-parameters to try.
        progress: Told after each fold and each of `grid`.
    """
    some = sampled(votes)
    base, simple = 0.0, {"majority": 0.0, "smoothed": 0.0, "one-coin": 0.0}
    families = {settings: np.zeros(len(CORRELATIONS)) for settings in grid}
    n, done, used = 0, 0, int(np.clip(_WORK // max(some.n, 1), 2, FOLDS))
    for train, test in _folds(some, used):
        n += test.n
        counted = np.bincount(train.level, minlength=train.n_levels).astype(np.float64)
        shares = normal(counted + 1.0)
        base += float(np.log(shares[test.level]).sum())
        for name, likelihood in _simple(train, test, shares).items():
            simple[name] += float(np.log(likelihood).sum())
        for settings in grid:
            families[settings] += _foretold(train, test, settings)
            done += 1
            progress(done, used * len(grid), f"{settings.kind}, held-out votes")
    n = max(n, 1)
    return Scores(
        base / n,
        {name: total / n for name, total in simple.items()},
        {settings: total / n for settings, total in families.items()},
    )


def sampled(votes: Votes) -> Votes:
    """All votes, or those on a random part of the pairs so that about `MOST_VOTES` are left."""
    if votes.n <= MOST_VOTES:
        return votes
    order = np.random.default_rng(0).permutation(votes.n_items)
    enough = np.searchsorted(np.cumsum(votes.per_item[order]), MOST_VOTES) + 1
    chosen = np.zeros(votes.n_items, dtype=bool)
    chosen[order[:enough]] = True
    return votes.of_items(chosen)


def _folds(votes: Votes, used: int) -> Iterator[tuple[Votes, Votes]]:
    fold = np.random.default_rng(1).permutation(votes.n) % FOLDS
    for k in range(used):
        yield votes.only(fold != k), votes.only(fold == k)


def _simple(train: Votes, test: Votes, shares: Floats) -> dict[str, Floats]:
    """P(held-out vote) under the simple methods, (n_test,) each."""
    counts = train.counts()
    majority = (counts + shares) / (counts.sum(axis=1, keepdims=True) + 1)
    blurred = smoothed(train) @ kernel(train.n_levels, ordered=train.ordered)
    counted = counts.sum(axis=1) > 0  # a pair may have no vote left
    posterior = np.tile(shares, (train.n_items, 1))
    posterior[counted], accuracy = _coins(train, counted)
    right = posterior[test.item, test.level]
    each = accuracy[test.annotator]
    coin = right * each + (1 - right) * (1 - each) / max(train.n_levels - 1, 1)
    found = {
        "majority": majority[test.item, test.level],
        "smoothed": blurred[test.item, test.level],
        "one-coin": coin,
    }
    return {name: np.maximum(likelihood, _LEAST) for name, likelihood in found.items()}


def _coins(train: Votes, counted: Bools) -> tuple[Floats, Floats]:
    return fit_one_coin(train.of_items(counted))


def _foretold(train: Votes, test: Votes, settings: Settings) -> Floats:
    """Sum of log P(held-out vote) at each of `CORRELATIONS`, (n_correlations,)."""
    fitted = fit(train, settings)
    emission = fitted.emission[test.annotator * test.n_levels + test.level]
    starts = np.searchsorted(test.item, np.arange(test.n_items + 1))
    totals = np.zeros(len(CORRELATIONS))
    for index, correlation in enumerate(CORRELATIONS):
        for block, states in read(fitted, train, correlation):
            of_block = slice(starts[block.start], starts[block.stop])
            rows: Ints = test.item[of_block] - block.start
            likelihood = (states[rows] * emission[of_block]).sum(axis=1)
            totals[index] += float(np.log(np.maximum(likelihood, _LEAST)).sum())
    return totals
