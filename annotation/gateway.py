"""The only file that talks to Label Studio: how its SDK is made to do what `studio.Studio` asks.

The SDK repeats POSTs by itself after an error, which doubles tasks: every call that changes
something is told not to. What such a call's failure means is then decided here: `UnclearError` (it
may have happened: ask the server), `ConflictError` (it had happened before), `RefusedError` (it has
not and will not). The calls that travel in bulk (importing and listing tasks) go straight through
the connection, because the SDK spends more time on parsing a task than the server on sending it.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from annotation.client.replies import (
    FIELDS,
    LIGHT_FIELDS,
    OUTLINE_FIELDS,
    answered,
    changed_since,
    facts_of,
    has_annotations,
    has_key,
    outline_of,
    state_of,
    task_of,
    task_query,
)
from annotation.client.studio import (
    ConflictError,
    Json,
    ProjectSpec,
    ProjectState,
    RefusedError,
    ServerFacts,
    Studio,
    UnclearError,
)
from annotation.secrets import conceal, redact, token_kind
from relevance.errors import require_extra

__all__ = [
    "MINIMUM_RELEASE",
    "ConflictError",
    "Json",
    "ProjectSpec",
    "ProjectState",
    "RefusedError",
    "SdkStudio",
    "ServerFacts",
    "Studio",
    "UnclearError",
]

MINIMUM_RELEASE = (1, 23, 1)
"""Older servers have known holes (SSRF through DNS)."""

TIMEOUT = 300.0
"""Seconds a request may take."""

ANNOTATION_EVENTS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
    "TASKS_DELETED",
)
"""What a webhook is called for."""

_READ_PAUSES = (1.0, 2.0)
_T = TypeVar("_T")


class SdkStudio:
    """A real Label Studio through its SDK.

    Args:
        url: Its address.
        api_key: Legacy token or personal access token.
        timeout: Seconds a request may take.
    """

    def __init__(self, url: str, api_key: str, *, timeout: float = TIMEOUT) -> None:
        require_extra("label_studio_sdk", "labelstudio")
        import label_studio_sdk

        from annotation.client.accounts import http_client

        conceal(api_key)
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._token_kind = token_kind(api_key)
        self._http = http_client(self._url, timeout)
        made: Any = label_studio_sdk
        with _translated(self._url):
            # With a sub-path the SDK refreshes its token at the wrong address unless it ends in
            # "/".
            self._sdk: Any = made.LabelStudio(
                base_url=self._url + "/", api_key=api_key, timeout=timeout, httpx_client=self._http
            )
        self._once: Any = {"max_retries": 0, "timeout_in_seconds": timeout}

    def release(self) -> str:
        """Version of the server, such as `1.23.2`."""
        return str(self._read("api/version/").get("release", ""))

    def facts(self) -> ServerFacts:
        """What can be told of the server from outside; changes nothing."""
        from annotation.client.accounts import sign_up_closed

        with _translated(self._url):
            page = self._http.get(f"{self._url}/version/", headers=self._headers()).text
            closed = sign_up_closed(self._url)
        return facts_of(self.release(), self._token_kind, page, sign_up_closed=closed)

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
            "expert_instruction": instruction,
            "maximum_annotations": overlap,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        with _translated(self._url):
            self._sdk.projects.update(project_id, **changes, request_options=self._once)

    def project(self, project_id: int) -> ProjectState | None:
        """What the server says of a project; None if it is gone."""
        try:
            with _translated(self._url):
                return state_of(self._sdk.projects.get(project_id))
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def find_projects(self, marker: str) -> list[ProjectState]:
        """Projects with `marker` in their description, oldest first."""
        with _translated(self._url):
            found = [state_of(one) for one in self._sdk.projects.list(page_size=100)]
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

    def import_tasks(self, project_id: int, tasks: Sequence[Json]) -> list[int]:
        """Adds tasks, with any finished annotations; all or none, but see `UnclearError`.

        Returns:
            Their numbers, in order; nothing where the server does not tell.
        """
        body = json.dumps(list(tasks), ensure_ascii=False, separators=(",", ":")).encode()
        path = f"api/projects/{project_id}/import?return_task_ids=true"
        with _translated(self._url):
            reply = self._send("POST", path, body)
        return [int(number) for number in reply.get("task_ids") or ()]

    def tasks(
        self,
        project_id: int,
        *,
        page: int,
        size: int,
        keys: Sequence[str] | None = None,
        since: datetime | None = None,
    ) -> list[Json]:
        """One page (from 1) of tasks, by id; see `studio.Studio`."""
        items = [] if keys is None else [has_key(keys)]
        items += [] if since is None else [changed_since(since)]
        include = FIELDS if keys is None else LIGHT_FIELDS
        found = self._listed(project_id, page, size, include, items, fields="all")
        return [task_of(one) for one in found]

    def outlines(self, project_id: int, *, page: int, size: int) -> list[Json]:
        """One page of tasks, by id: id, data and `n_annotations`, skipped ones included."""
        found = self._listed(project_id, page, size, OUTLINE_FIELDS, [])
        return [outline_of(one) for one in found]

    def identities(self, project_id: int, *, page: int, size: int) -> list[tuple[int, str]]:
        """One page of (task id, pair key), by id; a task without a key has an empty one."""
        found = self._listed(project_id, page, size, "id,data", [])
        return [(int(task["id"]), str((task["data"] or {}).get("pair_key", ""))) for task in found]

    def delete_tasks(
        self, project_id: int, task_ids: Sequence[int], *, keys: Sequence[str], n_annotations: int
    ) -> None:
        """Deletes those of the tasks that still have one of `keys` and `n_annotations`."""
        body = {
            "selectedItems": {"all": False, "included": list(task_ids)},
            "filters": {
                "conjunction": "and",
                "items": [has_key(keys), *has_annotations(n_annotations)],
            },
        }
        with _translated(self._url):
            self._send(
                "POST",
                f"api/dm/actions/?id=delete_tasks&project={project_id}",
                json.dumps(body).encode(),
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
        from annotation.client.accounts import sign_up

        conceal(password)
        with _translated(self._url):
            invitation = str(self._sdk.organizations.invites.get_invite_link().invite_url)
            sign_up(self._url, invitation, email, password)

    def close_invitations(self) -> None:
        """Makes every invitation given so far worthless."""
        with _translated(self._url):
            self._sdk.organizations.reset_token(request_options=self._once)

    def delete_annotations_of(self, project_id: int, user: int) -> None:
        """Deletes what one person graded, and began to grade, in a project."""
        body = {"selectedItems": {"all": True, "excluded": []}, "annotator": user}
        path = f"api/dm/actions/?id=delete_tasks_annotations&project={project_id}"
        with _translated(self._url):
            self._send("POST", path, json.dumps(body).encode())

    def delete_account(self, user: int) -> None:
        """Deletes a person's account; what they graded stays, without a name."""
        with _translated(self._url):
            self._sdk.users.delete(user, request_options=self._once)

    def add_webhook(self, project_id: int, url: str, headers: Mapping[str, str]) -> int:
        """Has the server call an address whenever annotations of a project change."""
        with _translated(self._url):
            made = self._sdk.webhooks.create(
                url=url,
                project=project_id,
                headers=dict(headers),
                actions=list(ANNOTATION_EVENTS),
                send_payload=False,
                send_for_all_actions=False,
                request_options=self._once,
            )
        return int(made.id)

    def remove_webhook(self, number: int) -> None:
        """Ends a webhook; harmless if it is gone."""
        try:
            with _translated(self._url):
                self._sdk.webhooks.delete(number, request_options=self._once)
        except RefusedError as error:
            if error.status != 404:
                raise

    def as_person(self, email: str, password: str) -> Studio:
        """The same server as somebody else sees it, with that person's own token."""
        from annotation.client.accounts import personal_token

        conceal(password)
        token = self._repeated(lambda: personal_token(self._url, email, password))
        return SdkStudio(self._url, token, timeout=self._timeout)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _headers(self) -> dict[str, str]:
        """The SDK's own: it knows how to turn either kind of token into a fresh header."""
        return dict(self._sdk._client_wrapper.get_headers())  # noqa: SLF001 - it offers no other

    def _send(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Sends one request, once, and returns the parsed reply."""
        import httpx

        headers = {**self._headers(), "Content-Type": "application/json"}
        reply = self._http.request(method, f"{self._url}/{path}", content=body, headers=headers)
        if reply.status_code >= 300:
            raise httpx.HTTPStatusError("", request=reply.request, response=reply)
        try:
            return reply.json()
        except json.JSONDecodeError:
            if method == "GET":
                raise
            raise UnclearError(
                f"{redact(self._url)} answered {reply.status_code} with something that is no JSON"
            ) from None

    def _read(self, path: str) -> Any:
        return self._repeated(lambda: self._send("GET", path))

    def _repeated(self, act: Callable[[], _T]) -> _T:
        """Something that may be done again, because that changes nothing."""
        for pause in _READ_PAUSES:
            try:
                with _translated(self._url):
                    return act()
            except UnclearError:
                time.sleep(pause)
        with _translated(self._url):
            return act()

    def _listed(
        self,
        project_id: int,
        page: int,
        size: int,
        include: str,
        conditions: list[Json],
        *,
        fields: str = "task_only",
    ) -> list[Json]:
        path = task_query(
            project_id, page=page, size=size, include=include, conditions=conditions, fields=fields
        )
        try:
            return list(self._read(path)["tasks"])
        except RefusedError as error:
            if error.status == 404 and page > 1:
                return []  # how the server says that the page before was the last
            raise


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turns what the SDK and its transport raise into our errors, without secrets."""
    import httpx
    from label_studio_sdk.core.api_error import ApiError

    try:
        yield
    except ApiError as error:
        raise answered(url, error.status_code or 0, error.body) from None
    except httpx.HTTPStatusError as error:
        raise answered(url, error.response.status_code, error.response.text) from None
    except httpx.TransportError as error:
        slow = isinstance(error, httpx.TimeoutException)
        raise UnclearError(
            f"Label Studio at {redact(url)} does not answer ({type(error).__name__}). Is it "
            "running?",
            timed_out=slow,
        ) from None
    except (httpx.InvalidURL, httpx.TooManyRedirects, json.JSONDecodeError) as error:
        raise RefusedError(
            f"{redact(url)} does not answer as Label Studio does ({type(error).__name__}). Is the "
            "address right?"
        ) from None
