"""What the Pins that nobody judged could change: bounds of a difference, and the pairs to judge.

A Pin is open if it is unjudged and stands within the metric's depth of either list. The bounds are
the smallest and largest mean difference over all grades that the open Pins could have, the same
grade in both lists. They are reached by some grades, except those of AP and ERR, which are valid
but may be wider. Where a query is undefined as it stands and some grades would define it, the bound
takes it in or leaves it out, whichever is more extreme. Queries without a single judgment stay out,
as they are of every mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.compare import extremes
from evaluation.compare.metric_bounds import BOUNDED, LOOSE, Case, place_weights
from evaluation.compare.sides import Side, Sides
from evaluation.metrics import Measure
from evaluation.metrics.lists import Floats, Ints
from evaluation.ranking.coding import judgments_of


@dataclass(frozen=True, slots=True)
class OpenPins:
    """Unjudged Pins within the largest depth of either of two lists, each once.

    Attributes:
        query: (U,) query code, in no order.
        pin_ids: (U,) ids.
        old: (U,) place in the packed lists of the baseline; -1 = not there.
        new: (U,) place in those of the candidate.
    """

    query: Ints
    pin_ids: pl.Series
    old: Ints
    new: Ints


@dataclass(frozen=True, slots=True)
class Bounds:
    """What open Pins could make of each query's difference.

    Attributes:
        n_open: (Q,) open Pins within the metric's depth.
        low: (Q,) smallest difference; that of the lists as they are where nothing is open; NaN
            where no grades define it.
        high: (Q,) largest difference.
        reach: (U,) how differently the lists place each open Pin; 0 beyond the metric's depth.
        known: Whether the metric has bounds on this scale.
        loose: Whether they may be wider than what any grades give.
    """

    n_open: Ints
    low: Floats
    high: Floats
    reach: Floats
    known: bool = True
    loose: bool = False


def open_pins(sides: Sides, candidate: Side) -> OpenPins:
    """The unjudged Pins of both lists, of the queries that are evaluated."""
    old, new = (_open(side, sides.coded.kept) for side in (sides.baseline, candidate))
    hashes = [side.pins.to_frame().hash_rows(seed=0).to_numpy() for side in (old, new)]
    same = judgments_of(old.query, hashes[0], new.query, hashes[1], len(sides.coded.ids))
    alone = np.ones(len(new.place), dtype=bool)
    alone[same[same >= 0]] = False
    return OpenPins(
        query=np.concatenate([old.query, new.query[alone]]).astype(np.int64),
        pin_ids=pl.concat([old.pins, new.pins.filter(pl.Series(alone))]),
        old=np.concatenate([old.place, np.full(int(alone.sum()), -1)]),
        new=np.concatenate([np.append(new.place, -1)[same], new.place[alone]]),
    )


def bounds_of(sides: Sides, candidate: Side, measure: Measure, pins: OpenPins) -> Bounds:
    """The bounds of a measure for every query.

    Args:
        sides: The comparison.
        candidate: The system that is compared with the baseline.
        measure: A ranking measure.
        pins: As `open_pins` gives them for the two.
    """
    old, new = sides.paired(candidate, measure)
    old_weight = _at(place_weights(measure, sides.baseline.lists), pins.old)
    new_weight = _at(place_weights(measure, candidate.lists), pins.new)
    inside = (old_weight > 0) | (new_weight > 0)
    case = Case(
        measure=measure,
        scale=sides.scale,
        old=sides.baseline.lists,
        new=candidate.lists,
        query=pins.query[inside],
        old_places=np.where(old_weight > 0, pins.old, -1)[inside],
        new_places=np.where(new_weight > 0, pins.new, -1)[inside],
        weights=(new_weight - old_weight)[inside],
        values=(old, new),
    )
    n_open = np.bincount(case.query, minlength=len(old))
    reach = np.abs(new_weight - old_weight)
    bound = BOUNDED.get(measure.metric.name)
    ends = None if bound is None else bound(case)
    if ends is None:
        kept = np.where(n_open == 0, new - old, np.nan)
        return Bounds(n_open, kept, kept, reach, known=False)
    low, high = ends
    if sides.zero:
        empty = candidate.scored.no_relevant[measure]
        low, high = np.where(empty, np.fmin(low, 0), low), np.where(empty, np.fmax(high, 0), high)
    low, high = (np.where(n_open == 0, new - old, end) for end in (low, high))
    return Bounds(n_open, low, high, reach, loose=measure.metric.name in LOOSE)


def mean_bounds(bounds: Bounds, difference: Floats, queries: Ints) -> tuple[float, float] | None:
    """Smallest and largest mean difference of a group.

    Args:
        bounds: Those of each query.
        difference: (Q,) difference of each query as it stands; NaN = undefined.
        queries: Codes of the group's queries.

    Returns:
        Ends; None if the metric has none there, or no query has a difference.
    """
    defined = ~np.isnan(difference[queries])
    if not defined.any() or (not bounds.known and bounds.n_open[queries].any()):
        return None

    def largest(values: Floats) -> float:
        optional = values[~defined]
        return extremes.of_mean(values[defined], optional[~np.isnan(optional)])

    return -largest(-bounds.low[queries]), largest(bounds.high[queries])


def unjudged_pairs(sides: Sides) -> pl.DataFrame:
    """The open Pins of all candidates as pairs to judge, those that tell most first.

    Returns:
        query_id, pin_id, rank (1 = judge first within its query), weight and n_systems (how many
        return it within the depth). The weight is how much of the width of the bounds hangs on the
        Pin, for the first metric that has bounds, summed over candidates; a query's width is shared
        among its open Pins by how differently the lists place them. The frame can be read as
        `pairs` and as `runs`.
    """
    measure = next((m for m in sides.asked if m.metric.name in BOUNDED), sides.asked[0])
    parts = [_pairs_of(sides, candidate, measure) for candidate in sides.candidates]
    ids = sides.coded.ids.alias("query_id").to_frame().with_row_index("query")
    return (
        pl.concat(parts)
        .group_by("query", "pin_id")
        .agg(
            pl.col("weight").sum(),
            n_systems=pl.col("old").any().cast(pl.Int64) + pl.col("new").cast(pl.Int64).sum(),
        )
        .join(ids.with_columns(pl.col("query").cast(pl.Int64)), on="query")
        .sort(["weight", "query_id", "pin_id"], descending=[True, False, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("query_id"))
        .select("query_id", "pin_id", "rank", "weight", "n_systems")
    )


def _pairs_of(sides: Sides, candidate: Side, measure: Measure) -> pl.DataFrame:
    pins = open_pins(sides, candidate)
    bounds = bounds_of(sides, candidate, measure, pins)
    n_queries = len(bounds.n_open)
    old, new = sides.paired(candidate, measure)
    defined = int((~np.isnan(new - old))[sides.coded.kept].sum())
    width = np.nan_to_num(bounds.high - bounds.low) / max(defined, 1)
    apart = np.bincount(pins.query, weights=bounds.reach, minlength=n_queries)
    evenly = 1.0 / np.maximum(np.bincount(pins.query, minlength=n_queries), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(apart > 0, 1.0 / apart, 0.0)[pins.query] * bounds.reach
    share = np.where(apart[pins.query] > 0, share, evenly[pins.query])
    return pl.DataFrame(
        {
            "query": pins.query,
            "pin_id": pins.pin_ids,
            "weight": width[pins.query] * share,
            "old": pins.old >= 0,
            "new": pins.new >= 0,
        }
    )


@dataclass(frozen=True, slots=True)
class _Open:
    """Unjudged Pins of one list by query code: the code, the Pin's id and its place."""

    query: NDArray[np.int32]
    pins: pl.Series
    place: Ints


def _open(side: Side, kept: NDArray[np.bool_]) -> _Open:
    place = np.flatnonzero(side.ordered.judgment < 0)
    query = np.searchsorted(side.lists.starts, place, side="right").astype(np.int32) - 1
    place, query = place[kept[query]], query[kept[query]]
    return _Open(query, side.pins(place), place)


def _at(values: Floats, places: Ints) -> Floats:
    """Values at places, 0 where there is none."""
    return np.append(values, 0.0)[places]
