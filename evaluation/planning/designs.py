"""Designs of a measurement: how queries are drawn and whether both systems share them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evaluation.planning import (
    DRAWS,
    MOST,
    SRS,
    Population,
    Spread,
    allocation,
    detectable,
    half_width,
    required,
    standard_error,
)
from evaluation.planning.allocation import MINIMUM, Ints


@dataclass(frozen=True, slots=True)
class Design:
    """A way to measure a level or a difference.

    Attributes:
        name: `srs`, `strata`, `neyman` for a level; `unpaired`, `paired`, `paired+strata`, … for a
            difference.
        draw: How queries are drawn.
        spreads: Of what is averaged, each over queries of its own: the level; both systems'
            levels (unpaired); the differences (paired).
        population: The queries that there are.
    """

    name: str
    draw: str
    spreads: tuple[Spread, ...]
    population: Population

    @property
    def least(self) -> int:
        """Fewest queries that it can be done with."""
        if self.draw == SRS:
            return 2
        people = self.population
        few = np.minimum(MINIMUM, people.available) if people.finite else MINIMUM
        return int(np.sum(few * np.ones(len(people.names))))

    @property
    def most(self) -> int:
        """Most queries that can be had."""
        return int(self.population.available.sum()) if self.population.finite else MOST

    def error(self, n: int) -> float:
        """Standard error with n queries a system."""
        errors = [standard_error(s, self.population, n, self.draw) for s in self.spreads]
        return float(np.sqrt(np.sum(np.square(errors))))

    def possible(self, n: int) -> bool:
        """Whether n queries are enough for its strata, and not more than there are."""
        return self.least <= n <= self.most

    def df(self, n: int) -> float:
        """Degrees of freedom of the variance of n queries a system."""
        estimated = 1 if self.draw == SRS else len(self.population.names)
        return float(max(len(self.spreads) * (n - estimated), 1))

    def half_width(self, n: int, level: float = 0.95) -> float:
        """Half the width of the interval from n queries a system."""
        return half_width(self.error(n), level, self.df(n))

    def detectable(self, n: int, level: float = 0.95, power: float = 0.8) -> float:
        """Smallest true difference that n queries a system find with `power`."""
        return detectable(self.error(n), level, power, self.df(n))

    @property
    def varies(self) -> bool:
        """Whether the observed figures vary at all; if not, nothing can be planned from them."""
        return any(spread.total > 0 for spread in self.spreads)

    def required(self, figure_of: Callable[[int], float], target: float) -> int | None:
        """Queries a system for which a figure is at most `target`; None if that cannot be had."""
        if not self.varies:
            return None
        return required(figure_of, target, least=self.least, most=self.most)

    def counts(self, n: int) -> Ints:
        """(H,) queries of each stratum; where several figures are averaged, the first's."""
        return allocation(self.spreads[0], self.population, n, self.draw)


def level_designs(spread: Spread, population: Population) -> list[Design]:
    """Designs of one system's level, from the plainest on; without strata only `srs`."""
    return [Design(draw, draw, (spread,), population) for draw in _draws(population)]


def difference_designs(
    baseline: Spread, candidate: Spread, difference: Spread, population: Population
) -> list[Design]:
    """Designs of a difference: first unpaired ones, then paired ones."""
    kinds = {"unpaired": (baseline, candidate), "paired": (difference,)}
    return [
        Design(kind if draw == SRS else f"{kind}+{draw}", draw, spreads, population)
        for kind, spreads in kinds.items()
        for draw in _draws(population)
    ]


def _draws(population: Population) -> tuple[str, ...]:
    return DRAWS if len(population.names) > 1 else (SRS,)
