"""How many users and days an experiment takes to find a lift, from a log of ordinary days.

The log's first days are taken as pre-period and the next ones as experiments of 1, 2, … days
(`horizons`). Their users are split on paper and go through what `analyze` does (`power`), so days,
users and power rest on this log's own variance between users, strata and pre-period. Beyond the
log's days users grow as they did and vary as on its last day: such rows say `extrapolated`.

| metric | value | n |
|---|---|---|
| `days(o)` | fewest days that find the wanted lift | users by then |
| `days(o,unadjusted)` | the same without strata and CUPED | users by then |
| `mde(o)` | lift that so many days find; `difference` = in the outcome's units | users |
| `mde(o,unadjusted)` | the same without strata and CUPED | users |
| `power(o)` | chance to find the wanted lift in so many days | users |
| `cuped_gain(o)` | share of the variance that the pre-period takes away | users |

Rows: overall, then each group of each `by` as if it were the only one (slice: the column), then the
curve: `mde(o)` and `mde(o,unadjusted)` by days (slice `day`, group = days). `baseline` is the
outcome's value, `rel_difference` the lift, `difference` the same in the outcome's units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from evaluation.experiment.calibration_inputs import shares_of
from evaluation.experiment.config import ExperimentConfig
from evaluation.experiment.effects import counts_successes
from evaluation.experiment.horizons import Cut, Growth, growth, moments_by_day, pseudo_users
from evaluation.experiment.planner import Horizons, Planner, Target
from evaluation.experiment.power import Population
from evaluation.moments import Moments
from evaluation.outcomes import Outcome
from evaluation.sessions.daily import user_days
from relevance.progress import Progress, silent
from relevance.results import ExperimentRow, Results


def plan(
    sessions: pl.DataFrame | str | Path,
    config: ExperimentConfig | None = None,
    target: Target | None = None,
    *,
    progress: Progress = silent,
) -> Results:
    """Plans from a session log of ordinary days; see the module.

    Args:
        sessions: A frame, a CSV, JSON Lines or Parquet file, or a folder of Parquet files.
        config: Columns, outcomes (the primary and the secondary ones), split, level, CUPED.
        target: Lift or days, power.
        progress: Told how far reading is, then of every outcome.

    Raises:
        MissingInputError: The file is not there.
        TableError: A column is missing, of the wrong kind, or there is no time.
        InputError: The log has too few days.
        SettingsError: The split or the target cannot be.
    """
    config, target = config or ExperimentConfig(), target or Target()
    outcomes = (config.primary, *config.secondary)
    found = user_days(
        sessions, dataclasses.replace(config.log, outcomes=outcomes), progress=progress
    )
    whole = dataclasses.replace(target, traffic=target.traffic / found.share)
    results = plan_days(found.days, outcomes, config, whole, by=found.by, progress=progress)
    if found.share == 1:
        return results
    note = f"; a random {100 * found.share:.3g} % of the users stand for all"
    told = (dataclasses.replace(row, definition=row.definition + note) for row in results)
    return Results(tuple(told))


def plan_days(
    days: pl.DataFrame,
    outcomes: Sequence[Outcome],
    config: ExperimentConfig | None = None,
    target: Target | None = None,
    *,
    by: Sequence[str] = (),
    progress: Progress = silent,
) -> Results:
    """Plans from one row a user × day; see the module.

    Args:
        days: unit, day, group_0, …, sessions, o{i}_x, o{i}_y.
        outcomes: Which outcome o0, o1, … is; each is planned for.
        config: Split, level, CUPED. With several treatments the one with the fewest users counts,
            at α ÷ their number.
        target: Lift or days, power.
        by: Names of the columns of group_0, …; the first is stratified by.
        progress: Told of every outcome.

    Raises:
        InputError: The log has too few days.
        SettingsError: The target cannot be.
    """
    config, target = config or ExperimentConfig(), target or Target()
    cut = Cut.of(days["day"], target.before)
    grown = growth(days, cut)
    users = pseudo_users(days, outcomes, cut)
    rows: list[ExperimentRow] = []
    for i, outcome in enumerate(outcomes):
        progress(i, len(outcomes), outcome.name)
        columns: list[str | None] = [f"group_{k}" for k in range(len(by))]
        columns = columns or [None]
        tables = [moments_by_day(days, outcomes, i, cut, column) for column in columns]
        flips = outcome.kind != "user" and counts_successes(
            users[f"o{i}_x"].to_numpy(), users[f"o{i}_y"].to_numpy()
        )
        rows += _outcome_rows(
            outcome, tables, by, flips=flips, grown=grown, config=config, target=target
        )
    progress(len(outcomes), len(outcomes))
    before = f"{cut.before} days before" if cut.before else "no pre-period"
    definition = f"from {cut.first} to {cut.last}: {before}, {cut.days} as an experiment"
    return Results(tuple(dataclasses.replace(row, definition=definition) for row in rows))


def _outcome_rows(
    outcome: Outcome,
    tables: Sequence[Sequence[Mapping[str, Moments]]],
    by: Sequence[str],
    *,
    flips: bool,
    grown: Growth,
    config: ExperimentConfig,
    target: Target,
) -> list[ExperimentRow]:
    control, *_ = split = shares_of(config)
    treatments = {name: share for name, share in split.items() if name != control}
    smallest = min(treatments, key=lambda name: treatments[name])
    shape = Population({}, flips, (split[smallest], split[control]), config.cuped)
    alpha = config.alpha / len(treatments)
    whole = Horizons(tables[0], grown, shape, target.traffic)
    planner = Planner(outcome.name, smallest, alpha, config.alpha, target)
    length = planner.length(whole)
    rows = planner.place_rows(whole, length, ("all", "all"))
    for name, table in zip(by, tables, strict=False):
        horizons = dataclasses.replace(whole, observed=table)
        groups = sorted({group for moments in table for group in moments})
        for group in groups if len(groups) > 1 else ():
            rows += planner.place_rows(horizons.only(group), length, (name, group))
    return rows + planner.curve(whole, length)
