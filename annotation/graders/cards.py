"""What is said of an annotator: figures with intervals, flags, and what is still needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from annotation.graders.coded import Floats


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its interval.

    Attributes:
        value: The figure; None where there is nothing to go by.
        low: Lower end of its interval; None without one.
        high: Upper end.
        n: What it rests on (votes, pairs or repeats).
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Week:
    """An annotator's severity in one week.

    Attributes:
        start: The Monday it begins with, UTC.
        severity: Severity in it, in grades.
        change: The same less the severity in the other weeks.
        flagged: Whether the change is surely beyond the tolerance (Holm over the weeks).
    """

    start: date
    severity: Figure
    change: Figure
    flagged: bool


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that an annotator should be asked about.

    Attributes:
        aspect: severity, noise, follows, gold, consistency, fast, abstain or drift.
        text: What was found, with the figure.
        p_adjusted: P-value of "no more than the tolerance", adjusted over annotators and aspects.
    """

    aspect: str
    text: str
    p_adjusted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far somebody may be off before it matters; a flag needs to be surely beyond.

    Attributes:
        severity: Grades that a severity may differ from 0.
        noise: Times the panel's median noise (a quarter of a grade at least).
        follows: Share of the median annotator's slope on the others' grades, at least.
        gold: How far the share of right answers to gold questions may lie below the others'.
        consistency: The same of the share of repeats that got the same grade.
        fast: Share of judgments that may be too fast.
        abstain: How far the share of abstentions may lie above that of others on the same pairs.
        drift: Grades by which a week may differ from the other weeks.
        fast_seconds: Below, a judgment is too fast; None = a fifth of the panel's median.
        least: Fewer votes than this are never enough for a flag.
        rate: False discovery rate over all annotators and aspects.
    """

    severity: float = 0.25
    noise: float = 1.5
    follows: float = 0.5
    gold: float = 0.15
    consistency: float = 0.15
    fast: float = 0.1
    abstain: float = 0.1
    drift: float = 0.25
    fast_seconds: float | None = None
    least: int = 20
    rate: float = 0.05


LIMITS = Limits()
"""What is tolerated unless something else is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """An annotator's work, measured.

    Attributes:
        annotator: Pseudonym.
        n: Judgments, abstentions included.
        n_shared: Votes on pairs that others graded too.
        seconds: Median time a judgment, with the quartiles as its ends; None without times.
        too_fast: Share of judgments faster than could be meant, with Wilson's interval.
        severity: Grades above (+) or below (-) what others give the same pairs.
        severity_shrunk: The same, pulled to the panel's mean as far as it is unsure.
        noise: Standard deviation of the grades about pair and severity, in grades.
        noise_shrunk: The same, pulled to the panel's.
        follows: How much the grades rise with the others', as a share of the median annotator's:
            about 1 for everybody who reads the pairs, 0 for who guesses or always says the same.
        agrees: Expected share of votes that equal the true grade as the others' votes tell it.
        gold: Share of right answers to gold questions, with Wilson's interval.
        gold_within1: Share of answers to gold questions at most one level off.
        gold_severity: Mean grade less the gold grade.
        repeats: Share of repeated pairs that got the same grade again, with Wilson's interval.
        repeats_within1: Share that got one at most one level off.
        abstained: Share of judgments that are abstentions.
        abstained_more: The same on pairs that others judged too, less the share of those others.
        alpha: Krippendorff's α of the whole panel (ordinal, or nominal on unordered scales).
        alpha_without: α of the panel without this annotator.
        alpha_gain: α without less α with; above 0 = the others agree better alone.
        weeks: Severity by week, if times are known.
        confusion: (K, K) votes by true grade (rows; expected, from the others' votes) and grade
            given (columns).
        gold_confusion: (K, K) the same by gold grade.
        flags: What is surely beyond the limits; most certain first.
        n_more: Shared votes that are missing until twice the tolerated severity would be found with
            80 % power; 0 = enough. None if nobody's votes tell.
        verdict: "ok", "too few to tell (… more)", or the flags in words.
    """

    annotator: str
    n: int
    n_shared: int
    seconds: Figure
    too_fast: Figure
    severity: Figure
    severity_shrunk: Figure
    noise: Figure
    noise_shrunk: Figure
    follows: Figure
    agrees: Figure
    gold: Figure
    gold_within1: Figure
    gold_severity: Figure
    repeats: Figure
    repeats_within1: Figure
    abstained: Figure
    abstained_more: Figure
    alpha: float | None
    alpha_without: float | None
    alpha_gain: Figure
    weeks: tuple[Week, ...]
    confusion: Floats
    gold_confusion: Floats
    flags: tuple[Flag, ...]
    n_more: int | None
    verdict: str
