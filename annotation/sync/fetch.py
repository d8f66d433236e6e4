"""What has changed in one project on the server, brought into the store.

A project remembers how far it was read: the latest change of any task it saw. The next pull asks
for tasks changed after that, and for those of the last `OVERLAP` before it once more, because a
server may write down a change some time after it dated it. That is stored only after the last
page, and what is read twice changes nothing, so a pull may die anywhere and be run again.

Deleted tasks are invisible to such a question. The counts of tasks and annotations tell that some
are missing; then, or when a full pull is asked for, all numbers and keys are compared.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar

from annotation.client.studio import Json, ProjectState
from annotation.export import Context, read_tasks
from annotation.interface import config_hash
from annotation.sync.desk import Desk
from annotation.sync.history import History
from annotation.sync.remote import tasks_of
from annotation.sync.store import ProjectEntry

OVERLAP = timedelta(seconds=30)
"""How long after its date a change may become visible; slower ones show in the counts."""

PAGE = 500
SWEEP_PAGE = 2500

_TRIES = 3
_WATERMARK, _DISAGREEMENT = "watermark", "disagreement"
_TICK = timedelta(microseconds=1)
_AHEAD = timedelta(minutes=5)

clock: Callable[[], float] = time.time
"""Seconds; only differences count, so the server's clock may be wrong."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a project was read.

    Attributes:
        at: Latest change of any task seen, ISO 8601.
        seen: When it was seen first, by `clock`.
        reach: Seconds before it that the pull which saw it may have missed something of: those it
            took itself, and `OVERLAP`.
        settled: Whether all that was read again `OVERLAP` after `seen`: no change of before can
            become visible any more.
    """

    at: str
    seen: float
    reach: float
    settled: bool


@dataclass(slots=True)
class Reader:
    """Brings the tasks of one project into the store.

    Attributes:
        desk: Server and store.
        entry: The project.
        context: What turns numbers of the server into ours.
        progress: Told tasks read.
        events: How many annotations were new, edited and deleted.
        n_read: Tasks read.
    """

    desk: Desk
    entry: ProjectEntry
    context: Context
    progress: Callable[[int], None]
    events: Counter[str] = field(default_factory=Counter)
    n_read: int = 0

    @property
    def history(self) -> History:
        """What was pulled from this server."""
        return History(self.desk.store, self.desk.server)

    def take(self, tasks: list[Json]) -> None:
        """Takes in tasks as they are now."""
        found = read_tasks(tasks, self.context)
        self.events += self.history.apply(self.entry.project_id, tasks, found)
        self.n_read += len(tasks)
        self.progress(self.n_read)

    def read(self, since: datetime | None = None) -> None:
        """Takes in all tasks, or those changed after a time."""

        def ask(page: int) -> list[Json]:
            return self.desk.studio.tasks(self.entry.project_id, page=page, size=PAGE, since=since)

        for page in _pages(ask, PAGE):
            self.take(page)

    def catch_up(self, mark: Watermark) -> None:
        """Takes in what changed since the last pull, and what may have become visible late."""
        at = datetime.fromisoformat(mark.at)
        window = at - timedelta(seconds=mark.reach)
        # After a bulk import the window holds thousands of tasks; then they are counted instead.
        crowded = self.history.n_tasks(self.entry.project_id, since=_text(window)) > PAGE
        if mark.settled or crowded:
            self.read(at - _TICK)
        if not mark.settled and not (crowded and self._as_many_since(window)):
            self.read(window)

    def sweep(self) -> None:
        """Compares all task numbers and keys: finds deleted tasks, and any that were missed."""
        number = self.entry.project_id

        def ask(page: int) -> list[tuple[int, str]]:
            return self.desk.studio.identities(number, page=page, size=SWEEP_PAGE)

        there = [one for page in _pages(ask, SWEEP_PAGE) for one in page]
        known = self.history.tasks(number)
        gone = known.keys() - dict(there).keys()
        state = self.desk.studio.project(number)
        if gone and (state is None or state.n_tasks != len(there)):
            # Somebody was deleting or pushing meanwhile, so a page may have slipped by.
            keys = {known[one] for one in gone} - {""}
            left = tasks_of(self.desk, self.entry, sorted(keys))
            gone -= {int(task["id"]) for same in left.values() for task in same}
        self.events += self.history.remove_tasks(number, gone)
        missed = {place // PAGE for place, (one, key) in enumerate(there) if known.get(one) != key}
        for page in sorted(missed):
            self.take(self.desk.studio.tasks(number, page=page + 1, size=PAGE))

    def _as_many_since(self, window: datetime) -> bool:
        """Whether the server knows as many tasks changed since, with the same last one."""
        number = self.entry.project_id
        n, last = self.history.last_since(number, _text(window))
        # A page that holds the last one and has room for one more.
        size = next(size for size in count(2) if n % size)
        page = -(-n // size)
        found = self.desk.studio.tasks(number, page=page, size=size, since=window)
        return len(found) == n - (page - 1) * size and found[-1]["id"] == last


def fetch(
    desk: Desk,
    entry: ProjectEntry,
    context: Context,
    progress: Callable[[int], None],
    *,
    full: bool = False,
) -> Reader | None:
    """Brings what changed in one project into the store; None if the project is gone.

    Args:
        desk: Server and store.
        entry: The project.
        context: People and pairs; its project and form are filled in here.
        progress: Told tasks read.
        full: Read everything again, and compare all task numbers.

    Raises:
        ServerError: The server refused, or did not answer.
    """
    state = desk.studio.project(entry.project_id)
    if state is None:
        return None
    form = config_hash(state.label_config)
    here = replace(context, project_id=entry.project_id, config_hash=form)
    reader = Reader(desk, entry, here, progress)
    began, mark, last = clock(), _watermark(desk, entry), reader.history.last_event()
    if full or mark is None:
        reader.read()
    else:
        reader.catch_up(mark)
    if full:
        reader.sweep()
    if reader.events:
        state = desk.studio.project(entry.project_id)
        if state is not None and config_hash(state.label_config) != form:
            # Edited meanwhile: which of them were graded before nobody can tell.
            here = replace(here, config_hash=config_hash(state.label_config))
            reader.history.set_form(entry.project_id, here.config_hash, after=last)
            reader.context = here
    _agree(reader, state)
    _remember(reader, mark, began)
    return reader


def _agree(reader: Reader, state: ProjectState | None) -> None:
    """Looks for what was missed until server and store count alike, or it is known why not."""
    number, server, store = reader.entry.project_id, reader.desk.server, reader.desk.store
    for tries in range(_TRIES):  # people go on grading meanwhile
        missing = _disagreement(reader, state)
        if missing in (None, store.mark(server, _DISAGREEMENT, number)):
            break
        if tries:
            at = _latest(reader)
            reader.read(datetime.fromisoformat(at) - _TICK if at else None)
        state = reader.desk.studio.project(number)
    else:
        reader.sweep()
        if _disagreement(reader, reader.desk.studio.project(number)) is not None:
            reader.read()
        missing = _disagreement(reader, reader.desk.studio.project(number))
    store.set_mark(server, _DISAGREEMENT, missing, number)


def _disagreement(reader: Reader, state: ProjectState | None) -> str | None:
    """Tasks and annotations that the server counts beyond ours; None if it counts the same."""
    if state is None:
        return None
    tasks = state.n_tasks - reader.history.n_tasks(state.project_id)
    annotations = state.n_annotations - reader.history.n_annotations(state.project_id)
    return None if tasks == annotations == 0 else f"{tasks}:{annotations}"


def _watermark(desk: Desk, entry: ProjectEntry) -> Watermark | None:
    text = desk.store.mark(desk.server, _WATERMARK, entry.project_id)
    return None if text is None else Watermark(**json.loads(text))


def _remember(reader: Reader, mark: Watermark | None, began: float) -> None:
    """Stores how far the project was read; see `Watermark`."""
    at = _latest(reader)
    if not at:
        return
    if mark is not None and at <= mark.at:
        passed = began - mark.seen >= OVERLAP.total_seconds()
        now = replace(mark, settled=mark.settled or passed)
    else:
        seen = clock()
        now = Watermark(at, seen, seen - began + OVERLAP.total_seconds(), settled=False)
    reader.desk.store.set_mark(
        reader.desk.server, _WATERMARK, json.dumps(asdict(now)), reader.entry.project_id
    )


def _latest(reader: Reader) -> str:
    """When any known task was changed last, but for those dated in the future.

    A bulk deletion dates its tasks in the server's local time: east of Greenwich hours ahead.
    """
    now = datetime.fromtimestamp(clock(), UTC)
    return reader.history.latest(reader.entry.project_id, until=_text(now + _AHEAD))


def _pages(ask: Callable[[int], list[_T]], size: int) -> Iterator[list[_T]]:
    """Pages until a short one; the next is asked for while one is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(ask, 1)
        for number in count(2):
            page = coming.result()
            if len(page) == size:
                coming = pool.submit(ask, number)
            if page:
                yield page
            if len(page) < size:
                return


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
