"""A person looks at what was set aside and takes it after all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

import polars as pl

from annotation.interface import config_hash
from annotation.sync.desk import Desk
from annotation.sync.settle import WAIVABLE, reason_code
from annotation.sync.store import Store
from relevance.errors import InputError, did_you_mean


def release(store: Store, server: str, rejected: pl.DataFrame, wanted: Iterable[str]) -> None:
    """Takes annotations out of quarantine, as they are now: changed again, they are judged anew.

    Args:
        store: The store.
        server: Its name for the server.
        rejected: What is set aside now (`settle.Settled.rejected`).
        wanted: Reasons that no longer hold back what they hold back now (later annotations are
            looked at again), or numbers of annotations that no such reason holds back.

    Raises:
        InputError: A reason is unknown or cannot be waived, or an annotation is not set aside.
    """
    codes = {
        number: reason_code(reason)
        for number, reason in rejected.select("annotation_id", "reason").iter_rows()
    }
    for word in wanted:
        _release_one(store, server, codes, word)


def waived(store: Store, server: str) -> Mapping[str, list[int]]:
    """Reason → annotations that it no longer holds back."""
    rows = store.db.execute(
        "SELECT reason, annotation_id FROM released JOIN live"
        " USING (server, annotation_id, digest) WHERE server = ?",
        (server,),
    )
    found: dict[str, list[int]] = {}
    for reason, number in rows:
        found.setdefault(reason, []).append(number)
    return found


def accept_forms(desk: Desk) -> list[str]:
    """Takes the forms that the server has now as ours; says which changed.

    Their guideline version says that the form is not the one that was pushed: `VERSION+HASH`.
    """
    notes = []
    known = {(form.project_id, form.config_hash) for form in desk.store.forms(desk.server)}
    for entry in desk.store.projects(desk.server):
        state = desk.studio.project(entry.project_id)
        if state is None or (entry.project_id, config_hash(state.label_config)) in known:
            continue
        found = config_hash(state.label_config)
        version = f"{entry.guideline_version.partition('+')[0]}+{found[:8]}"
        changed = replace(entry, config_hash=found, guideline_version=version)
        since = desk.store.db.execute(
            "SELECT min(created_at) FROM live WHERE server = ? AND project_id = ?"
            " AND config_hash = ?",
            (desk.server, entry.project_id, found),
        ).fetchone()[0]
        desk.store.save_project(
            desk.server, changed, since=datetime.fromisoformat(since) if since else None
        )
        notes.append(f"the form of project {entry.project_id} is taken as it is ({version})")
    return notes


def _release_one(store: Store, server: str, codes: Mapping[int, str], word: str) -> None:
    if word.isdecimal():
        _refuse(f"annotation {word}", codes.get(int(word)))
        marked = [(int(word), code) for code in WAIVABLE]
    else:
        _refuse(f"reason {word!r}", word if word in codes.values() else None, word)
        marked = [(number, word) for number, code in codes.items() if code == word]
    with store.transaction():
        store.db.executemany(
            "INSERT OR IGNORE INTO released SELECT server, annotation_id, digest, ? FROM live"
            " WHERE server = ? AND annotation_id = ?",
            ((code, server, number) for number, code in marked),
        )


def _refuse(what: str, code: str | None, word: str = "") -> None:
    """Raises unless `code` holds something back and can be waived."""
    choices = f"Reasons that can be waived: {', '.join(WAIVABLE)}"
    if code is None:
        meant = did_you_mean(word, WAIVABLE) if word not in WAIVABLE else ""
        raise InputError(f"{what} holds nothing back.{meant} {choices}")
    if code not in WAIVABLE:
        raise InputError(f"{what} cannot be waived ({code}): there is nothing to take. {choices}")
