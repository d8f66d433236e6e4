"""One treatment against control: overall, and in each group of each column split by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.experiment.cautions import Values
from evaluation.experiment.cells import ALL, ByVariant
from evaluation.experiment.families import Member, Shrunk, family, shrink
from evaluation.moments import (
    NOTHING,
    Contrast,
    Moments,
    average_contrast,
    ratio_contrast,
    total,
)
from evaluation.outcomes import Outcome
from evaluation.slices.heterogeneity import Heterogeneity, cochran

SMALL_STRATUM = 20
"""Groups with fewer users than this in an arm share one stratum of the global figure."""

Arms = tuple[Moments, Moments]
"""Moments of treatment and of control."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One treatment against control.

    Attributes:
        treatment: Name of the treatment.
        arms: Group → moments of treatment and control.
        everyone: Moments of treatment and control over all groups.
        primary: All users, weighted to one mix of groups, CUPED where there is a pre-period.
        plain: All users, without either.
        groups: Group → its comparison, CUPED likewise; None where it cannot be made.
    """

    treatment: str
    arms: Mapping[str, Arms]
    everyone: Arms
    primary: Contrast | None
    plain: Contrast | None
    groups: Mapping[str, Contrast | None]

    @classmethod
    def of(cls, moments: ByVariant, *, treatment: str, control: str, cuped: bool) -> Comparison:
        """Compares two variants in moments (variant → group → moments)."""
        arms = arms_of(moments, treatment=treatment, control=control)
        everyone = (total([t for t, _ in arms.values()]), total([c for _, c in arms.values()]))
        return cls(
            treatment,
            arms,
            everyone,
            stratified(list(arms.values()), cuped=cuped),
            ratio_contrast([everyone[0]], [everyone[1]], cuped=False),
            {group: ratio_contrast([t], [c], cuped=cuped) for group, (t, c) in arms.items()},
        )

    @property
    def defined(self) -> dict[str, Contrast]:
        """The groups that can be compared."""
        return {group: contrast for group, contrast in self.groups.items() if contrast}

    @property
    def mean(self) -> Contrast | None:
        """The groups' equal-weighted mean; None where fewer than two can be compared."""
        defined = list(self.defined.values())
        return average_contrast(defined) if len(defined) > 1 else None

    def members(self, *, alpha: float, adjust: str) -> dict[str, Member]:
        """The groups that can be compared, as a family."""
        p_values = [contrast.p_value for contrast in self.defined.values()]
        return dict(zip(self.defined, family(p_values, alpha=alpha, adjust=adjust), strict=True))

    def shrunk(self, level: float) -> Shrunk | None:
        """Differences of the groups that can be compared, pulled towards their mean."""
        contrasts = list(self.defined.values())
        return shrink(
            [c.difference for c in contrasts], [c.variance for c in contrasts], level=level
        )

    @property
    def heterogeneity(self) -> Heterogeneity | None:
        """Whether differences vary between groups; None where fewer than two can be compared."""
        contrasts = list(self.defined.values())
        return cochran(
            [c.difference for c in contrasts],
            [c.variance for c in contrasts],
            [round(c.df) + 1 for c in contrasts],
        )


@dataclass(frozen=True, slots=True)
class Lift:
    """What a treatment does to an outcome.

    Attributes:
        outcome: What is measured.
        overall: The comparison that is stratified by the first column split by.
        slices: Column split by → the comparison in its groups; empty if nothing is split.
        values: Smallest and largest value of the outcome's column, as far as known.
    """

    outcome: Outcome
    overall: Comparison
    slices: Mapping[str, Comparison]
    values: Values = (None, None)

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        moments: Mapping[str, ByVariant],
        *,
        treatment: str,
        control: str,
        cuped: bool,
        values: Values = (None, None),
    ) -> Lift:
        """Compares in the moments of each column split by; `all` stands for no column."""
        made = {
            by: Comparison.of(found, treatment=treatment, control=control, cuped=cuped)
            for by, found in moments.items()
        }
        slices = {by: comparison for by, comparison in made.items() if by != ALL}
        return cls(outcome, next(iter(made.values())), slices, values)

    @property
    def stratified_by(self) -> str:
        """The column that the overall figure is weighted by; empty if there are not two groups."""
        by = next(iter(self.slices), "")
        return by if len(self.overall.arms) > 1 else ""


def arms_of(moments: ByVariant, *, treatment: str, control: str) -> dict[str, Arms]:
    """Group → moments of both variants; nobody where a variant has no user in a group."""
    treated, controls = moments.get(treatment, {}), moments.get(control, {})
    return {
        group: (treated.get(group, NOTHING), controls.get(group, NOTHING))
        for group in sorted({*treated, *controls})
    }


def stratified(arms: Sequence[Arms], *, cuped: bool) -> Contrast | None:
    """The comparison over all groups, weighted to one mix of them; small ones share a stratum."""
    strata = _strata(arms)
    return ratio_contrast([t for t, _ in strata], [c for _, c in strata], cuped=cuped)


def _strata(arms: Sequence[Arms]) -> list[Arms]:
    """The arms of each stratum; those too small for a variance of their own share one."""

    def merged(parts: Sequence[Arms]) -> Arms:
        return total([t for t, _ in parts]), total([c for _, c in parts])

    def small(arm: Arms) -> bool:
        return min(arm[0].n, arm[1].n) < SMALL_STRATUM

    large = [arm for arm in arms if not small(arm)]
    rest = [arm for arm in arms if small(arm)]
    if rest and large and small(merged(rest)):
        rest.append(large.pop(min(range(len(large)), key=lambda i: large[i][0].n + large[i][1].n)))
    return [*large, merged(rest)] if rest else large
