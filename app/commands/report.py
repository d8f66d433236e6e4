"""`gradewise report`: the dashboard's pages as one file to mail or print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.output import OverwriteOption, notes, refuse_to_overwrite
from relevance.errors import MissingInputError

app = typer.Typer(help="The dashboard's pages as one file to mail or print.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """The dashboard's pages as one file to mail or print."""


@app.command()
def build(
    workspace: Annotated[Path, typer.Option(help="Folder of the results tables.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    overwrite: OverwriteOption = False,
) -> None:
    """Writes the report as one HTML file without scripts; it needs no network.

    Example: gradewise report build --workspace gradewise-demo --out report.html
    """
    refuse_to_overwrite(out, overwrite)
    size = build_report(workspace, out)
    notes.print(f"{out}: {size / 1000:,.0f} kB", highlight=False, soft_wrap=True, markup=False)


def build_report(workspace: Path, out: Path) -> int:
    """Writes the report of a workspace; returns its size in bytes.

    Args:
        workspace: Folder of the results tables; those that are missing are named in the report,
            with the command that makes them.
        out: File to write; replaced as a whole or not at all.

    Raises:
        MissingInputError: The workspace has no results table at all.
    """
    from app.html_report import report_html
    from app.loading import MADE_BY, load
    from relevance.files import atomic

    tables = load(workspace.absolute())
    if not tables.results and not tables.problems:
        raise MissingInputError(
            workspace / f"results-{next(iter(MADE_BY))}.parquet", "gradewise demo"
        )
    text = report_html(tables).encode()
    with atomic(out) as temporary:
        temporary.write_bytes(text)
    return len(text)
