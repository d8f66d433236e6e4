"""What a push would do: asks the server, changes nothing there and nothing here."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from annotation.page.pictures import Pictures
from annotation.sync.desk import Desk
from annotation.sync.projects import drift, find_project
from annotation.sync.push import pair_of, planned_rounds
from annotation.sync.remote import numbers_of
from annotation.sync.rounds import Round
from annotation.sync.store import GRADE
from relevance.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class ProjectPlan:
    """What a push would do to one project.

    Attributes:
        locale: Locale of its queries.
        purpose: What it is for.
        project_id: Its number; None if it would be made.
        overlap: How many people grade each pair.
        n_pairs: Pairs asked for.
        n_new: Tasks that would be made; those gone by hand are among them.
        n_there: Pairs that are there.
        n_gone: Pairs that were there and are not any more: somebody deleted their tasks.
    """

    locale: str
    purpose: str
    project_id: int | None
    overlap: int
    n_pairs: int
    n_new: int
    n_there: int
    n_gone: int


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What a push would do.

    Attributes:
        projects: What it would do to each project.
        notes: What a person should know first, one line each.
    """

    projects: tuple[ProjectPlan, ...]
    notes: tuple[str, ...]

    @property
    def n_new(self) -> int:
        """Tasks that would be made."""
        return sum(one.n_new for one in self.projects)


def plan_push(
    desk: Desk,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    samples: pl.DataFrame,
    *,
    overlap: int | None = None,
    purpose: str = GRADE,
    progress: Progress = silent,
) -> PushPlan:
    """What `annotation.sync.push.push` would do with the same arguments.

    Raises:
        InputError: A pair's query or Pin is missing, or the purpose is unknown.
        ServerError: The server refused, or did not answer.
    """
    planned = planned_rounds(desk, queries, pins, samples, overlap=overlap, purpose=purpose)
    projects, notes = [], list[str]()
    total, done = sum(len(one.showings) for one in planned), 0
    for one in planned:
        projects.append(_plan(desk, one, notes))
        done += len(one.showings)
        progress(done, total, f"{one.locale} {one.purpose}".strip())
    return PushPlan(tuple(projects), tuple(notes))


def _plan(desk: Desk, one: Round, notes: list[str]) -> ProjectPlan:
    keys = [pair_of(desk, one.locale, showing, Pictures())[0].pair_key for showing in one.showings]
    entry = desk.store.project(desk.server, one.locale, one.purpose)
    state = find_project(desk, one.locale, one.purpose)
    known: dict[str, int | None] = {}
    there = 0
    if state is not None:
        there = len(numbers_of(desk, state.project_id, state.n_tasks, keys))
        known = desk.store.tasks(desk.server, state.project_id)
        if entry is not None and entry.project_id == state.project_id:
            notes += drift(desk, entry, state, one.overlap)
    arrived = sum(known.get(key) is not None for key in keys)
    return ProjectPlan(
        one.locale,
        one.purpose,
        None if state is None else state.project_id,
        one.overlap if state is None else state.overlap or one.overlap,
        len(keys),
        len(keys) - there,
        there,
        max(0, arrived - there),
    )
