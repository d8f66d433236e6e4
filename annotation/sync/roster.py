"""Who grades: the people of a server with their pseudonyms, and the roster that says who may.

E-mail addresses stay in the store; everything else knows people by pseudonym. The roster is a CSV
file (columns `email`, `annotator`, `languages`, `role`; languages with spaces between) or a TOML
file of `[[person]]` tables with the same names. Without one everybody with an account may grade.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from hmac import new as keyed
from pathlib import Path
from typing import Any

from annotation.sync.store import ANNOTATOR, ROLES, Person, Store
from relevance.errors import InputError, MissingInputError, TableError, did_you_mean

_FIELDS = ("email", "annotator", "languages", "role")
_ON = "roster"


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """Somebody who may grade.

    Attributes:
        email: E-mail address of the account; empty if the pseudonym says who it is.
        annotator: Pseudonym; empty for one made from the e-mail address.
        languages: Languages they may grade (`fr`, `pt-BR`); empty for any.
        role: `annotator`, `senior` or `synthetic`.
    """

    email: str
    annotator: str
    languages: tuple[str, ...]
    role: str


def read_roster(path: Path) -> list[RosterEntry]:
    """The people of a roster file.

    Raises:
        MissingInputError: It is not there.
        TableError: A line is not understood; names are told by line, never by address.
    """
    if not path.is_file():
        raise MissingInputError(path, "you: a CSV with columns email, annotator, languages, role")
    rows = _toml_rows(path) if path.suffix == ".toml" else _csv_rows(path)
    entries = [_entry(path, line, row) for line, row in rows]
    if not entries:
        raise TableError("the roster names nobody", path=path)
    for name in ("email", "annotator"):
        given = [getattr(entry, name).lower() for entry in entries if getattr(entry, name)]
        if len(given) != len(set(given)):
            raise TableError("somebody is named twice", path=path, column=name)
    return entries


def save_roster(store: Store, server: str, entries: Sequence[RosterEntry]) -> None:
    """Puts a roster in force until the next one: nobody else may grade.

    Raises:
        InputError: An entry without address names nobody known, or a pseudonym is somebody else's.
    """
    people = store.people(server)
    listed = [_listed(store, people, entry) for entry in entries]
    names = {one.annotator: one.email for one in people} | {
        one.annotator: one.email for one in listed
    }
    wrong = [one.annotator for one in (*people, *listed) if names[one.annotator] != one.email]
    if wrong:
        raise InputError(f"pseudonym {wrong[0]!r} is somebody else's. Give another in the roster")
    with store.transaction():
        for person in people:
            store.save_person(server, replace(person, listed=False))
        for person in listed:
            store.save_person(server, person)
            store.db.execute(
                "DELETE FROM forgotten WHERE server = ? AND digest = ?",
                (server, trace(store.key, person.email)),
            )
        store.set_mark(server, _ON, "on")


def lift_roster(store: Store, server: str) -> None:
    """Lets everybody with an account grade again."""
    store.set_mark(server, _ON, None)


def has_roster(store: Store, server: str) -> bool:
    """Whether a roster is in force."""
    return store.mark(server, _ON) is not None


def pseudonym(key: bytes, email: str) -> str:
    """The name of somebody who has no other, such as `person-1f0c9a2b`."""
    return f"person-{keyed(key, email.encode(), sha256).hexdigest()[:8]}"


def recognise(store: Store, server: str, accounts: Mapping[int, str]) -> dict[int, str]:
    """User number → pseudonym of a server's accounts; new people are remembered.

    People who were forgotten (`annotation.sync.forget`) are left out.

    Args:
        store: The store.
        server: Its name for the server.
        accounts: User number → e-mail address.
    """
    known = {person.email.lower(): person for person in store.people(server)}
    gone = forgotten(store, server)
    found: dict[int, str] = {}
    with store.transaction():
        for number, email in accounts.items():
            person = known.get(email.lower())
            if person is None:
                if trace(store.key, email) in gone:
                    continue
                person = Person(email, pseudonym(store.key, email), None, signed_up=True)
                store.save_person(server, person)
            found[number] = person.annotator
    return found


def trace(key: bytes, email: str) -> str:
    """What is kept of somebody's address once they are forgotten: enough to know them again."""
    return keyed(key, b"forgotten:" + email.lower().encode(), sha256).hexdigest()


def forgotten(store: Store, server: str) -> set[str]:
    """Traces of the people of a server who were forgotten."""
    rows = store.db.execute("SELECT digest FROM forgotten WHERE server = ?", (server,))
    return {digest for (digest,) in rows}


def _listed(store: Store, people: Sequence[Person], entry: RosterEntry) -> Person:
    if entry.email:
        known = [one for one in people if one.email.lower() == entry.email.lower()]
    else:
        known = [one for one in people if one.annotator == entry.annotator]
        if not known:
            raise InputError(
                f"the roster's {entry.annotator!r} is nobody the server or the store knows. Add "
                "the e-mail address of their account"
            )
    if known:
        person = known[0]
        if entry.annotator and entry.annotator != person.annotator:
            raise InputError(
                f"the roster calls {person.annotator!r} {entry.annotator!r}, but there may be "
                "judgments under the first name. Use that, or leave it empty"
            )
    else:
        name = entry.annotator or pseudonym(store.key, entry.email)
        person = Person(entry.email, name, None, signed_up=False)
    return replace(person, role=entry.role, languages=entry.languages, listed=True)


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        _check_names(path, reader.fieldnames or (), 1)
        for row in reader:
            if None in row:
                raise TableError(
                    "it has more cells than the header", path=path, line=reader.line_num
                )
            if any(row.values()):
                yield reader.line_num, row


def _toml_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        people = tomllib.loads(path.read_text(encoding="utf-8")).get("person")
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"it is no TOML: {error}", path=path) from error
    if not isinstance(people, list) or not all(isinstance(one, dict) for one in people):
        raise TableError("it must hold [[person]] tables", path=path)
    for number, row in enumerate(people, 1):
        _check_names(path, row, number)
        yield number, row


def _check_names(path: Path, names: Sequence[str] | Mapping[str, Any], line: int) -> None:
    for name in names:
        if name not in _FIELDS:
            raise TableError(
                f"column {name!r} is unknown.{did_you_mean(name, _FIELDS)} It may have "
                f"{', '.join(_FIELDS)}",
                path=path,
                line=line,
            )


def _entry(path: Path, line: int, row: Mapping[str, Any]) -> RosterEntry:
    email, annotator = (str(row.get(name) or "").strip() for name in ("email", "annotator"))
    role = str(row.get("role") or ANNOTATOR).strip()
    said = row.get("languages") or ()
    languages = said.replace(",", " ").replace(";", " ").split() if isinstance(said, str) else said
    if not email and not annotator:
        raise TableError("an e-mail address or a pseudonym is needed", path=path, line=line)
    if email and "@" not in email:
        raise TableError("this is no e-mail address", path=path, line=line, column="email")
    if "@" in annotator:
        raise TableError(
            "a pseudonym must not be an e-mail address", path=path, line=line, column="annotator"
        )
    if role not in ROLES:
        raise TableError(
            f"role must be one of {', '.join(ROLES)}",
            path=path,
            line=line,
            column="role",
            value=role,
        )
    return RosterEntry(email, annotator, tuple(str(one) for one in languages), role)
