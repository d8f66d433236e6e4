"""The only file that talks to Label Studio: what we ask of it, and how its SDK is made to do that.

`Studio` is the whole surface. `SdkStudio` is the real one; `annotation.fake.FakeStudio` behaves as
badly as the real one was measured to, in memory.

The SDK repeats POSTs by itself after an error, which doubles tasks: every call that changes
something is told not to. What such a call's failure means is then decided here: `UnclearError` (it
may have happened: ask the server), `ConflictError` (it had happened before), `RefusedError` (it has
not and will not).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from relevance.errors import ServerError, require_extra

MINIMUM_RELEASE = (1, 23, 1)
"""Older servers have known holes (SSRF through DNS)."""

_TIMEOUT = 300
_FIELDS = (
    "id,data,annotations,result,completed_by,lead_time,created_at,was_cancelled,import_id,"
    "total_annotations"
)
_LIGHT_FIELDS = "id,data,annotations,completed_by,import_id"

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
    """The server refuses the request; nothing was stored."""


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
    """

    project_id: int
    description: str
    label_config: str
    n_tasks: int
    n_finished: int
    n_annotations: int


class Studio(Protocol):
    """A Label Studio, seen by one person who is logged in."""

    def release(self) -> str:
        """Version of the server, such as `1.23.2`."""

    def create_project(self, spec: ProjectSpec) -> int:
        """Makes a project and returns its number; nothing keeps titles apart."""

    def project(self, project_id: int) -> ProjectState | None:
        """What the server says of a project; None if it is gone."""

    def find_projects(self, marker: str) -> list[ProjectState]:
        """Projects with `marker` in their description, oldest first."""

    def serve_pictures(self, project_id: int, folder: Path) -> bool:
        """Lets the project's people see the files of a folder; False if the server cannot."""

    def import_tasks(self, project_id: int, tasks: Sequence[Json]) -> None:
        """Adds tasks, with any finished annotations; all or none, but see `UnclearError`."""

    def tasks(
        self, project_id: int, *, page: int, size: int, keys: Sequence[str] | None = None
    ) -> list[Json]:
        """One page (from 1) of tasks with annotations, by id; with `keys` only theirs, briefly."""

    def delete_tasks(self, project_id: int, task_ids: Sequence[int]) -> None:
        """Deletes tasks with their annotations."""

    def annotate(self, task_id: int, annotation: Json) -> None:
        """Submits an annotation as the person logged in; `unique_id` is unique on the server."""

    def people(self) -> dict[int, str]:
        """User number → e-mail address."""

    def sign_up(self, email: str, password: str) -> None:
        """Makes an account by invitation; harmless if it is there."""

    def close_invitations(self) -> None:
        """Makes every invitation given so far worthless."""

    def as_person(self, email: str, password: str) -> Studio:
        """The same server as somebody else sees it, with that person's own token."""

    def close(self) -> None:
        """Closes the connections."""


class SdkStudio:
    """A real Label Studio through its SDK.

    Args:
        url: Its address.
        api_key: Legacy token or personal access token.
    """

    def __init__(self, url: str, api_key: str) -> None:
        require_extra("label_studio_sdk", "labelstudio")
        import label_studio_sdk

        from annotation.accounts import http_client

        self._url = url.rstrip("/")
        # With a sub-path the SDK refreshes its token at the wrong address unless it ends in "/".
        self._http = http_client(self._url, _TIMEOUT)
        made: Any = label_studio_sdk
        self._sdk: Any = made.LabelStudio(
            base_url=self._url + "/", api_key=api_key, timeout=_TIMEOUT, httpx_client=self._http
        )
        self._once: Any = {"max_retries": 0, "timeout_in_seconds": _TIMEOUT}

    def release(self) -> str:
        """Version of the server, such as `1.23.2`."""
        with _translated(self._url):
            return str(self._sdk.versions.get().release)

    def create_project(self, spec: ProjectSpec) -> int:
        """Makes a project and returns its number; nothing keeps titles apart."""
        with _translated(self._url):
            made = self._sdk.projects.create(
                title=spec.title,
                description=spec.description,
                label_config=spec.label_config,
                expert_instruction=spec.instruction,
                show_instruction=True,
                maximum_annotations=spec.overlap,
                sampling="Uniform sampling",
                show_skip_button=False,
                enable_empty_annotation=False,
                show_collab_predictions=False,
                request_options=self._once,
            )
        return int(made.id)

    def project(self, project_id: int) -> ProjectState | None:
        """What the server says of a project; None if it is gone."""
        try:
            with _translated(self._url):
                return _state(self._sdk.projects.get(project_id))
        except RefusedError as error:
            if "404" in str(error):
                return None
            raise

    def find_projects(self, marker: str) -> list[ProjectState]:
        """Projects with `marker` in their description, oldest first."""
        with _translated(self._url):
            found = [_state(one) for one in self._sdk.projects.list(page_size=100)]
        mine = [state for state in found if marker in state.description]
        return sorted(mine, key=lambda state: state.project_id)

    def serve_pictures(self, project_id: int, folder: Path) -> bool:
        """Lets the project's people see the files of a folder; False if the server cannot."""
        storage = self._sdk.import_storage.local
        try:
            with _translated(self._url):
                if not any(one.path == str(folder) for one in storage.list(project=project_id)):
                    storage.create(
                        project=project_id,
                        path=str(folder),
                        title="pictures",
                        request_options=self._once,
                    )
        except RefusedError:
            return False
        return True

    def import_tasks(self, project_id: int, tasks: Sequence[Json]) -> None:
        """Adds tasks, with any finished annotations; all or none, but see `UnclearError`."""
        with _translated(self._url):
            self._sdk.projects.import_tasks(
                project_id, request=list(tasks), request_options=self._once
            )

    def tasks(
        self, project_id: int, *, page: int, size: int, keys: Sequence[str] | None = None
    ) -> list[Json]:
        """One page (from 1) of tasks with annotations, by id; with `keys` only theirs, briefly."""
        query: Json = {"ordering": ["tasks:id"]}
        if keys is not None:
            item = {
                "filter": "filter:tasks:data.pair_key",
                "operator": "in_list",
                "value": list(keys),
                "type": "List",
            }
            query["filters"] = {"conjunction": "and", "items": [item]}
        try:
            with _translated(self._url):
                pager = self._sdk.tasks.list(
                    project=project_id,
                    page=page,
                    page_size=size,
                    fields="all",
                    include=_FIELDS if keys is None else _LIGHT_FIELDS,
                    query=json.dumps(query),
                )
                found = list(pager.items or ())
        except RefusedError as error:
            if "404" in str(error):
                return []  # how the server says that the page before was the last
            raise
        return [
            {"id": task.id, "data": task.data, "annotations": task.annotations or []}
            for task in found
        ]

    def delete_tasks(self, project_id: int, task_ids: Sequence[int]) -> None:
        """Deletes tasks with their annotations."""
        with _translated(self._url):
            self._sdk.actions.create(
                id="delete_tasks",
                project=project_id,
                selected_items={"all": False, "included": list(task_ids)},
                request_options=self._once,
            )

    def annotate(self, task_id: int, annotation: Json) -> None:
        """Submits an annotation as the person logged in; `unique_id` is unique on the server."""
        with _translated(self._url):
            self._sdk.annotations.create(task_id, **annotation, request_options=self._once)

    def people(self) -> dict[int, str]:
        """User number → e-mail address."""
        with _translated(self._url):
            return {int(user.id): str(user.email) for user in self._sdk.users.list()}

    def sign_up(self, email: str, password: str) -> None:
        """Makes an account by invitation; harmless if it is there."""
        from annotation.accounts import sign_up

        with _translated(self._url):
            invitation = str(self._sdk.organizations.invites.get_invite_link().invite_url)
            sign_up(self._url, invitation, email, password)

    def close_invitations(self) -> None:
        """Makes every invitation given so far worthless."""
        with _translated(self._url):
            self._sdk.organizations.reset_token(request_options=self._once)

    def as_person(self, email: str, password: str) -> Studio:
        """The same server as somebody else sees it, with that person's own token."""
        from annotation.accounts import personal_token

        with _translated(self._url):
            return SdkStudio(self._url, personal_token(self._url, email, password))

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turns what the SDK and its transport raise into our errors."""
    import httpx
    from label_studio_sdk.core.api_error import ApiError

    try:
        yield
    except ApiError as error:
        status = error.status_code or 0
        message = f"Label Studio at {url} answered {status}: {_shorten(error.body)}"
        if status == 409:
            raise ConflictError(message) from error
        if status >= 500 or status in (408, 429):
            raise UnclearError(message) from error
        if status in (401, 403):
            message += ". Is the token in LABEL_STUDIO_API_KEY right?"
        raise RefusedError(message) from error
    except httpx.HTTPStatusError as error:
        raise RefusedError(f"Label Studio at {url}: {error}") from error
    except httpx.TransportError as error:
        slow = isinstance(error, httpx.TimeoutException)
        raise UnclearError(
            f"Label Studio at {url} does not answer ({type(error).__name__}). Is it running?",
            timed_out=slow,
        ) from error


def _state(project: Any) -> ProjectState:
    return ProjectState(
        project_id=int(project.id),
        description=project.description or "",
        label_config=project.label_config or "",
        n_tasks=int(project.task_number or 0),
        n_finished=int(project.finished_task_number or 0),
        n_annotations=int(project.total_annotations_number or 0),
    )


def _shorten(body: object) -> str:
    if isinstance(body, Mapping):
        body = body.get("detail") or body
        body = json.dumps(body) if isinstance(body, Mapping) else body
    return " ".join(str(body).split())[:300]
