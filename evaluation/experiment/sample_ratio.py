"""The gate before every lift: are the users split over the variants as they should be?

| family | what is tested | adjusted |
|---|---|---|
| overall | all users | - |
| groups | the users of each group, for each column split by | Holm, per column |
| days | the users first exposed on each day | Holm |
| since | the users first exposed on a day or later, for each day but the first | Holm |

The last finds an assignment that broke on the way, which the overall figure dilutes and no single
day may show. The test is χ² without continuity correction; exact where users are few. A place
where not even the most lopsided split could fire is not tested, and costs the others nothing.
With one column to split by, the whole gate fires in about .3 % of sound experiments at alpha .001.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.moments import Moments, sample_ratio_p
from evaluation.multiplicity import holm

FEWEST_EXPECTED = 5
"""Where a variant expects fewer users than this, the test is exact."""

FEWEST_EXPECTED_RARE = 100
"""The same where a variant's share is well below an even one (`RARE`): there the tails of χ² are up
to nine times too light at the levels that are used here."""

RARE = 0.7
"""Part of an even share below which a variant is rare."""

MOST_OUTCOMES = 20_000
"""Splits that an exact test goes through at most."""

CLEARER = 10
"""A day since when the split is broken is told if its p is smaller than the overall by this."""

Counts = Mapping[str, Mapping[str, int]]
"""Place → variant → users."""


@dataclass(frozen=True, slots=True)
class Split:
    """Users of each variant in one place, and the test of them.

    Attributes:
        counts: Variant → users.
        p_value: Of the intended split; None where there are too few users to test.
        p_adjusted: Adjusted (Holm) over its family; the overall one as it is.
    """

    counts: Mapping[str, int]
    p_value: float | None
    p_adjusted: float | None

    @property
    def users(self) -> int:
        """Users of all variants."""
        return sum(self.counts.values())

    def share(self, variant: str) -> float | None:
        """Share of the users who are in a variant."""
        return self.counts[variant] / self.users if self.users else None


Family = Mapping[str, Split]
"""Place → its split; adjusted together."""


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """The check overall, in each group and over the days of first exposure.

    Attributes:
        intended: Variant → intended share, control first.
        overall: All users.
        groups: Column split by → group → its users.
        days: Day → the users first exposed on it.
        since: Day → the users first exposed on it or later; without the first day.
        alpha: Below this adjusted p a split is broken.
    """

    intended: Mapping[str, float]
    overall: Split
    groups: Mapping[str, Family]
    days: Family
    since: Family
    alpha: float

    @classmethod
    def of(
        cls,
        groups: Mapping[str, Mapping[str, Mapping[str, Moments]]],
        days: Mapping[str, Mapping[str, Moments]],
        intended: Mapping[str, float],
        alpha: float,
    ) -> SampleRatio:
        """Tests the users that moments rest on.

        Args:
            groups: Column split by → variant → group → moments; each column, like the days,
                covers all users.
            days: Variant → day (ISO date) → moments.
            intended: Variant → intended share, control first; the shares add up to 1.
            alpha: Below this adjusted p a split is broken.
        """
        by_group = {by: _counts(moments, intended) for by, moments in groups.items()}
        by_day = _counts(days, intended)
        everyone = _sum(next(iter(by_group.values()), by_day).values(), intended)
        return cls(
            intended,
            _tested({"": everyone}, intended, alpha)[""],
            {by: _tested(counts, intended, alpha) for by, counts in by_group.items()},
            _tested(by_day, intended, alpha),
            _tested(_later(by_day, intended), intended, alpha),
            alpha,
        )

    @property
    def broken(self) -> str:
        """Where and how the split is broken, in words; empty if it is not."""
        said = [self._describe(self.overall)] if self._fires(self.overall) else []
        for by, family in self.groups.items():
            name = f"in {by} " if len(self.groups) > 1 else "in "
            said += self._of_family(family, name, f"in all {len(family)} groups of {by}")
        return "; ".join(said + self._in_time())

    def _of_family(self, family: Family, name: str, everywhere: str) -> list[str]:
        """The worst place of a family that fires; a single place only repeats the whole."""
        firing = self._firing(family)
        if not firing or len(family) < 2:
            return []
        if len(firing) == len(family) and self._fires(self.overall):
            return [everywhere]
        more = f" and {len(firing) - 1} more" if len(firing) > 1 else ""
        return [f"{name}{firing[0]}{more} {self._describe(family[firing[0]])}"]

    def _in_time(self) -> list[str]:
        """The day since when, or the days on which, the split is broken: what explains it best."""
        days, since = self._firing(self.days), self._firing(self.since)
        told = days if len(self.days) > 1 else []
        best = min((_p(self.days[day]) for day in told), default=1.0)
        if self._fires(self.overall):
            best = min(best, _p(self.overall) / CLEARER)
        if since and _p(self.since[since[0]]) < best:
            start = since[0]
            earlier = {day: split for day, split in self.days.items() if day < start}
            return [
                *self._of_family(earlier, "on ", f"on all {len(earlier)} days"),
                f"since {start} {self._describe(self.since[start])}",
            ]
        return self._of_family(self.days, "on ", f"on all {len(self.days)} days")

    def _fires(self, split: Split) -> bool:
        return split.p_adjusted is not None and split.p_adjusted < self.alpha

    def _firing(self, family: Family) -> list[str]:
        """Places whose split is broken, the worst first."""
        firing = [name for name, split in family.items() if self._fires(split)]
        return sorted(firing, key=lambda name: (_p(family[name]), name))

    def _describe(self, split: Split) -> str:
        """`52.1 % in treatment instead of 50.0 %, p < .0001`, of the variant that is furthest."""

        def gap(variant: str) -> float:
            return round(abs((split.share(variant) or 0.0) - self.intended[variant]), 9)

        control, *treatments = self.intended
        variant = max([*treatments, control], key=gap)
        found, wanted = _told_apart(split.share(variant) or 0.0, self.intended[variant])
        p = split.p_adjusted or 0.0
        p_text = "p < .0001" if p < 1e-4 else f"p = {p:.4f}"
        return f"{found} in {variant} instead of {wanted}, {p_text}"


def split_p(counts: Sequence[int], intended: Sequence[float], alpha: float) -> float | None:
    """P of the intended split: χ², or exact where users are few.

    Args:
        counts: Users of each variant.
        intended: Intended share of each; they add up to 1.
        alpha: Level at which the split would be called broken.

    Returns:
        p in [0, 1]; None where no split of so few users could have a p below `alpha`.

    References:
        Tarone (1990), A modified Bonferroni method for discrete data.
    """
    users, rarest = sum(counts), min(intended)
    rare = rarest < RARE / len(counts)
    if users * rarest >= (FEWEST_EXPECTED_RARE if rare else FEWEST_EXPECTED):
        return sample_ratio_p(counts, intended)
    # All users in a variant of the smallest share is the least likely split.
    ties = sum(share - rarest < 1e-9 for share in intended)
    if ties * rarest**users >= alpha:
        return None
    if math.comb(users + len(counts) - 1, len(counts) - 1) <= MOST_OUTCOMES:
        return _exact_p(counts, intended)
    return sample_ratio_p(counts, intended) if users * rarest >= FEWEST_EXPECTED else None


def _exact_p(counts: Sequence[int], intended: Sequence[float]) -> float:
    """Probability of a split that is as unlikely as this one, or more so (multinomial)."""
    users, variants = sum(counts), len(counts)
    bars = np.array(list(itertools.combinations(range(users + variants - 1), variants - 1)))
    ends = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, users + variants - 1)))
    splits = np.diff(ends, axis=1) - 1
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, users + 1)))])
    chance = np.log(np.asarray(intended, dtype=float))

    def log_probability(split: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(
            factorial[users] - factorial[split].sum(axis=-1) + (split * chance).sum(axis=-1)
        )

    logs = log_probability(splits)
    # Splits of equal probability differ by rounding.
    as_unlikely = logs <= log_probability(np.asarray(counts)) + 1e-7
    return min(float(np.exp(logs[as_unlikely]).sum()), 1.0)


def _counts(
    moments: Mapping[str, Mapping[str, Moments]], intended: Mapping[str, float]
) -> dict[str, dict[str, int]]:
    """Place → variant → users, of moments by variant and place; places in order."""
    names = sorted({name for places in moments.values() for name in places})
    return {
        name: {
            variant: moments[variant][name].n if name in moments.get(variant, {}) else 0
            for variant in intended
        }
        for name in names
    }


def _later(days: Counts, intended: Mapping[str, float]) -> Counts:
    """Day → users of that day and of all later ones; without the first day."""
    names = list(days)
    return {
        name: _sum([days[later] for later in names[i:]], intended)
        for i, name in enumerate(names)
        if i
    }


def _sum(counts: Iterable[Mapping[str, int]], intended: Mapping[str, float]) -> dict[str, int]:
    parts = list(counts)
    return {variant: sum(users[variant] for users in parts) for variant in intended}


def _tested(counts: Counts, intended: Mapping[str, float], alpha: float) -> dict[str, Split]:
    """The splits of a family with their p-values, adjusted over those that can be tested."""
    shares = list(intended.values())
    found = {name: split_p(list(users.values()), shares, alpha) for name, users in counts.items()}
    tested = {name: p for name, p in found.items() if p is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())).tolist(), strict=True))
    return {
        name: Split(users, tested.get(name), adjusted.get(name)) for name, users in counts.items()
    }


def _p(split: Split) -> float:
    return 1.0 if split.p_value is None else split.p_value


def _told_apart(found: float, wanted: float) -> tuple[str, str]:
    """Two shares in percent, with as many digits as it takes to see that they differ."""
    for digits in range(1, 6):
        texts = f"{100 * found:.{digits}f} %", f"{100 * wanted:.{digits}f} %"
        if texts[0] != texts[1]:
            break
    return texts
