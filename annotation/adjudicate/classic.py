"""The classic models of annotators: one-coin, and Dawid and Skene's confusion matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from annotation.adjudicate.counting import majority
from annotation.adjudicate.votes import UNKNOWN, Floats, Votes, normal, softmax, tally

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

STEPS = 100
_TOLERANCE = 1e-6
_FLOOR = 1e-10  # crowd-kit's, so that the two agree


def dawid_skene(votes: Votes, *, steps: int = STEPS, tolerance: float = _TOLERANCE) -> Floats:
    """Dawid & Skene's EM by maximum likelihood, from the shares of the votes.

    Args:
        votes: The votes; gold pairs keep their level throughout.
        steps: EM steps at most.
        tolerance: Stops once no probability moves further; below 0 for exactly `steps` steps.

    Returns:
        Posterior, (n_items, n_levels), rows summing to 1.

    References:
        Dawid and Skene (1979), Maximum likelihood estimation of observer error-rates using the EM
        algorithm.
    """
    cells = votes.cells()
    back = cells.T.tocsr()
    seen = np.asarray(back.sum(axis=1)).reshape(votes.n_annotators, votes.n_levels, 1) > 0
    truth = _clamped(votes, majority(votes))
    for _ in range(steps):
        counts = np.asarray(back @ truth).reshape(*seen.shape[:2], votes.n_levels)
        confusion = np.where(seen, np.maximum(counts, _FLOOR), 0.0)  # annotator, vote, truth
        confusion /= np.maximum(confusion.sum(axis=1, keepdims=True), _FLOOR)
        logs = np.log(np.where(seen, confusion, 1.0)).reshape(-1, votes.n_levels)
        prior = np.log(np.maximum(truth.mean(axis=0), _FLOOR))
        updated = _clamped(votes, softmax(prior + np.asarray(cells @ logs)))
        moved = float(np.abs(updated - truth).max())
        truth = updated
        if moved < tolerance:
            break
    return truth


def one_coin(votes: Votes) -> Floats:
    """EM with one accuracy an annotator, whose errors fall on all other grades alike.

    An accuracy is smoothed by two pseudo-votes at the mean of all.
    """
    posterior, _ = fit_one_coin(votes)
    return posterior


def fit_one_coin(votes: Votes) -> tuple[Floats, Floats]:
    """Posterior (n_items, K) and accuracies (n_annotators,) of `one_coin`."""
    cells = votes.cells()
    truth = _clamped(votes, majority(votes))
    accuracy: Floats = np.zeros(votes.n_annotators)
    given = np.bincount(votes.annotator, minlength=votes.n_annotators)
    for _ in range(STEPS):
        right = truth[votes.item, votes.level]
        mean = float(right.mean()) if right.size else 0.5
        hits = np.bincount(votes.annotator, right, minlength=votes.n_annotators)
        accuracy = np.clip((hits + 2 * mean) / (given + 2), 1e-3, 1 - 1e-3)
        updated = _clamped(votes, _one_coin_step(votes, cells, truth, accuracy))
        moved = float(np.abs(updated - truth).max(initial=0.0))
        truth = updated
        if moved < _TOLERANCE:
            break
    return truth, accuracy


def _one_coin_step(votes: Votes, cells: csr_matrix, truth: Floats, accuracy: Floats) -> Floats:
    k = votes.n_levels
    odds = np.log(accuracy * max(k - 1, 1) / (1 - accuracy))
    each = np.kron(odds, np.ones(k))[:, None] * np.tile(np.eye(k), (votes.n_annotators, 1))
    prior = np.log(normal(truth.sum(axis=0) + 1 / k))
    return softmax(prior + np.asarray(cells @ each))


def confusions(votes: Votes, posterior: Floats, target: Floats, strength: float) -> Floats:
    """P(vote | truth) of each annotator, (n_annotators, K, K): counts shrunk to `target`."""
    k = votes.n_levels
    columns = votes.annotator * k + votes.level
    shares = posterior[votes.item]
    counts = np.stack(
        [tally(columns, votes.n_annotators, k, shares[:, level]) for level in range(k)], axis=1
    )
    return normal(counts + strength * target)


def _clamped(votes: Votes, posterior: Floats) -> Floats:
    """`posterior` with certainty where gold is known."""
    if not votes.gold.size:
        return posterior
    eye: Floats = np.eye(votes.n_levels)
    known = votes.gold != UNKNOWN
    return np.where(known[:, None], eye[np.where(known, votes.gold, 0)], posterior)
