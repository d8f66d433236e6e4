"""The statistic of every measure of predicted grades in every group of queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import Linear, Ratio, Smooth, Statistic
from evaluation.metrics import PAIRS, THRESHOLD, Measure
from evaluation.pointwise.pairs import PROBABILITIES, ROWS, Floats, Pairs, Passing
from evaluation.ranking.coding import Coded, Codes
from evaluation.slices.groups import Group

Key = tuple[Measure, str]
Value = TypeVar("Value", bound=np.generic)
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Part:
    """The pairs of a group.

    Attributes:
        key: The group's key.
        queries: Codes of its queries that have pairs and are not left out, ascending.
        rows: Its pairs; None if every pair is its.
        query: Query code of each of them; None if every pair is its.
    """

    key: str
    queries: NDArray[np.int64]
    rows: NDArray[np.int32] | None = None
    query: Codes | None = None

    def of(self, values: NDArray[Value]) -> NDArray[Value]:
        """Those of (N,) values that are its pairs'."""
        return values if self.rows is None else values[self.rows]

    def sums(self, pairs: Pairs, values: Floats) -> Floats:
        """Sums of its pairs' values by query, in the order of `queries`."""
        if self.query is None:
            return pairs.query.sums(values, pairs.n_queries)[self.queries]
        summed = np.bincount(self.query, weights=values, minlength=pairs.n_queries)
        return np.asarray(summed[self.queries], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure in a group.

    Attributes:
        statistic: Over the part's queries, in their order.
        notes: What to know about it.
    """

    statistic: Statistic
    notes: Mapping[str, int | None]


def parts_of(pairs: Pairs, groups: Iterable[Group], coded: Coded) -> list[Part]:
    """The groups that have pairs, with them."""
    filled = coded.kept & (pairs.counts > 0)
    parts: list[Part] = []
    for _, members in groupby(groups, key=lambda group: group.slice):
        found = [(g.key, queries) for g in members if len(queries := g.queries[filled[g.queries]])]
        if len(found) == 1 and pairs.counts[found[0][1]].sum() == len(pairs.grades):
            parts.append(Part(*found[0]))
        else:
            parts += _disjoint(pairs, found)
    return parts


def figures_of(
    pairs: Pairs, measures: Sequence[Measure], parts: Sequence[Part], *, influence: bool = True
) -> dict[Key, Figure]:
    """Every measure in every part.

    The pairs pass by once for all measures that are sums over them, and once for each threshold
    (the lowest, whose scores are of the most columns, shares the pass of the sums).

    Args:
        pairs: Graded pairs with their predictions.
        measures: Of the families `pairs`, `sums` and `threshold`.
        parts: The groups.
        influence: Whether intervals are wanted; without, that of a `Linear` is 0.
    """
    wanted = _thresholds(pairs, measures, parts)
    ascending = sorted(wanted)
    room = np.empty(len(pairs.grades) if wanted else 0)
    sums = _query_sums(pairs, measures, ascending[:1], room)
    figures = {
        (m, p.key): _of_sums(m, sums[m][p.queries], pairs.counts[p.queries])
        for m in sums
        for p in parts
    }
    for threshold in ascending:
        scores = pairs.scores(threshold, room)
        if threshold != ascending[0]:
            _add_up(pairs, threshold, scores)
        for measure, part in wanted[threshold]:
            # the last look at these scores may destroy them
            last = len(parts) == 1 and measure == wanted[threshold][-1][0]
            figures[measure, part.key] = _of_threshold(
                measure, threshold, pairs, scores, part, influence=influence, overwrite=last
            )
    return figures


def _thresholds(
    pairs: Pairs, measures: Sequence[Measure], parts: Sequence[Part]
) -> dict[int, list[tuple[Measure, Part]]]:
    """Threshold whose figure is shown → the measures and parts that show it."""
    wanted: dict[int, list[tuple[Measure, Part]]] = {}
    for part in parts:
        grades = part.of(pairs.grades)
        for measure in measures:
            if measure.metric.family == THRESHOLD:
                used = effective_threshold(grades, measure.cutoff or 0)
                wanted.setdefault(used, []).append((measure, part))
    return wanted


def values_of(figures: Mapping[Key, Figure]) -> dict[Key, float]:
    """The figures alone; NaN where undefined."""
    return {key: _value(figure.statistic) for key, figure in figures.items()}


def effective_threshold(grades: NDArray[np.number], threshold: int) -> int:
    """The threshold whose figure is shown at `threshold`.

    Where no grade separates a threshold from the next (no pair has that grade), the labels are the
    same, so the next one's figure is repeated.

    Args:
        grades: (N,) human grades.
        threshold: Grade from which a pair is positive.

    Returns:
        The lowest grade from `threshold` on that some pair has; `threshold` itself if none has.
    """
    levels = range(threshold, int(grades.max()) + 1)
    return next((level for level in levels if _has(grades, level)), threshold)


def _has(grades: NDArray[np.number], level: int) -> bool:
    """Whether some grade is the level; most often one of the first is."""
    batches = (grades[start : start + ROWS] for start in range(0, len(grades), ROWS))
    return any((batch == level).any() for batch in batches)


def _disjoint(pairs: Pairs, groups: Sequence[tuple[str, NDArray[np.int64]]]) -> list[Part]:
    """Parts of keys and queries, of which no query is in two."""
    number = np.full(pairs.n_queries, len(groups), dtype=np.int16 if len(groups) < 2**15 else int)
    for index, (_, queries) in enumerate(groups):
        number[queries] = index
    lengths = pairs.query.lengths
    of_row = np.repeat(number[pairs.query.codes], lengths)
    order = np.argsort(of_row, kind="stable").astype(np.int32)  # a radix sort of 16 bits
    ends = np.cumsum(np.bincount(number[pairs.query.codes], lengths, minlength=len(groups)))
    rows = np.split(order, ends[: len(groups)].astype(np.int64))
    query = np.repeat(pairs.query.codes, lengths)
    return [Part(*group, own, query[own]) for group, own in zip(groups, rows, strict=False)]


def _add_up(pairs: Pairs, threshold: int, scores: NDArray[np.floating]) -> None:
    """Fills the scores of a threshold, column by column: to read several takes more memory."""
    first, *rest = range(threshold - 1, len(PROBABILITIES))

    def put(batches: Passing) -> None:
        for rows, (column,) in batches:
            scores[rows] = column

    def add(batches: Passing) -> None:
        for rows, (column,) in batches:
            scores[rows] += column

    _side_by_side(put, pairs.batches(slice(first, first + 1)))
    for place in rest:
        _side_by_side(add, pairs.batches(slice(place, place + 1)))


def _side_by_side(function: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
    """What the function makes of each, a thread each."""
    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(function, items))


def _query_sums(
    pairs: Pairs, measures: Sequence[Measure], threshold: Sequence[int], room: Floats
) -> dict[Measure, Floats]:
    """(Q,) or (Q, m) sums of each measure that is made of sums; fills the scores of a threshold."""
    additive = [m for m in measures if m.metric.family != THRESHOLD]

    def sums_of(batches: Passing) -> dict[Measure, Floats]:
        sums: dict[Measure, Floats] = {}
        floats = np.empty((len(PROBABILITIES), ROWS))
        for rows, columns in batches:
            probabilities = floats[:, : rows.stop - rows.start]
            for row, column in zip(probabilities, columns, strict=True):
                row[:] = column
            for t in threshold:
                pairs.scores(t, room)[rows] = probabilities[t - 1 :].sum(axis=0)
            grades = pairs.grades[rows].astype(np.float64)
            for measure in additive:
                values = measure.metric.function(grades, probabilities.T, **measure.arguments)
                if measure not in sums:
                    sums[measure] = np.zeros((pairs.n_queries, *values.shape[1:]))
                pairs.query.add(values, sums[measure], rows.start)
        return sums

    first, *rest = _side_by_side(sums_of, pairs.batches(slice(None)))
    for sums in rest:
        for measure in sums:
            first[measure] += sums[measure]
    return first


def _of_sums(measure: Measure, sums: Floats, counts: NDArray[np.int64]) -> Figure:
    if measure.metric.family == PAIRS:
        return Figure(Ratio(sums, counts.astype(np.float64)), {})
    finish = measure.metric.finish
    assert finish is not None
    smooth = Smooth(sums, partial(finish, **measure.arguments))
    undefined = np.isnan(_value(smooth))
    return Figure(smooth, {measure.metric.undefined: None} if undefined else {})


def _of_threshold(
    measure: Measure,
    used: int,
    pairs: Pairs,
    scores: NDArray[np.floating],
    part: Part,
    *,
    influence: bool,
    overwrite: bool,
) -> Figure:
    metric, asked = measure.metric, measure.cutoff or 0
    value, moved = metric.function(
        part.of(pairs.grades) >= used,
        part.of(scores),
        influence=influence,
        overwrite=overwrite or part.rows is not None,
    )
    notes: dict[str, int | None] = {}
    if used != asked:
        notes[f"same_as {metric.name}@{used}, no grade {asked}"] = None
    if np.isnan(value):
        notes["one_class"] = None
    by_query = part.sums(pairs, moved) if influence else np.zeros(len(part.queries))
    return Figure(Linear(value, by_query), notes)


def _value(statistic: Statistic) -> float:
    if isinstance(statistic, Linear):
        return statistic.value
    if isinstance(statistic, Ratio):
        return float(statistic.numerator.sum() / statistic.denominator.sum())
    return float(statistic.function(statistic.columns.sum(axis=0)))
