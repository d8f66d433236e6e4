"""A real Label Studio for a laptop: own environment, SQLite, loopback only, nobody asked anything.

The data folder (`label-studio/` of a workspace) holds the database, the log, and `secrets.json`
(mode 0600): e-mail and password of the first account, and its API token. Telemetry, version check
and error reports are off, sign-up needs an invitation, and pictures are served from the workspace's
`images/` to people who are logged in.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from annotation.install import DATABASE, clean_environment, install, prepare_database
from relevance.errors import ServerError
from relevance.files import atomic
from relevance.progress import Progress, silent

ADMIN_EMAIL = "admin@example.com"
FOLDER = "label-studio"
PREFERRED_PORT = 8080
START_TIMEOUT = 300.0
"""Seconds that a start may take once installed; a first one on a slow machine needs 60."""

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Secrets:
    """The first account of a local server.

    Attributes:
        email: Its e-mail address, with which a person logs in.
        password: Its password.
        token: Its API token.
    """

    email: str
    password: str
    token: str


class LocalServer:
    """A Label Studio of this workspace: starts in the background, is waited for, stops cleanly.

    A server that runs already for the same data folder is used as it is; it is stopped by `stop`
    only if whoever started it has died.

    Args:
        data_dir: Folder of its database; `label-studio` inside the workspace.
        port: Port on 127.0.0.1; 0 for 8080 or, if that is taken, any free one.
    """

    def __init__(self, data_dir: Path, *, port: int = 0) -> None:
        self.data_dir = data_dir.absolute()
        self._wanted_port = port
        self._running: _Running | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._owned = False
        self._what = ""
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def url(self) -> str:
        """Address, such as `http://127.0.0.1:8080`; known as soon as `start` has returned."""
        if self._running is None:
            raise ServerError("Label Studio is not started. Call start() first")
        return self._running.url

    @property
    def api_key(self) -> str:
        """API token of the first account."""
        return self.secrets.token

    @property
    def secrets(self) -> Secrets:
        """E-mail, password and token of the first account."""
        return _secrets(self.data_dir)

    @property
    def secrets_path(self) -> Path:
        """File that holds `secrets`, for a person who wants to log in."""
        return self.data_dir / "secrets.json"

    def start(self) -> LocalServer:
        """Starts it in the background and returns at once; installs it first if need be."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        _secrets(self.data_dir)
        there = running(self.data_dir)
        if there is not None:
            self._running, self._owned = there, not _alive(there.owner)
            return self
        port = self._wanted_port or free_port(PREFERRED_PORT)
        if self._wanted_port and not _is_free(port):
            raise ServerError(f"port {port} is taken. Give another with --port, or 0 for any")
        self._running = _Running(f"http://127.0.0.1:{port}", 0, os.getpid())
        self._owned = True
        self._thread = threading.Thread(target=self._launch, args=(port,), daemon=True)
        self._thread.start()
        return self

    def wait_ready(
        self, *, timeout: float = START_TIMEOUT, progress: Progress = silent
    ) -> LocalServer:
        """Waits until it answers as ours.

        Args:
            timeout: Seconds it may take after the installation.
            progress: Told seconds passed of `timeout`, and what is going on.

        Raises:
            ServerError: It could not be installed, stopped, or did not answer in time.
        """
        started = time.monotonic()
        while self._thread is not None and self._thread.is_alive():
            progress(int(time.monotonic() - started), int(timeout), self._what)
            self._thread.join(0.3)
        if self._failure is not None:
            raise self._failure
        started = time.monotonic()
        while not answers(self.url, self.api_key):
            passed = time.monotonic() - started
            progress(min(int(passed), int(timeout)), int(timeout), "Label Studio is starting")
            if self._process is not None and self._process.poll() is not None:
                raise ServerError(f"Label Studio stopped while starting: {self._last_words()}")
            if passed > timeout:
                raise ServerError(
                    f"Label Studio did not answer within {timeout:.0f} s: {self._last_words()}"
                )
            time.sleep(0.3)
        progress(int(timeout), int(timeout), f"Label Studio is at {self.url}")
        return self

    def wait(self) -> None:
        """Returns when it has stopped by itself.

        Raises:
            KeyboardInterrupt: Ctrl-C.
        """
        while self._running is not None:
            pid = self._process.pid if self._process is not None else self._running.pid
            gone = self._process.poll() is not None if self._process else not _alive(pid)
            if gone:
                return
            time.sleep(0.5)

    def stop(self) -> None:
        """Stops it if it is ours; harmless otherwise and when repeated."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        if not self._owned or self._running is None:
            return
        pid = self._process.pid if self._process is not None else self._running.pid
        if pid and (self._process is not None or _is_label_studio(pid)):
            _terminate(pid, self._process)
        (self.data_dir / "server.json").unlink(missing_ok=True)
        self._owned = False

    def __enter__(self) -> Self:
        """Starts it and waits until it answers."""
        try:
            self.start().wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stops it."""
        self.stop()

    def _launch(self, port: int) -> None:
        try:
            executable = install(self._note)
            if not (self.data_dir / DATABASE).exists():
                template = prepare_database(executable, self._note)
                if template is not None:
                    with atomic(self.data_dir / DATABASE) as temporary:
                        shutil.copyfile(template, temporary)
            if self._stopping.is_set():
                return
            self._process = self._spawn(executable, port)
            _write_running(self.data_dir, _Running(self.url, self._process.pid, os.getpid()))
        except BaseException as failure:  # noqa: BLE001 - raised again by wait_ready
            self._failure = failure

    def _spawn(self, executable: Path, port: int) -> subprocess.Popen[bytes]:
        known = self.secrets
        settings = {
            "LABEL_STUDIO_BASE_DATA_DIR": str(self.data_dir),
            "LABEL_STUDIO_HOST": self.url,
            "LABEL_STUDIO_USERNAME": known.email,
            "LABEL_STUDIO_PASSWORD": known.password,
            "LABEL_STUDIO_USER_TOKEN": known.token,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(self.data_dir.parent.resolve()),
            "LABEL_STUDIO_TASK_LOCK_TTL": "1800",
            "LABEL_STUDIO_DEBUG": "false",
            "LABEL_STUDIO_CORS_ALLOWED_ORIGINS": self.url,
        }
        command = [str(executable), "start", "--no-browser", "--internal-host", "127.0.0.1"]
        with (self.data_dir / "label-studio.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                [*command, "--port", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment(settings),
                cwd=self.data_dir,
                start_new_session=True,  # a Ctrl-C is ours to handle: it would cut a write in two
            )

    def _note(self, done: int, total: int, what: str = "") -> None:
        self._what = f"{what} ({done}/{total})" if total > 1 else what

    def _last_words(self) -> str:
        log = self.data_dir / "label-studio.log"
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        return f"{' | '.join(lines[-3:])[-300:]} (see {log})"


@dataclass(frozen=True, slots=True)
class _Running:
    """What `server.json` says: address, process, and the process that started it."""

    url: str
    pid: int
    owner: int


def start_server(data_dir: Path, port: int = 0) -> LocalServer:
    """Starts a Label Studio in the background; call `wait_ready` before using it."""
    return LocalServer(data_dir, port=port).start()


def running(data_dir: Path) -> _Running | None:
    """The server that runs (or is just starting) for this data folder; None if there is none."""
    try:
        found = _Running(**json.loads((data_dir / "server.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if _is_label_studio(found.pid) else None


def answers(url: str, api_key: str, *, timeout: float = 10) -> bool:
    """Whether a Label Studio that knows this token answers at `url`."""
    request = urllib.request.Request(  # noqa: S310 - the address is our own loopback one
        f"{url}/api/current-user/whoami", headers={"Authorization": f"Token {api_key}"}
    )
    try:
        with _direct.open(request, timeout=timeout) as reply:
            return bool(reply.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def free_port(preferred: int) -> int:
    """`preferred` if it is free on 127.0.0.1, else any free port."""
    if _is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _secrets(data_dir: Path) -> Secrets:
    path = data_dir / "secrets.json"
    if path.exists():
        return Secrets(**json.loads(path.read_text()))
    made = Secrets(ADMIN_EMAIL, secrets.token_urlsafe(12), secrets.token_hex(20))
    _write_private(path, json.dumps(asdict(made), indent=1) + "\n")
    return made


def _write_running(data_dir: Path, entry: _Running) -> None:
    _write_private(data_dir / "server.json", json.dumps(asdict(entry)) + "\n")


def _write_private(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.chmod(0o600)
        temporary.write_text(text)


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether it has died but nobody has waited for it, as happens to orphans in containers."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _is_label_studio(pid: int) -> bool:
    if not _alive(pid):
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


def _terminate(pid: int, process: subprocess.Popen[bytes] | None) -> None:
    for step in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, step)
        for _ in _ticks(10):
            gone = process.poll() is not None if process is not None else not _alive(pid)
            if gone:
                return


def _ticks(seconds: float) -> Iterator[float]:
    until = time.monotonic() + seconds
    while (now := time.monotonic()) < until:
        yield now
        time.sleep(0.1)
