"""`gradewise experiment`: what an A/B test says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.output import Format, FormatOption, emit, print_table
from relevance.results import ExperimentRow, Results, show

app = typer.Typer(help="Analyse an A/B test from its session log.", no_args_is_help=True)


class Contaminated(StrEnum):
    """What to do with users seen in two variants."""

    DROP = "drop"
    ERROR = "error"


class Verdict(StrEnum):
    """The words of a verdict."""

    SHIP = "ship"
    HOLD = "hold"
    STOP = "stop"
    INVALID = "invalid"
    NOT_YET = "not yet"


@app.callback()
def main() -> None:
    """Analyse an A/B test from its session log."""


@app.command()
def analyze(
    sessions: Annotated[
        Path, typer.Argument(help="Session log: CSV, JSON Lines, Parquet, or a folder of Parquet.")
    ],
    *,
    unit: Annotated[str, typer.Option(help="Column of what was randomised: the user.")] = "unit_id",
    variant: Annotated[str, typer.Option(help="Column of the variant.")] = "variant",
    control: Annotated[str, typer.Option(help="Name of the control.")] = "control",
    outcome: Annotated[str, typer.Option(help="Column of the outcome, 1 or 0.")] = "fulfilled",
    by: Annotated[
        str | None, typer.Option(help="Column to split and stratify by (default: country, if any).")
    ] = None,
    session: Annotated[
        str | None, typer.Option(help="Column of the session's identity (default: session_id).")
    ] = None,
    started_at: Annotated[
        str | None, typer.Option(help="Column of the session's start (default: started_at).")
    ] = None,
    exposed_at: Annotated[
        str | None, typer.Option(help="Column of the exposure (default: exposed_at).")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(help="Name of the experiment, if the log holds several.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="Start of the experiment, UTC; earlier sessions are the pre-period "
            " (default: each user's first exposure)."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Intended split, such as control=1,treatment=1 (default: equal shares)."),
    ] = None,
    alpha: Annotated[
        float, typer.Option(help="Significance level; intervals are 1 - alpha.")
    ] = 0.05,
    srm_alpha: Annotated[float, typer.Option(help="Level of the sample-ratio check.")] = 0.001,
    contaminated: Annotated[
        Contaminated, typer.Option(help="What to do with users seen in two variants.")
    ] = Contaminated.DROP,
    cuped: Annotated[
        bool, typer.Option(help="Use pre-period sessions to narrow intervals.")
    ] = True,
    min_users: Annotated[int, typer.Option(help="Users a variant needs for a verdict.")] = 100,
    min_lift: Annotated[
        float, typer.Option(help="Relative lift worth having, such as .01; less is a hold.")
    ] = 0.0,
    fail_on: Annotated[
        list[Verdict] | None, typer.Option(help="Exit with 3 on this verdict; may be repeated.")
    ] = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Did the rate improve, where, and may we ship?

    Example: gradewise experiment analyze sessions.parquet --by country

    The first row is the primary: treatment against control over all users, weighted to one mix of
    countries, with CUPED where there are pre-period sessions. Variances are over users, never over
    sessions. A broken sample ratio makes the verdict invalid.
    """
    from evaluation.experiment import ExperimentConfig
    from evaluation.experiment import analyze as run

    config = ExperimentConfig(
        unit=unit,
        variant=variant,
        control=control,
        outcome=outcome,
        by=by,
        session=session,
        started_at=started_at,
        exposed_at=exposed_at,
        experiment=experiment,
        start=_start(start),
        split=_split(split),
        alpha=alpha,
        srm_alpha=srm_alpha,
        contaminated=contaminated.value,
        cuped=cuped,
        min_users=min_users,
        min_lift=min_lift,
    )
    results = run(sessions, config)
    if form is Format.TEXT:
        print_experiment(results, alpha=alpha)
    else:
        emit(results, form)
    verdicts = [row.note for row in results if row.metric == "verdict"]
    if any(note.startswith(f"{word.value}:") for word in fail_on or [] for note in verdicts):
        raise typer.Exit(3)


def print_experiment(results: Results, *, alpha: float = 0.05) -> None:
    """Prints the rows of `analyze` for people: verdict, lifts, sample ratio, what was left out."""
    rows = [row for row in results if isinstance(row, ExperimentRow)]
    treatments = list(dict.fromkeys(row.system for row in rows if row.system))
    for treatment in treatments:
        mine = [row for row in rows if row.system == treatment]
        typer.echo(_headline(mine, treatment if len(treatments) > 1 else ""))
        typer.echo()
        _print_lifts(mine, alpha)
        typer.echo()
        _print_ratio(mine)
    for row in rows:
        skipped = row.note.startswith("not looked for")
        if row.system or not (row.n or row.n_sessions or skipped):
            continue
        if skipped:
            typer.echo(f"{row.metric}: {row.note}")
            continue
        count = f"{row.n:,} users" if row.n else f"{row.n_sessions:,} sessions"
        share = "" if row.value is None else f" ({row.value:.2%})"
        typer.echo(f"{row.metric}: {count}{share} - {row.note}")
    for row in rows:
        if row.metric == "outcome":
            typer.echo(f"outcome: {row.note}")


def _headline(rows: list[ExperimentRow], treatment: str) -> str:
    note = next(row.note for row in rows if row.metric == "verdict")
    word, reason = note.split(": ", 1)
    colour = {"ship": "green", "hold": "yellow", "not yet": "yellow"}.get(word, "red")
    of = f" ({treatment})" if treatment else ""
    return f"{typer.style(word.upper(), fg=colour, bold=True)}{of}: {reason}."


def _print_lifts(rows: list[ExperimentRow], alpha: float) -> None:
    level = f"{100 * (1 - alpha):g} % interval"
    header = ("", "users", "sessions", "control", "treatment", "lift", level, "p", "p (Holm)")
    cells = []
    for row in rows:
        if row.metric in ("sample_ratio", "verdict", "heterogeneity"):
            continue
        cells.append(
            (
                row.group if row.metric == rows[0].metric else row.metric,
                show(row.n),
                show(row.n_sessions),
                show(row.baseline),
                show(row.value),
                show(row.rel_difference, "rel_"),
                _interval(row),
                show(row.p_value, "p_"),
                show(row.p_adjusted, "p_"),
            )
        )
    print_table(header, cells)
    for row in rows:
        if row.metric == "heterogeneity":
            p = show(row.p_value, "p_")
            typer.echo(f"heterogeneity: I² {row.value or 0:.0%}, p {p} - {row.note}")
    if rows[0].note:
        typer.echo(f"{rows[0].metric}: {rows[0].note}")


def _interval(row: ExperimentRow) -> str:
    low, high = row.rel_difference_ci_low, row.rel_difference_ci_high
    return "—" if low is None or high is None else f"{show(low, 'rel_')} to {show(high, 'rel_')}"


def _print_ratio(rows: list[ExperimentRow]) -> None:
    overall = next(row for row in rows if row.metric == "sample_ratio")
    broken = [r for r in rows if r.metric == "sample_ratio" and r.note == "broken"]
    where = ", ".join(row.group for row in broken)
    share, intended = show(overall.value), show(overall.baseline)
    typer.echo(
        f"sample ratio: {share} of users in {overall.system}, intended {intended}, "
        f"p {show(overall.p_value, 'p_')} - {f'BROKEN ({where})' if broken else 'as intended'}"
    )


def _start(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a time. Write 2025-03-01 or 2025-03-01T08:30:00", param_hint="--start"
        ) from None


def _split(text: str | None) -> Mapping[str, float] | None:
    """`control=1,treatment=1` → weights."""
    if text is None:
        return None
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equals, weight = part.rpartition("=")
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            equals = ""
        if not equals or not math.isfinite(weights.get(name.strip(), math.nan)):
            raise typer.BadParameter(
                f"{part!r} is not NAME=WEIGHT. Write control=1,treatment=1", param_hint="--split"
            )
    return weights
