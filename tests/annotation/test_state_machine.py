"""Push, pull, verify and people's work in any order, with everything going wrong: nothing is lost.

What the machine knows is what people did; what must follow is checked after every step, and once
more after all late requests were carried out and a last push and verify found a calm server.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from annotation.client.fake import FakeServer, FakeStudio, Fault, KilledError
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.pull import Pulled, pull
from annotation.sync.push import push
from annotation.sync.store import REPEAT, Store
from annotation.sync.verify import DOUBLED, EDITED, FOREIGN, GONE, MISSING, TWIN, verify
from relevance.errors import ServerError

QUERIES = pl.DataFrame(
    {
        "query_id": ["a", "b", "c"],
        "text": ["rug", "tapis", "cake"],
        "country": ["US", "FR", "US"],
        "language": ["en", "fr", "en"],
    }
)
PINS = pl.DataFrame({"pin_id": ["1", "2"], "title": ["Rug", "Cake"], "description": ["x", None]})
ROWS = [
    {"query_id": query, "pin_id": pin, "draw": draw, "overlap": overlap}
    for query in "abc"
    for pin in "12"
    for draw, overlap in (("measure", None), ("gold", 3), (REPEAT, None))
]
PEOPLE = {2: "ann@example.org", 3: "ben@example.org", 4: "eve@example.org"}

faults = st.lists(st.sampled_from(list(Fault)), max_size=5)


def answer(grade: int) -> list[dict]:
    value = {"choices": [str(grade)]}
    return [{"from_name": "relevance", "to_name": "title", "type": "choices", "value": value}]


class Grading(RuleBasedStateMachine):
    """A server, a workspace, a second machine with a copy of it, and people."""

    annotations = Bundle("annotations")

    @initialize(lateness=st.floats(1, 60), rows=st.sets(st.sampled_from(range(len(ROWS)))))
    def begin(self, lateness, rows):
        self.folder = Path(tempfile.mkdtemp())
        self.server = FakeServer(lateness=lateness)
        self.server.users |= PEOPLE
        self.rows = set(rows) | {0}
        self.given: dict[int, tuple[int, int]] = {}  # annotation → person, grade
        self.changed: set[int] = set()  # annotations that somebody else wrote over
        self.tampered = False  # whether keys or projects were changed by hand
        self.copies: list[Path] = []

    def teardown(self):
        if hasattr(self, "folder"):
            try:
                self.be_quiet()
            finally:
                shutil.rmtree(self.folder)

    # What machines do.

    @rule(more=st.sets(st.sampled_from(range(len(ROWS))), max_size=4))
    def sample(self, more):
        self.rows |= more

    @rule(wrong=faults, chunk=st.integers(1, 6))
    def push(self, wrong, chunk):
        self._push(self.folder / "store.sqlite3", wrong, chunk)

    @rule()
    def copy_the_workspace(self):
        with self._desk(self.folder / "store.sqlite3") as desk:
            path = self.folder / f"copy-{len(self.copies)}.sqlite3"
            copy = Store(path)
            desk.store.db.backup(copy.db)
            copy.close()
        self.copies.append(path)

    @rule(wrong=faults, which=st.integers(0, 3), chunk=st.integers(1, 6))
    def push_from_a_copy(self, wrong, which, chunk):
        if self.copies:
            self._push(self.copies[which % len(self.copies)], wrong, chunk)

    @rule(wrong=faults, chunk=st.integers(1, 6), at=st.integers(0, 4))
    def push_while_a_copy_pushes(self, wrong, chunk, at):
        """The copy's whole push happens just before a request of ours."""
        if not self.copies:
            return

        machine, path = self, self.copies[-1]

        class Overtaken(FakeStudio):
            left = at

            def import_tasks(self, project_id, tasks):
                self.left -= 1
                if self.left == -1:
                    machine._push(path, [], 3)
                return super().import_tasks(project_id, tasks)

        self._push(self.folder / "store.sqlite3", wrong, chunk, Overtaken)

    @rule(wrong=faults)
    def verify(self, wrong):
        self.server.faults = list(wrong)
        died = contextlib.suppress(KilledError, ServerError)
        with self._desk(self.folder / "store.sqlite3") as desk, died:
            verify(desk)
        self.server.faults = []

    @rule(full=st.booleans())
    def pull(self, full):
        self._check_pulled(self._pull(full=full))

    @rule(pick=st.integers(0, 40), grade=st.sampled_from([None, 2, 4]))
    def a_copy_arrives(self, pick, grade):
        """Somewhere a request was repeated long after; perhaps somebody graded it at once."""
        if not self.server.tasks:
            return
        task = self.server.tasks[sorted(self.server.tasks)[pick % len(self.server.tasks)]]
        (number,) = self.server.add_tasks(task["project"], [{"data": task["data"]}])
        if grade is not None:
            self._annotate(number, 4, grade)

    @rule(seconds=st.floats(0.1, 100))
    def wait(self, seconds):
        self.server.wait(seconds)

    # What people do.

    @rule(target=annotations, person=st.sampled_from(list(PEOPLE)), pick=st.integers(0, 40),
          grade=st.integers(1, 5))  # fmt: skip
    def grade(self, person, pick, grade):
        todo = [
            number
            for number, task in sorted(self.server.tasks.items())
            if all(one["completed_by"] != person for one in task["annotations"])
        ]
        if not todo:
            return multiple()
        return self._annotate(todo[pick % len(todo)], person, grade)

    @rule(number=annotations, grade=st.integers(1, 5))
    def think_again(self, number, grade):
        if number in self.given:
            person, _ = self.given[number]
            self.server.edit_annotation(number, answer(grade), by=person)
            self.given[number] = (person, grade)
            self.changed.discard(number)

    @rule(number=annotations, grade=st.integers(1, 5))
    def meddle(self, number, grade):
        if number in self.given:
            person, _ = self.given[number]
            other = next(one for one in PEOPLE if one != person)
            self.server.edit_annotation(number, answer(grade), by=other)
            self.changed.add(number)

    @rule(number=annotations)
    def take_back(self, number):
        if number in self.given:
            self.server.delete_annotation(number)
            del self.given[number]

    @rule(pick=st.integers(0, 40))
    def delete_a_task(self, pick):
        if self.server.tasks:
            number = sorted(self.server.tasks)[pick % len(self.server.tasks)]
            for one in self.server.tasks[number]["annotations"]:
                self.given.pop(one["id"], None)
            self.server.delete_task(number)

    @rule(pick=st.integers(0, 40), field=st.sampled_from(["title", "query", "pair_key"]))
    def edit_a_task(self, pick, field):
        if self.server.tasks:
            number = sorted(self.server.tasks)[pick % len(self.server.tasks)]
            self.server.edit_task(number, **{field: "by hand"})
            self.tampered = True

    @rule()
    def add_a_task_by_hand(self):
        if self.server.projects:
            data = {"pair_key": "somebody's", "query": "x"}
            self.server.add_tasks(min(self.server.projects), [{"data": data}])

    @rule(what=st.sampled_from(["label_config", "instruction", "overlap"]))
    def edit_a_project(self, what):
        if self.server.projects:
            project = self.server.projects[min(self.server.projects)]
            project[what] = 5 if what == "overlap" else project[what] + " "

    # What must hold.

    @invariant()
    def nobodys_work_is_lost_or_made_up(self):
        if hasattr(self, "server"):
            assert {one["id"] for one in self._all()} == set(self.given)

    def be_quiet(self):
        """All late requests arrive; then a push, a verify, and the counting."""
        self.server.faults = []
        self.server.wait(10_000)
        store = self.folder / "store.sqlite3"
        self._push(store, [], 3)
        with self._desk(store) as desk:
            found = verify(desk)
            wanted = self._wanted(desk)
        kinds = {one.kind for one in found.findings}
        assert GONE not in kinds
        assert MISSING not in kinds
        markers = [project["description"] for project in self.server.projects.values()]
        assert (TWIN in kinds) == (len(markers) > len(set(markers)))
        copies = self._copies()
        for place in wanted:
            numbers = copies.get(place, [])
            assert numbers, f"{place} has no task"
            if len(numbers) > 1:
                graded = [bool(self.server.tasks[number]["annotations"]) for number in numbers]
                # An edited copy that somebody graded stays beside one as it was pushed.
                assert all(graded) or (self.tampered and EDITED in kinds), place
                assert DOUBLED in kinds
        if not self.tampered:
            assert EDITED not in kinds
        strangers = any(
            task["data"].get("pair_key") in ("somebody's", "by hand")
            for task in self.server.tasks.values()
        )
        with self._desk(store) as desk:
            known = desk.store.pairs()
        unknown = any(
            task["data"].get("pair_key") not in known for task in self.server.tasks.values()
        )
        assert (FOREIGN in kinds) == unknown
        assert unknown or not strangers
        self._push(store, [], 3)
        assert self._copies() == copies, "a push into a calm server changes nothing"
        first = self._pull()
        self._check_pulled(first)
        again = self._pull(full=True)
        assert (again.n_new, again.n_edited, again.n_deleted) == (0, 0, 0)
        assert again.judgments.equals(first.judgments)
        assert again.repeats.equals(first.repeats)

    # Helpers.

    def _annotate(self, number: int, person: int, grade: int) -> int:
        told = {"result": answer(grade), "lead_time": 4.0}
        before = {one["id"] for one in self._all()}
        FakeStudio(self.server, person).annotate(number, told)
        (new,) = {one["id"] for one in self._all()} - before
        self.given[new] = (person, grade)
        return new

    def _desk(self, path: Path, studio: type[FakeStudio] = FakeStudio) -> Desk:
        return Desk(
            studio(self.server), Store(path), LOCAL, self.folder, frozenset(), self.server.wait
        )

    def _push(self, path, wrong, chunk, studio=FakeStudio):
        samples = pl.DataFrame(
            [ROWS[number] for number in sorted(self.rows)],
            schema_overrides={"overlap": pl.Int64},
        )
        former, self.server.faults = self.server.faults, list(wrong)
        with self._desk(path, studio) as desk:
            try:
                push(desk, QUERIES, PINS, samples, overlap=2, chunk=chunk)
            except (KilledError, ServerError):
                assert wrong
        self.server.faults = former

    def _pull(self, *, full: bool = False) -> Pulled | None:
        with self._desk(self.folder / "store.sqlite3") as desk:
            if not desk.store.projects(LOCAL):
                return None
            return pull(desk, full=full)

    def _check_pulled(self, pulled: Pulled | None) -> None:
        """Every annotation in a project of ours is a judgment, or set aside with a reason."""
        if pulled is None:
            return
        with self._desk(self.folder / "store.sqlite3") as desk:
            ours = {entry.project_id for entry in desk.store.projects(LOCAL)}
            pairs = desk.store.pairs()
            names = {person.email: person.annotator for person in desk.store.people(LOCAL)}
        aside = set(pulled.rejected["annotation_id"])
        tables = pl.concat(
            [
                pulled.judgments.with_columns(again=pl.lit(False)),
                pulled.repeats.with_columns(again=pl.lit(True)),
            ]
        )
        kept = {
            (row["query_id"], row["pin_id"], row["annotator"], row["again"]): row["grade"]
            for row in tables.iter_rows(named=True)
        }
        seen = 0
        for task in self.server.tasks.values():
            if task["project"] not in ours:
                continue
            for one in task["annotations"]:
                if one["id"] in aside:
                    continue
                pair = pairs[task["data"]["pair_key"]]
                person, grade = self.given[one["id"]]
                place = (pair.query_id, pair.pin_id, names[PEOPLE[person]], pair.draw == REPEAT)
                assert kept[place] == grade
                assert one["id"] not in self.changed, "what somebody else wrote is set aside"
                seen += 1
        assert seen == len(kept), "no judgment without an annotation"

    def _wanted(self, desk: Desk) -> set[tuple[int, str]]:
        """Project and pair key of everything that was sampled."""
        entries = {(one.locale, one.purpose): one.project_id for one in desk.store.projects(LOCAL)}
        keys = {repeats: desk.store.keys(repeats=repeats) for repeats in (False, True)}
        found = set()
        for row in (ROWS[number] for number in self.rows):
            again = row["draw"] == REPEAT
            key, locale = keys[again][row["query_id"], row["pin_id"]]
            found.add((entries[locale, "grade"], key))
            if row["overlap"]:
                found.add((entries[locale, "extra+1"], key))
        return found

    def _copies(self) -> dict[tuple[int, str], list[int]]:
        found: dict[tuple[int, str], list[int]] = {}
        for number, task in sorted(self.server.tasks.items()):
            found.setdefault((task["project"], task["data"].get("pair_key")), []).append(number)
        return found

    def _all(self) -> list[dict]:
        return [one for task in self.server.tasks.values() for one in task["annotations"]]


Grading.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
test_any_order_of_pushing_pulling_and_grading = Grading.TestCase
