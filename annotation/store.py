"""Local state of one workspace's annotation: what the server must not know or cannot keep.

One SQLite file (mode 0600): the key of the pair hashes, which pair each hash stands for, the
project of each country, and the people with their pseudonyms. Without it the server's tasks cannot
be told apart, so it lives with the workspace and is never sent anywhere.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from relevance.errors import ServerError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS projects (
    server TEXT, country TEXT, project_id INTEGER NOT NULL, config_hash TEXT NOT NULL,
    guideline_version TEXT NOT NULL, PRIMARY KEY (server, country));
CREATE TABLE IF NOT EXISTS pairs (
    pair_key TEXT PRIMARY KEY, country TEXT NOT NULL, query_id TEXT NOT NULL, pin_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS pairs_by_id ON pairs (query_id, pin_id);
CREATE TABLE IF NOT EXISTS people (
    server TEXT, email TEXT, annotator TEXT NOT NULL, password TEXT, signed_up INTEGER DEFAULT 0,
    PRIMARY KEY (server, email), UNIQUE (server, annotator));
"""


@dataclass(frozen=True, slots=True)
class ProjectEntry:
    """A project of ours on a server.

    Attributes:
        country: Country of its queries; empty for queries without one.
        project_id: Its number on the server.
        config_hash: Hash of its labelling configuration when it was made.
        guideline_version: Guidelines that its judgments are made under.
    """

    country: str
    project_id: int
    config_hash: str
    guideline_version: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account on the server.

    Attributes:
        email: E-mail address; never leaves the store.
        annotator: Pseudonym, as in judgments.
        password: Only of accounts that we made for synthetic graders.
        signed_up: Whether the account is known to be there.
    """

    email: str
    annotator: str
    password: str | None
    signed_up: bool

    @property
    def login(self) -> tuple[str, str]:
        """E-mail address and password."""
        return self.email, self.password or ""


class Store:
    """The local state in one SQLite file.

    Args:
        path: The file; made with its folder if it is not there.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
        self.path = path
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('key', ?)", (secrets.token_hex(32),))
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('id', ?)", (secrets.token_hex(8),))

    @property
    def key(self) -> bytes:
        """Secret key of the pair hashes and pseudonyms."""
        return bytes.fromhex(self._meta("key"))

    @property
    def marker(self) -> str:
        """Text that marks this workspace's projects in their description."""
        return f"gradewise:{self._meta('id')}"

    def project(self, server: str, country: str) -> ProjectEntry | None:
        """The project of a country, if one was made."""
        found = [entry for entry in self.projects(server) if entry.country == country]
        return found[0] if found else None

    def projects(self, server: str) -> list[ProjectEntry]:
        """All projects on a server, by country."""
        rows = self._db.execute(
            "SELECT country, project_id, config_hash, guideline_version FROM projects"
            " WHERE server = ? ORDER BY country",
            (server,),
        )
        return [ProjectEntry(*row) for row in rows]

    def save_project(self, server: str, entry: ProjectEntry) -> None:
        """Remembers a project, replacing what was known of this country."""
        self._db.execute(
            "INSERT OR REPLACE INTO projects VALUES (?, ?, ?, ?, ?)",
            (
                server,
                entry.country,
                entry.project_id,
                entry.config_hash,
                entry.guideline_version,
            ),
        )

    def save_pairs(self, rows: Iterable[tuple[str, str, str, str]]) -> None:
        """Remembers (pair_key, country, query_id, pin_id), in one transaction."""
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO pairs VALUES (?, ?, ?, ?)", rows)

    def pairs(self) -> dict[str, tuple[str, str]]:
        """pair_key → (query_id, pin_id) of every pair ever pushed."""
        rows = self._db.execute("SELECT pair_key, query_id, pin_id FROM pairs")
        return {key: (query_id, pin_id) for key, query_id, pin_id in rows}

    def keys(self) -> dict[tuple[str, str], tuple[str, str]]:
        """(query_id, pin_id) → (pair_key, country); of several versions the one pushed last."""
        rows = self._db.execute(
            "SELECT query_id, pin_id, pair_key, country FROM pairs ORDER BY rowid"
        )
        return {(query, pin): (key, country) for query, pin, key, country in rows}

    def n_pairs(self, country: str) -> int:
        """Pairs of a country ever pushed."""
        row = self._db.execute(
            "SELECT count(*) FROM pairs WHERE country = ?", (country,)
        ).fetchone()
        return int(row[0])

    def people(self, server: str) -> list[Person]:
        """Everybody known on a server, by pseudonym."""
        rows = self._db.execute(
            "SELECT email, annotator, password, signed_up FROM people WHERE server = ?"
            " ORDER BY annotator",
            (server,),
        )
        return [Person(email, name, password, bool(there)) for email, name, password, there in rows]

    def save_person(self, server: str, person: Person) -> None:
        """Remembers somebody, replacing what was known of this e-mail address."""
        self._db.execute(
            "INSERT OR REPLACE INTO people VALUES (?, ?, ?, ?, ?)",
            (server, person.email, person.annotator, person.password, int(person.signed_up)),
        )

    def by_email(self, server: str) -> Mapping[str, Person]:
        """E-mail address → person."""
        return {person.email: person for person in self.people(server)}

    @contextlib.contextmanager
    def lock(self, *, timeout: float = 5) -> Iterator[None]:
        """Keeps a second push of this workspace out; let go of when the process dies.

        Raises:
            ServerError: Another push holds it.
        """
        holder = sqlite3.connect(
            self.path.with_suffix(".lock"), timeout=timeout, isolation_level=None
        )
        try:
            try:
                holder.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise ServerError(
                    "another push of this workspace is under way. Wait for it to end"
                ) from error
            yield
        finally:
            holder.close()

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def _meta(self, name: str) -> str:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
