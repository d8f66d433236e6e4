"""Tasks as they are on the server: by pair key, or all of a project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

from annotation.desk import LOCAL, Desk
from annotation.gateway import Json
from annotation.store import ProjectEntry

ASK_CHUNK = 100
"""Pair keys a question: 4 kB of address, which proxies let through."""

LOCAL_ASK_CHUNK = 500
"""The same where no proxy is between: 20 kB of address, half the time a key."""

PAGE = 500

_T = TypeVar("_T")


def tasks_of(desk: Desk, entry: ProjectEntry, keys: Sequence[str]) -> dict[str, list[Json]]:
    """pair_key → its tasks on the server, oldest first."""
    found: dict[str, list[Json]] = {}
    for part in chunks(keys, LOCAL_ASK_CHUNK if desk.server == LOCAL else ASK_CHUNK):
        for number in range(1, 1000):
            page = desk.studio.tasks(entry.project_id, page=number, size=PAGE, keys=part)
            for task in page:
                found.setdefault(str(task["data"].get("pair_key")), []).append(task)
            if len(page) < PAGE:
                break
    return found


def pages(desk: Desk, entry: ProjectEntry) -> Iterator[list[Json]]:
    """All tasks of a project with their annotations, a page at a time, by id."""
    number = 1
    while True:
        page = desk.studio.tasks(entry.project_id, page=number, size=PAGE)
        if page:
            yield page
        if len(page) < PAGE:
            return
        number += 1


def has_graded(task: Json, user: int) -> bool:
    """Whether this user has an annotation on a task."""
    return any(one.get("completed_by") == user for one in task["annotations"])


def chunks(rows: Sequence[_T], size: int) -> Iterator[list[_T]]:
    """Consecutive parts of at most `size` rows."""
    stream = iter(rows)
    while part := list(islice(stream, size)):
        yield part
