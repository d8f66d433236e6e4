"""What trec_eval says of a run, for every ranking measure that can be had from it.

trec_eval knows integer grades only, one gain (the grade itself) and relevance from 1 on. So the
grades are passed to it through the scale: as gains for the DCG family, as relevant or not for the
others. None is ever negative then, which also keeps pytrec_eval from hanging now and then on a
query whose grades are all below 0.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from evaluation.metrics import Measure
from relevance.errors import require_extra
from relevance.grades import GradeScale

Run = Mapping[str, Mapping[str, float]]
Grades = Mapping[str, Mapping[str, int]]
Values = dict[str, float]

MOST = 1_000_000
"""Largest grade given to trec_eval, which reserves memory for every level up to it."""

_FACTORS = range(1, 13)  # that may make fractional gains whole


@dataclass(frozen=True, slots=True)
class Data:
    """A run and the grades to hold it against.

    Attributes:
        run: Query → Pin → score.
        qrels: Query → Pin → grade.
        scale: Scale of the grades.
    """

    run: Run
    qrels: Grades
    scale: GradeScale


class NotComparableError(Exception):
    """trec_eval has no such figure; the message says why."""


def trec_eval(measure: Measure, data: Data) -> tuple[Values, str]:
    """The measure's value for every query that is in both run and qrels, and how it was asked for.

    Raises:
        NotComparableError: It has no such figure.
        MissingExtraError: pytrec_eval is not installed.
    """
    require_extra("pytrec_eval", "verify")
    name = measure.metric.name
    if name not in _ORACLES:
        message = f"pytrec_eval has no {name}"
        raise NotComparableError(message)
    return _ORACLES[name](measure, data)


def _ndcg(measure: Measure, data: Data) -> tuple[Values, str]:
    gains, factor = _gains(measure, data)
    asked = "ndcg" if measure.cutoff is None else f"ndcg_cut.{measure.cutoff}"
    times = f" × {factor}" if factor != 1 else ""
    return _evaluate(data.run, gains, asked), f"{asked} of gains{times}"


def _dcg(measure: Measure, data: Data) -> tuple[Values, str]:
    """DCG = nDCG × ideal, where the ideal is k added Pins of the largest gain."""
    gains, factor = _gains(measure, data)
    largest = max((gain for pins in gains.values() for gain in pins.values()), default=0)
    depth = measure.cutoff or max((len(pins) for pins in data.run.values()), default=1)
    values, asked = _beside_best(data.run, gains, max(largest, 1), depth)
    ideal = max(largest, 1) / factor * sum(1 / math.log2(i + 1) for i in range(1, depth + 1))
    return {query: value * ideal for query, value in values.items()}, f"{asked} × its ideal"


def _sdcg(measure: Measure, data: Data) -> tuple[Values, str]:
    gains, factor = _gains(measure, data)
    option = dict(measure.options).get("gain")
    top = data.scale.gains(
        np.array([float(data.scale.top)]), None if option is None else str(option)
    )
    values, asked = _beside_best(
        data.run, gains, round(float(top[0]) * factor), measure.cutoff or 1
    )
    return values, asked


def _precision(measure: Measure, data: Data) -> tuple[Values, str]:
    asked = f"P.{measure.cutoff}"
    return _evaluate(data.run, _relevant(measure, data), asked), _of_relevant(measure, data, asked)


def _recall(measure: Measure, data: Data) -> tuple[Values, str]:
    asked = "set_recall" if measure.cutoff is None else f"recall.{measure.cutoff}"
    return _evaluate(data.run, _relevant(measure, data), asked), _of_relevant(measure, data, asked)


def _average_precision(measure: Measure, data: Data) -> tuple[Values, str]:
    asked = "map" if measure.cutoff is None else f"map_cut.{measure.cutoff}"
    return _evaluate(data.run, _relevant(measure, data), asked), _of_relevant(measure, data, asked)


def _reciprocal_rank(measure: Measure, data: Data) -> tuple[Values, str]:
    run = data.run if measure.cutoff is None else _first(data.run, measure.cutoff)
    cut = "" if measure.cutoff is None else f" of the first {measure.cutoff}"
    values = _evaluate(run, _relevant(measure, data), "recip_rank")
    return values, _of_relevant(measure, data, f"recip_rank{cut}")


def _judged(measure: Measure, data: Data) -> tuple[Values, str]:
    """Judged@k = P@k with every judged Pin relevant, × k / min(k, returned)."""
    depth = measure.cutoff or max((len(pins) for pins in data.run.values()), default=1)
    judged = {query: dict.fromkeys(pins, 1) for query, pins in data.qrels.items()}
    known = _evaluate(data.run, judged, f"P.{depth}")
    returned = _evaluate(data.run, judged, "num_ret")
    shares = {query: known[query] * depth / min(depth, returned[query]) for query in known}
    return shares, f"P.{depth} of judged Pins / Pins shown"


_ORACLES: Mapping[str, Callable[[Measure, Data], tuple[Values, str]]] = {
    "nDCG": _ndcg,
    "DCG": _dcg,
    "sDCG": _sdcg,
    "P": _precision,
    "R": _recall,
    "AP": _average_precision,
    "RR": _reciprocal_rank,
    "Judged": _judged,
}


def _evaluate(run: Run, grades: Grades, asked: str) -> Values:
    evaluator = importlib.import_module("pytrec_eval").RelevanceEvaluator(grades, {asked})
    key = asked.replace(".", "_")
    return {query: found[key] for query, found in evaluator.evaluate(run).items()}


def _beside_best(run: Run, gains: Grades, best: int, depth: int) -> tuple[Values, str]:
    """nDCG@depth with `depth` more Pins of the gain `best` judged for every query."""
    added = {f"\x01 best {i}": best for i in range(depth)}
    asked = f"ndcg_cut.{depth}"
    beside = {query: {**pins, **added} for query, pins in gains.items()}
    return _evaluate(run, beside, asked), f"{asked} beside {depth} Pins of the best gain"


def _gains(measure: Measure, data: Data) -> tuple[Grades, int]:
    """Whole-numbered gains, and what they were multiplied by to be so."""
    option = dict(measure.options).get("gain")
    grades = sorted({grade for pins in data.qrels.values() for grade in pins.values()})
    gains = data.scale.gains(
        np.array(grades, dtype=np.float64), None if option is None else str(option)
    )
    for factor in _FACTORS:
        whole = np.round(gains * factor)
        if np.array_equal(whole, gains * factor) and whole.max(initial=0) <= MOST:
            of = {grade: int(gain) for grade, gain in zip(grades, whole, strict=True)}
            return _mapped(data.qrels, of), factor
    message = "trec_eval takes whole-numbered gains up to a million only"
    raise NotComparableError(message)


def _relevant(measure: Measure, data: Data) -> Grades:
    wanted = dict(measure.options).get("rel", data.scale.relevant_from)
    grades = {grade for pins in data.qrels.values() for grade in pins.values()}
    return _mapped(data.qrels, {grade: int(grade >= int(wanted)) for grade in grades})


def _of_relevant(measure: Measure, data: Data, asked: str) -> str:
    wanted = dict(measure.options).get("rel", data.scale.relevant_from)
    return f"{asked} of grades ≥ {wanted}"


def _mapped(qrels: Grades, of: Mapping[int, int]) -> Grades:
    return {q: {pin: of[grade] for pin, grade in pins.items()} for q, pins in qrels.items()}


def _first(run: Run, k: int) -> Run:
    """The first k Pins of every query in trec_eval's order: 32-bit score, then id, descending."""
    return {
        query: dict(
            sorted(
                pins.items(), key=lambda pin: (np.float32(pin[1]), pin[0].encode()), reverse=True
            )[:k]
        )
        for query, pins in run.items()
    }
