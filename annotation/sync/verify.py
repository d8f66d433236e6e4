"""Whether the server holds exactly what was pushed: one look at every task of every project.

Copies that add nothing are removed; everything else is told and left to a person, because it may be
somebody's work: pairs without a task, copies that were graded both, tasks that nobody pushed, tasks
whose data was changed by hand, projects that are gone or were made twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from annotation.client.studio import Json
from annotation.sync.desk import Desk
from annotation.sync.projects import twins
from annotation.sync.remote import outlines, tasks_of
from annotation.sync.store import REPEAT, PairEntry, ProjectEntry
from annotation.sync.surplus import remove_surplus
from annotation.tasks import pair_key
from relevance.progress import Progress, silent

MISSING, DOUBLED, FOREIGN, EDITED = "missing", "doubled", "foreign", "edited"
GONE, TWIN = "project gone", "second project"

WAYS_OUT: Mapping[str, str] = {
    MISSING: "push again: gradewise annotation push",
    DOUBLED: "both were graded, so both stay; pull counts each annotator once. To merge them, "
    "select them in Label Studio: Actions, Remove duplicated tasks",
    FOREIGN: "not pushed from this workspace; delete them in Label Studio if nobody needs them",
    EDITED: "what they show is not what was pushed; delete them in Label Studio, then push again",
    GONE: "push again: gradewise annotation push makes it anew",
    TWIN: "another machine made it at the same time; if it is empty, delete it in Label Studio",
}
"""Kind of finding → what to do about it."""

_PICTURE = re.compile(r'<img src="(?:https://|/data/local-files/\?d=images/)[^"<>]*"[^<>]*>')


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was pushed.

    Attributes:
        kind: One of the keys of `WAYS_OUT`.
        locale: Locale of the project.
        purpose: Purpose of the project.
        project_id: The project.
        task_id: The task, if it is one.
        query_id: The query, if it is known.
        pin_id: The Pin, if it is known.
    """

    kind: str
    locale: str
    purpose: str
    project_id: int
    task_id: int | None = None
    query_id: str | None = None
    pin_id: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one project.

    Attributes:
        locale: Locale of its queries.
        purpose: What it is for.
        project_id: Its number.
        n_pairs: Pairs pushed.
        n_tasks: Tasks on the server before anything was removed; None if the project is gone.
        n_missing: Pairs without a task.
        n_doubled: Copies that are still there.
        n_removed: Copies that were removed.
        n_foreign: Tasks that were not pushed from this workspace.
        n_edited: Tasks whose data was changed by hand.
    """

    locale: str
    purpose: str
    project_id: int
    n_pairs: int
    n_tasks: int | None
    n_missing: int = 0
    n_doubled: int = 0
    n_removed: int = 0
    n_foreign: int = 0
    n_edited: int = 0


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found.

    Attributes:
        projects: Counts of each project.
        findings: What is left, one by one.
    """

    projects: tuple[Checked, ...]
    findings: tuple[Finding, ...]

    @property
    def n_removed(self) -> int:
        """Copies that were removed."""
        return sum(one.n_removed for one in self.projects)

    @property
    def n_leftovers(self) -> int:
        """What a person has to look at; 0 if the server holds exactly what was pushed."""
        return len(self.findings)


def verify(desk: Desk, *, progress: Progress = silent) -> Verified:
    """Compares every task of every project with what was pushed, and removes surplus copies.

    Args:
        desk: Server and store.
        progress: Told tasks looked at of all.

    Raises:
        ServerError: The server refused, or did not answer; or a push is under way.
    """
    checked: list[Checked] = []
    findings: list[Finding] = []
    with desk.store.lock():
        pairs = desk.store.pairs()
        entries = desk.store.projects(desk.server)
        total = sum(len(desk.store.tasks(desk.server, one.project_id)) for one in entries)
        done = 0
        for entry in entries:
            sweep = _Sweep(desk, entry, pairs)
            if desk.studio.project(entry.project_id) is None:
                n_pairs = len(sweep.wanted)
                checked.append(
                    Checked(entry.locale, entry.purpose, entry.project_id, n_pairs, None, n_pairs)
                )
                findings.append(sweep.finding(GONE))
                continue
            for page in outlines(desk, entry.project_id):
                sweep.look(page)
                done += len(page)
                progress(min(done, total), total, f"{entry.locale} {entry.purpose}".strip())
            counts, left = sweep.close()
            checked.append(counts)
            findings += left
    return Verified(tuple(checked), tuple(findings))


class _Sweep:
    """One look at every task of one project."""

    def __init__(self, desk: Desk, entry: ProjectEntry, pairs: Mapping[str, PairEntry]) -> None:
        self._desk, self._entry, self._pairs = desk, entry, pairs
        self._secret = desk.store.key
        self.wanted = set(desk.store.tasks(desk.server, entry.project_id))
        self._found: dict[str, list[int]] = {}
        self._foreign: list[int] = []
        self._edited: dict[int, PairEntry] = {}
        self._n_tasks = 0

    def look(self, tasks: list[Json]) -> None:
        for task in tasks:
            self._n_tasks += 1
            data = task["data"] if isinstance(task["data"], dict) else {}
            pair = self._pairs.get(str(data.get("pair_key")))
            if pair is None:
                self._foreign.append(task["id"])
                continue
            self._found.setdefault(pair.pair_key, []).append(task["id"])
            if not _as_pushed(self._secret, pair, data):
                self._edited[task["id"]] = pair

    def close(self) -> tuple[Checked, list[Finding]]:
        desk, entry = self._desk, self._entry
        # Pairs that another machine with this workspace pushed are ours too.
        arrived = {key: min(numbers) for key, numbers in self._found.items()}
        desk.store.save_tasks(desk.server, entry.project_id, arrived)
        missing = self._missing()
        removed = self._remove()
        copies = [
            (number, self._pairs[key])
            for key, numbers in self._found.items()
            for number in sorted(numbers)[1:]
        ]
        left = [self.finding(MISSING, pair=self._pairs.get(key)) for key in missing]
        left += [self.finding(DOUBLED, number, pair) for number, pair in copies]
        left += [self.finding(FOREIGN, number) for number in self._foreign]
        left += [self.finding(EDITED, number, pair) for number, pair in self._edited.items()]
        left += [
            Finding(TWIN, entry.locale, entry.purpose, state.project_id)
            for state in twins(desk, entry)
        ]
        counts = Checked(
            entry.locale,
            entry.purpose,
            entry.project_id,
            len(self.wanted | set(arrived)),
            self._n_tasks,
            len(missing),
            len(copies),
            removed,
            len(self._foreign),
            len(self._edited),
        )
        return counts, left

    def finding(
        self, kind: str, task_id: int | None = None, pair: PairEntry | None = None
    ) -> Finding:
        entry = self._entry
        return Finding(
            kind,
            entry.locale,
            entry.purpose,
            entry.project_id,
            task_id,
            pair.query_id if pair else None,
            pair.pin_id if pair else None,
        )

    def _missing(self) -> list[str]:
        """Pairs that were not listed and are not there: a list that changes may skip one."""
        unseen = sorted(self.wanted - set(self._found))
        there = tasks_of(self._desk, self._entry, unseen)
        return [key for key in unseen if key not in there]

    def _remove(self) -> int:
        doubled = [key for key, numbers in self._found.items() if len(numbers) > 1]
        if not doubled:
            return 0
        removed = remove_surplus(self._desk, self._entry, doubled, self._edited)
        after = tasks_of(self._desk, self._entry, doubled)
        for key in doubled:
            self._found[key] = [int(task["id"]) for task in after.get(key, [])]
        there = {number for numbers in self._found.values() for number in numbers}
        self._edited = {n: pair for n, pair in self._edited.items() if n in there}
        return removed


def _as_pushed(secret: bytes, pair: PairEntry, data: Mapping[str, object]) -> bool:
    """Whether a task shows what its key was made of, and a picture only as we would show it."""
    picture = str(data.get("image_html", ""))
    salt = int(pair.draw == REPEAT)
    made = pair_key(secret, pair.locale, pair.query_id, pair.pin_id, data, salt=salt)
    shown = made == pair.pair_key or not pair.checkable
    return shown and (not picture or _PICTURE.fullmatch(picture) is not None)
