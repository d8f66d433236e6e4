"""What a plan rests on: values of graded queries in strata, pairs a query, graders' pace."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.metrics import Measure
from evaluation.planning import Population
from evaluation.planning.noise import Noise, Scoring, noise_of
from evaluation.ranking import Coded, code_queries, depth_of, order_run
from relevance.errors import InputError, did_you_mean
from relevance.grades import GradeScale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POPULARITY = "popularity"
"""Stratum made of traffic: thirds of the queries, `low`, `middle`, `high`."""

UNKNOWN = "(unknown)"


@dataclass(frozen=True, slots=True)
class Observed:
    """Figures of the graded queries, and where all queries are.

    Attributes:
        population: All queries of the runs, in strata.
        columns: Columns whose values make the strata; none for one stratum.
        groups: (H,) value of the first `n_by` columns of each stratum, joined.
        strata: (Q,) stratum of each coded query; -1 = in none.
        graded: (Q,) whether people graded it (and no model has seen it).
        values: For each measure, (systems, Q) values, NaN = undefined; 0 where that counts 0.
        noise: For each measure, of the level and of the difference.
        pairs: For each depth asked for, (H,) pairs a query among the first so many of any run.
    """

    population: Population
    columns: tuple[str, ...]
    groups: tuple[str, ...]
    strata: Ints
    graded: NDArray[np.bool_]
    values: Mapping[Measure, Floats]
    noise: Mapping[Measure, tuple[Noise, Noise]]
    pairs: Mapping[int, Floats]


def observe(
    runs: Sequence[pl.DataFrame],
    qrels: pl.DataFrame,
    queries: pl.DataFrame | None,
    *,
    measures: Sequence[Measure],
    depths: Collection[int],
    by: Sequence[str],
    strata: Sequence[str],
    judgments: pl.DataFrame | None,
    scale: GradeScale,
    ties: str,
    zero: bool,
    finite: bool,
    seed: int,
    seen: Collection[str],
    allow_seen: bool,
) -> Observed:
    """Scores the graded queries and counts all of them by stratum.

    Args:
        runs: The baseline, and the candidate if there is one.
        qrels: Grades of some of the queries.
        queries: Their columns; needed for strata.
        measures: What is planned for.
        depths: Pool depths to count pairs at.
        by: Columns that the budget is shown by; the first of the strata's.
        strata: Further columns; `popularity` is made of traffic.
        judgments: Single grades, which tell how graders differ; the qrels' posterior does as well.
        scale: Scale of the grades.
        ties: As in `evaluate_ranking`.
        zero: Whether a query without anything to find counts 0.
        finite: As in `Population`.
        seed: Seed of the draws of grades.
        seen: Hashed ids of queries that a model has seen; left out.
        allow_seen: Keep them.

    Raises:
        InputError: As `code_queries`; strata without queries, or by an unknown column.
    """
    coded = code_queries(qrels, runs, seen=seen, allow_seen=allow_seen)
    lists = [order_run(run, coded, ties=ties, depth=depth_of(measures)) for run in runs]
    columns = tuple(dict.fromkeys([*by, *strata]))
    returned = np.any([x.returned for x in lists], axis=0)
    labels = _labels(coded, queries, columns)
    names = sorted(set(labels.gather(np.flatnonzero(returned)).to_list()))
    code = {name: index for index, name in enumerate(names)}
    places = np.array([code.get(label, -1) for label in labels.to_list()], dtype=np.int64)
    scoring = Scoring(lists, coded, measures, scale, zero)
    return Observed(
        population=Population(
            names=tuple(names),
            available=np.bincount(places[returned & (places >= 0)], minlength=len(names)),
            finite=finite,
        ),
        columns=columns,
        groups=tuple(":".join(name.split(":")[: len(by)]) for name in names),
        strata=places,
        graded=coded.kept & (places >= 0),
        values=scoring.values(),
        noise=noise_of(scoring, judgments, seed=seed),
        pairs={depth: _pairs(runs, coded, places, len(names), depth=depth) for depth in depths},
    )


def seconds_of(
    judgments: pl.DataFrame | None, queries: pl.DataFrame | None, by: Sequence[str]
) -> dict[str, float]:
    """Mean seconds a judgment of each group of `by`, and of all under the empty name."""
    if judgments is None or "seconds" not in judgments.columns:
        return {}
    timed = judgments.drop_nulls("seconds")
    if timed.is_empty():
        return {}
    pace = {"": float(timed["seconds"].to_numpy().mean())}
    if queries is not None and by:
        label = pl.concat_str([pl.col(c).cast(pl.String).fill_null(UNKNOWN) for c in by],
                              separator=":")  # fmt: skip
        found = (
            timed.join(queries.select("query_id", label.alias("group")), on="query_id")
            .group_by("group")
            .agg(pl.col("seconds").mean())
        )
        pace |= dict(found.iter_rows())
    return pace


def _labels(coded: Coded, queries: pl.DataFrame | None, columns: Sequence[str]) -> pl.Series:
    """(Q,) name of each query's stratum."""
    if not columns:
        return pl.Series(["all"] * len(coded.ids))
    if queries is None:
        raise InputError(f"to plan by {columns[0]!r} the queries table is needed: --queries FILE")
    if POPULARITY in columns and POPULARITY not in queries.columns:
        queries = queries.with_columns(_popularity(queries).alias(POPULARITY))
    for column in columns:
        if column not in queries.columns or column == "query_id":
            raise InputError(
                f"the queries table has no column {column!r} to plan by."
                f"{did_you_mean(column, queries.columns)} It has: "
                f"{', '.join(c for c in queries.columns if c != 'query_id')}"
            )
    parts = [pl.col(c).cast(pl.String).fill_null(UNKNOWN) for c in columns]
    named = queries.select("query_id", pl.concat_str(parts, separator=":").alias("stratum"))
    joined = coded.ids.to_frame("query_id").join(
        named, on="query_id", how="left", maintain_order="left"
    )
    return joined["stratum"].fill_null(":".join([UNKNOWN] * len(columns)))


def _popularity(queries: pl.DataFrame) -> pl.Series:
    if "traffic" not in queries.columns or queries["traffic"].is_null().all():
        raise InputError("popularity is made of traffic, which the queries table lacks. Fill it in")
    place = queries["traffic"].rank("ordinal")
    third = ((place - 1) * 3 // place.count()).cast(pl.Int64)
    return third.replace_strict({0: "low", 1: "middle", 2: "high"}, return_dtype=pl.String)


def _pairs(
    runs: Sequence[pl.DataFrame], coded: Coded, places: Ints, count: int, *, depth: int
) -> Floats:
    """(H,) mean number of pairs a query among the first `depth` of any run, each counted once."""
    tops = []
    for run in runs:
        rows = order_run(run, coded, depth=depth).rows
        tops.append(run.select("query_id", "pin_id")[rows])
    per_query = pl.concat(tops).unique().group_by("query_id").len()
    code = per_query.join(coded.ids.to_frame("query_id").with_row_index("code"), on="query_id")
    place = places[code["code"].to_numpy()]
    number = code["len"].to_numpy().astype(np.float64)[place >= 0]
    place = place[place >= 0]
    return np.asarray(
        np.bincount(place, weights=number, minlength=count) / np.bincount(place, minlength=count)
    )
