"""The variance of figures from pairs or queries that were drawn with unequal probabilities.

A figure is nearly value + Σ over units drawn of `moved` (its own contribution over its probability)
and its variance has two parts:

- *within*: what another draw from the same queries and Pins would have given. Within a stratum of
  n units drawn without replacement, Hájek's approximation needs no joint probabilities:
  n / (n - 1) Σ (1 - π) (moved - B)², B = Σ (1 - π) moved / Σ (1 - π). For simple random sampling
  that is the textbook N² (1 - f) s² / n.
- *between*: what other queries like these would have given, as every interval of an evaluation
  tells. From the N queries' residuals e, that of the drawn ones as large as their draw made it:
  N / (N - 1) Σ e² - Σ (1 - π) moved², the second term being what the draw put into the first.

With everything drawn only the second is left, and it is the variance without weights; with queries
drawn at random both together are s² / n, as if queries had not been drawn from a list at all.

References:
    Hájek, Annals of Mathematical Statistics 1964; Särndal, Swensson and Wretman, Model Assisted
    Survey Sampling, 1992, §§2.8, 5.5 (linearisation), 5.7 (ratios) and 6.3 (difference estimator);
    Matei and Tillé, Journal of Official Statistics 2005 (the approximation compared with others).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import Linear, Ratio, t_quantile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_AS_IT_IS = 1e-9  # a relative change of the spread that is none
_USUAL = 0.95  # level at which the t quantiles of few units are compared


def sums(codes: NDArray[np.integer], values: Floats, n_codes: int) -> Floats:
    """(n_codes,) sums of (N,) values by code."""
    return np.asarray(np.bincount(codes, values, minlength=n_codes), dtype=np.float64)


def within(moved: Floats, probability: Floats, stratum: Ints) -> float:
    """Variance over draws of units without replacement within strata, by Hájek's approximation.

    A unit that is alone in its stratum counts as if drawn by itself: (1 - π) moved².

    Args:
        moved: (U,) contribution of each unit drawn, over its probability; 0 if it has none.
        probability: (U,) chance of being drawn.
        stratum: (U,) codes from 0.
    """
    if len(moved) == 0:
        return 0.0
    loss = 1 - probability
    sizes = np.bincount(stratum)
    weights = np.bincount(stratum, loss)
    level = np.bincount(stratum, loss * moved)
    level = np.divide(level, weights, out=np.zeros_like(level), where=weights > 0)
    level[sizes == 1] = 0.0
    spread = np.bincount(stratum, loss * (moved - level[stratum]) ** 2)
    return float((spread * sizes / np.maximum(sizes - 1, 1)).sum())


def independent(moved: Floats, probability: Floats) -> float:
    """Variance over draws in which every unit is drawn by itself: Σ (1 - π) moved²."""
    return float(((1 - probability) * moved**2).sum())


def total(residual: Floats, moved: Floats, probability: Floats, stratum: Ints) -> float:
    """Variance between queries and within them.

    Args:
        residual: (N,) influence of each query on the figure, as the draw made it; their sum is 0.
        moved: (U,) contribution of each unit drawn.
        probability: (U,) chance of being drawn.
        stratum: (U,) codes from 0.
    """
    n = len(residual)
    seen = n / (n - 1) * float(residual @ residual) if n > 1 else 0.0
    between = max(0.0, seen - independent(moved, probability) * (n / (n - 1) if n > 1 else 1.0))
    return between + within(moved, probability, stratum)


@dataclass(frozen=True, slots=True)
class Spread:
    """How uncertain a figure is.

    Attributes:
        variance: As `total` gives it.
        n_drawn: Units drawn that it rests on: fewer than queries make its t quantile larger.
    """

    variance: float
    n_drawn: int


def spread_ratio(numerator: Floats, denominator: Floats, spread: Spread) -> Ratio:
    """Σ numerator / Σ denominator over queries, its spread stretched to the variance.

    Resampled by query it then has that variance, with the skewness that the queries have. Where
    the variance is the queries' own, the sums stay as they are.

    Args:
        numerator: (N,) one a query.
        denominator: (N,) likewise.
        spread: Its variance.
    """
    value, residual = residuals(numerator, denominator)
    stretch = _stretch(residual, spread)
    if np.isnan(value) or stretch == 1:
        return Ratio(numerator, denominator)
    size = float(denominator.sum())
    return Ratio(value * denominator + stretch * residual * size, denominator)


def spread_linear(value: float, residual: Floats, spread: Spread) -> Linear:
    """A figure in [0, 1] whose influences are stretched to the variance."""
    return Linear(value, residual * _stretch(residual, spread))


def residuals(numerator: Floats, denominator: Floats) -> tuple[float, Floats]:
    """Σ numerator / Σ denominator (NaN where that is 0) and (N,) influence of each query on it."""
    size = float(denominator.sum())
    if size == 0:
        return float("nan"), np.zeros(len(numerator))
    value = float(numerator.sum()) / size
    return value, (numerator - value * denominator) / size


def _stretch(residual: Floats, spread: Spread) -> float:
    n = len(residual)
    own = n / (n - 1) * float(residual @ residual) if n > 1 else 0.0
    stretch = float(np.sqrt(spread.variance / own)) if own > 0 else 1.0
    if 2 <= spread.n_drawn < n:
        stretch *= t_quantile(_USUAL, spread.n_drawn - 1) / t_quantile(_USUAL, n - 1)
    return 1.0 if abs(stretch - 1) < _AS_IT_IS else stretch
