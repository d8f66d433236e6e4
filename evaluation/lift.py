"""One treatment against control: overall, in each group, and as rows of the long table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.moments import (
    NOTHING,
    Contrast,
    Moments,
    average_contrast,
    heterogeneity,
    ratio_contrast,
    total,
)
from evaluation.multiplicity import holm
from relevance.results import ExperimentRow

SMALL_STRATUM = 20
"""Groups with fewer users than this in an arm share one stratum of the global figure."""


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
    arms: Mapping[str, tuple[Moments, Moments]]
    everyone: tuple[Moments, Moments]
    primary: Contrast | None
    plain: Contrast | None
    groups: Mapping[str, Contrast | None]

    @classmethod
    def of(
        cls,
        moments: Mapping[str, Mapping[str, Moments]],
        *,
        treatment: str,
        control: str,
        cuped: bool,
    ) -> Comparison:
        """Compares two variants in moments (variant → group → moments)."""
        treated, controls = moments.get(treatment, {}), moments.get(control, {})
        arms = {
            group: (treated.get(group, NOTHING), controls.get(group, NOTHING))
            for group in sorted({*treated, *controls})
        }
        everyone = (total([t for t, _ in arms.values()]), total([c for _, c in arms.values()]))
        strata = _strata(list(arms.values()))
        return cls(
            treatment,
            arms,
            everyone,
            ratio_contrast([t for t, _ in strata], [c for _, c in strata], cuped=cuped),
            ratio_contrast([everyone[0]], [everyone[1]], cuped=False),
            {group: ratio_contrast([t], [c], cuped=cuped) for group, (t, c) in arms.items()},
        )

    @property
    def defined(self) -> dict[str, Contrast]:
        """The groups that can be compared."""
        return {group: contrast for group, contrast in self.groups.items() if contrast}

    @property
    def p_groups(self) -> dict[str, float]:
        """P of the groups that can be compared, adjusted as a family (Holm)."""
        adjusted = holm([contrast.p_value for contrast in self.defined.values()])
        return dict(zip(self.defined, adjusted.tolist(), strict=True))


def _strata(arms: Sequence[tuple[Moments, Moments]]) -> list[tuple[Moments, Moments]]:
    """The arms of each stratum; those too small for a variance of their own share one."""

    def merged(parts: Sequence[tuple[Moments, Moments]]) -> tuple[Moments, Moments]:
        return total([t for t, _ in parts]), total([c for _, c in parts])

    def small(arm: tuple[Moments, Moments]) -> bool:
        return min(arm[0].n, arm[1].n) < SMALL_STRATUM

    large = [arm for arm in arms if not small(arm)]
    rest = [arm for arm in arms if small(arm)]
    if rest and large and small(merged(rest)):
        rest.append(large.pop(min(range(len(large)), key=lambda i: large[i][0].n + large[i][1].n)))
    return [*large, merged(rest)] if rest else large


def lift_rows(
    part: Comparison,
    *,
    metric: str,
    by: str,
    alpha: float,
    p_adjusted: float | None,
    doubt: str = "",
) -> list[ExperimentRow]:
    """The primary, its groups, their mean, the unadjusted figure, heterogeneity.

    Args:
        part: The comparison.
        metric: What to call the outcome.
        by: Column that the groups come from; empty if there are none.
        alpha: Intervals have level 1 - alpha.
        p_adjusted: The primary's p, adjusted over the treatments.
        doubt: What to say of every figure, such as that the split is broken.
    """
    name = "".join(metric.split())
    always = [doubt] if doubt else []
    how = _how(part, by)
    primary = _row(
        part.treatment, name, part.primary, part.everyone, alpha=alpha, notes=[*always, *how]
    )
    rows = [dataclasses.replace(primary, p_adjusted=p_adjusted)]
    for group, arms in part.arms.items() if by else ():
        row = _row(part.treatment, name, part.groups[group], arms, alpha=alpha, notes=always)
        p = part.p_groups.get(group)
        rows.append(dataclasses.replace(row, slice=by, group=group, p_adjusted=p))
    several = bool(by) and len(part.defined) > 1
    if several:
        mean = average_contrast(list(part.defined.values()))
        notes = [*always, f"every {by} counts the same"]
        row = _row(part.treatment, name, mean, part.everyone, alpha=alpha, notes=notes)
        rows.append(dataclasses.replace(row, slice=by, group="(mean)"))
    if how:
        notes = [*always, "plain shares of sessions"]
        plain = f"{name}(unadjusted)"
        rows.append(
            _row(part.treatment, plain, part.plain, part.everyone, alpha=alpha, notes=notes)
        )
    return [*rows, _heterogeneity_row(part, by)] if several else rows


def _how(part: Comparison, by: str) -> list[str]:
    """How the primary was adjusted, in words; empty if it is the plain share of sessions."""
    notes = [f"weighted to one mix of {by}"] if by and len(part.arms) > 1 else []
    if part.primary and part.primary.theta:
        notes.append(f"CUPED took away {100 * part.primary.reduction:.1f} % of the variance")
    return notes


def _row(
    treatment: str,
    metric: str,
    contrast: Contrast | None,
    arms: tuple[Moments, Moments],
    *,
    alpha: float,
    notes: Sequence[str],
) -> ExperimentRow:
    """One comparison as a row; where it could not be made, the plain rates and why."""
    users, sessions = arms[0].n + arms[1].n, int(arms[0].sums[1] + arms[1].sums[1])
    if contrast is None:
        rates = [float(arm.sums[0] / arm.sums[1]) if arm.sums[1] else None for arm in arms]
        few = min(arm.n for arm in arms) < 2 or None in rates
        why = "too few users to compare" if few else "nothing varies: no interval"
        return ExperimentRow(
            metric=metric,
            system=treatment,
            n=users,
            n_sessions=sessions,
            value=rates[0],
            baseline=rates[1],
            difference=None if rates[0] is None or rates[1] is None else rates[0] - rates[1],
            note="; ".join([*notes, why]),
        )
    relative = contrast.rel_interval(1 - alpha)
    unbounded = [] if relative else ["the control is not clearly above 0: no relative interval"]
    value, difference = contrast.treatment.interval(1 - alpha), contrast.interval(1 - alpha)
    return ExperimentRow(
        metric=metric,
        system=treatment,
        n=users,
        n_sessions=sessions,
        value=contrast.treatment.value,
        ci_low=value[0],
        ci_high=value[1],
        baseline=contrast.control.value,
        difference=contrast.difference,
        difference_ci_low=difference[0],
        difference_ci_high=difference[1],
        rel_difference=contrast.rel_difference,
        rel_difference_ci_low=relative[0] if relative else None,
        rel_difference_ci_high=relative[1] if relative else None,
        p_value=contrast.p_value,
        note="; ".join([*notes, *unbounded]),
    )


def _heterogeneity_row(part: Comparison, by: str) -> ExperimentRow:
    found = heterogeneity(list(part.defined.values()))
    return ExperimentRow(
        metric="heterogeneity",
        slice=by,
        system=part.treatment,
        value=found.i2,
        n=sum(arm.n for arm in part.everyone),
        p_value=found.p_value,
        note=f"I² of the differences between groups; Q = {found.q:.2f} on {found.df} df",
    )
