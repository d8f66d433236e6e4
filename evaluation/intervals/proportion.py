"""Interval of a share of independent trials."""

from __future__ import annotations

import math


def wilson(share: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share of n independent trials, within 0 to 1.

    References:
        Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    from scipy import special

    z = float(special.ndtri((1 + level) / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(centre - half, 0.0), min(centre + half, 1.0)
