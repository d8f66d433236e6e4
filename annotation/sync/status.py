"""How far the grading of each project is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from annotation.client.studio import ProjectState
from annotation.sync.desk import Desk
from annotation.sync.remote import outlines
from annotation.sync.store import ProjectEntry


@dataclass(frozen=True, slots=True)
class Status:
    """How far a project is.

    Attributes:
        locale: Locale of its queries; empty for queries without one.
        purpose: What it is for.
        project_id: Its number.
        overlap: How many people grade each pair.
        n_pairs: Pairs pushed.
        n_tasks: Tasks on the server; None if the project is gone.
        n_finished: Tasks with as many judgments as wanted.
        n_judgments: Annotations on the server.
        n_missing: Pairs pushed that have no task: pushed again, they get one.
    """

    locale: str
    purpose: str
    project_id: int
    overlap: int
    n_pairs: int
    n_tasks: int | None
    n_finished: int
    n_judgments: int
    n_missing: int


def status(desk: Desk) -> list[Status]:
    """How far each project is, by locale and purpose.

    Raises:
        ServerError: The server refused, or did not answer.
    """
    return [_status(desk, entry) for entry in desk.store.projects(desk.server)]


def _status(desk: Desk, entry: ProjectEntry) -> Status:
    state = desk.studio.project(entry.project_id)
    sent = desk.store.tasks(desk.server, entry.project_id)
    return Status(
        entry.locale,
        entry.purpose,
        entry.project_id,
        entry.overlap if state is None else state.overlap,
        len(sent),
        None if state is None else state.n_tasks,
        0 if state is None else state.n_finished,
        0 if state is None else state.n_annotations,
        _missing(desk, state, sent),
    )


def _missing(desk: Desk, state: ProjectState | None, sent: Iterable[str]) -> int:
    wanted = set(sent)
    if state is None:
        return len(wanted)
    if state.n_tasks == len(wanted):
        return 0  # looking at each would take a second per thousand; `verify` does
    there = {
        str((task["data"] or {}).get("pair_key"))
        for page in outlines(desk, state.project_id)
        for task in page
    }
    return len(wanted - there)
