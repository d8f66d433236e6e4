"""Ranked lists against grades of pairs that were drawn: estimates of queries to rows per group."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from evaluation.intervals import REPLICATES
from evaluation.metrics import RANKING, Measure, parse, parse_all
from evaluation.ranking import (
    Coded,
    Ordered,
    code_queries,
    depth_of,
    empty_is_zero,
    named,
    order_run,
    systems_of,
    with_judged,
)
from evaluation.ranking.ordering import check_ties
from evaluation.sampled.contributions import COVERED, NORMED, check_additive, places
from evaluation.sampled.design import PAIRS, QUERIES, Design, design_of, drawn_pairs
from evaluation.sampled.population import checked_frame, population_of
from evaluation.sampled.query_estimates import Estimator, QueryEstimates
from evaluation.sampled.variance import (
    Bools,
    Floats,
    Ints,
    Spread,
    residuals,
    spread_ratio,
    total,
    within,
)
from evaluation.slices import Cell, Group, groups_of, tabulate
from relevance.grades import FIVE, GradeScale
from relevance.results import Results, Row

_UNCOVERED, _ERRORS = 0.05, 4  # share of the ranks that is worth a note, and in standard errors


def evaluate_sampled_ranking(
    runs: pl.DataFrame,
    qrels: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    samples: pl.DataFrame | None = None,
    draw: str | None = None,
    drawn: str | None = None,
    candidates: pl.DataFrame | None = None,
    metrics: str | Sequence[str | Measure] = ("nDCG@20", "P@8"),
    by: str | Sequence[str] | None = None,
    scale: GradeScale = FIVE,
    ties: str = "docid",
    empty: str | None = None,
    level: float = 0.95,
    seed: int = 0,
    reps: int = REPLICATES,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
) -> Results:
    """Ranking metrics over all queries, from pairs or queries that were drawn with known chances.

    Where queries were drawn whole, a query stands for 1 / π queries: Σ value / π over Σ 1 / π,
    every metric. Where pairs were drawn, a pair stands for 1 / π pairs (Horvitz and Thompson):
    P, DCG, sDCG and RBP are unbiased, nDCG and R consistent (`evaluation.sampled.ideal`), over the
    queries that could be drawn from (`evaluation.sampled.population`), one of which by chance
    nothing was drawn counting 0. With everything drawn all figures are those of `evaluate_ranking`.

    Args:
        runs: A `runs` table, as for `evaluate_ranking`; where pairs were drawn, of all queries that
            pairs were drawn from.
        qrels: A `qrels` table with inclusion_probability, unless samples are given; optionally with
            the column stratum.
        queries: A `queries` table, for `by` and traffic, and for telling which queries the strata
            are of.
        samples: The `samples` table, which has the strata; narrower and surer intervals.
        draw: Which draw of the samples; None = `measure`, or else `pool`.
        drawn: What was drawn, `queries` or `pairs`; None = told from the share of the Pins that
            was drawn in the judged queries.
        candidates: query_id and pin_id of everything that could be drawn: the queries that figures
            are of, and the ideal of nDCG and R. None = queries of the strata or the countries that
            were drawn from, with as many as they have on average.
        metrics: Measures, or how they are spelled.
        by: Column or columns of `queries` to split by.
        scale: Scale of the grades.
        ties: As for `evaluate_ranking`.
        empty: As for `evaluate_ranking`.
        level: Confidence level.
        seed: Seed of the resampling.
        reps: Replicates of the intervals; 0 = figures without intervals.
        seen: Hashed ids of queries that a model has seen; left out and counted.
        allow_seen: Keep them, and mark every figure.

    Returns:
        Rows as of `evaluate_ranking`; `n` counts queries of which something was drawn, the note has
        what was drawn, the `pairs` that figures rest on and, where pairs were drawn, the
        `population` of queries; `outside_frame` counts queries that nothing could be drawn of and
        that are left out. A group is undefined if it has no others, or if by chance no pair of it
        was drawn (`no_pair`). `covered` is the estimated share of the first k that could be drawn,
        if no frame is given and it is clearly below 1: the rest counts as not relevant.
        `uneven_pairs` marks nDCG and R from pairs that had different chances within a query. The
        definition names the estimator.

    Raises:
        InputError: As `evaluate_ranking`; no usable inclusion probabilities; a metric that drawn
            pairs cannot tell.
    """
    zero = empty_is_zero(empty, scale)
    check_ties(ties)
    measures = parse_all(metrics, families=(RANKING,))
    frame = checked_frame(candidates)
    chosen = drawn_pairs(qrels, samples, draw)
    tables = [runs] if frame is None else [runs, frame]  # a query that no run has counts 0
    coded = code_queries(chosen.qrels, tables, seen=seen, allow_seen=allow_seen)
    depth = depth_of(measures)
    all_ranks = any(m.metric.name in NORMED for m in measures)  # tell of what was not drawn
    ordered = {
        system: order_run(run, coded, ties=ties, depth=None if all_ranks else depth)
        for system, run in systems_of(named(runs))
    }
    design = design_of(coded, drawn, _drawn_share(list(ordered.values()), coded, depth))
    measures = _possible(measures, design)
    there = population_of(coded.ids, chosen.strata, queries, frame)
    estimator = Estimator(
        coded=coded,
        design=design,
        candidates=_sizes(coded, frame, there),
        scale=scale,
        zero=zero,
        seed=seed,
    )
    groups = groups_of(coded.ids, queries, by, judged=_kept(coded, there))
    rows: list[Row] = []
    for system, lists in ordered.items():
        table = _Table(
            coded, design, there, frame is not None, lists.returned, chosen.notes,
            estimator.estimates(lists, measures),
        )  # fmt: skip
        rows += tabulate(
            system,
            measures,
            groups,
            table.cell,
            level=level,
            seed=seed,
            reps=reps,
            define=lambda m: f"{m.definition(scale, ties, empty)} {_estimator(m, design)}",
        )
    return Results(tuple(_inside(row) for row in rows))


@dataclass(frozen=True, slots=True)
class _Table:
    """What cells of one system are made from.

    `there` are the queries that something could be drawn of; `framed`, whether the frame says so.
    """

    coded: Coded
    design: Design
    there: Bools
    framed: bool
    returned: Bools
    notes: dict[str, int | str | None]
    estimates: dict[Measure, QueryEstimates]

    def cell(self, measure: Measure, group: Group) -> Cell:
        """A measure's figure in a group."""
        coded, design, made = self.coded, self.design, self.estimates[measure]
        inside = group.queries[_kept(coded, self.there)[group.queries]]
        queries = inside[coded.judged[inside]] if design.drawn == QUERIES else inside
        spread = self._spread(made, queries)
        present = coded.judged[queries]
        undefined = int(np.count_nonzero(made.undefined[queries]))
        seen = int(np.count_nonzero((coded.seen & coded.judged)[group.queries]))
        notes: dict[str, int | str | None] = {
            "no_relevant": undefined,
            "missing": int(np.count_nonzero(~self.returned[queries] & present)),
            "seen_kept" if coded.allow_seen else "seen_in_training": seen,
            "outside_frame": int(np.count_nonzero(~self.there[group.queries])),
            **self.notes,
            f"drawn {design.drawn}": None,
        }
        if design.drawn == PAIRS:
            own = _members(queries, len(coded.ids))[coded.query]
            notes["pairs"] = int(np.count_nonzero(own & made.used))
            notes["population"] = len(queries)
            notes |= self._warnings(measure, queries)
        else:
            not_judged = (self.returned & ~coded.judged)[inside]
            notes["not_judged"] = int(np.count_nonzero(not_judged))
        if not present.any():
            nothing = "no_pair" if len(inside) else "no_query"
            if len(inside) or self.there[group.queries].all():  # else the note tells already
                notes = {nothing: None, **notes}
            return Cell(None, 0, 0, notes)
        return Cell(
            statistic=spread_ratio(made.values[queries], made.sizes[queries], spread),
            n=int(np.count_nonzero(present)) - undefined,
            n_undefined=undefined,
            notes=notes,
        )

    def _warnings(self, measure: Measure, queries: Ints) -> dict[str, int | str | None]:
        """What a figure from single pairs may be off by: see `evaluate_sampled_ranking`."""
        notes: dict[str, int | str | None] = {}
        if measure.metric.name in NORMED and self.design.uneven:
            notes["uneven_pairs"] = None
        covered = [m for m in self.estimates if m.metric.name == COVERED]
        same = [m for m in covered if m.cutoff == measure.cutoff]
        if measure.metric.name == COVERED or not same or self.framed:
            return notes
        made, design = self.estimates[same[0]], self.design
        size = float(made.sizes[queries].sum())
        own = _members(queries, len(self.coded.ids))[self.coded.query]
        share = float(made.values[queries].sum()) / max(size, 1.0)
        moved = np.where(own, made.moved, 0.0) / max(size, 1.0)
        error = float(np.sqrt(within(moved, design.probability, design.stratum)))
        if own.any() and 1 - share > max(_UNCOVERED, _ERRORS * error):
            notes["covered"] = f"{share:.2f}"
        return notes

    def _spread(self, made: QueryEstimates, queries: Ints) -> Spread:
        """The variance of a measure's figure over some queries."""
        design, n = self.design, len(self.coded.ids)
        value, residual = residuals(made.values[queries], made.sizes[queries])
        inside = _members(queries, n)
        n_drawn = int(np.count_nonzero(inside[design.query]))
        if np.isnan(value):
            return Spread(0.0, n_drawn)
        if design.drawn == QUERIES:
            of_query = np.zeros(n)
            of_query[queries] = residual
            moved = of_query[design.query]
        else:
            size = float(made.sizes[queries].sum())
            moved = np.where(inside[self.coded.query], made.moved, 0.0) / size
        return Spread(total(residual, moved, design.probability, design.stratum), n_drawn)


def _members(queries: Ints, n_queries: int) -> Bools:
    inside = np.zeros(n_queries, dtype=bool)
    inside[queries] = True
    return inside


def _possible(measures: Sequence[Measure], design: Design) -> tuple[Measure, ...]:
    """The measures, all of which the design can tell, and Judged beside them."""
    if design.drawn == PAIRS:
        for measure in measures:
            check_additive(measure)
    return with_judged(measures)


def _kept(coded: Coded, there: Bools) -> Bools:
    """(Q,) queries that could be drawn of and that no model has seen."""
    return there if coded.allow_seen else there & ~coded.seen


def _drawn_share(lists: Sequence[Ordered], coded: Coded, depth: int | None) -> float:
    """Share of the first Pins of the judged queries' lists that was drawn."""
    drawn = returned = 0
    for ordered in lists:
        query, rank = places(ordered)
        counted = coded.judged[query] & (rank < (depth or len(rank)))
        returned += int(np.count_nonzero(counted))
        drawn += int(np.count_nonzero(counted & (ordered.judgment >= 0)))
    return drawn / returned if returned else 1.0


def _sizes(coded: Coded, frame: pl.DataFrame | None, there: Bools) -> Floats:
    """(Q,) candidates of each query; NaN = unknown, 0 = nothing could be drawn of it."""
    if frame is None:
        return np.where(there, np.nan, 0.0)
    counts = frame.group_by("query_id").agg(n=pl.col("pin_id").n_unique())
    joined = coded.ids.to_frame("query_id").join(
        counts, on="query_id", how="left", maintain_order="left"
    )
    known = joined["n"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.where(there, known, 0.0)


def _estimator(measure: Measure, design: Design) -> str:
    if design.drawn == QUERIES:
        return "estimator=hajek"
    over = "_over_expected_ideal" if measure.metric.name in NORMED else ""
    return f"estimator=horvitz_thompson{over}"


def _inside(row: Row) -> Row:
    """The row with its interval cut off where no figure of everything can be."""
    if row.ci_low is None or row.ci_high is None:
        return row
    metric = parse(row.metric).metric
    high = np.inf if metric.high is None else metric.high
    low_end, high_end = (float(min(max(e, metric.low), high)) for e in (row.ci_low, row.ci_high))
    return replace(row, ci_low=low_end, ci_high=high_end)
