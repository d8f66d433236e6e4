"""A Label Studio in memory that behaves as badly as the real one was measured to (1.23.2, SQLite).

No unique key for tasks; a replayed import doubles them; numbers of deleted tasks are used again;
annotations are not validated, anybody may change anybody's; a task's `updated_at` moves with its
annotations; a reply may get lost before or after the request was carried out, or the request is
carried out long after the client gave up, or twice. Only `unique_id` of annotations is unique, and
the server does not tell it. For tests, and for trying things out without a server.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from annotation.client.fake_server import FakeServer, Fault, KilledError
from annotation.client.studio import (
    ConflictError,
    Json,
    ProjectSpec,
    ProjectState,
    RefusedError,
    ServerFacts,
    Studio,
)

__all__ = ["FakeServer", "FakeStudio", "Fault", "KilledError"]


class FakeStudio:
    """One person's view of a `FakeServer`; satisfies `annotation.client.studio.Studio`.

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

    def facts(self) -> ServerFacts:
        """What can be told of the server from outside; changes nothing."""
        return ServerFacts(
            release=self.release(),
            token="legacy",  # noqa: S106 - the kind, not the token
            sign_up_closed=not self.server.invitations_open,
        )

    def create_project(self, spec: ProjectSpec) -> int:
        """Makes a project and returns its number; nothing keeps titles apart."""
        numbers: list[int] = []
        made = {
            "description": spec.description,
            "label_config": spec.label_config,
            "instruction": spec.instruction,
            "overlap": spec.overlap,
            "title": spec.title,
        }

        def act() -> None:
            numbers.append(max(self.server.projects, default=0) + 1)
            self.server.projects[numbers[-1]] = dict(made)

        self.server.change(act)
        return numbers[0]

    def update_project(
        self,
        project_id: int,
        *,
        description: str | None = None,
        label_config: str | None = None,
        instruction: str | None = None,
        overlap: int | None = None,
    ) -> None:
        """Changes what is given; a higher overlap opens finished tasks again."""
        given = {
            "description": description,
            "label_config": label_config,
            "instruction": instruction,
            "overlap": overlap,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        if project_id not in self.server.projects:
            raise RefusedError("answered 404: no such project", status=404)
        self.server.change(lambda: self.server.projects[project_id].update(changes))

    def project(self, project_id: int) -> ProjectState | None:
        """What the server says of a project; None if it is gone."""
        found = self.server.projects.get(project_id)
        if found is None:
            return None
        mine = self.server.of_project(project_id)
        counts = [sum(not one["was_cancelled"] for one in task["annotations"]) for task in mine]
        return ProjectState(
            project_id,
            found["description"],
            found["label_config"],
            n_tasks=len(mine),
            n_finished=sum(count >= found["overlap"] for count in counts),
            n_annotations=sum(
                not one["was_cancelled"] for task in mine for one in task["annotations"]
            ),
            instruction=found.get("instruction", ""),
            overlap=found["overlap"],
        )

    def find_projects(self, marker: str) -> list[ProjectState]:
        """Projects with `marker` in their description, oldest first."""
        states = [self.project(number) for number in sorted(self.server.projects)]
        return [state for state in states if state is not None and marker in state.description]

    def serve_pictures(self, project_id: int, folder: Path) -> bool:
        """Lets the project's people see the files of a folder; False if the server cannot."""
        self.server.projects[project_id]["pictures"] = str(folder)
        return True

    def import_tasks(self, project_id: int, tasks: Sequence[Json]) -> list[int]:
        """Adds tasks, with any finished annotations; all or none, but see `UnclearError`.

        Returns:
            Their numbers, in order; nothing where the server does not tell.
        """
        sent, numbers = copy.deepcopy(list(tasks)), list[int]()
        self.server.change(lambda: numbers.extend(self.server.add_tasks(project_id, sent)))
        return numbers[: len(sent)]

    def tasks(
        self,
        project_id: int,
        *,
        page: int,
        size: int,
        keys: Sequence[str] | None = None,
        since: datetime | None = None,
    ) -> list[Json]:
        """One page (from 1) of tasks, by id; see `annotation.client.studio.Studio`."""
        mine = [
            task
            for task in self.server.of_project(project_id)
            if (keys is None or task["data"].get("pair_key") in keys)
            and (since is None or datetime.fromisoformat(task["updated_at"]) > since)
        ]
        return copy.deepcopy(mine[(page - 1) * size : page * size])

    def outlines(self, project_id: int, *, page: int, size: int) -> list[Json]:
        """One page of tasks, by id: id, data and `n_annotations`, skipped ones included."""
        return [
            {"id": task["id"], "data": task["data"], "n_annotations": len(task["annotations"])}
            for task in self.tasks(project_id, page=page, size=size)
        ]

    def identities(self, project_id: int, *, page: int, size: int) -> list[tuple[int, str]]:
        """One page of (task id, pair key), by id; a task without a key has an empty one."""
        mine = self.server.of_project(project_id)[(page - 1) * size : page * size]
        return [(task["id"], str(task["data"].get("pair_key", ""))) for task in mine]

    def delete_tasks(
        self, project_id: int, task_ids: Sequence[int], *, keys: Sequence[str], n_annotations: int
    ) -> None:
        """Deletes those of the tasks that still have one of `keys` and `n_annotations`."""

        def act() -> None:
            for task in self.server.of_project(project_id):
                if (
                    task["id"] in task_ids
                    and task["data"].get("pair_key") in keys
                    and len(task["annotations"]) == n_annotations
                ):
                    del self.server.tasks[task["id"]]

        self.server.change(act)

    def annotate(self, task_id: int, annotation: Json) -> None:
        """Submits an annotation as the person logged in; `unique_id` is unique on the server."""
        if task_id not in self.server.tasks:
            raise RefusedError("answered 404: no such task", status=404)

        def act() -> None:
            if task_id not in self.server.tasks:
                raise RefusedError("answered 404: no such task", status=404)
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

    def delete_annotations_of(self, project_id: int, user: int) -> None:
        """Deletes what one person graded, and began to grade, in a project."""

        def act() -> None:
            for task in self.server.of_project(project_id):
                for one in [one for one in task["annotations"] if one["completed_by"] == user]:
                    self.server.delete_annotation(one["id"])

        self.server.change(act)

    def delete_account(self, user: int) -> None:
        """Deletes a person's account; what they graded stays, without a name."""
        self.server.change(lambda: self.server.delete_account(user))

    def add_webhook(self, project_id: int, url: str, headers: Mapping[str, str]) -> int:
        """Has the server call an address; this one only remembers it."""
        number = max(self.server.webhooks, default=0) + 1
        made = {"project": project_id, "url": url, "headers": dict(headers)}
        self.server.change(lambda: self.server.webhooks.update({number: made}))
        return number

    def remove_webhook(self, number: int) -> None:
        """Ends a webhook; harmless if it is gone."""
        left = {one: hook for one, hook in self.server.webhooks.items() if one != number}
        self.server.change(lambda: setattr(self.server, "webhooks", left))

    def as_person(self, email: str, password: str) -> Studio:
        """The same server as somebody else sees it, with that person's own token."""
        if self.server.passwords.get(email) != password:
            raise RefusedError(f"the server knows no {email} with this password")
        number = next(one for one, name in self.server.users.items() if name == email)
        return FakeStudio(self.server, number)

    def close(self) -> None:
        """Closes the connections."""
