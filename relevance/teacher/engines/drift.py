"""How far a fast engine's probabilities are from the exact ones, and whether that is too far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_FLIPS = 0.01
"""Largest share of pairs whose best grade may differ."""
LARGEST_P999 = 0.03
"""Largest 99.9th percentile of the absolute differences of probabilities."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far fast probabilities are from exact ones.

    Attributes:
        n: Pairs compared.
        mean: Mean absolute difference of a probability.
        p999: Its 99.9th percentile over all five probabilities of all pairs.
        largest: Its largest.
        flips: Share of pairs whose best grade differs, 0 to 1.
    """

    n: int
    mean: float
    p999: float
    largest: float
    flips: float


def drift(exact: Floats, fast: Floats) -> Drift:
    """How far `fast` is from `exact`, both probabilities of shape (pairs, 5); 0 of no pairs."""
    if not len(exact):
        return Drift(0, 0.0, 0.0, 0.0, 0.0)
    moved = np.abs(exact - fast)
    flips = exact.argmax(axis=1) != fast.argmax(axis=1)
    return Drift(
        n=len(exact),
        mean=float(moved.mean()),
        p999=float(np.quantile(moved, 0.999)),
        largest=float(moved.max()),
        flips=float(flips.mean()),
    )


def gate(found: Drift) -> str | None:
    """Why labels that drift so far must not be used; None where they may.

    NaN in the fast probabilities is too far: comparisons are written so that it fails them.
    """
    if not found.p999 <= LARGEST_P999:
        return f"a probability in a thousand moves by {found.p999:.3f} (at most {LARGEST_P999})"
    if not found.flips <= MOST_FLIPS:
        return f"{found.flips:.1%} of the best grades change (at most {MOST_FLIPS:.0%})"
    return None
