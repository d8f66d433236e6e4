"""Doubled tasks: which copy stays, and the removal of the others. Nobody's work is ever removed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from annotation.client.studio import Json
from annotation.sync.desk import Desk, attempt
from annotation.sync.remote import chunks, outlines, tasks_of
from annotation.sync.store import ProjectEntry

_DELETE_CHUNK = 100


def remove_surplus(
    desk: Desk,
    entry: ProjectEntry,
    keys: Collection[str] | None = None,
    edited: Collection[int] = (),
) -> int:
    """Removes copies of tasks that add nothing; returns how many are gone.

    A copy goes only if nobody has graded it, or if all its annotations were imported with it and
    the copy that stays has them too. The server is asked to look at both once more while it
    deletes, so a person who is quicker keeps the task.

    Args:
        desk: Server and store.
        entry: The project.
        keys: Pair keys that are there more than once; None to look for them.
        edited: Numbers of tasks that were changed by hand: of two copies the other one stays.
    """
    doubled = list(_doubled(desk, entry) if keys is None else keys)
    if not doubled:
        return 0
    before = tasks_of(desk, entry, doubled)
    groups: dict[int, list[Json]] = {}
    for same in before.values():
        for task in surplus(same, edited):
            groups.setdefault(len(task["annotations"]), []).append(task)
    if not groups:
        return 0
    for count, tasks in sorted(groups.items()):
        for part in chunks(tasks, _DELETE_CHUNK):
            act = partial(
                desk.studio.delete_tasks,
                entry.project_id,
                [task["id"] for task in part],
                keys=sorted({str(task["data"]["pair_key"]) for task in part}),
                n_annotations=count,
            )
            attempt(desk, act)
    after = tasks_of(desk, entry, doubled)
    return _total(before) - _total(after)


def surplus(same: Sequence[Json], edited: Collection[int] = ()) -> list[Json]:
    """Of copies of one task, those without an annotation that the one which stays has not."""
    keep, *rest = sorted(
        same, key=lambda task: (task["id"] in edited, -len(task["annotations"]), task["id"])
    )
    kept = {one.get("import_id") for one in keep["annotations"]}
    return [
        task
        for task in rest
        if all(
            one.get("import_id") is not None and one["import_id"] in kept
            for one in task["annotations"]
        )
    ]


def _doubled(desk: Desk, entry: ProjectEntry) -> set[str]:
    ours = desk.store.tasks(desk.server, entry.project_id)
    seen: set[str] = set()
    found: set[str] = set()
    for page in outlines(desk, entry.project_id):
        for task in page:
            key = str((task["data"] or {}).get("pair_key"))
            if key in seen and key in ours:
                found.add(key)
            seen.add(key)
    return found


def _total(found: dict[str, list[Json]]) -> int:
    return sum(len(tasks) for tasks in found.values())
