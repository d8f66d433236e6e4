"""Tasks as they are on the server: by pair key, all of a project, or only who they are."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from functools import partial
from itertools import count, islice
from typing import TypeVar

from annotation.client.studio import Json
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.store import ProjectEntry

ASK_CHUNK = 100
"""Pair keys a question: 4 kB of address, which proxies let through."""

LOCAL_ASK_CHUNK = 500
"""The same where no proxy is between: 20 kB of address, half the time a key."""

PAGE = 500
SWEEP_PAGE = 1000

_SWEPT_PER_ASKED = 2
"""Looking one key up takes the server as long as listing so many tasks (measured)."""

_T = TypeVar("_T")


def tasks_of(desk: Desk, entry: ProjectEntry, keys: Sequence[str]) -> dict[str, list[Json]]:
    """pair_key → its tasks on the server, oldest first."""
    return _asked(desk, entry.project_id, keys)


def pages(desk: Desk, entry: ProjectEntry) -> Iterator[list[Json]]:
    """All tasks of a project with their annotations, a page at a time, by id."""
    return _paged(partial(_page, desk, entry.project_id, None), PAGE)


def outlines(desk: Desk, project_id: int) -> Iterator[list[Json]]:
    """All tasks of a project: id, data, n_annotations; a page at a time, by id."""
    ask = desk.studio.outlines
    return _paged(lambda page: ask(project_id, page=page, size=SWEEP_PAGE), SWEEP_PAGE)


def numbers_of(
    desk: Desk, project_id: int, n_tasks: int, keys: Sequence[str]
) -> dict[str, list[int]]:
    """pair_key → numbers of its tasks, for those of `keys` that are on the server.

    Args:
        desk: Server and store.
        project_id: The project.
        n_tasks: Tasks in it, as the server counts them: decides whether it is quicker to list them
            all or to ask for the keys.
        keys: The pair keys.
    """
    if not keys or not n_tasks:
        return {}
    unsure = list(keys)
    found: dict[str, list[int]] = {}
    if n_tasks <= _SWEPT_PER_ASKED * len(keys):
        found = _listed(desk, project_id, set(keys))
        # A page misses a task if one before it is deleted meanwhile: what was sent and is not
        # listed is asked for by name.
        sent = desk.store.tasks(desk.server, project_id)
        unsure = [key for key in keys if key not in found and key in sent]
    for key, tasks in _asked(desk, project_id, unsure).items():
        found[key] = [int(task["id"]) for task in tasks]
    return found


def has_graded(task: Json, user: int) -> bool:
    """Whether this user has an annotation on a task."""
    return any(one.get("completed_by") == user for one in task["annotations"])


def chunks(rows: Sequence[_T], size: int) -> Iterator[list[_T]]:
    """Consecutive parts of at most `size` rows."""
    stream = iter(rows)
    while part := list(islice(stream, size)):
        yield part


def _paged(ask: Callable[[int], list[_T]], size: int) -> Iterator[list[_T]]:
    for number in count(1):
        page = ask(number)
        if page:
            yield page
        if len(page) < size:
            return


def _listed(desk: Desk, project_id: int, wanted: Container[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    ask = desk.studio.identities
    for page in _paged(lambda at: ask(project_id, page=at, size=SWEEP_PAGE), SWEEP_PAGE):
        for number, key in page:
            if key in wanted:
                found.setdefault(key, []).append(number)
    return found


def _asked(desk: Desk, project_id: int, keys: Sequence[str]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for part in chunks(keys, LOCAL_ASK_CHUNK if desk.server == LOCAL else ASK_CHUNK):
        for page in _paged(partial(_page, desk, project_id, part), PAGE):
            for task in page:
                found.setdefault(str(task["data"].get("pair_key")), []).append(task)
    return found


def _page(desk: Desk, project_id: int, keys: Sequence[str] | None, page: int) -> list[Json]:
    return desk.studio.tasks(project_id, page=page, size=PAGE, keys=keys)
