"""`gradewise experiment analyze`: what an A/B test says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.evaluation.shared import GATE
from app.commands.experiment.inputs import Log
from app.commands.experiment.options import (
    AdjustOption,
    AlphaOption,
    BeforeSuffixOption,
    ByOption,
    ConnectOption,
    ContaminatedOption,
    ControlOption,
    CupedOption,
    DuplicatesOption,
    EndOption,
    ExperimentOption,
    ExposedAtOption,
    FailOnOption,
    GuardrailOption,
    MemoryOption,
    MetricOption,
    MinLiftOption,
    MinUsersOption,
    OnGroupFellOption,
    OnGuardrailBrokenOption,
    OnGuardrailUnclearOption,
    OutcomeOption,
    PerUserOption,
    PlannedUsersOption,
    SequentialOption,
    SessionOption,
    SplitOption,
    SrmAlphaOption,
    StartedAtOption,
    StartOption,
    TableOption,
    TightestAtOption,
    UnitOption,
    VariantOption,
    Verdict,
    experiment_config,
)
from app.commands.experiment.output import print_experiment
from app.output import (
    Format,
    FormatOption,
    OverwriteOption,
    emit,
    notes,
    progress_bar,
    refuse_to_overwrite,
)

if TYPE_CHECKING:
    from evaluation.experiment.config import ExperimentConfig
    from evaluation.sessions import SessionMoments
    from relevance.results import Results

COMMAND = "gradewise experiment analyze"
TABLE = "results-experiment"
"""The table of a workspace that the dashboard and the report show."""


def analyze(
    sessions: Annotated[
        Path | None,
        typer.Argument(help="Session log: CSV, JSON Lines, Parquet, or a folder of Parquet."),
    ] = None,
    *,
    unit: UnitOption = None,
    variant: VariantOption = None,
    control: ControlOption = None,
    outcome: OutcomeOption = None,
    metrics: MetricOption = None,
    guardrails: GuardrailOption = None,
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
    contaminated: ContaminatedOption = None,
    duplicates: DuplicatesOption = None,
    cuped: CupedOption = None,
    adjust: AdjustOption = None,
    sequential: SequentialOption = None,
    planned_users: PlannedUsersOption = None,
    tightest_at: TightestAtOption = None,
    min_users: MinUsersOption = None,
    min_lift: MinLiftOption = None,
    on_group_fell: OnGroupFellOption = None,
    on_guardrail_broken: OnGuardrailBrokenOption = None,
    on_guardrail_unclear: OnGuardrailUnclearOption = None,
    moments: Annotated[
        bool, typer.Option("--moments", help="SESSIONS holds moments, as `sql` makes them.")
    ] = False,
    connect: ConnectOption = None,
    table: TableOption = None,
    memory: MemoryOption = None,
    save_moments: Annotated[
        Path | None, typer.Option("--save-moments", help="Parquet or CSV file for the moments.")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Workspace for the result: dashboard and report show it."),
    ] = None,
    overwrite: OverwriteOption = False,
    fail_on: FailOnOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Did it improve, where, and may we ship?

    gradewise experiment analyze sessions.parquet --by country --guardrail "mean(sessions) >= -1%"

    The first row is the primary: treatment against control over all users, weighted to one mix of
    countries, with CUPED where there are pre-period sessions. Variances are over users, never over
    sessions. A broken sample ratio makes the verdict invalid. Every option may stand in
    gradewise.toml, in the section experiment.
    """
    config = experiment_config(
        unit=unit, variant=variant, control=control, outcome=outcome, metrics=metrics,
        guardrails=guardrails, by=by, session=session, started_at=started_at,
        exposed_at=exposed_at, experiment=experiment, start=start, end=end, per_user=per_user,
        before_suffix=before_suffix, split=split, alpha=alpha, srm_alpha=srm_alpha,
        contaminated=contaminated, duplicates=duplicates, cuped=cuped, adjust=adjust,
        sequential=sequential,
        planned_users=planned_users, tightest_at=tightest_at, min_users=min_users,
        min_lift=min_lift, on_group_fell=on_group_fell, on_guardrail_broken=on_guardrail_broken,
        on_guardrail_unclear=on_guardrail_unclear,
    )  # fmt: skip
    log = Log(sessions, moments=moments, connect=connect, table=table, memory=memory)
    files = _Files(save_moments, save)
    files.check(overwrite=overwrite)
    results = _analyzed(log, config, files)
    if form is Format.TEXT:
        print_experiment(
            results,
            control=config.control,
            adjust=config.adjust,
            planned_users=config.planned_users,
        )
    else:
        emit(results, form)
    check_verdicts(results, fail_on or ())


def check_verdicts(results: Results, words: Iterable[Verdict]) -> None:
    """Exits with 3 if a verdict is one of these."""
    found = [row.note.partition(": ")[0] for row in results if row.metric == "verdict"]
    if any(word.value in found for word in words):
        raise typer.Exit(GATE)


@dataclasses.dataclass(frozen=True, slots=True)
class _Files:
    """What is written beside the printed result."""

    moments: Path | None
    workspace: Path | None

    def check(self, *, overwrite: bool) -> None:
        """Raises InputError if something is there already, before any work is done."""
        if self.moments is not None:
            refuse_to_overwrite(self.moments, overwrite)
        if self.workspace is not None:
            refuse_to_overwrite(self.workspace / f"{TABLE}.parquet", overwrite)

    def save_moments(self, moments: SessionMoments, config: ExperimentConfig) -> None:
        if self.moments is None:
            return
        from evaluation.sessions.saved import write_moments

        write_moments(moments, self.moments, config.log)
        notes.print(f"{moments.cells.height:,} cells of moments → {self.moments}", highlight=False)

    def save_results(self, results: Results, config: ExperimentConfig, log: Log) -> None:
        if self.workspace is None:
            return
        from relevance.workspace import Workspace

        path = Workspace(self.workspace).write(
            TABLE,
            results.to_frame(),
            command=COMMAND,
            inputs=log.hashes(),
            config=_settings(config),
        )
        notes.print(f"{len(results):,} rows → {path}", highlight=False)


def _analyzed(log: Log, config: ExperimentConfig, files: _Files) -> Results:
    from evaluation.experiment import analyze_moments

    sources = log.sources()
    with progress_bar("reading the log") as progress:
        moments = log.read(config, progress)
    files.save_moments(moments, config)
    results = analyze_moments(moments, config).sourced(log.told(sources))
    files.save_results(results, config, log)
    return results


def _settings(config: ExperimentConfig) -> dict[str, Any]:
    """The configuration as JSON has it; `level` is what pages say of the intervals."""
    values = dataclasses.asdict(config)
    times = {name: values[name] and values[name].isoformat() for name in ("start", "end")}
    return {**values, **times, "level": 1 - config.alpha}
