"""Ranked lists against grades: per-query values of every system, then rows per group."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.intervals import Ratio
from evaluation.metrics import METRICS, RANKING, Measure, parse_all
from evaluation.metrics.lists import Floats, Ints, Lists, pack
from evaluation.slices import Cell, Group, groups_of, tabulate
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale
from relevance.provenance import hash_query
from relevance.results import Results

Bools = NDArray[np.bool_]
TIES = ("docid", "average")


@dataclass(frozen=True, slots=True)
class Coded:
    """The queries of an evaluation: those of the qrels and those of every run.

    Attributes:
        ids: (Q,) query ids, ascending; a query's code is its position.
        judged: (Q,) whether the qrels have it.
        seen: (Q,) whether a model that is evaluated has seen it.
        qrels: query_id, pin_id, grade and the query's code.
        allow_seen: Whether seen queries are kept (and marked) instead of left out.
    """

    ids: pl.Series
    judged: Bools
    seen: Bools
    qrels: pl.DataFrame
    allow_seen: bool = False

    @property
    def kept(self) -> Bools:
        """(Q,) queries that are evaluated."""
        return self.judged if self.allow_seen else self.judged & ~self.seen


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
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
) -> Results:
    """Ranking metrics of every system in `runs`, with intervals by query; Judged@k beside them.

    Args:
        runs: A `runs` table; several systems are evaluated one after the other.
        qrels: A `qrels` table.
        queries: A `queries` table, for `by` and traffic.
        metrics: Measures, or how they are spelled.
        by: Column or columns of `queries` to split by.
        scale: Scale of the grades.
        ties: `docid` breaks equal scores by pin_id, descending; `average` takes the expectation.
        empty: What queries without anything to find have: `undefined`, `zero`; None = the scale's.
        level: Confidence level.
        seed: Seed of the resampling.
        seen: Hashed ids of queries that a model has seen; left out and counted.
        allow_seen: Keep them, and mark every figure.

    Returns:
        A block a system, in it a block a metric: all, groups, (mean), (traffic). `n`: queries.

    Raises:
        InputError: Unknown metric, column or option; duplicates; no query in common.
    """
    measures = with_judged(parse_all(metrics, families=(RANKING,)))
    runs = named(runs)
    coded = code_queries(qrels, [runs], seen=seen, allow_seen=allow_seen)
    groups = groups_of(coded.ids, queries, by, judged=coded.judged)
    zero = empty_is_zero(empty, scale)
    rows = []
    for system in runs["system"].unique(maintain_order=True):
        scored = score_queries(
            runs.filter(pl.col("system") == system), coded, measures, scale=scale, ties=ties
        )

        def cell_of(measure: Measure, group: Group, scored: Scored = scored) -> Cell:
            return _cell(measure, group, scored, coded, zero=zero)

        rows += tabulate(str(system), measures, groups, cell_of, level=level, seed=seed)
    return Results(tuple(rows))


def with_judged(measures: Sequence[Measure]) -> tuple[Measure, ...]:
    """The measures, and Judged at every cutoff they use that is not asked for already."""
    judged = METRICS["Judged"]
    cutoffs = dict.fromkeys(m.cutoff for m in measures if m.metric is not judged)
    beside = [Measure(judged, k, text=repr(Measure(judged, k))) for k in cutoffs]
    return tuple(dict.fromkeys([*measures, *beside]))


def empty_is_zero(empty: str | None, scale: GradeScale) -> bool:
    """Whether a query without anything to find counts 0.

    Raises:
        InputError: `empty` is neither `undefined`, `zero` nor None.
    """
    choice = scale.empty if empty is None else empty
    if choice not in ("undefined", "zero"):
        raise InputError(f"empty must be undefined or zero, got {choice!r}")
    return choice == "zero"


def named(runs: pl.DataFrame, default: str = "run") -> pl.DataFrame:
    """The runs with a system name in every row."""
    if "system" not in runs.columns:
        return runs.with_columns(system=pl.lit(default))
    return runs.with_columns(pl.col("system").fill_null(default))


def code_queries(
    qrels: pl.DataFrame,
    runs: Sequence[pl.DataFrame],
    *,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
) -> Coded:
    """Gives every query of the qrels and runs a code.

    Raises:
        InputError: The qrels are empty or repeat a pair, or share no query with the runs.
    """
    if qrels.is_empty():
        raise InputError("the qrels have no rows. Give the grades to evaluate against")
    _refuse_duplicates(qrels, ["query_id", "pin_id"], "qrels")
    judged = qrels.select(pl.col("query_id").unique())
    returned = pl.concat([run.select(pl.col("query_id").unique()) for run in runs])
    if judged.join(returned, on="query_id", how="semi").is_empty():
        raise InputError(
            f"run and qrels have no query in common: qrels have {judged['query_id'].min()!r}, "
            f"the run {returned['query_id'].min()!r}. Give files of the same data"
        )
    index = pl.concat([judged, returned]).unique().sort("query_id").with_row_index("code")
    ids = index["query_id"]
    return Coded(
        ids=ids,
        judged=ids.is_in(judged["query_id"].implode()).to_numpy(),
        seen=np.array([hash_query(i) in seen for i in ids] if seen else [False] * len(ids)),
        qrels=qrels.select("query_id", "pin_id", "grade").join(index, on="query_id"),
        allow_seen=allow_seen,
    )


def score_queries(
    run: pl.DataFrame,
    coded: Coded,
    measures: Sequence[Measure],
    *,
    scale: GradeScale = FIVE,
    ties: str = "docid",
) -> Scored:
    """Every measure's value for every query, for one system.

    Args:
        run: Rows of one system.
        coded: The queries, with their grades.
        measures: Ranking measures.
        scale: Scale of the grades.
        ties: As in `evaluate_ranking`.

    Raises:
        InputError: Duplicates, rows with neither score nor rank, or an unknown tie rule.
    """
    if ties not in TIES:
        raise InputError(f"ties must be one of {', '.join(TIES)}, got {ties!r}")
    _refuse_duplicates(run, ["query_id", "pin_id"], "run")
    ranked = _ranked(run, coded)
    lists = _lists(ranked, coded, average=ties == "average")
    values = {m: m.metric.function(lists, scale, **m.arguments) for m in measures}
    nothing = {
        m: np.isnan(v) if m.metric.undefined == "no_relevant" else np.zeros(len(v), dtype=bool)
        for m, v in values.items()
    }
    disagrees = np.zeros(len(coded.ids), dtype=bool)
    disagrees[ranked.filter("contradicted")["code"].unique().to_numpy()] = True
    return Scored(values, nothing, lists.returned > 0, disagrees)


def exclusions(group: Group, coded: Coded) -> dict[str, int | None]:
    """Counts of a group's judged queries that a model has seen, as a note."""
    n_seen = int((coded.judged & coded.seen)[group.queries].sum())
    return {"seen_kept" if coded.allow_seen else "seen_in_training": n_seen}


def _cell(measure: Measure, group: Group, scored: Scored, coded: Coded, *, zero: bool) -> Cell:
    kept = group.queries[coded.kept[group.queries]]
    values = scored.values[measure][kept]
    nothing = scored.no_relevant[measure][kept]
    if zero:
        values = np.where(nothing, 0.0, values)
    defined = ~np.isnan(values)
    missing = ~scored.returned[kept] & ~nothing
    notes: dict[str, int | None] = {
        "no_relevant": int(nothing.sum()),
        "missing": int(missing.sum()),
        "not_judged": int((scored.returned & ~coded.judged)[group.queries].sum()),
        **exclusions(group, coded),
        "rank_disagrees": int(scored.rank_disagrees[kept].sum()),
    }
    if len(kept) == 0:
        notes["no_query"] = None
    return Cell(
        statistic=Ratio(np.where(defined, values, 0.0), defined.astype(np.float64)),
        n=int(defined.sum()),
        n_undefined=int((~defined).sum()),
        notes=notes,
    )


def _ranked(run: pl.DataFrame, coded: Coded) -> pl.DataFrame:
    """The run's rows in order, with query code, grade and whether a rank contradicts the score."""
    index = coded.ids.to_frame("query_id").with_row_index("code")
    rank = pl.col("rank") if "rank" in run.columns else pl.lit(None, dtype=pl.Int64)
    score = pl.col("score") if "score" in run.columns else pl.lit(None, dtype=pl.Float64)
    rows = run.select("query_id", "pin_id", rank=rank.cast(pl.Int64), score=score.cast(pl.Float64))
    unscored = pl.col("score").is_null().all().over("query_id")
    rows = rows.with_columns(
        # trec_eval compares scores as 32-bit floats; + 0.0 turns -0.0 into 0.0
        order=(pl.when(unscored).then(-pl.col("rank")).otherwise(pl.col("score")) + 0.0).cast(
            pl.Float32
        )
    )
    broken = rows.filter(pl.col("order").is_null() | pl.col("order").is_nan())
    if not broken.is_empty():
        raise InputError(
            f"the run has neither score nor rank for query {broken['query_id'][0]!r}, "
            f"pin {broken['pin_id'][0]!r}. Give every row of a query a score, or every row a rank"
        )
    rows = rows.join(index, on="query_id").join(
        coded.qrels.select("query_id", "pin_id", "grade"), on=["query_id", "pin_id"], how="left"
    )
    by_rank = rows.sort(["code", "order", "rank"], descending=[False, True, False])
    drops = by_rank.select(
        "code",
        contradicted=(pl.col("code") == pl.col("code").shift())
        & (pl.col("rank") < pl.col("rank").shift()),
    ).filter("contradicted")
    rows = rows.sort(["code", "order", "pin_id"], descending=[False, True, True])
    return rows.with_columns(contradicted=pl.col("code").is_in(drops["code"].implode()))


def _lists(ranked: pl.DataFrame, coded: Coded, *, average: bool) -> Lists:
    judged = coded.qrels

    def ints(column: pl.Series) -> Ints:
        return column.to_numpy().astype(np.int64)

    return pack(
        len(coded.ids),
        ints(ranked["code"]),
        ranked["grade"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        ints(judged["code"]),
        judged["grade"].cast(pl.Float64).to_numpy(),
        scores=ranked["order"].to_numpy() if average else None,
    )


def _refuse_duplicates(frame: pl.DataFrame, key: list[str], what: str) -> None:
    if frame.select(key).is_duplicated().any():
        first = frame.filter(frame.select(key).is_duplicated()).row(0, named=True)
        raise InputError(
            f"the {what} have query {first['query_id']!r}, pin {first['pin_id']!r} twice. "
            "Keep one of the rows"
        )
