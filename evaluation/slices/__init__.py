"""The rows of the long table over groups of queries: `all`, each country, … and their totals.

The slice `all` is the overall group's: a column of that name is refused, as are values that are
called like a total (`evaluation.slices.groups`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import REPLICATES, Estimate, Statistic, combine, estimate_all
from evaluation.label_noise import NoiseSummary, noise_summary, with_noise
from evaluation.metrics import Measure
from evaluation.slices.groups import ALL, MEAN, TRAFFIC, UNKNOWN, Group, groups_of, total_weights
from evaluation.slices.heterogeneity import Heterogeneity, cochran
from relevance.results import Row

__all__ = [
    "ALL",
    "MEAN",
    "MIN_QUERIES",
    "TRAFFIC",
    "UNKNOWN",
    "Cell",
    "CellOf",
    "Group",
    "Noise",
    "Notes",
    "few_queries",
    "groups_of",
    "heterogeneity_note",
    "note_of",
    "tabulate",
    "total_weights",
]

MIN_QUERIES = 10
"""Queries below which a figure is marked as resting on too few."""

Notes = Mapping[str, int | str | None]
"""Reason or thing to know → number of units or a figure, or None without one."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a group's figure is made from.

    Attributes:
        statistic: Over the group's queries; None if the metric cannot be computed at all.
        n: Units it rests on.
        n_undefined: Units left out because the metric is undefined there.
        notes: Reason or thing to know → number of units, or None without a number.
    """

    statistic: Statistic | None
    n: int
    n_undefined: int = 0
    notes: Notes = field(default_factory=dict)


CellOf = Callable[[Measure, Group], Cell]
Noise = Mapping[tuple[Measure, str], NDArray[np.float64]]
"""A measure and a group's key → (draws,) its figure under each draw of the grades."""


def tabulate(
    system: str,
    measures: Sequence[Measure],
    groups: Sequence[Group],
    cell_of: CellOf,
    *,
    level: float = 0.95,
    seed: int = 0,
    reps: int = REPLICATES,
    resample: bool | None = None,
    define: Callable[[Measure], str] = lambda _: "",
    noise: Noise | None = None,
) -> list[Row]:
    """Rows of one system: a block a metric, each with all, the groups, then `(mean)`, `(traffic)`.

    A figure that rests on fewer than `MIN_QUERIES` queries says so first in its note. The `(mean)`
    row tells how the groups differ (Cochran's Q, I²), those with fewer queries left aside.

    Args:
        system: Name of the system or model.
        measures: What to show, in order.
        groups: As `groups_of` gives them.
        cell_of: What a metric's figure in a group is made from.
        level: Confidence level of the intervals.
        seed: Seed of the resampling.
        reps: Number of replicates; 0 = figures without intervals.
        resample: As in `estimate_all`: True draws queries however many there are, and the note
            then tells the Monte-Carlo error of the interval's ends.
        define: What a measure means here, for the column `definition`.
        noise: Figures under drawn grades, by measure and group key, which widen the intervals.
    """
    cells = {(m, g.key): cell_of(m, g) for g in groups for m in measures}
    estimates: dict[tuple[Measure, str], Estimate] = {}
    for group in groups:
        made = [(m, s) for m in measures if (s := cells[m, group.key].statistic) is not None]
        found = estimate_all(
            [s for _, s in made], seed=seed, key=group.key, reps=reps, resample=resample
        )
        estimates |= {(m, group.key): e for (m, _), e in zip(made, found, strict=True)}
    rows: list[Row] = []
    for measure in measures:
        block = _Block(measure, system, define(measure), level, reps > 0, bool(resample))
        for name, members in groupby(groups, key=lambda group: group.slice):
            found_in = [
                _figure(cells[measure, g.key], estimates.get((measure, g.key)), noise, measure, g)
                for g in members
            ]
            rows += [block.row(figure) for figure in found_in]
            if name != ALL:
                rows += [block.row(total) for total in _totals(found_in)]
    return rows


def few_queries(n_queries: int) -> dict[str, int]:
    """The note of a figure that rests on fewer than `MIN_QUERIES` queries; else nothing."""
    return {"few_queries": n_queries} if n_queries < MIN_QUERIES else {}


def heterogeneity_note(found: Heterogeneity | None) -> dict[str, int | str]:
    """`Q: 12.3; df: 3; p: 0.006; I2: 0.76` as a note; nothing if there is none."""
    if found is None:
        return {}
    q = f"{found.q:.1f}" if found.q >= 1 else f"{found.q:.2g}"
    return {"Q": q, "df": found.df, "p": f"{found.p_value:.2g}", "I2": f"{found.i2:.2f}"}


def note_of(notes: Notes) -> str:
    """`{"no_relevant": 3, "one_class": None, "missing": 0}` → `"no_relevant: 3; one_class"`."""
    parts = [
        key if count is None else f"{key}: {count}" for key, count in notes.items() if count != 0
    ]
    return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class _Figure:
    """What a row shows.

    Attributes:
        group: Its group.
        cell: Counts and notes.
        estimate: Figure and replicates, widened by label noise; None if it cannot be computed.
        noise: What drawn grades did to it, None without.
    """

    group: Group
    cell: Cell
    estimate: Estimate | None
    noise: NoiseSummary | None = None

    @property
    def value(self) -> float | None:
        """The figure; None if undefined."""
        if self.estimate is None or np.isnan(self.estimate.value):
            return None
        return self.estimate.value

    @property
    def n_queries(self) -> int:
        """Queries that it rests on."""
        return 0 if self.estimate is None else self.estimate.n_queries

    @property
    def variance(self) -> float:
        """Of the figure, over queries and over drawn grades."""
        if self.estimate is None:
            return float("nan")
        drawn = 0.0 if self.noise is None else float(self.noise.deviations.var())
        return self.estimate.variance + drawn


@dataclass(frozen=True, slots=True)
class _Block:
    """What all rows of one measure have in common."""

    measure: Measure
    system: str
    definition: str
    level: float
    intervals: bool
    drawn: bool

    def row(self, figure: _Figure) -> Row:
        value, ends = figure.value, self._ends(figure)
        return Row(
            metric=self.measure.text or repr(self.measure),
            slice=figure.group.slice,
            group=figure.group.name,
            system=self.system,
            value=value,
            ci_low=ends[0] if ends else None,
            ci_high=ends[1] if ends else None,
            n=figure.cell.n,
            n_undefined=figure.cell.n_undefined,
            note=self._note(figure, ends),
            definition=self.definition,
        )

    def _ends(self, figure: _Figure) -> tuple[float, float] | None:
        """The interval, which label noise must not carry beyond what the metric can be."""
        ends = None if figure.estimate is None else figure.estimate.interval(self.level)
        if ends is None or figure.noise is None:
            return ends
        metric = self.measure.metric
        high = np.inf if metric.high is None else metric.high
        return max(ends[0], metric.low), min(ends[1], high)

    def _note(self, figure: _Figure, ends: tuple[float, float] | None) -> str:
        if figure.value is None:
            return note_of(figure.cell.notes) or "undefined"
        notes: dict[str, int | str | None] = {**few_queries(figure.n_queries), **figure.cell.notes}
        if figure.noise is not None:
            notes |= _noise_note(figure.noise)
        if self.drawn and ends is not None and figure.estimate is not None:
            notes |= _error_note(figure.estimate, self.level)
        if not self.intervals:
            notes["no_interval"] = None
        elif figure.n_queries < 2:
            notes["one_query"] = None
        elif ends is not None and ends[0] == ends[1]:
            notes["no_variation"] = None
        return note_of(notes)


def _error_note(estimate: Estimate, level: float) -> dict[str, str]:
    """The larger Monte-Carlo standard error of the two ends: what another seed may move them by."""
    errors = estimate.mc_error(level)
    return {} if errors is None or max(errors) == 0 else {"mc_error": f"{max(errors):.1g}"}


def _noise_note(noise: NoiseSummary) -> dict[str, int | str | None]:
    return {
        "label_noise": f"{noise.n_draws} draws",
        "undefined_draws": noise.n_undefined,
        "posterior_mean": f"{noise.posterior_mean:.4f}",
    }


def _figure(
    cell: Cell, estimate: Estimate | None, noise: Noise | None, measure: Measure, group: Group
) -> _Figure:
    figures = None if noise is None else noise.get((measure, group.key))
    if estimate is None or figures is None or np.isnan(estimate.value):
        return _Figure(group, cell, estimate)
    summary = noise_summary(figures, estimate.value)
    return _Figure(group, cell, with_noise(estimate, figures), summary)


def _totals(figures: Sequence[_Figure]) -> list[_Figure]:
    """The `(mean)` and `(traffic)` figures over the groups in which the metric is defined."""
    known = [figure for figure in figures if figure.value is not None]
    return [
        _total(name, figures, known, weights)
        for name, weights in total_weights([figure.group for figure in known]).items()
    ]


def _without_traffic(known: Sequence[_Figure]) -> dict[str, int | str | None]:
    """Why there is no `(traffic)` row, where some groups have traffic."""
    traffic = [figure.group.traffic for figure in known]
    there = [t for t in traffic if t is not None]
    if not there:
        return {}
    return {"no_traffic": len(traffic) - len(there) or (0 if sum(there) > 0 else len(there))}


def _total(
    name: str, figures: Sequence[_Figure], known: Sequence[_Figure], weights: Sequence[float]
) -> _Figure:
    notes: dict[str, int | str | None] = {
        "groups": len(known),
        "undefined_groups": len(figures) - len(known),
        "one_query_groups": sum(figure.n_queries < 2 for figure in known),
    }
    if not known:
        notes["no_group"] = None
    if name == MEAN:
        notes |= heterogeneity_note(_heterogeneity(known)) | _without_traffic(known)
    cell = Cell(
        statistic=None,
        n=sum(figure.cell.n for figure in known),
        n_undefined=sum(figure.cell.n_undefined for figure in figures),
        notes=notes,
    )
    group = Group(figures[0].group.slice, name, np.array([], dtype=np.int64))
    if not known:
        return _Figure(group, cell, None)
    estimate = combine([f.estimate for f in known if f.estimate is not None], weights)
    return _Figure(group, cell, estimate, _combined_noise(known, weights))


def _combined_noise(known: Sequence[_Figure], weights: Sequence[float]) -> NoiseSummary | None:
    """What drawn grades do to a total; None unless they were drawn for every group."""
    noise = [figure.noise for figure in known if figure.noise is not None]
    if len(noise) < len(known):
        return None
    share = np.asarray(weights) / np.sum(weights)
    drawn = sum(w * (n.posterior_mean + n.deviations) for w, n in zip(share, noise, strict=True))
    value = sum(w * (figure.value or 0.0) for w, figure in zip(share, known, strict=True))
    return noise_summary(np.asarray(drawn), float(value))


def _heterogeneity(figures: Sequence[_Figure]) -> Heterogeneity | None:
    """Of the groups with enough queries for their variance to be taken at its word."""
    enough = [figure for figure in figures if figure.n_queries >= MIN_QUERIES]
    return cochran(
        [figure.value or 0.0 for figure in enough],
        [figure.variance for figure in enough],
        [figure.n_queries for figure in enough],
    )
