"""May a judge (the teacher, an LLM) stand in for people? Agreement, order, calibration, verdict."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.agreement.graded import latest_judgments
from evaluation.intervals import REPLICATES
from evaluation.judge.alternative import Versus, adjusted
from evaluation.judge.figures import (
    Figure,
    Orders,
    figures_of,
    grade_figures,
    orders,
    versus_annotators,
)
from evaluation.judge.judged import Judged, Matched, match
from evaluation.judge.rows import (
    Measured,
    Options,
    advantage_row,
    annotator_rows,
    figure_row,
    rate_row,
    total_rows,
    verdict_row,
)
from evaluation.judge.systems import Labels, labels_of, system_figures
from evaluation.judge.verdict import verdict_of
from evaluation.slices import ALL, Group, groups_of
from relevance.errors import InputError, SettingsError
from relevance.grades import FIVE, GradeScale
from relevance.results import Results, Row

Ints = NDArray[np.int64]

EPSILON = 0.15
"""How far the judge may fall behind an annotator: people cost more. The paper's rule of thumb: .2
for experts, .15 for skilled annotators, .1 for crowd workers."""


def judge(
    judgments: pl.DataFrame,
    predictions: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    runs: pl.DataFrame | None = None,
    by: str | Sequence[str] | None = "country",
    metric: str = "nDCG@20",
    scale: GradeScale = FIVE,
    level: float = 0.95,
    seed: int = 0,
    reps: int = REPLICATES,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
    epsilon: float = EPSILON,
    changes_judge: bool = False,
) -> Results:
    """Whether a judge may stand in for people, per group, with the figures behind the answer.

    The judge's grade is its most probable one. It is compared as one more annotator: each annotator
    in turn is left out, and the judge and the annotator meet the others' grades of the same pairs.

    The rows, in blocks: `judge`, the verdict (1 yes, 0 no, empty = not enough data; the note says
    why; rules in `evaluation.judge.verdict`) · `winning_rate` and `advantage` of the
    alternative-annotator test (`evaluation.judge.alternative`), also per annotator · level:
    `alpha(ordinal)`, `kappa(weights=quadratic)`, `within1`, `bias` (judge's grade less people's) ·
    order: `tau`, Kendall's τ-b within queries · calibration at the grade t from which a Pin is
    relevant: `calibration@t` (mean probability less frequency), `ECE@t` (over ten bins), `slope@t`
    · per grade: `bias` and `recall` where an annotator gave it, `precision` where the judge did ·
    with runs: the metric by the judge's and by people's grades, `tau(metric)` of queries by both,
    and `difference(metric)` of two systems. `baseline` is the people's figure, `difference` the
    judge's less theirs.

    Args:
        judgments: A `judgments` table; pairs with two annotators or more count.
        predictions: A `predictions` table; several models are judged one after the other.
        queries: A `queries` table, needed for `by`; without it only all queries are judged.
        runs: A `runs` table of one or more systems, to compare a ranking metric by both labels.
        by: Column or columns of `queries` to split by.
        metric: Ranking metric for the runs.
        scale: Scale of the grades; within 1-5.
        level: Confidence level.
        seed: Seed of the resampling.
        reps: Number of resamplings; 0 = figures without intervals, and so never a yes.
        seen: Hashed ids of queries that the judge has seen; left out and counted.
        allow_seen: Keep them, and mark every figure.
        epsilon: How far the judge may fall behind an annotator (0-1).
        changes_judge: Whether the experiment it is for changes the judge itself: never a yes.

    Raises:
        InputError: No grade, grades outside 1-5, no pair in common, or an unknown column.
        SettingsError: `epsilon` is no share.
    """
    if not 0 <= epsilon < 1:
        raise SettingsError(f"epsilon must be 0 or more and below 1, got {epsilon}. Usual: 0.15")
    latest = latest_judgments(judgments)
    if queries is None:
        by = None
    if "model" not in predictions.columns:
        predictions = predictions.with_columns(model=pl.lit(None, dtype=pl.String))
    predictions = predictions.with_columns(pl.col("model").fill_null("judge"))
    if latest.join(predictions, on=["query_id", "pin_id"], how="semi").is_empty():
        raise InputError(
            "no judged pair is among the predictions: the judgments have query "
            f"{latest['query_id'][0]!r}, the predictions {_first(predictions)!r}. "
            "Predict the judged pairs first (gradewise teacher label)"
        )
    rows: list[Row] = []
    for model in predictions["model"].unique(maintain_order=True).to_list():
        options = Options(scale, level, seed, reps, epsilon, changes_judge, model)
        own = predictions.filter(pl.col("model") == model).drop("model")
        matched = match(latest, own, scale, seen=seen, allow_seen=allow_seen)
        groups = groups_of(matched.ids, queries, by)
        labels = None
        if runs is not None and matched.judged is not None:
            labels = labels_of(matched.judged, runs, metric, scale)
        rows += _rows(matched, groups, labels, options)
    return Results(tuple(rows))


def _first(predictions: pl.DataFrame) -> str | None:
    return None if predictions.is_empty() else str(predictions["query_id"][0])


def _rows(
    matched: Matched, groups: Sequence[Group], labels: Labels | None, options: Options
) -> list[Row]:
    """All rows of one judge."""
    judged = matched.judged
    of_query = None if judged is None else orders(judged)
    blocks = []
    for name in dict.fromkeys(group.slice for group in groups):
        members = [group for group in groups if group.slice == name]
        blocks.append(_measured(matched, of_query, members, labels, options))
    everything = blocks[0][0]
    metrics = list(everything.figures)
    rows = [verdict_row(part, options) for block in blocks for part in block]
    rows += [rate_row(part, options) for block in blocks for part in block]
    rows += [advantage_row(part, options) for block in blocks for part in block]
    if judged is not None:
        names = judged.graded.annotators.to_list()
        rows += annotator_rows(everything, names, options)
    by_grade = _grades(judged, options)
    for metric in [*metrics, *(m for m in ("recall", "precision") if by_grade)]:
        for block in blocks:
            rows += [
                figure_row(metric, part.group, figure, part, options)
                for part in block
                if (figure := part.figures.get(metric))
            ]
            if block[0].group.slice != ALL:
                rows += total_rows(metric, block, options)
        rows += [
            figure_row(metric, _grade_group(name), found[metric], None, options)
            for name, found in by_grade.items()
            if metric in found
        ]
    return rows


def _measured(
    matched: Matched,
    of_query: Orders | None,
    groups: Sequence[Group],
    labels: Labels | None,
    options: Options,
) -> list[Measured]:
    """Every group of a column; the p-values of all their annotators are one family."""
    judged = matched.judged
    own = [np.flatnonzero(np.isin(matched.place, group.queries)) for group in groups]
    ordered = options.scale.ordered
    tests: list[list[Versus]] = [
        []
        if judged is None
        else versus_annotators(judged, codes, epsilon=options.epsilon, ordered=ordered)
        for codes in own
    ]
    found = []
    for group, codes, test, p_adjusted in zip(groups, own, tests, adjusted(tests), strict=True):
        figures: dict[str, Figure] = {}
        if judged is not None and of_query is not None and len(codes):
            figures = figures_of(
                judged,
                of_query,
                codes,
                threshold=options.threshold,
                key=group.key,
                seed=options.seed,
                reps=options.reps,
            )
        if labels is not None:
            figures |= system_figures(
                labels, codes, key=group.key, seed=options.seed, reps=options.reps
            )
        verdict = verdict_of(
            test,
            p_adjusted,
            figures,
            epsilon=options.epsilon,
            level=options.level,
            changes_judge=options.changes_judge,
        )
        notes = _lost(matched, group)
        n = 0 if judged is None else _pairs(judged, codes)
        found.append(Measured(group, figures, test, p_adjusted.tolist(), verdict, n, notes))
    return found


def _pairs(judged: Judged, queries: Ints) -> int:
    """Pairs with two grades or more."""
    return int((np.isin(judged.graded.query, queries) & judged.graded.several).sum())


def _lost(matched: Matched, group: Group) -> dict[str, int | None]:
    seen = int(matched.seen[group.queries].sum())
    return {
        "not_predicted": int(matched.not_predicted[group.queries].sum()),
        "seen_kept" if matched.allow_seen else "seen_in_training": seen,
    }


def _grade_group(name: str) -> Group:
    return Group(ALL if name == ALL else "grade", name, np.zeros(0, dtype=np.int64))


def _grades(judged: Judged | None, options: Options) -> dict[str, dict[str, Figure]]:
    """Figures of all grades together, then per grade: the group's name → metric → figure."""
    if judged is None or len(judged.rows) == 0:
        return {}
    levels = judged.graded.levels
    names = {ALL: None, **{f"{value:g}": index for index, value in enumerate(levels)}}
    return {
        name: grade_figures(
            judged, index, key=f"grade={name}", seed=options.seed, reps=options.reps
        )
        for name, index in names.items()
    }
