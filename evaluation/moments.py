"""The statistics of an experiment, on sums alone: whatever adds up over users decides everything.

A user contributes one row (x, y, x0, y0): numerator and denominator of the outcome in the
experiment, and the same before it. `Moments` holds the number of users, the sums and the sums of
products; moments of disjoint groups of users add up, so days, countries and machines can be merged
in any order. Where y is 1 for every user, the ratio Σx/Σy is the mean over users, and all of this
is the ordinary comparison of means.

Variances from sums of squares lose digits where a figure varies little beside its size: with a
mean of 10^6 and a standard deviation of 1, squares of 10^12 leave a variance of 1. `Arm.rounding`
is a bound of that loss; a spread that could be nothing but rounding is taken as none.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

VARIABLES = ("x", "y", "x0", "y0")
"""Numerator and denominator of a user's outcome in the experiment; the same before it."""

PRODUCTS = tuple((a, b) for i, a in enumerate(VARIABLES) for b in VARIABLES[i:])
"""Pairs of variables whose products are summed: the upper triangle."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over users.

    Attributes:
        n: Users.
        sums: Shape (4,), Σ of each of `VARIABLES`.
        products: Shape (4, 4), Σ of the product of each two; symmetric.
        sessions: Analysed sessions of these users that have a value; 0 where they were not counted.
    """

    n: int
    sums: Floats
    products: Floats
    sessions: int = 0

    @classmethod
    def of(cls, users: Floats) -> Moments:
        """Moments of users given one by one; shape (n, 4), columns as `VARIABLES`."""
        users = np.asarray(users, dtype=np.float64)
        return cls(len(users), users.sum(axis=0), users.T @ users)

    @classmethod
    def of_sums(
        cls, n: float, sums: Mapping[str, float], prefix: str = "", sessions: int = 0
    ) -> Moments:
        """Moments from named sums: `x`, `y`, …, `x_x`, `x_y`, … (see `PRODUCTS`) after a prefix."""
        products = np.zeros((4, 4))
        for a, b in PRODUCTS:
            i, j = VARIABLES.index(a), VARIABLES.index(b)
            products[i, j] = products[j, i] = sums[f"{prefix}{a}_{b}"]
        named = np.array([sums[prefix + name] for name in VARIABLES], dtype=float)
        return cls(int(n), named, products, sessions)

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.n + other.n,
            self.sums + other.sums,
            self.products + other.products,
            self.sessions + other.sessions,
        )

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

    def effective(self, variable: str) -> float:
        """Users of equal share that would weigh as much: (Σ v)²/Σ v².

        Where few users hold most of a sum, this is near their number; of a variable that is 1 or
        0 it is the number of users who have a 1. NaN where the variable is 0 for all.
        """
        i = VARIABLES.index(variable)
        return _effective(self.sums[i], self.products[i, i])

    @property
    def effective_failures(self) -> float:
        """The same of y - x: of a share near 1, the users who are not in it."""
        (x, y), products = self.sums[:2], self.products
        return _effective(y - x, products[0, 0] - 2 * products[0, 1] + products[1, 1])


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
        rounding: How much of `variance` may be rounding.
    """

    value: float
    variance: float
    per_df: float
    rounding: float = 0.0

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
    def rounding(self) -> float:
        """Share of the variance that may be rounding; under 1e-6 in all but odd data."""
        return (self.treatment.rounding + self.control.rounding) / self.variance

    @property
    def df(self) -> float:
        """Satterthwaite's degrees of freedom."""
        return _satterthwaite(self.variance, self.treatment.per_df + self.control.per_df)

    @property
    def p_value(self) -> float:
        """Two-sided p of no difference."""
        statistic = abs(self.difference) / math.sqrt(self.variance)
        return float(2 * special.stdtr(self.df, -statistic))

    def critical(self, level: float) -> float:
        """Quantile of Student's t that an interval of this level takes."""
        return _t_quantile(level, self.df)

    def interval(self, level: float) -> tuple[float, float]:
        """Interval of the difference."""
        return self.interval_at(self.critical(level))

    def rel_interval(self, level: float) -> tuple[float, float] | None:
        """Fieller's interval of the relative difference; None where the set is unbounded."""
        return self.rel_interval_at(self.critical(level))

    def interval_at(self, critical: float) -> tuple[float, float]:
        """The difference and `critical` standard errors on either side."""
        half = critical * math.sqrt(self.variance)
        return self.difference - half, self.difference + half

    def rel_interval_at(self, critical: float) -> tuple[float, float] | None:
        """Fieller's set of relative differences that `critical` standard errors do not rule out.

        All δ with |R_t - (1+δ)R_c| ≤ critical·√(V_t + (1+δ)²V_c); None where it is unbounded.
        Solved in δ, not in 1+δ: the constant term is then that of the absolute test, and its sign
        decides on which side of 0 both ends lie.

        References:
            Fieller (1954), Some problems in interval estimation, JRSS B 16(2).
        """
        q = critical**2
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
    arms = [_Strata.of(treatment), _Strata.of(control)]
    both = _Strata.of([t + c for t, c in zip(treatment, control, strict=True)])
    return _contrast(arms, both, cuped=cuped)


def average_contrast(contrasts: Sequence[Contrast]) -> Contrast:
    """The equal-weighted mean of independent comparisons: every country counts the same."""
    share = 1 / len(contrasts)

    def mean(arms: Sequence[Arm]) -> Arm:
        return Arm(
            share * sum(arm.value for arm in arms),
            share**2 * sum(arm.variance for arm in arms),
            share**4 * sum(arm.per_df for arm in arms),
            share**2 * sum(arm.rounding for arm in arms),
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
class _Strata:
    """Moments of the strata of one arm, stacked: n (S,), sums (S, 4), products (S, 4, 4)."""

    n: Floats
    sums: Floats
    products: Floats

    @classmethod
    def of(cls, strata: Sequence[Moments]) -> _Strata:
        return cls(
            np.array([m.n for m in strata], dtype=float),
            np.array([m.sums for m in strata]),
            np.array([m.products for m in strata]),
        )

    @property
    def means(self) -> Floats:
        return self.sums / self.n[:, None]

    @property
    def covariances(self) -> Floats:
        outer = self.sums[:, :, None] * self.sums[:, None, :] / self.n[:, None, None]
        return (self.products - outer) / (self.n - 1)[:, None, None]


def _contrast(arms: Sequence[_Strata], both: _Strata, *, cuped: bool) -> Contrast | None:
    weights = both.n / both.n.sum()
    pooled = both.sums.sum(axis=0) / both.n.sum()
    if any((weights @ arm.means)[1] <= 0 for arm in arms):
        return None
    has_pre = all(arm.sums[:, 3].sum() > 0 for arm in arms)
    treated, controls = (_arm(arm, weights, 0.0, pooled) for arm in arms)
    plain = Contrast(treated, controls)
    if not plain.variance > 0:
        return None
    theta = _theta(both, weights, pooled) if cuped and has_pre else 0.0
    if not theta:
        return plain
    treated, controls = (_arm(arm, weights, theta, pooled) for arm in arms)
    found = Contrast(treated, controls, theta)
    left = found.variance / plain.variance
    return replace(found, reduction=1 - left) if left > 0 else None


def _theta(both: _Strata, weights: Floats, pooled: Floats) -> float:
    """Cov(L, L0) / Var(L0) of the linearised ratios, pooled over arms within strata."""
    within = np.tensordot(weights, both.covariances, axes=1)
    before = np.concatenate([np.zeros(2), _ratio_gradient(pooled[2:])])
    variance = float(before @ within @ before)
    size = float(before**2 @ np.diag(both.products.sum(axis=0))) / both.n.sum()
    # A pre-period that does not vary leaves a tiny number here, which says nothing.
    if variance <= _lost(both.n.sum()) * size:
        return 0.0
    outcome = np.concatenate([_ratio_gradient(pooled[:2]), np.zeros(2)])
    return float(outcome @ within @ before) / variance


def _arm(strata: _Strata, weights: Floats, theta: float, pooled: Floats) -> Arm:
    """The (adjusted) ratio of one arm with its delta-method variance."""
    mean = weights @ strata.means
    value = mean[0] / mean[1]
    gradient = np.concatenate([_ratio_gradient(mean[:2]), np.zeros(2)])
    if theta:
        value -= theta * (mean[2] / mean[3] - pooled[2] / pooled[3])
        gradient[2:] = -theta * _ratio_gradient(mean[2:])
    per_user = np.einsum("i,sij,j->s", gradient, strata.covariances, gradient)
    squares = np.diagonal(strata.products, axis1=1, axis2=2) / strata.n[:, None]
    rounding = _lost(strata.n) * (squares @ gradient**2)
    # Rounding leaves a tiny number, perhaps negative, where nothing varies.
    per_user = np.where(per_user > rounding, per_user, 0.0)
    parts = weights**2 * per_user / strata.n
    return Arm(
        float(value),
        float(parts.sum()),
        float((parts**2 / (strata.n - 1)).sum()),
        float((weights**2 * rounding / strata.n)[per_user > 0].sum()),
    )


def _lost(n: Floats | float) -> Floats:
    """Share of a sum of n squares that rounding may take: n steps at random, and the last few."""
    return np.asarray(np.finfo(float).eps * (4 + np.sqrt(n)))


def _effective(total: float, squares: float) -> float:
    return float(total**2 / squares) if squares > 0 else math.nan


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
