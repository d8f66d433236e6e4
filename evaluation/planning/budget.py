"""What a planned measurement takes: pairs, judgments, hours and cost, in all and by group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.metrics import Measure
from evaluation.planning.allocation import Floats, Ints
from evaluation.planning.designs import Design
from evaluation.planning.inputs import Observed
from relevance.errors import InputError
from relevance.results import Row

SECONDS = 15.0
"""Assumed time a judgment, where neither a setting nor a file says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Graders, pace and pay.

    Attributes:
        graders: Judgments a pair.
        seconds: A judgment takes; None = as the judgments show, else 15.
        hourly_rate: Pay an hour, in any currency; None = no cost is shown.
        depth: Pins of each query and system that are graded; None = the metric's cutoff, or 20.
    """

    graders: int = 3
    seconds: float | None = None
    hourly_rate: float | None = None
    depth: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("graders", self.graders), ("depth", self.depth)):
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        for name, amount in (("seconds", self.seconds), ("hourly rate", self.hourly_rate)):
            if amount is not None and not amount > 0:
                raise InputError(f"{name} must be above 0, got {amount:g}")

    def depth_of(self, measure: Measure) -> int:
        """Depth of the pool that is graded for a measure."""
        return self.depth or measure.cutoff or 20


MakeRow = Callable[..., Row]


def budget_rows(
    make: MakeRow,
    design: Design,
    n: int,
    *,
    measure: Measure,
    observed: Observed,
    costs: Costs,
    pace: Mapping[str, float],
    by: Sequence[str],
) -> Iterator[Row]:
    """Rows of the budget of n queries, in all, by group, then the queries of each stratum.

    Pairs are those of the pool of both systems, each once.

    Args:
        make: Makes a row of a name, value, n and note.
        design: The design chosen.
        n: Queries.
        measure: What is measured.
        observed: Strata, and pairs a query.
        costs: Graders, pace and pay.
        pace: Observed seconds a judgment of each group, of all under the empty name.
        by: Columns of the groups; none for no groups.
    """
    counts = design.counts(n)
    figures = _figures(counts, measure, observed, costs, pace)
    groups = np.array(observed.groups)
    places = [("all", "all", np.ones(len(groups), dtype=bool))]
    if by:
        places += [(":".join(by), str(g), groups == g) for g in sorted(set(observed.groups))]
    assumed = costs.seconds is None and not pace
    for column, group, here in places:
        planned = int(counts[here].sum())
        pairs = float(figures["pairs"][here].sum()) / max(planned, 1)
        notes = {
            "queries": f"design: {design.name}",
            "pairs": f"depth: {costs.depth_of(measure)}; pairs_per_query: {pairs:.1f}",
            "judgments": f"graders: {costs.graders}",
            "hours": f"assumed_seconds: {SECONDS:g}" if assumed else "",
        }
        for name, values in figures.items():
            total = float(values[here].sum())
            value = total if name in ("hours", "cost") else float(round(total))
            yield make(name, value, planned, notes.get(name, ""), place=(column, group))
    if len(observed.columns) > len(by):
        yield from _strata(make, design, counts, observed)


def _figures(
    counts: Ints, measure: Measure, observed: Observed, costs: Costs, pace: Mapping[str, float]
) -> dict[str, Floats]:
    """(H,) of each figure of the budget."""
    pairs = counts * observed.pairs[costs.depth_of(measure)]
    seconds = np.array([_seconds(costs, pace, group) for group in observed.groups])
    figures = {
        "queries": counts.astype(np.float64),
        "pairs": pairs,
        "judgments": pairs * costs.graders,
        "hours": pairs * costs.graders * seconds / 3600,
    }
    if costs.hourly_rate is not None:
        figures["cost"] = figures["hours"] * costs.hourly_rate
    return figures


def _strata(make: MakeRow, design: Design, counts: Ints, observed: Observed) -> Iterator[Row]:
    column = ":".join(observed.columns)
    for h, name in enumerate(observed.population.names):
        note = f"sd: {design.spreads[0].within[h]:.4f}; "
        note += f"available: {observed.population.available[h]}"
        yield make("queries", float(counts[h]), int(counts[h]), note, place=(column, name))


def _seconds(costs: Costs, pace: Mapping[str, float], group: str) -> float:
    if costs.seconds is not None:
        return costs.seconds
    return pace.get(group, pace.get("", SECONDS))
