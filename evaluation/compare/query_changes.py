"""Query by query: what changed, and both lists of the queries that gained and lost most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from evaluation.compare.paired import TIE
from evaluation.compare.sides import Side, Sides
from evaluation.compare.unjudged import bounds_of, open_pins
from evaluation.metrics import Measure
from evaluation.metrics.lists import Ints

PLACES = 10
"""Ranks of a list that are shown at most."""


@dataclass(frozen=True, slots=True)
class Place:
    """A Pin in a list.

    Attributes:
        rank: 1 = first.
        pin_id: The Pin.
        grade: Its grade; None if it is unjudged.
        title: Its title; empty if not known.
    """

    rank: int
    pin_id: str
    grade: int | None
    title: str = ""


@dataclass(frozen=True, slots=True)
class QueryChange:
    """A query whose value changed, with both lists.

    Attributes:
        metric: As the user wrote it.
        system: The candidate.
        query_id: The query.
        text: As typed; empty if not known.
        country: Of the searcher; empty if not known.
        baseline: The baseline's value.
        candidate: The candidate's value.
        before: The baseline's list, to the metric's cutoff and no deeper than `PLACES`.
        after: The candidate's.
    """

    metric: str
    system: str
    query_id: str
    text: str
    country: str
    baseline: float
    candidate: float
    before: tuple[Place, ...]
    after: tuple[Place, ...]

    @property
    def difference(self) -> float:
        """Candidate - baseline."""
        return self.candidate - self.baseline


def query_values(sides: Sides, queries: pl.DataFrame | None = None) -> pl.DataFrame:
    """Every query's value of every metric, for both systems.

    Args:
        sides: The comparison.
        queries: A `queries` table, whose text and country are to stand beside.

    Returns:
        A row a candidate, metric and evaluated query, in the order of metrics, then query ids:
        query_id, [text, country], metric, baseline_system, system, baseline, candidate, difference
        (null where undefined for either), n_unjudged, difference_worst, difference_best.
    """
    kept = np.flatnonzero(sides.coded.kept)
    parts = []
    for candidate in sides.candidates:
        pins = open_pins(sides, candidate)
        for measure in sides.measures:
            old, new = sides.paired(candidate, measure)
            bounds = bounds_of(sides, candidate, measure, pins)
            figures = {
                "baseline": sides.values(sides.baseline, measure),
                "candidate": sides.values(candidate, measure),
                "difference": new - old,
                "n_unjudged": bounds.n_open,
                "difference_worst": bounds.low,
                "difference_best": bounds.high,
            }
            parts.append(
                pl.DataFrame({name: values[kept] for name, values in figures.items()})
                .with_columns(pl.selectors.float().fill_nan(None))
                .select(
                    sides.coded.ids.gather(kept).alias("query_id"),
                    pl.lit(measure.text or repr(measure)).alias("metric"),
                    pl.lit(sides.baseline.name).alias("baseline_system"),
                    pl.lit(candidate.name).alias("system"),
                    pl.all(),
                )
            )
    table = pl.concat(parts)
    beside = [] if queries is None else [c for c in ("text", "country") if c in queries.columns]
    if queries is None or not beside:
        return table
    joined = table.join(
        queries.select("query_id", *beside), on="query_id", how="left", maintain_order="left"
    )
    return joined.select("query_id", *beside, pl.exclude("query_id", *beside))


def largest_changes(
    sides: Sides,
    candidate: Side,
    *,
    n: int,
    measure: Measure | None = None,
    queries: pl.DataFrame | None = None,
    pins: pl.DataFrame | None = None,
) -> tuple[list[QueryChange], list[QueryChange]]:
    """The queries that gained and those that lost most, most changed first (ties: by id).

    Args:
        sides: The comparison.
        candidate: One of its candidates.
        n: How many of each at most; queries without a change are never among them.
        measure: The metric; the first one asked for if None.
        queries: A `queries` table, for text and country.
        pins: A `pins` table, for titles.
    """
    measure = measure or sides.asked[0]
    old, new = sides.paired(candidate, measure)
    kept = np.flatnonzero(sides.coded.kept)
    gain = np.nan_to_num((new - old)[kept]) * (1 if measure.metric.higher_is_better else -1)
    ends = []
    for sign in (1, -1):
        order = np.argsort(-sign * gain, kind="stable")[:n]
        ends.append(kept[order[sign * gain[order] > TIE]])
    known = _Known(_texts(sides, [*ends[0], *ends[1]], queries), pins)
    gained, lost = (
        [_change(sides, candidate, measure, int(code), known) for code in codes] for codes in ends
    )
    return gained, lost


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known beside the lists: query id → text and country; the table `pins`."""

    queries: dict[str, tuple[str, str]]
    pins: pl.DataFrame | None


def _texts(
    sides: Sides, codes: list[int], queries: pl.DataFrame | None
) -> dict[str, tuple[str, str]]:
    ids = sides.coded.ids.gather(codes)
    if queries is None or len(ids) == 0:
        return {}
    columns = [
        pl.col(name).cast(pl.String).fill_null("") if name in queries.columns else pl.lit("")
        for name in ("text", "country")
    ]
    found = queries.filter(pl.col("query_id").is_in(ids.implode())).select("query_id", *columns)
    return {row[0]: (row[1], row[2]) for row in found.iter_rows()}


def _change(
    sides: Sides, candidate: Side, measure: Measure, code: int, known: _Known
) -> QueryChange:
    query_id = str(sides.coded.ids[code])
    text, country = known.queries.get(query_id, ("", ""))
    old, new = sides.paired(candidate, measure)
    depth = min(measure.cutoff or PLACES, PLACES)
    return QueryChange(
        metric=measure.text or repr(measure),
        system=candidate.name,
        query_id=query_id,
        text=text,
        country=country,
        baseline=float(old[code]),
        candidate=float(new[code]),
        before=_places(sides.baseline, code, depth, known.pins),
        after=_places(candidate, code, depth, known.pins),
    )


def _places(side: Side, code: int, depth: int, pins: pl.DataFrame | None) -> tuple[Place, ...]:
    start, end = int(side.lists.starts[code]), int(side.lists.starts[code + 1])
    at: Ints = np.arange(start, min(end, start + depth))
    ids = [str(pin_id) for pin_id in side.pins(at)]
    titles: dict[str, str] = {}
    if pins is not None and "title" in pins.columns:
        found = pins.filter(pl.col("pin_id").is_in(ids)).select("pin_id", "title")
        titles = {row[0]: row[1] or "" for row in found.iter_rows()}
    return tuple(
        Place(
            rank=rank,
            pin_id=pin_id,
            grade=None if np.isnan(grade) else int(grade),
            title=titles.get(pin_id, ""),
        )
        for rank, (pin_id, grade) in enumerate(zip(ids, side.lists.grades[at], strict=True), 1)
    )
