"""Predicted grades of several models against a baseline's: paired differences over the same pairs.

Intervals resample queries, both models' predictions of a query together. The test swaps both
models' predictions of a query (`evaluation.compare.swaps`), which is exact for accuracy and the
other means over pairs, for AUROC, and for functions of sums such as ECE; AUPRC, which has no such
form, is tested by the bootstrap.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.compare.both import Both, swap_of
from evaluation.compare.families import adjust_families
from evaluation.compare.grade_rows import Contest, Told
from evaluation.compare.sign_flip import FLIPS
from evaluation.compare.swaps import auroc_terms
from evaluation.intervals import REPLICATES, estimate_all
from evaluation.metrics import Measure
from evaluation.metrics.lists import Floats
from evaluation.metrics.threshold import auroc
from evaluation.multiplicity import adjustment
from evaluation.pointwise import DEFAULT_METRICS, effective_threshold, grade_measures
from evaluation.pointwise.pair_figures import Key, Part, figures_of, parts_of
from evaluation.pointwise.pairs import PROBABILITIES, Pairs, check_grades, match_pairs
from evaluation.ranking import exclusions
from evaluation.ranking.coding import Coded, code_queries, with_text_ids
from evaluation.slices.groups import ALL, Group, groups_of
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale
from relevance.results import PairedRow, Results

KEYS = ["query_id", "pin_id"]


def compare_grades(
    baseline: pl.DataFrame,
    candidates: pl.DataFrame | Sequence[pl.DataFrame],
    qrels: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    metrics: str | Sequence[str | Measure] = DEFAULT_METRICS,
    by: str | Sequence[str] | None = None,
    scale: GradeScale = FIVE,
    level: float = 0.95,
    seed: int = 0,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
    flips: int = FLIPS,
    reps: int | None = None,
    adjust: str = "holm",
) -> Results:
    """Paired differences of grade metrics between models, over the pairs that both predict.

    `p_value` is the two-sided permutation test that swaps both models' predictions query by query
    (the bootstrap's for AUPRC, noted `test: bootstrap`). `p_adjusted` is Holm's (or Benjamini and
    Hochberg's) over a family: all candidates × all groups of a column × all metrics; the overall
    rows, the `(mean)` rows and the `(traffic)` rows are families of their own.

    Args:
        baseline: A `predictions` table of one model.
        candidates: A `predictions` table of one or several models, or several such tables.
        qrels: A `qrels` table, grades within 1-5.
        queries: A `queries` table, for `by` and traffic.
        metrics: Measures, or how they are spelled.
        by: Column or columns of `queries` to split by.
        scale: Scale of the grades; must lie within 1-5.
        level: Confidence level; tests are at 1 - level.
        seed: Seed of resampling and swaps.
        seen: Hashed ids of queries that a model has seen; left out and counted.
        allow_seen: Keep them, and mark every figure.
        flips: Number of swaps, where they are drawn.
        reps: Resamplings of the queries; 0 = neither intervals nor tests that need them.
        adjust: `holm` or `bh`.

    Returns:
        `PairedRow`s, a block a candidate, in it a block a metric: all, groups, (mean), (traffic).
        `n` counts pairs that both predict, `n_undefined` graded pairs that either does not;
        `difference_ci_…` is the t interval by each query's influence on the difference (it inverts
        `p_value_t`), `bootstrap_ci_…` the BCa interval over resampled queries. Wins and losses are
        told for means over pairs only.

    Raises:
        InputError: Unknown metric, column or option; duplicates; a baseline of several models,
            two candidates of one name; no pair in common.
    """
    adjustment(adjust)
    measures = tuple(grade_measures(metrics, scale))
    old, others = _models(baseline, candidates)
    coded = code_queries(
        qrels, [old, *others.values()], seen=seen, allow_seen=allow_seen, what="predictions table"
    )
    check_grades(coded.qrels, scale.name)
    groups = groups_of(coded.ids, queries, by, judged=coded.judged)
    rows: list[PairedRow] = []
    for name, new in others.items():
        contest = Contest(
            system=name, baseline=str(old["model"][0]), scale=scale, level=level, seed=seed,
            flips=flips, reps=REPLICATES if reps is None else reps,
        )  # fmt: skip
        meeting = _Meeting(measures, coded, groups, contest, True if reps else None)
        rows += meeting.rows(old, new)
    return Results(tuple(adjust_families(rows, adjust)))


def _models(
    baseline: pl.DataFrame, candidates: pl.DataFrame | Sequence[pl.DataFrame]
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """The baseline's predictions and each candidate's by name.

    Raises:
        InputError: No p1…p5, a baseline of several models, no candidate or two of one name.
    """
    old = list(_by_model(baseline))
    if len(old) != 1:
        raise InputError(
            f"the baseline's predictions are of {len(old)} models, but one is compared with. "
            "Keep the rows of one"
        )
    given = [candidates] if isinstance(candidates, pl.DataFrame) else candidates
    found: dict[str, pl.DataFrame] = {}
    for name, frame in (named for table in given for named in _by_model(table)):
        if name in found or name == old[0][0]:
            raise InputError(
                f"two models are called {name!r}. Name them apart: --predictions NAME=FILE"
            )
        found[name] = frame
    if not found:
        raise InputError("there is no candidate. Give the predictions to compare with the baseline")
    return old[0][1], found


def _by_model(predictions: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Name and rows of each model of a table, in the order of the table."""
    missing = [name for name in PROBABILITIES if name not in predictions.columns]
    if missing:
        raise InputError(
            f"the predictions have no column {missing[0]!r}. Give p1…p5, one probability a grade"
        )
    if "model" not in predictions.columns:
        predictions = predictions.with_columns(model=pl.lit(None, dtype=pl.String))
    named = with_text_ids(predictions.with_columns(pl.col("model").fill_null("model")))
    for model in named["model"].unique(maintain_order=True):
        yield str(model), named.filter(pl.col("model") == model)


@dataclass(frozen=True, slots=True)
class _Meeting:
    """A candidate's and the baseline's predictions of the same pairs.

    Attributes:
        measures: What is compared.
        coded: The queries and their grades.
        groups: Groups of queries.
        contest: How they are tested.
        resample: Whether queries are drawn, as in `estimate_all`.
    """

    measures: tuple[Measure, ...]
    coded: Coded
    groups: Sequence[Group]
    contest: Contest
    resample: bool | None

    def rows(self, old: pl.DataFrame, new: pl.DataFrame) -> list[PairedRow]:
        """All rows of the candidate."""
        told = self._told(
            match_pairs(old.join(new.select(KEYS), on=KEYS, how="semi"), self.coded),
            match_pairs(new.join(old.select(KEYS), on=KEYS, how="semi"), self.coded),
        )
        rows: list[PairedRow] = []
        for measure in self.measures:
            for name in dict.fromkeys(group.slice for group in self.groups):
                found = [told[measure, g.key] for g in self.groups if g.slice == name]
                rows += [self.contest.group_row(measure, each) for each in found]
                if name != ALL:
                    rows += self.contest.total_rows(measure, found)
        return rows

    def _told(self, old: Pairs, new: Pairs) -> dict[Key, Told]:
        if not (self.coded.kept & (old.counts > 0)).any():
            raise InputError(
                f"{self.contest.baseline!r} and {self.contest.system!r} predict no graded pair in "
                "common. Give predictions of the same pairs"
            )
        parts = parts_of(old, self.groups, self.coded)
        before = figures_of(old, self.measures, parts)
        after = figures_of(new, self.measures, parts)
        terms = _auroc_terms(old, new, self.measures, parts)
        told: dict[Key, Told] = {}
        for group in self.groups:
            plain = self._plain(old, group)
            keys = [(measure, group.key) for measure in self.measures]
            both = {
                key: Both(was, now, swap_of(was, now, terms.get(key)))
                for key in keys
                if key in before
                for was, now in [(before[key].statistic, after[key].statistic)]
            }
            estimates = self._estimates(group, both)
            for key in keys:
                if key in both:
                    notes = {**plain.notes, **after[key].notes}
                    told[key] = replace(plain, notes=notes, both=both[key], **estimates[key])
                else:
                    told[key] = replace(plain, notes={**plain.notes, "no_pair": None})
        return told

    def _estimates(self, group: Group, both: Mapping[Key, Both]) -> dict[Key, dict[str, Any]]:
        """Both figures and their difference by measure, all from one resampling."""
        made = estimate_all(
            [s for each in both.values() for s in (each.old, each.new, each.difference)],
            seed=self.contest.seed,
            key=group.key,
            reps=self.contest.reps,
            resample=self.resample,
        )
        names = ("old", "new", "gap")
        return {
            key: dict(zip(names, made[at : at + 3], strict=True))
            for key, at in zip(both, range(0, len(made), 3), strict=True)
        }

    def _plain(self, pairs: Pairs, group: Group) -> Told:
        """Counts and notes of a group."""
        kept = group.queries[self.coded.kept[group.queries]]
        lost = int(pairs.not_predicted[kept].sum())
        notes: dict[str, int | str | None] = {
            f"baseline {self.contest.baseline}": None,
            "not_predicted": lost,
            "not_judged": int(pairs.not_judged[kept].sum()),
            **exclusions(group, self.coded),
        }
        return Told(group, int(pairs.counts[kept].sum()), lost, notes)


def _auroc_terms(
    old: Pairs, new: Pairs, measures: Sequence[Measure], parts: Sequence[Part]
) -> dict[Key, Floats]:
    """(n,) what each query adds to the difference of AUROC, by measure and part."""
    wanted = [m for m in measures if m.metric.function is auroc]
    scores: dict[int, tuple[NDArray[np.floating], NDArray[np.floating]]] = {}
    terms: dict[Key, Floats] = {}
    for part in parts:
        grades = part.of(old.grades)
        for measure in wanted:
            used = effective_threshold(grades, measure.cutoff or 0)
            if used not in scores:
                scores[used] = _at_least(old, used), _at_least(new, used)
            first, second = (part.of(side) for side in scores[used])
            moved = auroc_terms(grades >= used, first, second)
            terms[measure, part.key] = part.sums(old, moved)
    return terms


def _at_least(pairs: Pairs, threshold: int) -> NDArray[np.floating]:
    """(N,) P(grade ≥ threshold), to the last bit as AUROC itself is computed from."""
    scores = np.zeros(len(pairs.grades))
    for batches in pairs.batches(slice(threshold - 1, None)):
        for rows, columns in batches:
            for column in columns:
                scores[rows] += column
    return scores
