"""Local state of one workspace's annotation: what the server must not know or cannot keep.

One SQLite file (mode 0600): the key of the pair hashes, which pair each hash stands for, where it
was sent, the project of each locale and purpose, the people with their pseudonyms, and what was
pulled (`annotation.sync.history`). Without it the server's tasks cannot be told apart, so it lives
with the workspace and is never sent anywhere. Files of an older schema are brought up to date when
they are opened (`annotation.sync.schema`).
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from annotation.sync.schema import OLD, bring_up_to_date
from relevance.errors import ServerError

GRADE, EXTRA, SENIOR = "grade", "extra", "senior"
"""Purposes of a project: the first round, further opinions (`extra`, `extra+1`, …), rulings."""

REPEAT = "repeat"
"""Draw of a pair that is shown a second time, to see whether people agree with themselves."""

ANNOTATOR, SYNTHETIC = "annotator", "synthetic"
ROLES = (ANNOTATOR, SENIOR, SYNTHETIC)


@dataclass(frozen=True, slots=True)
class ProjectEntry:
    """A project of ours on a server.

    Attributes:
        locale: Language and country of its queries (`fr-FR`); empty for queries without either.
        purpose: What it is for: `grade`, `extra` (or `extra+1`, …) or `senior`.
        project_id: Its number on the server.
        config_hash: Hash of its labelling configuration as we left it.
        guideline_version: Guidelines that its judgments are made under.
        overlap: How many people grade each of its pairs; 0 if an older file did not say.
    """

    locale: str
    purpose: str
    project_id: int
    config_hash: str
    guideline_version: str
    overlap: int


@dataclass(frozen=True, slots=True)
class FormEntry:
    """A form that a project had, or has, and that judgments may be made with.

    Attributes:
        project_id: The project.
        locale: As of its project.
        purpose: As of its project.
        config_hash: Hash of the labelling configuration.
        guideline_version: Guidelines that went with it.
        since: From when on, UTC; a project's first form counts from the beginning.
    """

    project_id: int
    locale: str
    purpose: str
    config_hash: str
    guideline_version: str
    since: datetime


@dataclass(frozen=True, slots=True)
class PairEntry:
    """What a pair key stands for.

    Attributes:
        pair_key: Keyed hash of the pair and all that is shown of it.
        locale: Locale of its query.
        query_id: The query.
        pin_id: The Pin.
        draw: Why it was drawn; `repeat` if it is shown a second time.
    """

    pair_key: str
    locale: str
    query_id: str
    pin_id: str
    draw: str = ""

    @property
    def checkable(self) -> bool:
        """Whether its key can be made again from what its task shows."""
        return self.draw != OLD


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account on the server, or somebody the roster expects there.

    Attributes:
        email: E-mail address; never leaves the store.
        annotator: Pseudonym, as in judgments.
        password: Only of accounts that we made for synthetic graders.
        signed_up: Whether the account is known to be there.
        role: `annotator`, `senior` or `synthetic`.
        languages: Languages they may grade (`fr`, `pt-BR`); empty for any.
        listed: Whether the roster names them.
    """

    email: str
    annotator: str
    password: str | None
    signed_up: bool
    role: str = ANNOTATOR
    languages: tuple[str, ...] = ()
    listed: bool = False

    @property
    def login(self) -> tuple[str, str]:
        """E-mail address and password."""
        return self.email, self.password or ""


class Store:
    """The local state in one SQLite file.

    Args:
        path: The file; made with its folder if it is not there.

    Raises:
        InputError: The file is no store, or one of a newer gradewise.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
        elif path.stat().st_mode & 0o077:
            path.chmod(0o600)
        self.path = path
        self.db = bring_up_to_date(path)

    @property
    def key(self) -> bytes:
        """Secret key of the pair hashes and pseudonyms."""
        return bytes.fromhex(self._meta("key"))

    @property
    def marker(self) -> str:
        """Text that marks this workspace's projects in their description."""
        return f"gradewise:{self._meta('id')}"

    def project(self, server: str, locale: str, purpose: str = GRADE) -> ProjectEntry | None:
        """The project of a locale and purpose, if one was made."""
        wanted = (locale, purpose)
        found = [one for one in self.projects(server) if (one.locale, one.purpose) == wanted]
        return found[0] if found else None

    def projects(self, server: str) -> list[ProjectEntry]:
        """All projects on a server, by locale and purpose."""
        rows = self.db.execute(
            "SELECT locale, purpose, project_id, config_hash, guideline_version, overlap"
            " FROM projects WHERE server = ? ORDER BY locale, purpose",
            (server,),
        )
        return [ProjectEntry(*row) for row in rows]

    def save_project(
        self, server: str, entry: ProjectEntry, *, since: datetime | None = None
    ) -> None:
        """Remembers a project, replacing what was known of this locale and purpose.

        A form or guidelines other than before are added to `forms`.

        Args:
            server: Name of the server in the store.
            entry: The project.
            since: From when on its form and guidelines are valid; by default from now on.
        """
        known = [one for one in self.forms(server) if one.project_id == entry.project_id]
        form = (entry.config_hash, entry.guideline_version)
        with self.transaction():
            self.db.execute(
                "INSERT OR REPLACE INTO projects VALUES (?, ?, ?, ?, ?, ?, ?)",
                (server, entry.locale, entry.purpose, entry.project_id, *form, entry.overlap),
            )
            if not known or (known[-1].config_hash, known[-1].guideline_version) != form:
                self.db.execute(
                    "INSERT INTO forms VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        server,
                        entry.project_id,
                        entry.locale,
                        entry.purpose,
                        *form,
                        (since or datetime.now(UTC)).isoformat(),
                    ),
                )

    def forms(self, server: str) -> list[FormEntry]:
        """Every form that any project of ours on a server had, in the order they came."""
        rows = self.db.execute(
            "SELECT project_id, locale, purpose, config_hash, guideline_version, since FROM forms"
            " WHERE server = ? ORDER BY rowid",
            (server,),
        )
        return [
            FormEntry(number, locale, purpose, form, version, datetime.fromisoformat(since))
            for number, locale, purpose, form, version, since in rows
        ]

    def save_pairs(self, pairs: Iterable[PairEntry]) -> None:
        """Remembers what pair keys stand for, in one transaction; known keys stay as they are."""
        with self.transaction():
            self.db.executemany(
                "INSERT OR IGNORE INTO pairs VALUES (?, ?, ?, ?, ?)",
                ((one.pair_key, one.locale, one.query_id, one.pin_id, one.draw) for one in pairs),
            )

    def pairs(self) -> dict[str, PairEntry]:
        """pair_key → what it stands for, of every pair ever pushed."""
        rows = self.db.execute("SELECT pair_key, locale, query_id, pin_id, draw FROM pairs")
        return {row[0]: PairEntry(*row) for row in rows}

    def keys(self, *, repeats: bool = False) -> dict[tuple[str, str], tuple[str, str]]:
        """(query_id, pin_id) → (pair_key, locale); of several versions the one pushed last.

        Args:
            repeats: The keys under which pairs are shown a second time, instead of the first.
        """
        rows = self.db.execute(
            "SELECT query_id, pin_id, pair_key, locale FROM pairs WHERE (draw = ?) = ?"
            " ORDER BY rowid",
            (REPEAT, repeats),
        )
        return {(query, pin): (key, locale) for query, pin, key, locale in rows}

    def save_tasks(self, server: str, project_id: int, tasks: Mapping[str, int | None]) -> None:
        """Remembers that pairs are sent to a project: pair_key → number of the task, if known."""
        with self.transaction():
            self.db.executemany(
                "INSERT INTO tasks VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
                " SET task_id = coalesce(excluded.task_id, task_id)",
                ((server, project_id, key, number) for key, number in tasks.items()),
            )

    def tasks(self, server: str, project_id: int) -> dict[str, int | None]:
        """pair_key → number of its task where it is known, of every pair sent to a project."""
        rows = self.db.execute(
            "SELECT pair_key, task_id FROM tasks WHERE server = ? AND project_id = ?",
            (server, project_id),
        )
        return dict(rows.fetchall())

    def n_pairs(self, locale: str, purpose: str, server: str) -> int:
        """Pairs ever sent to the project of a locale and purpose; 0 if there is none."""
        row = self.db.execute(
            "SELECT count(*) FROM tasks JOIN projects USING (server, project_id)"
            " WHERE server = ? AND locale = ? AND purpose = ?",
            (server, locale, purpose),
        ).fetchone()
        return int(row[0])

    def people(self, server: str) -> list[Person]:
        """Everybody known on a server, by pseudonym."""
        rows = self.db.execute(
            "SELECT email, annotator, password, signed_up, role, languages, listed FROM people"
            " WHERE server = ? ORDER BY annotator",
            (server,),
        )
        return [
            Person(email, name, password, bool(there), role, tuple(json.loads(said)), bool(listed))
            for email, name, password, there, role, said, listed in rows
        ]

    def save_person(self, server: str, person: Person) -> None:
        """Remembers somebody, replacing what was known of this e-mail address."""
        self.db.execute(
            "INSERT OR REPLACE INTO people VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                server,
                person.email,
                person.annotator,
                person.password,
                int(person.signed_up),
                person.role,
                json.dumps(person.languages),
                int(person.listed),
            ),
        )

    def by_email(self, server: str) -> Mapping[str, Person]:
        """E-mail address → person."""
        return {person.email: person for person in self.people(server)}

    def mark(self, server: str, name: str, project_id: int = 0) -> str | None:
        """A mark set before: how far a pull got, which rules hold; None if it was never set."""
        row = self.db.execute(
            "SELECT value FROM marks WHERE server = ? AND project_id = ? AND name = ?",
            (server, project_id, name),
        ).fetchone()
        return None if row is None else str(row[0])

    def set_mark(self, server: str, name: str, value: str | None, project_id: int = 0) -> None:
        """Sets a mark, or removes it with None."""
        place = (server, project_id, name)
        if value is None:
            self.db.execute(
                "DELETE FROM marks WHERE server = ? AND project_id = ? AND name = ?", place
            )
        else:
            self.db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)", (*place, value))

    @contextlib.contextmanager
    def lock(self, what: str = "push", *, timeout: float = 5) -> Iterator[None]:
        """Keeps a second push (or pull) of this workspace out; let go of when the process dies.

        Args:
            what: `push` or `pull`; the two do not keep each other out.
            timeout: Seconds to wait for the other one.

        Raises:
            ServerError: Another one holds it.
        """
        ending = ".lock" if what == "push" else f".{what}.lock"
        holder = sqlite3.connect(
            self.path.with_suffix(ending), timeout=timeout, isolation_level=None
        )
        try:
            try:
                holder.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise ServerError(
                    f"another {what} of this workspace is under way. Wait for it to end"
                ) from error
            yield
        finally:
            holder.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in it is stored, or nothing; within another one it is part of that."""
        if self.db.in_transaction:
            yield
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def close(self) -> None:
        """Closes the file."""
        self.db.close()

    def _meta(self, name: str) -> str:
        row = self.db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0])
