"""From the users of the log to those analysed: what was left out on the way, and why."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from app.commands.experiment.fitting import Column, print_fitted
from relevance.results import ExperimentRow


def print_funnel(rows: Sequence[ExperimentRow]) -> None:
    """Prints the counts of `analyze`: the log, what was left out of it, what is analysed, kept."""
    counts = [row for row in rows if row.role == "count"]
    lines = _lines(counts)
    if lines:
        typer.echo(typer.style("From the log to the analysis", bold=True))
        names, users, sessions, shares, why = zip(*lines, strict=True)
        print_fitted(
            [
                Column("", names),
                Column("users", users),
                Column("sessions", sessions),
                Column("share", shares, 1),
                Column("", why, 2),
            ]
        )
    for row in counts:
        if row.metric == "outcome":
            typer.echo(f"{'outcome' if row.group == 'all' else row.group}: {row.note}")


Line = tuple[str, str, str, str, str]


def _lines(counts: Sequence[ExperimentRow]) -> list[Line]:
    """The log, users and sessions left out, those analysed, what was kept; zeros are not said."""

    def of(start: str) -> list[ExperimentRow]:
        told = (row for row in counts if row.metric.startswith(start))
        return [row for row in told if row.n or row.n_sessions or _skipped(row)]

    return [
        *(_line(row, "in the log") for row in of("log")),
        *(_line(row, f"- {_name(row)}") for row in of("excluded(")),
        *(_line(row, "= analysed") for row in of("analysed")),
        *(_line(row, f"  {_name(row)}") for row in of("kept(")),
    ]


def _line(row: ExperimentRow, name: str) -> Line:
    share = "" if row.value is None else f"{row.value:.2%}"
    if row.value and share == "0.00%":
        share = "<0.01%"
    sessions = f"{row.n_sessions:,}" if row.n_sessions else ""
    if _skipped(row):
        sessions, share = "?", ""
    return name, f"{row.n:,}" if row.n else "", sessions, share, row.note


def _name(row: ExperimentRow) -> str:
    """`missing outcome` of `excluded(missing_outcome)`, with the outcome if it is not the first."""
    name = row.metric.partition("(")[2].removesuffix(")").replace("_", " ")
    return name if row.group == "all" else f"{name} ({row.group})"


def _skipped(row: ExperimentRow) -> bool:
    """Whether nobody counted."""
    return row.note.startswith("not looked for")
