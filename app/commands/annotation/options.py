"""Options and helpers that the verbs of `gradewise annotation` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.output import Format, print_table

if TYPE_CHECKING:
    from annotation.desk import Desk

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
    from annotation.desk import open_desk

    return open_desk(workspace, server=server, image_hosts=image_hosts)


def show(rows: list[dict[str, Any]], form: Format) -> None:
    """Prints rows as a table, or in another format."""
    import json

    if form is Format.JSON:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    elif rows:
        header = list(rows[0])
        cells = [["—" if one is None else str(one) for one in row.values()] for row in rows]
        if form is Format.TEXT:
            print_table(header, cells)
        elif form is Format.CSV:
            typer.echo("\n".join(",".join(row) for row in [header, *cells]))
        else:
            from relevance.results import markdown_table

            typer.echo(markdown_table(header, cells))
