"""Options and helpers that the verbs of `gradewise annotation` share."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.output import Format, print_table
from relevance.formulas import guard

if TYPE_CHECKING:
    from annotation.sync.desk import Desk

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", help="Folder of the named tables.", file_okay=False)
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        help="Address of a Label Studio; its token comes from LABEL_STUDIO_API_KEY. "
        "Default: the one that `annotation serve` runs for the workspace.",
    ),
]
DEFAULT_WORKSPACE = Path("gradewise-demo")


def open_desk_of(workspace: Path, server: str | None, image_hosts: list[str]) -> Desk:
    """The grading desk of a workspace: its server and its store."""
    from annotation.sync.desk import open_desk

    return open_desk(workspace, server=server, image_hosts=image_hosts)


def show(rows: Sequence[Mapping[str, Any]], form: Format) -> None:
    """Prints rows as a table, or in another format; nothing for no rows, but in JSON."""
    import json

    if form is Format.JSON:
        typer.echo(json.dumps(list(rows), ensure_ascii=False))
    elif rows:
        header = list(rows[0])
        if form is Format.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            safe = ([guard(v) if isinstance(v, str) else v for v in r.values()] for r in rows)
            writer.writerows([header, *safe])
            return
        cells = [["—" if one is None else str(one) for one in row.values()] for row in rows]
        if form is Format.TEXT:
            print_table(header, cells)
        else:
            from relevance.results import markdown_table

            typer.echo(markdown_table(header, cells))
