"""What a judge is measured by in a group of queries: level, order, calibration, annotators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evaluation.agreement.coefficients import against_rest, alpha, n_cells
from evaluation.agreement.couples import Couples, Grades, from_terms, kappa_of, kappa_terms
from evaluation.agreement.graded import Units, units_of
from evaluation.agreement.groups import sums_by_query
from evaluation.intervals import Estimate, Ratio, Smooth, Statistic, estimate_all
from evaluation.judge.alternative import Versus, advantages, against_each
from evaluation.judge.judged import Judged
from evaluation.judge.tau import tau_of_lists
from evaluation.slices import Notes, few_queries

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ALPHA, KAPPA, WITHIN, BIAS, TAU = (
    "alpha(ordinal)", "kappa(weights=quadratic)", "within1", "bias", "tau",
)  # fmt: skip
BINS = 10
"""Equal bins of probability that the calibration error is summed over."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A judge's figure beside the people's.

    Attributes:
        value: The judge's; None where it cannot be computed.
        baseline: The people's; None where they have none.
        difference: The judge's less the people's.
        n: Pairs, judgments or queries that it rests on.
        n_undefined: Those left out because it is undefined there.
        notes: What to know → a count, or None without one.
        metric: How its row is called, if not as it is found.
        system: The system that it is of, if not the judge.
    """

    value: Estimate | None
    baseline: float | None = None
    difference: Estimate | None = None
    n: int = 0
    n_undefined: int = 0
    notes: Notes = field(default_factory=dict)
    metric: str = ""
    system: str = ""


@dataclass(frozen=True, slots=True)
class _Part:
    """Statistics of the judge, of the people, and of the difference."""

    judge: Statistic
    people: Statistic | None = None
    difference: Statistic | None = None


@dataclass(frozen=True, slots=True)
class Orders:
    """How the judge orders each query's Pins, and how people do.

    Attributes:
        judge: (Q,) mean over a query's annotators of τ-b with the others' mean grade.
        people: (Q,) the annotators' own; NaN, like the judge's, where the others' do not vary.
    """

    judge: Floats
    people: Floats


def orders(judged: Judged) -> Orders:
    """τ-b of every annotator's Pins in a query: the judge's and the annotator's grades.

    Each annotator in turn is left out; whatever both orders are compared to is the mean grade of
    the others. Grades that order nothing have τ 0.
    """
    graded, kinds = judged.graded, judged.kinds
    mean = (kinds.others @ graded.levels / kinds.size)[judged.kind]
    query = graded.query[judged.row_pair]
    n_queries = len(graded.ids)
    lists = graded.annotator[judged.rows] * n_queries + query
    first = np.flatnonzero(np.diff(lists, prepend=-1))
    starts = np.append(first, len(lists))
    by = [
        tau_of_lists(graded.levels[side][judged.kind], mean, starts)
        for side in (kinds.judge, kinds.own)
    ]
    defined = ~np.isnan(by[0])
    at = query[first][defined]
    n = np.bincount(at, minlength=n_queries)
    with np.errstate(invalid="ignore"):
        judge, people = (np.bincount(at, tau[defined], minlength=n_queries) / n for tau in by)
    return Orders(judge, people)


def figures_of(
    judged: Judged,
    of_query: Orders,
    queries: Ints,
    *,
    threshold: int,
    key: str,
    seed: int,
    reps: int,
) -> dict[str, Figure]:
    """Every figure of the judge on the pairs of some queries.

    Args:
        judged: Judgments and the judge's grades.
        of_query: How queries are ordered (`orders`).
        queries: Codes of the group's queries.
        threshold: Grade whose probability the calibration is of.
        key: Name of the group, which seeds its resampling.
        seed: Seed of the resampling.
        reps: Number of resamplings.
    """
    units = units_of(judged.graded, queries)
    twice = judged.graded.several & (units.of_pair >= 0)
    n, n_all = int(twice.sum()), int((units.of_pair >= 0).sum())
    notes = _notes(judged, units)
    parts: dict[str, _Part] = {}
    if n:
        parts |= _level(judged, units)
    if n_all:
        parts |= _calibration(judged, units, threshold)
    found = _estimated(parts, key=key, seed=seed, reps=reps)
    result = {}
    for metric, (value, baseline, difference) in found.items():
        alone = parts[metric].people is None
        size = n_all if alone else n
        result[metric] = Figure(value, baseline, difference, size, 0 if alone else n_all - n, notes)
    order = _order(of_query, queries)
    for metric, (value, baseline, difference) in _estimated(
        {TAU: order}, key=key, seed=seed, reps=reps
    ).items():
        defined = int(np.sum(~np.isnan(of_query.judge[queries])))
        few = few_queries(defined) if defined else {}
        lost = len(queries) - defined
        result[metric] = Figure(value, baseline, difference, defined, lost, few)
    return result


def grade_figures(
    judged: Judged, index: int | None, *, key: str, seed: int, reps: int
) -> dict[str, Figure]:
    """The judge where an annotator gave one grade (bias, recall), and where the judge did.

    Beside it stands how often, and how far off, another annotator is in the same place.

    Args:
        judged: Judgments and the judge's grades.
        index: Index of the level; None = over all of them, without the bias.
        key: Name of the group, which seeds its resampling.
        seed: Seed of the resampling.
        reps: Number of resamplings.
    """
    kinds, graded = judged.kinds, judged.graded
    units = units_of(graded, np.arange(len(graded.ids)))
    chosen = np.arange(len(graded.levels)) if index is None else np.array([index])
    own = np.isin(kinds.own, chosen).astype(np.float64)
    judge = np.isin(kinds.judge, chosen).astype(np.float64)
    again = kinds.others[np.arange(len(kinds.own)), kinds.own] / kinds.size
    given = graded.levels[kinds.own]
    mean = kinds.others @ graded.levels / kinds.size
    table = np.column_stack([
        own, judge, own * (kinds.own == kinds.judge), own * again,
        own * (graded.levels[kinds.judge] - given), own * (mean - given),
    ])  # fmt: skip
    sums = sums_by_query(units.of_pair[judged.row_pair], units.n, judged.kind, table)
    by_people, by_judge, both, twice, off, off_people = sums.T
    parts = {
        "recall": _ratios(both, twice, by_people),
        "precision": _Part(
            Ratio(both, by_judge),
            Ratio(twice, by_people),
            Smooth(np.column_stack([both, by_judge, twice, by_people]), _ratio_difference),
        ),
    }
    if index is not None:
        parts[BIAS] = _ratios(off, off_people, by_people)
    n = {"precision": int(by_judge.sum())}
    notes = _notes(judged, units)
    found = _estimated(parts, key=key, seed=seed, reps=reps)
    return {
        metric: Figure(*estimates, n=n.get(metric, int(by_people.sum())), notes=notes)
        for metric, estimates in found.items()
    }


def versus_annotators(
    judged: Judged, queries: Ints, *, epsilon: float, ordered: bool
) -> list[Versus]:
    """The alternative-annotator test of each annotator on the pairs of some queries."""
    kinds, graded = judged.kinds, judged.graded
    gain = advantages(kinds.judge, kinds.own, kinds.others, graded.levels, ordered=ordered)
    query = graded.query[judged.row_pair]
    inside = np.isin(query, queries)
    return against_each(
        gain[judged.kind[inside]],
        graded.annotator[judged.rows[inside]],
        query[inside],
        n_queries=len(graded.ids),
        epsilon=epsilon,
    )


def _notes(judged: Judged, units: Units) -> Notes:
    """What to know of figures over these units."""
    n_queries = len(np.unique(judged.graded.query[units.of_pair >= 0]))
    return {**few_queries(n_queries), **({"resampled_pairs": None} if units.are_pairs else {})}


def _level(judged: Judged, units: Units) -> dict[str, _Part]:
    """α, κ and share within one: the judge in each annotator's place, and the annotator."""
    kinds, levels = judged.kinds, judged.graded.levels
    cells = n_cells(levels)
    pair = judged.row_pair
    inside = units.of_pair[pair] >= 0
    unit, kind = units.of_pair[pair[inside]], judged.kind[inside]
    share = 1 / (kinds.size + 1)  # each pair counts once, however many graded it
    sides = [against_rest(kinds.others, own, levels) for own in (kinds.judge, kinds.own)]
    near = [side[:, -1] * share for side in sides]
    table = np.column_stack([sides[0][:, :cells] / 2, sides[1][:, :cells] / 2, *near, share])
    sums = sums_by_query(unit, units.n, kind, table)

    def of_cells(part: Floats) -> Floats:
        return alpha(part, levels, metric="ordinal")

    def apart(part: Floats) -> Floats:
        return of_cells(part[..., :cells]) - of_cells(part[..., cells:])

    both = sums[:, : 2 * cells]
    return {
        ALPHA: _Part(
            Smooth(both[:, :cells], of_cells),
            Smooth(both[:, cells:], of_cells),
            Smooth(both, apart),
        ),
        KAPPA: _kappas(judged, units, inside),
        WITHIN: _ratios(sums[:, -3], sums[:, -2], sums[:, -1]),
    }


def _kappas(judged: Judged, units: Units, inside: NDArray[np.bool_]) -> _Part:
    """κ of the judge with people, and of people among themselves."""
    graded, of_pair = judged.graded, units.of_pair
    rows, pair = judged.rows[inside], judged.row_pair[inside]
    n = len(graded.annotators)
    who, own, said = graded.annotator[rows], graded.level[rows], judged.judge[pair]
    members = np.stack([np.arange(n), np.full(n, n)], axis=1)  # everybody, and the judge
    with_judge = (
        Couples(pair, who, own, said, members),
        Grades(
            np.tile(pair, 2),
            np.concatenate([who, np.full(len(who), n)]),
            np.concatenate([own, said]),
            n + 1,
        ),
    )
    people = (
        judged.couples.where(of_pair[judged.couples.pair] >= 0),
        Grades(pair, who, own, n),
    )
    judge, among = (
        from_terms(
            kappa_terms(couples, grades, graded.levels, "quadratic"),
            of_pair[couples.pair],
            of_pair[grades.pair],
            units.n,
        )
        for couples, grades in (with_judge, people)
    )
    both = np.column_stack([judge.columns, among.columns])
    return _Part(judge, among, Smooth(both, _kappa_difference))


def _calibration(judged: Judged, units: Units, threshold: int) -> dict[str, _Part]:
    """Bias of the level, and how the probability of a grade ≥ threshold meets its frequency."""
    graded = judged.graded
    inside = units.of_pair >= 0
    unit = units.of_pair[inside]
    counts = graded.counts[inside]
    size = counts.sum(axis=1)
    off = graded.levels[judged.judge[inside]] - counts @ graded.levels / size
    said = judged.probabilities[inside, threshold - 1 :].sum(axis=1)
    share = counts[:, graded.levels >= threshold].sum(axis=1) / size
    bins = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    in_bins = np.zeros((units.n, BINS))
    np.add.at(in_bins, (unit, bins), said - share)

    sums = [_total(unit, x, units.n) for x in (said, share, said**2, said * share)]
    n = _total(unit, np.ones(len(unit)), units.n)
    return {
        BIAS: _Part(Ratio(_total(unit, off, units.n), n)),
        f"calibration@{threshold}": _Part(Ratio(sums[0] - sums[1], n)),
        f"ECE@{threshold}": _Part(Smooth(np.column_stack([n, in_bins]), _gap)),
        f"slope@{threshold}": _Part(Smooth(np.column_stack([n, *sums]), _slope)),
    }


def _order(of_query: Orders, queries: Ints) -> _Part:
    judge, people = of_query.judge[queries], of_query.people[queries]
    defined = ~np.isnan(judge)
    return _ratios(
        np.where(defined, judge, 0.0), np.where(defined, people, 0.0), defined.astype(np.float64)
    )


def _ratios(judge: Floats, people: Floats, size: Floats) -> _Part:
    return _Part(Ratio(judge, size), Ratio(people, size), Ratio(judge - people, size))


def _estimated(
    parts: Mapping[str, _Part], *, key: str, seed: int, reps: int
) -> dict[str, tuple[Estimate, float | None, Estimate | None]]:
    """Estimates of the judge, the people's figure, and the estimate of the difference."""
    named: dict[tuple[str, str], Statistic] = {}
    for metric, part in parts.items():
        named[metric, "judge"] = part.judge
        if part.people is not None and part.difference is not None:
            named |= {(metric, "people"): part.people, (metric, "difference"): part.difference}
    made = estimate_all(list(named.values()), seed=seed, key=key, reps=reps)
    found = dict(zip(named, made, strict=True))
    result = {}
    for metric in parts:
        people = found.get((metric, "people"))
        baseline = None if people is None or np.isnan(people.value) else people.value
        result[metric] = found[metric, "judge"], baseline, found.get((metric, "difference"))
    return result


def _total(unit: Ints, values: Floats, n_units: int) -> Floats:
    return np.asarray(np.bincount(unit, weights=values, minlength=n_units), dtype=np.float64)


def _ratio_difference(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3])


def _kappa_difference(sums: Floats) -> Floats:
    return np.asarray(kappa_of(sums[..., :2]) - kappa_of(sums[..., 2:]), dtype=np.float64)


def _gap(sums: Floats) -> Floats:
    return np.asarray(np.abs(sums[..., 1:]).sum(axis=-1) / sums[..., 0])


def _slope(sums: Floats) -> Floats:
    """Slope of the frequency on the probability: 1 = calibrated, below = over-confident."""
    n, said, share, squares, products = np.moveaxis(sums, -1, 0)
    spread = n * squares - said**2
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (n * products - said * share) / spread
    return np.where(spread > 1e-12 * np.maximum(n * squares, 1e-300), slope, np.nan)
