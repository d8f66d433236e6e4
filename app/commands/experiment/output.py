"""What `gradewise experiment analyze` prints for people: a report from the rows, in their order."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from app.commands.experiment.comparisons import (
    interval,
    intervals,
    lift,
    of_role,
    print_guardrails,
    print_lifts,
    print_outcomes,
    print_title,
)
from app.commands.experiment.fitting import Column, print_fitted
from app.commands.experiment.funnel import print_funnel
from app.output import footer
from relevance.results import ExperimentRow, Results, show

LAST_LOOKS = 7
"""Looks that are printed; `--format csv` has all."""

_COLOURS = {"ship": "green", "hold": "yellow", "not yet": "yellow"}


def print_experiment(
    results: Results,
    *,
    control: str = "control",
    adjust: str = "holm",
    planned_users: int | None = None,
) -> None:
    """Prints a report: verdict, lifts, other outcomes, looks, sample ratio, what was left out.

    Args:
        results: Rows of `analyze`.
        control: Name of the control.
        adjust: How groups were adjusted as a family: `holm` or `bh`.
        planned_users: Users of both arms that were planned for.
    """
    rows = [row for row in results if isinstance(row, ExperimentRow)]
    treatments = list(dict.fromkeys(row.system for row in rows if row.system))
    for treatment in treatments:
        mine = [row for row in rows if row.system == treatment]
        word = _print_verdict(mine, treatment if len(treatments) > 1 else "")
        against = f"{treatment} against {control}"
        print_lifts(mine, against, adjust, invalid=word == "invalid")
        print_outcomes(mine, invalid=word == "invalid")
        print_guardrails(mine)
        _print_looks(mine, planned_users)
        _print_ratio(mine, invalid=word == "invalid")
        typer.echo()
    print_funnel(rows)
    for line in footer(results):
        typer.echo(typer.style(line, dim=True))


def _print_verdict(rows: Sequence[ExperimentRow], treatment: str) -> str:
    """Prints the verdict in one sentence; returns its word."""
    note = next(row.note for row in rows if row.role == "verdict")
    word, _, reason = note.partition(": ")
    styled = typer.style(word.upper(), fg=_COLOURS.get(word, "red"), bold=True)
    of = f" ({treatment})" if treatment else ""
    typer.echo(f"{styled}{of}: {reason}.")
    return word


def _print_looks(rows: Sequence[ExperimentRow], planned_users: int | None) -> None:
    """The last looks: always valid beside the fixed horizon, and how far the plan is."""
    looks = of_role(rows, "look")
    if not looks:
        return
    last = looks[-LAST_LOOKS:]
    shown = f"the last {len(last)} of {len(looks)} days" if len(last) < len(looks) else "by day"
    print_title(f"Looks, {shown}")
    sequence = [interval(r.rel_sequence_ci_low, r.rel_sequence_ci_high) for r in last]
    columns = [
        Column("up to", [row.group for row in last]),
        Column("users", [show(row.n) for row in last], 4),
        Column("lift", [lift(row) for row in last]),
        Column("always-valid interval", sequence),
        Column("always-valid p", [show(row.p_always_valid, "p_") for row in last], 1),
        Column("fixed-horizon interval", intervals(last), 3),
        Column("fixed-horizon p", [show(row.p_value, "p_") for row in last], 2),
    ]
    print_fitted(columns)
    typer.echo("always-valid figures hold however often one looks; fixed-horizon ones hold once")
    if planned_users:
        users = looks[-1].n
        missing = f"{planned_users - users:,} to go" if users < planned_users else "reached"
        typer.echo(f"planned: {users:,} of {planned_users:,} users ({missing})")


def _print_ratio(rows: Sequence[ExperimentRow], *, invalid: bool) -> None:
    """The gate: overall, and every group and day where the split is broken."""
    splits = of_role(rows, "sample_ratio")
    if not splits:
        return
    overall, inside = splits[0], [row for row in splits[1:] if row.note.startswith("broken")]
    print_title("Sample ratio")
    broken = typer.style("BROKEN, see the verdict", fg="red", bold=True)
    typer.echo(
        f"{_share(overall.value)} of {overall.n:,} users in {overall.system}, intended "
        f"{_share(overall.baseline)}, p {show(overall.p_value, 'p_')} - "
        f"{broken if invalid else f'as intended{_checked(splits)}'}"
    )
    if inside:
        columns = [
            Column("broken in", [f"{row.slice} {row.group}" for row in inside]),
            Column("users", [show(row.n) for row in inside], 2),
            Column("share", [_share(row.value) for row in inside]),
            Column("intended", [_share(row.baseline) for row in inside], 1),
            Column("p (Holm)", [show(row.p_adjusted, "p_") for row in inside]),
        ]
        print_fitted(columns)


def _checked(splits: Sequence[ExperimentRow]) -> str:
    """`, as are its parts (4 by country, 14 by day)`: what else was checked."""
    tested = [row.slice for row in splits if row.slice != "all" and row.p_value is not None]
    counts = [f"{tested.count(name)} by {name}" for name in dict.fromkeys(tested)]
    return f", as are its parts ({', '.join(counts)})" if counts else ""


def _share(value: float | None) -> str:
    return "—" if value is None else f"{value:.2%}"
