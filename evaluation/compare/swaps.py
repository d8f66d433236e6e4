"""Swapping two models' predictions query by query: what chance alone makes of their difference.

If a query's predictions might as well have come from either model, swapping them changes nothing
but chance. Each metric's difference under all swaps at once is known without a second evaluation:

- a mean over pairs: swapping a query turns the sign of what it adds to the difference;
- AUROC likewise, and exactly: the wins of query i's positive pairs over query j's negative ones
  depend on the two swaps alone, and their difference is linear in each (`auroc_terms`). Scores are
  swapped as ranks within their model: AUROC sees nothing else, and of two models of which one is
  sharper the scores themselves would not mix (the test then finds half of what it could);
- a function of sums (ECE, QWK): swapping moves a query's columns from one sum to the other.

References:
    Good (2005), Permutation, Parametric and Bootstrap Tests; Venkatraman and Begg, Biometrika 1996,
    and Bandos, Rockette and Gur, Statistics in Medicine 2005 (permuting two models' ROC curves).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import generator
from evaluation.metrics.lists import Floats
from evaluation.metrics.threshold import auroc

_CELLS = 4_000_000  # swaps held at once
_ROUNDING = 1e-12


def auroc_terms(
    labels: NDArray[np.bool_], old: NDArray[np.floating], new: NDArray[np.floating]
) -> Floats:
    """(N,) what each pair adds to the difference of two AUROC; swapping a query turns the sign.

    Let x_i = 1, or -1 where query i is swapped, and W_ij(a, b) the wins of its positive pairs under
    model a over query j's negative ones under model b. The difference of the two mixtures' wins is
    x_i (W(1,1) - W(0,0)) where x_i = x_j and x_i (W(1,0) - W(0,1)) elsewhere: linear in x. What
    query i collects is half the wins that its pairs gain against all pairs under both models.

    Args:
        labels: (N,) whether the human grade is at least t.
        old: (N,) P(grade ≥ t) of the baseline; only the order counts.
        new: (N,) of the candidate.

    Returns:
        Their sum is AUROC(new) - AUROC(old); zeros where all labels are equal.
    """
    both = np.concatenate([_ranks(old), _ranks(new)])
    _, influence = auroc(np.concatenate([labels, labels]), both)
    return 2 * (influence[len(labels) :] - influence[: len(labels)])


def swapped(
    old: Floats,
    new: Floats,
    function: Callable[[Floats], Floats],
    swaps: Floats,
) -> Floats:
    """(s,) differences function(Σ new) - function(Σ old) after each of some swaps.

    Args:
        old: (n, m) columns of the baseline.
        new: (n, m) columns of the candidate.
        function: (…, m) sums → (…) figures.
        swaps: (s, n) 1 where a query is swapped, else 0.
    """
    moved = swaps @ (new - old)
    return np.asarray(function(new.sum(axis=0) - moved) - function(old.sum(axis=0) + moved))


def swap_p(
    old: Floats,
    new: Floats,
    function: Callable[[Floats], Floats],
    *,
    seed: int = 0,
    key: str = "",
    flips: int,
) -> float:
    """Two-sided p-value of no difference of a function of sums.

    With so few queries that there are no more than `flips` ways to swap them all are looked at, and
    the p-value is exact; else it is drawn, and at least 1 / (flips + 1).

    Args:
        old: (n, m) columns of the baseline.
        new: (n, m) columns of the candidate.
        function: (…, m) sums → (…) figures.
        seed: Seed of the swaps.
        key: Name of the group.
        flips: Number of swaps, where they are drawn.
    """
    observed = function(new.sum(axis=0)) - function(old.sum(axis=0))
    apart = (new != old).any(axis=1)  # swapping equal columns changes nothing
    n = int(apart.sum())
    if n < 63 and 2**n <= flips:
        swaps = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        old_sum, new_sum = old[~apart].sum(axis=0), new[~apart].sum(axis=0)
        old, new = np.vstack([old[apart], old_sum]), np.vstack([new[apart], new_sum])
        none = np.zeros((len(swaps), 1))
        drawn = swapped(old, new, function, np.hstack([swaps, none]).astype(np.float64))
        return float(np.mean(_as_large(drawn, float(observed))))
    return permuted_p(
        float(observed), drawn_swaps(old, new, function, seed=seed, key=key, flips=flips)
    )


def drawn_swaps(
    old: Floats,
    new: Floats,
    function: Callable[[Floats], Floats],
    *,
    seed: int,
    key: str,
    flips: int,
) -> Floats:
    """(flips,) differences under random swaps; see `swapped`."""
    rng = generator(seed, f"swap {key}")
    n = len(old)
    chunk = max(1, min(flips, _CELLS // max(n, 1)))
    found = []
    for start in range(0, flips, chunk):
        size = min(chunk, flips - start)
        bits = np.frombuffer(rng.bytes((size * n + 7) // 8), dtype=np.uint8)
        swaps = np.unpackbits(bits)[: size * n].reshape(size, n).astype(np.float64)
        found.append(swapped(old, new, function, swaps))
    return np.concatenate(found)


def permuted_p(observed: float, drawn: Floats) -> float:
    """Two-sided p-value: the share of drawn differences that are as large, the observed one too."""
    return float((np.sum(_as_large(drawn, observed)) + 1) / (len(drawn) + 1))


def _as_large(drawn: Floats, observed: float) -> NDArray[np.bool_]:
    """Which differences are at least as large; undefined ones are, so that p is never too small."""
    return np.asarray(~(np.abs(drawn) < abs(observed) - _ROUNDING))


def _ranks(scores: NDArray[np.floating]) -> Floats:
    """(N,) rank of each score, equal ones sharing the middle of theirs."""
    _, place, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    return np.asarray((ends - (sizes - 1) / 2)[place], dtype=np.float64)
