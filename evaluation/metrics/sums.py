"""Metrics of predicted grades that are a function of sums over pairs, not a mean of pair values.

A metric's function gives (N, m) columns; the figure is its `finish` of their sums over the pairs,
which takes (..., m) sums and so also those of resampled queries. Sums of nothing are NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.pointwise import Floats, predicted_grade

BINS = 15
"""Bins of ECE unless it says otherwise (Guo et al., ICML 2017)."""

_ROUNDING = 1e-12


def qwk(grades: Floats, probabilities: Floats) -> Floats:
    """(N, 5) columns of the quadratic weighted kappa: 1, (g - p)², g, p, g² + p².

    g is the human grade and p the most probable one, both counted from the middle of the scale, so
    that their sums stay exact.
    """
    middle = (probabilities.shape[1] + 1) / 2
    g, p = grades - middle, predicted_grade(probabilities) - middle
    return np.column_stack([np.ones(len(g)), (g - p) ** 2, g, p, g * g + p * p])


def qwk_of(sums: Floats) -> Floats:
    """1 - observed / expected squared distance, of (..., 5) sums. In [-1, 1].

    With n pairs, the distance expected of independent grades is
    (n Σ(g² + p²) - 2 Σg Σp) / n, which is Σ_ij (i - j)² row_i column_j / n.

    Undefined:
        NaN where all human grades and all predicted ones are the same grade.
    """
    n, distance, human, predicted, squares = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    expected = n * squares - 2 * human * predicted
    return 1 - _ratio(n * distance, expected, expected > _ROUNDING * n * squares)


def ece(grades: Floats, probabilities: Floats, *, bins: int = BINS) -> Floats:
    """(N, 1 + bins) columns of the calibration error: 1, and in the pair's bin (confidence - hit).

    The confidence is the highest probability; bin b of B holds ((b - 1) / B, b / B]; hit is 1
    where the most probable grade is the human one.
    """
    confidence = np.asarray(probabilities.max(axis=1), dtype=np.float64)
    columns = np.zeros((len(confidence), 1 + bins))
    columns[:, 0] = 1.0
    at = 1 + np.searchsorted(np.arange(1, bins) / bins, confidence, side="left")
    hit = predicted_grade(probabilities) == grades
    columns[np.arange(len(confidence)), at] = confidence - hit
    return columns


def ece_of(sums: Floats, *, bins: int = BINS) -> Floats:
    """Σ_b |Σ (confidence - hit)| / n, of (..., 1 + bins) sums. In [0, 1].

    Undefined:
        NaN without a pair.
    """
    sums = np.asarray(sums, dtype=np.float64)
    gap = np.abs(sums[..., 1 : 1 + bins]).sum(axis=-1)
    return _ratio(gap, sums[..., 0], sums[..., 0] > 0)


def confusion(grades: Floats, probabilities: Floats, *, grade: int, predicted: int) -> Floats:
    """(N, 2) columns: 1 where the human grade is `grade`; and where the predicted one fits too."""
    human = grades == grade
    both = human & (predicted_grade(probabilities) == predicted)
    return np.column_stack([human, both]).astype(np.float64)


def confusion_of(sums: Floats, *, grade: int, predicted: int) -> Floats:  # noqa: ARG001
    """Share of the pairs graded so that are predicted so, of (..., 2) sums. In [0, 1].

    Undefined:
        NaN where no pair has that human grade.
    """
    sums = np.asarray(sums, dtype=np.float64)
    return _ratio(sums[..., 1], sums[..., 0], sums[..., 0] > 0)


def _ratio(numerator: Floats, denominator: Floats, defined: NDArray[np.bool_]) -> Floats:
    """Numerator / denominator, NaN where not defined."""
    return np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)
