"""Who should be asked about what: tests of "no more than tolerated", adjusted over everybody.

A flag is a test of the tolerance itself (not of zero), so it needs evidence and size at once: an
annotator whose severity is surely 0.1 grade is never flagged, nor is one whose ten labels look bad.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from annotation.graders.cards import Flag, Limits
from annotation.graders.chances import binomial_lower, binomial_upper, t_upper
from annotation.graders.coded import Floats, Ints
from annotation.graders.drift import Drift
from annotation.graders.measures import Measures
from annotation.graders.severity import Fit
from annotation.graders.shares import Abstentions, Counts
from evaluation.multiplicity import benjamini_hochberg

_POWER = 0.8
_LEAST_NOISE = 0.25  # grades: a panel that agrees better is no bar for anybody


@dataclass(frozen=True, slots=True)
class Tested:
    """One aspect of everybody.

    Attributes:
        p_value: (A,) of "within the limit"; NaN = not tested.
        figure: (A,) what the text shows.
        text: Format of the text, with one field.
    """

    p_value: Floats
    figure: Floats
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is tested.

    Attributes:
        n_shared: (A,) votes on pairs that others graded too.
        follows: How much grades go with the others', the median annotator's being 1.
        measures: Severity and noise, on ordered scales.
        gold: Right answers to gold questions.
        repeats: Repeats that got the same grade.
        fast: Judgments that were too fast.
        abstentions: Abstentions.
        drift: Severity by week, on ordered scales.
    """

    n_shared: Ints
    follows: Fit
    measures: Measures | None
    gold: Counts
    repeats: Counts
    fast: Counts
    abstentions: Abstentions
    drift: Drift | None


def flags_of(evidence: Evidence, limits: Limits) -> list[tuple[Flag, ...]]:
    """The flags of each annotator, most certain first."""
    aspects = _tested(evidence, limits)
    places = [
        (name, who)
        for name, tested in aspects.items()
        for who in np.flatnonzero(~np.isnan(tested.p_value))
    ]
    raw = [float(aspects[name].p_value[who]) for name, who in places]
    adjusted = benjamini_hochberg(raw) if raw else np.zeros(0)
    found: list[list[Flag]] = [[] for _ in evidence.gold.n]
    for (name, who), p in zip(places, adjusted, strict=True):
        if p < limits.rate:
            text = aspects[name].text.format(float(aspects[name].figure[who]))
            found[int(who)].append(Flag(name, text, float(p)))
    for flags in found:
        flags.sort(key=lambda flag: (flag.p_adjusted, flag.aspect))
    return [tuple(flags) for flags in found]


def missing_votes(evidence: Evidence, limits: Limits) -> list[int | None]:
    """Shared votes until somebody off would be found with power .8; 0 = enough.

    Off is twice the tolerated severity; on unordered scales, grades that do not follow the others'
    at all. Found is found in spite of the adjustment for all that is tested. None where nothing
    says how many that takes.
    """
    from scipy.special import ndtri

    tests = sum(int((~np.isnan(one.p_value)).sum()) for one in _tested(evidence, limits).values())
    reach = float(ndtri(1 - limits.rate / max(tests, len(evidence.n_shared))) + ndtri(_POWER))
    if evidence.measures is not None:
        fit, n, width = evidence.measures.severity, evidence.n_shared, limits.severity
    else:
        fit, n, width = evidence.follows, evidence.n_shared, limits.follows
    each = (fit.error**2 - fit.common) * n
    known = each[np.isfinite(each) & (n >= limits.least)]
    if not len(known):
        known = each[np.isfinite(each)]
    if not len(known):
        return [None] * len(n)
    own = np.where(np.isfinite(each) & (n >= limits.least), each, float(np.median(known)))
    wanted = np.maximum(own * (reach / width) ** 2, limits.least)
    return [max(math.ceil(total) - int(there), 0) for total, there in zip(wanted, n, strict=True)]


def verdict_of(flags: tuple[Flag, ...], n_more: int | None) -> str:
    """In words: the flags, "ok", or that there are too few votes."""
    if flags:
        return "; ".join(flag.text for flag in flags)
    if n_more is None:
        return "too few to tell"
    return "ok" if n_more == 0 else f"too few to tell ({n_more:,} more)"


def _tested(evidence: Evidence, limits: Limits) -> Mapping[str, Tested]:
    found = {
        "gold": _below_others(evidence.gold, limits.gold, limits, "gold {:.0%} right"),
        "consistency": _below_others(
            evidence.repeats, limits.consistency, limits, "repeats {:.0%} alike"
        ),
        "fast": _fast(evidence.fast, limits),
        "follows": _following(evidence.follows, evidence.n_shared, limits),
        "abstain": _abstaining(evidence.abstentions, limits),
    }
    if evidence.measures is not None:
        found |= {
            "severity": _severe(evidence.measures, limits),
            "noise": _noisy(evidence.measures, limits),
        }
    if evidence.drift is not None:
        found["drift"] = Tested(evidence.drift.p_value, evidence.drift.largest, "drift {:+.2f}")
    return found


def _severe(measures: Measures, limits: Limits) -> Tested:
    # Against the colleagues: that all of them may be off together is no matter of one person.
    fit = measures.severity
    far = np.abs(fit.value) - limits.severity
    error = np.sqrt(fit.error**2 - fit.common)
    p = _student(far, error, fit.freedom, measures.shared.n_votes, limits)
    small = np.abs(measures.severity_shrunk.value) < limits.severity
    return Tested(np.where(small & ~np.isnan(p), 1.0, p), fit.value, "severity {:+.2f}")


def _noisy(measures: Measures, limits: Limits) -> Tested:
    fit, n = measures.noise, measures.shared.n_votes
    usual = _median_noise(measures)
    far = np.log(np.maximum(fit.value, 1e-9) / (limits.noise * usual))
    p = _student(far, fit.error, fit.freedom, n, limits)
    small = np.exp(measures.noise_shrunk.value) < limits.noise * usual
    shown = fit.value / usual
    return Tested(np.where(small & ~np.isnan(p), 1.0, p), shown, "noise ×{:.1f}")


def _following(fit: Fit, n: Ints, limits: Limits) -> Tested:
    far = limits.follows - fit.value
    p = _student(far, fit.error, fit.freedom, n, limits)
    # Always the same grade: a slope of exactly 0, without any error.
    same = (fit.error == 0) & (far > 0) & (n >= limits.least)
    return Tested(np.where(same, 0.0, p), fit.value, "follows others {:.0%}")


def _median_noise(measures: Measures) -> float:
    known = np.isfinite(measures.noise_shrunk.value)
    if not known.any():
        return 1.0
    return max(float(np.exp(np.median(measures.noise_shrunk.value[known]))), _LEAST_NOISE)


def _below_others(counts: Counts, margin: float, limits: Limits, text: str) -> Tested:
    bar = np.maximum(counts.of_others() - margin, 0.0)
    tested = (counts.n >= limits.least) & ~np.isnan(bar)
    p = np.full(len(counts.n), np.nan)
    p[tested] = binomial_lower(counts.hits[tested], counts.n[tested], bar[tested])
    return Tested(p, counts.hits / np.maximum(counts.n, 1), text)


def _fast(counts: Counts, limits: Limits) -> Tested:
    tested = counts.n >= limits.least
    p = np.full(len(counts.n), np.nan)
    p[tested] = binomial_upper(counts.hits[tested], counts.n[tested], limits.fast)
    return Tested(p, counts.hits / np.maximum(counts.n, 1), "too fast {:.0%}")


def _abstaining(found: Abstentions, limits: Limits) -> Tested:
    far = found.more - limits.abstain
    p = _student(far, found.error, np.asarray(found.n - 1.0, dtype=np.float64), found.n, limits)
    return Tested(p, found.own.hits / np.maximum(found.own.n, 1), "abstains {:.0%}")


def _student(far: Floats, error: Floats, freedom: Floats, n: Ints, limits: Limits) -> Floats:
    """One-sided p-values of `far` ≤ 0; NaN with too few votes."""
    fits = (n >= limits.least) & np.isfinite(far) & np.isfinite(error) & (error > 0)
    p = np.full(len(far), np.nan)
    p[fits] = t_upper(far[fits] / error[fits], freedom[fits])
    return p
