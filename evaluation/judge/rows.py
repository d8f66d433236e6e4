"""A judge's figures, tests and verdicts as rows of the long table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.agreement import spread_note
from evaluation.intervals import Estimate, combine
from evaluation.judge.alternative import FALSE_DISCOVERIES, Versus
from evaluation.judge.figures import Figure
from evaluation.judge.verdict import Verdict
from evaluation.slices import MEAN, Group, Notes, note_of, total_weights
from relevance.grades import GradeScale
from relevance.results import ComparisonRow, Row

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Options:
    """What every group is measured with; `system` is the judge's name."""

    scale: GradeScale
    level: float
    seed: int
    reps: int
    epsilon: float
    changes_judge: bool
    system: str

    @property
    def definition(self) -> str:
        """What all figures are made with."""
        return f"scale={self.scale.name} judge=most_probable_grade"

    @property
    def threshold(self) -> int:
        """Grade whose probability the calibration is of."""
        return min(max(self.scale.relevant_from, 2), 5)


@dataclass(frozen=True, slots=True)
class Measured:
    """A group's figures, tests and verdict."""

    group: Group
    figures: Mapping[str, Figure]
    tests: Sequence[Versus]
    p_adjusted: Sequence[float]
    verdict: Verdict
    n: int
    notes: Notes


def verdict_row(part: Measured, options: Options) -> Row:
    """The answer for a group: 1 yes, 0 no, None not enough data; why in the note."""
    lost = note_of(part.notes)
    return Row(
        metric="judge",
        slice=part.group.slice,
        group=part.group.name,
        system=options.system,
        value=part.verdict.value,
        n=part.n,
        n_undefined=int(part.notes["not_predicted"] or 0),
        note=f"{part.verdict.reason}; {lost}" if lost else part.verdict.reason,
        definition=f"{options.definition} epsilon={options.epsilon:g} fdr={FALSE_DISCOVERIES:g}",
    )


def rate_row(part: Measured, options: Options) -> Row:
    """The share of tested annotators that the judge won over."""
    tested = [p for p in part.p_adjusted if not np.isnan(p)]
    won = sum(p <= FALSE_DISCOVERIES for p in tested)
    return Row(
        metric="winning_rate",
        slice=part.group.slice,
        group=part.group.name,
        system=options.system,
        value=won / len(tested) if tested else None,
        n=len(tested),
        n_undefined=len(part.tests) - len(tested),
        note=f"annotators won over: {won}" if tested else "no_annotator_with_enough_pairs",
        definition=f"{options.definition} epsilon={options.epsilon:g} fdr={FALSE_DISCOVERIES:g}",
    )


def advantage_row(part: Measured, options: Options) -> Row:
    """Mean share of pairs on which the judge is as near to the others; the annotators' beside."""
    tested = [versus for versus in part.tests if versus.tested]
    judge_mean = float(np.mean([v.judge_advantage for v in tested])) if tested else None
    own_mean = float(np.mean([v.own_advantage for v in tested])) if tested else None
    return ComparisonRow(
        metric="advantage",
        slice=part.group.slice,
        group=part.group.name,
        system=options.system,
        value=judge_mean,
        baseline=own_mean,
        difference=None if judge_mean is None or own_mean is None else judge_mean - own_mean,
        n=len(tested),
        n_undefined=len(part.tests) - len(tested),
        note="" if tested else "no_annotator_with_enough_pairs",
        definition=options.definition,
    )


def annotator_rows(part: Measured, names: Sequence[str], options: Options) -> list[Row]:
    """The same for each annotator, with the test's p-values."""
    rows: list[Row] = []
    for versus, p_adjusted in zip(part.tests, part.p_adjusted, strict=True):
        rows.append(
            ComparisonRow(
                metric="advantage",
                slice="annotator",
                group=names[versus.annotator],
                system=options.system,
                value=versus.judge_advantage,
                baseline=versus.own_advantage,
                difference=versus.judge_advantage - versus.own_advantage,
                p_value=versus.p_value,
                p_adjusted=p_adjusted,
                n=versus.n_pairs,
                note=note_of(
                    {
                        "queries": versus.n_queries,
                        **({} if versus.tested else {"too_few_to_test": None}),
                    }
                ),
                definition=options.definition,
            )
        )
    return rows


def figure_row(
    metric: str, group: Group, figure: Figure, part: Measured | None, options: Options
) -> Row:
    """A figure of the judge, the people's beside it, and what was left out."""
    value, low, high = _ends(figure.value, options.level)
    difference, d_low, d_high = _ends(figure.difference, options.level)
    notes: dict[str, int | str | None] = dict(figure.notes)
    if value is None:
        notes["no_variation" if figure.n else "no_pair"] = None
    elif low is None:
        notes["no_interval"] = None
    return ComparisonRow(
        metric=figure.metric or metric,
        slice=group.slice,
        group=group.name,
        system=figure.system or options.system,
        value=value,
        ci_low=low,
        ci_high=high,
        baseline=figure.baseline,
        difference=difference,
        difference_ci_low=d_low,
        difference_ci_high=d_high,
        n=figure.n,
        n_undefined=figure.n_undefined,
        note=note_of({**notes, **(part.notes if part is not None else {})}),
        definition=options.definition,
    )


def total_rows(metric: str, block: Sequence[Measured], options: Options) -> list[Row]:
    """`(mean)` and `(traffic)` over the groups that have the figure."""
    known = [
        (part, figure, figure.value)
        for part in block
        if (figure := part.figures.get(metric)) is not None
        and figure.value is not None
        and not np.isnan(figure.value.value)
    ]
    if not known:
        return []
    counts = {"groups": len(known), "undefined_groups": len(block) - len(known)}
    apart = spread_note([value for _, _, value in known])
    rows = []
    for name, weights in total_weights([part.group for part, _, _ in known]).items():
        share = np.asarray(weights) / np.sum(weights)
        baselines = [figure.baseline for _, figure, _ in known]
        differences = [figure.difference for _, figure, _ in known]
        paired = [d for d in differences if d is not None and not np.isnan(d.value)]
        told = [b for b in baselines if b is not None]
        figure = Figure(
            value=combine([value for _, _, value in known], weights),
            baseline=float(share @ told) if len(told) == len(known) else None,
            difference=combine(paired, weights) if len(paired) == len(known) else None,
            n=sum(figure.n for _, figure, _ in known),
            n_undefined=sum(figure.n_undefined for _, figure, _ in known),
            notes={**counts, **(apart if name == MEAN else {})},
            metric=known[0][1].metric,
            system=known[0][1].system,
        )
        group = Group(block[0].group.slice, name, np.zeros(0, dtype=np.int64))
        rows.append(figure_row(metric, group, figure, None, options))
    return rows


def _ends(
    estimate: Estimate | None, level: float
) -> tuple[float | None, float | None, float | None]:
    """Value and ends of the interval; None where there are none."""
    if estimate is None or np.isnan(estimate.value):
        return None, None, None
    ends = estimate.interval(level)
    return (estimate.value, *ends) if ends is not None else (estimate.value, None, None)
