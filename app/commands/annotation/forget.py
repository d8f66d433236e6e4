"""`gradewise annotation forget`: removes a person's data."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.annotation.options import (
    DEFAULT_WORKSPACE,
    ServerOption,
    WorkspaceOption,
    open_desk_of,
)
from app.output import notes

if TYPE_CHECKING:
    from annotation.sync.forget import Forgotten


def forget(
    annotator: Annotated[str, typer.Argument(help="Pseudonym, or e-mail address.")],
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    server: ServerOption = None,
    on_server: Annotated[
        bool,
        typer.Option("--on-server", help="Delete annotations and account in Label Studio too."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Removes a person from the workspace: address, password, judgments, history, quarantine.

    Says what remains: grades adjudicated with theirs, files of yours that name them, and what is on
    the server unless --on-server deletes it there:

        gradewise annotation forget person-1f0c9a2b --workspace demo
    """
    from annotation.server import FOLDER
    from annotation.sync.forget import find
    from annotation.sync.forget import forget as remove
    from annotation.sync.store import Store
    from relevance.errors import MissingInputError
    from relevance.workspace import Workspace

    path, space = workspace / FOLDER / "gradewise.sqlite3", Workspace(workspace)
    if not path.exists():
        raise MissingInputError(path, "gradewise annotation push --workspace DIR")
    with contextlib.ExitStack() as stack:
        desk = stack.enter_context(open_desk_of(workspace, server, [])) if on_server else None
        store = desk.store if desk else stack.enter_context(contextlib.closing(Store(path)))
        people = find(store, space, annotator)
        name = people[0][1].annotator if people else annotator
        where = f"{workspace} and from Label Studio" if on_server else str(workspace)
        if not yes:
            typer.confirm(f"Remove all data of {name} from {where}? This is final", abort=True)
        _tell(remove(store, space, name, on_server=desk))


def _tell(done: Forgotten) -> None:
    notes.print(
        f"{done.annotator} is forgotten: {done.n_annotations:,} annotations and "
        f"{done.n_events:,} events removed from the store"
    )
    if done.files:
        notes.print(f"written anew without them: {', '.join(done.files)}")
    if done.derived:
        notes.print(
            f"made with their grades, and still as it was: {', '.join(done.derived)}. Adjudicate "
            "again to have it without them"
        )
    if done.naming:
        notes.print(f"still naming them: {', '.join(done.naming)}. Remove or edit these yourself")
    for one in done.server:
        notes.print(f"left on the server: {one}")
