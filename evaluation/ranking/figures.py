"""Values of queries to rows of the long table: what is left out, what is counted, what is noted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.intervals import REPLICATES, Ratio
from evaluation.label_noise import each_draw, n_without_posterior
from evaluation.metrics import METRICS, Measure
from evaluation.metrics.lists import Floats
from evaluation.ranking.coding import Coded
from evaluation.ranking.scoring import Scored
from evaluation.slices import Cell, Group, tabulate
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale
from relevance.results import Row

Rescore = Callable[..., Scored]
"""A system's values under other grades: `grades=` (M,) of the qrels' rows, NaN = not judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How a system's values become rows.

    Attributes:
        measures: What to show, in order.
        groups: Groups of queries, as `groups_of` gives them.
        scale: Scale of the grades.
        ties: Rule for equal scores, which the definitions repeat.
        empty: What queries without anything to find have: `undefined`, `zero`; None = the scale's.
        level: Confidence level.
        seed: Seed of resampling and draws.
        reps: Replicates of the intervals; 0 = figures without intervals.
        label_noise: Draws of the grades from their posterior; 0 = none.
    """

    measures: Sequence[Measure]
    groups: Sequence[Group]
    scale: GradeScale = FIVE
    ties: str = "docid"
    empty: str | None = None
    level: float = 0.95
    seed: int = 0
    reps: int = REPLICATES
    label_noise: int = 0

    def rows(
        self, system: str, scored: Scored, coded: Coded, rescore: Rescore | None = None
    ) -> list[Row]:
        """A block a metric: all, groups, (mean), (traffic).

        Args:
            system: Its name.
            scored: Its values.
            coded: The queries.
            rescore: Gives its values under other grades; needed for label noise.
        """
        insides = _insides(self.groups, scored, coded, self._unsure(coded))
        drawn = self._noise(coded, rescore) if rescore is not None and self.label_noise else None
        zero = empty_is_zero(self.empty, self.scale)

        def cell_of(measure: Measure, group: Group) -> Cell:
            return _cell(measure, scored, insides[group.key], zero=zero)

        return tabulate(
            system,
            self.measures,
            self.groups,
            cell_of,
            level=self.level,
            seed=self.seed,
            reps=self.reps,
            define=lambda measure: measure.definition(self.scale, self.ties, self.empty),
            noise=drawn,
        )

    def _noise(self, coded: Coded, rescore: Rescore) -> dict[tuple[Measure, str], Floats]:
        """Every figure under each draw of the grades."""
        zero = empty_is_zero(self.empty, self.scale)
        kept = [group.queries[coded.kept[group.queries]] for group in self.groups]
        figures: dict[tuple[Measure, str], Floats] = {
            (measure, group.key): np.full(self.label_noise, np.nan)
            for measure in self.measures
            for group in self.groups
        }
        for draw, grades in enumerate(self._draws(coded)):
            scored = rescore(grades=grades)
            for measure in self.measures:
                values = scored.figures(measure, zero=zero)
                for group, queries in zip(self.groups, kept, strict=True):
                    inside = values[queries]
                    defined = inside[~np.isnan(inside)]
                    if len(defined):
                        figures[measure, group.key][draw] = defined.mean()
        return figures

    def _draws(self, coded: Coded) -> Iterator[Floats]:
        """(M,) grades of each draw; rows without a grade stay without."""
        there = coded.qrels["grade"].is_not_null()
        judged = coded.qrels.filter(there)
        for drawn in each_draw(judged, self.scale, draws=self.label_noise, seed=self.seed):
            grades = np.full(len(there), np.nan)
            grades[there.to_numpy()] = drawn
            yield grades

    def _unsure(self, coded: Coded) -> NDArray[np.int64] | None:
        """(Q,) judgments without a posterior, which keep their grade in every draw."""
        if not self.label_noise:
            return None
        judged = coded.qrels.filter(pl.col("grade").is_not_null())
        if n_without_posterior(judged, self.scale) == 0:
            return None
        sure = judged.filter(pl.col("p1").is_null() | pl.col("p1").cast(pl.Float64).is_nan())
        return np.bincount(sure["code"].to_numpy(), minlength=len(coded.ids))


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


def exclusions(group: Group, coded: Coded) -> dict[str, int | None]:
    """Counts of a group's judged queries that a model has seen, as a note."""
    n_seen = int((coded.judged & coded.seen)[group.queries].sum())
    return {"seen_kept" if coded.allow_seen else "seen_in_training": n_seen}


@dataclass(frozen=True, slots=True)
class _Inside:
    """What all figures of a group have in common.

    Attributes:
        queries: Those that are evaluated.
        absent: (n,) whether the system returned nothing for one of them.
        notes: Counts of what was left out, or is to be known.
    """

    queries: NDArray[np.int64]
    absent: NDArray[np.bool_]
    notes: dict[str, int | str | None]


def _insides(
    groups: Sequence[Group], scored: Scored, coded: Coded, unsure: NDArray[np.int64] | None
) -> dict[str, _Inside]:
    """What each group, by its key, has in common."""
    kept, not_judged = coded.kept, scored.returned & ~coded.judged
    found = {}
    for group in groups:
        queries = group.queries[kept[group.queries]]
        notes: dict[str, int | str | None] = {
            "not_judged": int(np.count_nonzero(not_judged[group.queries])),
            **exclusions(group, coded),
            "rank_disagrees": int(np.count_nonzero(scored.rank_disagrees[queries])),
            "no_posterior": 0 if unsure is None else int(unsure[queries].sum()),
        }
        if len(queries) == 0:
            notes["no_query"] = None
        found[group.key] = _Inside(queries, ~scored.returned[queries], notes)
    return found


def _cell(measure: Measure, scored: Scored, inside: _Inside, *, zero: bool) -> Cell:
    values = scored.values[measure][inside.queries]
    nothing = scored.no_relevant[measure][inside.queries]
    if zero:
        values[nothing] = 0.0
    defined = ~np.isnan(values)
    n = int(np.count_nonzero(defined))
    if n < len(values):
        values[~defined] = 0.0
    counts: dict[str, int | str | None] = {
        "no_relevant": int(np.count_nonzero(nothing)),
        "missing": int(np.count_nonzero(inside.absent & ~nothing)),
    }
    return Cell(
        statistic=Ratio(values, defined.astype(np.float64)),
        n=n,
        n_undefined=len(values) - n,
        notes=counts | inside.notes,
    )
