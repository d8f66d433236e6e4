"""Power and smallest detectable lift of what `analyze` does, from the moments of one population.

The expected moments of both arms go through the same comparison as an experiment's own, so that
post-stratification, CUPED and degrees of freedom are those of the analysis, not of a textbook.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.experiment.effects import Effect
from evaluation.experiment.lift import stratified
from evaluation.moments import Contrast, Moments, ratio_contrast, total

STEPS = 4
"""Steps towards the detectable lift: its own variance depends on the lift, but hardly."""


@dataclass(frozen=True, slots=True)
class Population:
    """The users of an experiment that has not been split yet.

    Attributes:
        strata: Group → moments of all its users.
        flips: Whether the outcome counts successes, see `Effect`.
        shares: Shares of the users who go to treatment and to control.
        cuped: Whether the pre-period is used.
    """

    strata: Mapping[str, Moments]
    flips: bool
    shares: tuple[float, float]
    cuped: bool = True

    @property
    def everyone(self) -> Moments:
        """Moments of all users."""
        return total(list(self.strata.values()))

    @property
    def value(self) -> float | None:
        """The rate Σx/Σy; None without sessions."""
        x, y = self.everyone.sums[:2]
        return float(x / y) if y > 0 else None

    def grown(self, factor: float) -> Population:
        """The same with so many times the users."""
        strata = {name: scaled(moments, factor) for name, moments in self.strata.items()}
        return Population(strata, self.flips, self.shares, self.cuped)

    def only(self, group: str) -> Population:
        """The users of one group."""
        return Population({group: self.strata[group]}, self.flips, self.shares, self.cuped)

    def effect(self, lift: float) -> Effect:
        """The effect that lifts the rate of all users so; raises `SettingsError` if none does."""
        x, y = self.everyone.sums[:2]
        return Effect.of(lift, x=float(x), y=float(y), flips=self.flips)

    def contrast(self, lift: float = 0.0, *, plain: bool = False) -> Contrast | None:
        """The comparison that is expected under a lift; `plain` without strata and CUPED."""
        effect = self.effect(lift)
        arms = [
            (effect.applied(scaled(m, self.shares[0])), scaled(m, self.shares[1]))
            for m in self.strata.values()
        ]
        if not plain:
            return stratified(arms, cuped=self.cuped)
        treated, controls = (total([arm[i] for arm in arms]) for i in (0, 1))
        return ratio_contrast([treated], [controls], cuped=False)


def scaled(moments: Moments, factor: float) -> Moments:
    """Moments of `factor` times as many such users, rounded to whole users."""
    n = round(factor * moments.n)
    share = n / moments.n if moments.n else 0.0
    sessions = round(share * moments.sessions)
    return Moments(n, share * moments.sums, share * moments.products, sessions)


def power_of(contrast: Contrast, alpha: float) -> float:
    """Chance that the two-sided test of an expected contrast finds its difference."""
    from scipy import special

    shift = contrast.difference / math.sqrt(contrast.variance)
    critical = contrast.critical(1 - alpha)
    return float(special.ndtr(shift - critical) + special.ndtr(-shift - critical))


def power_at(
    population: Population, lift: float, alpha: float, *, plain: bool = False
) -> float | None:
    """Chance to find a true lift; None where it cannot be compared."""
    contrast = population.contrast(lift, plain=plain)
    return power_of(contrast, alpha) if contrast else None


def detectable_lift(
    population: Population, alpha: float, power: float, *, plain: bool = False
) -> float | None:
    """The relative lift that is found with this power.

    Returns:
        Above 0; None where nothing can be compared, or where the rate would have to exceed 1.

    References:
        Lehr (1992), Sixteen s-squared over d-squared, for the form; the variance is `analyze`'s.
    """
    from scipy import special

    value, lift = population.value, 0.0
    if not value:
        return None
    everyone = population.everyone
    most = everyone.sums[1] / everyone.sums[0] - 1 if population.flips else math.inf
    for _ in range(STEPS):
        contrast = population.contrast(lift, plain=plain)
        if contrast is None:
            return None
        errors = contrast.critical(1 - alpha) + float(special.ndtri(power))
        lift = errors * math.sqrt(contrast.variance) / abs(value)
        if lift > most:
            return None
    return lift
