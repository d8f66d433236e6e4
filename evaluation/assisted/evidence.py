"""Per-query figures of people and of the teacher, side by side, cut into groups and strata."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.assisted.prediction_powered import Floats, Stratum
from evaluation.assisted.rows import Figure, figure_of
from evaluation.assisted.teacher_values import Figures, TeacherValues, system_values, teacher_values
from evaluation.metrics import Measure
from evaluation.ranking import Coded, code_queries, exclusions, score_queries
from evaluation.slices import Group
from relevance.grades import GradeScale

Bools = NDArray[np.bool_]

STRATA = "country"
"""Column of the queries whose values are the strata, where there is one."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What people and the teacher say of every query.

    Attributes:
        coded: The queries; judged = by people.
        people: For each measure, (F, Q) figures under people's grades; NaN = undefined.
        teacher: The same under the teacher's.
        returned: (Q,) whether any of the runs has the query.
        strata: (Q,) code of its stratum.
        unequal: (Q,) whether its stratum was sampled with unequal probabilities.
    """

    coded: Coded
    people: dict[Measure, Floats]
    teacher: TeacherValues
    returned: Bools
    strata: NDArray[np.int64]
    unequal: Bools

    def figure(self, measure: Measure, number: int, group: Group, level: float) -> Figure:
        """One of a measure's figures in a group."""
        coded, own = self.coded, np.zeros(len(self.coded.ids), dtype=bool)
        own[group.queries] = True
        graded = own & coded.kept
        usable = self.teacher.known & self.returned
        ungraded = own & usable & ~coded.judged
        left_out = ungraded & coded.seen & (not coded.allow_seen)
        others = ungraded & ~left_out
        sampled = np.isin(self.strata, np.unique(self.strata[graded]))
        value = self.people[measure][number]
        defined = ~np.isnan(value)
        people = np.column_stack([np.where(defined, value, 0.0), defined])
        teacher = np.column_stack(
            [self.teacher.expected[measure][number], self.teacher.defined[measure][number]]
        )
        teacher[~usable] = np.nan
        strata = [
            Stratum(people[here & graded], teacher[here & graded], teacher[here & others])
            for here in (self.strata == label for label in np.unique(self.strata[graded]))
        ]
        notes: dict[str, int | None] = {
            measure.metric.undefined or "undefined": int((graded & ~defined).sum()),
            "missing": int((graded & ~self.returned).sum()),
            **exclusions(group, coded),
            "seen_teacher_queries": int(left_out.sum()),
            "unsampled_queries": int((others & ~sampled).sum()),
            "graded_without_teacher": int((graded & ~usable).sum()),
            "unpredicted": int(self.teacher.unpredicted[(graded & usable) | others].sum()),
        }
        if self.unequal[graded].any():
            notes["unequal_inclusion"] = None
        return figure_of(strata, notes, level, by_itself=measure.metric.name == "Judged")


def gather(
    runs: Sequence[pl.DataFrame],
    qrels: pl.DataFrame,
    predictions: pl.DataFrame,
    queries: pl.DataFrame | None,
    *,
    measures: Sequence[Measure],
    figures: Figures,
    scale: GradeScale,
    ties: str,
    zero: bool,
    seed: int,
    seen: Collection[str],
    allow_seen: bool,
) -> Evidence:
    """Scores every run under people's grades and under the teacher's.

    The arguments are those of `assist_ranking` and `teacher_values`; `zero` = a query without
    anything to find counts 0.

    Raises:
        InputError: As `code_queries`, `score_queries` and `teacher_values`.
    """
    coded = code_queries(qrels, runs, seen=seen, allow_seen=allow_seen)
    scored = [score_queries(run, coded, measures, scale=scale, ties=ties) for run in runs]
    for run, side in zip(runs, scored, strict=True):
        coded.refuse_apart(str(run["system"][0]), side.returned)
    teacher = teacher_values(
        runs, coded, predictions, measures, figures=figures, scale=scale, ties=ties, zero=zero,
        seed=seed,
    )  # fmt: skip
    strata = _strata(coded, queries)
    return Evidence(
        coded=coded,
        people={m: figures(system_values(scored, m, zero=zero)) for m in measures},
        teacher=teacher,
        returned=np.any([s.returned for s in scored], axis=0),
        strata=strata,
        unequal=_unequal(qrels, coded, strata),
    )


def _strata(coded: Coded, queries: pl.DataFrame | None) -> NDArray[np.int64]:
    """(Q,) code of each query's country; one for all without countries."""
    if queries is None or STRATA not in queries.columns:
        return np.zeros(len(coded.ids), dtype=np.int64)
    joined = coded.ids.to_frame("query_id").join(
        queries.select("query_id", STRATA), on="query_id", how="left", maintain_order="left"
    )
    return joined[STRATA].fill_null("").rank("dense").cast(pl.Int64).to_numpy()


def _unequal(qrels: pl.DataFrame, coded: Coded, strata: NDArray[np.int64]) -> Bools:
    """(Q,) whether the query's stratum was sampled with unequal probabilities."""
    unequal = np.zeros(len(coded.ids), dtype=bool)
    if "inclusion_probability" not in qrels.columns:
        return unequal
    chance = qrels.group_by("query_id").agg(pl.col("inclusion_probability").max().round(6))
    spread = (
        coded.ids.to_frame("query_id")
        .with_columns(stratum=pl.Series(strata))
        .join(chance.drop_nulls(), on="query_id")
        .group_by("stratum")
        .agg(kinds=pl.col("inclusion_probability").n_unique())
    )
    several = spread.filter(pl.col("kinds") > 1)["stratum"].to_numpy()
    return np.asarray(np.isin(strata, several))
