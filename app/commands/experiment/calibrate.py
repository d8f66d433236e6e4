"""`gradewise experiment calibrate`: does `analyze` err as often as it says, on this log?"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.evaluation.shared import GATE
from app.commands.experiment.fitting import Column, print_fitted
from app.commands.experiment.inputs import Log
from app.commands.experiment.options import (
    AdjustOption,
    AlphaOption,
    BeforeSuffixOption,
    ByOption,
    ControlOption,
    CupedOption,
    DuplicatesOption,
    EndOption,
    ExperimentOption,
    ExposedAtOption,
    MetricOption,
    OutcomeOption,
    PerUserOption,
    SessionOption,
    SplitOption,
    SrmAlphaOption,
    StartedAtOption,
    StartOption,
    UnitOption,
    VariantOption,
    experiment_config,
)
from app.commands.experiment.plan import BeforeOption, print_origin, share
from app.output import Format, FormatOption, SeedOption, emit, progress_bar
from relevance.results import ComparisonRow, Results

if TYPE_CHECKING:
    from evaluation.experiment.config import ExperimentConfig

INTERRUPTED = 130
"""Exit code where the work was stopped; what was done so far is printed."""


class Alarm(StrEnum):
    """What makes the command exit with 3."""

    FALSE_POSITIVES = "false-positives"


def calibrate(
    sessions: Annotated[
        Path, typer.Argument(help="Session log: CSV, JSON Lines, Parquet, or a folder of Parquet.")
    ],
    *,
    runs: Annotated[int, typer.Option("--runs", min=100, help="Random splits.")] = 2000,
    lift: Annotated[
        str | None,
        typer.Option(
            "--lift",
            metavar="SHARE",
            help="True lift to inject, 1% or .01 (default: the one found with 80 % power).",
        ),
    ] = None,
    within_control: Annotated[
        bool, typer.Option("--within-control", help="Split the control's users only.")
    ] = False,
    before: BeforeOption = None,
    unit: UnitOption = None,
    variant: VariantOption = None,
    control: ControlOption = None,
    outcome: OutcomeOption = None,
    metrics: MetricOption = None,
    by: ByOption = None,
    session: SessionOption = None,
    started_at: StartedAtOption = None,
    exposed_at: ExposedAtOption = None,
    experiment: ExperimentOption = None,
    start: StartOption = None,
    end: EndOption = None,
    per_user: PerUserOption = None,
    before_suffix: BeforeSuffixOption = None,
    split: SplitOption = None,
    alpha: AlphaOption = None,
    srm_alpha: SrmAlphaOption = None,
    adjust: AdjustOption = None,
    duplicates: DuplicatesOption = None,
    cuped: CupedOption = None,
    seed: SeedOption = 0,
    fail_on: Annotated[
        list[Alarm] | None,
        typer.Option(
            "--fail-on", help="Exit with 3 if the A/A false-positive rate is not alpha ± 30 %."
        ),
    ] = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Does `analyze` err as often as it says, on this log?

    gradewise experiment calibrate sessions.parquet --by country --runs 2000

    The log's users are split at random again and again, and each split is analysed as `analyze`
    does it: without any effect (false positives), then with a lift put into the treated users'
    outcomes (power, coverage). The real variants are ignored; a log without variants is cut into
    pre-period and experiment (--before). Interrupted, it reports the splits done so far.
    """
    from evaluation.experiment.calibrate import calibrate as run
    from evaluation.experiment.calibration_rows import outside

    config = experiment_config(
        unit=unit, variant=variant, control=control, outcome=outcome, metrics=metrics, by=by,
        session=session, started_at=started_at, exposed_at=exposed_at, experiment=experiment,
        start=start, end=end, per_user=per_user, before_suffix=before_suffix, split=split,
        alpha=alpha, srm_alpha=srm_alpha, adjust=adjust, duplicates=duplicates, cuped=cuped,
    )  # fmt: skip
    log = Log(sessions)
    sources = log.sources()
    with progress_bar("splitting") as progress:
        results = run(
            sessions,
            config,
            runs=runs,
            lift=share("--lift", lift),
            seed=seed,
            within_control=within_control,
            before=before,
            progress=progress,
        )
    results = results.sourced(log.told(sources))
    wrong = outside(results, config)
    if form is Format.TEXT:
        print_calibration(results, config, wrong)
    else:
        emit(results, form)
    if results.find("interrupted"):
        raise typer.Exit(INTERRUPTED)
    if fail_on and wrong:
        raise typer.Exit(GATE)


def print_calibration(
    results: Results, config: ExperimentConfig, wrong: Sequence[ComparisonRow]
) -> None:
    """Prints the rows of `calibrate` for people: the answer, then every figure."""
    rows = [row for row in results if isinstance(row, ComparisonRow)]
    for outcome in (config.primary, *config.secondary):
        for row in rows:
            if row.metric == f"false_positives({outcome.name})":
                typer.echo(_answer(row, outcome.name, config.alpha, row in wrong))
            if row.metric == f"false_positives({outcome.name},session_z_test)":
                typer.echo(f"{_for(row)}{outcome.name}: {row.note}.")
    typer.echo()
    several = len({row.system for row in rows if row.system}) > 1
    shown = [row for row in rows if row.value is not None]
    columns = [
        Column("figure", [row.metric for row in shown]),
        Column("treatment", [row.system if several else "" for row in shown], 2),
        Column("value", [_figure(row, row.value) for row in shown]),
        Column("95 % interval", [_interval(row) for row in shown], 1),
        Column("should be", [_figure(row, row.baseline) for row in shown]),
        Column(
            "undefined", [f"{row.n_undefined:,}" if row.n_undefined else "" for row in shown], 4
        ),
        Column("note", [row.note for row in shown], 3),
    ]
    print_fitted(columns)
    for row in rows:
        if row.value is None:
            typer.echo(row.note if row.metric == "interrupted" else f"{row.metric}: {row.note}")
    print_origin(results)


def _for(row: ComparisonRow) -> str:
    return "" if row.system in ("", "treatment") else f"{row.system}, "


def _answer(row: ComparisonRow, name: str, alpha: float, wrong: bool) -> str:
    if row.value is None:
        return f"{_for(row)}{name}: {row.note}."
    word = "NOT as it should be" if wrong else "as it should be"
    styled = typer.style(word, fg="red" if wrong else "green", bold=True)
    return (
        f"{_for(row)}{name}: without any effect {row.value:.1%} of {row.n:,} splits are "
        f"significant at {alpha:.3g}: {styled}."
    )


def _figure(row: ComparisonRow, value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value:.3f}" if row.metric.startswith("standard_error") else f"{value:.2%}"


def _interval(row: ComparisonRow) -> str:
    if row.ci_low is None or row.ci_high is None:
        return "—"
    return f"{_figure(row, row.ci_low)} to {_figure(row, row.ci_high)}"
