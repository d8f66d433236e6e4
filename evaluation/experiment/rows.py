"""Lifts as rows of the long table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluation.experiment.cautions import cautions
from evaluation.experiment.families import Member
from evaluation.experiment.guardrails import Finding
from evaluation.experiment.lift import Arms, Comparison, Lift
from evaluation.experiment.sequential import Look
from evaluation.moments import Contrast
from evaluation.outcomes import Outcome
from relevance.results import ExperimentRow

_DEFINITIONS = {
    "rate": "Σ {0} ÷ sessions with a value; variance over users",
    "mean": "mean over users of Σ {0}",
    "any": "share of users with {0} > 0 in a session",
    "ratio": "Σ {0} ÷ Σ {1}; variance over users",
    "user": "mean over users of {0}",
}


@dataclass(frozen=True, slots=True)
class Telling:
    """How rows are told.

    Attributes:
        alpha: Intervals have level 1 - alpha, those of a family more.
        adjust: How groups are adjusted as a family: `holm` or `bh`.
        doubt: What to say of every figure, such as that the split is broken.
    """

    alpha: float = 0.05
    adjust: str = "holm"
    doubt: str = ""

    @property
    def level(self) -> float:
        """Of the intervals that belong to no family."""
        return 1 - self.alpha


def definition(outcome: Outcome) -> str:
    """What the figures of an outcome mean."""
    return _DEFINITIONS[outcome.kind].format(*outcome.columns)


def primary_rows(lift: Lift, member: Member | None, telling: Telling) -> list[ExperimentRow]:
    """The primary, the groups of every column split by, the plain figure, heterogeneity.

    Args:
        lift: What the treatment does to the primary.
        member: What being one of several treatments makes of its p; None if not comparable.
        telling: Levels and doubts.
    """
    rows = [overall_row(lift, member, telling, role="primary")]
    for by in lift.slices:
        rows += [*group_rows(lift, by, telling, role="primary"), *_mean_row(lift, by, telling)]
    if _how(lift):
        overall = lift.overall
        notes = ["neither weighted nor adjusted"]
        plain = _figures(
            lift, overall.plain, overall.everyone, telling, notes=notes, role="unadjusted"
        )
        rows.append(replace(plain, metric=f"{lift.outcome.name}(unadjusted)"))
    for by, comparison in lift.slices.items():
        rows += _heterogeneity_row(comparison, by)
    return rows


def secondary_rows(lift: Lift, member: Member | None, telling: Telling) -> list[ExperimentRow]:
    """A secondary outcome: overall, then the groups of the first column split by."""
    rows = [overall_row(lift, member, telling, role="secondary")]
    for by in list(lift.slices)[:1]:
        rows += group_rows(lift, by, telling, role="secondary")
    return rows


def overall_row(lift: Lift, member: Member | None, telling: Telling, *, role: str) -> ExperimentRow:
    """The figure over all users; p and interval adjusted as its family demands."""
    overall = lift.overall
    return _figures(
        lift,
        overall.primary,
        overall.everyone,
        telling,
        notes=_how(lift),
        role=role,
        member=member,
    )


def group_rows(lift: Lift, by: str, telling: Telling, *, role: str) -> list[ExperimentRow]:
    """The groups as a family, shrunk effects beside; those that cannot be compared say why."""
    comparison = lift.slices[by]
    members = comparison.members(alpha=telling.alpha, adjust=telling.adjust)
    shrunk = comparison.shrunk(telling.level)
    places = {group: i for i, group in enumerate(comparison.defined)}
    rows = []
    for group, arms in comparison.arms.items():
        contrast, member = comparison.groups[group], members.get(group)
        row = _figures(lift, contrast, arms, telling, role=role, place=(by, group), member=member)
        if shrunk and group in places:
            i = places[group]
            row = replace(
                row,
                shrunk_difference=float(shrunk.effects[i]),
                shrunk_ci_low=float(shrunk.low[i]),
                shrunk_ci_high=float(shrunk.high[i]),
            )
        rows.append(row)
    return rows


def guardrail_row(lift: Lift, finding: Finding, telling: Telling) -> ExperimentRow:
    """A guardrail with its margin; its finding begins the note."""
    row = overall_row(lift, None, telling, role="guardrail")
    return replace(
        row,
        margin=finding.guardrail.margin,
        margin_relative=finding.guardrail.relative,
        note=_joined([f"{finding.word}: {finding.reason}", row.note]),
    )


def look_row(look: Look, arms: Arms, lift: Lift, telling: Telling) -> ExperimentRow:
    """What was known on the evening of a day: the comparison so far, and the always-valid one."""
    row = _figures(
        lift, look.step.contrast, arms, telling, role="look", place=("day", look.step.day)
    )
    low, high = look.sequence or (None, None)
    rel_low, rel_high = look.rel_sequence or (None, None)
    early = "too early for an always-valid look" if look.p_always_valid is None else ""
    return replace(
        row,
        note=_joined([row.note, early]),
        p_always_valid=look.p_always_valid,
        sequence_ci_low=low,
        sequence_ci_high=high,
        rel_sequence_ci_low=rel_low,
        rel_sequence_ci_high=rel_high,
    )


def _mean_row(lift: Lift, by: str, telling: Telling) -> list[ExperimentRow]:
    comparison = lift.slices[by]
    if comparison.mean is None:
        return []
    left_out = len(comparison.groups) - len(comparison.defined)
    notes = [f"every {by} counts the same"]
    notes += [f"{left_out} that cannot be compared left out"] if left_out else []
    mean, place = comparison.mean, (by, "(mean)")
    return [
        _figures(lift, mean, comparison.everyone, telling, notes=notes, role="primary", place=place)
    ]


def _heterogeneity_row(comparison: Comparison, by: str) -> list[ExperimentRow]:
    found = comparison.heterogeneity
    if found is None:
        return []
    return [
        ExperimentRow(
            metric="heterogeneity",
            slice=by,
            system=comparison.treatment,
            value=found.i2,
            n=sum(arm.n for arm in comparison.everyone),
            p_value=found.p_value,
            note=f"I² of the differences between groups; Q = {found.q:.2f} on {found.df} df",
            role="heterogeneity",
        )
    ]


def _how(lift: Lift) -> list[str]:
    """How the overall figure was adjusted, in words; empty if it is the plain one."""
    by, primary = lift.stratified_by, lift.overall.primary
    notes = [f"weighted to one mix of {by}"] if by else []
    if primary and primary.theta:
        notes.append(f"CUPED took away {100 * primary.reduction:.1f} % of the variance")
    return notes


def _figures(
    lift: Lift,
    contrast: Contrast | None,
    arms: Arms,
    telling: Telling,
    *,
    role: str,
    notes: Sequence[str] = (),
    place: tuple[str, str] = ("all", "all"),
    member: Member | None = None,
) -> ExperimentRow:
    """One comparison as a row; where it could not be made, the plain values and why."""
    said = [telling.doubt, *notes]
    row = ExperimentRow(
        metric=lift.outcome.name,
        slice=place[0],
        group=place[1],
        system=lift.overall.treatment,
        n=arms[0].n + arms[1].n,
        n_sessions=arms[0].sessions + arms[1].sessions,
        role=role,
        definition=definition(lift.outcome),
    )
    if contrast is None:
        return _uncompared(row, arms, said)
    level = member.level if member else telling.level
    row = _compared(row, contrast, level)
    bounded = contrast.rel_interval(level) is not None
    return replace(
        row,
        p_adjusted=member.p_adjusted if member else None,
        q_value=member.q_value if member else None,
        note=_joined(
            [*said, *cautions(contrast, arms, lift.outcome, lift.values, bounded=bounded)]
        ),
    )


def _compared(row: ExperimentRow, contrast: Contrast, level: float) -> ExperimentRow:
    value, difference = contrast.treatment.interval(level), contrast.interval(level)
    relative = contrast.rel_interval(level) or (None, None)
    return replace(
        row,
        value=contrast.treatment.value,
        ci_low=value[0],
        ci_high=value[1],
        baseline=contrast.control.value,
        difference=contrast.difference,
        difference_ci_low=difference[0],
        difference_ci_high=difference[1],
        rel_difference=contrast.rel_difference,
        rel_difference_ci_low=relative[0],
        rel_difference_ci_high=relative[1],
        p_value=contrast.p_value,
        ci_level=level,
        variance_reduction=contrast.reduction if contrast.theta else None,
    )


def _uncompared(row: ExperimentRow, arms: Arms, said: Sequence[str]) -> ExperimentRow:
    values = plain_values(arms)
    return replace(
        row,
        value=values[0],
        baseline=values[1],
        difference=None if values[0] is None or values[1] is None else values[0] - values[1],
        note=_joined([*said, _why_not(arms)]),
    )


def _why_not(arms: Arms) -> str:
    """Why two arms cannot be compared."""
    if min(arm.n for arm in arms) < 2:
        return "too few users to compare"
    if min(arm.sums[1] for arm in arms) <= 0:
        return "no values to compare"
    return "nothing varies: no interval"


def plain_values(arms: Arms) -> tuple[float | None, float | None]:
    """Σx/Σy of treatment and control; None where Σy is 0."""
    treatment, control = (float(a.sums[0] / a.sums[1]) if a.sums[1] else None for a in arms)
    return treatment, control


def _joined(said: Sequence[str]) -> str:
    return "; ".join(filter(None, said))
