"""What we ask of a Label Studio, and what a failed request means.

`Studio` is the whole surface. `annotation.gateway.SdkStudio` is the real one;
`annotation.client.fake.FakeStudio` behaves as badly as the real one was measured to, in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from relevance.errors import ServerError

Json = dict[str, Any]


class UnclearError(ServerError):
    """The reply got lost or the server was overrun: the request may have been carried out.

    Args:
        message: What happened.
        timed_out: The server may still be at it, and needs time to settle.
    """

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class ConflictError(ServerError):
    """The server has this already."""


class RefusedError(ServerError):
    """The server refuses the request; nothing was stored.

    Args:
        message: What it said.
        status: HTTP status of its answer; 0 if there was none.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSpec:
    """What a project is made of.

    Attributes:
        title: Shown to annotators; 3 to 50 characters. Not unique on the server.
        description: Holds the marker that identifies it.
        label_config: The annotator's page, as XML.
        instruction: The guidelines, as HTML.
        overlap: How many different people grade each pair.
    """

    title: str
    description: str
    label_config: str
    instruction: str
    overlap: int


@dataclass(frozen=True, slots=True)
class ProjectState:
    """What the server says of a project.

    Attributes:
        project_id: Its number.
        description: Its description.
        label_config: The annotator's page, as XML.
        n_tasks: Tasks in it.
        n_finished: Tasks with as many annotations as the overlap.
        n_annotations: Annotations in it.
        instruction: The guidelines, as HTML.
        overlap: How many different people grade each pair.
    """

    project_id: int
    description: str
    label_config: str
    n_tasks: int
    n_finished: int
    n_annotations: int
    instruction: str = ""
    overlap: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What can be told of a server from outside.

    Attributes:
        release: Its version, such as `1.23.2`.
        token: Kind of our token: `legacy` (never expires) or `personal` (a person's own).
        sign_up_closed: Whether strangers need an invitation; None if it cannot be told.
        ssrf_protected: Whether it refuses to fetch from private addresses; None if not shown.
        database: Engine of its database (`sqlite3`, `postgresql`); None if not shown.
    """

    release: str
    token: str
    sign_up_closed: bool | None = None
    ssrf_protected: bool | None = None
    database: str | None = None


class Studio(Protocol):
    """A Label Studio, seen by one person who is logged in."""

    def release(self) -> str:
        """Version of the server, such as `1.23.2`."""

    def facts(self) -> ServerFacts:
        """What can be told of the server from outside; changes nothing."""

    def create_project(self, spec: ProjectSpec) -> int:
        """Makes a project and returns its number; nothing keeps titles apart."""

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

    def project(self, project_id: int) -> ProjectState | None:
        """What the server says of a project; None if it is gone."""

    def find_projects(self, marker: str) -> list[ProjectState]:
        """Projects with `marker` in their description, oldest first."""

    def serve_pictures(self, project_id: int, folder: Path) -> bool:
        """Lets the project's people see the files of a folder; False if the server cannot."""

    def import_tasks(self, project_id: int, tasks: Sequence[Json]) -> list[int]:
        """Adds tasks, with any finished annotations; all or none, but see `UnclearError`.

        Returns:
            Their numbers, in order; nothing where the server does not tell.
        """

    def tasks(
        self,
        project_id: int,
        *,
        page: int,
        size: int,
        keys: Sequence[str] | None = None,
        since: datetime | None = None,
    ) -> list[Json]:
        """One page (from 1) of tasks, by id: id, data, updated_at and annotations.

        Args:
            project_id: The project.
            page: Which page, from 1; an empty list stands behind the last.
            size: Tasks a page.
            keys: Only tasks of these pair keys, and of their annotations only whose they are.
            since: Only tasks changed after this; making, editing, deleting and skipping an
                annotation changes its task. Deleted tasks are not seen.
        """

    def outlines(self, project_id: int, *, page: int, size: int) -> list[Json]:
        """One page of tasks, by id: id, data and `n_annotations`, skipped ones included."""

    def identities(self, project_id: int, *, page: int, size: int) -> list[tuple[int, str]]:
        """One page of (task id, pair key), by id; a task without a key has an empty one."""

    def delete_tasks(
        self, project_id: int, task_ids: Sequence[int], *, keys: Sequence[str], n_annotations: int
    ) -> None:
        """Deletes those of the tasks that still are what they were when they were looked at.

        Numbers are used again and people go on grading, so the server is asked to delete only
        tasks whose pair key is one of `keys` and that have exactly `n_annotations`.
        """

    def annotate(self, task_id: int, annotation: Json) -> None:
        """Submits an annotation as the person logged in; `unique_id` is unique on the server."""

    def people(self) -> dict[int, str]:
        """User number → e-mail address."""

    def sign_up(self, email: str, password: str) -> None:
        """Makes an account by invitation; harmless if it is there."""

    def close_invitations(self) -> None:
        """Makes every invitation given so far worthless."""

    def delete_annotations_of(self, project_id: int, user: int) -> None:
        """Deletes what one person graded, and began to grade, in a project."""

    def delete_account(self, user: int) -> None:
        """Deletes a person's account; what they graded stays, without a name."""

    def add_webhook(self, project_id: int, url: str, headers: Mapping[str, str]) -> int:
        """Has the server call an address whenever annotations of a project change.

        Nothing but the kind of change is told. Returns the number of the webhook.
        """

    def remove_webhook(self, number: int) -> None:
        """Ends a webhook; harmless if it is gone."""

    def as_person(self, email: str, password: str) -> Studio:
        """The same server as somebody else sees it, with that person's own token."""

    def close(self) -> None:
        """Closes the connections."""
