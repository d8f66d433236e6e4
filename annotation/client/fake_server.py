"""What a Label Studio in memory knows, and how it fails; see `annotation.client.fake`."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum

from annotation.client.studio import Json, RefusedError, UnclearError
from relevance.errors import ServerError


class Fault(Enum):
    """What goes wrong with one request that changes something.

    Attributes:
        NONE: Nothing.
        BEFORE: The connection breaks before the server has read it.
        AFTER: It is carried out, and the reply is lost.
        GATEWAY: It is carried out, and a proxy that gave up waiting answers 504.
        LATE: It times out, and is carried out after a while (a locked database, a zombie import).
        BEHIND: A proxy answers 504, and it is carried out after a while.
        LOCKED: The server answers 500 (the database is locked) and does nothing.
        TWICE: Something between repeats it; it is carried out twice.
        KILLED: The client dies after the server has carried it out.
        DEAD: The client dies before the server has read it.
    """

    NONE = "none"
    BEFORE = "before"
    AFTER = "after"
    GATEWAY = "gateway"
    LATE = "late"
    BEHIND = "behind"
    LOCKED = "locked"
    TWICE = "twice"
    KILLED = "killed"
    DEAD = "dead"


_SAID = {
    Fault.BEFORE: "the connection broke",
    Fault.AFTER: "the connection broke",
    Fault.GATEWAY: "answered 504",
    Fault.LATE: "the server does not answer",
    Fault.BEHIND: "answered 504",
    Fault.LOCKED: "answered 500: database is locked",
}


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
        self.webhooks: dict[int, Json] = {}
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
                with contextlib.suppress(ServerError):  # nobody is there to be told
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
            if fault is Fault.DEAD:
                raise KilledError
            if fault in (Fault.BEFORE, Fault.LOCKED):
                raise UnclearError(_SAID[fault])
            if fault in (Fault.LATE, Fault.BEHIND):
                self._late.append((self.clock + self.lateness, act))
                raise UnclearError(_SAID[fault], timed_out=True)
            act()
            if fault is Fault.TWICE:
                act()
            if fault in (Fault.AFTER, Fault.GATEWAY):
                raise UnclearError(_SAID[fault], timed_out=fault is Fault.GATEWAY)
            if fault is Fault.KILLED:
                raise KilledError

    def add_tasks(self, project_id: int, tasks: Sequence[Json]) -> list[int]:
        """Stores tasks with annotations, unvalidated; all or none. Returns their numbers."""
        if project_id not in self.projects:
            raise RefusedError("answered 404: no such project", status=404)
        numbers = {email: number for number, email in self.users.items()}
        emails = [one["completed_by"]["email"] for t in tasks for one in t.get("annotations", ())]
        unknown = [email for email in emails if email not in numbers]
        if unknown:
            raise RefusedError(f"answered 400: Unknown annotator's email {unknown[0]}")
        made = []
        for task in tasks:
            number = max(self.tasks, default=0) + 1  # so numbers of deleted tasks come again
            self.tasks[number] = {
                "id": number,
                "project": project_id,
                "data": copy.deepcopy(task["data"]),
                "annotations": [],
                "updated_at": self.now(),
            }
            for one in task.get("annotations", ()):
                user = numbers[one["completed_by"]["email"]]
                self.add_annotation(number, user, one, imported=one.get("id"))
            made.append(number)
        return made

    def add_annotation(
        self, task_id: int, user: int, annotation: Json, *, imported: int | None = None
    ) -> None:
        """Stores an annotation, unvalidated."""
        self._annotations += 1
        self.clock += 0.001
        task = self.tasks[task_id]
        task["updated_at"] = self.now()
        task["annotations"].append(
            {
                "id": self._annotations,
                "result": copy.deepcopy(annotation.get("result")),
                "completed_by": user,
                "updated_by": user if imported is None else None,
                "lead_time": annotation.get("lead_time"),
                "was_cancelled": bool(annotation.get("was_cancelled")),
                "created_at": self.now(),
                "updated_at": self.now(),
                "import_id": imported,
            }
        )

    def edit_annotation(self, annotation_id: int, result: object, *, by: int) -> None:
        """Somebody, perhaps somebody else, changes an annotation."""
        task, found = self._annotation(annotation_id)
        self.clock += 0.001
        found.update(result=copy.deepcopy(result), updated_by=by, updated_at=self.now())
        task["updated_at"] = self.now()

    def delete_annotation(self, annotation_id: int) -> None:
        """Somebody deletes an annotation."""
        task, found = self._annotation(annotation_id)
        self.clock += 0.001
        task["annotations"].remove(found)
        task["updated_at"] = self.now()

    def edit_task(self, task_id: int, **data: object) -> None:
        """Somebody changes a task's data by hand."""
        self.clock += 0.001
        task = self.tasks[task_id]
        task["data"] = {**task["data"], **data}
        task["updated_at"] = self.now()

    def delete_task(self, task_id: int) -> None:
        """Somebody deletes a task by hand, with its annotations."""
        del self.tasks[task_id]

    def delete_account(self, user: int) -> None:
        """Somebody's account is deleted; their annotations lose their name, unnoticed."""
        self.users.pop(user, None)
        for task in self.tasks.values():
            for one in task["annotations"]:
                for field in ("completed_by", "updated_by"):
                    if one[field] == user:
                        one[field] = None

    def of_project(self, project_id: int) -> list[Json]:
        """Its tasks, by id."""
        return [
            self.tasks[number]
            for number in sorted(self.tasks)
            if self.tasks[number]["project"] == project_id
        ]

    def _annotation(self, annotation_id: int) -> tuple[Json, Json]:
        for task in self.tasks.values():
            for found in task["annotations"]:
                if found["id"] == annotation_id:
                    return task, found
        raise RefusedError("answered 404: no such annotation", status=404)
