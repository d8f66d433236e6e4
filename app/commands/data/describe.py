"""`gradewise data describe`: which tables a workspace holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.data.shared import print_workspace
from relevance.errors import InputError


def describe(
    workspace: Annotated[Path, typer.Argument(help="Folder of the workspace.")],
) -> None:
    """Show which tables a workspace holds: rows, queries, Pins, countries, grades, maker.

    Example: gradewise data describe gradewise-demo
    """
    if not workspace.is_dir():
        raise InputError(
            f"{workspace} is not a folder. Make a workspace with: gradewise data import"
        )
    print_workspace(workspace)
