"""The bias-corrected and accelerated interval (BCa), and how far chance moves its ends.

References:
    Efron, JASA 1987 (BCa); Hesterberg, The American Statistician 2015 (expanded percentiles: the
    t quantile and n - 1 in place of the normal one and n, which small groups need).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDING = 1e-12  # replicates that differ by less are equal
_LEAST_SLOPE = 1e-9


def bca(
    value: float, replicates: Floats, influence: Floats, level: float = 0.95
) -> tuple[float, float] | None:
    """Ends of the bias-corrected and accelerated interval, with expanded percentiles.

    Args:
        value: The figure.
        replicates: (reps,) bootstrap replicates; NaN ones are left out.
        influence: (n,) influence of each query.
        level: Nominal coverage.

    Returns:
        Low and high end, or None if `value` is NaN, there are fewer than 2 queries or no
        replicates.
    """
    made = _percentiles(value, replicates, influence, level)
    if made is None:
        return None
    if made.constant:
        return value, value
    low, high = (float(end) for end in made.ends)
    return low, high


def bca_error(
    value: float, replicates: Floats, influence: Floats, level: float = 0.95
) -> tuple[float, float] | None:
    """Monte-Carlo standard errors of the ends of `bca`: what another seed would move them by.

    By the delta method: an end is a quantile of the replicates at a percentile that itself
    depends on the share of replicates below the figure; the density there comes from the spacing
    of the replicates.

    Args:
        value: The figure.
        replicates: (reps,) replicates, drawn independently of each other.
        influence: (n,) influence of each query.
        level: Nominal coverage.

    Returns:
        Standard errors of the low and the high end; None where there is no interval.
    """
    made = _percentiles(value, replicates, influence, level)
    if made is None:
        return None
    if made.constant:
        return 0.0, 0.0
    reps = len(made.replicates)
    width = 0.5 * np.minimum(made.levels, 1 - made.levels)
    above, under = (_quantile(made.replicates, made.levels + s * width) for s in (1, -1))
    spacing = (above - under) / (2 * width)  # 1 / density
    slope = _density(made.scores) * made.stretch / _density(np.array([made.bias]))
    both = np.minimum(made.below, made.levels) - made.below * made.levels
    variance = (
        slope**2 * made.below * (1 - made.below)
        + made.levels * (1 - made.levels)
        - 2 * slope * both
    )
    low, high = spacing * np.sqrt(np.maximum(variance, 0.0) / reps)
    return float(low), float(high)


def t_quantile(level: float, df: float) -> float:
    """Half-width, in standard errors, of a two-sided t interval."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + level / 2))


@dataclass(frozen=True, slots=True)
class _Percentiles:
    """Where in the sorted replicates the two ends are.

    Attributes:
        replicates: (reps,) defined replicates, ascending.
        constant: Whether nothing varies, so that the figure is its own interval.
        below: Share of replicates below the figure, equal ones counting half.
        bias: Its normal score, Efron's z0.
        scores: (2,) normal scores of the percentiles of the ends.
        levels: (2,) those percentiles.
        stretch: (2,) derivative of `scores` by `bias`.
    """

    replicates: Floats
    constant: bool
    below: float
    bias: float
    scores: Floats
    levels: Floats
    stretch: Floats

    @property
    def ends(self) -> Floats:
        """(2,) the interval."""
        return _quantile(self.replicates, self.levels)


def _percentiles(
    value: float, replicates: Floats, influence: Floats, level: float
) -> _Percentiles | None:
    n = len(influence)
    ordered = np.sort(replicates)  # NaN last
    ordered = ordered[: len(ordered) - int(np.isnan(ordered).sum())]
    if np.isnan(value) or n < 2 or len(ordered) == 0:
        return None
    close = _ROUNDING * max(1.0, abs(value))
    if ordered[-1] - ordered[0] <= close:
        return _Percentiles(ordered, True, 0.5, 0.0, np.zeros(2), np.full(2, 0.5), np.ones(2))
    from scipy.special import ndtr, ndtri

    reps = len(ordered)
    under, upto = np.searchsorted(ordered, [value - close, value + close])
    below = float(np.clip((under + upto) / (2 * reps), 1 / (reps + 1), reps / (reps + 1)))
    bias = float(ndtri(below))
    squares = influence * influence
    spread = float(squares.sum())
    acceleration = (
        float(np.einsum("i,i", squares, influence)) / (6 * spread**1.5) if spread > 0 else 0.0
    )
    reach = t_quantile(level, n - 1) * np.sqrt(n / (n - 1))
    shifted = bias + np.array([-reach, reach])
    slope = np.maximum(1 - acceleration * shifted, _LEAST_SLOPE)
    scores = bias + shifted / slope
    return _Percentiles(
        replicates=ordered,
        constant=False,
        below=below,
        bias=bias,
        scores=scores,
        levels=np.asarray(ndtr(scores)),
        stretch=1 + 1 / slope**2,
    )


def _quantile(ordered: Floats, levels: Floats) -> Floats:
    """Quantiles of sorted values; value i stands for the level (i + ½) / reps (Hazen)."""
    place = np.clip(levels * len(ordered) - 0.5, 0, len(ordered) - 1)
    return np.interp(place, np.arange(len(ordered)), ordered)


def _density(scores: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * scores**2) / np.sqrt(2 * np.pi))
