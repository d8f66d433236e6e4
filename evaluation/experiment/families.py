"""Comparisons that are read together: adjusted p-values, intervals to match, shrunk effects.

Twenty countries looked at one by one show a "significant" one by chance more often than not. Here
a family is claimed at α together, and each interval takes the level of its own claim, so that it
excludes 0 exactly where the adjusted p is below α. Shrunk effects answer another question: what
to expect of a group, given that it is one of many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from evaluation.multiplicity import adjustment, benjamini_hochberg, holm

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Member:
    """What being one of a family makes of a p-value.

    Attributes:
        p_adjusted: Below α where the family claims a difference.
        q_value: The same by Benjamini-Hochberg: below α where exploration finds one.
        level: Level of the interval that excludes 0 exactly where `p_adjusted` < α.
    """

    p_adjusted: float
    q_value: float
    level: float


def family(p_values: Sequence[float], *, alpha: float, adjust: str = "holm") -> list[Member]:
    """The members of a family, in the order of their p-values.

    Args:
        p_values: (m,) in [0, 1].
        alpha: Family-wise error (`holm`) or false discovery rate (`bh`).
        adjust: `holm` for claims, `bh` for exploration.

    Raises:
        InputError: There is no such way to adjust.
    """
    adjusted, q_values = adjustment(adjust)(p_values), benjamini_hochberg(p_values)
    levels = {"holm": holm_levels, "bh": bh_levels}[adjust](p_values, alpha)
    return [
        Member(*each)
        for each in zip(adjusted.tolist(), q_values.tolist(), levels.tolist(), strict=True)
    ]


def holm_levels(p_values: Sequence[float], alpha: float) -> Floats:
    """Levels of the intervals that go with Holm's claims; shape (m,).

    A claim made at Holm's step j takes 1 - α/(m - j + 1), everything else the level of the step k
    at which Holm stops.
    """
    p = np.asarray(p_values, dtype=float)
    m = len(p)
    claimed = holm(p_values) < alpha
    step = np.empty(m)
    step[np.argsort(p, kind="stable")] = np.arange(1, m + 1)
    step = np.minimum(step, claimed.sum() + 1)
    return np.asarray(1 - alpha / (m - step + 1))


def bh_levels(p_values: Sequence[float], alpha: float) -> Floats:
    """Level of the intervals that go with Benjamini-Hochberg's R discoveries: 1 - αR/m; (m,).

    Among the intervals of the discoveries, a share of at most α misses (false-coverage rate). With
    no discovery it is that of the first step, 1 - α/m.

    References:
        Benjamini & Yekutieli (2005), False discovery rate-adjusted multiple confidence intervals.
    """
    m = len(p_values)
    found = int((benjamini_hochberg(p_values) < alpha).sum())
    return np.full(m, 1 - alpha * max(found, 1) / max(m, 1))


@dataclass(frozen=True, slots=True)
class Shrunk:
    """Effects of groups, pulled towards their common mean.

    Attributes:
        effects: (m,) posterior means.
        low: (m,) lower ends of their intervals.
        high: (m,) upper ends.
        mean: The groups' estimated mean effect.
        between: Estimated variance of true effects between groups, τ².
    """

    effects: Floats
    low: Floats
    high: Floats
    mean: float
    between: float


def shrink(effects: Sequence[float], variances: Sequence[float], *, level: float) -> Shrunk | None:
    """Empirical-Bayes effects: true effects normal around a mean, estimates normal around them.

    τ² is Paule and Mandel's. Each effect keeps the share τ²/(τ² + v) of its distance to the mean.
    The interval's variance is Morris's: that of the posterior, widened for the estimated mean and
    for the estimated τ² (with three groups as if there were four). In simulation intervals of 95 %
    hold 90 to 99 % of the true effects, with three groups or with twenty; without the widening as
    few as 31 %.

    Args:
        effects: (m,) estimates.
        variances: (m,) their sampling variances, above 0.
        level: Of the intervals.

    Returns:
        None with fewer than three groups: two cannot tell how groups vary.

    References:
        Paule & Mandel (1982), Consensus values and weighting factors; Morris (1983), Parametric
        empirical Bayes inference, JASA 78, eq. 4.1.
    """
    y, v = np.asarray(effects, dtype=float), np.asarray(variances, dtype=float)
    m = len(y)
    if m < 3:
        return None
    between = paule_mandel(y, v)
    weight = 1 / (v + between)
    mean = float(weight @ y / weight.sum())
    pulled = v * weight
    of_mean = pulled**2 / weight.sum()
    of_between = 2 / max(m - 3, 1) * pulled**2 * (y - mean) ** 2
    variance = v * (1 - pulled) + of_mean + of_between
    middle = mean + (1 - pulled) * (y - mean)
    half = float(ndtri((1 + level) / 2)) * np.sqrt(variance)
    return Shrunk(middle, middle - half, middle + half, mean, between)


def paule_mandel(effects: Floats, variances: Floats) -> float:
    """The variance between groups at which their Q is what it should be, m - 1; 0 if never.

    References:
        DerSimonian & Kacker (2007), Random-effects model for meta-analysis, eq. 8: Newton's steps
        from 0, which never overshoot, as Q is convex in τ².
    """
    between = 0.0
    for _ in range(200):
        weight = 1 / (variances + between)
        squares = (effects - weight @ effects / weight.sum()) ** 2
        excess = float(weight @ squares) - (len(effects) - 1)
        if excess <= 1e-12 * len(effects):
            break
        between += excess / float(weight**2 @ squares)
    return between
