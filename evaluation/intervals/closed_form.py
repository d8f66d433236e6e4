"""The bootstrap distribution of figures over many queries, without resampling.

Over n queries drawn with replacement a sum is nearly normal; its variance, skewness and kurtosis
follow from the queries' own, and Cornish and Fisher's expansion turns them into quantiles. A
ratio is at most x exactly where a sum is at most 0, so its quantiles are found from those of sums,
curvature and all. `None` stands for "not near enough to normal: resample".

References:
    Hall, The Bootstrap and Edgeworth Expansion, 1992, §2.5 and §3.5 (the error is of order
    n^(-3/2) in probability); Cornish and Fisher, Revue de l'Institut international de statistique
    1938.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_SKEWNESS = 0.3
_MOST_KURTOSIS = 0.5
_MOST_SPREAD = 0.1  # of a resampled denominator, relative to it
_ROUNDS = 3
_RELATIVE_STEP = 1e-5


def scores(reps: int) -> Floats:
    """(reps,) normal quantiles at (i + ½) / reps, ascending."""
    return _expansion(reps)[0]


def sum_quantiles(terms: Floats, reps: int) -> Floats | None:
    """(reps,) quantiles at (i + ½) / reps of Σ of n terms drawn with replacement.

    Args:
        terms: (n,) what is summed, with mean 0.
        reps: Number of quantiles.

    Returns:
        The quantiles, ascending; None where few terms carry the sum.
    """
    squares = terms * terms
    variance, third = float(squares.sum()), _dot(squares, terms)
    if variance == 0:
        return np.zeros(reps)
    excess = _dot(squares, squares) - 3 * variance**2 / len(terms)
    skewness, kurtosis = third / variance**1.5, excess / variance**2
    if abs(skewness) > _MOST_SKEWNESS or abs(kurtosis) > _MOST_KURTOSIS:
        return None
    return float(np.sqrt(variance)) * _cornish_fisher(reps, skewness, kurtosis)


def ratio_quantiles(error: Floats, size: Floats, reps: int) -> Floats | None:
    """(reps,) quantiles of Σ error / Σ size - their value on the data, at (i + ½) / reps.

    The deviation is at most x where Σ (error - x × size) ≤ x, which is a sum.

    Args:
        error: (n,) numerator - figure × denominator, over the denominators' total; sums to 0.
        size: (n,) denominator over the denominators' total; sums to 1.
        reps: Number of quantiles.

    Returns:
        The quantiles, ascending; None where few queries carry the figure.
    """
    if size.min() == size.max():
        return sum_quantiles(error, reps)
    size = size - 1 / len(size)
    squares, mixed = error * error, error * size
    v00, v01, v11 = float(squares.sum()), float(mixed.sum()), _dot(size, size)
    if v00 == 0:
        return np.zeros(reps)
    k0, k1 = _dot(squares, error), _dot(squares, size)
    k2, k3 = _dot(mixed, size), _dot(size * size, size)
    excess = _dot(squares, squares) - 3 * v00**2 / len(error)
    skewness, kurtosis = k0 / v00**1.5, excess / v00**2
    if abs(skewness) > _MOST_SKEWNESS or abs(kurtosis) > _MOST_KURTOSIS:
        return None
    if v11 > _MOST_SPREAD**2:
        return None
    x = float(np.sqrt(v00)) * _cornish_fisher(reps, skewness, kurtosis)
    for _ in range(_ROUNDS):
        spread: Floats = np.sqrt(v00 - 2 * x * v01 + x * x * v11)
        third = k0 - x * (3 * k1 - x * (3 * k2 - x * k3))
        x = spread * _cornish_fisher(reps, third / spread**3, kurtosis)
    return x


def gradient(function: Callable[[Floats], Floats], total: Floats, scale: Floats) -> Floats:
    """(v, m) derivatives of (…, m) → (…, v) figures at the (m,) total, by central differences.

    Args:
        function: Smooth around the total.
        total: Where.
        scale: (m,) size of a change that matters; 0 where a sum cannot change.
    """
    step = _RELATIVE_STEP * np.maximum(scale, _RELATIVE_STEP * np.abs(total))
    moves = np.diag(step)
    change = function(total + moves) - function(total - moves)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(change / (2 * step[:, None])).T


def smooth_replicates(
    function: Callable[[Floats], Floats],
    columns: Floats,
    slope: Floats,
    reps: int,
    rng: np.random.Generator,
) -> Floats | None:
    """(reps,) figures under normal sums with the columns' covariance, the linear part exact.

    Along the slope the sums stand at the quantiles of the linear part (skewness included), so that
    chance enters through the curvature alone.

    Args:
        function: (…, m) sums → (…) figures.
        columns: (n, m) what is summed.
        slope: (m,) the function's derivatives at the total.
        reps: Number of replicates.
        rng: Draws the sums across the slope.

    Returns:
        Replicates in the order of the linear part; None where few queries carry the figure.
    """
    centred = columns - columns.mean(axis=0)
    linear = sum_quantiles(centred @ slope, reps)
    if linear is None:
        return None
    values, vectors = np.linalg.eigh(centred.T @ centred)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    along = slope @ root
    length = float(np.sqrt(along @ along))
    if length == 0:
        drawn = rng.standard_normal((reps, len(slope)))
    else:
        along /= length
        drawn = rng.standard_normal((reps, len(slope)))
        drawn += np.outer(linear / length - drawn @ along, along)
    return np.asarray(function(columns.sum(axis=0) + drawn @ root.T), dtype=np.float64)


def _dot(left: Floats, right: Floats) -> float:
    """Σ left × right, on one core: threads cost more than they save on so little."""
    return float(np.einsum("i,i", left, right))


@cache
def _expansion(reps: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Normal quantiles z and the polynomials of the expansion at them."""
    from scipy.special import ndtri

    z = np.asarray(ndtri((np.arange(reps) + 0.5) / reps))
    parts = z, (z**2 - 1) / 6, (z**3 - 3 * z) / 24, (2 * z**3 - 5 * z) / 36
    for part in parts:
        part.flags.writeable = False
    return parts


def _cornish_fisher(reps: int, skewness: float | Floats, kurtosis: float) -> Floats:
    """(reps,) quantiles of a standardised sum with this skewness and excess kurtosis."""
    z, first, second, third = _expansion(reps)
    return z + skewness * first + kurtosis * second - skewness**2 * third
