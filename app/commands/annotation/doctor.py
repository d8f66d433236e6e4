"""`gradewise annotation doctor`: what is wrong between a workspace and its Label Studio."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.annotation.options import DEFAULT_WORKSPACE, ServerOption, WorkspaceOption, show
from app.output import Format, FormatOption, notes, progress_bar


def doctor(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    server: ServerOption = None,
    image_host: Annotated[
        list[str] | None,
        typer.Option(help="A host that annotators' browsers may load https pictures from."),
    ] = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Looks at server, token, projects, tasks and files; says what is wrong and the way out.

    Changes nothing. Exit code 3 if something fails:

        gradewise annotation doctor --workspace demo
    """
    import dataclasses

    from annotation.doctor import FAIL, STATES, examine

    hosts = frozenset(image_host or [])
    with progress_bar("doctor") as progress:
        checks = examine(workspace, server=server, image_hosts=hosts, progress=progress)
    if form is Format.TEXT:
        width = max(len(one.name) for one in checks)
        for one in checks:
            way_out = f" → {one.way_out}" if one.way_out else ""
            typer.echo(f"{one.state:<4}  {one.name:<{width}}  {one.found}{way_out}")
    else:
        show([dataclasses.asdict(one) for one in checks], form)
    counts = {state: sum(one.state == state for one in checks) for state in STATES}
    notes.print(", ".join(f"{n} {state}" for state, n in counts.items()))
    if counts[FAIL]:
        raise typer.Exit(3)
