"""Per-query values of every measure, from lists that stand in order and any set of grades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.metrics import Measure
from evaluation.metrics.lists import Floats, Ints, Lists, best_first, pack_graded, settled
from evaluation.ranking.coding import Bools, Coded
from evaluation.ranking.ordering import Ordered, order_run
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale

T = TypeVar("T", np.float64, np.bool_)
Judged = tuple[Ints, Floats]
"""(Q + 1,) where each query's grades start; the grades end to end, the best first."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One system's values.

    Attributes:
        values: A measure's (Q,) values; NaN = undefined.
        no_relevant: A measure's (Q,) queries that have nothing to find.
        returned: (Q,) whether the run has the query.
        rank_disagrees: (Q,) whether the run's ranks contradict its scores.
    """

    values: dict[Measure, Floats]
    no_relevant: dict[Measure, Bools]
    returned: Bools
    rank_disagrees: Bools

    def figures(self, measure: Measure, *, zero: bool) -> Floats:
        """(Q,) a measure's values; queries without anything to find count 0 if `zero`."""
        values = self.values[measure]
        return np.where(self.no_relevant[measure], 0.0, values) if zero else values


def taken(scored: Scored, order: NDArray[np.int64]) -> Scored:
    """The values with the queries in another order: query `order[i]` becomes query i."""
    return Scored(
        values={m: v[order] for m, v in scored.values.items()},
        no_relevant={m: v[order] for m, v in scored.no_relevant.items()},
        returned=scored.returned[order],
        rank_disagrees=scored.rank_disagrees[order],
    )


def replaced(scored: Scored, others: Scored, queries: NDArray[np.int64]) -> Scored:
    """The values, but of some queries those of `others`: query i there is `queries[i]` here."""

    def with_others(values: NDArray[T], those: NDArray[T]) -> NDArray[T]:
        values = values.copy()
        values[queries] = those
        return values

    return Scored(
        values={m: with_others(v, others.values[m]) for m, v in scored.values.items()},
        no_relevant={
            m: with_others(v, others.no_relevant[m]) for m, v in scored.no_relevant.items()
        },
        returned=with_others(scored.returned, others.returned),
        rank_disagrees=with_others(scored.rank_disagrees, others.rank_disagrees),
    )


def concatenated(parts: Sequence[Scored]) -> Scored:
    """The values of separate queries, one after the other."""
    return Scored(
        values={m: np.concatenate([p.values[m] for p in parts]) for m in parts[0].values},
        no_relevant={m: np.concatenate([p.no_relevant[m] for p in parts]) for m in parts[0].values},
        returned=np.concatenate([p.returned for p in parts]),
        rank_disagrees=np.concatenate([p.rank_disagrees for p in parts]),
    )


def score_queries(
    run: pl.DataFrame,
    coded: Coded,
    measures: Sequence[Measure],
    *,
    scale: GradeScale = FIVE,
    ties: str = "docid",
) -> Scored:
    """Every measure's value for every query, for one system: `order_run`, then `score_ordered`.

    Args:
        run: Rows of one system.
        coded: The queries, with their grades.
        measures: Ranking measures.
        scale: Scale of the grades.
        ties: As in `evaluate_ranking`.

    Raises:
        InputError: Duplicates, rows with neither score nor rank, or an unknown tie rule.
    """
    ordered = order_run(run, coded, ties=ties, depth=depth_of(measures))
    return score_ordered(ordered, coded, measures, scale=scale)


def score_ordered(
    ordered: Ordered,
    coded: Coded,
    measures: Sequence[Measure],
    *,
    scale: GradeScale = FIVE,
    grades: NDArray[np.number] | None = None,
    judged: Judged | None = None,
) -> Scored:
    """Every measure's value for every query, of lists that stand in order.

    Args:
        ordered: The lists, no less deep than the measures' cutoffs.
        coded: The queries, with their grades.
        measures: Ranking measures.
        scale: Scale of the grades.
        grades: (M,) grades to use in place of those of `coded.qrels`, row by row, such as a draw
            from their posterior; NaN = not judged after all.
        judged: `judged_lists(coded)`, if it is known already; plays no role beside `grades`.

    Raises:
        InputError: The lists were cut above a cutoff.
    """
    needed = depth_of(measures)
    if ordered.depth is not None and (needed is None or needed > ordered.depth):
        raise InputError(
            f"the lists were ordered to depth {ordered.depth}, the metrics need "
            f"{'all ranks' if needed is None else needed}. Order them with depth=depth_of(measures)"
        )
    if grades is None:
        grades = coded.grades
    else:
        judged = None
    lists = settled(
        pack_graded(
            ordered.starts,
            ordered.judgment,
            coded.query,
            grades,
            ties=ordered.ties,
            best=judged,
        )
    )
    return score_lists(lists, measures, scale, ordered.rank_disagrees)


def judged_lists(coded: Coded) -> Judged:
    """Every query's grades, the best first, which are the same for all systems."""
    return best_first(coded.query, coded.grades, len(coded.ids))


def score_lists(
    lists: Lists, measures: Sequence[Measure], scale: GradeScale, rank_disagrees: Bools
) -> Scored:
    """Every measure's value for every query.

    Args:
        lists: The lists, no less deep than the measures' cutoffs.
        measures: Ranking measures.
        scale: Scale of the grades.
        rank_disagrees: (Q,) whether the run's ranks contradict its scores.
    """
    values = {m: m.metric.function(lists, scale, **m.arguments) for m in measures}
    nothing = {
        m: np.isnan(v) if m.metric.undefined == "no_relevant" else np.zeros(len(v), dtype=bool)
        for m, v in values.items()
    }
    return Scored(values, nothing, lists.returned > 0, rank_disagrees)


def depth_of(measures: Sequence[Measure]) -> int | None:
    """Ranks that the measures look at: their largest cutoff, None if one of them has none."""
    cutoffs = [measure.cutoff for measure in measures]
    return None if None in cutoffs else max((k for k in cutoffs if k is not None), default=None)
