"""Two models' figures over the same pairs as one statistic: their difference, and what swaps do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.compare.sign_flip import sign_flip
from evaluation.compare.swaps import drawn_swaps, permuted_p, swap_p
from evaluation.intervals import Estimate, Linear, Ratio, Smooth, Statistic
from evaluation.metrics.lists import Floats


@dataclass(frozen=True, slots=True)
class Signs:
    """A difference that is a sum over queries: swapping one turns the sign of what it adds.

    Attributes:
        terms: (n,) what each query adds.
    """

    terms: Floats

    def p_value(self, *, seed: int, key: str, flips: int) -> float:
        """Two-sided p-value of no difference, in (0, 1]."""
        return sign_flip(self.terms, seed=seed, key=key, flips=flips)


@dataclass(frozen=True, slots=True)
class Moves:
    """A difference of functions of sums: swapping a query moves its columns between the sums.

    Attributes:
        old: (n, m) columns of the baseline.
        new: (n, m) columns of the candidate.
        function: (…, m) sums → (…) figures.
    """

    old: Floats
    new: Floats
    function: Callable[[Floats], Floats]

    def p_value(self, *, seed: int, key: str, flips: int) -> float:
        """Two-sided p-value of no difference, in (0, 1]."""
        return swap_p(self.old, self.new, self.function, seed=seed, key=key, flips=flips)

    def drawn(self, *, seed: int, key: str, flips: int) -> Floats:
        """(flips,) differences under random swaps."""
        return drawn_swaps(self.old, self.new, self.function, seed=seed, key=key, flips=flips)


Swap = Signs | Moves


@dataclass(frozen=True, slots=True)
class Both:
    """Two models' figures over the same n queries.

    Attributes:
        old: The baseline's figure.
        new: The candidate's.
        swap: What swaps do; None where the metric has no such test (AUPRC).
    """

    old: Statistic
    new: Statistic
    swap: Swap | None

    @property
    def difference(self) -> Statistic:
        """New - old, over both models' sums of the same queries."""
        if isinstance(self.old, Ratio) and isinstance(self.new, Ratio):
            return Ratio(self.new.numerator - self.old.numerator, self.new.denominator)
        columns, figures = self._together()
        return Smooth(columns, lambda sums: np.subtract(*figures(sums)[::-1]))

    def _together(self) -> tuple[Floats, Callable[[Floats], tuple[Floats, Floats]]]:
        """(n, m) columns of both, and their sums → both figures."""
        old, new = _columns(self.old), _columns(self.new)
        first, second, width = _function(self.old), _function(self.new), old.shape[1]

        def figures(sums: Floats) -> tuple[Floats, Floats]:
            return first(sums[..., :width]), second(sums[..., width:])

        return np.hstack([old, new]), figures


def swap_of(old: Statistic, new: Statistic, terms: Floats | None = None) -> Swap | None:
    """What swaps do to the difference of two figures over the same queries; None if not known.

    Args:
        old: The baseline's figure.
        new: The candidate's.
        terms: (n,) for a `Linear`, what each query adds to the difference.
    """
    if isinstance(old, Ratio) and isinstance(new, Ratio):
        return Signs((new.numerator - old.numerator) / new.denominator.sum())
    if isinstance(old, Smooth) and isinstance(new, Smooth):
        return Moves(old.columns, new.columns, new.function)
    return None if terms is None else Signs(terms)


def total_p(
    swaps: Sequence[Swap], shares: Floats, observed: float, *, seed: int, key: str, flips: int
) -> float:
    """P-value of the difference of a group, or of a weighted total of several groups.

    Args:
        swaps: One a group, all of one metric.
        shares: (g,) weights, which sum to 1.
        observed: The total's difference.
        seed: Seed of the swaps.
        key: Name of the total.
        flips: Number of swaps, where they are drawn.
    """
    if len(swaps) == 1:
        return swaps[0].p_value(seed=seed, key=key, flips=flips)
    terms = [
        s * each.terms for s, each in zip(shares, swaps, strict=True) if isinstance(each, Signs)
    ]
    if terms:
        return sign_flip(np.concatenate(terms), seed=seed, key=key, flips=flips)
    drawn = [
        share * swap.drawn(seed=seed, key=f"{key} {number}", flips=flips)
        for number, (share, swap) in enumerate(zip(shares, swaps, strict=True))
        if isinstance(swap, Moves)
    ]
    return permuted_p(observed, np.sum(drawn, axis=0))


def moments_of(old: Estimate, new: Estimate, share: float = 1.0) -> Floats:
    """(3,) variance of the baseline's figure, covariance, variance of the candidate's, × share².

    By the influence of each query on the two (the infinitesimal jackknife).

    Args:
        old: The baseline's figure over n queries.
        new: The candidate's, over the same.
        share: Weight of the group in a total.
    """
    both = np.stack([old.influence, new.influence])
    n = both.shape[1]
    products = both @ both.T * (share**2 * n / (n - 1))
    return np.array([products[0, 0], products[0, 1], products[1, 1]])


def _columns(statistic: Statistic) -> Floats:
    if isinstance(statistic, Linear):
        return np.column_stack([statistic.influence, np.ones(len(statistic.influence))])
    return statistic.columns


def _function(statistic: Statistic) -> Callable[[Floats], Floats]:
    if isinstance(statistic, Smooth):
        return statistic.function
    if isinstance(statistic, Ratio):
        return lambda sums: np.asarray(sums[..., 0] / sums[..., 1])
    n = len(statistic.influence)
    # per query drawn, so that the figure is the same if every query were there twice
    return lambda sums: statistic.moved(np.asarray(sums[..., 0] * n / sums[..., 1]))
