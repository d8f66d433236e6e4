"""What thousands of splits say, as rows: share, its Wilson interval, and what it should be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from evaluation.experiment.assignments import Users
from evaluation.experiment.calibration_gate import DAY
from evaluation.experiment.calibration_inputs import Subject
from evaluation.experiment.config import ExperimentConfig
from evaluation.experiment.power import power_at
from evaluation.intervals.proportion import wilson
from evaluation.moments import Floats
from relevance.results import ComparisonRow, Results

TOLERANCE = 0.3
"""A false-positive rate within this share of α is as it should be: 3.5 to 6.5 % at 5 %."""


def calibration_rows(
    parts: Sequence[tuple[Subject, Mapping[str, Floats]]],
    gate: Floats,
    *,
    treatments: Sequence[str],
    by: str,
    wanted: int,
    users: Users,
    config: ExperimentConfig,
) -> Results:
    """The rows of `calibrate`, see there.

    Args:
        parts: Each outcome and its figures, arrays of shape (treatments, splits).
        gate: Shape (splits,), whether the sample-ratio gate fires.
        treatments: Their names.
        by: Column of the strata; empty for one stratum.
        wanted: Splits that were asked for.
        users: Who was split.
        config: Levels.
    """
    rows: list[ComparisonRow] = []
    for part, draws in parts:
        for i, treatment in enumerate(treatments):
            mine = {name: values[i] for name, values in draws.items()}
            rows += _outcome_rows(
                part,
                mine,
                treatment=treatment,
                treatments=len(treatments),
                by=by,
                config=config,
            )
    several = [name for name, places in users.places.items() if places.any()]
    families = 1 + len(several) + (DAY in several)
    note = f"fair splits called broken; at most {families} families at {config.srm_alpha:g} each"
    rows.append(_share("false_alarms(sample_ratio)", gate, families * config.srm_alpha, note))
    if len(gate) < wanted:
        stopped = f"interrupted after {len(gate):,} of {wanted:,} splits"
        rows.append(ComparisonRow(metric="interrupted", n=len(gate), note=stopped))
    definition = f"{len(gate):,} random splits of {users.n:,} users"
    return Results(tuple(dataclasses.replace(row, definition=definition) for row in rows))


def outside(results: Results, config: ExperimentConfig) -> list[ComparisonRow]:
    """The A/A false-positive rates of `analyze` that are not α ± 30 %."""
    outcomes = (config.primary, *config.secondary)
    names = {f"false_positives({outcome.name})" for outcome in outcomes}
    return [
        row
        for row in results
        if isinstance(row, ComparisonRow)
        and row.metric in names
        and row.value is not None
        and abs(row.value - config.alpha) > TOLERANCE * config.alpha
    ]


def _outcome_rows(
    part: Subject,
    draws: Mapping[str, Floats],
    *,
    treatment: str,
    treatments: int,
    by: str,
    config: ExperimentConfig,
) -> list[ComparisonRow]:
    name, alpha = part.outcome.name, config.alpha
    lifted = f"with a true lift of {100 * part.lift:+.3g} %"
    promised = power_at(part.population, part.lift, alpha / treatments)
    naive = _share(f"false_positives({name},session_z_test)", draws["session_z_test"], alpha)
    naive = dataclasses.replace(naive, note=part.naive.reason or _wrong(naive.value, alpha))
    rows = [
        _share(f"false_positives({name})", draws["primary"], alpha, "what analyze does"),
        _share(
            f"false_positives({name},unadjusted)", draws["unadjusted"], alpha, "no strata, no CUPED"
        ),
        naive,
        _share(f"coverage({name})", draws["coverage"], 1 - alpha, lifted),
        _share(f"coverage({name},relative)", draws["relative"], 1 - alpha, lifted),
        _share(f"power({name})", draws["power"], promised, f"{lifted}; baseline: as planned"),
        _standard_error(name, draws),
    ]
    if by:
        note = f"of {len(part.population.strata)} groups, adjusted by {config.adjust}"
        family = _share(f"false_positives({name},any_group)", draws["any_group"], alpha, note)
        rows.insert(3, dataclasses.replace(family, slice=by))
    return [dataclasses.replace(row, system=treatment) for row in rows]


def _share(metric: str, hits: Floats, nominal: float | None, note: str = "") -> ComparisonRow:
    """Share of the splits in which something happened, beside what it should be."""
    defined = hits[~np.isnan(hits)]
    missing = len(hits) - len(defined)
    if not len(defined):
        return ComparisonRow(
            metric=metric, n_undefined=missing, note=note or "undefined in every split"
        )
    value = float(defined.mean())
    low, high = wilson(value, len(defined))
    return ComparisonRow(
        metric=metric,
        value=value,
        ci_low=low,
        ci_high=high,
        n=len(defined),
        n_undefined=missing,
        baseline=nominal,
        difference=None if nominal is None else value - nominal,
        note=note,
    )


def _wrong(share: float | None, alpha: float) -> str:
    if share is None:
        return "undefined in every split"
    if share <= (1 + TOLERANCE) * alpha:
        return "for comparison: a z-test over sessions; users have few sessions here"
    return f"for comparison: a z-test over sessions would be wrong {100 * share:.0f} % of the time"


def _standard_error(name: str, draws: Mapping[str, Floats]) -> ComparisonRow:
    """Root mean variance over the spread of the estimates: 1 where the variance is right."""
    difference, variance = draws["difference"], draws["variance"]
    defined = ~np.isnan(difference)
    n = int(defined.sum())
    row = ComparisonRow(
        metric=f"standard_error({name})", n=n, n_undefined=len(difference) - n, baseline=1.0
    )
    spread = float(difference[defined].var(ddof=1)) if n > 1 else 0.0
    if not spread > 0:
        return dataclasses.replace(row, note="the estimates do not vary")
    value = math.sqrt(float(variance[defined].mean()) / spread)
    half = 1.96 / math.sqrt(2 * (n - 1))
    return dataclasses.replace(
        row,
        value=value,
        ci_low=value * (1 - half),
        ci_high=value * (1 + half),
        difference=value - 1,
        note="standard error that analyze states ÷ spread of its estimates",
    )
