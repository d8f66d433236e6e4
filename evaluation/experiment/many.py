"""`ratio_contrast` of thousands of random splits at once, on arrays instead of one by one.

The same formulas as `evaluation.moments`, in the same order; a test holds both to 1e-12. Sums of a
split are one vector (`SUMS`): users, then the sums of `VARIABLES`, then those of `PRODUCTS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.experiment.lift import SMALL_STRATUM
from evaluation.moments import PRODUCTS, VARIABLES, Floats

Bools = NDArray[np.bool_]

SUMS = ("n", *VARIABLES, *(f"{a}_{b}" for a, b in PRODUCTS))
"""What the last axis of an array of sums holds."""

_PRODUCT = np.zeros((4, 4), dtype=np.int64)
for _place, (_a, _b) in enumerate(PRODUCTS, start=1 + len(VARIABLES)):
    _i, _j = VARIABLES.index(_a), VARIABLES.index(_b)
    _PRODUCT[_i, _j] = _PRODUCT[_j, _i] = _place
_SQUARES = np.diagonal(_PRODUCT)


@dataclass(frozen=True, slots=True)
class Contrasts:
    """Many comparisons, each as a `Contrast`; every array has shape (runs,).

    Attributes:
        values: Rates of treatment and of control.
        variances: Of these two estimates.
        per_df: Σ (variance part)²/(its degrees of freedom), of both together.
        theta: CUPED's coefficients.
        defined: Whether the comparison can be made; where not, the other figures are NaN.
    """

    values: tuple[Floats, Floats]
    variances: tuple[Floats, Floats]
    per_df: Floats
    theta: Floats
    defined: Bools

    @property
    def difference(self) -> Floats:
        """Treatment - control."""
        return self.values[0] - self.values[1]

    @property
    def variance(self) -> Floats:
        """Variances of the differences."""
        return self.variances[0] + self.variances[1]

    @property
    def df(self) -> Floats:
        """Satterthwaite's degrees of freedom."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(self.defined, self.variance**2 / self.per_df, np.nan))

    @property
    def p_value(self) -> Floats:
        """Two-sided p of no difference; NaN where undefined."""
        from scipy import special

        statistic = np.abs(self.difference) / np.sqrt(self.variance)
        return np.asarray(2 * special.stdtr(self.df, -statistic))

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Intervals of the differences."""
        half = self._critical(level) * np.sqrt(self.variance)
        return self.difference - half, self.difference + half

    def rel_interval(self, level: float) -> tuple[Floats, Floats]:
        """Fieller's intervals of the relative differences; NaN where unbounded."""
        q = self._critical(level) ** 2
        control, v_control = self.values[1], self.variances[1]
        a = control**2 - q * v_control
        b = self.difference * control + q * v_control
        c = self.difference**2 - q * self.variance
        far = b + np.copysign(np.sqrt(np.maximum(b * b - a * c, 0.0)), b)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.sort(np.stack([far / a, c / far]), axis=0)
        ends[:, ~(a > 0)] = np.nan
        return ends[0], ends[1]

    def _critical(self, level: float) -> Floats:
        from scipy import special

        return np.asarray(special.stdtrit(self.df, (1 + level) / 2))


def contrasts(treatment: Floats, control: Floats, *, cuped: bool = True) -> Contrasts:
    """`ratio_contrast` of each run.

    Args:
        treatment: Sums of each stratum, shape (runs, strata, `SUMS`).
        control: The same of the control. A stratum without any user in both is left out.
        cuped: Use the pre-period, where there is one.
    """
    both = treatment + control
    n = both[..., 0]
    here = n > 0
    few = here & (np.minimum(treatment[..., 0], control[..., 0]) < 2)
    everyone = np.maximum(n.sum(axis=1, keepdims=True), 1.0)
    weights = n / everyone
    pooled = both[..., 1:5].sum(axis=1) / everyone
    mixes = [_mix(arm, weights) for arm in (treatment, control)]
    defined = here.any(axis=1) & ~few.any(axis=1) & (mixes[0][:, 1] > 0) & (mixes[1][:, 1] > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = _theta(both, weights, pooled) if cuped else np.zeros(len(n))
        pre = [arm[..., 4].sum(axis=1) > 0 for arm in (treatment, control)]
        theta = np.where(pre[0] & pre[1] & defined, theta, 0.0)
        arms = [
            _arm(arm, mix, weights, theta, pooled)
            for arm, mix in zip((treatment, control), mixes, strict=True)
        ]
    defined &= arms[0][1] + arms[1][1] > 0

    def clean(values: Floats) -> Floats:
        return np.where(defined, values, np.nan)

    return Contrasts(
        (clean(arms[0][0]), clean(arms[1][0])),
        (clean(arms[0][1]), clean(arms[1][1])),
        clean(arms[0][2] + arms[1][2]),
        clean(theta),
        defined,
    )


def large_strata(treatment: Floats, control: Floats) -> tuple[Floats, Floats]:
    """The strata of `Comparison`: those too small in a run share one, the last of the result.

    Returns:
        Sums of shape (runs, strata + 1, `SUMS`); zeros where a stratum went into the last one.
    """
    users = np.stack([treatment[..., 0], control[..., 0]])
    empty = users.sum(axis=0) == 0
    small = users.min(axis=0) < SMALL_STRATUM
    rest = np.where(small, users, 0.0).sum(axis=2).min(axis=0)
    short = (small & ~empty).any(axis=1) & ~small.all(axis=1) & (rest < SMALL_STRATUM)
    if short.any():
        smallest = np.where(small, np.inf, users.sum(axis=0)).argmin(axis=1)
        small[short, smallest[short]] = True
    merged = small[..., None]

    def shared(arm: Floats) -> Floats:
        one = np.where(merged, arm, 0.0).sum(axis=1, keepdims=True)
        return np.concatenate([np.where(merged, 0.0, arm), one], axis=1)

    return shared(treatment), shared(control)


def _mix(arm: Floats, weights: Floats) -> Floats:
    """(runs, 4) means over strata, weighted."""
    return np.asarray(np.einsum("rs,rsv->rv", weights, _mean(arm)))


def _mean(sums: Floats) -> Floats:
    return np.asarray(sums[..., 1:5] / np.maximum(sums[..., :1], 1.0))


def _covariance(sums: Floats) -> Floats:
    """(runs, strata, 4, 4) sample covariances; 0 below two users, which have no part anyway."""
    n = sums[..., 0][..., None, None]
    outer = sums[..., 1:5][..., :, None] * sums[..., 1:5][..., None, :]
    centred = sums[..., _PRODUCT] - outer / np.maximum(n, 1.0)
    return np.asarray(np.where(n > 1, centred / np.maximum(n - 1, 1.0), 0.0))


def _gradients(mean: Floats) -> tuple[Floats, Floats]:
    """(runs, 4) derivatives of x/y and of x0/y0 at the means."""
    now, before = np.zeros_like(mean), np.zeros_like(mean)
    now[:, 0], now[:, 1] = 1 / mean[:, 1], -mean[:, 0] / mean[:, 1] ** 2
    before[:, 2], before[:, 3] = 1 / mean[:, 3], -mean[:, 2] / mean[:, 3] ** 2
    return now, before


def _theta(both: Floats, weights: Floats, pooled: Floats) -> Floats:
    within = np.einsum("rs,rsij->rij", weights, _covariance(both))
    now, before = _gradients(pooled)
    variance = np.einsum("ri,rij,rj->r", before, within, before)
    n = both[..., 0].sum(axis=1)
    size = np.einsum("ri,rsi->r", before**2, both[..., _SQUARES]) / n
    covariance = np.einsum("ri,rij,rj->r", now, within, before)
    # A pre-period that does not vary leaves a tiny number here, which says nothing.
    return np.asarray(np.where(variance > _lost(n) * size, covariance / variance, 0.0))


def _arm(
    arm: Floats, mix: Floats, weights: Floats, theta: Floats, pooled: Floats
) -> tuple[Floats, Floats, Floats]:
    """Value, variance and `per_df` of one variant."""
    adjusted = theta != 0
    before_rates = mix[:, 2] / mix[:, 3] - pooled[:, 2] / pooled[:, 3]
    value = mix[:, 0] / mix[:, 1] - np.where(adjusted, theta * before_rates, 0.0)
    now, before = _gradients(mix)
    gradient = now - np.where(adjusted[:, None], theta[:, None] * before, 0.0)
    per_user = np.einsum("ri,rsij,rj->rs", gradient, _covariance(arm), gradient)
    n = arm[..., 0]
    squares = arm[..., _SQUARES] / np.maximum(n, 1.0)[..., None]
    rounding = _lost(n) * np.einsum("rsi,ri->rs", squares, gradient**2)
    # Rounding leaves a tiny number, perhaps negative, where nothing varies.
    per_user = np.where(per_user > rounding, per_user, 0.0)
    parts = np.where(n > 1, weights**2 * per_user / np.maximum(n, 1.0), 0.0)
    per_df = (parts**2 / np.maximum(n - 1, 1.0)).sum(axis=1)
    return value, parts.sum(axis=1), per_df


def _lost(n: Floats) -> Floats:
    """Share of a sum of n squares that rounding may take, as in `evaluation.moments`."""
    return np.asarray(4 * np.finfo(float).eps * np.sqrt(n))
