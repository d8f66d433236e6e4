"""Empirical Bayes: what is believed of one annotator, given how much annotators differ at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotation.graders.coded import Floats

_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Shrunk:
    """Figures pulled towards their mean, the uncertain ones further.

    Attributes:
        value: (A,) figures; NaN where they were undefined.
        error: (A,) their standard deviations.
        mean: The mean they are pulled to.
        spread: Standard deviation of the true figures among annotators.
    """

    value: Floats
    error: Floats
    mean: float
    spread: float


def shrink(value: Floats, error: Floats) -> Shrunk:
    """Normal means with known errors and unknown mean and spread.

    The spread is Paule and Mandel's: that which makes the weighted squares as large as expected.

    Args:
        value: (A,) figures; NaN = undefined.
        error: (A,) standard errors.

    References:
        Paule and Mandel, Journal of Research of the NBS 1982; Morris, JASA 1983.
    """
    known = ~np.isnan(value) & ~np.isnan(error) & (error > 0)
    out, sd = np.full(len(value), np.nan), np.full(len(value), np.nan)
    if not known.any():
        return Shrunk(out, sd, float("nan"), float("nan"))
    y, s2 = value[known], error[known] ** 2
    spread2 = paule_mandel(y, s2)
    w = 1 / (s2 + spread2)
    mean = float((w * y).sum() / w.sum())
    keep = spread2 / (spread2 + s2)
    out[known] = mean + keep * (y - mean)
    sd[known] = np.sqrt(keep * s2 + (1 - keep) ** 2 / w.sum())
    return Shrunk(out, sd, mean, float(np.sqrt(spread2)))


def paule_mandel(y: Floats, s2: Floats) -> float:
    """Variance of the true figures: the root τ² of Σ (y - mean)² / (s² + τ²) = n - 1, at least 0.

    Args:
        y: (n,) figures.
        s2: (n,) their error variances.
    """
    low, high = 0.0, float(np.ptp(y)) ** 2 + float(s2.max())
    s2 = np.maximum(s2, 1e-12)
    if len(y) < 2 or _excess(y, s2, 0.0) <= 0:
        return 0.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if _excess(y, s2, middle) > 0 else (low, middle)
    return (low + high) / 2


def _excess(y: Floats, s2: Floats, spread2: float) -> float:
    w = 1 / (s2 + spread2)
    mean = (w * y).sum() / w.sum()
    return float((w * (y - mean) ** 2).sum()) - (len(y) - 1)
