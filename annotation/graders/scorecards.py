"""Scorecards of all annotators from the tables `judgments`, `repeats` and `gold`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from annotation.adjudicate import Adjudication, adjudicated
from annotation.graders.agreement import WithWithout, with_and_without
from annotation.graders.cards import LIMITS, Figure, Flag, Limits, Scorecard
from annotation.graders.coded import Floats, Ints, Panel, code
from annotation.graders.consensus import Consensus, consensus
from annotation.graders.drift import Drift, drift
from annotation.graders.measures import Measures, intervals, measure
from annotation.graders.severity import Fit
from annotation.graders.shares import (
    Abstentions,
    Counts,
    GoldAnswers,
    abstentions,
    gold_answers,
    paces,
    repeated,
    too_fast,
)
from annotation.graders.told import agreement_of, beyond_chance, confusion_of
from annotation.graders.verdicts import Evidence, flags_of, missing_votes, verdict_of
from relevance.grades import FIVE, GradeScale

METHOD = "dawid-skene-shrunk"
"""The adjudicator behind the confusions, unless an adjudication is given: quick, and steady."""


@dataclass(frozen=True, slots=True)
class Examination:
    """All that the cards are made from.

    Attributes:
        panel: The judgments as codes.
        consensus: What the others say of every vote.
        measures: Severity and noise; None on unordered scales and where no pair is shared.
        drift: Severity by week; None like `measures`.
        gold: Answers to gold questions.
        repeats: Repeats that got the same grade, and one at most one level off.
        fast: Judgments that were too fast.
        abstentions: Abstentions.
        alphas: α with and without each annotator.
        confusion: (A, K, K) expected votes by true grade and grade given.
        agrees: Expected share of votes that are the true grade.
        follows: How much people's grades go with the others', the median annotator's being 1: by
            slope on ordered scales, by agreement beyond chance on others.
    """

    panel: Panel
    consensus: Consensus
    measures: Measures | None
    drift: Drift | None
    gold: GoldAnswers
    repeats: tuple[Counts, Counts]
    fast: Counts
    abstentions: Abstentions
    alphas: WithWithout
    confusion: Floats
    agrees: Fit
    follows: Fit

    @property
    def n_shared(self) -> Ints:
        """(A,) votes on pairs that others graded too."""
        votes = self.panel.annotator[self.panel.shared]
        return np.bincount(votes, minlength=self.panel.n_people).astype(np.int64)


def scorecards(
    judgments: pl.DataFrame,
    repeats: pl.DataFrame | None = None,
    gold: pl.DataFrame | None = None,
    *,
    scale: GradeScale = FIVE,
    level: float = 0.95,
    seed: int = 0,
    limits: Limits = LIMITS,
    adjudication: Adjudication | None = None,
) -> list[Scorecard]:
    """How everybody grades: those who should be asked first, then by number of judgments.

    Args:
        judgments: Table `judgments`.
        repeats: Table `repeats`: the same pairs graded a second time by the same people.
        gold: Table `gold`: pairs whose grade is known.
        scale: Scale of the grades. On unordered ones severity, noise and drift are undefined.
        level: Confidence level of the intervals.
        seed: Unused: nothing is drawn; here for symmetry with other figures that have intervals.
        limits: What is tolerated.
        adjudication: What `annotation.adjudicate.adjudicated` made of these judgments; made here
            with `METHOD` if not given.

    Returns:
        A card for everybody with a judgment, in an order that does not depend on the rows'.

    Raises:
        InputError: No judgment has a grade, or one is off the scale.
    """
    del seed
    found = examine(
        judgments,
        repeats,
        gold,
        scale=scale,
        level=level,
        limits=limits,
        adjudication=adjudication,
    )
    return cards_of(found, level=level, limits=limits)


def cards_of(
    found: Examination, *, level: float = 0.95, limits: Limits = LIMITS
) -> list[Scorecard]:
    """The scorecards of an examination; see `scorecards`."""
    evidence = Evidence(
        found.n_shared,
        found.follows,
        found.measures,
        found.gold.exact,
        found.repeats[0],
        found.fast,
        found.abstentions,
        found.drift,
    )
    flags = flags_of(evidence, limits)
    more = missing_votes(evidence, limits)
    cards = _cards(found, level, flags, more)
    return sorted(cards, key=lambda card: (not card.flags, -card.n, card.annotator))


def examine(
    judgments: pl.DataFrame,
    repeats: pl.DataFrame | None = None,
    gold: pl.DataFrame | None = None,
    *,
    scale: GradeScale = FIVE,
    level: float = 0.95,
    limits: Limits = LIMITS,
    adjudication: Adjudication | None = None,
) -> Examination:
    """What the cards are made from; arguments as for `scorecards`.

    Raises:
        InputError: No judgment has a grade, or one is off the scale.
    """
    panel = code(judgments, scale)
    made = adjudication
    if made is None:
        made = adjudicated(panel.table.drop("pair"), METHOD, scale, gold=gold)
    agreed = consensus(panel, made, gold)
    some = bool(panel.shared.any())
    measures = measure(panel, agreed.known) if scale.ordered and some else None
    confusion, agrees = confusion_of(panel, agreed), agreement_of(panel, agreed)
    return Examination(
        panel=panel,
        consensus=agreed,
        measures=measures,
        drift=None
        if measures is None
        else drift(panel, measures.shared, measures.apart, level=level, limits=limits),
        gold=gold_answers(panel, agreed.known),
        repeats=repeated(panel, repeats),
        fast=too_fast(panel, limits.fast_seconds),
        abstentions=abstentions(panel),
        alphas=with_and_without(panel, ordered=scale.ordered),
        confusion=confusion,
        agrees=agrees,
        follows=beyond_chance(agrees, confusion) if measures is None else measures.follows,
    )


def _cards(
    found: Examination, level: float, flags: list[tuple[Flag, ...]], more: list[int | None]
) -> list[Scorecard]:
    panel, alphas = found.panel, found.alphas
    count = np.bincount(panel.judge, minlength=panel.n_people)
    columns = _figures(found, level)
    return [
        Scorecard(
            annotator=name,
            n=int(count[who]),
            n_shared=int(found.n_shared[who]),
            alpha=_or_none(alphas.whole),
            alpha_without=_or_none(alphas.without[who]),
            weeks=found.drift.weeks[who] if found.drift is not None else (),
            confusion=found.confusion[who],
            gold_confusion=found.gold.confusion[who],
            flags=flags[who],
            n_more=more[who],
            verdict=verdict_of(flags[who], more[who]),
            **{key: figures[who] for key, figures in columns.items()},
        )
        for who, name in enumerate(panel.people)
    ]


def _figures(found: Examination, level: float) -> dict[str, list[Figure]]:
    """Fields of the cards that are figures → one of everybody."""
    panel, measures, alphas = found.panel, found.measures, found.alphas
    told, skipped = found.confusion.sum(axis=(1, 2)), found.abstentions
    n_told = np.rint(told).astype(np.int64)
    endless = np.full(panel.n_people, np.inf)
    nothing = [Figure(None, None, None, 0)] * panel.n_people
    severity, noise, severity_shrunk, noise_shrunk = nothing, nothing, nothing, nothing
    if measures is not None:
        severity, noise = measures.severity_figures(level), measures.noise_figures(level)
        severity_shrunk, noise_shrunk = measures.shrunk_figures(level)
    agrees, follows = (
        intervals(fit.value, fit.error, fit.freedom, n_told, level)
        for fit in (found.agrees, found.follows)
    )
    return {
        "seconds": paces(panel),
        "too_fast": found.fast.figures(level),
        "severity": severity,
        "severity_shrunk": severity_shrunk,
        "noise": noise,
        "noise_shrunk": noise_shrunk,
        "follows": follows,
        "agrees": [_within_bounds(figure) for figure in agrees],
        "gold": found.gold.exact.figures(level),
        "gold_within1": found.gold.within1.figures(level),
        "gold_severity": found.gold.severity(panel.levels, level),
        "repeats": found.repeats[0].figures(level),
        "repeats_within1": found.repeats[1].figures(level),
        "abstained": skipped.own.figures(level),
        "abstained_more": [
            _within_bounds(figure, least=-1.0)
            for figure in intervals(skipped.more, skipped.error, endless, skipped.n, level)
        ],
        "alpha_gain": intervals(alphas.gain, alphas.error, endless, found.n_shared, level),
    }


def _within_bounds(figure: Figure, least: float = 0.0) -> Figure:
    """The figure, its interval cut at what a share can be."""
    if figure.low is None or figure.high is None:
        return figure
    return Figure(figure.value, max(figure.low, least), min(figure.high, 1.0), figure.n)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
