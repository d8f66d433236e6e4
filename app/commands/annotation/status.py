"""`gradewise annotation status`: how far the grading is."""

from __future__ import annotations

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
)


def status(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    server: ServerOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Shows how far each project is: pairs pushed, tasks there, finished, judgments, missing.

    gradewise annotation status --workspace demo
    """
    import dataclasses

    from annotation.sync.status import status as ask

    with open_desk_of(workspace, server, []) as desk:
        rows = [dataclasses.asdict(one) for one in ask(desk)]
    if not rows:
        notes.print("nothing was pushed yet. Push: gradewise annotation push --workspace DIR")
    show(rows, form)
    missing = sum(row["n_missing"] for row in rows)
    if missing:
        notes.print(
            f"{missing:,} pairs have no task (any more). Push again to make them: gradewise "
            f"annotation push --workspace {workspace}"
        )
