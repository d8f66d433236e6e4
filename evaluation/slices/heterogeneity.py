"""Whether groups differ by more than chance: Cochran's Q and I².

References:
    Cochran, Biometrics 1954; Higgins and Thompson, Statistics in Medicine 2002 (I²); Welch,
    Biometrika 1951 (p-value where the variances themselves are estimated from few queries).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """How groups differ.

    Attributes:
        q: Σ (value - weighted mean)² / variance.
        df: Groups - 1.
        p_value: Chance of a Q as large among groups that are alike.
        i2: Share of Q beyond chance, max(0, (Q - df) / Q).
    """

    q: float
    df: int
    p_value: float
    i2: float


def cochran(
    values: Sequence[float] | Floats,
    variances: Sequence[float] | Floats,
    sizes: Sequence[int] | None = None,
) -> Heterogeneity | None:
    """Heterogeneity of the groups that have a value and a positive variance.

    Args:
        values: (G,) figures; NaN = undefined.
        variances: (G,) their sampling variances.
        sizes: (G,) queries that each variance comes from. With them `p_value` is Welch's, which
            holds for small groups too; without, it is the χ²'s, as if the variances were known.

    Returns:
        None with fewer than two such groups.
    """
    value, variance = np.asarray(values, np.float64), np.asarray(variances, np.float64)
    used = np.isfinite(value) & np.isfinite(variance) & (variance > 0)
    if np.count_nonzero(used) < 2:
        return None
    value, weight = value[used], 1 / variance[used]
    q = float(weight @ (value - weight @ value / weight.sum()) ** 2)
    df = len(value) - 1
    free = None if sizes is None else np.asarray(sizes, np.float64)[used] - 1
    i2 = max(0.0, (q - df) / q) if q > 0 else 0.0
    return Heterogeneity(q, df, _p_value(q, df, weight, free), i2)


def _p_value(q: float, df: int, weight: Floats, free: Floats | None) -> float:
    """χ² tail of Q, or Welch's F tail where each variance has `free` degrees of freedom."""
    from scipy.special import chdtrc, fdtrc

    if free is None:
        return float(chdtrc(df, q))
    doubt = float(np.sum((1 - weight / weight.sum()) ** 2 / free)) / (df * (df + 2))
    return float(fdtrc(df, 1 / (3 * doubt), q / df / (1 + 2 * (df - 1) * doubt)))
