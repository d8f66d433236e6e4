"""What `gradewise annotation sample` prints before anything is sent: cost and expected interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from annotation.sampling.costs import Bill
    from annotation.sampling.drawing import Drawn
    from annotation.sampling.forecast import Expected

PRECISION, NDCG, ACCURACY = "P@8", "nDCG@20", "accuracy"
FIGURES = (PRECISION, NDCG, ACCURACY)
DRAWS = 8
"""Draws of the grades from the teacher's probabilities, for figures of whole queries."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the expected interval rests on.

    Attributes:
        runs: One frame a system; empty without runs.
        past: Past grades, a `qrels` table.
        predictions: The teacher's grades.
    """

    runs: Sequence[pl.DataFrame]
    past: pl.DataFrame | None
    predictions: pl.DataFrame | None

    @property
    def text(self) -> str:
        """In words."""
        names = [("past grades", self.past), ("the teacher", self.predictions)]
        return " and ".join(name for name, frame in names if frame is not None)


def query_figures(evidence: Evidence, measure: str, seed: int = 0) -> dict[str, pl.DataFrame]:
    """Each system's figure of every query: query_id, mean, noise.

    Past grades count where there are any; with a teacher its grades stand in for those missing,
    drawn from its probabilities, and `noise` is what the figure varies by over the draws.

    Args:
        evidence: Runs, past grades and predictions.
        measure: A ranking measure.
        seed: Of the draws.
    """
    import numpy as np
    import polars as pl

    from evaluation.label_noise import each_draw
    from evaluation.metrics import RANKING, parse_all
    from evaluation.ranking import code_queries, depth_of, named, order_run, score_ordered
    from evaluation.ranking import systems_of as split

    grades = _grades(evidence)
    if grades is None or not evidence.runs:
        return {}
    measures = parse_all((measure,), families=(RANKING,))
    runs = [
        (name, run)
        for i, given in enumerate(evidence.runs)
        for name, run in split(named(given, f"run{i + 1}"))
    ]
    coded = code_queries(grades, [run for _, run in runs])
    lists = {name: order_run(run, coded, depth=depth_of(measures)) for name, run in runs}
    values: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in lists}
    for drawn in each_draw(coded.qrels, draws=DRAWS, seed=seed):
        for name, ordered in lists.items():
            scored = score_ordered(ordered, coded, measures, grades=drawn.astype(np.float64))
            values[name].append(scored.values[measures[0]])
    out = {}
    for name, each in values.items():
        stack = np.stack(each)
        known = coded.judged & ~np.isnan(stack).any(axis=0)
        out[name] = pl.DataFrame(
            {
                "query_id": coded.ids.filter(pl.Series(known)),
                "mean": stack[:, known].mean(axis=0),
                "noise": stack[:, known].var(axis=0, ddof=1),
            }
        )
    return out


def _grades(evidence: Evidence) -> pl.DataFrame | None:
    """Grades with p1…p5: past ones are certain, the teacher's as it says."""
    import polars as pl

    names = [f"p{k}" for k in range(1, 6)]
    key = ["query_id", "pin_id"]
    parts = []
    if evidence.past is not None:
        sure = [(pl.col("grade") == k).cast(pl.Float64).alias(f"p{k}") for k in range(1, 6)]
        parts.append(evidence.past.select(*key, pl.col("grade").cast(pl.Int64), *sure))
    if evidence.predictions is not None:
        likely = pl.concat_list(names).list.arg_max().cast(pl.Int64) + 1
        own = evidence.predictions.select(*key, likely.alias("grade"), *names)
        parts.append(own if not parts else own.join(parts[0], on=key, how="anti"))
    return pl.concat(parts, how="vertical_relaxed") if parts else None


def intervals(
    drawn: Drawn, evidence: Evidence, level: float, seed: int = 0
) -> dict[str, dict[str, Expected]]:
    """The widest interval over the systems of each figure, by country."""
    from annotation.sampling.drawing import QUERIES
    from annotation.sampling.forecast import expected, expected_of_queries
    from annotation.sampling.moments import moments, systems_of

    rows = drawn.frame.rows
    past, teacher = evidence.past, evidence.predictions
    found: dict[str, list[dict[str, Expected]]] = {name: [] for name in FIGURES}
    for system in systems_of(rows):
        own = moments(rows, PRECISION, system, past=past, predictions=teacher)
        found[PRECISION].append(expected(drawn, own, level))
    if teacher is not None:
        own = moments(rows, ACCURACY, past=past, predictions=teacher)
        found[ACCURACY].append(expected(drawn, own, level))
    if drawn.design.unit == QUERIES:
        for figures in query_figures(evidence, NDCG, seed).values():
            found[NDCG].append(expected_of_queries(drawn, figures, level))
    return {name: _widest(each) for name, each in found.items()}


def _widest(each: Sequence[Mapping[str, Expected]]) -> dict[str, Expected]:
    out: dict[str, Expected] = {}
    for found in each:
        for country, one in found.items():
            if country not in out or one.half_width > out[country].half_width:
                out[country] = one
    return out


def report(
    bills: Sequence[Bill], widths: Mapping[str, Mapping[str, Expected]]
) -> list[dict[str, Any]]:
    """One row a country: what it costs, and half the width of the interval to expect."""
    rows = []
    for bill in bills:
        row: dict[str, Any] = {
            "country": bill.country or "—", "queries": bill.queries, "pairs": bill.pairs,
            "known": bill.known, "gold": bill.gold, "repeats": bill.repeats,
            "judgments": bill.judgments, "minutes": round(bill.minutes, 1),
        }  # fmt: skip
        for name, by_country in widths.items():
            one = by_country.get(bill.country)
            row[f"±{name}"] = None if one is None else round(one.half_width, 4)
        rows.append(row)
    return rows
