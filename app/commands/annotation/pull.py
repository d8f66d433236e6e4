"""`gradewise annotation pull`: judgments from Label Studio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.annotation.options import (
    DEFAULT_WORKSPACE,
    ServerOption,
    WorkspaceOption,
    open_desk_of,
)
from app.output import (
    OverwriteOption,
    notes,
    progress_bar,
    refuse_to_overwrite,
)

if TYPE_CHECKING:
    from annotation.sync.pull import Pulled
    from relevance.workspace import Workspace


def pull(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    server: ServerOption = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read everything again, not only what changed.")
    ] = False,
    roster: Annotated[
        Path | None,
        typer.Option(
            help="Who may grade: CSV with email, annotator, languages, role, or TOML. In force "
            "until another is given."
        ),
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="No roster: everybody with an account may grade.")
    ] = False,
    min_seconds: Annotated[
        float | None,
        typer.Option(help="Grades given in less are set aside; 0.5 until given.", min=0),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            help="Take what is set aside now for this reason ('too fast', …), or one annotation "
            "by its number."
        ),
    ] = None,
    accept_config: Annotated[
        bool, typer.Option("--accept-config", help="Take the forms changed on the server as ours.")
    ] = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Brings the judgments into the table `judgments`; run again, it brings only what changed.

    What cannot be a judgment goes to judgments-rejected.jsonl with its reason, every event to
    judgments-history.jsonl. A table that an import made is kept unless --overwrite is given:

        gradewise annotation pull --workspace demo
    """
    from annotation.sync.pull import pull as bring
    from annotation.sync.roster import read_roster
    from annotation.sync.tables import write_pulled
    from relevance.errors import InputError
    from relevance.workspace import Workspace

    if roster is not None and everybody:
        raise InputError("give --roster or --everybody, not both")
    space = Workspace(workspace)
    refuse_foreign(space, overwrite=overwrite)
    people = None if roster is None else read_roster(roster)
    with open_desk_of(workspace, server, []) as desk:
        with progress_bar("pull") as progress:
            pulled = bring(
                desk,
                full=full,
                roster=people,
                everybody=everybody,
                min_seconds=min_seconds,
                accept=accept or (),
                accept_config=accept_config,
                progress=progress,
            )
        write_pulled(space, desk.store, pulled)
    tell(pulled, workspace)


def refuse_foreign(space: Workspace, *, overwrite: bool) -> None:
    """Raises `InputError` if a table that a pull writes was made by something else."""
    from annotation.sync.tables import is_ours

    for name in ("judgments", "repeats", "rulings"):
        if not is_ours(space, name):
            refuse_to_overwrite(space.path(name), overwrite)


def tell(pulled: Pulled, workspace: Path) -> None:
    """Says what a pull brought, and what is known now."""
    from annotation.sync.tables import HISTORY, REJECTED

    changes = {"new": pulled.n_new, "edited": pulled.n_edited, "deleted": pulled.n_deleted}
    told = ", ".join(f"{n:,} {what}" for what, n in changes.items() if n) or "nothing new"
    notes.print(f"pulled: {told}")
    if pulled.n_edited or pulled.n_deleted:
        notes.print(f"what they were before is kept in {workspace / HISTORY}")
    ways = pulled.by_source
    notes.print(
        f"{pulled.judgments.height:,} judgments: {ways['endpoint']:,} graded in Label Studio, "
        f"{ways['import']:,} imported as finished annotations"
    )
    for name, frame in {"repeats": pulled.repeats, "rulings": pulled.rulings}.items():
        if frame.height:
            notes.print(f"{frame.height:,} {name}")
    if pulled.rejected.height:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in pulled.by_reason.items())
        notes.print(f"{pulled.rejected.height:,} set aside ({reasons}): {workspace / REJECTED}")
    for note in pulled.notes:
        notes.print(f"note: {note}")
