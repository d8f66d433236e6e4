"""The bridge from offline to online: does a better nDCG mean a better fulfillment rate?

Each past experiment has two saved results: the candidate's comparison on graded queries and the
A/B test of the same change. Every country is a point: the offline difference beside the online
lift. Whole experiments are points likewise, in slice `all`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from evaluation.experiment.association import Sample, Statistic, associate
from evaluation.experiment.bridge_points import (
    Both,
    Difference,
    PastExperiment,
    Point,
    compared,
    is_invalid,
    sides,
)
from evaluation.intervals.resampling import REPLICATES
from relevance.errors import InputError, SettingsError, did_you_mean
from relevance.results import Results, Row

METRICS = ("nDCG@20", "P@8")
"""Offline metrics that are looked at unless others are named."""


_DEFINITIONS = {
    "pearson": "correlation of the offline differences with the online ones",
    "pearson_corrected": "the correlation ÷ √(reliability offline × online), at most 1; "
    "reliability = 1 - mean squared standard error ÷ variance of the points",
    "spearman": "correlation of their ranks",
    "sign_agreement": "share of the points where both moved the same way",
    "slope": "online difference per offline difference, least squares",
    "slope_corrected": "the slope ÷ reliability offline",
}


def bridge(
    experiments: Sequence[PastExperiment],
    *,
    metrics: Sequence[str] = METRICS,
    outcome: str | None = None,
    candidate: str | None = None,
    by: Sequence[str] = (),
    absolute: bool = False,
    level: float = 0.95,
    reps: int = REPLICATES,
    seed: int = 0,
) -> Results:
    """How offline differences and online lifts went together over past experiments.

    The rows: for each metric and slice (`all` first: one point an experiment; then the groups) the
    figures of `association.associate` as `pearson(nDCG@20)`, …, with n points and n_undefined
    left out; then the points themselves, the offline difference (metric = `nDCG@20`) beside the
    online one (metric = the outcome), system = the experiment; then what was left out as
    `excluded(…)`.

    Args:
        experiments: With names of their own.
        metrics: Offline metrics, as the saved comparisons spell them.
        outcome: Online outcome; None for the primary of each experiment.
        candidate: The candidate that was tested, where a comparison has several.
        by: Columns split by; empty for all that both results have.
        absolute: Differences in units of the metric instead of relative to the baseline.
        level: Of the intervals.
        reps: Resamplings of the experiments.
        seed: Of the resampling.

    Raises:
        InputError: No comparison has a metric or a slice, or it is unclear which candidate is the
            treatment.
        SettingsError: Two experiments have the same name.
    """
    _check(experiments, metrics, by)
    invalid: list[str] = []
    points: list[Point] = []
    unmatched: list[str] = []
    for past in experiments:
        for treatment, shown, system in sides(past, candidate):
            if is_invalid(past.online, treatment):
                invalid.append(system)
                continue
            both = Both(past, treatment, shown, system, outcome)
            points += both.points(metrics, by, absolute=absolute)
            unmatched += both.unmatched(metrics, by)
    rows = [
        *_statistics(points, metrics, level=level, reps=reps, seed=seed),
        *_point_rows(points),
        _count("excluded(invalid)", invalid, "experiments whose split was broken"),
        _count("excluded(unmatched)", unmatched, "groups that only one of the results has"),
    ]
    return Results(tuple(rows))


def _check(
    experiments: Sequence[PastExperiment], metrics: Sequence[str], by: Sequence[str]
) -> None:
    """Raises unless the names differ and what is asked for is in some result."""
    names = [each.name for each in experiments]
    if not names:
        raise InputError("there is no past experiment. Name them with --pair or --workspace")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f"two experiments are called {twice[0]!r}: name each one differently")
    rows = [row for past in experiments for row in compared(past.offline)]
    _known(metrics, [row.metric for row in rows], "metric", "--metrics")
    _known(by, [row.slice for row in rows], "slice", "--by")


def _known(wanted: Sequence[str], found: Sequence[str], what: str, option: str) -> None:
    known = list(dict.fromkeys(found))
    for name in wanted:
        if name not in known:
            raise InputError(
                f"no comparison has the {what} {name!r}.{did_you_mean(name, known)} "
                f"There is {', '.join(known[:9]) or 'none'}: choose with {option}"
            )


def _statistics(
    points: Sequence[Point], metrics: Sequence[str], *, level: float, reps: int, seed: int
) -> Iterator[Row]:
    slices = list(dict.fromkeys(["all", *sorted(point.slice for point in points)]))
    for metric in metrics:
        for name in slices:
            chosen = [p for p in points if (p.metric, p.slice) == (metric, name)]
            sample = _sample(chosen)
            key = f"{metric} {name}"
            found = associate(sample, level=level, reps=reps, seed=seed, key=key)
            for figure, statistic in found.items():
                yield _figure_row(figure, (metric, name), statistic, len(chosen))


def _sample(points: Sequence[Point]) -> Sample:
    """The points with both differences, in the order of their names."""
    ordered = sorted(points, key=lambda p: (p.experiment, p.system, p.slice, p.group))
    pairs = [(p.experiment, p.offline, p.online) for p in ordered if p.offline and p.online]
    number = {name: i for i, name in enumerate(dict.fromkeys(name for name, _, _ in pairs))}
    return Sample(
        np.array([x.value for _, x, _ in pairs], dtype=float),
        np.array([y.value for _, _, y in pairs], dtype=float),
        np.array([number[name] for name, _, _ in pairs], dtype=np.int64),
        np.array([x.error for _, x, _ in pairs], dtype=float),
        np.array([y.error for _, _, y in pairs], dtype=float),
    )


def _figure_row(figure: str, place: tuple[str, str], statistic: Statistic, points: int) -> Row:
    low, high = statistic.interval or (None, None)
    return Row(
        metric=f"{figure}({place[0]})",
        slice=place[1],
        value=statistic.value,
        ci_low=low,
        ci_high=high,
        n=statistic.n,
        n_undefined=points - statistic.n,
        note=statistic.note,
        definition=_DEFINITIONS[figure],
    )


def _point_rows(points: Sequence[Point]) -> Iterator[Row]:
    """The differences of every point: offline by metric, then online, each once."""
    told = set()
    for point in sorted(points, key=lambda p: (p.slice != "all", p.system, p.slice, p.group)):
        for metric, found in ((point.metric, point.offline), (point.outcome, point.online)):
            key = (metric, point.slice, point.group, point.system)
            if key not in told:
                told.add(key)
                yield _difference_row(key, found)


def _difference_row(key: tuple[str, str, str, str], found: Difference | None) -> Row:
    metric, name, group, system = key
    return Row(
        metric=metric,
        slice=name,
        group=group,
        system=system,
        value=found.value if found else None,
        ci_low=found.low if found else None,
        ci_high=found.high if found else None,
        note="" if found else "no difference",
    )


def _count(metric: str, names: Sequence[str], what: str) -> Row:
    told = f"{what}: {', '.join(names)}" if names else what
    return Row(metric=metric, n=len(names), note=told)
