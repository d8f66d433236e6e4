"""How a local Label Studio is set up: what is closed, which database, what it leaves behind.

Label Studio's own defaults are made for trying it out: it tells its vendor who uses it, lets
strangers sign up, answers any page of the web, and keeps a copy of every export.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from annotation.local.install import DATABASE
from annotation.secrets import conceal, redact
from relevance.errors import ServerError, SettingsError
from relevance.files import atomic

DATABASE_VARIABLE = "GRADEWISE_LABEL_STUDIO_DATABASE"
LOCK_SECONDS = 1800
"""How long a task stays with somebody who opened it; Label Studio's default is a day."""

LOG = "label-studio.log"
_NOTE = "database.json"
_LOG_BYTES = 2_000_000


class PortTakenError(ServerError):
    """Another program was quicker to take the port."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL database for Label Studio.

    Attributes:
        host: Its host.
        port: Its port.
        name: Name of the database; it must exist.
        user: Who logs in to it.
        password: Their password; may be empty.
    """

    host: str
    port: int
    name: str
    user: str
    password: str

    @property
    def label(self) -> str:
        """Host, port and name, without who and password."""
        return f"{self.host}:{self.port}/{self.name}"

    @property
    def settings(self) -> dict[str, str]:
        """What Label Studio must be told."""
        return {
            "DJANGO_DB": "default",
            "POSTGRE_HOST": self.host,
            "POSTGRE_PORT": str(self.port),
            "POSTGRE_NAME": self.name,
            "POSTGRE_USER": self.user,
            "POSTGRE_PASSWORD": self.password,
        }


def database_of(data_dir: Path, address: str | None = None) -> Postgres | None:
    """The PostgreSQL database of a data folder; None for its own SQLite file.

    A folder that was started on PostgreSQL once never falls back to SQLite in silence.

    Args:
        data_dir: Folder of a local server.
        address: `postgresql://user:password@host:port/name`; by default what the environment
            variable `GRADEWISE_LABEL_STUDIO_DATABASE` says.

    Raises:
        SettingsError: The address is not one, or the folder's data are in another database.
    """
    given = address or os.environ.get(DATABASE_VARIABLE, "")
    asked = parse_database(given) if given else None
    before = noted_database(data_dir)
    if before and (asked is None or asked.label != before):
        raise SettingsError(
            f"the data of {data_dir} are in PostgreSQL at {before}, "
            f"{DATABASE_VARIABLE} {'is not set' if asked is None else 'says ' + asked.label}. Set "
            f"it to that database, or remove {data_dir / _NOTE} to start with an empty one"
        )
    return asked


def remember_database(data_dir: Path, database: Postgres | None) -> None:
    """Notes in the data folder that its data are in this database."""
    if database is not None and noted_database(data_dir) != database.label:
        with atomic(data_dir / _NOTE) as temporary:
            temporary.write_text(json.dumps({"postgresql": database.label}) + "\n")


def noted_database(data_dir: Path) -> str:
    """Host, port and name of the PostgreSQL database that a folder was started on, or empty."""
    try:
        return str(json.loads((data_dir / _NOTE).read_text())["postgresql"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def parse_database(address: str) -> Postgres:
    """The parts of `postgresql://user:password@host:port/name`.

    Raises:
        SettingsError: It is not such an address; the message does not repeat it.
    """
    try:
        parts = urlsplit(address)
        port = parts.port or 5432
    except ValueError:
        parts, port = urlsplit(""), 0
    name = unquote(parts.path.strip("/"))
    usable = parts.scheme in ("postgres", "postgresql") and parts.hostname and parts.username
    if not usable or not name or "/" in name:
        raise SettingsError(
            f"{DATABASE_VARIABLE} is not an address of a PostgreSQL database. Give "
            "postgresql://USER:PASSWORD@HOST:PORT/NAME, with % codes for odd characters"
        )
    password = unquote(parts.password or "")
    conceal(password)
    return Postgres(str(parts.hostname), port, name, unquote(str(parts.username)), password)


def server_settings(
    data_dir: Path,
    url: str,
    account: Mapping[str, str],
    database: Postgres | None,
    private_webhooks: bool = False,
) -> dict[str, str]:
    """Environment of a local Label Studio.

    Args:
        data_dir: Its folder.
        url: Its address on loopback.
        account: email, password and token of the first account.
        database: Where its data are; None for SQLite in the folder.
        private_webhooks: Whether it may call receivers on this machine and in private networks,
            which takes its SSRF protection off.
    """
    closed = {
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_ALLOW_ORGANIZATION_CREATION": "false",
        "LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "false" if private_webhooks else "true",
        "LABEL_STUDIO_CORS_ALLOWED_ORIGINS": url,
        # A page of another site whose name points here (DNS rebinding) gets a 400.
        "LABEL_STUDIO_ALLOWED_HOSTS": "127.0.0.1,localhost",
        "LABEL_STUDIO_SESSION_COOKIE_SAMESITE": "Lax",
        "LABEL_STUDIO_DEBUG": "false",
    }
    return {
        **closed,
        **(database.settings if database is not None else {"DJANGO_DB": "sqlite"}),
        "LABEL_STUDIO_BASE_DATA_DIR": str(data_dir),
        "LABEL_STUDIO_HOST": url,
        "LABEL_STUDIO_USERNAME": account["email"],
        "LABEL_STUDIO_PASSWORD": account["password"],
        "LABEL_STUDIO_USER_TOKEN": account["token"],
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(data_dir.parent.resolve()),
        "LABEL_STUDIO_TASK_LOCK_TTL": str(LOCK_SECONDS),
    }


def tidy(data_dir: Path) -> None:
    """Closes the folder to others, clears copies of exports, and redacts and shortens the log.

    Only for a folder whose server does not run. Label Studio keeps a copy of every export it ever
    gave, with everybody's grades, and writes every address asked of it into its log.
    """
    data_dir.chmod(0o700)
    for path in (data_dir / "export").glob("*"):
        with contextlib.suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    log = data_dir / LOG
    if log.exists():
        tail = log.read_bytes()[-_LOG_BYTES:].decode(errors="replace")
        with atomic(log) as temporary:
            temporary.chmod(0o600)
            temporary.write_text(redact(tail))
    for path in (log, *data_dir.glob(f"{DATABASE}*")):
        if path.exists():
            path.chmod(0o600)


def said_in_log(data_dir: Path, since: int) -> str:
    """The last lines of the log, redacted, from a byte on, with its place."""
    log = data_dir / LOG
    lines = _log_since(log, since).strip().splitlines()
    return f"{redact(' | '.join(lines[-3:])[-300:])} (see {log})"


def check_port(data_dir: Path, since: int, port: int) -> bool:
    """Whether the log says, from a byte on, that the server listens at its port.

    Label Studio silently takes the next one if its own was taken meanwhile.

    Raises:
        PortTakenError: It listens at another.
    """
    log = _log_since(data_dir / LOG, since)
    found = re.findall(r"server at http://127\.0\.0\.1:(\d+)/", log)
    if any(int(one) != port for one in found):
        raise PortTakenError(
            f"port {port} was taken by another program while Label Studio was starting. Start it "
            "again"
        )
    return bool(found)


def _log_since(log: Path, since: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(since)
        return file.read().decode(errors="replace")
