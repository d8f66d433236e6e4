"""What agreement is in a group of queries, of one annotator, of one grade: estimates and counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from evaluation.agreement.coefficients import (
    COEFFICIENTS,
    KAPPAS,
    OF_LEVEL,
    against_rest,
    columns_for,
    n_cells,
    pair_columns,
)
from evaluation.agreement.couples import (
    Couples,
    Grades,
    couples_of,
    from_terms,
    grades_of,
    kappa,
    kappa_terms,
    subset,
)
from evaluation.agreement.graded import MIN_QUERIES, Graded, Units, by_pin, dense, units_of
from evaluation.intervals import REPLICATES, Estimate, Smooth, Statistic, estimate_all

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MANY_ANNOTATORS = 50  # above, their intervals are computed in closed form
_DENSE = 20_000_000  # cells of queries × patterns that are counted in one array


@dataclass(frozen=True, slots=True)
class Found:
    """A group's estimates by measure, and its counts.

    Attributes:
        cells: Each measure's estimate; None where it cannot be computed at all.
        n: Pairs with two grades or more.
        n_single: Pairs with fewer.
        n_queries: Queries of the pairs with two grades or more.
        notes: What to know → a count, or None without one.
    """

    cells: Mapping[str, Estimate | None]
    n: int
    n_single: int
    n_queries: int
    notes: Mapping[str, int | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Judgments with everything that the groups share.

    Attributes:
        graded: The judgments.
        table: (V, m) columns of each pattern of counts.
        by_query: (Q, m) sums of the columns over each query's pairs.
        couples: Couples of annotators on each pair, if a κ is asked for.
        grades: Grades of these pairs.
        measures: What is asked for.
    """

    graded: Graded
    table: Floats
    by_query: Floats
    couples: Couples | None
    grades: Grades
    measures: tuple[str, ...]


def prepare(graded: Graded, measures: tuple[str, ...]) -> Prepared:
    """Counts once what every group is made from."""
    table = pair_columns(graded.patterns, graded.levels)
    return Prepared(
        graded=graded,
        table=table,
        by_query=sums_by_query(graded.query, len(graded.ids), graded.pattern, table),
        couples=couples_of(graded) if any(measure in KAPPAS for measure in measures) else None,
        grades=grades_of(graded),
        measures=measures,
    )


def sums_by_query(query: Ints, n_queries: int, kind: Ints, table: Floats) -> Floats:
    """(Q, m) sums over each query's rows of the table's row of their kind.

    Kinds are counted first: the sums are the same whatever the order of the rows.

    Args:
        query: (n,) code of each row's query.
        n_queries: Q.
        kind: (n,) index of each row in the table.
        table: (V, m) columns of each kind.
    """
    if n_queries * len(table) <= _DENSE:
        counts = np.bincount(query * len(table) + kind, minlength=n_queries * len(table))
        return np.asarray(counts.reshape(n_queries, len(table)) @ table, dtype=np.float64)
    from scipy.sparse import csr_array

    shape = (n_queries, len(table))
    return np.asarray(csr_array((np.ones(len(query)), (query, kind)), shape=shape) @ table)


def of_queries(
    data: Prepared, queries: Ints, *, key: str, seed: int, reps: int = REPLICATES
) -> Found:
    """Agreement of all annotators on the pairs of some queries."""
    units, found = _start(data, queries)
    if found.n == 0:
        return found
    columns = _columns(data, units, queries)
    made: dict[str, Statistic] = {
        measure: _smooth(measure, columns, data.graded.levels)
        for measure in data.measures
        if measure in COEFFICIENTS
    }
    if data.couples is not None:
        levels, of_pair = data.graded.levels, units.of_pair
        couples = data.couples.where(of_pair[data.couples.pair] >= 0)
        grades = data.grades.where(of_pair[data.grades.pair] >= 0)
        for measure in data.measures:
            if measure in KAPPAS:
                made[measure] = kappa(
                    couples,
                    grades,
                    of_pair,
                    units.n,
                    levels=levels,
                    weighting=KAPPAS[measure],
                )
    return _with_estimates(found, data.measures, made, key=key, seed=seed, reps=reps)


def of_grades(data: Prepared, *, seed: int, reps: int = REPLICATES) -> dict[str, Found]:
    """Agreement on each grade alone, by grade: is it told apart from the others?

    α is that of the grade against the rest; `specific` and `within1` are how often a second
    annotator gives the grade, or one at most 1 away, where a first one gave it. Coefficients that a
    grade alone has not are None.
    """
    graded = data.graded
    queries = np.arange(len(graded.ids))
    units, whole = _start(data, queries)
    cells = _columns(data, units, queries)[:, : n_cells(graded.levels)]
    found = {}
    for index, value in enumerate(graded.levels):
        with_it = graded.patterns[:, index] > 0
        twice = with_it & (graded.patterns.sum(axis=1) >= 2)
        pairs = twice[graded.pattern]
        part = Found(
            cells=dict.fromkeys(data.measures),
            n=int(pairs.sum()),
            n_single=int((with_it & ~twice)[graded.pattern].sum()),
            n_queries=len(np.unique(graded.query[pairs])),
            notes=whole.notes if pairs.any() else {"grade_not_given_twice": None},
        )
        made: dict[str, Statistic] = {}
        if part.n:
            for measure, function in OF_LEVEL.items():
                if measure in data.measures:
                    of_sums = partial(function, levels=graded.levels, level=index)
                    made[measure] = Smooth(cells, of_sums)
        key = f"grade={value:g}"
        found[f"{value:g}"] = _with_estimates(
            part, data.measures, made, key=key, seed=seed, reps=reps
        )
    return found


def of_annotators(data: Prepared, *, seed: int, reps: int = REPLICATES) -> dict[str, Found]:
    """Agreement of each annotator with all others on the pairs they share, by name.

    A pair counts as two grades: the annotator's, and the mean of the others'. κ is pooled over the
    couples that the annotator is one of.
    """
    graded = data.graded
    rows, columns, n_single = _rows_against_rest(graded)
    starts = np.searchsorted(graded.annotator[rows], np.arange(len(graded.annotators) + 1))
    terms = _kappa_parts(data)
    resample = False if len(graded.annotators) > MANY_ANNOTATORS else None
    of_pair = np.zeros(len(graded.query), dtype=np.int64)
    found = {}
    for code, name in enumerate(graded.annotators.to_list()):
        part = slice(starts[code], starts[code + 1])
        pairs = graded.pair[rows[part]]
        queries, unit = np.unique(graded.query[pairs], return_inverse=True)
        few = len(queries) < MIN_QUERIES
        if few:
            unit = by_pin(graded, pairs)
        n_units = len(pairs) if few else len(queries)
        notes: dict[str, int | None] = {"resampled_pairs": None} if few else {}
        start = Found({}, len(pairs), int(n_single[code]), len(queries), notes)
        made: dict[str, Statistic] = {}
        if len(pairs):
            summed = _sum_rows(columns[part], unit, n_units)
            made = {
                measure: _smooth(measure, summed, graded.levels)
                for measure in data.measures
                if measure in COEFFICIENTS
            }
            of_pair[pairs] = unit
            for measure, of_annotator in terms.items():
                made[measure] = of_annotator(code, of_pair, n_units)
        else:
            start = Found({}, 0, start.n_single, 0, {"no_pair_graded_twice": None})
        key = f"annotator={name}"
        found[str(name)] = _with_estimates(
            start, data.measures, made, key=key, seed=seed, reps=reps, resample=resample
        )
    return found


def _start(data: Prepared, queries: Ints) -> tuple[Units, Found]:
    """The units of a group, and its counts without estimates."""
    graded = data.graded
    units = units_of(graded, queries)
    inside = units.of_pair >= 0
    twice = inside & graded.several
    n, n_queries = int(twice.sum()), len(np.unique(graded.query[twice]))
    notes: dict[str, int | None] = {}
    if n == 0:
        notes["no_pair_graded_twice"] = None
    elif units.are_pairs:
        notes["resampled_pairs"] = None
    n_single = int(inside.sum()) - n
    return units, Found(dict.fromkeys(data.measures), n, n_single, n_queries, notes)


def _columns(data: Prepared, units: Units, queries: Ints) -> Floats:
    """(n, m) sums of the columns over each unit's pairs."""
    if not units.are_pairs:
        return data.by_query[queries]
    pairs = np.flatnonzero(units.of_pair >= 0)
    ordered = pairs[np.argsort(units.of_pair[pairs])]
    return data.table[data.graded.pattern[ordered]]


def _smooth(measure: str, columns: Floats, levels: Floats) -> Smooth:
    function = COEFFICIENTS[measure]
    return Smooth(columns_for(measure, columns, levels), lambda sums: function(sums, levels))


_OfAnnotator = Callable[[int, Ints, int], Smooth]


def _kappa_parts(data: Prepared) -> dict[str, _OfAnnotator]:
    """Each κ asked for → its statistic of an annotator, given the units of the pairs."""
    couples = data.couples
    if couples is None:
        return {}
    n, grades = len(data.graded.annotators), data.grades
    members = np.concatenate([couples.members[couples.couple, side] for side in (0, 1)])
    order = np.argsort(members, kind="stable")
    starts = np.searchsorted(members[order], np.arange(n + 1))
    times = order % max(len(couples.pair), 1)
    given = np.argsort(grades.annotator, kind="stable")
    given_starts = np.searchsorted(grades.annotator[given], np.arange(n + 1))

    def of(measure: str) -> _OfAnnotator:
        terms = kappa_terms(couples, grades, data.graded.levels, KAPPAS[measure])

        def statistic(code: int, of_pair: Ints, n_units: int) -> Smooth:
            own = times[starts[code] : starts[code + 1]]
            by = given[given_starts[code] : given_starts[code + 1]]
            unit, unit_of_grade = of_pair[couples.pair[own]], of_pair[grades.pair[by]]
            return from_terms(subset(terms, own, by), unit, unit_of_grade, n_units)

        return statistic

    return {measure: of(measure) for measure in data.measures if measure in KAPPAS}


def _rows_against_rest(graded: Graded) -> tuple[Ints, Floats, Ints]:
    """Judgments on pairs with several, by annotator; their columns; each annotator's other pairs.

    Within an annotator they are ordered by query and kind, so that sums do not depend on the order
    of the rows.
    """
    k, n = len(graded.levels), len(graded.annotators)
    several = graded.several[graded.pair]
    rows = np.flatnonzero(several)
    kind = graded.pattern[graded.pair[rows]] * k + graded.level[rows]
    index, at = dense(kind, len(graded.patterns) * k)
    own = graded.level[rows[at]]
    others = graded.patterns[graded.pattern[graded.pair[rows[at]]]] - np.eye(k)[own]
    table = against_rest(others, own, graded.levels)
    order = np.lexsort((index, graded.query[graded.pair[rows]], graded.annotator[rows]))
    n_single = np.bincount(graded.annotator[~several], minlength=n)
    return rows[order], table[index[order]], n_single


def _sum_rows(columns: Floats, unit: Ints, n_units: int) -> Floats:
    order = np.argsort(unit, kind="stable")
    first = np.searchsorted(unit[order], np.arange(n_units))
    return np.asarray(np.add.reduceat(columns[order], first, axis=0), dtype=np.float64)


def _with_estimates(
    found: Found,
    measures: Sequence[str],
    made: Mapping[str, Statistic],
    *,
    key: str,
    seed: int,
    reps: int,
    resample: bool | None = None,
) -> Found:
    estimates = estimate_all(list(made.values()), seed=seed, key=key, reps=reps, resample=resample)
    cells: dict[str, Estimate | None] = dict.fromkeys(measures)
    cells |= dict(zip(made, estimates, strict=True))
    return Found(cells, found.n, found.n_single, found.n_queries, found.notes)
