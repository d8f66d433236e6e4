"""How many units of each stratum to draw: for a number of them, or for minutes of people's time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.planning.allocation import MINIMUM, allocate
from relevance.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PROPORTIONAL, NEYMAN, EVEN = "proportional", "neyman", "even"
ALLOCATIONS = (PROPORTIONAL, NEYMAN, EVEN)


@dataclass(frozen=True, slots=True)
class Amount:
    """How much to draw.

    Attributes:
        of: `all`, `units` (queries or pairs, whatever is drawn) or `minutes`.
        each: For every group (or stratum); None = only groups that are named.
        named: For groups by name.
        per_stratum: Whether a number of units is that of each stratum.
    """

    of: str = "all"
    each: float | None = None
    named: Mapping[str, float] | None = None
    per_stratum: bool = False

    def for_group(self, group: str) -> float | None:
        """What a group gets; None = nothing is to be drawn there."""
        return (self.named or {}).get(group, self.each)


@dataclass(frozen=True, slots=True)
class Strata:
    """The strata of one group.

    Attributes:
        names: Of the strata.
        units: (H,) units that can be drawn.
        sizes: (H,) total size of them: their number, unless drawn in proportion to something.
        sd: (H,) standard deviation of what is measured; None = unknown.
        minutes: (H,) mean cost of a unit, with its gold questions and repeats.
    """

    names: tuple[str, ...]
    units: Ints
    sizes: Floats
    minutes: Floats
    sd: Floats | None = None

    @property
    def least(self) -> int:
        """Fewest units that leave every stratum a variance."""
        return int(np.minimum(MINIMUM, self.units).sum())

    def worth(self, allocation: str) -> Floats:
        """(H,) what numbers of units are to be in proportion to.

        References:
            Neyman, JRSS 1934; with costs, Cochran, Sampling Techniques, 1977, section 5.5:
            n_h ∝ size_h · sd_h / √cost_h.
        """
        if allocation == EVEN:
            return np.ones(len(self.units))
        worth = self.sizes
        if allocation == NEYMAN and self.sd is not None and (self.units * self.sd).any():
            worth = self.sizes * self.sd
            paid = self.minutes > 0
            if paid.any():
                worth = worth / np.sqrt(np.where(paid, self.minutes, self.minutes[paid].mean()))
        return worth

    def share_out(self, n: int, allocation: str = PROPORTIONAL) -> Ints:
        """(H,) units of each stratum that sum to n: at least two each where n is enough for it."""
        n = min(n, int(self.units.sum()))
        minimum = next(m for m in (MINIMUM, 1, 0) if np.minimum(m, self.units).sum() <= n)
        return allocate(n, self.worth(allocation), minimum=minimum, caps=self.units)

    def affordable(self, minutes: float, allocation: str = PROPORTIONAL) -> int:
        """The most units whose expected cost is within the minutes."""

        def fits(n: int) -> bool:
            return float(self.share_out(n, allocation) @ self.minutes) <= minutes + 1e-9

        return most(fits, int(self.units.sum()))


def most(fits: Callable[[int], bool], there: int) -> int:
    """The largest n of 0 … `there` that fits; what fits must not begin to fit again."""
    low, high = 0, there
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def units_of(
    strata: Strata,
    amount: Amount,
    group: str,
    *,
    allocation: str = PROPORTIONAL,
    reserved: float = 0.0,
    unit: str = "units",
) -> Ints:
    """(H,) units to draw of each stratum of a group.

    Args:
        strata: Of the group.
        amount: How much.
        group: Name of the group.
        allocation: One of `ALLOCATIONS`.
        reserved: Minutes that are spent in any case.
        unit: What the units are, in the plural.

    Raises:
        InputError: More units than there are, or minutes that buy none.
    """
    wanted = amount.for_group(group)
    there = int(strata.units.sum())
    if amount.of == "all":
        return strata.units
    if wanted is None:
        return np.zeros_like(strata.units)
    if amount.per_stratum:
        return np.minimum(int(wanted), strata.units)
    if amount.of == "units":
        if wanted > there:
            raise InputError(
                f"{wanted:.0f} {unit} cannot be drawn from {there}{_in(group)}. Ask for at most all"
            )
        return strata.share_out(int(wanted), allocation)
    n = strata.affordable(wanted - reserved, allocation)
    if not n and there:
        cheapest = float(strata.minutes[strata.units > 0].min())
        raise InputError(
            f"{wanted:g} minutes buy nothing{_in(group)}: the cheapest unit takes {cheapest:.1f}"
            + (f", and {reserved:.1f} are spent already" if reserved else "")
            + ". Give more minutes, or a smaller overlap or pool"
        )
    return strata.share_out(n, allocation)


def _in(group: str) -> str:
    return f" in {group}" if group else ""
