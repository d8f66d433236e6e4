"""Systems measured by a judge's grades and by people's: does the metric come out the same?"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.intervals import Ratio, Smooth, estimate_all
from evaluation.judge.figures import Figure
from evaluation.judge.judged import Judged
from evaluation.judge.tau import tau_with_influence
from evaluation.metrics import RANKING, parse_all
from evaluation.ranking import code_queries, named, score_queries
from relevance.grades import GradeScale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_QUERIES = 5_000
"""Queries whose order is compared; of more a sample, as every one meets every other."""


@dataclass(frozen=True, slots=True)
class Labels:
    """A ranking metric of each system and query, by both kinds of grades.

    Attributes:
        metric: As the user wrote it.
        people: System → (Q,) the metric by people's median grade (the lower of two); NaN undefined.
        judge: System → (Q,) by the judge's grade of the same pairs.
    """

    metric: str
    people: dict[str, Floats]
    judge: dict[str, Floats]


def labels_of(judged: Judged, runs: pl.DataFrame, metric: str, scale: GradeScale) -> Labels:
    """The metric of every system by both kinds of grades, on the pairs that both graded.

    Raises:
        InputError: Unknown metric, or runs and judgments have no query in common.
    """
    (measure,) = parse_all(metric, families=(RANKING,))
    graded = judged.graded
    runs = named(runs)
    pairs = {"query_id": graded.ids.gather(graded.query), "pin_id": graded.pins}
    found: list[dict[str, Floats]] = []
    for level in (_median(graded.counts), judged.judge):
        qrels = pl.DataFrame({**pairs, "grade": graded.levels[level].astype(np.int64)})
        coded = code_queries(qrels, [runs])
        place = coded.ids.search_sorted(graded.ids).to_numpy()
        found.append(
            {
                str(system): score_queries(
                    runs.filter(pl.col("system") == system), coded, [measure], scale=scale
                ).values[measure][place]
                for system in runs["system"].unique(maintain_order=True)
            }
        )
    return Labels(measure.text or repr(measure), *found)


def system_figures(
    labels: Labels, queries: Ints, *, key: str, seed: int, reps: int
) -> dict[str, Figure]:
    """Level, order and difference of systems by the judge's grades beside people's.

    Args:
        labels: The metric by both.
        queries: Codes of the group's queries.
        key: Name of the group, which seeds its resampling.
        seed: Seed of the resampling.
        reps: Number of resamplings.
    """

    def put(name: str, system: str, figure: Figure) -> None:
        found[f"{name} {system}"] = dataclasses.replace(figure, metric=name, system=system)

    found: dict[str, Figure] = {}
    for system in labels.people:
        people, judge = labels.people[system][queries], labels.judge[system][queries]
        put(labels.metric, system, _mean(people, judge, key=key, seed=seed, reps=reps))
        put(f"tau({labels.metric})", system, _tau(people, judge, key=key, seed=seed, reps=reps))
    for first, second in pairwise(labels.people):
        people, judge = (
            (side[second] - side[first])[queries] for side in (labels.people, labels.judge)
        )
        figure = _mean(people, judge, key=key, seed=seed, reps=reps)
        put(f"difference({labels.metric})", f"{second} - {first}", figure)
    return found


def _mean(people: Floats, judge: Floats, *, key: str, seed: int, reps: int) -> Figure:
    """The mean over queries that both have."""
    defined = ~np.isnan(people) & ~np.isnan(judge)
    size = defined.astype(np.float64)
    people, judge = np.where(defined, people, 0.0), np.where(defined, judge, 0.0)
    parts = [Ratio(values, size) for values in (judge, people, judge - people)]
    value, baseline, difference = estimate_all(parts, seed=seed, key=key, reps=reps)
    n = int(defined.sum())
    return Figure(value, baseline.value if n else None, difference, n, len(size) - n)


def _tau(people: Floats, judge: Floats, *, key: str, seed: int, reps: int) -> Figure:
    """Kendall's τ-b of the queries, as people's grades order them and as the judge's do."""
    defined = np.flatnonzero(~np.isnan(people) & ~np.isnan(judge))
    notes: dict[str, int | None] = {}
    used = defined
    if len(defined) > MAX_QUERIES:
        used = np.sort(np.random.default_rng(seed).choice(defined, MAX_QUERIES, replace=False))
        notes["sampled_queries"] = MAX_QUERIES
    tau, influence = tau_with_influence(judge[used], people[used])
    statistic = Smooth(influence[:, None], lambda sums: np.asarray(tau + sums[..., 0]))
    (value,) = estimate_all([statistic], seed=seed, key=key, reps=reps)
    return Figure(value, n=len(used), n_undefined=len(people) - len(defined), notes=notes)


def _median(counts: Floats) -> Ints:
    """(U,) index of the median level of each pair's grades; the lower of two."""
    reached = np.cumsum(counts, axis=1) >= np.ceil(counts.sum(axis=1, keepdims=True) / 2)
    return np.asarray(np.argmax(reached, axis=1), dtype=np.int64)
