"""Rows of a comparison of predicted grades: what is told of each group, and of totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.compare.both import Both, moments_of, total_p
from evaluation.compare.paired import Stratum, bootstrap_p, student, wins_of
from evaluation.intervals import Estimate, Ratio, combine
from evaluation.metrics import THRESHOLD, Measure
from evaluation.metrics.lists import Floats
from evaluation.metrics.threshold import auroc
from evaluation.slices import MIN_QUERIES, few_queries, heterogeneity_note, note_of
from evaluation.slices.groups import MEAN, Group, total_weights
from evaluation.slices.heterogeneity import cochran
from relevance.grades import GradeScale
from relevance.results import PairedRow

Notes = Mapping[str, int | str | None]


@dataclass(frozen=True, slots=True)
class Told:
    """What one group's row of one measure is made from.

    Attributes:
        group: The group.
        n: Pairs that both models predict.
        n_undefined: Graded pairs that either does not.
        notes: What to know.
        both: Both models' statistics; None where there is no pair.
        old: The baseline's figure.
        new: The candidate's.
        gap: The difference.
    """

    group: Group
    n: int
    n_undefined: int
    notes: Notes
    both: Both | None = None
    old: Estimate | None = None
    new: Estimate | None = None
    gap: Estimate | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """A group in which both models have a figure; see `Told`."""

    group: Group
    both: Both
    old: Estimate
    new: Estimate
    gap: Estimate

    @classmethod
    def of(cls, told: Told) -> _Known | None:
        if told.both is None or told.old is None or told.new is None or told.gap is None:
            return None
        if np.isnan(told.gap.value):
            return None
        return cls(told.group, told.both, told.old, told.new, told.gap)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """A candidate against the baseline, and how they are tested.

    Attributes:
        system: The candidate.
        baseline: The baseline.
        scale: Scale of the grades.
        level: Confidence level.
        seed: Seed of resampling and swaps.
        flips: Number of swaps, where they are drawn.
        reps: Resamplings of the queries; 0 = none.
    """

    system: str
    baseline: str
    scale: GradeScale
    level: float
    seed: int
    flips: int
    reps: int

    def group_row(self, measure: Measure, told: Told) -> PairedRow:
        """The row of one group."""
        known = _Known.of(told)
        if known is None:
            return self._row(measure, told.group, told.n, told.n_undefined, told.notes)
        n_queries = known.gap.n_queries
        notes = {**few_queries(n_queries), **told.notes}
        tests = self._tests(measure, told.group.key, [known], np.ones(1)) | _wins(measure, known)
        return self._row(measure, told.group, told.n, told.n_undefined, notes, known.new, **tests)

    def total_rows(self, measure: Measure, found: Sequence[Told]) -> list[PairedRow]:
        """The `(mean)` and `(traffic)` rows over the groups in which the difference is defined."""
        known = [each for told in found if (each := _Known.of(told)) is not None]
        weights = total_weights([each.group for each in known]).items()
        return [self._total(measure, found, known, name, np.array(w)) for name, w in weights]

    def _total(
        self,
        measure: Measure,
        found: Sequence[Told],
        known: Sequence[_Known],
        name: str,
        weights: Floats,
    ) -> PairedRow:
        group = Group(found[0].group.slice, name, np.zeros(0, dtype=np.int64))
        inside = {each.group.key for each in known}
        n = sum(told.n for told in found if told.group.key in inside)
        lost = sum(told.n_undefined for told in found)
        notes: dict[str, int | str | None] = {
            f"baseline {self.baseline}": None,
            "groups": len(known),
            "undefined_groups": len(found) - len(known),
            "one_query_groups": sum(each.gap.n_queries < 2 for each in known),
        }
        if not known:
            return self._row(measure, group, n, lost, {**notes, "no_group": None})
        if name == MEAN:
            notes |= _heterogeneity([each.gap for each in known])
        shares = weights / weights.sum()
        value = combine([each.new for each in known], shares.tolist())
        tests = self._tests(measure, group.key, known, shares)
        return self._row(measure, group, n, lost, notes, value, **tests)

    def _tests(
        self, measure: Measure, key: str, known: Sequence[_Known], shares: Floats
    ) -> dict[str, Any]:
        """Difference, intervals and p-values of a group or of a weighted total of groups."""
        gap = combine([each.gap for each in known], shares.tolist())
        old = float(shares @ [each.old.value for each in known])
        shown = {"baseline": old, "difference": gap.value}
        if min(each.gap.n_queries for each in known) < 2:
            return {**shown, "rel_difference": gap.value / old if old > 0 else None}
        moments = [
            moments_of(each.old, each.new, float(share))
            for each, share in zip(known, shares, strict=True)
        ]
        free = [each.gap.n_queries - 1 for each in known]
        difference = student(old, gap.value, moments, free, level=self.level)
        resampled = bootstrap_p(gap)
        swaps = [each.both.swap for each in known if each.both.swap is not None]
        key = f"{key} {measure!r}"
        p_value = resampled
        if len(swaps) == len(known):
            p_value = total_p(swaps, shares, gap.value, seed=self.seed, key=key, flips=self.flips)
        return {
            **shown,
            **_ends("difference_ci", difference.interval),
            "rel_difference": difference.relative,
            **_ends("rel_difference_ci", difference.relative_interval),
            **_ends("bootstrap_ci", gap.interval(self.level)),
            "p_value": p_value,
            "p_value_t": difference.p_value,
            "p_value_bootstrap": resampled,
            "mde": difference.mde,
        }

    def _row(  # noqa: PLR0917
        self,
        measure: Measure,
        group: Group,
        n: int,
        n_undefined: int,
        notes: Notes,
        value: Estimate | None = None,
        **tests: Any,
    ) -> PairedRow:
        remarks = dict(notes)
        if value is not None and value.n_queries < 2:
            remarks["one_query"] = None
        elif value is not None and self.reps == 0:
            remarks["no_interval"] = None
        return PairedRow(
            metric=measure.text or repr(measure),
            slice=group.slice,
            group=group.name,
            system=self.system,
            value=None if value is None else value.value,
            **_ends("ci", None if value is None else value.interval(self.level)),
            n=n,
            n_undefined=n_undefined,
            note=note_of(remarks),
            definition=f"{measure.definition(self.scale)} test={tested_by(measure)}",
            **tests,
        )


def tested_by(measure: Measure) -> str:
    """`swap`, or `bootstrap` where the difference under swaps has no closed form (AUPRC)."""
    threshold = measure.metric.family == THRESHOLD
    return "bootstrap" if threshold and measure.metric.function is not auroc else "swap"


def _ends(name: str, interval: tuple[float, float] | None) -> dict[str, Any]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _wins(measure: Measure, known: _Known) -> dict[str, int]:
    """Queries on which either model is better, where the metric is a mean over a query's pairs."""
    old, new = known.both.old, known.both.new
    if not isinstance(old, Ratio) or not isinstance(new, Ratio):
        return {}
    stratum = Stratum(old.numerator / old.denominator, new.numerator / new.denominator)
    found = wins_of([stratum], higher_is_better=measure.metric.higher_is_better)
    return {"n_wins": found.wins, "n_ties": found.ties, "n_losses": found.losses}


def _heterogeneity(gaps: Sequence[Estimate]) -> dict[str, int | str]:
    """How the groups' differences differ, those with few queries left aside."""
    enough = [gap for gap in gaps if gap.n_queries >= MIN_QUERIES]
    found = cochran(
        [gap.value for gap in enough],
        [gap.variance for gap in enough],
        [gap.n_queries for gap in enough],
    )
    return heterogeneity_note(found)
