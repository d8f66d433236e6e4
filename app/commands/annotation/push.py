"""`gradewise annotation push`: sampled pairs to Label Studio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.annotation.options import (
    DEFAULT_WORKSPACE,
    ServerOption,
    WorkspaceOption,
    open_desk_of,
    show,
)
from app.commands.annotation.verify import tell_verified
from app.output import (
    Format,
    FormatOption,
    notes,
    progress_bar,
)

if TYPE_CHECKING:
    import polars as pl

    from annotation.sync.plan import PushPlan
    from annotation.sync.push import Pushed
    from relevance.workspace import Workspace


def push(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    server: ServerOption = None,
    purpose: Annotated[
        str,
        typer.Option(
            help="grade: the first round; extra: further blind opinions; senior: blind rulings."
        ),
    ] = "grade",
    samples: Annotated[
        Path | None,
        typer.Option(help="Pairs to send, such as a queue. Default: the table `samples`."),
    ] = None,
    draw: Annotated[
        list[str] | None, typer.Option(help="Only samples drawn for this (measure, training, …).")
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(help="Annotators a pair. Default: as the project has; a new one 3.", min=1),
    ] = None,
    finished: Annotated[
        Path | None, typer.Option(help="Judgments made elsewhere, to import with their pairs.")
    ] = None,
    image_host: Annotated[
        list[str] | None,
        typer.Option(help="A host that annotators' browsers may load https pictures from."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be sent, per project.")
    ] = False,
    update: Annotated[
        bool,
        typer.Option("--update", help="Bring form, guidelines and overlap of projects up to date."),
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Look at every task afterwards, as annotation verify.")
    ] = False,
    form: FormatOption = Format.TEXT,
) -> None:
    """Sends the sampled pairs to Label Studio, one project a locale; nothing is sent twice.

    Interrupted anywhere, the same command goes on where it stopped. A pair whose samples want more
    annotators than the others is also sent to a second project:

        gradewise annotation push --workspace demo
    """
    from annotation.sync.plan import plan_push
    from annotation.sync.push import push as send
    from annotation.sync.verify import verify as check
    from relevance.tables import read_table
    from relevance.workspace import Workspace

    space = Workspace(workspace)
    chosen = _samples(space, samples, draw)
    queries, pins = space.read("queries"), space.read("pins")
    with open_desk_of(workspace, server, image_host or []) as desk:
        if dry_run:
            with progress_bar("dry run") as progress:
                plan = plan_push(
                    desk, queries, pins, chosen, overlap=overlap, purpose=purpose, progress=progress
                )
            _tell_plan(plan, form)
            return
        ready = None if finished is None else read_table(finished, "judgments")
        with progress_bar("push") as progress:
            pushed = send(
                desk,
                queries,
                pins,
                chosen,
                overlap=overlap,
                purpose=purpose,
                finished=ready,
                update=update,
                progress=progress,
            )
        _tell(pushed)
        show([_row(one) for one in pushed.sent], form)
        if verify:
            with progress_bar("verify") as progress:
                verified = check(desk, progress=progress)
            tell_verified(verified, Format.TEXT if form is Format.TEXT else None)


def _samples(space: Workspace, file: Path | None, draws: list[str] | None) -> pl.DataFrame:
    import polars as pl

    from relevance.errors import InputError
    from relevance.tables import read_table

    made_by = "gradewise annotation sample"
    chosen = space.read("samples", made_by=made_by) if file is None else read_table(file, "samples")
    if not draws:
        return chosen
    kept = chosen.filter(pl.col("draw").is_in(draws))
    if kept.is_empty():
        there = ", ".join(chosen["draw"].unique().sort())
        raise InputError(
            f"no sample was drawn for {' or '.join(draws)}; there are: {there or 'none'}. "
            f"Draw some: {made_by} --draw {draws[0]}"
        )
    return kept


def _tell(pushed: Pushed) -> None:
    there = pushed.n_pairs - pushed.n_new
    notes.print(f"{pushed.n_new:,} pairs pushed, {there:,} were there already")
    if pushed.n_finished:
        notes.print(f"{pushed.n_finished:,} finished judgments imported with them")
    if pushed.n_unsent:
        notes.print(f"{pushed.n_unsent:,} judgments not imported: their pairs were there already")
    if pushed.n_without_picture:
        notes.print(
            f"{pushed.n_without_picture:,} pictures cannot be shown: use images/ of the workspace "
            "with its own server, or name their host with --image-host"
        )
    if pushed.n_surplus:
        notes.print(f"{pushed.n_surplus:,} doubled tasks removed")
    if pushed.n_unclear:
        notes.print(
            f"{pushed.n_unclear:,} requests got no clear answer and were asked after. A server "
            "may carry such a request out much later: gradewise annotation verify, in an hour"
        )
    for note in pushed.notes:
        notes.print(f"note: {note}")


def _tell_plan(plan: PushPlan, form: Format) -> None:
    show(
        [
            {
                "locale": one.locale or "all",
                "purpose": one.purpose,
                "project": "(new)" if one.project_id is None else one.project_id,
                "overlap": one.overlap,
                "pairs": one.n_pairs,
                "would_make": one.n_new,
                "are_there": one.n_there,
                "gone_by_hand": one.n_gone,
            }
            for one in plan.projects
        ],
        form,
    )
    for note in plan.notes:
        notes.print(f"note: {note}")
    notes.print(f"{plan.n_new:,} tasks would be made; nothing was sent")


def _row(sent: Any) -> dict[str, Any]:
    return {
        "locale": sent.locale or "all",
        "purpose": sent.purpose,
        "project": sent.project_id,
        "pairs": sent.n_pairs,
        "new": sent.n_new,
    }
