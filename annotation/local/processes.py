"""Processes of a local Label Studio: whether they live, what they are, how they are ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether a process runs; one that has died unattended does not."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def is_label_studio(pid: int) -> bool:
    """Whether a process runs and is a Label Studio (process numbers are used again)."""
    if not alive(pid):
        return False
    try:
        return b"label-studio" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        listed = subprocess.run(  # noqa: S603
            ["ps", "-p", str(pid), "-o", "command="],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        return "label-studio" in listed.stdout


def terminate(pid: int, process: subprocess.Popen[bytes] | None) -> None:
    """Asks a process to end, and ends it if it has not after ten seconds."""
    for step in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, step)
        for _ in _ticks(10):
            gone = process.poll() is not None if process is not None else not alive(pid)
            if gone:
                return


def is_free(port: int) -> bool:
    """Whether nobody listens to a port of 127.0.0.1."""
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_port(preferred: int) -> int:
    """`preferred` if it is free on 127.0.0.1, else any free port."""
    if is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_zombie(pid: int) -> bool:
    """Whether it has died but nobody has waited for it, as happens to orphans in containers."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _ticks(seconds: float) -> Iterator[float]:
    until = time.monotonic() + seconds
    while (now := time.monotonic()) < until:
        yield now
        time.sleep(0.1)
