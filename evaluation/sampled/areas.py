"""Areas under curves of weighted pairs, with every pair's influence.

With weights of 1 both are those of `evaluation.metrics.threshold`; a whole weight is as many equal
pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from evaluation.sampled.variance import Bools, Floats, Ints, sums


def weighted_auroc(labels: Bools, scores: Floats, weights: Floats) -> tuple[float, Floats]:
    """Weighted share of (positive, negative) couples in which the positive scores higher, ties ½.

    Args:
        labels: (N,) whether the human grade is at least t.
        scores: (N,) P(grade ≥ t).
        weights: (N,) what each pair stands for, above 0.

    Returns:
        The area, in [0, 1]; (N,) area(weights) ≈ area + Σ (relative change of a weight) × it.

    Undefined:
        NaN (and no influence) if all labels are equal.
    """
    tied, positive, negative = _by_score(labels, scores, weights)
    all_positive, all_negative = positive.sum(), negative.sum()
    if all_positive == 0 or all_negative == 0:
        return float("nan"), np.zeros(len(labels))
    beaten = np.cumsum(negative) - negative / 2
    beating = all_positive - np.cumsum(positive) + positive / 2
    once = all_positive * all_negative
    area = float(positive @ beaten) / once
    slope = np.where(
        labels,
        beaten[tied] / once - area / all_positive,
        beating[tied] / once - area / all_negative,
    )
    return area, weights * slope


def weighted_auprc(labels: Bools, scores: Floats, weights: Floats) -> tuple[float, Floats]:
    """Average precision of weighted pairs: Σ (recall step) × precision over the distinct scores.

    Args:
        labels: (N,) whether the human grade is at least t.
        scores: (N,) P(grade ≥ t).
        weights: (N,) what each pair stands for, above 0.

    Returns:
        The area, in (0, 1], and (N,) influence, as of `weighted_auroc`.

    Undefined:
        NaN (and no influence) if all labels are equal.
    """
    tied, positive, negative = _by_score(labels, scores, weights)
    all_positive = positive.sum()
    if all_positive == 0 or negative.sum() == 0:
        return float("nan"), np.zeros(len(labels))
    hits = np.cumsum(positive[::-1])[::-1]
    above = np.cumsum((positive + negative)[::-1])[::-1]
    precision = hits / above
    share = positive / all_positive
    area = float(share @ precision)
    # a pair changes the precision at its own score and at every lower one
    first, second = np.cumsum(share / above), np.cumsum(share * precision / above)
    gained = precision / all_positive + first - second - area / all_positive
    return area, weights * np.where(labels, gained[tied], -second[tied])


AREAS: Mapping[str, Callable[[Bools, Floats, Floats], tuple[float, Floats]]] = {
    "AUROC": weighted_auroc,
    "AUPRC": weighted_auprc,
}
"""The weighted form of every metric of the threshold family, by name."""


def _by_score(labels: Bools, scores: Floats, weights: Floats) -> tuple[Ints, Floats, Floats]:
    """(N,) place of each score among the different ones, ascending; (S,) weights of each label."""
    _, tied = np.unique(scores, return_inverse=True)
    n = int(tied.max(initial=-1)) + 1
    positive = sums(tied, np.where(labels, weights, 0.0), n)
    negative = sums(tied, np.where(labels, 0.0, weights), n)
    return tied.astype(np.int64), positive, negative
