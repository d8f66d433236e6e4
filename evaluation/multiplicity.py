"""P-values of a family (countries, metrics), adjusted for its size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from relevance.errors import InputError, did_you_mean

Floats = NDArray[np.float64]


def holm(p_values: Sequence[float]) -> Floats:
    """Holm's adjusted p-values: those below α hold together with family-wise error α.

    References:
        Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> Floats:
    """Adjusted p-values that control the false discovery rate of independent tests.

    References:
        Benjamini & Hochberg (1995), Controlling the false discovery rate.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")[::-1]
    steps = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


ADJUSTMENTS: Mapping[str, Callable[[Sequence[float]], Floats]] = {
    "holm": holm,
    "bh": benjamini_hochberg,
}
"""Ways to adjust by the name that the command line takes: claims (`holm`), exploration (`bh`)."""


def adjustment(name: str) -> Callable[[Sequence[float]], Floats]:
    """The way to adjust that is called `name`.

    Raises:
        InputError: There is none.
    """
    if name not in ADJUSTMENTS:
        raise InputError(
            f"adjustment {name!r} is unknown.{did_you_mean(name, ADJUSTMENTS)} "
            f"Use one of {', '.join(ADJUSTMENTS)}"
        )
    return ADJUSTMENTS[name]
