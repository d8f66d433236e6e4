"""Does `analyze` err as often as it says? Users split at random again and again, with known truth.

The users of a log are split anew thousands of times. Nothing was done to any of them, so every
significant difference is a false positive; then a true lift is put into the treated users'
outcomes, so that power and the coverage of intervals are known too. Each split goes through what
`analyze` does: strata, CUPED, Welch's test, Holm over countries, the sample-ratio gate.

| metric | value | baseline |
|---|---|---|
| `false_positives(o)` | share of splits with p < α and no effect | α |
| `false_positives(o,unadjusted)` | the same without strata and CUPED | α |
| `false_positives(o,session_z_test)` | the same of a z-test over sessions, the usual mistake | α |
| `false_positives(o,any_group)` | some group significant after Holm; slice: its column | α |
| `coverage(o)` | intervals of the difference that hold the true one | 1 - α |
| `coverage(o,relative)` | Fieller's intervals that hold the true lift | 1 - α |
| `power(o)` | splits that find the injected lift | power that `plan` promises |
| `standard_error(o)` | root mean variance ÷ spread of the estimates | 1 |
| `false_alarms(sample_ratio)` | splits whose sample-ratio gate fires | its level |

`o` is the outcome; `n` counts splits, `n_undefined` those without a figure; intervals of shares are
Wilson's. With several treatments, p is Holm's over them, as in `analyze`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from evaluation.experiment.assignments import Block, Sums, split_blocks
from evaluation.experiment.calibration_gate import gate_fires
from evaluation.experiment.calibration_inputs import (
    Subject,
    naive_companion,
    ordered,
    shares_of,
    subjects,
    users_of,
)
from evaluation.experiment.calibration_rows import calibration_rows
from evaluation.experiment.config import ExperimentConfig
from evaluation.experiment.horizons import Cut, pseudo_users
from evaluation.experiment.many import Contrasts, contrasts, large_strata
from evaluation.moments import Floats
from evaluation.multiplicity import adjustment, holm
from evaluation.outcomes import Outcome
from evaluation.sessions import SessionLog, user_frame
from evaluation.sessions.daily import log_columns, user_days
from relevance.errors import InputError, SettingsError
from relevance.progress import Progress, silent
from relevance.results import Results

RUNS = 2000
"""Splits by default: a false-positive rate of 5 % is then known to ± 1 point."""

FEWEST_RUNS = 100
"""Splits below which nothing is reported, also when the work is interrupted."""

Draws = dict[str, Floats]
"""Figure → its value in each split, shape (treatments, splits); NaN where undefined."""


def calibrate(
    sessions: pl.DataFrame | str | Path,
    config: ExperimentConfig | None = None,
    *,
    runs: int = RUNS,
    lift: float | None = None,
    seed: int = 0,
    within_control: bool = False,
    before: int | None = None,
    progress: Progress = silent,
) -> Results:
    """Calibrates on the users of a session log; see the module.

    Users are those that `analyze` would count, whatever their real variant; those seen in two
    variants are left out. A log without variants is cut into days before and an experiment, as
    `plan` does it.

    Args:
        sessions: A frame, a CSV, JSON Lines or Parquet file, or a folder of Parquet files.
        config: Columns, outcomes, split, levels.
        runs: Number of splits. When interrupted, those done so far are reported.
        lift: Relative lift to inject; None for the one that is found with 80 % power.
        seed: Of everything random.
        within_control: Split the users of the control only.
        before: Days of pre-period of a log without variants; None for half of them.
        progress: Told how far reading is, then of every block of splits.

    Raises:
        MissingInputError: The file is not there.
        TableError: A column is missing or holds values of the wrong kind.
        InputError: Too few users, or nothing varies; or there is no control to split within.
        SettingsError: Too few runs, or a lift that cannot be.
    """
    config = config or ExperimentConfig()
    shares_of(config)
    outcomes = outcomes_to_read(config)
    log = dataclasses.replace(config.log, outcomes=outcomes)
    frame = _exposed_users(sessions, log, config, within_control, progress)
    if frame is None:
        found = user_days(sessions, log, progress=progress)
        frame = pseudo_users(found.days, outcomes, Cut.of(found.days["day"], before))
    return calibrate_users(
        frame, outcomes, config, runs=runs, lift=lift, seed=seed, progress=progress
    )


def calibrate_users(
    frame: pl.DataFrame,
    outcomes: Sequence[Outcome],
    config: ExperimentConfig | None = None,
    *,
    runs: int = RUNS,
    lift: float | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Results:
    """Calibrates on users given one by one; see the module.

    Args:
        frame: One row a user: unit, group_0, …, day, sessions, o{i}_x, o{i}_y, o{i}_x0, o{i}_y0.
        outcomes: Which outcome `o0_…`, `o1_…` is; `outcomes_to_read(config)` or more.
        config: Outcomes to calibrate (the primary, the secondary ones), split, levels.
        runs: Number of splits. When interrupted, those done so far are reported.
        lift: Relative lift to inject; None for the one that is found with 80 % power.
        seed: Of everything random.
        progress: Told of every block of splits.

    Raises:
        InputError: Too few users, or nothing varies.
        SettingsError: Too few runs, or a lift that cannot be.
    """
    config = config or ExperimentConfig()
    if runs < FEWEST_RUNS:
        raise SettingsError(f"runs must be at least {FEWEST_RUNS}, got {runs}")
    split = shares_of(config)
    names = list(split)
    smallest = min(list(split.values())[1:])
    frame = ordered(frame)
    parts = subjects(
        frame,
        outcomes,
        (config.primary, *config.secondary),
        shares=(smallest, split[names[0]]),
        cuped=config.cuped,
        alpha=config.alpha / (len(names) - 1),
        lift=lift,
    )
    users = users_of(frame, parts, [outcome.name for outcome in outcomes])
    done: list[tuple[list[Draws], Floats]] = []
    count = 0
    try:
        for block in split_blocks(users, list(split.values()), runs=runs, seed=seed):
            done.append(_figures(block, parts, config, list(split.values())))
            count += len(done[-1][1])
            progress(count, runs)
    except KeyboardInterrupt:
        if count < FEWEST_RUNS:
            raise
    return calibration_rows(
        [(part, _joined([figures[i] for figures, _ in done])) for i, part in enumerate(parts)],
        np.concatenate([gate for _, gate in done]),
        treatments=names[1:],
        by=by_name(config, frame),
        wanted=runs,
        users=users,
        config=config,
    )


def outcomes_to_read(config: ExperimentConfig) -> tuple[Outcome, ...]:
    """The primary and the secondary outcomes, and what their session z-tests need."""
    wanted = (config.primary, *config.secondary)
    further = [companion for outcome in wanted if (companion := naive_companion(outcome))]
    names = {outcome.name: outcome for outcome in (*wanted, *further)}
    return tuple(names.values())


def _exposed_users(
    sessions: pl.DataFrame | str | Path,
    log: SessionLog,
    config: ExperimentConfig,
    within_control: bool,
    progress: Progress,
) -> pl.DataFrame | None:
    """The users that `analyze` would count; None if the log has no variants.

    Raises:
        InputError: Only the control is wanted, and there is none.
    """
    usual = ExperimentConfig().variant
    columns = log_columns(sessions, log)
    if log.variant == usual and usual not in columns and not within_control:
        if not log.per_user:
            return None
        log = dataclasses.replace(log, variant=log.unit)  # everybody is in; who is where is drawn
    users = user_frame(sessions, log, progress=progress)
    exposed = users.filter(pl.col("variant").is_not_null() & ~pl.col("contaminated"))
    if within_control:
        exposed = exposed.filter(pl.col("variant") == config.control)
        if exposed.is_empty():
            names = ", ".join(map(repr, users["variant"].drop_nulls().unique().sort()[:9]))
            raise InputError(
                f"no user is in the variant {config.control!r}, only in {names or 'none'}. "
                "Name the control with --control"
            )
    return None if exposed.is_empty() else exposed


def by_name(config: ExperimentConfig, frame: pl.DataFrame) -> str:
    """Column that the strata come from; empty if there is only one."""
    names = config.log.by or ("country",)
    return names[0] if frame["group_0"].n_unique() > 1 else ""


def _joined(blocks: Sequence[Draws]) -> Draws:
    return {name: np.concatenate([b[name] for b in blocks], axis=1) for name in blocks[0]}


def _figures(
    block: Block, parts: Sequence[Subject], config: ExperimentConfig, shares: Sequence[float]
) -> tuple[list[Draws], Floats]:
    """The figures of every outcome, and whether the sample-ratio gate fires."""
    draws = [_draws(sums, part, config) for sums, part in zip(block.sums, parts, strict=True)]
    return draws, gate_fires(block.counts, shares, config.srm_alpha)


def _draws(sums: Sums, part: Subject, config: ExperimentConfig) -> Draws:
    alpha, level = config.alpha, 1 - config.alpha
    treatments = range(len(sums.treated))
    null = [_primary(sums.treated[t], sums.control, config) for t in treatments]
    lifted = [_primary(sums.lifted[t], sums.control, config) for t in treatments]
    plain = [_whole(sums.treated[t], sums.control) for t in treatments]
    families = [_any_group(sums.treated[t], sums.control, config) for t in treatments]
    naive = [part.naive.p_values(sums.naive[t + 1], sums.naive[0]) for t in treatments]
    truth = part.lift * (part.population.value or 0.0)
    return {
        "primary": _below(_over_treatments([c.p_value for c in null]), alpha),
        "unadjusted": _below(_over_treatments([c.p_value for c in plain]), alpha),
        "session_z_test": _below(_over_treatments(naive), alpha),
        "any_group": np.stack(families),
        "power": _below(_over_treatments([c.p_value for c in lifted]), alpha),
        "coverage": np.stack([_holds(c.interval(level), truth) for c in lifted]),
        "relative": np.stack([_holds(c.rel_interval(level), part.lift) for c in lifted]),
        "difference": np.stack([c.difference for c in null]),
        "variance": np.stack([c.variance for c in null]),
    }


def _primary(treated: Floats, control: Floats, config: ExperimentConfig) -> Contrasts:
    return contrasts(*large_strata(treated, control), cuped=config.cuped)


def _whole(treated: Floats, control: Floats) -> Contrasts:
    """All users as one stratum, without CUPED."""
    arms = (arm.sum(axis=1, keepdims=True) for arm in (treated, control))
    return contrasts(*arms, cuped=False)


def _any_group(treated: Floats, control: Floats, config: ExperimentConfig) -> Floats:
    """(splits,) whether some group is significant, adjusted for their number."""
    splits, strata, width = treated.shape
    arms = (arm.reshape(splits * strata, 1, width) for arm in (treated, control))
    p_values = contrasts(*arms, cuped=config.cuped).p_value.reshape(splits, strata)
    adjust = adjustment(config.adjust)
    fires = np.full(splits, np.nan)
    for i, row in enumerate(p_values):
        defined = row[~np.isnan(row)]
        if len(defined):
            fires[i] = adjust(defined.tolist()).min() < config.alpha
    return fires


def _over_treatments(p_values: Sequence[Floats]) -> Floats:
    """(treatments, splits) p adjusted (Holm) over the treatments that could be compared."""
    table = np.stack(p_values)
    if len(table) == 1:
        return table
    for split in range(table.shape[1]):
        defined = ~np.isnan(table[:, split])
        if defined.any():
            table[defined, split] = holm(table[defined, split].tolist())
    return table


def _below(p_values: Floats, alpha: float) -> Floats:
    return np.where(np.isnan(p_values), np.nan, p_values < alpha)


def _holds(interval: tuple[Floats, Floats], truth: float) -> Floats:
    low, high = interval
    return np.where(np.isnan(low), np.nan, (low <= truth) & (truth <= high))
