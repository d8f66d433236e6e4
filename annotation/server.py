"""A real Label Studio for a laptop: own environment, loopback only, nobody asked anything.

The data folder (`label-studio/` of a workspace, open to its owner only) holds the database, the
log, and `secrets.json`: e-mail and password of the first account, and its API token. Pictures are
served from the workspace's `images/` to people who are logged in. `annotation.local.hardening` says
what is closed, and how to keep the data in PostgreSQL instead of SQLite.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from annotation.local.hardening import (
    LOG,
    PortTakenError,
    Postgres,
    check_port,
    database_of,
    noted_database,
    remember_database,
    said_in_log,
    server_settings,
    tidy,
)
from annotation.local.install import DATABASE, clean_environment, install, prepare_database
from annotation.local.processes import alive, free_port, is_free, is_label_studio, terminate
from annotation.secrets import conceal
from relevance.errors import ServerError
from relevance.files import atomic
from relevance.progress import Progress, silent

ADMIN_EMAIL = "admin@example.com"
FOLDER = "label-studio"
PREFERRED_PORT = 8080
_MOVES = 5
_PATIENCE = 4.0
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
        database: Where its data are, `postgresql://user:password@host:port/name`; by default what
            `GRADEWISE_LABEL_STUDIO_DATABASE` says, else SQLite in the folder.
        private_webhooks: Whether it may call webhooks on this machine (`annotation watch
            --register`); that takes its SSRF protection off.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        database: str | None = None,
        private_webhooks: bool = False,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self._wanted_port = port
        self._address = database
        self._private_webhooks = private_webhooks
        self._database: Postgres | None = None
        self._log_from = self._moves = 0
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

    @property
    def database_label(self) -> str:
        """Where its data are, for a person; known as soon as `wait_ready` has returned."""
        noted = noted_database(self.data_dir)
        return f"PostgreSQL at {noted}" if noted else f"SQLite in {self.data_dir}"

    def start(self) -> LocalServer:
        """Starts it in the background and returns at once; installs it first if need be."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _secrets(self.data_dir)
        there = running(self.data_dir)
        if there is not None:
            self._running, self._owned = there, not alive(there.owner)
            return self
        self._database = database_of(self.data_dir, self._address)
        tidy(self.data_dir)
        port = self._wanted_port or free_port(PREFERRED_PORT)
        if self._wanted_port and not is_free(port):
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
        while (status := _status(self.url, self.api_key, _PATIENCE)) != 200:
            passed = time.monotonic() - started
            try:
                listens = check_port(self.data_dir, self._log_from, _port(self.url))
            except PortTakenError:
                self._move()
                continue
            if status == 401 and (listens or self._process is None):
                raise ServerError(
                    f"Label Studio at {self.url} does not know the token in {self.secrets_path}: "
                    "its database was made for another workspace. Give each workspace its own"
                )
            progress(min(int(passed), int(timeout)), int(timeout), "Label Studio is starting")
            if self._process is not None and self._process.poll() is not None:
                raise ServerError(f"Label Studio stopped while starting: {self._last_words()}")
            if passed > timeout:
                raise ServerError(
                    f"Label Studio did not answer within {timeout:.0f} s: {self._last_words()}"
                )
            time.sleep(0.3)
        remember_database(self.data_dir, self._database)
        progress(int(timeout), int(timeout), f"Label Studio is at {self.url}")
        return self

    def wait(self) -> None:
        """Returns when it has stopped by itself.

        Raises:
            KeyboardInterrupt: Ctrl-C.
        """
        while self._running is not None:
            pid = self._process.pid if self._process is not None else self._running.pid
            gone = self._process.poll() is not None if self._process else not alive(pid)
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
        if pid and (self._process is not None or is_label_studio(pid)):
            terminate(pid, self._process)
            tidy(self.data_dir)
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
            if self._database is None and not (self.data_dir / DATABASE).exists():
                template = prepare_database(executable, self._note)
                if template is not None:
                    with atomic(self.data_dir / DATABASE) as temporary:
                        temporary.chmod(0o600)
                        shutil.copyfile(template, temporary)
            if self._stopping.is_set():
                return
            self._process = self._spawn(executable, port)
            _write_running(self.data_dir, _Running(self.url, self._process.pid, os.getpid()))
        except BaseException as failure:  # noqa: BLE001 - raised again by wait_ready
            self._failure = failure

    def _move(self) -> None:
        """Starts again at another port, unless this very one was asked for.

        Raises:
            PortTakenError: It was, or every port is taken as soon as we choose it.
        """
        taken = _port(self.url)
        if self._process is not None:
            terminate(self._process.pid, self._process)
        self._moves += 1
        if self._wanted_port or self._process is None or self._moves > _MOVES:
            raise PortTakenError(
                f"port {taken} was taken by another program while Label Studio was starting. Start "
                "it again"
            )
        port = free_port(PREFERRED_PORT)
        self._running = _Running(f"http://127.0.0.1:{port}", 0, os.getpid())
        self._process = self._spawn(install(), port)
        _write_running(self.data_dir, _Running(self.url, self._process.pid, os.getpid()))

    def _spawn(self, executable: Path, port: int) -> subprocess.Popen[bytes]:
        account = asdict(self.secrets)
        settings = server_settings(
            self.data_dir, self.url, account, self._database, self._private_webhooks
        )
        command = [str(executable), "start", "--no-browser", "--internal-host", "127.0.0.1"]
        (self.data_dir / LOG).touch(mode=0o600)
        with (self.data_dir / LOG).open("ab") as log:
            self._log_from = log.tell()
            return subprocess.Popen(  # noqa: S603
                [*command, "--port", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment(settings),
                cwd=self.data_dir,
                start_new_session=True,  # a Ctrl-C is ours to handle: it would cut a write in two
                umask=0o077,
            )

    def _note(self, done: int, total: int, what: str = "") -> None:
        self._what = f"{what} ({done}/{total})" if total > 1 else what

    def _last_words(self) -> str:
        return said_in_log(self.data_dir, self._log_from)


@dataclass(frozen=True, slots=True)
class _Running:
    """What `server.json` says: address, process, and the process that started it."""

    url: str
    pid: int
    owner: int


def running(data_dir: Path) -> _Running | None:
    """The server that runs (or is just starting) for this data folder; None if there is none."""
    try:
        found = _Running(**json.loads((data_dir / "server.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if is_label_studio(found.pid) else None


def answers(url: str, api_key: str, *, timeout: float = 10) -> bool:
    """Whether a Label Studio that knows this token answers at `url`."""
    return _status(url, api_key, timeout) == 200


def _status(url: str, api_key: str, timeout: float = 10) -> int:
    """HTTP status of asking who we are; 0 if nobody answers."""
    request = urllib.request.Request(  # noqa: S310 - the address is our own loopback one
        f"{url}/api/current-user/whoami", headers={"Authorization": f"Token {api_key}"}
    )
    try:
        with _direct.open(request, timeout=timeout) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)
    except (OSError, ValueError):
        return 0


def _secrets(data_dir: Path) -> Secrets:
    path = data_dir / "secrets.json"
    if path.exists():
        kept = Secrets(**json.loads(path.read_text()))
        conceal(kept.password, kept.token)
        return kept
    made = Secrets(ADMIN_EMAIL, secrets.token_urlsafe(12), secrets.token_hex(20))
    _write_private(path, json.dumps(asdict(made), indent=1) + "\n")
    return made


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def _write_running(data_dir: Path, entry: _Running) -> None:
    _write_private(data_dir / "server.json", json.dumps(asdict(entry)) + "\n")


def _write_private(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.chmod(0o600)
        temporary.write_text(text)
