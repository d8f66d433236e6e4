"""Removes a person's data from a workspace, and if asked from the server.

What is kept is a keyed hash of their address, so that they are not taken for somebody new while
they still have an account. Deleted content is overwritten, not only unlinked: the store is rebuilt
and its write-ahead log emptied.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
import polars.selectors as cs

from annotation.export import UNKNOWN
from annotation.sync.desk import LOCAL, Desk, attempt
from annotation.sync.roster import trace
from annotation.sync.store import Person, Store
from annotation.sync.tables import HISTORY, REJECTED, write_history
from relevance.errors import InputError, ServerError, did_you_mean
from relevance.files import atomic
from relevance.provenance import read_provenance
from relevance.records import TABLES
from relevance.tables import write_table
from relevance.workspace import Workspace, kind_of

_PERSONAL = ("judgments", "repeats", "rulings")
_UNFINISHED = "forgetting"
_LARGEST = 1 << 28  # bytes of a file that is searched for what remains


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed, and what remains.

    Attributes:
        annotator: The pseudonym.
        n_annotations: Annotations removed from the store.
        n_events: Events removed from the history.
        files: Files of the workspace that were written anew.
        derived: Tables that were made from their grades, which can no longer be told apart.
        naming: Files that still name them or their address.
        server: What has to be deleted on the server, one line each.
    """

    annotator: str
    n_annotations: int
    n_events: int
    files: tuple[str, ...]
    derived: tuple[str, ...]
    naming: tuple[str, ...]
    server: tuple[str, ...]


def find(store: Store, space: Workspace, name: str) -> list[tuple[str, Person]]:
    """The accounts, by server, of a person known by pseudonym or address.

    Returns:
        (server, person); none where only judgments name them, as those made elsewhere do.

    Raises:
        InputError: Nobody is called so.
    """
    servers = [row[0] for row in store.db.execute("SELECT DISTINCT server FROM people")]
    everybody = [(server, one) for server in servers for one in store.people(server)]
    lowered = name.lower()
    found = [
        (server, one) for server, one in everybody if lowered in (one.annotator, one.email.lower())
    ] or [(server, one) for server, one in everybody if one.annotator == name]
    # The same person on another server, or under an address written otherwise.
    names = {one.annotator for _, one in found}
    found = [(server, one) for server, one in everybody if one.annotator in names]
    if found:
        return found
    known = {one.annotator for _, one in everybody} | _named(store, space)
    if name not in known:
        raise InputError(f"nobody here is called {name!r}.{did_you_mean(name, known)}")
    return []


def forget_on_server(desk: Desk, people: Sequence[tuple[str, Person]]) -> list[str]:
    """Deletes what a person graded on this server, and their account; says what could not be.

    Raises:
        ServerError: The server refused, or did not answer.
    """
    emails = {one.email.lower() for server, one in people if server == desk.server}
    numbers = [one for one, email in desk.studio.people().items() if email.lower() in emails]
    known = {form.project_id for form in desk.store.forms(desk.server)}
    left = []
    for user in numbers:
        for project in sorted(known):
            if desk.studio.project(project) is not None:
                attempt(desk, partial(desk.studio.delete_annotations_of, project, user))
        try:
            attempt(desk, partial(desk.studio.delete_account, user))
        except ServerError as error:
            left.append(f"the account itself: {error}")
    return left


def forget(
    store: Store, space: Workspace, name: str, *, on_server: Desk | None = None
) -> Forgotten:
    """Removes everything about a person from the workspace; may be killed and run again.

    The store forgets last, so what was interrupted can be named and finished.

    Args:
        store: The store.
        space: The workspace.
        name: Pseudonym or e-mail address.
        on_server: Where to delete their annotations and account first.

    Raises:
        InputError: Nobody is called so.
        ServerError: The server refused, or another process holds the store.
    """
    if store.mark("", _UNFINISHED):  # a run died, or met a reader, before it had overwritten all
        _compact(store.path, store.db)
        store.set_mark("", _UNFINISHED, None)
    people = find(store, space, name)
    annotator = people[0][1].annotator if people else name
    with store.lock("push"), store.lock("pull"):
        refused = [] if on_server is None else forget_on_server(on_server, people)
        with store.transaction():
            n_annotations, n_events = _clear(store, annotator, people)
            files = [*_write_tables(store, space, annotator)]
            store.set_mark("", _UNFINISHED, "yes")
        _compact(store.path, store.db)
        store.set_mark("", _UNFINISHED, None)
    local = space.root / "label-studio" / "label_studio.sqlite3"
    if on_server is not None and on_server.server == LOCAL and local.exists():
        _compact(local)
    return Forgotten(
        annotator=annotator,
        n_annotations=n_annotations,
        n_events=n_events,
        files=tuple(files),
        derived=tuple(_derived(space)),
        naming=tuple(_naming(space.root, annotator, [one.email for _, one in people])),
        server=tuple(refused) if on_server is not None else tuple(_left_on_servers(people)),
    )


def _left_on_servers(people: Sequence[tuple[str, Person]]) -> list[str]:
    return [
        f"server {server}: the account and its annotations (--on-server deletes them)"
        for server in sorted({server for server, _ in people})
    ]


def _clear(store: Store, annotator: str, people: Sequence[tuple[str, Person]]) -> tuple[int, int]:
    """Removes a person from the store; how many annotations and events that were."""
    db = store.db
    db.executemany(
        "INSERT OR IGNORE INTO forgotten VALUES (?, ?)",
        ((server, trace(store.key, one.email)) for server, one in people),
    )
    db.execute("DELETE FROM people WHERE annotator = ?", (annotator,))
    db.execute(
        "DELETE FROM released WHERE (server, annotation_id) IN"
        " (SELECT server, annotation_id FROM live WHERE annotator = ?)",
        (annotator,),
    )
    counts = []
    for table in ("live", "log"):
        done = db.execute(f"DELETE FROM {table} WHERE annotator = ?", (annotator,))  # noqa: S608
        counts.append(done.rowcount)
        db.execute(
            f"UPDATE {table} SET editor = ? WHERE editor = ?",  # noqa: S608
            (UNKNOWN, annotator),
        )
    return counts[0], counts[1]


def _write_tables(store: Store, space: Workspace, annotator: str) -> Iterator[str]:
    """Writes every table of judgments without a person; yields the names of the files."""
    for path in sorted(space.root.glob("*.parquet")):
        kind = path.stem.split("-", 1)[0]
        if kind not in _PERSONAL or kind_of(path.stem) not in TABLES:
            continue
        frame = pl.read_parquet(path)
        columns = [one for one in ("annotator", "updated_by") if one in frame.columns]
        mine = pl.any_horizontal(pl.col(one).eq_missing(annotator) for one in columns)
        if not columns or not frame.select(mine.any()).item():
            continue
        write_table(_without(frame, annotator), path, kind)
        yield path.name
    rejected = space.root / REJECTED
    if rejected.exists():
        _filter_lines(rejected, annotator)
        yield rejected.name
    if (space.root / HISTORY).exists():
        write_history(space.root / HISTORY, store, anew=True)
        yield HISTORY


def _without(frame: pl.DataFrame, annotator: str) -> pl.DataFrame:
    kept = frame.filter(pl.col("annotator").ne_missing(annotator))
    if "updated_by" not in kept.columns:
        return kept
    return kept.with_columns(pl.col("updated_by").replace(annotator, UNKNOWN))


def _filter_lines(path: Path, annotator: str) -> None:
    """Leaves a person's lines out of a JSONL file, and their name out of the others."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row.get("annotator") == annotator:
                continue
            if row.get("updated_by") == annotator:
                row["updated_by"] = UNKNOWN
                row["reason"] = str(row["reason"]).replace(annotator, UNKNOWN)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _compact(path: Path, db: sqlite3.Connection | None = None) -> None:
    """Leaves nothing of what was deleted in free pages or in the write-ahead log."""
    own = db or sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        own.execute("VACUUM")
        busy, *_ = own.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        busy, reason = 1, f" ({error})"
    else:
        reason = ""
    finally:
        if db is None:
            own.close()
    if busy:
        raise ServerError(
            f"another process is reading {path}{reason}, so what was deleted may still be in its "
            "free pages. Stop that process and run the same command again"
        )


def _named(store: Store, space: Workspace) -> set[str]:
    """Pseudonyms in the history and in the workspace's tables of judgments."""
    rows = store.db.execute("SELECT DISTINCT annotator FROM log WHERE annotator IS NOT NULL")
    names = {name for (name,) in rows}
    for path in space.root.glob("*.parquet"):
        if path.stem.split("-", 1)[0] in _PERSONAL:
            names |= set(pl.read_parquet(path, columns=["annotator"])["annotator"].drop_nulls())
    return names


def _derived(space: Workspace) -> Iterator[str]:
    """Tables whose provenance says that they were made from judgments."""
    for path in sorted(space.root.glob("*.parquet")):
        inputs = (read_provenance(path) or {}).get("inputs", {})
        if any(str(one).split(".")[0].split("-")[0] in _PERSONAL for one in inputs):
            yield path.name


def _naming(root: Path, annotator: str, emails: Sequence[str]) -> Iterator[str]:
    """Files in a folder that still hold a pseudonym or an address."""
    name = rb"(?<![\w-])" + re.escape(annotator.encode()) + rb"(?![\w-])"
    addresses = [re.escape(email.encode()) for email in emails]
    wanted = re.compile(b"|".join([name, *(b"(?i:" + one + b")" for one in addresses)]))
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.stat().st_size > _LARGEST:
            continue
        content = _texts(path) if path.suffix == ".parquet" else path.read_bytes()
        if wanted.search(content):
            yield str(path.relative_to(root))


def _texts(path: Path) -> bytes:
    """All text cells of a Parquet file, which compresses them."""
    frame = pl.scan_parquet(path).select(cs.string()).collect()
    cells = (text for column in frame for text in column.unique().drop_nulls())
    return "\n".join(cells).encode()
