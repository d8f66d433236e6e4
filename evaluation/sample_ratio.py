"""The gate before every lift: are the users split over the variants as they should be?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.moments import Moments, sample_ratio_p
from evaluation.multiplicity import holm

FEWEST_EXPECTED = 5
"""A group where a variant expects fewer users than this is not tested: χ² is no good there."""


@dataclass(frozen=True, slots=True)
class Split:
    """Users of each variant in one place, and the test of them.

    Attributes:
        counts: Variant → users.
        p_value: Of the intended split; None where there are too few users to test.
        p_adjusted: Adjusted (Holm) over the groups, or over the days; the overall one as it is.
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


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """The check overall, in each group and on each day of first exposure.

    Attributes:
        intended: Variant → intended share, control first.
        overall: All users.
        groups: Group → its users.
        days: Day → the users first exposed on it.
        alpha: Below this p a split is broken.
    """

    intended: Mapping[str, float]
    overall: Split
    groups: Mapping[str, Split]
    days: Mapping[str, Split]
    alpha: float

    @classmethod
    def of(
        cls,
        groups: Mapping[str, Mapping[str, Moments]],
        days: Mapping[str, Mapping[str, Moments]],
        intended: Mapping[str, float],
        alpha: float,
    ) -> SampleRatio:
        """Tests the users that moments (variant → group or day → moments) rest on."""
        by_group, by_day = _counts(groups, intended), _counts(days, intended)
        everyone = {v: sum(counts[v] for counts in by_group.values()) for v in intended}
        overall = _tested({"": everyone}, intended)[""]
        return cls(intended, overall, _tested(by_group, intended), _tested(by_day, intended), alpha)

    @property
    def broken(self) -> str:
        """Where and how the split is broken, in words; empty if it is not."""
        said = []
        if _fires(self.overall, self.alpha):
            said.append(self._describe(self.overall))
        for kind, splits in (("in", self.groups), ("on", self.days)):
            firing = [name for name, split in splits.items() if _fires(split, self.alpha)]
            if firing and len(splits) > 1:
                worst = min(firing, key=lambda name: (splits[name].p_value, name))
                more = f" and {len(firing) - 1} more" if len(firing) > 1 else ""
                said.append(f"{kind} {worst}{more} {self._describe(splits[worst])}")
        return "; ".join(said)

    def _describe(self, split: Split) -> str:
        def gap(variant: str) -> float:
            return abs((split.share(variant) or 0.0) - self.intended[variant])

        variant = max(list(self.intended)[1:], key=gap)
        p = split.p_value or 0.0
        return (
            f"{100 * (split.share(variant) or 0.0):.1f} % in {variant} instead of "
            f"{100 * self.intended[variant]:.1f} %, {'p < .0001' if p < 1e-4 else f'p = {p:.4f}'}"
        )


def _counts(
    moments: Mapping[str, Mapping[str, Moments]], intended: Mapping[str, float]
) -> dict[str, dict[str, int]]:
    """Group → variant → users."""
    names = sorted({name for groups in moments.values() for name in groups})
    return {
        name: {
            variant: moments[variant][name].n if name in moments.get(variant, {}) else 0
            for variant in intended
        }
        for name in names
    }


def _tested(
    counts: Mapping[str, Mapping[str, int]], intended: Mapping[str, float]
) -> dict[str, Split]:
    smallest = min(intended.values())
    tested = {
        name: sample_ratio_p(list(users.values()), list(intended.values()))
        for name, users in counts.items()
        if sum(users.values()) * smallest >= FEWEST_EXPECTED
    }
    adjusted = dict(zip(tested, holm(list(tested.values())).tolist(), strict=True))
    return {
        name: Split(users, tested.get(name), adjusted.get(name)) for name, users in counts.items()
    }


def _fires(split: Split, alpha: float) -> bool:
    return split.p_adjusted is not None and split.p_adjusted < alpha
