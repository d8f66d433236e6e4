"""Shares and means of one annotator at a time: gold questions, repeats, abstentions, pace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from annotation.graders.cards import Figure
from annotation.graders.chances import t_quantile
from annotation.graders.coded import KEY, Floats, Ints, Panel, latest, sums
from evaluation.intervals.proportion import wilson

FAST_SHARE = 0.2
"""Of the panel's median time: a judgment that takes less cannot have read the pair."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Successes of each annotator.

    Attributes:
        hits: (A,) successes.
        n: (A,) trials.
    """

    hits: Ints
    n: Ints

    def figures(self, level: float) -> list[Figure]:
        """The shares with Wilson's intervals."""
        return [share(int(h), int(n), level) for h, n in zip(self.hits, self.n, strict=True)]

    def of_others(self) -> Floats:
        """(A,) the pooled share of everybody else; NaN where there is nobody."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((self.hits.sum() - self.hits) / (self.n.sum() - self.n))


def share(hits: int, n: int, level: float) -> Figure:
    """A share with Wilson's interval."""
    return Figure(hits / n, *wilson(hits / n, n, level), n) if n else Figure(None, None, None, 0)


@dataclass(frozen=True, slots=True)
class GoldAnswers:
    """Votes on gold questions.

    Attributes:
        exact: Right answers.
        within1: Answers at most one level off.
        confusion: (A, K, K) counts by gold grade (rows) and grade given.
    """

    exact: Counts
    within1: Counts
    confusion: Floats

    def severity(self, levels: Floats, level: float) -> list[Figure]:
        """Mean of grade - gold of each annotator, with Student's interval."""
        off = levels[None, :] - levels[:, None]
        return [_mean(counts, off, level) for counts in self.confusion]


def gold_answers(panel: Panel, known: Ints) -> GoldAnswers:
    """What was answered to gold questions.

    Args:
        panel: The votes.
        known: (U,) index of the level of a pair that is gold; -1 elsewhere.
    """
    asked = known[panel.pair] >= 0
    who, level, truth = panel.annotator[asked], panel.level[asked], known[panel.pair[asked]]
    n, k = panel.n_people, len(panel.levels)
    table = np.bincount((who * k + truth) * k + level, minlength=n * k * k).reshape(n, k, k)
    near = np.abs(np.subtract.outer(np.arange(k), np.arange(k))) <= 1
    total = table.sum(axis=(1, 2))
    return GoldAnswers(
        Counts(table.trace(axis1=1, axis2=2), total),
        Counts((table * near).sum(axis=(1, 2)), total),
        table.astype(np.float64),
    )


def repeated(panel: Panel, repeats: pl.DataFrame | None) -> tuple[Counts, Counts]:
    """Pairs that somebody graded twice: the same grade again, and at most one level off.

    Args:
        panel: The first votes.
        repeats: Table `repeats`: the second ones.
    """
    n = panel.n_people
    none = Counts(np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64))
    if repeats is None or repeats.is_empty():
        return none, none
    again = latest(repeats).select(*KEY, again="grade").drop_nulls()
    both = (
        panel.table.select(*KEY, "grade", at=pl.Series(panel.judge))
        .join(again, on=KEY)
        .drop_nulls("grade")
    )
    place = {grade: at for at, grade in enumerate(panel.levels)}
    first = both["grade"].cast(pl.Float64).replace_strict(place, return_dtype=pl.Int64).to_numpy()
    second = (
        both["again"].cast(pl.Float64).replace_strict(place, default=None, return_dtype=pl.Int64)
    )
    valid = second.is_not_null().to_numpy()
    apart = np.abs(first - second.fill_null(0).to_numpy())[valid]
    who = both["at"].to_numpy()[valid]
    total = np.bincount(who, minlength=n)
    return (
        Counts(np.bincount(who[apart == 0], minlength=n), total),
        Counts(np.bincount(who[apart <= 1], minlength=n), total),
    )


@dataclass(frozen=True, slots=True)
class Abstentions:
    """How often people say that they cannot judge.

    Attributes:
        own: Abstentions among all judgments.
        more: (A,) share on pairs that others judged too, less these others' share; NaN = none.
        error: (A,) its standard error.
        n: (A,) such pairs.
    """

    own: Counts
    more: Floats
    error: Floats
    n: Ints


def abstentions(panel: Panel) -> Abstentions:
    """Abstentions of each annotator, against others on the same pairs."""
    n = panel.n_people
    skipped = panel.abstained.astype(np.float64)
    size = np.bincount(panel.judged, minlength=panel.n_pairs)[panel.judged]
    others = sums(panel.judged, skipped, panel.n_pairs)[panel.judged] - skipped
    with_others = size >= 2
    who = panel.judge[with_others]
    gap = skipped[with_others] - others[with_others] / (size[with_others] - 1)
    count = np.bincount(who, minlength=n)
    with np.errstate(divide="ignore", invalid="ignore"):
        more = sums(who, gap, n) / count
        spread = sums(who, (gap - more[who]) ** 2, n) / count**2
        # Shares of 0 or 1 have no spread, but are not sure: as if 1 of 2 further ones abstained.
        hits = sums(who, skipped[with_others], n)
        smooth = (hits + 1) / (count + 2)
        error = np.sqrt(np.maximum(spread, smooth * (1 - smooth) / (count + 2) / 2))
    own = Counts(
        np.bincount(panel.judge[panel.abstained], minlength=n),
        np.bincount(panel.judge, minlength=n),
    )
    return Abstentions(own, np.asarray(more), np.asarray(error), count)


def paces(panel: Panel) -> list[Figure]:
    """Median seconds of each annotator, with the quartiles as ends."""
    seconds = panel.column("seconds")
    none = [Figure(None, None, None, 0)] * panel.n_people
    if seconds is None:
        return none
    frame = pl.DataFrame({"who": panel.judge, "s": seconds}).drop_nulls()
    for who, middle, low, high, n in (
        frame.group_by("who")
        .agg(
            pl.col("s").median().alias("middle"),
            pl.col("s").quantile(0.25, "linear").alias("low"),
            pl.col("s").quantile(0.75, "linear").alias("high"),
            pl.len(),
        )
        .iter_rows()
    ):
        none[who] = Figure(middle, low, high, n)
    return none


def too_fast(panel: Panel, seconds: float | None) -> Counts:
    """Judgments that took less than `seconds` (None: `FAST_SHARE` of the panel's median)."""
    n = panel.n_people
    times = panel.column("seconds")
    if times is None:
        return Counts(np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64))
    taken = times.cast(pl.Float64).to_numpy()
    known = ~np.isnan(taken)
    bar = float(np.median(taken[known])) * FAST_SHARE if seconds is None else seconds
    who = panel.judge[known]
    fast = np.bincount(who[taken[known] < bar], minlength=n)
    return Counts(fast, np.bincount(who, minlength=n))


def mean_figure(values: Sequence[float] | Floats, level: float) -> Figure:
    """A mean with Student's interval; without ends below two values."""
    x = np.asarray(values, dtype=np.float64)
    if len(x) == 0:
        return Figure(None, None, None, 0)
    if len(x) == 1:
        return Figure(float(x[0]), None, None, 1)
    wide = float(t_quantile(level, np.array([len(x) - 1.0]))[0])
    mean, half = float(x.mean()), wide * float(x.std(ddof=1)) / math.sqrt(len(x))
    return Figure(mean, mean - half, mean + half, len(x))


def _mean(counts: Floats, values: Floats, level: float) -> Figure:
    return mean_figure(np.repeat(values.ravel(), counts.ravel().astype(np.int64)), level)
