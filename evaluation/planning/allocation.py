"""How many queries of each stratum to draw: whole numbers that sum up, within what there is."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from relevance.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MINIMUM = 2
"""Queries a stratum; with fewer its variance could not be told."""


def allocate(n: int, sizes: Floats, *, minimum: int = MINIMUM, caps: Ints | None = None) -> Ints:
    """Whole numbers n_h that sum to n and make Σ size_h² / n_h least: n_h near ∝ size_h.

    With sizes W_h·σ_h this is Neyman's allocation; with W_h the proportional one. The minimum over
    whole numbers is exact.

    Args:
        n: How many to give out.
        sizes: (H,) at least 0.
        minimum: Least of each.
        caps: (H,) most of each; None = any number.

    Raises:
        InputError: n is too small for the minimum, or more than the caps allow.

    References:
        Neyman, JRSS 1934; Wright, The American Statistician 2012 (exact whole numbers: give each
        next one where size / √(k(k+1)) is largest, as seats are apportioned).
    """
    count = len(sizes)
    most = np.full(count, n, dtype=np.int64) if caps is None else np.asarray(caps, dtype=np.int64)
    least = np.minimum(minimum, most)
    if not least.sum() <= n <= most.sum():
        raise InputError(
            f"{n} queries cannot be drawn from {count} strata with {least.sum()} at least and "
            f"{most.sum()} at most. Ask for a number between, or for fewer strata"
        )
    given = _bulk(n, np.asarray(sizes, dtype=np.float64), least, most)
    queue = [(-_priority(sizes[h], given[h]), h) for h in range(count) if given[h] < most[h]]
    heapq.heapify(queue)
    for _ in range(n - int(given.sum())):
        _, h = heapq.heappop(queue)
        given[h] += 1
        if given[h] < most[h]:
            heapq.heappush(queue, (-_priority(sizes[h], given[h]), h))
    return given


def _priority(size: float, k: int) -> float:
    """What the next one after k is worth; without any size the fewest come first."""
    return float(size / np.sqrt(k * (k + 1.0))) if k and size > 0 else (0.0 if k else np.inf)


def _bulk(n: int, sizes: Floats, least: Ints, most: Ints) -> Ints:
    """All that surely are given: everything above a threshold that too few lie above."""
    low, high = 0.0, float(sizes.max(initial=0.0))
    best = least.copy()
    for _ in range(60):
        threshold = (low + high) / 2
        if threshold <= 0:
            break
        steps = np.floor((np.sqrt(1 + 4 * (sizes / threshold) ** 2) - 1) / 2)
        given = np.clip(np.minimum(steps + 1, n).astype(np.int64), least, most)
        if given.sum() <= n:
            best, high = given, threshold
        else:
            low = threshold
    return best
