"""Draws of fixed size with unequal probabilities, exact ones: systematic on a random order.

The units are put in a random order and laid end to end, each as long as its probability; a comb
with teeth one apart and a random start takes the units that it hits. Whatever the order, a unit is
hit with exactly its own probability; the random order makes nearly every set of units possible, so
that the usual variance formulas of fixed-size designs hold.

References:
    Madow, Annals of Mathematical Statistics 1949 (systematic draws); Hartley and Rao, ibid. 1962
    (on a random order); Brewer and Donadio, Survey Methodology 2003 (variance without joint
    probabilities); Tillé, Sampling Algorithms, 2006, chapter 7.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relevance.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def inclusion_probabilities(sizes: Floats, n: int) -> Floats:
    """Probabilities in proportion to size that sum to n; units that are too large are certain.

    Args:
        sizes: (N,) above 0.
        n: Units to draw, 0 … N.

    Returns:
        (N,) probabilities in (0, 1]: π = min(1, c·size) with the c that makes their sum n; all 0
        for n = 0.

    Raises:
        InputError: A size that is not above 0 and finite, or more units than there are.
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    count = len(sizes)
    if not 0 <= n <= count:
        raise InputError(f"{n} units cannot be drawn from {count}. Ask for fewer")
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        raise InputError("sizes must be above 0 and finite: a unit of size 0 could never be drawn")
    if n == 0:
        return np.zeros(count)
    order = np.argsort(-sizes, kind="stable")
    ranked = sizes[order]
    left = np.cumsum(ranked[::-1])[::-1]  # what is left if the larger ones are certain
    certain = (n - np.arange(count)) * ranked >= left
    k = int(np.argmin(certain)) if not certain.all() else count
    k = min(k, n)
    out = np.ones(count)
    if k < count:
        out[order[k:]] = np.minimum((n - k) * ranked[k:] / left[k], 1.0)
    return out


def systematic(probabilities: Floats, rng: np.random.Generator) -> Ints:
    """Places of the units drawn, ascending; unit i is among them with probability π_i exactly.

    Args:
        probabilities: (N,) in [0, 1] with a whole sum n: that many are drawn.
        rng: The random stream.
    """
    certain = np.flatnonzero(probabilities >= 1.0)
    open_ = np.flatnonzero(probabilities < 1.0)
    n = round(float(probabilities[open_].sum()))
    order = rng.permutation(open_)
    ends = np.minimum(np.cumsum(probabilities[order]), n)
    if n:
        ends[-1] = n  # rounding must not lose or gain a unit
    start = rng.random()
    teeth = np.floor(ends + start)  # hits up to each end; start is in [0, 1)
    hit = np.diff(teeth, prepend=0.0) > 0
    return np.sort(np.concatenate([certain, order[hit]])).astype(np.int64)


def equal(count: int, n: int, rng: np.random.Generator) -> Ints:
    """Places of n of `count` units, ascending, each with probability n / count.

    The first n of a random order: with the same stream a larger draw holds every smaller one.
    """
    return np.sort(rng.permutation(count)[:n]).astype(np.int64)


def variance_of_total(values: Floats, probabilities: Floats, noise: Floats | float = 0.0) -> float:
    """Variance of the weighted total Σ value / π of one fixed-size draw, over all its units.

    The approximation for designs of high entropy, which needs no joint probabilities:
    Σ c_i (y_i/π_i - R)² with c_i = π_i(1 - π_i)·N/(N - 1) and R = Σ c_i y_i/π_i / Σ c_i. It is
    exact for simple random sampling.

    Args:
        values: (N,) values of all units of the stratum, or what is expected of them.
        probabilities: (N,) their probabilities; units of 0 or 1 add nothing.
        noise: (N,) variance of what the values are not known to.

    References:
        Hájek, Annals of Mathematical Statistics 1964, section 8.
    """
    inside = (probabilities > 0) & (probabilities < 1)
    if not inside.any():
        return 0.0
    p, y = probabilities[inside], values[inside]
    rest = np.broadcast_to(np.asarray(noise, dtype=np.float64), values.shape)[inside]
    c = p * (1 - p) * len(p) / max(len(p) - 1, 1)
    ratio = float((c * y / p).sum() / c.sum())
    return float((c * ((y / p - ratio) ** 2 + rest / p**2)).sum())
