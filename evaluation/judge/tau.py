"""Kendall's τ-b of many short lists at once, and of one long list with its influence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CELLS = 4_000_000  # comparisons held at once


def tau_of_lists(x: Floats, y: Floats, starts: Ints) -> Floats:
    """Kendall's τ-b of x and y within each list.

    Args:
        x: (n,) values, list after list.
        y: (n,) values they are compared to.
        starts: (L + 1,) first row of each list, and the end.

    Returns:
        (L,) τ-b in [-1, 1]; NaN where y does not vary; 0 where x does not, which orders nothing.

    References:
        Kendall, Biometrika 1945.
    """
    lengths = np.diff(starts)
    found = np.full(len(lengths), np.nan)
    for length in np.unique(lengths[lengths >= 2]):
        lists = np.flatnonzero(lengths == length)
        step = max(1, _CELLS // int(length) ** 2)
        for first in range(0, len(lists), step):
            part = lists[first : first + step]
            rows = starts[part][:, None] + np.arange(length)
            found[part] = _tau(x[rows], y[rows])
    return found


def tau_with_influence(x: Floats, y: Floats) -> tuple[float, Floats]:
    """Kendall's τ-b of n pairs of values, and (n,) how it moves with the weight of each.

    Returns:
        NaN and zeros where x or y does not vary.
    """
    n = len(x)
    sums = np.zeros((n, 3))  # of each value against all others: concordance, x and y not tied
    step = max(1, _CELLS // max(n, 1))
    for first in range(0, n, step):
        part = slice(first, first + step)
        a, b = np.sign(x[part, None] - x), np.sign(y[part, None] - y)
        sums[part] = np.stack([(a * b).sum(1), (a * a).sum(1), (b * b).sum(1)], axis=1)
    agreed, in_x, in_y = sums.sum(axis=0)
    if in_x == 0 or in_y == 0:
        return float("nan"), np.zeros(n)
    spread = np.sqrt(in_x * in_y)
    tau = float(agreed / spread)
    influence = 2 * sums[:, 0] / spread - tau * (sums[:, 1] / in_x + sums[:, 2] / in_y)
    return tau, np.asarray(influence, dtype=np.float64)


def _tau(x: Floats, y: Floats) -> Floats:
    """(m,) τ-b of (m, L) lists."""
    a = np.sign(x[:, :, None] - x[:, None, :])
    b = np.sign(y[:, :, None] - y[:, None, :])
    agreed = np.sum(a * b, axis=(1, 2))
    in_x, in_y = np.sum(a * a, axis=(1, 2)), np.sum(b * b, axis=(1, 2))
    spread = np.sqrt(in_x * in_y)
    tau = np.where(spread > 0, agreed / np.where(spread > 0, spread, 1.0), 0.0)
    return np.where(in_y > 0, tau, np.nan)
