"""Metrics of P(grade ≥ t) against the human grade binarised at t, with their influence values.

A value's influence says how the metric moves when a pair gets a little more weight:
metric(weights) ≈ metric + Σ (weight - 1) × influence, and Σ influence = 0. Summed by query, it
gives standard errors and bootstrap replicates that respect the clustering by query, at the cost of
one sort (Obuchowski, Biometrics 1997, for AUROC; the same derivative for average precision).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def at_least(probabilities: Floats, threshold: int) -> Floats:
    """(N,) P(grade ≥ threshold) of (N, K) probabilities of the grades 1 … K."""
    return np.asarray(probabilities[:, threshold - 1 :].sum(axis=1), dtype=np.float64)


def auroc(labels: Bools, scores: Floats) -> tuple[float, Floats]:
    """Probability that a positive pair outscores a negative one, ties counting ½.

    Args:
        labels: (N,) whether the human grade is at least t.
        scores: (N,) P(grade ≥ t).

    Returns:
        The area, in [0, 1], and the (N,) influence of each pair.

    Undefined:
        NaN (and zero influence) if all labels are equal.
    """
    n_positive = int(labels.sum())
    n_negative = len(labels) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan"), np.zeros(len(labels))
    order, group, sizes = _ties(scores)
    positive = np.bincount(group, weights=labels[order], minlength=len(sizes))
    negative = sizes - positive
    beaten = (np.cumsum(negative) - negative / 2) / n_negative  # negatives below, by score
    beating = 1 - (np.cumsum(positive) - positive / 2) / n_positive  # positives above
    placement = np.empty(len(labels))
    placement[order] = np.where(labels[order], beaten[group], beating[group])
    area = float(placement[labels].mean())
    return area, (placement - area) / np.where(labels, n_positive, n_negative)


def auprc(labels: Bools, scores: Floats) -> tuple[float, Floats]:
    """Average precision: Σ (recall step) × precision over the distinct scores, highest first.

    Args:
        labels: (N,) whether the human grade is at least t.
        scores: (N,) P(grade ≥ t).

    Returns:
        The area, in (0, 1], and the (N,) influence of each pair.

    Undefined:
        NaN (and zero influence) if all labels are equal.
    """
    n_positive = int(labels.sum())
    if n_positive in (0, len(labels)):
        return float("nan"), np.zeros(len(labels))
    order, group, sizes = _ties(-scores)
    positive = np.bincount(group, weights=labels[order], minlength=len(sizes))
    above = np.cumsum(sizes)  # pairs at or above each score
    precision = np.cumsum(positive) / above
    area = float(positive @ precision) / n_positive
    # a pair at score s changes the precision at every score ≤ s: sums from the lowest score up
    once = np.cumsum((positive / above)[::-1])[::-1]
    twice = np.cumsum((positive * precision / above)[::-1])[::-1]
    own = labels[order] * (precision[group] - area + once[group]) - twice[group]
    influence = np.empty(len(labels))
    influence[order] = own / n_positive
    return area, influence


def _ties(scores: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Ascending order, number of the tie group of each sorted pair, and size of each group."""
    order = np.argsort(scores, kind="stable")
    ascending = scores[order]
    group = np.concatenate(([0], np.cumsum(ascending[1:] != ascending[:-1])))
    return order, group, np.bincount(group).astype(np.float64)
