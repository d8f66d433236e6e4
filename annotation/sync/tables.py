"""The files of a workspace that a pull writes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from annotation.sync.history import COLUMNS
from annotation.sync.pull import Pulled
from annotation.sync.settle import Settled
from annotation.sync.store import Store
from relevance.files import atomic
from relevance.provenance import read_provenance
from relevance.workspace import Workspace

COMMAND = "annotation pull"
_OURS = (COMMAND, "gradewise demo")  # whose tables a pull may replace unasked

REJECTED = "judgments-rejected.jsonl"
HISTORY = "judgments-history.jsonl"

_EXPORTED = "history"


def is_ours(space: Workspace, name: str) -> bool:
    """Whether a table is not there, or was made by a pull."""
    made_by = (read_provenance(space.path(name)) or {}).get("command")
    return not space.has(name) or made_by in _OURS


def write_pulled(space: Workspace, store: Store, pulled: Pulled | Settled) -> None:
    """Writes judgments, repeats and rulings (where there are any), quarantine and history.

    Args:
        space: The workspace.
        store: Its store, which holds the history.
        pulled: The tables.
    """
    space.write("judgments", pulled.judgments, command=COMMAND)
    for name, frame in {"repeats": pulled.repeats, "rulings": pulled.rulings}.items():
        if frame.height or (space.has(name) and is_ours(space, name)):
            space.write(name, frame, command=COMMAND)
    _write_rejected(space.root / REJECTED, pulled.rejected)
    write_history(space.root / HISTORY, store)


def write_history(path: Path, store: Store, *, anew: bool = False) -> None:
    """Writes every event that was ever pulled, one JSON object a line, oldest first.

    What is there already is kept as it is and added to, because it never changes.

    Args:
        path: The file.
        store: Holds the events.
        anew: Write all of it again.
    """
    done = json.loads(store.mark("", _EXPORTED) or "{}")
    known = not anew and path.exists() and path.stat().st_size == done.get("bytes")
    last = int(done["last"]) if known else 0
    with atomic(path) as temporary:
        if known:
            shutil.copyfile(path, temporary)
        with temporary.open("a", encoding="utf-8") as file:
            for number, event in _events(store, last):
                file.write(json.dumps(event, ensure_ascii=False) + "\n")
                last = number
        size = temporary.stat().st_size
    store.set_mark("", _EXPORTED, json.dumps({"last": last, "bytes": size}))


def _events(store: Store, after: int) -> Iterator[tuple[int, dict[str, Any]]]:
    names = ("at", "event", "server", "query_id", "pin_id", *COLUMNS)
    rows = store.db.execute(
        f"SELECT id, {', '.join(names)} FROM log LEFT JOIN pairs USING (pair_key)"  # noqa: S608
        " WHERE id > ? ORDER BY id",
        (after,),
    )
    for number, *values in rows:
        event = dict(zip(names, values, strict=True))
        event |= {"answers": json.loads(event["answers"]), "altered": bool(event["altered"])}
        yield number, event


def _write_rejected(path: Path, rejected: pl.DataFrame) -> None:
    with atomic(path) as temporary:
        rejected.write_ndjson(temporary)
