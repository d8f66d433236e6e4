"""The sign-flip permutation test of paired differences: exact, drawn, or in closed form.

Under the null hypothesis each query's difference is as likely negative as positive. With few
differences all signs are enumerated, with some thousands random signs are drawn, and with more the
distribution of Σ ± d is told by its cumulants: the saddlepoint approximation, whose relative error
there is far below the Monte-Carlo error of 10,000 flips.

References:
    Fisher (1935), The Design of Experiments; Good (2005), Permutation, Parametric and Bootstrap
    Tests; Lugannani and Rice (1980), Saddle point approximation; Barndorff-Nielsen (1986), r*.
"""

from __future__ import annotations

import numpy as np

from evaluation.intervals import generator
from evaluation.metrics.lists import Floats

FLIPS = 10_000
CLOSED_FROM = 2_000
"""Differences from which on the distribution is not drawn but told in closed form."""

_EFFECTIVE = 200.0  # differences of one size that would vary as much: below, a few ones dominate
_CELLS = 4_000_000  # signs held at once
_ROUNDING = 1e-12
_SMALLEST = 1e-300


def sign_flip(differences: Floats, *, seed: int = 0, key: str = "", flips: int = FLIPS) -> float:
    """Two-sided p-value of no difference: how often random signs give as large a sum.

    Args:
        differences: (n,) weighted per-query differences.
        seed: Seed of the flips.
        key: Name of the group, which also seeds them.
        flips: Number of flips, where they are drawn; see `sign_flips`.
    """
    return float(sign_flips(differences[:, None], seed=seed, key=key, flips=flips)[0])


def sign_flips(columns: Floats, *, seed: int = 0, key: str = "", flips: int = FLIPS) -> Floats:
    """Two-sided p-values of no difference of several metrics, all from the same flips.

    Args:
        columns: (n, m) weighted per-query differences; 0 where a metric has none.
        seed: Seed of the flips.
        key: Name of the group.
        flips: Number of flips. A column with so few differences other than 0 that there are no
            more ways to flip them is enumerated; one with `CLOSED_FROM` or more is computed.

    Returns:
        (m,) p-values; drawn ones are at least 1 / (flips + 1), so that the test holds its level.
    """
    p_values = np.ones(columns.shape[1])
    drawn = []
    for j, column in enumerate(columns.T):
        moved = column[column != 0]  # flipping a zero changes nothing
        if len(moved) == 0:
            continue
        if len(moved) < 63 and 2 ** len(moved) <= flips:
            p_values[j] = enumerated(moved)
        elif len(moved) >= CLOSED_FROM and _effective(moved) >= _EFFECTIVE:
            p_values[j] = saddlepoint(moved)
        else:
            drawn.append(j)
    if drawn:
        p_values[drawn] = _drawn(columns[:, drawn], seed=seed, key=key, flips=flips)
    return p_values


def enumerated(differences: Floats) -> float:
    """The exact p-value: the share of all 2^n signs that give as large a sum, (n,) → (0, 1]."""
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate([sums + difference, sums - difference])
    return float(np.mean(np.abs(sums) >= _observed(differences)))


def saddlepoint(differences: Floats) -> float:
    """The p-value of infinitely many flips, (n,) → (0, 1], for n in the thousands.

    Sums of differences that are all multiples of one number g (as those of P@k) fall on a lattice
    of width 2g; the tail then starts half a step earlier (continuity correction).
    """
    size = float(np.abs(differences).max())
    d = np.abs(differences) / size
    x = abs(float(differences.sum())) / size - _lattice(d)
    variance = float(np.sum(d**2))
    if x <= 1e-3 * np.sqrt(variance):  # r* is 0 / 0 there, and the normal is exact
        return float(min(1.0, 2 * _normal_tail(x / np.sqrt(variance))))
    t = _solve(d, x, variance)
    if not np.isfinite(t):
        return _SMALLEST
    # log cosh, without overflow
    cumulant = float(np.sum(t * d + np.log1p(np.exp(-2 * t * d)) - np.log(2)))
    curvature = float(np.sum((d / np.cosh(np.minimum(t * d, 300.0))) ** 2))
    r = np.sqrt(max(2 * (t * x - cumulant), 0.0))
    u = t * np.sqrt(curvature)
    if u <= 0:
        return _SMALLEST
    return float(np.clip(2 * _normal_tail(r + np.log(u / r) / r), _SMALLEST, 1.0))


def _solve(d: Floats, x: float, variance: float) -> float:
    """The t at which the mean of the tilted sum, Σ d tanh(t d), is x; infinite beyond its reach."""
    if x >= float(d.sum()) * (1 - 1e-9):
        return float("inf")
    low, high, t = 0.0, float("inf"), x / variance
    for _ in range(100):
        tanh = np.tanh(t * d)
        gap = float(d @ tanh) - x
        if abs(gap) <= 1e-12 * x:
            break
        low, high = (low, t) if gap > 0 else (t, high)
        slope = float(np.sum(d**2 * (1 - tanh**2)))
        step = t - gap / slope if slope > 0 else float("inf")
        if not low < step < high:
            step = 2 * t if np.isinf(high) else (low + high) / 2
        t = step
    return t


def _lattice(d: Floats) -> float:
    """The number that all differences are multiples of, if it is the smallest of them; else 0."""
    moved = d[d > _ROUNDING]
    steps = moved / moved.min()
    return float(moved.min()) if np.all(np.abs(steps - np.round(steps)) < 1e-6) else 0.0


def _drawn(columns: Floats, *, seed: int, key: str, flips: int) -> Floats:
    columns = columns[(columns != 0).any(axis=1)]
    n = len(columns)
    rng = generator(seed, f"flip {key}")
    observed = np.array([_observed(column) for column in columns.T])
    total = columns.sum(axis=0)
    chunk = max(1, min(flips, _CELLS // n))
    extreme = np.zeros(columns.shape[1])
    for start in range(0, flips, chunk):
        size = min(chunk, flips - start)
        bits = np.frombuffer(rng.bytes((size * n + 7) // 8), dtype=np.uint8)
        kept = np.unpackbits(bits)[: size * n].reshape(size, n).astype(np.float64)
        extreme += np.sum(np.abs(2 * (kept @ columns) - total) >= observed, axis=0)
    return np.asarray((extreme + 1) / (flips + 1))


def _observed(differences: Floats) -> float:
    """|Σ d|, less what rounding may add to an equal sum."""
    return abs(float(differences.sum())) - _ROUNDING * float(np.abs(differences).sum())


def _effective(differences: Floats) -> float:
    scaled = differences / np.abs(differences).max()
    return float(np.sum(scaled**2) ** 2 / np.sum(scaled**4))


def _normal_tail(z: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(-z))
