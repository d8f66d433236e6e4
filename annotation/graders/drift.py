"""Drift: severity by week, against the annotator's own other weeks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from annotation.graders.cards import Figure, Limits, Week
from annotation.graders.chances import t_quantile, t_upper
from annotation.graders.coded import Bools, Floats, Ints, Panel, sums
from annotation.graders.severity import Shared
from evaluation.multiplicity import holm


@dataclass(frozen=True, slots=True)
class Drift:
    """Weeks of every annotator.

    Attributes:
        weeks: A tuple an annotator.
        p_value: (A,) smallest of the weeks' p-values, adjusted over the weeks (Holm); NaN without
            two weeks that can be compared.
        largest: (A,) the largest change of a week, in grades; 0 without.
    """

    weeks: tuple[tuple[Week, ...], ...]
    p_value: Floats
    largest: Floats


@dataclass(frozen=True, slots=True)
class _Cells:
    """Annotator × week cells: means, their error variances, votes and clusters."""

    who: Ints
    week: Ints
    mean: Floats
    variance: Floats
    n: Floats
    clusters: Floats

    def part(self, rows: slice) -> _Cells:
        """Some of the cells."""
        names = ("who", "week", "mean", "variance", "n", "clusters")
        return _Cells(*(getattr(self, name)[rows] for name in names))


def drift(panel: Panel, shared: Shared, apart: Floats, *, level: float, limits: Limits) -> Drift:
    """Severity by week of each annotator.

    Args:
        panel: The votes, with `created_at` in their table if times are known.
        shared: The votes on pairs that several people graded.
        apart: (S,) each of them against the others' (`severity.residuals`).
        level: Confidence level.
        limits: Tolerances.
    """
    n = panel.n_people
    nothing = Drift(((),) * n, np.full(n, np.nan), np.zeros(n))
    times = panel.column("created_at")
    if times is None or not len(shared.vote):
        return nothing
    monday = times.dt.truncate("1w").dt.date().gather(panel.row[shared.vote])
    dated = monday.is_not_null().to_numpy()
    starts = monday.drop_nulls().unique().sort()
    week = starts.search_sorted(monday.drop_nulls()).to_numpy().astype(np.int64)
    cells = _cells(shared, apart, week, dated)
    p_value, largest = np.full(n, np.nan), np.zeros(n)
    weeks: list[tuple[Week, ...]] = [()] * n
    bounds = np.searchsorted(cells.who, np.arange(n + 1))
    for who in range(n):
        part = slice(int(bounds[who]), int(bounds[who + 1]))
        own = cells.part(part)
        found = _one(own, limits)
        p_value[who], largest[who] = found.p_value, found.largest
        weeks[who] = tuple(
            _week(starts[int(own.week[at])], own, found, at, level=level)
            for at in range(len(own.n))
        )
    return Drift(tuple(weeks), p_value, largest)


@dataclass(frozen=True, slots=True)
class _Changes:
    """One annotator's weeks against the other weeks, those that are odd left out of these."""

    change: Floats
    error: Floats
    flagged: Bools
    p_value: float
    largest: float


def _one(cells: _Cells, limits: Limits) -> _Changes:
    """Tests the weeks, takes the oddest out of what the others are compared with, and again."""
    odd = np.zeros(len(cells.n), dtype=np.bool_)
    p_value, largest = float("nan"), 0.0
    while True:
        change, error, rest = _against_rest(cells, odd)
        enough = (cells.n >= limits.least) & (rest >= limits.least)
        p = _p_values(np.abs(change) - limits.drift, error, cells.clusters - 1, enough)
        tested = np.flatnonzero(~np.isnan(p) & ~odd)
        if not len(tested):
            break
        adjusted = holm(list(p[tested]))
        first = int(np.argmin(adjusted))
        if np.isnan(p_value):
            p_value, largest = float(adjusted[first]), float(change[tested[first]])
        if adjusted[first] >= limits.rate:
            break
        odd[tested[first]] = True
    return _Changes(change, error, odd, p_value, largest)


def _week(start: date, cells: _Cells, found: _Changes, at: int, *, level: float) -> Week:
    n, freedom = int(cells.n[at]), float(cells.clusters[at] - 1)
    own = float(np.sqrt(cells.variance[at]))
    return Week(
        start,
        _figure(float(cells.mean[at]), own, freedom, n, level),
        _figure(float(found.change[at]), float(found.error[at]), freedom, n, level),
        bool(found.flagged[at]),
    )


def _cells(shared: Shared, apart: Floats, week: Ints, dated: Bools) -> _Cells:
    n_weeks = int(week.max(initial=0)) + 1
    who, cluster = shared.annotator[dated], shared.cluster[shared.pair[dated]]
    code, at = np.unique(who * n_weeks + week, return_inverse=True)
    n: Floats = np.bincount(at).astype(np.float64)
    mean = np.bincount(at, apart[dated]) / n
    size = int(cluster.max(initial=0)) + 1
    both, of = np.unique(at * size + cluster, return_inverse=True)
    home = both // size
    parts = sums(of.astype(np.int64), apart[dated] - mean[at], len(both))
    clusters = np.bincount(home, minlength=len(n)).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = sums(home.astype(np.int64), parts**2, len(n)) / n**2 * clusters / (clusters - 1)
    return _Cells(code // n_weeks, code % n_weeks, mean, variance, n, clusters)


def _against_rest(cells: _Cells, odd: Bools) -> tuple[Floats, Floats, Floats]:
    """Each week's mean less that of the other weeks that are not odd, its error, their votes."""
    n = np.where(odd, 0.0, cells.n)
    # A week with votes of one query has a mean, but no variance to add.
    spread = n**2 * np.where(n > 0, np.nan_to_num(cells.variance), 0.0)
    rest = n.sum() - n
    with np.errstate(divide="ignore", invalid="ignore"):
        others = (np.sum(n * cells.mean) - n * cells.mean) / rest
        error = np.sqrt(cells.variance + (spread.sum() - spread) / rest**2)
    return np.asarray(cells.mean - others), np.asarray(error), rest


def _p_values(far: Floats, error: Floats, freedom: Floats, enough: Bools) -> Floats:
    fits = enough & np.isfinite(far) & (error > 0)
    found = np.full(len(far), np.nan)
    found[fits] = t_upper(far[fits] / error[fits], freedom[fits])
    return found


def _figure(value: float, error: float, freedom: float, n: int, level: float) -> Figure:
    if not np.isfinite(value):
        return Figure(None, None, None, n)
    if not np.isfinite(error) or freedom < 1:
        return Figure(float(value), None, None, n)
    half = float(t_quantile(level, np.array([float(freedom)]))[0]) * float(error)
    return Figure(float(value), float(value) - half, float(value) + half, n)
