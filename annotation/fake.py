"""A Label Studio in memory that behaves as badly as the real one was measured to (1.23.2, SQLite).

No unique key for tasks; a replayed import doubles them; numbers of deleted tasks are used again;
annotations are not validated; a reply may get lost before or after the request was carried out, or
the request is carried out long after the client gave up. Only `unique_id` of annotations is unique.
For tests, and for trying things out without a server.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

from annotation.gateway import (
    ConflictError,
    Json,
    ProjectSpec,
    ProjectState,
    RefusedError,
    Studio,
    UnclearError,
)


class Fault(Enum):
    """What goes wrong with one request that changes something.

    Attributes:
        NONE: Nothing.
        BEFORE: The connection breaks before the server has read it.
        AFTER: It is carried out, and the reply is lost.
        LATE: It times out, and is carried out after a while.
        KILLED: The client dies after the server has carried it out.
    """

    NONE = "none"
    BEFORE = "before"
    AFTER = "after"
    LATE = "late"
    KILLED = "killed"


class KilledError(Exception):
    """Stands for the death of the client."""


class FakeServer:
    """What the server knows; `FakeStudio` is one person's view of it.

    Args:
        faults: What goes wrong with the next requests, in order; then nothing.
        lateness: Seconds after which a late request is carried out.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, lateness: float = 10) -> None:
        self.projects: dict[int, Json] = {}
        self.tasks: dict[int, Json] = {}
        self.users: dict[int, str] = {1: "admin@example.com"}
        self.passwords: dict[str, str] = {}
        self.unique_ids: set[str] = set()
        self.invitations_open = False
        self.clock = 0.0
        self.faults = list(faults)
        self.lateness = lateness
        self._late: list[tuple[float, Callable[[], None]]] = []
        self._annotations = 0
        self._lock = threading.RLock()

    def wait(self, seconds: float) -> None:
        """Lets time pass; late requests whose time has come are carried out."""
        with self._lock:
            self.clock += seconds
            due = [act for at, act in self._late if at <= self.clock]
            self._late = [one for one in self._late if one[0] > self.clock]
            for act in due:
                act()

    def now(self) -> str:
        """Time of the server, as it writes it."""
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.clock)
        return moment.isoformat().replace("+00:00", "Z")

    def change(self, act: Callable[[], None]) -> None:
        """Carries out a request that changes something, with the next fault."""
        with self._lock:
            self.clock += 0.001
            fault = self.faults.pop(0) if self.faults else Fault.NONE
            if fault is Fault.BEFORE:
                raise UnclearError("the connection broke")
            if fault is Fault.LATE:
                self._late.append((self.clock + self.lateness, act))
                raise UnclearError("the server does not answer", timed_out=True)
            act()
            if fault is Fault.AFTER:
                raise UnclearError("answered 504")
            if fault is Fault.KILLED:
                raise KilledError

    def add_tasks(self, project_id: int, tasks: Sequence[Json]) -> None:
        """Stores tasks with annotations, unvalidated; all or none."""
        numbers = {email: number for number, email in self.users.items()}
        emails = [one["completed_by"]["email"] for t in tasks for one in t.get("annotations", ())]
        unknown = [email for email in emails if email not in numbers]
        if unknown:
            raise RefusedError(f"answered 400: Unknown annotator's email {unknown[0]}")
        for task in tasks:
            number = max(self.tasks, default=0) + 1  # so numbers of deleted tasks come again
            self.tasks[number] = {
                "id": number,
                "project": project_id,
                "data": copy.deepcopy(task["data"]),
                "annotations": [],
            }
            for one in task.get("annotations", ()):
                user = numbers[one["completed_by"]["email"]]
                self.add_annotation(number, user, one, imported=one.get("id"))

    def add_annotation(
        self, task_id: int, user: int, annotation: Json, *, imported: int | None = None
    ) -> None:
        """Stores an annotation, unvalidated."""
        self._annotations += 1
        self.tasks[task_id]["annotations"].append(
            {
                "id": self._annotations,
                "result": copy.deepcopy(annotation.get("result")),
                "completed_by": user,
                "lead_time": annotation.get("lead_time"),
                "was_cancelled": bool(annotation.get("was_cancelled")),
                "created_at": self.now(),
                "import_id": imported,
            }
        )


class FakeStudio:
    """One person's view of a `FakeServer`; satisfies `annotation.gateway.Studio`.

    Args:
        server: The server.
        user: Number of the person.
    """

    def __init__(self, server: FakeServer, user: int = 1) -> None:
        self.server = server
        self._user = user

    def release(self) -> str:
        """Version of the server, such as `1.23.2`."""
        return "1.23.2"

    def create_project(self, spec: ProjectSpec) -> int:
        """Makes a project and returns its number; nothing keeps titles apart."""
        numbers: list[int] = []
        made = {
            "description": spec.description,
            "label_config": spec.label_config,
            "overlap": spec.overlap,
            "title": spec.title,
        }

        def act() -> None:
            numbers.append(max(self.server.projects, default=0) + 1)
            self.server.projects[numbers[0]] = made

        self.server.change(act)
        return numbers[0]

    def project(self, project_id: int) -> ProjectState | None:
        """What the server says of a project; None if it is gone."""
        found = self.server.projects.get(project_id)
        if found is None:
            return None
        mine = [task for task in self.server.tasks.values() if task["project"] == project_id]
        counts = [len(task["annotations"]) for task in mine]
        return ProjectState(
            project_id,
            found["description"],
            found["label_config"],
            n_tasks=len(mine),
            n_finished=sum(count >= found["overlap"] for count in counts),
            n_annotations=sum(counts),
        )

    def find_projects(self, marker: str) -> list[ProjectState]:
        """Projects with `marker` in their description, oldest first."""
        states = [self.project(number) for number in sorted(self.server.projects)]
        return [state for state in states if state is not None and marker in state.description]

    def serve_pictures(self, project_id: int, folder: Path) -> bool:
        """Lets the project's people see the files of a folder; False if the server cannot."""
        self.server.projects[project_id]["pictures"] = str(folder)
        return True

    def import_tasks(self, project_id: int, tasks: Sequence[Json]) -> None:
        """Adds tasks, with any finished annotations; all or none, but see `UnclearError`."""
        sent = copy.deepcopy(list(tasks))
        self.server.change(lambda: self.server.add_tasks(project_id, sent))

    def tasks(
        self, project_id: int, *, page: int, size: int, keys: Sequence[str] | None = None
    ) -> list[Json]:
        """One page (from 1) of tasks with annotations, by id; with `keys` only theirs, briefly."""
        mine = [
            self.server.tasks[number]
            for number in sorted(self.server.tasks)
            if self.server.tasks[number]["project"] == project_id
            and (keys is None or self.server.tasks[number]["data"].get("pair_key") in keys)
        ]
        return copy.deepcopy(mine[(page - 1) * size : page * size])

    def delete_tasks(self, project_id: int, task_ids: Sequence[int]) -> None:
        """Deletes tasks with their annotations."""

        def act() -> None:
            for number in task_ids:
                if (
                    number in self.server.tasks
                    and self.server.tasks[number]["project"] == project_id
                ):
                    del self.server.tasks[number]

        self.server.change(act)

    def annotate(self, task_id: int, annotation: Json) -> None:
        """Submits an annotation as the person logged in; `unique_id` is unique on the server."""
        if task_id not in self.server.tasks:
            raise RefusedError("answered 404: no such task")

        def act() -> None:
            identity = annotation.get("unique_id")
            if identity in self.server.unique_ids:
                raise ConflictError("answered 409: Annotation with this unique id already exists")
            if identity is not None:
                self.server.unique_ids.add(identity)
            self.server.add_annotation(task_id, self._user, annotation)

        self.server.change(act)

    def people(self) -> dict[int, str]:
        """User number → e-mail address."""
        return dict(self.server.users)

    def sign_up(self, email: str, password: str) -> None:
        """Makes an account by invitation; harmless if it is there."""

        def act() -> None:
            self.server.invitations_open = True
            if email not in self.server.users.values():
                self.server.users[max(self.server.users) + 1] = email
                self.server.passwords[email] = password

        self.server.change(act)

    def close_invitations(self) -> None:
        """Makes every invitation given so far worthless."""
        self.server.change(lambda: setattr(self.server, "invitations_open", False))

    def as_person(self, email: str, password: str) -> Studio:
        """The same server as somebody else sees it, with that person's own token."""
        if self.server.passwords.get(email) != password:
            raise RefusedError(f"the server knows no {email} with this password")
        number = next(one for one, name in self.server.users.items() if name == email)
        return FakeStudio(self.server, number)

    def close(self) -> None:
        """Closes the connections."""
