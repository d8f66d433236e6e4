"""Push pairs to Label Studio: idempotent, resumable, nothing lost or doubled.

The server has no unique key for tasks and its replies may get lost after it has stored them, so a
push learns which of its pair keys are there, sends the others in chunks, and after an unclear reply
asks again before it repeats anything. What still slips through (a request that the server stores
long after it was given up, a second machine pushing at the same time) is found at the end, and by
`annotation.sync.verify`, and removed; pull merges by pair and annotator anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from annotation.client.studio import Json, UnclearError
from annotation.page.pictures import Pictures
from annotation.sync.desk import LOCAL, Desk, attempt, ensure_people
from annotation.sync.projects import drift, ensure_project, update_project
from annotation.sync.remote import chunks, has_graded, numbers_of, tasks_of
from annotation.sync.rounds import OVERLAPS, Round, Showing, rounds
from annotation.sync.store import EXTRA, GRADE, PairEntry, Person, ProjectEntry
from annotation.sync.surplus import remove_surplus
from annotation.tasks import annotation_result, import_id, pair_key, task_data
from relevance.progress import Progress, silent

PUSH_CHUNK = 250
"""Tasks a request: larger ones are quicker, but a server busy with annotators chokes on them."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What one project got.

    Attributes:
        locale: Locale of its queries.
        purpose: What it is for.
        project_id: Its number.
        n_pairs: Pairs asked for.
        n_new: Tasks made now; the others were there.
    """

    locale: str
    purpose: str
    project_id: int
    n_pairs: int
    n_new: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did.

    Attributes:
        n_pairs: Pairs asked for, in all projects; one shown twice counts twice.
        n_new: Tasks made now; the others were there.
        n_finished: Judgments imported with them.
        n_unsent: Judgments not sent because their pair was there already, without them: `submit`
            sends them.
        n_without_picture: New tasks whose Pin has a picture that may not or cannot be shown.
        n_surplus: Doubled tasks removed.
        n_unclear: Requests whose outcome had to be asked for.
        projects: Locale → number of the project of the purpose asked for.
        sent: What each project got, those for further annotators included.
        notes: What a person should know, one line each.
    """

    n_pairs: int
    n_new: int
    n_finished: int
    n_unsent: int
    n_without_picture: int
    n_surplus: int
    n_unclear: int
    projects: Mapping[str, int]
    sent: tuple[Sent, ...]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Tally:
    """Counts of a push on its way."""

    n_new: int = 0
    n_finished: int = 0
    n_unsent: int = 0
    n_without_picture: int = 0
    n_surplus: int = 0
    n_unclear: int = 0
    done: int = 0
    sent: list[Sent] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Item:
    """One pair on its way."""

    pair: PairEntry
    task: Json
    finished: tuple[str, ...]  # annotators
    picture_hidden: bool

    @property
    def key(self) -> str:
        return self.pair.pair_key


def push(
    desk: Desk,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    samples: pl.DataFrame,
    *,
    overlap: int | None = None,
    purpose: str = GRADE,
    finished: pl.DataFrame | None = None,
    update: bool = False,
    chunk: int = PUSH_CHUNK,
    progress: Progress = silent,
) -> Pushed:
    """Sends pairs to grade, one project a locale and purpose; nothing twice, whatever failed.

    Args:
        desk: Server and store.
        queries: Table `queries`; must hold every query of `samples`.
        pins: Table `pins`; must hold every Pin of `samples`.
        samples: The pairs: query_id, pin_id, and where there are any draw (`repeat` shows a pair
            once more, the others stay here) and overlap (more than the round's: the difference is
            asked for in a second project). Further columns stay here; repeated rows count once.
        overlap: How many people grade each pair; by default as many as the project has, in a new
            one the fewest that a sample wants if each says so, else 3 (purpose `grade`) or 1.
        purpose: `grade`, `extra` (further blind opinions) or `senior` (blind rulings, one a pair).
        finished: Judgments made elsewhere (query_id, pin_id, annotator, grade, flag, comment,
            seconds), to import as finished annotations of their annotators' accounts.
        update: Put today's form, guidelines and overlap into projects that have others.
        chunk: Tasks a request.
        progress: Told pairs done of all.

    Raises:
        InputError: A pair's query or Pin is missing, or the purpose is unknown.
        ServerError: The server refused, or did not answer after several tries; the same call again
            goes on where it stopped.
    """
    planned = planned_rounds(desk, queries, pins, samples, overlap=overlap, purpose=purpose)
    ready = _finished(finished)
    tally, total = _Tally(), sum(len(one.showings) for one in planned)
    with desk.store.lock():
        people = ensure_people(desk, {name for rows in ready.values() for name in rows})
        for one in planned:
            sender = _Sender(desk, one, tally, update=update, people=people, ready=ready)
            sender.send(chunk, total, progress)
    return Pushed(
        n_pairs=total,
        n_new=tally.n_new,
        n_finished=tally.n_finished,
        n_unsent=tally.n_unsent,
        n_without_picture=tally.n_without_picture,
        n_surplus=tally.n_surplus,
        n_unclear=tally.n_unclear,
        projects={one.locale: one.project_id for one in tally.sent if one.purpose == purpose},
        sent=tuple(tally.sent),
        notes=tuple(tally.notes),
    )


def planned_rounds(
    desk: Desk,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    samples: pl.DataFrame,
    *,
    overlap: int | None,
    purpose: str,
) -> list[Round]:
    """What each project would get; see `push`."""

    def people_of(locale: str, fewest: int | None) -> int:
        entry = desk.store.project(desk.server, locale, purpose)
        asked = fewest if purpose == GRADE else None
        return overlap or (entry.overlap if entry else 0) or asked or OVERLAPS[purpose]

    return rounds(
        queries,
        pins,
        samples,
        purpose=purpose,
        overlap=people_of,
        given=_given(desk),
        secret=desk.store.key,
    )


def _given(desk: Desk) -> dict[tuple[str, str], dict[str, int]]:
    """(query_id, pin_id) → projects for further opinions that it is in, with their overlap."""
    places = {key: place for place, (key, _) in desk.store.keys().items()}
    found: dict[tuple[str, str], dict[str, int]] = {}
    for entry in desk.store.projects(desk.server):
        if entry.purpose.startswith(EXTRA):
            for key in desk.store.tasks(desk.server, entry.project_id):
                if key in places:
                    found.setdefault(places[key], {})[entry.purpose] = entry.overlap
    return found


def pair_of(
    desk: Desk, locale: str, showing: Showing, pictures: Pictures
) -> tuple[PairEntry, dict[str, str]]:
    """A showing's identity, and the data of its task."""
    data = task_data(showing.query, showing.pin, pictures)
    query_id, pin_id = showing.query_id, showing.pin_id
    key = pair_key(desk.store.key, locale, query_id, pin_id, data, salt=showing.salt)
    return PairEntry(key, locale, query_id, pin_id, showing.draw), {"pair_key": key, **data}


class _Sender:
    """Sends one round to its project."""

    def __init__(
        self,
        desk: Desk,
        one: Round,
        tally: _Tally,
        *,
        update: bool,
        people: Mapping[str, Person],
        ready: Mapping[tuple[str, str], Mapping[str, Json]],
    ) -> None:
        self._desk, self._round, self._tally = desk, one, tally
        self._people, self._ready = people, ready
        entry, state = ensure_project(desk, one.locale, one.purpose, overlap=one.overlap)
        changes = drift(desk, entry, state, one.overlap)
        if changes and update:
            entry = update_project(desk, entry, one.overlap)
        elif changes:
            tally.notes += changes
        self._entry, self._n_before = entry, state.n_tasks
        self._pictures = pictures_of(desk, entry)

    def send(self, chunk: int, total: int, progress: Progress) -> None:
        """Sends what is not there, and removes what was doubled on the way."""
        desk, entry, tally = self._desk, self._entry, self._tally
        place = (desk.server, entry.project_id)
        items = [self._item(showing) for showing in self._round.showings]
        unclear = tally.n_unclear
        keys = [item.key for item in items]
        there = numbers_of(desk, entry.project_id, self._n_before, keys)
        if there:
            desk.store.save_pairs(item.pair for item in items if item.key in there)
            desk.store.save_tasks(*place, {key: min(ids) for key, ids in there.items()})
            self._count_unsent([item for item in items if item.key in there])
        todo = [item for item in items if item.key not in there]
        tally.done += len(items) - len(todo)
        label = f"{self._round.locale} {self._round.purpose}".strip()
        progress(tally.done, total, label)
        for part in chunks(todo, chunk):
            desk.store.save_pairs(item.pair for item in part)
            desk.store.save_tasks(*place, dict.fromkeys(item.key for item in part))
            self._deliver(part)
            tally.done += len(part)
            progress(tally.done, total, label)
        doubled = any(len(ids) > 1 for ids in there.values())
        if doubled or tally.n_unclear > unclear or self._too_many(len(todo)):
            tally.n_surplus += remove_surplus(desk, entry)
        sent = Sent(entry.locale, entry.purpose, entry.project_id, len(items), len(todo))
        tally.sent.append(sent)

    def _deliver(self, items: Sequence[_Item]) -> None:
        left, desk, tally = list(items), self._desk, self._tally
        numbers: dict[str, int | None] = {}

        def act() -> None:
            try:
                made = desk.studio.import_tasks(
                    self._entry.project_id, [item.task for item in left]
                )
            except UnclearError:
                tally.n_unclear += 1
                raise
            numbers.update(zip((item.key for item in left), made, strict=False))

        def done() -> bool:
            known = tasks_of(desk, self._entry, [item.key for item in left])
            numbers.update((key, tasks[0]["id"]) for key, tasks in known.items())
            left[:] = [item for item in left if item.key not in known]
            return not left

        attempt(desk, act, done)
        desk.store.save_tasks(desk.server, self._entry.project_id, numbers)
        tally.n_new += len(items)
        tally.n_without_picture += sum(item.picture_hidden for item in items)
        tally.n_finished += sum(len(item.finished) for item in items)

    def _too_many(self, n_new: int) -> bool:
        """Whether more tasks are there than can be explained."""
        state = self._desk.studio.project(self._entry.project_id)
        sent = self._desk.store.n_pairs(self._entry.locale, self._entry.purpose, self._desk.server)
        return state is not None and (
            state.n_tasks > self._n_before + n_new or state.n_tasks > sent
        )

    def _count_unsent(self, items: Sequence[_Item]) -> None:
        """Counts finished judgments that the tasks on the server do not have."""
        asked = [item for item in items if item.finished]
        if not asked:
            return
        numbers = {email: number for number, email in self._desk.studio.people().items()}
        there = tasks_of(self._desk, self._entry, [item.key for item in asked])
        for item in asked:
            annotations = [one for task in there.get(item.key, []) for one in task["annotations"]]
            known = {one.get("import_id") for one in annotations}
            self._tally.n_unsent += sum(
                import_id(item.key, name) not in known
                and not has_graded(
                    {"annotations": annotations}, numbers.get(self._people[name].email, -1)
                )
                for name in item.finished
            )

    def _item(self, showing: Showing) -> _Item:
        pair, data = pair_of(self._desk, self._round.locale, showing, self._pictures)
        hidden = bool(showing.pin.get("image") and not data["image_html"])
        asked = self._round.purpose in OVERLAPS and not showing.salt
        mine = self._ready.get((pair.query_id, pair.pin_id), {}) if asked else {}
        task: Json = {"data": data}
        if mine:
            task["annotations"] = [self._annotation(pair.pair_key, one) for one in mine.values()]
        return _Item(pair, task, tuple(mine), hidden)

    def _annotation(self, key: str, judgment: Json) -> Json:
        return {
            "id": import_id(key, judgment["annotator"]),
            "completed_by": {"email": self._people[judgment["annotator"]].email},
            "result": annotation_result(judgment),
            "lead_time": judgment.get("seconds"),
            "ground_truth": False,
        }


def pictures_of(desk: Desk, entry: ProjectEntry) -> Pictures:
    """Where a project's pictures may come from; lets its people see those of the workspace."""
    folder = (desk.root / "images").resolve()
    served = (
        desk.server == LOCAL
        and folder.is_dir()
        and desk.studio.serve_pictures(entry.project_id, folder)
    )
    return Pictures(root=folder.parent if served else None, hosts=desk.image_hosts)


def _finished(judgments: pl.DataFrame | None) -> dict[tuple[str, str], dict[str, Json]]:
    """(query_id, pin_id) → annotator → judgment."""
    found: dict[tuple[str, str], dict[str, Json]] = {}
    if judgments is not None:
        for row in judgments.sort("query_id", "pin_id", "annotator").iter_rows(named=True):
            found.setdefault((row["query_id"], row["pin_id"]), {})[row["annotator"]] = row
    return found
