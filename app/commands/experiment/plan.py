"""`gradewise experiment plan`: how many users and days find a lift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.experiment.comparisons import print_title
from app.commands.experiment.fitting import Column, print_fitted
from app.commands.experiment.inputs import Log
from app.commands.experiment.options import (
    AlphaOption,
    ByOption,
    ControlOption,
    CupedOption,
    DuplicatesOption,
    ExperimentOption,
    ExposedAtOption,
    MetricOption,
    OutcomeOption,
    SessionOption,
    SplitOption,
    StartedAtOption,
    UnitOption,
    experiment_config,
)
from app.output import Format, FormatOption, emit, progress_bar
from relevance.errors import SettingsError
from relevance.results import ExperimentRow, Results, show

if TYPE_CHECKING:
    from evaluation.experiment.planner import Target

_HINT = (
    "Beyond the log only the users are taken to grow; a longer log, or fewer days --before, "
    "shows more."
)

BeforeOption = Annotated[
    int | None,
    typer.Option(
        "--before", min=0, help="First days of the log that are pre-period (default: half)."
    ),
]


def plan(
    sessions: Annotated[
        Path, typer.Argument(help="Log of ordinary days: CSV, JSON Lines, Parquet, or a folder.")
    ],
    *,
    min_lift: Annotated[
        str | None,
        typer.Option("--min-lift", metavar="SHARE", help="Relative lift to find: 1%, or .01."),
    ] = None,
    min_difference: Annotated[
        float | None,
        typer.Option("--min-difference", help="Or the lift to find in the outcome's units: .004."),
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="What can so many days find?")
    ] = None,
    power: Annotated[float, typer.Option("--power", help="Chance to find the lift.")] = 0.8,
    traffic: Annotated[
        str | None,
        typer.Option(
            "--traffic", metavar="SHARE", help="Share of the users who take part: 20%, or .2."
        ),
    ] = None,
    before: BeforeOption = None,
    unit: UnitOption = None,
    control: ControlOption = None,
    outcome: OutcomeOption = None,
    metrics: MetricOption = None,
    by: ByOption = None,
    session: SessionOption = None,
    started_at: StartedAtOption = None,
    exposed_at: ExposedAtOption = None,
    experiment: ExperimentOption = None,
    split: SplitOption = None,
    alpha: AlphaOption = None,
    duplicates: DuplicatesOption = None,
    cuped: CupedOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """How many users and days does a lift take?

    gradewise experiment plan sessions.parquet --min-lift 1% --by country

    The log's first days are taken as the pre-period, the next ones as experiments of 1, 2, … days
    whose users are split on paper. Variances over users, strata and CUPED are those of `analyze`.
    Beyond the log, users grow as they did and vary as on its last day, which makes plans cautious.
    """
    from evaluation.experiment.plan import plan as run
    from evaluation.experiment.planner import Target

    config = experiment_config(
        unit=unit, control=control, outcome=outcome, metrics=metrics, by=by, session=session,
        started_at=started_at, exposed_at=exposed_at, experiment=experiment, split=split,
        alpha=alpha, duplicates=duplicates, cuped=cuped,
    )  # fmt: skip
    lift = share("--min-lift", min_lift)
    if lift is None and min_difference is None:
        lift = config.min_lift or None
    part = share("--traffic", traffic)
    target = Target(
        min_lift=lift,
        min_difference=min_difference,
        days=days,
        power=power,
        before=before,
        traffic=1.0 if part is None else part,
    )
    log = Log(sessions)
    sources = log.sources()
    with progress_bar("planning") as progress:
        results = run(sessions, config, target, progress=progress)
    results = results.sourced(log.told(sources))
    if form is Format.TEXT:
        print_plan(results, target, alpha=config.alpha)
    else:
        emit(results, form)


def share(option: str, text: str | None) -> float | None:
    """`1%` or `.01` → 0.01.

    Raises:
        SettingsError: It is no number.
    """
    if text is None:
        return None
    try:
        return float(text.rstrip("% ")) / (100 if text.rstrip().endswith("%") else 1)
    except ValueError:
        raise SettingsError(f"{option} must be a share, got {text!r}. Write 1% or .01") from None


def print_plan(results: Results, target: Target, *, alpha: float) -> None:
    """Prints the rows of `plan` for people: the answer, each group, the curve by days."""
    rows = [row for row in results if isinstance(row, ExperimentRow)]
    names = [row.metric[4:-1] for row in rows if row.metric.startswith("mde(")]
    for name in dict.fromkeys(n for n in names if not n.endswith(",unadjusted")):
        typer.echo(_answer(rows, name, target, alpha))
        _print_places(rows, name, target)
        _print_curve(rows, name)
        typer.echo()
    print_origin(results)


def print_origin(results: Results) -> None:
    """Prints what the figures rest on and are made from, each once."""
    said = [text for row in results for text in (row.definition, row.source)]
    for text in filter(None, dict.fromkeys(said)):
        typer.echo(typer.style(text, dim=True))


def _find(
    rows: Sequence[ExperimentRow], what: str, place: tuple[str, str] = ("all", "all")
) -> ExperimentRow | None:
    return next((r for r in rows if r.metric == what and (r.slice, r.group) == place), None)


def _answer(rows: Sequence[ExperimentRow], name: str, target: Target, alpha: float) -> str:
    """The plan in one sentence."""
    test = f"{100 * target.power:g} % power (two-sided test at {100 * alpha:g} %)"
    found, plain = (_find(rows, f"days({name}{rest})") for rest in ("", ",unadjusted"))
    mde = _find(rows, f"mde({name})")
    sentence = ""
    if found is not None:
        wanted = f"To see a lift of {_lift(found, target)} in {name} with {test}: "
        if found.value is None:
            sentence = f"{wanted}{found.note}. {_HINT}"
        else:
            sentence = f"{wanted}{_days(found)}, {found.n:,} users{_doubt(found)}"
            sentence += f"; without strata and CUPED {_days(plain)}." if plain else "."
            sentence += _whole_weeks(found.value)
    if mde is None or (found is not None and found.value is not None and target.days is None):
        return sentence
    length = mde.note.partition(";")[0]
    seen = f"{length} and {mde.n:,} users find a lift of {_relative(mde.value)} in {name} "
    seen += f"with {test}{_doubt(mde)}."
    return f"{sentence}\n{seen}" if sentence else seen


def _whole_weeks(days: float) -> str:
    """A hint where the days are no whole weeks: weekdays and weekends may differ."""
    weeks = math.ceil(days / 7)
    return "" if days == 7 * weeks else f" Whole weeks are safer: {7 * weeks} days."


def _lift(row: ExperimentRow, target: Target) -> str:
    if target.min_difference is not None:
        return f"{show(row.difference, 'difference')} ({_relative(row.rel_difference)})"
    return _relative(row.rel_difference)


def _relative(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:+.3g} %"


def _days(row: ExperimentRow) -> str:
    if row.value is None:
        return row.note
    return f"{row.value:.0f} day{'' if row.value == 1 else 's'}"


def _doubt(row: ExperimentRow) -> str:
    return " (extrapolated)" if "extrapolated" in row.note else ""


def _print_places(rows: Sequence[ExperimentRow], name: str, target: Target) -> None:
    """Overall and each group alone, after the same number of days."""
    found = [row for row in rows if row.metric == f"mde({name})" and row.slice != "day"]
    if not found:
        return
    places = [(row.slice, row.group) for row in found]

    def values(what: str, rest: str = "") -> list[ExperimentRow | None]:
        return [_find(rows, f"{what}({name}{rest})", place) for place in places]

    print_title(f"{name} after {found[0].note.partition(';')[0]}{_doubt(found[0])}")
    several = len({name for name, _ in places}) > 2
    wanted = "" if not target.wanted else f" to {_lift_of(values('days')[0], target)}"
    columns = [
        Column("slice", [name if several and name != "all" else "" for name, _ in places], 7),
        Column("", [group for _, group in places]),
        Column("users", [show(row.n) for row in found]),
        Column("value", [show(row.baseline) for row in found], 2),
        Column("detectable lift", [_relative(row.value) for row in found]),
        Column("in its units", [show(row.difference, "difference") for row in found], 4),
        Column(
            "unadjusted",
            [_relative(r.value if r else None) for r in values("mde", ",unadjusted")],
            3,
        ),
        Column("CUPED takes away", [_percent(row) for row in values("cuped_gain")], 5),
        Column(f"power{wanted}", [_percent(row) for row in values("power")], 1),
        Column(f"days{wanted}", [_cell(row) for row in values("days")]),
        Column("unadjusted days", [_cell(row) for row in values("days", ",unadjusted")], 6),
    ]
    print_fitted(columns)
    if len(places) > 1:
        typer.echo("each group is planned as if it were tested alone")


def _lift_of(row: ExperimentRow | None, target: Target) -> str:
    if target.min_difference is not None:
        return show(target.min_difference, "difference")
    return _relative(row.rel_difference if row else None)


def _percent(row: ExperimentRow | None) -> str:
    return "—" if row is None or row.value is None else f"{row.value:.1%}"


def _cell(row: ExperimentRow | None) -> str:
    if row is None:
        return "—"
    return f"> {row.note.split()[2]}" if row.value is None else f"{row.value:.0f}{_mark(row)}"


def _mark(row: ExperimentRow) -> str:
    return " *" if "extrapolated" in row.note else ""


def _print_curve(rows: Sequence[ExperimentRow], name: str) -> None:
    """The detectable lift by days; days beyond the log are marked."""
    curve = [row for row in rows if row.metric == f"mde({name})" and row.slice == "day"]
    plain = {
        row.group: row.value
        for row in rows
        if row.metric == f"mde({name},unadjusted)" and row.slice == "day"
    }
    print_title(f"Detectable lift in {name} by days")
    columns = [
        Column("days", [f"{row.group}{_mark(row)}" for row in curve]),
        Column("users", [show(row.n) for row in curve]),
        Column("detectable lift", [_relative(row.value) for row in curve]),
        Column("unadjusted", [_relative(plain.get(row.group)) for row in curve], 1),
    ]
    print_fitted(columns)
    if any("extrapolated" in row.note for row in rows):
        typer.echo("* extrapolated: the log does not reach so far")
