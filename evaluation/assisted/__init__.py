"""Assisted estimates: people's grades of few queries and a teacher's of many, in one figure.

What a figure is: the mean over *all* queries of the runs, as people would grade them. People's
queries must be a random sample of these within each country; countries may be sampled unequally, as
each weighs what it has of the runs' queries. So `people_only` (in the note), the same figure from
people alone, may differ from `evaluate_ranking`'s plain mean over the graded queries.

Rules: A country with fewer than 10 graded queries is merged with the next larger one. A figure with
fewer than 20 is left to people, as is one whose interval the teacher does not narrow (`no_gain`);
so none is wider than people's. Pairs without a prediction are as unjudged on the teacher's side;
graded queries that the teacher has not graded are used with people's figure alone. Queries that the
teacher has seen are on neither side. With few graded queries the interval is only as good as
people's own t interval: at 10 queries a country it covers 90-95 %, whatever the teacher.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from evaluation.assisted.evidence import gather
from evaluation.assisted.prediction_powered import Floats
from evaluation.assisted.rows import Figure, comparison_row, row_of, total_of
from evaluation.metrics import RANKING, Measure, parse_all
from evaluation.multiplicity import holm
from evaluation.ranking import empty_is_zero, named, with_judged
from evaluation.slices import ALL, MEAN, TRAFFIC, Group, groups_of, total_weights
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale
from relevance.results import ComparisonRow, Results, Row


def assist_ranking(
    runs: pl.DataFrame,
    qrels: pl.DataFrame,
    predictions: pl.DataFrame,
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
    """Ranking metrics of every system, from people's grades helped by a teacher's.

    Args:
        runs: A `runs` table; several systems are evaluated one after the other.
        qrels: People's grades, of some of the queries.
        predictions: The teacher's probabilities, of many more; of one model.
        queries: A `queries` table, for `by`, traffic and strata (its column country).
        metrics: Measures, or how they are spelled.
        by: Column or columns of `queries` to split by.
        scale: Scale of the grades; the teacher's p1 … p5 are the grades 1 … 5.
        ties: As in `evaluate_ranking`.
        empty: As in `evaluate_ranking`.
        level: Confidence level.
        seed: Seed of the draws of the teacher's grades.
        seen: Hashed ids of queries that the teacher has seen; left out on both sides and counted.
        allow_seen: Keep them, and mark every figure.

    Returns:
        Rows as of `evaluate_ranking`; n counts the queries graded by people. The note has
        `people_only`, `n_teacher`, `lambda` (the teacher's weight) and `width_ratio` (of the
        interval to that of people alone). Judged is people's own.

    Raises:
        InputError: As `evaluate_ranking` and `teacher_values`.
    """
    measures = with_judged(parse_all(metrics, families=(RANKING,)))
    runs = named(runs)
    systems = runs["system"].unique(maintain_order=True).to_list()
    frames = [runs.filter(pl.col("system") == system) for system in systems]
    evidence = gather(
        frames, qrels, predictions, queries, measures=measures, figures=lambda values: values,
        scale=scale, ties=ties, zero=empty_is_zero(empty, scale), seed=seed, seen=seen,
        allow_seen=allow_seen,
    )  # fmt: skip
    groups = groups_of(evidence.coded.ids, queries, by, judged=evidence.coded.judged)
    rows: list[Row] = []
    for index, system in enumerate(systems):
        for measure in measures:
            means = measure.definition(scale, ties, empty)
            found = {g.key: evidence.figure(measure, index, g, level) for g in groups}
            rows += [
                row_of(measure, place, str(system), figures[0], level=level, means=means)
                for place, figures in _placed(groups, [found], level)
            ]
    return Results(tuple(rows))


def assist_comparison(
    baseline: pl.DataFrame,
    candidate: pl.DataFrame | Sequence[pl.DataFrame],
    qrels: pl.DataFrame,
    predictions: pl.DataFrame,
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
    """Candidate against baseline, paired by query, from people's grades helped by a teacher's.

    The teacher's side is paired too: both systems are graded by the same draws of its grades.
    `p_value` is the t test that inverts the interval; `p_adjusted` is Holm's over the families of
    `compare_runs`. A Judged that nobody asked for is not shown.

    Args:
        baseline: A `runs` table of one system.
        candidate: A `runs` table of one system or more, or several tables.
        qrels: People's grades, of some of the queries.
        predictions: As in `assist_ranking`, like all that follows.
        queries: A `queries` table.
        metrics: Measures, or how they are spelled.
        by: Column or columns of `queries` to split by.
        scale: Scale of the grades.
        ties: As in `evaluate_ranking`.
        empty: As in `evaluate_ranking`.
        level: Confidence level.
        seed: Seed of the draws of the teacher's grades.
        seen: Hashed ids of queries that the teacher has seen.
        allow_seen: Keep them, and mark every figure.

    Returns:
        Comparison rows as of `compare_runs`, with the notes of `assist_ranking`.

    Raises:
        InputError: As `compare_runs` and `teacher_values`.
    """
    measures = parse_all(metrics, families=(RANKING,))
    zero = empty_is_zero(empty, scale)
    old_name, old = _one_system(baseline)
    candidates = [candidate] if isinstance(candidate, pl.DataFrame) else candidate
    rows: list[ComparisonRow] = []
    for name, new in _systems(candidates, "candidate"):
        evidence = gather(
            [old, new], qrels, predictions, queries, measures=measures,
            figures=difference_and_baseline, scale=scale, ties=ties, zero=zero, seed=seed,
            seen=seen, allow_seen=allow_seen,
        )  # fmt: skip
        groups = groups_of(evidence.coded.ids, queries, by, judged=evidence.coded.judged)
        names = (old_name, name)
        for measure in measures:
            means = measure.definition(scale, ties, empty)
            found = [{g.key: evidence.figure(measure, f, g, level) for g in groups} for f in (0, 1)]
            rows += [
                comparison_row(measure, place, names, *figures, level=level, means=means)
                for place, figures in _placed(groups, found, level)
            ]
    return Results(tuple(_adjusted(rows)))


def difference_and_baseline(values: Floats) -> Floats:
    """(2, Q) candidate - baseline, and the baseline where both are defined."""
    old, new = values
    return np.stack([new - old, np.where(np.isnan(new), np.nan, old)])


def _placed(
    groups: Sequence[Group], found: Sequence[dict[str, Figure]], level: float
) -> list[tuple[tuple[str, str], list[Figure]]]:
    """Each group's figures with its place, and after a column's groups their totals."""
    out = []
    for column in dict.fromkeys(group.slice for group in groups):
        block = [group for group in groups if group.slice == column]
        out += [((g.slice, g.name), [figures[g.key] for figures in found]) for g in block]
        known = [g for g in block if found[0][g.key].known]
        if column == ALL or not known:
            continue
        for name, weights in total_weights(known).items():
            totals = [
                total_of(
                    [figures[g.key] for g in known], weights, level, n_groups=len(block),
                    lost=sum(figures[g.key].n_undefined for g in block),
                )
                for figures in found
            ]  # fmt: skip
            out.append(((column, name), totals))
    return out


def _one_system(runs: pl.DataFrame) -> tuple[str, pl.DataFrame]:
    first, *more = _systems([runs], "baseline")
    if more:
        raise InputError(
            f"the baseline must be one system, got {first[0]!r} and {more[0][0]!r}. "
            "Keep the rows of one system"
        )
    return first


def _systems(frames: Sequence[pl.DataFrame], what: str) -> list[tuple[str, pl.DataFrame]]:
    """The rows of every system with its name."""
    out = []
    for frame in frames:
        groups = named(frame, default=what).group_by("system", maintain_order=True)
        out += [(str(system), rows) for (system,), rows in groups]
    if not out:
        raise InputError(f"the {what} has no rows. Give a run of it")
    return out


def _adjusted(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """The rows with Holm's p-values within each family: a column's groups, or a kind of total."""
    families: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        if row.p_value is not None:
            kind = row.group if row.group in (MEAN, TRAFFIC) else "groups"
            families.setdefault((row.slice, kind), []).append(index)
    out = list(rows)
    for members in families.values():
        adjusted = holm([rows[i].p_value or 0.0 for i in members])
        for i, p in zip(members, adjusted, strict=True):
            out[i] = replace(out[i], p_adjusted=float(p))
    return out
