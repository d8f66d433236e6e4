"""`gradewise annotation verify`: whether the server holds exactly what was pushed."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import typer

from app.commands.annotation.options import (
    DEFAULT_WORKSPACE,
    ServerOption,
    WorkspaceOption,
    open_desk_of,
    show,
)
from app.output import (
    Format,
    FormatOption,
    notes,
    progress_bar,
)

if TYPE_CHECKING:
    from annotation.sync.verify import Verified

_SHOWN = 20
_LEFTOVERS = 3


def verify(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    server: ServerOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Looks at every task: missing, doubled, changed by hand, not ours; removes surplus copies.

    Exits with 3 if anything is left that a person has to look at:

        gradewise annotation verify --workspace demo
    """
    from annotation.sync.verify import verify as check

    with open_desk_of(workspace, server, []) as desk, progress_bar("verify") as progress:
        verified = check(desk, progress=progress)
    tell_verified(verified, form)


def tell_verified(verified: Verified, form: Format | None) -> None:
    """Prints what a verification found; None: the findings only. Exits with 3 on leftovers."""
    from annotation.sync.verify import WAYS_OUT

    projects = [dataclasses.asdict(one) for one in verified.projects]
    if form is Format.JSON:
        findings = [dataclasses.asdict(one) for one in verified.findings]
        typer.echo(json.dumps({"projects": projects, "findings": findings}, ensure_ascii=False))
    elif form is not None:
        show(projects, form)
    if verified.n_removed:
        notes.print(f"{verified.n_removed:,} doubled tasks that nobody had graded were removed")
    if not verified.n_leftovers:
        notes.print(
            "every pair pushed has exactly one task, as it was pushed"
            if verified.projects
            else "nothing was pushed yet. Push: gradewise annotation push --workspace DIR"
        )
        return
    for finding in verified.findings[:_SHOWN]:
        task = "" if finding.task_id is None else f" task {finding.task_id}"
        pair = "" if finding.query_id is None else f" ({finding.query_id}, {finding.pin_id})"
        notes.print(f"{finding.kind}: project {finding.project_id}{task}{pair}")
    more = verified.n_leftovers - _SHOWN
    if more > 0:
        notes.print(f"… and {more:,} more")
    for kind in dict.fromkeys(finding.kind for finding in verified.findings):
        notes.print(f"{kind} → {WAYS_OUT[kind]}")
    raise typer.Exit(_LEFTOVERS)
