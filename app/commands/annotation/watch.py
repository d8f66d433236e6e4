"""`gradewise annotation watch`: pulls whenever something was graded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.annotation.options import (
    DEFAULT_WORKSPACE,
    ServerOption,
    WorkspaceOption,
    open_desk_of,
)
from app.commands.annotation.pull import refuse_foreign, tell
from app.output import OverwriteOption, notes

if TYPE_CHECKING:
    from annotation.sync.desk import Desk
    from annotation.sync.watch import Bell


def watch(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    server: ServerOption = None,
    every: Annotated[
        float, typer.Option(help="Seconds between pulls when nothing rings.", min=1)
    ] = 60,
    listen: Annotated[
        int | None,
        typer.Option(
            help="Port on 127.0.0.1 (0: any) for Label Studio's webhooks, which ring for a pull. "
            "They carry the secret in GRADEWISE_WEBHOOK_SECRET."
        ),
    ] = None,
    register: Annotated[
        bool,
        typer.Option("--register", help="Make the webhooks in Label Studio, and remove them."),
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(help="Where Label Studio reaches the receiver, if not at 127.0.0.1."),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Pulls at once, then every so often, until Ctrl-C.

    With --listen also as soon as Label Studio tells that something was graded; what it tells is
    only a hint, so nothing is lost when it stays silent:

        gradewise annotation watch --workspace demo --every 30
    """
    from annotation.sync.pull import pull
    from annotation.sync.tables import write_pulled
    from annotation.sync.watch import Bell
    from annotation.sync.watch import watch as go_on
    from relevance.errors import InputError
    from relevance.workspace import Workspace

    if listen is None and (register or address):
        raise InputError("--register and --address need --listen PORT")
    space, bell, first = Workspace(workspace), Bell(), True
    refuse_foreign(space, overwrite=overwrite)

    def once() -> None:
        nonlocal first
        pulled = pull(desk)
        if first or pulled.n_new or pulled.n_edited or pulled.n_deleted:
            write_pulled(space, desk.store, pulled)
            tell(pulled, workspace)
        first = False

    with contextlib.ExitStack() as stack:
        desk = stack.enter_context(open_desk_of(workspace, server, []))
        stack.enter_context(_stopped_by_signals(bell))
        if listen is not None:
            stack.enter_context(_listening(desk, bell, listen, address, register=register))
        notes.print(f"watching; a pull every {every:g} s. Ctrl-C stops")
        n = go_on(once, bell, every=every, trouble=lambda error: notes.print(f"note: {error}"))
    notes.print(f"stopped after {n:,} pulls")


@contextlib.contextmanager
def _stopped_by_signals(bell: Bell) -> Iterator[None]:
    """Ctrl-C and a polite kill end the watch after the pull under way; a second one, at once."""
    import signal
    import threading

    known = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for one, handler in known.items():
            signal.signal(one, handler)

    def stop(*_: object) -> None:
        restore()
        # Events must not be set where a signal may have interrupted their own lock.
        threading.Thread(target=bell.stop).start()

    for one in known:
        signal.signal(one, stop)
    try:
        yield
    finally:
        restore()


@contextlib.contextmanager
def _listening(
    desk: Desk, bell: Bell, port: int, address: str | None, *, register: bool
) -> Iterator[None]:
    """A receiver that rings the bell, known to the server if asked."""
    import os
    import secrets

    from annotation.secrets import conceal
    from annotation.sync.webhook import SECRET_VARIABLE, Receiver, registered
    from relevance.errors import SettingsError

    secret = os.environ.get(SECRET_VARIABLE, "").strip()
    if not secret and not register:
        raise SettingsError(
            f"no secret for the webhooks. Export {SECRET_VARIABLE}=…, and have Label Studio send "
            "it in the header X-Gradewise-Secret; or let --register make both"
        )
    secret = secret or secrets.token_urlsafe(24)
    conceal(secret)
    with contextlib.ExitStack() as stack:
        receiver = stack.enter_context(Receiver(secret, bell.ring, port=port))
        notes.print(f"listening on {receiver.url}")
        if register:
            stack.enter_context(registered(desk, address or receiver.url, secret))
        yield
