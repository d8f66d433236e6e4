"""Ranked lists against grades: per-query values of every system, then rows per group.

The steps are apart, as some are repeated and some are not: queries are coded once (`coding`), a run
is put in order once (`ordering`), its lists are scored under one set of grades or many (`scoring`),
values become rows (`figures`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import polars as pl

from evaluation.intervals import REPLICATES
from evaluation.metrics import RANKING, Measure, parse_all
from evaluation.ranking.coding import Coded, RepeatedError, code_queries
from evaluation.ranking.figures import Figures, empty_is_zero, exclusions, with_judged
from evaluation.ranking.ordering import TIES, Ordered, check_ties, order_run
from evaluation.ranking.scoring import (
    Scored,
    depth_of,
    judged_lists,
    score_ordered,
    score_queries,
)
from evaluation.slices import groups_of
from relevance.grades import FIVE, GradeScale
from relevance.results import Results, Row

__all__ = [
    "TIES",
    "Coded",
    "Ordered",
    "RepeatedError",
    "Scored",
    "code_queries",
    "depth_of",
    "empty_is_zero",
    "evaluate_ranking",
    "exclusions",
    "named",
    "order_run",
    "score_ordered",
    "score_queries",
    "systems_of",
    "with_judged",
]


def evaluate_ranking(
    runs: pl.DataFrame,
    qrels: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    metrics: str | Sequence[str | Measure] = ("nDCG@20", "P@8"),
    by: str | Sequence[str] | None = None,
    scale: GradeScale = FIVE,
    ties: str = "docid",
    empty: str | None = None,
    level: float = 0.95,
    seed: int = 0,
    reps: int = REPLICATES,
    label_noise: int = 0,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
) -> Results:
    """Ranking metrics of every system in `runs`, with intervals by query; Judged@k beside them.

    Args:
        runs: A `runs` table; several systems are evaluated one after the other.
        qrels: A `qrels` table.
        queries: A `queries` table, for `by` and traffic.
        metrics: Measures, or how they are spelled.
        by: Column or columns of `queries` to split by; `country:segment` is a crossing.
        scale: Scale of the grades.
        ties: `docid` breaks equal scores by pin_id, descending; `average` takes the expectation.
        empty: What queries without anything to find have: `undefined`, `zero`; None = the scale's.
        level: Confidence level.
        seed: Seed of the resampling.
        reps: Replicates of the intervals; 0 = figures without intervals.
        label_noise: Draws of the grades from their posterior (p1…pK of the qrels), which widen the
            intervals; 0 = none.
        seen: Hashed ids of queries that a model has seen; left out and counted.
        allow_seen: Keep them, and mark every figure.

    Returns:
        A block a system, in it a block a metric: all, groups, (mean), (traffic). `n`: queries.

    Raises:
        InputError: Unknown metric, column or option; no query in common; label noise without a
            posterior; duplicates (`coding.RepeatedError`).
    """
    measures = with_judged(parse_all(metrics, families=(RANKING,)))
    empty_is_zero(empty, scale)
    check_ties(ties)
    coded = code_queries(qrels, [runs], seen=seen, allow_seen=allow_seen, unique=True)
    coded = replace(coded, unique=False)  # `order_run` sees repeats on its way
    figures = Figures(
        measures=measures,
        groups=groups_of(coded.ids, queries, by, judged=coded.judged),
        scale=scale,
        ties=ties,
        empty=empty,
        level=level,
        seed=seed,
        reps=reps,
        label_noise=label_noise,
    )
    rows: list[Row] = []
    with ThreadPoolExecutor(max_workers=1) as pool:
        judged = pool.submit(judged_lists, coded)  # while the first run is put in order
        for system, run in systems_of(named(runs)):
            ordered = order_run(run, coded, ties=ties, depth=depth_of(measures))
            score = partial(
                score_ordered, ordered, coded, measures, scale=scale, judged=judged.result()
            )
            rows += figures.rows(system, score(), coded, score)
    return Results(tuple(rows))


def named(runs: pl.DataFrame, default: str = "run") -> pl.DataFrame:
    """The runs with a system name in every row."""
    if "system" not in runs.columns:
        return runs.with_columns(system=pl.lit(default))
    return runs.with_columns(pl.col("system").fill_null(default))


def systems_of(runs: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each system's name and rows, in order of appearance."""
    first = pl.col("system").first()
    name, only = runs.select(first, only=(pl.col("system") == first).all()).row(0)
    if only:
        yield str(name), runs
        return
    for system in runs["system"].unique(maintain_order=True):
        yield str(system), runs.filter(pl.col("system") == system)
