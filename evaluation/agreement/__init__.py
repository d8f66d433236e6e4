"""Agreement between annotators: Krippendorff's α, weighted κ, Gwet's AC1/AC2, share within one.

Everything is a function of sums over graded pairs (coincidences, shares, tables of couples), so an
interval is those sums over resampled queries, put through the same function.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from evaluation.agreement.coefficients import MEASURES, OF_LEVEL, named
from evaluation.agreement.graded import code_latest
from evaluation.agreement.groups import (
    Found,
    Prepared,
    of_annotators,
    of_grades,
    of_queries,
    prepare,
)
from evaluation.intervals import REPLICATES, Estimate, combine
from evaluation.slices import (
    ALL,
    MEAN,
    MIN_QUERIES,
    Group,
    Notes,
    few_queries,
    groups_of,
    heterogeneity_note,
    note_of,
    total_weights,
)
from evaluation.slices.heterogeneity import cochran
from relevance.grades import FIVE, GradeScale
from relevance.results import Results, Row

__all__ = ["MEASURES", "agreement"]

ANNOTATOR, GRADE = "annotator", "grade"

_Block = dict[str, list[Row]]


def agreement(
    judgments: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    by: str | Sequence[str] | None = None,
    measures: str | Iterable[str] = MEASURES,
    scale: GradeScale = FIVE,
    level: float = 0.95,
    seed: int = 0,
    reps: int = REPLICATES,
) -> Results:
    """How far annotators agree on the grades of the same pairs.

    Args:
        judgments: A `judgments` table; empty grades are left out, of an annotator's several grades
            of one pair the latest counts.
        queries: A `queries` table, for `by` and traffic.
        by: Columns of `queries` to split by, one after the other; also `annotator` (each against
            all others) and `grade` (each against the rest: `specific`, `within1` and the nominal α
            of a grade; the other coefficients need several grades and are None there).
        measures: Coefficients, as `evaluation.agreement.coefficients` spells them.
        scale: Scale of the grades; its levels are the categories (those found, if it has none).
        level: Confidence level.
        seed: Seed of the resampling.
        reps: Number of resamplings; 0 = figures without intervals.

    Returns:
        A block a coefficient: all, groups, (mean), (traffic); no totals over annotators or grades,
        which share their queries. `n` counts pairs with two grades or more, `n_undefined` pairs
        with fewer. Intervals resample queries; below 30 queries they resample pairs, with the note
        `resampled_pairs`.

    Raises:
        InputError: No judgment has a grade, one is off the scale, or a coefficient is unknown.
    """
    columns = list(dict.fromkeys([by] if isinstance(by, str) else by or ()))
    asked = named(measures)
    if GRADE in columns and "specific" not in asked:
        asked = (*asked, "specific")
    graded = code_latest(judgments, scale)
    of_columns = [name for name in columns if name not in (ANNOTATOR, GRADE)]
    groups = groups_of(graded.ids, queries, of_columns)
    data = prepare(graded, asked)
    blocks = [_by_column(data, groups[:1], level=level, seed=seed, reps=reps)]
    for name in columns:
        if name == ANNOTATOR:
            annotators = of_annotators(data, seed=seed, reps=reps)
            blocks.append(_rows_of(ANNOTATOR, annotators, asked, level))
        elif name == GRADE:
            grades = of_grades(data, seed=seed, reps=reps)
            blocks.append(_rows_of(GRADE, grades, asked, level))
        else:
            members = [group for group in groups if group.slice == name]
            blocks.append(_by_column(data, members, level=level, seed=seed, reps=reps))
    rows = [row for measure in asked for block in blocks for row in block[measure]]
    definition = f"scale={scale.name}"
    return Results(tuple(dataclasses.replace(row, definition=definition) for row in rows))


def _by_column(
    data: Prepared, groups: Sequence[Group], *, level: float, seed: int, reps: int
) -> _Block:
    """Rows of one column's groups, and their totals, by measure."""
    found = {
        group.name: of_queries(data, group.queries, key=group.key, seed=seed, reps=reps)
        for group in groups
    }
    block = _rows_of(groups[0].slice, found, data.measures, level)
    if groups[0].slice != ALL:
        for measure in data.measures:
            block[measure] += _totals(measure, groups, found, level)
    return block


def _rows_of(
    name: str, found: Mapping[str, Found], measures: Sequence[str], level: float
) -> _Block:
    return {
        measure: [
            _row(measure, name, group, part, part.cells[measure], level=level)
            for group, part in found.items()
        ]
        for measure in measures
    }


def _row(
    measure: str, name: str, group: str, found: Found, estimate: Estimate | None, *, level: float
) -> Row:
    value = None if estimate is None or np.isnan(estimate.value) else estimate.value
    ends = estimate.interval(level) if estimate is not None else None
    few = few_queries(found.n_queries) if found.n_queries else {}
    notes: dict[str, int | str | None] = {**few, **found.notes}
    if name == GRADE and measure not in OF_LEVEL:
        notes["undefined_for_one_grade"] = None
    elif estimate is not None and value is None:
        notes["no_variation"] = None
    elif estimate is not None and ends is None:
        notes["one_pair" if len(estimate.replicates) else "no_interval"] = None
    return Row(
        metric=measure,
        slice=name,
        group=group,
        value=value,
        ci_low=ends[0] if ends else None,
        ci_high=ends[1] if ends else None,
        n=found.n,
        n_undefined=found.n_single,
        note=note_of(notes),
    )


def _totals(
    measure: str, groups: Sequence[Group], found: Mapping[str, Found], level: float
) -> list[Row]:
    known = [
        (group, estimate)
        for group in groups
        if (estimate := found[group.name].cells[measure]) is not None
        and not np.isnan(estimate.value)
    ]
    n = sum(found[group.name].n for group, _ in known)
    n_single = sum(found[group.name].n_single for group in groups)
    notes: dict[str, int | str | None] = {
        "groups": len(known),
        "undefined_groups": len(groups) - len(known),
        **({} if known else {"no_group": None}),
    }
    rows = []
    for name, weights in total_weights([group for group, _ in known]).items():
        estimate = combine([e for _, e in known], weights) if known else None
        told: Notes = {**notes, **(spread_note([e for _, e in known]) if name == MEAN else {})}
        total = Found({}, n, n_single, 0, told)
        rows.append(_row(measure, groups[0].slice, name, total, estimate, level=level))
    return rows


def spread_note(estimates: Sequence[Estimate]) -> Notes:
    """The note on how groups differ, of those with enough units to know their variance."""
    enough = [estimate for estimate in estimates if estimate.n_queries >= MIN_QUERIES]
    found = cochran(
        [estimate.value for estimate in enough],
        [estimate.variance for estimate in enough],
        [estimate.n_queries for estimate in enough],
    )
    return heterogeneity_note(found)
