"""Rows of assisted estimates: the figure, and beside it what people alone would have said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evaluation.assisted.prediction_powered import Powered, Stratum, assist, merged, narrower, total
from evaluation.compare.paired import fieller
from evaluation.intervals import t_quantile
from evaluation.metrics import Measure
from evaluation.slices import note_of
from relevance.results import ComparisonRow, Row

MIN_QUERIES = 10
"""Graded queries below which a group is said to have few."""


@dataclass(frozen=True, slots=True)
class Figure:
    """An assisted estimate of one group.

    Attributes:
        used: The estimate with the narrower interval.
        alone: That of people alone, over the same strata.
        n: Queries graded by people for which the metric is defined.
        n_undefined: Those for which it is not.
        n_teacher: Queries that only the teacher has graded.
        n_strata: Strata estimated apart.
        helped: Whether the teacher was asked at all (it is not for Judged).
        notes: Counts of what is to be known.
    """

    used: Powered
    alone: Powered
    n: int
    n_undefined: int
    n_teacher: int
    n_strata: int
    helped: bool = True
    notes: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether there is a figure at all."""
        return not np.isnan(self.used.value)


def figure_of(
    strata: Sequence[Stratum], notes: Mapping[str, int | None], level: float, *, by_itself: bool
) -> Figure:
    """The estimate of a group, small strata merged; with `by_itself`, of people alone."""
    notes = dict(notes)
    usable = merged(strata)
    if len(usable) < len(strata):
        notes["strata_merged"] = len(strata) - len(usable)
    n_people = sum(len(s.people) for s in strata)
    n = sum(s.n_defined for s in strata)
    if not usable:
        nothing = Powered(float("nan"), np.zeros(0), 0.0)
        return Figure(nothing, nothing, 0, n_people, 0, 0, notes={"no_query": None, **notes})
    used, alone = assist(usable, level=level)
    if by_itself:
        used = alone
    n_teacher = 0 if by_itself else sum(len(s.others) for s in strata)
    if n < MIN_QUERIES:
        notes = {"few_queries": n, **notes}
    return Figure(used, alone, n, n_people - n, n_teacher, len(usable), not by_itself, notes)


def total_of(
    figures: Sequence[Figure], weights: Sequence[float], level: float, *, n_groups: int, lost: int
) -> Figure:
    """The weighted mean of the groups' figures.

    Args:
        figures: Those of the groups in which the metric is defined; at least one.
        weights: One a group.
        level: Confidence level.
        n_groups: Groups there are.
        lost: Queries for which the metric is undefined, in all groups.
    """
    used = total([f.used for f in figures], weights)
    alone = total([f.alone for f in figures], weights)
    return Figure(
        used=narrower(used, alone, level),
        alone=alone,
        n=sum(f.n for f in figures),
        n_undefined=lost,
        n_teacher=sum(f.n_teacher for f in figures),
        n_strata=sum(f.n_strata for f in figures),
        helped=any(f.helped for f in figures),
        notes={"groups": len(figures), "undefined_groups": n_groups - len(figures)},
    )


def row_of(
    measure: Measure,
    place: tuple[str, str],
    system: str,
    figure: Figure,
    *,
    level: float,
    means: str,
) -> Row:
    """The row of a system's figure; `means` is its definition."""
    ends = _within(figure.used.interval(level), measure)
    return Row(
        metric=measure.text or repr(measure),
        slice=place[0],
        group=place[1],
        system=system,
        value=figure.used.value if figure.known else None,
        ci_low=ends[0] if ends else None,
        ci_high=ends[1] if ends else None,
        n=figure.n,
        n_undefined=figure.n_undefined,
        note=_note(figure, level),
        definition=means,
    )


def comparison_row(
    measure: Measure,
    place: tuple[str, str],
    systems: tuple[str, str],
    difference: Figure,
    base: Figure,
    *,
    level: float,
    means: str,
) -> ComparisonRow:
    """The row of a candidate beside a baseline.

    `difference` and `baseline` are assisted, each with its own weight of the teacher; `value` is
    their sum. The relative interval is Fieller's from their joint covariance, `p_value` the t
    test that the difference's interval inverts.

    Args:
        measure: What was measured.
        place: Slice and group.
        systems: Names of baseline and candidate.
        difference: Of the paired differences.
        base: Of the baseline, over the same queries and strata.
        level: Confidence level.
        means: Definition of the figures.
    """
    new = Powered(
        base.used.value + difference.used.value,
        base.used.influence + difference.used.influence,
        difference.used.df,
    )
    ends, around = _within(new.interval(level), measure), difference.used.interval(level)
    relative = relative_interval(base.used, difference.used, level)
    note = f"baseline {systems[0]}; {_note(difference, level)}"
    old = base.used.value
    if difference.known and around and relative is None and old > 0:
        note += "; rel_unbounded"
    return ComparisonRow(
        metric=measure.text or repr(measure),
        slice=place[0],
        group=place[1],
        system=systems[1],
        value=new.value if difference.known else None,
        ci_low=ends[0] if ends else None,
        ci_high=ends[1] if ends else None,
        n=difference.n,
        n_undefined=difference.n_undefined,
        note=note,
        definition=means,
        baseline=old if difference.known else None,
        difference=difference.used.value if difference.known else None,
        difference_ci_low=around[0] if around else None,
        difference_ci_high=around[1] if around else None,
        rel_difference=difference.used.value / old if difference.known and old > 0 else None,
        rel_difference_ci_low=relative[0] if relative else None,
        rel_difference_ci_high=relative[1] if relative else None,
        p_value=t_test(difference.used),
    )


def relative_interval(
    base: Powered, difference: Powered, level: float
) -> tuple[float, float] | None:
    """Fieller's interval of difference / base; None where it is unbounded or there is none."""
    if np.isnan(difference.value) or difference.df <= 0:
        return None
    both = base.influence + difference.influence
    return fieller(
        base.value,
        base.value + difference.value,
        v_old=base.variance,
        v_both=float(base.influence @ both),
        v_new=float(both @ both),
        t=t_quantile(level, difference.df),
    )


def t_test(estimate: Powered) -> float | None:
    """Two-sided p-value of the estimate being 0; None where it has no interval."""
    if np.isnan(estimate.value) or estimate.df <= 0:
        return None
    if estimate.variance == 0:
        return 1.0 if estimate.value == 0 else None
    from scipy.special import stdtr

    return float(2 * stdtr(estimate.df, -abs(estimate.value) / np.sqrt(estimate.variance)))


def _within(ends: tuple[float, float] | None, measure: Measure) -> tuple[float, float] | None:
    """The ends, cut where the metric cannot be."""
    if ends is None:
        return None
    high = np.inf if measure.metric.high is None else measure.metric.high
    return max(ends[0], measure.metric.low), min(ends[1], float(high))


def _note(figure: Figure, level: float) -> str:
    notes = dict(figure.notes)
    if not figure.helped:
        return note_of(notes)
    first = {"few_queries": notes.pop("few_queries")} if "few_queries" in notes else {}
    parts = [note_of(first), "assisted"]
    if figure.known:
        ends, value = figure.alone.interval(level), figure.alone.value
        shown = f" [{ends[0]:.4f}, {ends[1]:.4f}]" if ends else ""
        parts += [f"people_only: {value:.4f}{shown}", f"n_teacher: {figure.n_teacher}"]
        parts.append(f"lambda: {figure.used.weight:.2f}")
        wide = figure.alone.half_width(level)
        if wide > 0:
            parts.append(f"width_ratio: {figure.used.half_width(level) / wide:.2f}")
        if figure.used.weight == 0:
            parts.append("no_gain")
        if figure.n_strata > 1:
            parts.append(f"strata: {figure.n_strata}")
        if np.isnan(wide):
            parts.append("one_query")
        elif wide == 0:
            parts.append("no_variation")
    parts.append(note_of(notes))
    return "; ".join(part for part in parts if part)
