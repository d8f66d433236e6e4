"""For each metric, what open Pins could make of the difference of two lists; see `extremes`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from evaluation.compare import extremes
from evaluation.metrics import METRICS, Measure
from evaluation.metrics.lists import Floats, Ints, Lists, expected, head, sum_head, total
from evaluation.metrics.ranking import PERSISTENCE
from relevance.grades import GradeScale


@dataclass(frozen=True, slots=True)
class Case:
    """Two systems' lists under one measure, and the Pins in them that are open.

    Attributes:
        measure: The measure.
        scale: Scale of the grades.
        old: Lists of the baseline.
        new: Lists of the candidate.
        query: (U,) query code of each open Pin within the measure's depth.
        old_places: (U,) its place in the packed lists of the baseline; -1 = not within the depth.
        new_places: (U,) likewise for the candidate.
        weights: (U,) what the place adds in the new list, less what it adds in the old one.
        values: (Q,) values of both systems as they stand.
    """

    measure: Measure
    scale: GradeScale
    old: Lists
    new: Lists
    query: Ints
    old_places: Ints
    new_places: Ints
    weights: Floats
    values: tuple[Floats, Floats]

    @property
    def worths(self) -> Floats | None:
        """What a Pin may be worth, ascending; None if the scale sets no limit."""
        if "gain" in self.measure.metric.options:
            if not self.scale.levels:
                return None
            levels = np.array(self.scale.levels, dtype=np.float64)
            return np.unique(self.scale.gains(levels, self.measure.arguments.get("gain")))
        if not self.scale.levels:
            return np.array([0.0, 1.0])
        return np.unique([float(level >= self.relevant_from) for level in self.scale.levels])

    @property
    def relevant_from(self) -> int:
        """Grade from which a Pin counts as relevant."""
        return int(self.measure.arguments.get("rel", self.scale.relevant_from))

    def worth(self, grades: Floats) -> Floats:
        """What Pins of these grades are worth; 0 if unjudged."""
        if "gain" in self.measure.metric.options:
            return np.nan_to_num(self.scale.gains(grades, self.measure.arguments.get("gain")))
        with np.errstate(invalid="ignore"):
            return (grades >= self.relevant_from).astype(np.float64)


Ends = tuple[Floats, Floats] | None
"""(Q,) smallest and (Q,) largest difference; None if the metric has none in this case."""


def place_weights(measure: Measure, lists: Lists) -> Floats:
    """(N,) how much a Pin of worth 1 adds at each place; 0 behind the cutoff.

    With ties it is the expectation over their orders.
    """
    weights = _by_rank(measure, lists)
    if measure.cutoff is not None:
        weights[measure.cutoff :] = 0.0
    lengths = lists.returned
    if len(lengths) and (lengths == len(weights)).all():
        return expected(lists, np.tile(weights, len(lengths)))
    rank = np.arange(len(lists.grades)) - np.repeat(lists.starts[:-1], lengths)
    return expected(lists, weights[rank])


def _by_rank(measure: Measure, lists: Lists) -> Floats:
    """Weight of each rank down to the longest list's end, whatever the cutoff."""
    depth = int(lists.returned.max(initial=0))
    return _PLACES.get(measure.metric.name, _one)(measure, np.arange(depth))


def _sum(case: Case) -> Ends:
    worths = case.worths
    if worths is None:
        return None
    old, new = case.values
    if case.measure.metric.name == "sDCG":
        top = np.array([float(case.scale.top)])
        worths = worths / case.scale.gains(top, case.measure.arguments.get("gain"))
    low, high = float(worths[0]), float(worths[-1])
    most = extremes.of_sums(case.query, case.weights, low, high, len(old))
    least = -extremes.of_sums(case.query, -case.weights, low, high, len(old))
    return new - old + least, new - old + most


def _ratio(case: Case) -> Ends:
    worths = case.worths
    if worths is None:
        return None
    n_queries = len(case.values[0])
    known = _judged_sum(case, case.new) - _judged_sum(case, case.old)
    layers = _layers(case, worths, n_queries)
    low = -extremes.of_ratios(-known, case.query, -case.weights, layers)
    return low, extremes.of_ratios(known, case.query, case.weights, layers)


def _judged_sum(case: Case, lists: Lists) -> Floats:
    added = expected(lists, case.worth(lists.grades))
    weights = _by_rank(case.measure, lists)
    return sum_head(lists.starts, added, case.measure.cutoff, weights=weights)


def _layers(case: Case, worths: Floats, n_queries: int) -> extremes.Layers:
    judged = case.worth(case.old.judged)
    query = np.repeat(np.arange(n_queries), np.diff(case.old.judged_starts))
    counts = [np.bincount(query[judged >= w], minlength=n_queries) for w in worths]
    base = float(worths[0])
    open_ = np.bincount(case.query, minlength=n_queries)
    if case.measure.metric.name == "nDCG":
        most = int((counts[0] + open_).max(initial=0))
        places = most if case.measure.cutoff is None else min(most, case.measure.cutoff)
        steps = _discount(case.measure, np.arange(places))
    else:
        steps = np.ones(int((counts[0] + open_).max(initial=0)))
    return extremes.Layers(
        base=base,
        heights=np.diff(worths),
        base_judged=counts[0],
        judged=np.stack(counts, axis=1)[:, 1:],
        ideal=np.concatenate(([0.0], np.cumsum(steps))),
    )


def _first(case: Case) -> Ends:
    if case.old.ties is not None:
        return None

    def rank(lists: Lists, places: Ints) -> Floats:
        return np.where(places >= 0, places - lists.starts[:-1][case.query] + 1.0, np.inf)

    return extremes.of_first(
        case.query,
        old_rank=rank(case.old, case.old_places),
        new_rank=rank(case.new, case.new_places),
        old=case.values[0],
        new=case.values[1],
    )


def _precisions(case: Case) -> Ends:
    if case.old.ties is not None:
        return None
    n_queries = len(case.values[0])
    judged_query = np.repeat(np.arange(n_queries), np.diff(case.old.judged_starts))
    n_relevant = total(judged_query, case.worth(case.old.judged), n_queries)
    ends = []
    for lists, places in ((case.old, case.old_places), (case.new, case.new_places)):
        rows, query, _ = head(lists.starts, case.measure.cutoff)
        open_ = np.zeros(len(lists.grades))
        open_[places[places >= 0]] = 1.0
        counts = np.bincount(query, minlength=n_queries)
        elsewhere = np.bincount(case.query[places < 0], minlength=n_queries)
        ends.append(
            extremes.of_precisions(
                np.concatenate(([0], np.cumsum(counts))),
                case.worth(lists.grades)[rows],
                open_[rows],
                n_relevant,
                elsewhere.astype(np.float64),
            )
        )
    return ends[1][0] - ends[0][1], ends[1][1] - ends[0][0]


def _stops(case: Case) -> Ends:
    """ERR never falls when a grade rises: each list's ends are all worst and all best grades."""
    levels = np.array(case.scale.levels, dtype=np.float64)
    if len(levels) == 0:
        return None
    gains = case.scale.gains(levels, "exp")
    ends = []
    for lists, places in ((case.old, case.old_places), (case.new, case.new_places)):
        for level in (levels[gains.argmin()], levels[gains.argmax()]):
            grades = lists.grades.copy()
            grades[places[places >= 0]] = level
            graded = replace(lists, grades=grades)
            ends.append(METRICS["ERR"].function(graded, case.scale, **case.measure.arguments))
    return ends[2] - ends[1], ends[3] - ends[0]


BOUNDED: Mapping[str, Callable[[Case], Ends]] = {
    "nDCG": _ratio,
    "sDCG": _sum,
    "DCG": _sum,
    "P": _sum,
    "R": _ratio,
    "RBP": _sum,
    "RR": _first,
    "AP": _precisions,
    "ERR": _stops,
}
"""Metrics that have bounds."""

LOOSE = ("AP", "ERR")
"""Those whose bounds are valid but may be wider than what any grades reach."""


def _discount(measure: Measure, rank: Ints) -> Floats:  # noqa: ARG001
    return np.asarray(1.0 / np.log2(rank + 2.0))


def _of_the_best(measure: Measure, rank: Ints) -> Floats:
    discount = _discount(measure, rank)
    k = measure.cutoff or 1
    return np.asarray(discount / float(np.sum(1.0 / np.log2(np.arange(2, k + 2)))))


def _kth(measure: Measure, rank: Ints) -> Floats:
    return np.full(len(rank), 1.0 / (measure.cutoff or 1))


def _persistent(measure: Measure, rank: Ints) -> Floats:
    p = float(measure.arguments.get("p", PERSISTENCE))
    return np.asarray((1.0 - p) * p**rank)


def _inverse(measure: Measure, rank: Ints) -> Floats:  # noqa: ARG001
    return np.asarray(1.0 / (rank + 1.0))


def _one(measure: Measure, rank: Ints) -> Floats:  # noqa: ARG001
    return np.ones(len(rank))


_PLACES: Mapping[str, Callable[[Measure, Ints], Floats]] = {
    "nDCG": _discount,
    "sDCG": _of_the_best,
    "DCG": _discount,
    "P": _kth,
    "RBP": _persistent,
    "RR": _inverse,
    "AP": _inverse,
    "ERR": _inverse,
}
