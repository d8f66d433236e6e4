"""What Label Studio is asked when it lists tasks, and what its answers mean. Pure."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from annotation.client.studio import (
    ConflictError,
    Json,
    ProjectState,
    RefusedError,
    ServerFacts,
    UnclearError,
)
from annotation.secrets import redact
from relevance.errors import ServerError

FIELDS = (
    "id,data,updated_at,annotations,result,completed_by,updated_by,lead_time,created_at,"
    "was_cancelled,import_id"
)
"""Of a task with all that is said of its annotations (those named here, and no others)."""

LIGHT_FIELDS = "id,data,updated_at,annotations,completed_by,import_id"
OUTLINE_FIELDS = "id,data,total_annotations,cancelled_annotations"


def has_key(keys: Sequence[str]) -> Json:
    """The condition that a task has one of these pair keys."""
    return _condition("filter:tasks:data.pair_key", "in_list", list(keys), "List")


def changed_since(moment: datetime) -> Json:
    """The condition that a task, or an annotation of it, was changed after a time."""
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return _condition("filter:tasks:updated_at", "greater", text, "Datetime")


def has_annotations(count: int) -> list[Json]:
    """The conditions that a task has so many annotations, and none that was skipped."""
    return [
        _condition("filter:tasks:total_annotations", "equal", count, "Number"),
        _condition("filter:tasks:cancelled_annotations", "equal", 0, "Number"),
    ]


def task_query(
    project_id: int,
    *,
    page: int,
    size: int,
    include: str,
    conditions: Sequence[Json],
    fields: str,
) -> str:
    """Path and query that list tasks by id: page `page` (from 1) of `size`."""
    query: Json = {"ordering": ["tasks:id"]}
    if conditions:
        query["filters"] = {"conjunction": "and", "items": list(conditions)}
    asked = {
        "project": project_id,
        "page": page,
        "page_size": size,
        "fields": fields,
        "include": include,
        "resolve_uri": "false",
        "query": json.dumps(query, separators=(",", ":")),
    }
    return f"api/tasks/?{urlencode(asked)}"


def task_of(task: Mapping[str, Any]) -> Json:
    """A listed task as `Studio.tasks` gives it."""
    return {
        "id": task["id"],
        "data": task["data"],
        "updated_at": task.get("updated_at"),
        "annotations": task.get("annotations") or [],
    }


def outline_of(task: Mapping[str, Any]) -> Json:
    """A listed task as `Studio.outlines` gives it."""
    counts = (task.get("total_annotations"), task.get("cancelled_annotations"))
    return {
        "id": task["id"],
        "data": task["data"],
        "n_annotations": sum(int(one or 0) for one in counts),
    }


def state_of(project: Any) -> ProjectState:
    """A project of the SDK as ours."""
    return ProjectState(
        project_id=int(project.id),
        description=project.description or "",
        label_config=project.label_config or "",
        n_tasks=int(project.task_number or 0),
        n_finished=int(project.finished_task_number or 0),
        n_annotations=int(project.total_annotations_number or 0),
        instruction=project.expert_instruction or "",
        overlap=int(project.maximum_annotations or 0),
    )


def facts_of(release: str, token: str, page: str, *, sign_up_closed: bool | None) -> ServerFacts:
    """What can be told of a server; `page` is its page `/version/`, which shows settings to some.

    Nothing else is read from that page: it may hold passwords.
    """
    protected = re.search(r'"SSRF_PROTECTION_ENABLED": "(True|False)"', page)
    engine = re.search(r"'ENGINE': 'django\.db\.backends\.(\w+)'", page)
    return ServerFacts(
        release=release,
        token=token,
        sign_up_closed=sign_up_closed,
        ssrf_protected=None if protected is None else protected[1] == "True",
        database=None if engine is None else engine[1],
    )


def answered(url: str, status: int, body: object) -> ServerError:
    """What an answer that is not a success means, without secrets."""
    message = redact(f"Label Studio at {url} answered {status}: {_shorten(body)}")
    if status == 409:
        return ConflictError(message)
    if status >= 500 or status in (408, 429):
        # A proxy that gives up says nothing about what the server behind it goes on doing.
        return UnclearError(message, timed_out=status in (408, 504))
    if status in (401, 403):
        message += ". Is the token in LABEL_STUDIO_API_KEY right?"
    return RefusedError(message, status=status)


def _condition(name: str, operator: str, value: object, kind: str) -> Json:
    return {"filter": name, "operator": operator, "value": value, "type": kind}


def _shorten(body: object) -> str:
    if isinstance(body, Mapping):
        body = body.get("detail") or body
        body = json.dumps(body) if isinstance(body, Mapping) else body
    text = str(body)
    with contextlib.suppress(ValueError, AttributeError):
        text = str(json.loads(text).get("detail", text))
    if text.lstrip().startswith("<"):
        text = "(a page of HTML)"
    return " ".join(text.split())[:300]
