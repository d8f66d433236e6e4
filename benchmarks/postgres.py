"""A PostgreSQL server of our own, on loopback, for as long as it is needed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

USER = "tester"


def programs() -> Path | None:
    """Folder of initdb and pg_ctl: on the path, or where Debian puts them; None if not there."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


@contextmanager
def cluster(
    folder: Path,
    *,
    init_options: Sequence[str] = (),
    settings: Sequence[str] = ("fsync=off",),
    stop: str = "immediate",
) -> Iterator[str]:
    """Address of the database of a server whose data are in `folder`, made if need be.

    Args:
        folder: Its data are in `data` inside; nobody else may use it.
        init_options: More options of initdb.
        settings: Settings of the server, `name=value`.
        stop: How it is stopped: `immediate`, or `fast` if the data are still needed.
    """
    binaries = programs()
    if binaries is None:
        raise FileNotFoundError("needs a PostgreSQL server: apt-get install postgresql")
    as_user = _unprivileged(folder)
    port = _free_port()
    if not (folder / "data").exists():
        init = [str(binaries / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", USER]
        _run([*as_user, *init, "--no-sync", "-E", "UTF8", *init_options])
    wanted = ["listen_addresses=127.0.0.1", "unix_socket_directories=", *settings]
    options = " ".join([f"-p {port}", *(f"-c {one}" for one in wanted)])
    control = [*as_user, str(binaries / "pg_ctl"), "-D", str(folder / "data"), "-w"]
    _run([*control, "-l", str(folder / "log"), "-o", options, "start"])
    try:
        yield f"postgres://{USER}@127.0.0.1:{port}/postgres"
    finally:
        _run([*control, "-m", stop, "stop"])


def _unprivileged(folder: Path) -> list[str]:
    """What to put before a command so that root does not run it; PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return []
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, "postgres")
    return ["runuser", "-u", "postgres", "--"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        check=False, capture_output=True, text=True, cwd="/", timeout=120,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{command[-1]} failed: {done.stderr}{done.stdout}")
