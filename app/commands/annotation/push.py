"""`gradewise annotation push`: sampled pairs to Label Studio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    notes,
    progress_bar,
)

if TYPE_CHECKING:
    from annotation.push import Pushed


def push(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    server: ServerOption = None,
    draw: Annotated[
        list[str] | None, typer.Option(help="Only samples drawn for this (measure, training, …).")
    ] = None,
    overlap: Annotated[int, typer.Option(help="Annotators a pair.", min=1)] = 3,
    finished: Annotated[
        Path | None, typer.Option(help="Judgments made elsewhere, to import with their pairs.")
    ] = None,
    image_host: Annotated[
        list[str] | None,
        typer.Option(help="A host that annotators' browsers may load https pictures from."),
    ] = None,
) -> None:
    """Sends the sampled pairs to Label Studio, one project a country; nothing is sent twice.

    gradewise annotation push --workspace demo
    """
    import polars as pl

    from annotation.sync import push as send
    from relevance.tables import read_table
    from relevance.workspace import Workspace

    space = Workspace(workspace)
    samples = space.read("samples", made_by="gradewise annotation sample")
    if draw:
        samples = samples.filter(pl.col("draw").is_in(draw))
    queries, pins = space.read("queries"), space.read("pins")
    ready = None if finished is None else read_table(finished, "judgments")
    with (
        open_desk_of(workspace, server, image_host or []) as desk,
        progress_bar("push") as progress,
    ):
        pushed = send(
            desk, queries, pins, samples, overlap=overlap, finished=ready, progress=progress
        )
    _tell(pushed)
    show([{"country": name, "project": n} for name, n in pushed.countries.items()], Format.TEXT)


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
