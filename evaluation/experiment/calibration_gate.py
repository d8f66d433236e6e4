"""The sample-ratio gate of `analyze` over thousands of splits at once; see `sample_ratio`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evaluation.experiment.sample_ratio import split_p
from evaluation.moments import Floats

MANY = 1000
"""Where every variant expects so many users the test is χ²; below, `split_p` decides and tests."""

DAY = "day"
"""The family of the days of first exposure, in order; `since` is made from it."""


def gate_fires(counts: Mapping[str, Floats], shares: Sequence[float], alpha: float) -> Floats:
    """(splits,) 1 where the gate fires, else 0.

    Args:
        counts: Family → users, shape (variants, splits, places).
        shares: Intended share of each variant, control first.
        alpha: Level of each family; Holm's within it.
    """
    fires = [_family_fires(family, shares, alpha) for family in gate_families(counts)]
    return np.asarray(np.any(fires, axis=0), dtype=np.float64)


def gate_families(counts: Mapping[str, Floats]) -> list[Floats]:
    """What the gate tests: everybody, each column's groups, each day, everybody since a day."""
    found = [next(iter(counts.values())).sum(axis=2, keepdims=True)]
    found += [family for family in counts.values() if family.shape[2] > 1]
    if DAY in counts and counts[DAY].shape[2] > 1:
        found.append(np.cumsum(counts[DAY][..., ::-1], axis=2)[..., -2::-1])
    return found


def _family_fires(family: Floats, shares: Sequence[float], alpha: float) -> Floats:
    """Whether Holm's smallest adjusted p is below alpha."""
    places = [_p_values(family[..., place], shares, alpha) for place in range(family.shape[2])]
    tested = [p for p in places if p is not None]
    if not tested:
        return np.zeros(family.shape[1])
    return np.asarray(np.min(tested, axis=0) * len(tested) < alpha)


def _p_values(counts: Floats, shares: Sequence[float], alpha: float) -> Floats | None:
    """(splits,) p of one place, counts (variants, splits); None where it is not tested."""
    users = counts[:, 0].sum()
    if users * min(shares) >= MANY:
        from scipy import special

        expected = users * np.asarray(shares)[:, None]
        statistic = ((counts - expected) ** 2 / expected).sum(axis=0)
        return np.asarray(special.chdtrc(len(shares) - 1, statistic))
    kinds, which = np.unique(counts, axis=1, return_inverse=True)
    p_values = [split_p([int(n) for n in kind], shares, alpha) for kind in kinds.T]
    if None in p_values:
        return None
    return np.array(p_values, dtype=np.float64)[which.ravel()]
