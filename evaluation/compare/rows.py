"""Rows of a comparison: what is known of each group, and of the totals over groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evaluation.compare.paired import (
    Difference,
    LabelNoise,
    Stratum,
    bootstrap_p,
    paired_difference,
    wins_of,
)
from evaluation.compare.sign_flip import sign_flip
from evaluation.intervals import Estimate, combine
from evaluation.label_noise import noise_summary, winner_flips, with_noise
from evaluation.metrics.lists import Floats
from evaluation.slices import MIN_QUERIES, few_queries, heterogeneity_note, note_of
from evaluation.slices.groups import MEAN, Group, total_weights
from evaluation.slices.heterogeneity import cochran
from relevance.results import PairedRow

Notes = dict[str, int | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What all rows of a candidate's measure have in common.

    Attributes:
        metric: As the user wrote it.
        system: The candidate.
        baseline: The baseline.
        definition: What a figure means here.
        higher_is_better: Otherwise lower is.
        tested: Whether the measure was asked for.
        level: Confidence level.
        seed: Seed of the sign flips of totals.
        flips: Their number.
        bootstrap: Whether intervals were asked for.
    """

    metric: str
    system: str
    baseline: str
    definition: str
    higher_is_better: bool
    tested: bool
    level: float
    seed: int
    flips: int
    bootstrap: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one group's row of one measure is made from.

    Attributes:
        group: The group.
        stratum: Both systems' values of the queries for which both have one.
        value: The candidate's figure.
        gap: The difference.
        p_value: Of the sign flips.
        n_undefined: Queries for which either system has no value.
        n_unjudged: Unjudged Pins within the depth of either list.
        bounds: Smallest and largest difference that they could give; None if not known.
        loose: Whether the bounds may be wider than what any grades give.
        notes: Counts of what is to be known.
        noise: Both figures under drawn grades.
    """

    group: Group
    stratum: Stratum
    value: Estimate
    gap: Estimate
    p_value: float
    n_undefined: int
    n_unjudged: int
    bounds: tuple[float, float] | None
    loose: bool
    notes: Mapping[str, int | None]
    noise: LabelNoise | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    """What is known of a group or total, ready to be shown."""

    group: Group
    strata: Sequence[Stratum]
    value: Estimate | None
    gap: Estimate | None
    difference: Difference
    p_value: float | None
    n_undefined: int
    n_unjudged: int
    bounds: tuple[float, float] | None
    noise: LabelNoise | None
    notes: Notes


def group_row(style: Style, found: Evidence) -> PairedRow:
    """The row of one group."""
    strata = [found.stratum] if len(found.stratum.baseline) else []
    difference = paired_difference(strata, level=style.level, noise=found.noise)
    notes: Notes = {f"baseline {style.baseline}": None, **found.notes}
    if difference.value is not None:
        notes = {**few_queries(len(found.stratum.baseline)), **notes}
    if found.loose and found.n_unjudged:
        notes["loose_bounds"] = None
    return _row(
        style,
        _Figures(
            group=found.group,
            strata=strata,
            value=found.value,
            gap=found.gap,
            difference=difference,
            p_value=found.p_value,
            n_undefined=found.n_undefined,
            n_unjudged=found.n_unjudged,
            bounds=found.bounds,
            noise=found.noise,
            notes=notes,
        ),
    )


def total_rows(style: Style, groups: Sequence[Evidence]) -> list[PairedRow]:
    """The `(mean)` and `(traffic)` rows over the groups in which the difference is defined."""
    known = [found for found in groups if len(found.stratum.baseline)]
    weights = total_weights([found.group for found in known])
    return [_total(style, groups, known, name, np.array(w)) for name, w in weights.items()]


def _total(
    style: Style,
    groups: Sequence[Evidence],
    known: Sequence[Evidence],
    name: str,
    weights: Floats,
) -> PairedRow:
    shares = weights / weights.sum() if len(weights) else weights
    strata = [
        Stratum(found.stratum.baseline, found.stratum.candidate, float(share))
        for found, share in zip(known, shares, strict=True)
    ]
    noise = _total_noise(known, shares)
    weighted = [s.weighted for s in strata]
    group = Group(groups[0].group.slice, name, np.zeros(0, dtype=np.int64))
    return _row(
        style,
        _Figures(
            group=group,
            strata=strata,
            value=combine([found.value for found in known], weights.tolist()) if known else None,
            gap=combine([found.gap for found in known], weights.tolist()) if known else None,
            difference=paired_difference(strata, level=style.level, noise=noise),
            p_value=_flipped(style, group.key, weighted) if style.tested and known else None,
            n_undefined=sum(found.n_undefined for found in groups),
            n_unjudged=sum(found.n_unjudged for found in known),
            bounds=_total_bounds(known, shares),
            noise=noise,
            notes=_total_notes(style, name, groups, known),
        ),
    )


def _total_notes(
    style: Style, name: str, groups: Sequence[Evidence], known: Sequence[Evidence]
) -> Notes:
    notes: Notes = {
        f"baseline {style.baseline}": None,
        "groups": len(known),
        "undefined_groups": len(groups) - len(known),
        "one_query_groups": sum(len(found.stratum.baseline) < 2 for found in known),
    }
    if not known:
        notes["no_group"] = None
    if name == MEAN:
        notes |= _heterogeneity(known)
    if any(found.loose and found.n_unjudged for found in known):
        notes["loose_bounds"] = None
    return notes


def _flipped(style: Style, key: str, weighted: Sequence[Floats]) -> float:
    return sign_flip(np.concatenate(weighted), seed=style.seed, key=key, flips=style.flips)


def _row(style: Style, found: _Figures) -> PairedRow:
    found = _with_noise(found)
    difference = found.difference
    defined, told = difference.value is not None, difference.interval is not None
    value = found.value if defined else None
    gap = found.gap if told else None
    bounds = found.bounds if defined else None
    return PairedRow(
        metric=style.metric,
        slice=found.group.slice,
        group=found.group.name,
        system=style.system,
        value=value.value if value else None,
        **_ends("ci", value.interval(style.level) if value else None),
        n=sum(len(s.candidate) for s in found.strata),
        n_undefined=found.n_undefined,
        note=note_of(found.notes | _remarks(style, found)),
        definition=style.definition,
        baseline=value.value - (difference.value or 0.0) if value else None,
        difference=difference.value,
        **_ends("difference_ci", difference.interval),
        rel_difference=difference.relative,
        **_ends("rel_difference_ci", difference.relative_interval),
        **_ends("bootstrap_ci", gap.interval(style.level) if gap else None),
        **(_tests(found, gap) if style.tested and gap else {}),
        **(_wins(style, found) if defined else {}),
        mde=difference.mde,
        n_unjudged=found.n_unjudged,
        difference_worst=bounds[0] if bounds else None,
        difference_best=bounds[1] if bounds else None,
        winner_flips=_flips(found),
    )


def _with_noise(found: _Figures) -> _Figures:
    """The figures with label noise in their intervals and in the note."""
    noise, value, gap = found.noise, found.value, found.gap
    if noise is None or value is None or gap is None or np.isnan(gap.value):
        return found
    summary = noise_summary(noise.difference, gap.value)
    notes: Notes = {
        "label_noise": f"{summary.n_draws} draws",
        "undefined_draws": summary.n_undefined,
        "posterior_mean_difference": f"{summary.posterior_mean:+.4f}",
    }
    return replace(
        found,
        value=with_noise(value, noise.candidate),
        gap=with_noise(gap, noise.difference),
        notes=found.notes | notes,
    )


def _remarks(style: Style, found: _Figures) -> Notes:
    """Why something is not told."""
    difference, notes = found.difference, Notes()
    if difference.value is None:
        return notes
    if difference.interval is None:
        notes["one_query"] = None
    elif difference.relative_interval is None:
        notes["rel_unbounded"] = None
    elif difference.interval[0] == difference.interval[1]:
        notes["no_variation"] = None
    if not style.bootstrap:
        notes["no_interval"] = None
    if not style.tested:
        notes["not_tested"] = None
    if found.bounds is None:
        notes["no_bounds"] = None
    return notes


def _tests(found: _Figures, gap: Estimate) -> dict[str, Any]:
    return {
        "p_value": found.p_value,
        "p_value_t": found.difference.p_value,
        "p_value_bootstrap": bootstrap_p(gap),
    }


def _wins(style: Style, found: _Figures) -> dict[str, Any]:
    counts = wins_of(found.strata, higher_is_better=style.higher_is_better)
    return {"n_wins": counts.wins, "n_ties": counts.ties, "n_losses": counts.losses}


def _flips(found: _Figures) -> float | None:
    if found.noise is None or found.difference.value is None:
        return None
    share = winner_flips(found.noise.difference, found.difference.value)
    return None if np.isnan(share) else share


def _ends(name: str, interval: tuple[float, float] | None) -> dict[str, Any]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _total_noise(known: Sequence[Evidence], shares: Floats) -> LabelNoise | None:
    """Both totals under drawn grades; None unless they were drawn for every group."""
    noise = [found.noise for found in known if found.noise is not None]
    if not noise or len(noise) < len(known):
        return None
    return LabelNoise(
        baseline=shares @ np.stack([n.baseline for n in noise]),
        candidate=shares @ np.stack([n.candidate for n in noise]),
    )


def _total_bounds(known: Sequence[Evidence], shares: Floats) -> tuple[float, float] | None:
    """Bounds of a total of the groups that have a difference; None if one has no bounds."""
    bounds = [found.bounds for found in known if found.bounds is not None]
    if not bounds or len(bounds) < len(known):
        return None
    low, high = shares @ np.array(bounds)
    return float(low), float(high)


def _heterogeneity(known: Sequence[Evidence]) -> dict[str, int | str]:
    """How the groups' differences differ, those with few queries left aside."""
    enough = [found for found in known if len(found.stratum.baseline) >= MIN_QUERIES]
    drawn = [0.0 if f.noise is None else f.noise.variance for f in enough]
    found = cochran(
        [f.gap.value for f in enough],
        [f.gap.variance + v for f, v in zip(enough, drawn, strict=True)],
        [len(f.stratum.baseline) for f in enough],
    )
    return heterogeneity_note(found)
