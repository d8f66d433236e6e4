"""Methods that count: majority, median, and votes blurred to neighbouring grades."""

from __future__ import annotations

import numpy as np

from annotation.adjudicate.votes import Floats, Votes, normal, softmax

REACH = 0.75
"""Levels over which an unknown annotator's vote falls to 1/e."""


def majority(votes: Votes) -> Floats:
    """Shares of the votes; so the grade is the most frequent, the lower on ties."""
    return normal(votes.counts())


def median(votes: Votes) -> Floats:
    """Half on the lower median, half the shares of the votes: the grade is the lower median."""
    counts = votes.counts()
    half = (counts.sum(axis=1, keepdims=True) + 1) // 2
    middle = np.argmax(counts.cumsum(axis=1) >= half, axis=1)
    point: Floats = np.eye(votes.n_levels)[middle]
    return (point + majority(votes)) / 2


def smoothed(votes: Votes) -> Floats:
    """Bayes' rule with one assumed confusion: every annotator strays to neighbouring grades alike.

    For few votes: needs no knowledge of the annotators.
    """
    counts = votes.counts()
    blur = kernel(votes.n_levels, ordered=votes.ordered)
    prior = normal((counts @ blur).sum(axis=0) + 1 / votes.n_levels)
    return softmax(np.log(prior) + counts @ np.log(blur).T)


def kernel(n_levels: int, *, ordered: bool) -> Floats:
    """How far a vote reaches to other grades before anything is known; (K, K), rows sum to 1."""
    levels = np.arange(n_levels)
    distance = np.abs(levels[:, None] - levels[None, :])
    if not ordered:
        distance = np.minimum(distance, 1) * 2
    reach: Floats = np.exp(-distance / REACH)
    return normal(reach)
