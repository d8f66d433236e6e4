"""A true effect put into users' outcomes: drawn user by user, or its exact expectation on sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.moments import Floats, Moments
from relevance.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Effect:
    """A relative lift of Σx/Σy whose expectation is exactly known.

    Counts of successes (0 ≤ x ≤ y, whole numbers) stay counts: a random share of the unfulfilled
    sessions becomes fulfilled, or the other way round. Any other outcome is scaled.

    Attributes:
        lift: The relative lift, above -1.
        flips: Whether x counts successes among y.
        chance: Share of the sessions that could flip and do; 0 if the outcome is scaled.
    """

    lift: float
    flips: bool
    chance: float

    @classmethod
    def of(cls, lift: float, *, x: float, y: float, flips: bool) -> Effect:
        """The effect that lifts Σx/Σy of users with these sums.

        Raises:
            SettingsError: No such lift is possible: the rate would leave 0 to 1.
        """
        most = (y - x) / x if flips and x > 0 else np.inf
        if not -1 < lift <= most:
            limit = f"−100 % and {100 * most:+.4g} %" if flips else "−100 % and any number"
            raise SettingsError(
                f"a lift of {100 * lift:+.4g} % is not possible here: it must be between {limit}. "
                "Ask for a smaller one"
            )
        if not flips:
            return cls(lift, flips, 0.0)
        return cls(lift, flips, float(lift / most) if lift > 0 else -lift)

    def draw(self, x: Floats, y: Floats, rng: np.random.Generator) -> Floats:
        """(n,) outcomes under the effect of users with outcomes `x` and denominators `y`."""
        if not self.flips:
            return (1 + self.lift) * x
        if self.lift > 0:
            return x + rng.binomial((y - x).astype(np.int64), self.chance)
        return x - rng.binomial(x.astype(np.int64), self.chance)

    def applied(self, moments: Moments) -> Moments:
        """What the moments of these users are expected to be under the effect."""
        sums = moments.sums
        map_ = np.eye(4)
        map_[0, 0] = 1 - self.chance if self.flips else 1 + self.lift
        rising = self.flips and self.lift > 0
        map_[0, 1] = self.chance if rising else 0.0
        products = map_ @ moments.products @ map_.T
        could_flip = sums[1] - sums[0] if rising else sums[0]
        # Binomial noise of the sessions that flip; nothing flips where the outcome is scaled.
        products[0, 0] += self.chance * (1 - self.chance) * could_flip
        return Moments(moments.n, map_ @ sums, products, moments.sessions)


def counts_successes(x: Floats, y: Floats) -> bool:
    """Whether each x is a whole number of successes among y trials."""
    whole = np.array_equal(x, np.floor(x)) and np.array_equal(y, np.floor(y))
    return bool(whole and (x >= 0).all() and (x <= y).all())
