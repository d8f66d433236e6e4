"""`gradewise annotation serve`: a real Label Studio for a workspace."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.annotation.options import (
    DEFAULT_WORKSPACE,
    WorkspaceOption,
)
from app.output import (
    notes,
    print_table,
    progress_bar,
)


def serve(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    port: Annotated[int, typer.Option(help="Port on loopback; 0 for 8080 or any free one.")] = 0,
    install_only: Annotated[
        bool, typer.Option("--install-only", help="Install Label Studio and stop.")
    ] = False,
    private_webhooks: Annotated[
        bool,
        typer.Option(
            "--private-webhooks",
            help="Let it call webhooks on this machine, for annotation watch --register; takes "
            "its SSRF protection off.",
        ),
    ] = False,
) -> None:
    """Runs a real Label Studio for a workspace until Ctrl-C.

    It has its own environment in the cache folder (installed at the first call; 1 to 3 minutes),
    keeps its data in WORKSPACE/label-studio and listens on loopback only. The environment variable
    GRADEWISE_LABEL_STUDIO names an existing label-studio command to use instead, and
    GRADEWISE_LABEL_STUDIO_DATABASE=postgresql://USER:PASSWORD@HOST:PORT/NAME keeps the data there:

        gradewise annotation serve --workspace demo
    """
    import signal

    from annotation.local.install import install
    from annotation.server import FOLDER, LocalServer

    with progress_bar("Label Studio") as progress:
        executable = install(progress)
    if install_only:
        notes.print(f"Label Studio is ready: {executable}")
        return
    server = LocalServer(workspace / FOLDER, port=port, private_webhooks=private_webhooks)
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        with progress_bar("Label Studio") as progress:
            server.start().wait_ready(progress=progress)
        print_table(
            ["Label Studio", server.url],
            [
                ["e-mail", server.secrets.email],
                ["password", f"in {server.secrets_path}"],
                ["data", server.database_label],
                ["stop", "Ctrl-C"],
            ],
        )
        server.wait()
    except KeyboardInterrupt:
        notes.print("stopping Label Studio")
    finally:
        server.stop()
        for number, handler in zip(numbers, former, strict=True):
            signal.signal(number, handler)
