"""Candidates against a baseline on the same queries: paired differences, honestly tested."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from evaluation.compare.families import adjust_families
from evaluation.compare.paired import LabelNoise, Stratum
from evaluation.compare.rows import Evidence, Style, group_row, total_rows
from evaluation.compare.sides import Side, Sides, rescored, sides_of
from evaluation.compare.sign_flip import FLIPS, sign_flips
from evaluation.compare.unjudged import bounds_of, mean_bounds, open_pins
from evaluation.intervals import REPLICATES, Ratio, estimate_all
from evaluation.label_noise import each_draw, n_without_posterior
from evaluation.metrics import Measure
from evaluation.metrics.lists import Floats
from evaluation.multiplicity import adjustment
from evaluation.ranking import exclusions
from evaluation.slices.groups import ALL, Group
from relevance.grades import FIVE, GradeScale
from relevance.progress import Progress, silent
from relevance.results import PairedRow, Results

NoiseOf = Mapping[tuple[str, Measure, str], LabelNoise]
"""Candidate, measure and group key → both systems' figures under each draw of the grades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonOptions:
    """How a comparison is tested.

    Attributes:
        level: Confidence level; tests are at 1 - level.
        seed: Seed of resampling, sign flips and draws of the grades.
        flips: Sign flips, where they are drawn (`evaluation.compare.sign_flip`).
        reps: Bootstrap replicates; None = the usual number, in closed form where queries are many;
            0 = no bootstrap.
        adjust: Adjustment for the size of the family: `holm` or `bh`.
        label_noise: Draws of the grades from their posterior; 0 = grades are taken as sure.
    """

    level: float = 0.95
    seed: int = 0
    flips: int = FLIPS
    reps: int | None = None
    adjust: str = "holm"
    label_noise: int = 0


def compare_runs(
    baseline: pl.DataFrame,
    candidate: pl.DataFrame | Sequence[pl.DataFrame],
    qrels: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    metrics: str | Sequence[str | Measure] = ("nDCG@20", "P@8"),
    by: str | Sequence[str] | None = None,
    scale: GradeScale = FIVE,
    ties: str = "docid",
    empty: str | None = None,
    level: float = 0.95,
    seed: int = 0,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
    flips: int = FLIPS,
    reps: int | None = None,
    adjust: str = "holm",
    label_noise: int = 0,
    progress: Progress = silent,
) -> Results:
    """Candidates against a baseline, paired by query.

    `p_value` is the two-sided sign-flip permutation test on the per-query differences. `p_adjusted`
    is Holm's (or Benjamini and Hochberg's) over a family: all candidates × all groups of a column ×
    all metrics asked for; the overall rows, the `(mean)` rows and the `(traffic)` rows are families
    of their own. A Judged that nobody asked for is shown but not tested.

    Args:
        baseline: A `runs` table of one system.
        candidate: A `runs` table of one or several systems, or several such tables.
        qrels: A `qrels` table.
        queries: A `queries` table, for `by` and traffic.
        metrics: Measures, or how they are spelled.
        by: Column or columns of `queries` to split by.
        scale: Scale of the grades.
        ties: As in `evaluate_ranking`.
        empty: As in `evaluate_ranking`.
        level: Confidence level; the tests are at 1 - level.
        seed: Seed of resampling, sign flips and draws of the grades.
        seen: Hashed ids of queries that a model has seen; left out and counted.
        allow_seen: Keep them, and mark every figure.
        flips: Number of sign flips.
        reps: Bootstrap replicates; None = the usual number, 0 = none.
        adjust: `holm` or `bh`.
        label_noise: Draws of the grades from p1…pK of the qrels, to widen the intervals and to see
            how often the winner flips; 0 = none. They widen every interval, the t test, the
            bootstrap and the minimum detectable effect; `p_value` takes the grades as they are.
        progress: Told draws done of all.

    Returns:
        `PairedRow`s, a block a candidate, in it a block a metric: all, groups, (mean), (traffic).
        `system` is the candidate, `n` counts queries for which both systems have a value.

    Raises:
        InputError: As `evaluate_ranking`; a baseline of several systems, candidates of one name.
    """
    options = ComparisonOptions(
        level=level, seed=seed, flips=flips, reps=reps, adjust=adjust, label_noise=label_noise
    )
    adjustment(adjust)
    sides = sides_of(
        baseline, candidate, qrels, queries, metrics=metrics, by=by, scale=scale, ties=ties,
        empty=empty, seen=seen, allow_seen=allow_seen,
    )  # fmt: skip
    return compare_sides(sides, options, progress)


def compare_sides(
    sides: Sides,
    options: ComparisonOptions = ComparisonOptions(),
    progress: Progress = silent,
) -> Results:
    """The rows of a comparison whose systems are ordered and scored; see `compare_runs`.

    Raises:
        InputError: Label noise is asked for and the qrels have no posterior; unknown adjustment.
    """
    adjustment(options.adjust)
    noise = _drawn(sides, options, progress) if options.label_noise else {}
    rows: list[PairedRow] = []
    for candidate in sides.candidates:
        rows += _rows(sides, candidate, options, noise)
    return Results(tuple(adjust_families(rows, options.adjust)))


def _rows(
    sides: Sides, candidate: Side, options: ComparisonOptions, noise: NoiseOf
) -> list[PairedRow]:
    """All rows of one candidate."""
    evidence = _evidence(sides, candidate, options, noise)
    rows: list[PairedRow] = []
    for measure in sides.measures:
        tested = measure in sides.asked
        style = Style(
            metric=measure.text or repr(measure),
            system=candidate.name,
            baseline=sides.baseline.name,
            definition=_definition(sides, measure, options, tested=tested),
            higher_is_better=measure.metric.higher_is_better,
            tested=tested,
            level=options.level,
            seed=options.seed,
            flips=options.flips,
            bootstrap=options.reps != 0,
        )
        for name in dict.fromkeys(group.slice for group in sides.groups):
            groups = [group for group in sides.groups if group.slice == name]
            found = [evidence[measure, group.key] for group in groups]
            rows += [group_row(style, each) for each in found]
            if name != ALL:
                rows += total_rows(style, found)
    return rows


def _evidence(
    sides: Sides, candidate: Side, options: ComparisonOptions, noise: NoiseOf
) -> dict[tuple[Measure, str], Evidence]:
    """What each measure's row of each group is made from."""
    pins = open_pins(sides, candidate)
    pairs = {m: sides.paired(candidate, m) for m in sides.measures}
    bounds = {m: bounds_of(sides, candidate, m, pins) for m in sides.measures}
    evidence = {}
    for group in sides.groups:
        kept = group.queries[sides.coded.kept[group.queries]]
        inside = {m: (old[kept], new[kept]) for m, (old, new) in pairs.items()}
        estimates = estimate_all(
            [r for old, new in inside.values() for r in (_mean(new), _mean(new - old))],
            seed=options.seed,
            key=group.key,
            reps=REPLICATES if options.reps is None else options.reps,
            resample=True if options.reps else None,
        )
        gaps = np.column_stack([np.nan_to_num(new - old) for old, new in inside.values()])
        p_values = sign_flips(gaps, seed=options.seed, key=group.key, flips=options.flips)
        for j, (measure, (old, new)) in enumerate(inside.items()):
            defined = ~np.isnan(old)
            gap = pairs[measure][1] - pairs[measure][0]
            evidence[measure, group.key] = Evidence(
                group=group,
                stratum=Stratum(old[defined], new[defined]),
                value=estimates[2 * j],
                gap=estimates[2 * j + 1],
                p_value=float(p_values[j]),
                n_undefined=int((~defined).sum()),
                n_unjudged=int(bounds[measure].n_open[kept].sum()),
                bounds=mean_bounds(bounds[measure], gap, kept),
                loose=bounds[measure].loose,
                notes=_notes(sides, candidate, measure, group, options),
                noise=noise.get((candidate.name, measure, group.key)),
            )
    return evidence


def _mean(values: Floats) -> Ratio:
    defined = ~np.isnan(values)
    return Ratio(np.where(defined, values, 0.0), defined.astype(np.float64))


def _notes(
    sides: Sides, candidate: Side, measure: Measure, group: Group, options: ComparisonOptions
) -> dict[str, int | None]:
    """Counts of what is to be known of a group."""
    coded, old, new = sides.coded, sides.baseline.scored, candidate.scored
    kept = group.queries[coded.kept[group.queries]]
    nothing = new.no_relevant[measure][kept]
    returned = (old.returned | new.returned)[group.queries]
    notes: dict[str, int | None] = {
        "no_relevant": int(nothing.sum()),
        "missing_baseline": int((~old.returned[kept] & ~nothing).sum()),
        "missing_candidate": int((~new.returned[kept] & ~nothing).sum()),
        "not_judged": int((returned & ~coded.judged[group.queries]).sum()),
        **exclusions(group, coded),
        "rank_disagrees": int((old.rank_disagrees | new.rank_disagrees)[kept].sum()),
    }
    if options.label_noise and group.slice == ALL:
        notes["no_posterior"] = n_without_posterior(coded.qrels, sides.scale)
    if len(kept) == 0:
        notes["no_query"] = None
    return notes


def _drawn(sides: Sides, options: ComparisonOptions, progress: Progress) -> NoiseOf:
    """Both systems' figures under draws of the grades, the same draw for both."""
    keys = [(c.name, m, g.key) for c in sides.candidates for m in sides.measures
            for g in sides.groups]  # fmt: skip
    figures = {key: np.full((2, options.label_noise), np.nan) for key in keys}
    draws = each_draw(sides.coded.qrels, sides.scale, draws=options.label_noise, seed=options.seed)
    kept = {g.key: g.queries[sides.coded.kept[g.queries]] for g in sides.groups}
    for number, grades in enumerate(draws):
        under = rescored(sides, grades.astype(np.float64))
        for candidate in under.candidates:
            for measure in under.measures:
                both = np.stack(under.paired(candidate, measure))
                for key, queries in kept.items():
                    inside = both[:, queries]
                    defined = inside[:, ~np.isnan(inside[0])]
                    if defined.size:
                        figures[candidate.name, measure, key][:, number] = defined.mean(axis=1)
        progress(number + 1, options.label_noise, "draws of the grades")
    return {key: LabelNoise(*found) for key, found in figures.items()}


def _definition(sides: Sides, measure: Measure, options: ComparisonOptions, *, tested: bool) -> str:
    stated = measure.definition(sides.scale, sides.ties, sides.empty)
    return f"{stated} test=sign_flip adjust={options.adjust}" if tested else stated
