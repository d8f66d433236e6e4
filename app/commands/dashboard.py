"""`gradewise dashboard`: serves the results of a workspace as pages, on this machine only."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Annotated

import typer

from app.output import notes
from relevance.errors import GradewiseError, InputError, require_extra

HOST, PORT = "127.0.0.1", 8501
Dashboard = subprocess.Popen[bytes]


def dashboard(
    workspace: Annotated[
        Path, typer.Option(help="Folder of the results tables.", file_okay=False)
    ] = Path("gradewise-demo"),
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; the next free one if it is busy.", min=0)
    ] = PORT,
) -> None:
    """Serves the dashboard on 127.0.0.1 until Ctrl-C.

    Example: gradewise dashboard --workspace gradewise-demo
    """
    if not workspace.is_dir():
        raise InputError(f"{workspace} is no folder. Make a workspace with: gradewise demo")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server ends with us
    process = start_dashboard(workspace, free_port(port))
    said = f"Dashboard of {workspace}: {address_of(process)}  (Ctrl-C stops it)"
    try:
        notes.print(said, soft_wrap=True, highlight=False, markup=False)
        process.wait()
    except KeyboardInterrupt:
        notes.print("Dashboard stopped.")
    finally:
        stop_dashboard(process)


def start_dashboard(workspace: Path, port: int | None = None, *, wait: float = 60.0) -> Dashboard:
    """Starts the dashboard as a process of its own and waits until it answers.

    Args:
        workspace: Folder of the results tables; they are read again when they change.
        port: Port on 127.0.0.1; by default 8501, or the next free one if that is busy.
        wait: Seconds after which a silent server is given up.

    Returns:
        The running process; `address_of` names its address, `stop_dashboard` ends it.

    Raises:
        MissingExtraError: Streamlit or Plotly is not installed.
        GradewiseError: It ended or stayed silent.
    """
    require_extra("streamlit", "dashboard")
    require_extra("plotly", "dashboard")
    chosen = free_port() if port is None else port
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and script
            command(chosen),
            env={**os.environ, "GRADEWISE_WORKSPACE": str(workspace.absolute())},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _await(process, chosen, wait, log)
        except BaseException:
            stop_dashboard(process)
            raise
    return process


def command(port: int) -> list[str]:
    """The command line that serves the dashboard on `port`.

    `-P` keeps the working directory off the import path; Streamlit puts the script's folder there.
    """
    script = Path(__file__).parents[1] / "dashboard.py"
    flags = {
        "server.port": port,
        "server.address": HOST,
        "server.headless": "true",
        "browser.gatherUsageStats": "false",
    }
    options = [f"--{name}={value}" for name, value in flags.items()]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(script), *options]


def address_of(process: Dashboard) -> str:
    """Where a running dashboard is to be seen."""
    arguments = process.args if isinstance(process.args, list) else []
    port = next(str(each).partition("=")[2] for each in arguments if "server.port=" in str(each))
    return f"http://{HOST}:{port}"


def stop_dashboard(process: Dashboard) -> None:
    """Ends the dashboard, if it still runs."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port(wanted: int = PORT) -> int:
    """`wanted` if it is free on 127.0.0.1, else the next free port after it.

    Raises:
        InputError: None of the next 50 is free.
    """
    for port in range(wanted, min(wanted + 50, 65536)):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise InputError(f"no free port from {wanted} on. Name another one with --port")


def _await(process: Dashboard, port: int, seconds: float, log: IO[bytes]) -> None:
    """Returns when the server answers; raises if it ends or stays silent."""
    import urllib.request

    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if process.poll() is not None:
            log.seek(0)
            said = log.read().decode(errors="replace")
            raise GradewiseError(f"the dashboard ended at once: {said.strip()[-400:]}")
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://{HOST}:{port}/_stcore/health", timeout=1) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise GradewiseError(f"the dashboard did not answer on port {port} within {seconds:g} s")
