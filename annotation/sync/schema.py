"""The tables of the local store, and how files of older schemas are brought up to date."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from relevance.errors import InputError, ServerError

SCHEMA = 2
"""Number of the present schema, kept in `meta`; files without one are of the first."""

OLD = "old"
"""Draw of pairs of the first schema: it was not kept, and their keys were made another way."""

_PULLED = """
    server TEXT, annotation_id INTEGER, project_id INTEGER NOT NULL, task_id INTEGER NOT NULL,
    pair_key TEXT NOT NULL, annotator TEXT, editor TEXT, grade INTEGER, flag TEXT,
    answers TEXT NOT NULL, seconds REAL, created_at TEXT, updated_at TEXT, source TEXT NOT NULL,
    config_hash TEXT NOT NULL, altered INTEGER NOT NULL, problem TEXT, found TEXT NOT NULL,
    digest TEXT NOT NULL"""

_TABLES = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE projects (
    server TEXT, locale TEXT, purpose TEXT, project_id INTEGER NOT NULL, config_hash TEXT NOT NULL,
    guideline_version TEXT NOT NULL, overlap INTEGER NOT NULL,
    PRIMARY KEY (server, locale, purpose));
CREATE TABLE forms (
    server TEXT NOT NULL, project_id INTEGER NOT NULL, locale TEXT NOT NULL, purpose TEXT NOT NULL,
    config_hash TEXT NOT NULL, guideline_version TEXT NOT NULL, since TEXT NOT NULL);
CREATE TABLE pairs (
    pair_key TEXT PRIMARY KEY, locale TEXT NOT NULL, query_id TEXT NOT NULL, pin_id TEXT NOT NULL,
    draw TEXT NOT NULL);
CREATE INDEX pairs_by_id ON pairs (query_id, pin_id);
CREATE TABLE tasks (
    server TEXT, project_id INTEGER, pair_key TEXT, task_id INTEGER,
    PRIMARY KEY (server, project_id, pair_key)) WITHOUT ROWID;
CREATE TABLE people (
    server TEXT, email TEXT, annotator TEXT NOT NULL, password TEXT, signed_up INTEGER NOT NULL,
    role TEXT NOT NULL, languages TEXT NOT NULL, listed INTEGER NOT NULL,
    PRIMARY KEY (server, email), UNIQUE (server, annotator));
CREATE TABLE marks (
    server TEXT, project_id INTEGER, name TEXT, value TEXT NOT NULL,
    PRIMARY KEY (server, project_id, name));
CREATE TABLE seen (
    server TEXT, project_id INTEGER, task_id INTEGER, pair_key TEXT NOT NULL,
    updated_at TEXT NOT NULL, PRIMARY KEY (server, project_id, task_id)) WITHOUT ROWID;
CREATE TABLE live ({_PULLED}, PRIMARY KEY (server, annotation_id));
CREATE INDEX live_by_task ON live (server, project_id, task_id);
CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, event TEXT NOT NULL,
    {_PULLED});
CREATE TABLE released (
    server TEXT, annotation_id INTEGER, digest TEXT, reason TEXT,
    PRIMARY KEY (server, annotation_id, digest, reason)) WITHOUT ROWID;
CREATE TABLE forgotten (server TEXT, digest TEXT, PRIMARY KEY (server, digest)) WITHOUT ROWID;
"""

# The first schema had one project a country and knew no purposes; which server a pair went to was
# not kept, so every pair counts as sent to each project of its country.
_FROM_1 = f"""
ALTER TABLE meta RENAME TO old_meta;
ALTER TABLE projects RENAME TO old_projects;
ALTER TABLE pairs RENAME TO old_pairs;
ALTER TABLE people RENAME TO old_people;
DROP INDEX IF EXISTS pairs_by_id;
{_TABLES}
INSERT INTO meta SELECT name, value FROM old_meta;
INSERT INTO projects
    SELECT server, country, 'grade', project_id, config_hash, guideline_version, 0
    FROM old_projects;
INSERT INTO forms
    SELECT server, project_id, country, 'grade', config_hash, guideline_version,
        strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now') FROM old_projects;
INSERT INTO pairs
    SELECT pair_key, country, query_id, pin_id, '{OLD}' FROM old_pairs ORDER BY old_pairs.rowid;
INSERT INTO tasks
    SELECT server, project_id, pair_key, NULL FROM old_projects JOIN old_pairs USING (country);
INSERT INTO people
    SELECT server, email, annotator, password, signed_up,
        CASE WHEN password IS NULL THEN 'annotator' ELSE 'synthetic' END, '[]', 0 FROM old_people;
DROP TABLE old_meta;
DROP TABLE old_projects;
DROP TABLE old_pairs;
DROP TABLE old_people;
"""  # noqa: S608 - constants only

_UPGRADES: Mapping[int, str] = {0: _TABLES, 1: _FROM_1}
"""From which schema (0: an empty file) → what brings it to the present one."""


def bring_up_to_date(path: Path) -> sqlite3.Connection:
    """Opens a store's file, with the present schema whatever it had; all of it or nothing.

    Returns:
        A connection in WAL mode that overwrites what it deletes (`secure_delete`).

    Raises:
        InputError: The file is no store, or of a newer schema.
        ServerError: Somebody holds it for too long.
    """
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        _set_up(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _set_up(db: sqlite3.Connection, path: Path) -> None:
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA secure_delete = ON")
        if _schema_of(db) == SCHEMA:
            return
        db.execute("BEGIN IMMEDIATE")
        found = _schema_of(db)  # another process may have been quicker
        if found > SCHEMA:
            raise InputError(
                f"{path} was written by a newer gradewise (schema {found}; this one knows "
                f"{SCHEMA}). Update gradewise"
            )
        for statement in _UPGRADES.get(found, "").split(";"):
            db.execute(statement)
        made = {"key": secrets.token_hex(32), "id": secrets.token_hex(8)}
        db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", made.items())
        db.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (str(SCHEMA),))
        db.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise ServerError(f"{path} cannot be opened ({error}). Try again") from error
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"{path} is not a store of gradewise ({error}). Move it away and push again, or "
            "restore it from a copy"
        ) from error


def _schema_of(db: sqlite3.Connection) -> int:
    """0 of an empty file, 1 of one that does not say."""
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "meta" not in tables:
        return 0
    row = db.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    return 1 if row is None else int(row[0])
