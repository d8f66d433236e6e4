"""The statistics of an experiment, on sums alone: whatever adds up over users decides everything.

A user contributes one row (x, y, x0, y0): outcome and sessions in the experiment, outcome and
sessions before it. `Moments` holds the number of users, the sums and the sums of products; moments
of disjoint groups of users add up, so days, countries and machines can be merged in any order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

VARIABLES = ("x", "y", "x0", "y0")
"""Outcome and sessions of a user in the experiment; the same before it."""

PRODUCTS = tuple((a, b) for i, a in enumerate(VARIABLES) for b in VARIABLES[i:])
"""Pairs of variables whose products are summed: the upper triangle."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over users.

    Attributes:
        n: Users.
        sums: Shape (4,), Σ of each of `VARIABLES`.
        products: Shape (4, 4), Σ of the product of each two; symmetric.
    """

    n: int
    sums: Floats
    products: Floats

    @classmethod
    def of(cls, users: Floats) -> Moments:
        """Moments of users given one by one; shape (n, 4), columns as `VARIABLES`."""
        users = np.asarray(users, dtype=np.float64)
        return cls(len(users), users.sum(axis=0), users.T @ users)

    @classmethod
    def of_sums(cls, n: float, sums: Mapping[str, float]) -> Moments:
        """Moments from named sums: `x`, `y`, …, `x_x`, `x_y`, … (see `PRODUCTS`)."""
        products = np.zeros((4, 4))
        for a, b in PRODUCTS:
            i, j = VARIABLES.index(a), VARIABLES.index(b)
            products[i, j] = products[j, i] = sums[f"{a}_{b}"]
        return cls(int(n), np.array([sums[name] for name in VARIABLES], dtype=float), products)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.sums + other.sums, self.products + other.products)

    @property
    def mean(self) -> Floats:
        """Means over users, shape (4,)."""
        return self.sums / self.n

    @property
    def covariance(self) -> Floats:
        """Sample covariance over users (divisor n - 1), shape (4, 4); NaN below two users."""
        if self.n < 2:
            return np.full((4, 4), np.nan)
        return (self.products - np.outer(self.sums, self.sums) / self.n) / (self.n - 1)


NOTHING = Moments(0, np.zeros(4), np.zeros((4, 4)))
"""Moments of no user at all; where sums start."""


def total(moments: Sequence[Moments]) -> Moments:
    """Moments of all these groups together."""
    return functools.reduce(Moments.__add__, moments, NOTHING)


@dataclass(frozen=True, slots=True)
class Arm:
    """An estimated rate of one variant.

    Attributes:
        value: The rate.
        variance: Of the estimate.
        per_df: Σ (variance part)²/(its degrees of freedom), for Satterthwaite's formula.
    """

    value: float
    variance: float
    per_df: float

    def interval(self, level: float) -> tuple[float, float]:
        """Interval of the rate itself, by Student's t."""
        half = _t_quantile(level, _satterthwaite(self.variance, self.per_df)) * math.sqrt(
            self.variance
        )
        return self.value - half, self.value + half


@dataclass(frozen=True, slots=True)
class Contrast:
    """Treatment against control: two independent estimates and the test between them.

    One test decides everything: Welch's t on the absolute difference. `interval` and
    `rel_interval` invert it, so both exclude 0 exactly when `p_value` < 1 - level.

    Attributes:
        treatment: The treatment's rate.
        control: The control's.
        theta: CUPED's coefficient; 0 without a pre-period.
        reduction: Share of the variance of the difference that CUPED took away.
    """

    treatment: Arm
    control: Arm
    theta: float = 0.0
    reduction: float = 0.0

    @property
    def difference(self) -> float:
        """Treatment - control."""
        return self.treatment.value - self.control.value

    @property
    def rel_difference(self) -> float | None:
        """Difference / control; None where the control's rate is 0."""
        return self.difference / self.control.value if self.control.value else None

    @property
    def variance(self) -> float:
        """Variance of the difference."""
        return self.treatment.variance + self.control.variance

    @property
    def df(self) -> float:
        """Satterthwaite's degrees of freedom."""
        return _satterthwaite(self.variance, self.treatment.per_df + self.control.per_df)

    @property
    def p_value(self) -> float:
        """Two-sided p of no difference."""
        statistic = abs(self.difference) / math.sqrt(self.variance)
        return float(2 * special.stdtr(self.df, -statistic))

    def interval(self, level: float) -> tuple[float, float]:
        """Interval of the difference."""
        half = _t_quantile(level, self.df) * math.sqrt(self.variance)
        return self.difference - half, self.difference + half

    def rel_interval(self, level: float) -> tuple[float, float] | None:
        """Fieller's interval of the relative difference; None where the set is unbounded.

        All δ with |R_t - (1+δ)R_c| ≤ t·√(V_t + (1+δ)²V_c). Solved in δ, not in 1+δ: the constant
        term is then that of the absolute test, and its sign decides on which side of 0 both ends
        lie.

        References:
            Fieller (1954), Some problems in interval estimation, JRSS B 16(2).
        """
        q = _t_quantile(level, self.df) ** 2
        control, v_control = self.control.value, self.control.variance
        a = control**2 - q * v_control
        if a <= 0:
            return None
        b = self.difference * control + q * v_control
        c = self.difference**2 - q * self.variance
        root = math.sqrt(max(b * b - a * c, 0.0))
        far = b + math.copysign(root, b)
        low, high = sorted((far / a, c / far))
        return low, high


def ratio_contrast(
    treatment: Sequence[Moments], control: Sequence[Moments], *, cuped: bool = True
) -> Contrast | None:
    """Compares the ratio Σx/Σy of two variants by the delta method over users.

    With several strata the arms are weighted to the same mix of strata (post-stratification):
    means are Σ W_s · mean_s, where W_s is the share of users of both arms in stratum s. With
    `cuped` the pre-period ratio is a covariate: R - θ·(R0 - R0 of both arms), θ = cov/var of the
    linearised ratios, pooled over arms within strata. A user without a pre-period has x0 = y0 = 0,
    whose linearised value is the mean.

    Args:
        treatment: Moments of each stratum.
        control: Moments of the same strata, in the same order.
        cuped: Use the pre-period, where there is one.

    Returns:
        The comparison; None where a stratum has under two users an arm, where there are no
        sessions, or where nothing varies.

    References:
        Deng et al. (2013), Improving the sensitivity of online controlled experiments (CUPED);
        Deng et al. (2018), Applying the delta method in metric analytics, eq. 3;
        Miratrix et al. (2013), Adjusting treatment effect estimates by post-stratification.
    """
    if not treatment or min(m.n for m in (*treatment, *control)) < 2:
        return None
    both = [t + c for t, c in zip(treatment, control, strict=True)]
    everyone = total(both)
    weights = np.array([m.n for m in both]) / everyone.n
    if any(_mix(arm, weights)[1] <= 0 for arm in (treatment, control)):
        return None
    theta = _theta(both, weights, everyone.mean) if cuped and _has_pre(treatment, control) else 0.0
    arms = [_arm(arm, weights, theta, everyone.mean) for arm in (treatment, control)]
    contrast = Contrast(arms[0], arms[1], theta)
    if not contrast.variance > 0:
        return None
    if theta:
        plain = [_arm(arm, weights, 0.0, everyone.mean) for arm in (treatment, control)]
        reduction = 1 - contrast.variance / (plain[0].variance + plain[1].variance)
        return Contrast(arms[0], arms[1], theta, reduction)
    return contrast


def average_contrast(contrasts: Sequence[Contrast]) -> Contrast:
    """The equal-weighted mean of independent comparisons: every country counts the same."""
    share = 1 / len(contrasts)

    def mean(arms: Sequence[Arm]) -> Arm:
        return Arm(
            share * sum(arm.value for arm in arms),
            share**2 * sum(arm.variance for arm in arms),
            share**4 * sum(arm.per_df for arm in arms),
        )

    return Contrast(mean([c.treatment for c in contrasts]), mean([c.control for c in contrasts]))


def sample_ratio_p(counts: Sequence[int], split: Sequence[float]) -> float:
    """P of the χ² test of users per variant against the intended split, not continuity-corrected.

    Args:
        counts: Users of each variant.
        split: Intended weight of each variant, in any unit.

    Returns:
        p in [0, 1]; 1 where there are no users.
    """
    observed = np.asarray(counts, dtype=float)
    share = np.asarray(split, dtype=float)
    expected = observed.sum() * share / share.sum()
    if not expected.all():
        return 1.0
    statistic = float(((observed - expected) ** 2 / expected).sum())
    return float(special.chdtrc(len(counts) - 1, statistic))


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """Whether effects differ between groups more than chance explains.

    Attributes:
        q: Cochran's Q.
        df: Groups - 1.
        p_value: Of equal effects.
        i2: Share of the variation between groups that is not chance, 0 to 1.
    """

    q: float
    df: int
    p_value: float
    i2: float


def heterogeneity(contrasts: Sequence[Contrast]) -> Heterogeneity:
    """Cochran's Q and I² of the absolute differences of two or more groups.

    References:
        Higgins & Thompson (2002), Quantifying heterogeneity in a meta-analysis.
    """
    effects = np.array([c.difference for c in contrasts])
    weights = 1 / np.array([c.variance for c in contrasts])
    centre = (weights * effects).sum() / weights.sum()
    q = float((weights * (effects - centre) ** 2).sum())
    df = len(effects) - 1
    return Heterogeneity(q, df, float(special.chdtrc(df, q)), max(0.0, 1 - df / q) if q else 0.0)


def _has_pre(treatment: Sequence[Moments], control: Sequence[Moments]) -> bool:
    return all(total(arm).sums[3] > 0 for arm in (treatment, control))


def _mix(strata: Sequence[Moments], weights: Floats) -> Floats:
    """Means over strata, weighted; shape (4,)."""
    return np.asarray(weights @ np.array([m.mean for m in strata]))


def _theta(both: Sequence[Moments], weights: Floats, mean: Floats) -> float:
    """Cov(L, L0) / Var(L0) of the linearised ratios, pooled over arms within strata."""
    within = np.einsum("s,sij->ij", weights, np.array([m.covariance for m in both]))
    outcome = np.concatenate([_ratio_gradient(mean[:2]), np.zeros(2)])
    before = np.concatenate([np.zeros(2), _ratio_gradient(mean[2:])])
    variance = float(before @ within @ before)
    return float(outcome @ within @ before) / variance if variance > 0 else 0.0


def _arm(strata: Sequence[Moments], weights: Floats, theta: float, pooled: Floats) -> Arm:
    """The (adjusted) ratio of one arm with its delta-method variance."""
    mean = _mix(strata, weights)
    value = mean[0] / mean[1]
    gradient = np.concatenate([_ratio_gradient(mean[:2]), np.zeros(2)])
    if theta:
        value -= theta * (mean[2] / mean[3] - pooled[2] / pooled[3])
        gradient[2:] = -theta * _ratio_gradient(mean[2:])
    per_user = np.array([gradient @ m.covariance @ gradient for m in strata])
    # Rounding leaves a tiny number, perhaps negative, where nothing varies.
    per_user = np.where(per_user > 1e-13 * value**2, per_user, 0.0)
    n = np.array([m.n for m in strata])
    parts = weights**2 * per_user / n
    per_df = float((parts**2 / (n - 1)).sum())
    return Arm(float(value), float(parts.sum()), per_df)


def _ratio_gradient(mean: Floats) -> Floats:
    """Derivative of a/b at (a, b)."""
    return np.array([1 / mean[1], -mean[0] / mean[1] ** 2])


def _satterthwaite(variance: float, per_df: float) -> float:
    return variance**2 / per_df if per_df else math.inf


def _t_quantile(level: float, df: float) -> float:
    """The two-sided quantile of Student's t at a confidence level."""
    if math.isinf(df):
        return float(special.ndtri((1 + level) / 2))
    return float(special.stdtrit(df, (1 + level) / 2))
