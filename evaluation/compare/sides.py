"""The systems of a comparison: ordered and scored over the same queries, each once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from evaluation.metrics import RANKING, Measure, parse_all
from evaluation.metrics.lists import Floats, Ints, Lists, pack_graded, settled
from evaluation.ranking import (
    Coded,
    Ordered,
    Scored,
    code_queries,
    depth_of,
    empty_is_zero,
    named,
    order_run,
    score_ordered,
    systems_of,
    with_judged,
)
from evaluation.ranking.scoring import score_lists
from evaluation.slices import Group, groups_of
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale


@dataclass(frozen=True, slots=True)
class Side:
    """One system's lists and what they are worth.

    Attributes:
        name: Of the system.
        pin_ids: Pins of the run's rows.
        ordered: Its lists: at which rank which row stands, and the row's judgment.
        lists: The grades at each rank.
        scored: Every measure's value for every query.
    """

    name: str
    pin_ids: pl.Series
    ordered: Ordered
    lists: Lists
    scored: Scored

    def pins(self, places: Ints) -> pl.Series:
        """Ids of the Pins at these places of the packed lists."""
        return self.pin_ids.gather(self.ordered.rows[places])


@dataclass(frozen=True, slots=True)
class Sides:
    """A baseline and the candidates that are compared with it.

    Attributes:
        baseline: The system in use.
        candidates: The others.
        coded: The queries and their grades.
        groups: Queries that are evaluated together.
        asked: Measures asked for, which are tested.
        measures: Those and the Judged beside them.
        scale: Scale of the grades.
        ties: How equal scores are ordered.
        empty: What queries without anything to find have.
    """

    baseline: Side
    candidates: tuple[Side, ...]
    coded: Coded
    groups: tuple[Group, ...]
    asked: tuple[Measure, ...]
    measures: tuple[Measure, ...]
    scale: GradeScale
    ties: str
    empty: str | None

    @property
    def zero(self) -> bool:
        """Whether a query without anything to find counts 0."""
        return empty_is_zero(self.empty, self.scale)

    def values(self, side: Side, measure: Measure) -> Floats:
        """(Q,) a system's values; NaN = undefined."""
        values = side.scored.values[measure]
        return np.where(side.scored.no_relevant[measure], 0.0, values) if self.zero else values

    def paired(self, candidate: Side, measure: Measure) -> tuple[Floats, Floats]:
        """(Q,) values of baseline and candidate, both NaN where either is undefined."""
        old, new = self.values(self.baseline, measure), self.values(candidate, measure)
        undefined = np.isnan(old) | np.isnan(new)
        return np.where(undefined, np.nan, old), np.where(undefined, np.nan, new)


def sides_of(
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
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
    unique: bool = False,
) -> Sides:
    """Orders and scores a baseline and its candidates; the arguments are those of `compare_runs`.

    With `unique` it is known that neither a system nor the qrels have a pair twice.

    Raises:
        InputError: As `evaluate_ranking`; a baseline of several systems; two of one name.
    """
    asked = parse_all(metrics, families=(RANKING,))
    measures = with_judged(asked)
    empty_is_zero(empty, scale)
    old = _one_system(named(baseline, default="baseline"))
    new = _systems(candidate)
    coded = code_queries(
        qrels, [old, *new.values()], seen=seen, allow_seen=allow_seen, unique=unique
    )

    def side(name: str, run: pl.DataFrame) -> Side:
        ordered = order_run(run, coded, ties=ties, depth=depth_of(measures))
        coded.refuse_apart(name, ordered.returned)
        lists = _graded(ordered, coded)
        scored = score_lists(settled(lists), measures, scale, ordered.rank_disagrees)
        return Side(name, run["pin_id"], ordered, lists, scored)

    return Sides(
        baseline=side(str(old["system"][0]), old),
        candidates=tuple(side(name, run) for name, run in new.items()),
        coded=coded,
        groups=tuple(groups_of(coded.ids, queries, by, judged=coded.judged)),
        asked=asked,
        measures=measures,
        scale=scale,
        ties=ties,
        empty=empty,
    )


def rescored(sides: Sides, grades: Floats) -> Sides:
    """The same comparison in the same order of Pins, with every value under other grades.

    Args:
        sides: The comparison; its lists keep their grades.
        grades: (M,) grade of each row of `sides.coded.qrels`.
    """

    def again(side: Side) -> Side:
        scored = score_ordered(
            side.ordered, sides.coded, sides.measures, scale=sides.scale, grades=grades
        )
        return replace(side, scored=scored)

    return replace(
        sides, baseline=again(sides.baseline), candidates=tuple(map(again, sides.candidates))
    )


def _graded(ordered: Ordered, coded: Coded) -> Lists:
    return pack_graded(
        ordered.starts, ordered.judgment, coded.query, coded.grades, ties=ordered.ties
    )


def _one_system(run: pl.DataFrame) -> pl.DataFrame:
    systems = run.select(pl.col("system").unique().sort()).to_series().to_list()
    if len(systems) != 1:
        found = ", ".join(map(repr, systems)) or "none"
        raise InputError(
            f"the baseline must be one system, got {found}. Keep the rows of one system"
        )
    return run


def _systems(candidate: pl.DataFrame | Sequence[pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The runs of every candidate by its name, in the order given."""
    frames = [candidate] if isinstance(candidate, pl.DataFrame) else list(candidate)
    runs: dict[str, pl.DataFrame] = {}
    for frame in frames:
        if frame.is_empty():
            continue
        for system, rows in systems_of(named(frame, default="candidate")):
            if system in runs:
                raise InputError(
                    f"two candidates are called {system!r}. Name them apart: --candidate NAME=FILE"
                )
            runs[system] = rows
    if not runs:
        raise InputError("the candidate has no rows. Give a run of the new system")
    return runs
