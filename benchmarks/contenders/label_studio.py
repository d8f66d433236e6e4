"""The plain `label-studio-sdk` as its documentation uses it, on SQLite.

`push` imports tasks in chunks of 250, `push1` one by one (extrapolated), `pull` and `again` call
`exports.as_json` and read the grades out of it. Nothing is checked and nothing is looked up first.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.contenders.ours_grading import grade_more
from benchmarks.grading_server import EMPTY, GRADED, SQLITE, stage

Figures = Mapping[str, float]

STATES = {"push": EMPTY, "push1": EMPTY, "pull": GRADED, "again": GRADED}
IMPORTS = dict.fromkeys(STATES, ("polars", "label_studio_sdk", "httpx"))
CHUNK = 250
N_SINGLE = 200

_open = ExitStack()
_ready: dict[str, Any] = {}


def prepare(function: str, files: Mapping[str, Path]) -> None:
    """Starts the server and opens a client; the tasks are ready to be sent."""
    import polars as pl

    from annotation.interface import label_config
    from annotation.sync.desk import open_desk
    from annotation.tasks import task_data

    made = _open.enter_context(stage(SQLITE, STATES[function], files))
    if function == "again":
        with open_desk(made.workspace) as desk:
            grade_more(desk, files)
    client = _client(made.server.url, made.server.api_key)
    if STATES[function] == EMPTY:
        project = client.projects.create(
            title="plain", label_config=label_config(), maximum_annotations=3
        ).id
        joined = (
            pl.read_parquet(files["samples"])
            .join(pl.read_parquet(files["queries"]), on="query_id")
            .join(pl.read_parquet(files["pins"]), on="pin_id")
        )
        _ready["tasks"] = [{"data": task_data(row, row)} for row in joined.iter_rows(named=True)]
    else:
        project = next(iter(client.projects.list(page_size=10))).id
    _ready.update(client=client, project=project)


def finish() -> None:
    """Stops the server."""
    _open.close()


def work(function: str, _: Mapping[str, Path]) -> tuple[Callable[[str], Figures], Figures]:
    """Sends all tasks, or gets all grades."""
    client, project = _ready["client"], _ready["project"]
    if function == "push":
        tasks = _ready["tasks"]
        for start in range(0, len(tasks), CHUNK):
            client.projects.import_tasks(project, request=tasks[start : start + CHUNK])
        return lambda _: {"tasks": float(client.projects.get(project).task_number)}, {}
    if function == "push1":
        some = _ready["tasks"][:N_SINGLE]
        begun = time.perf_counter()
        for task in some:
            client.projects.import_tasks(project, request=[task])
        took = time.perf_counter() - begun
        return lambda _: {}, {"replicate": took, "extrapolated": len(_ready["tasks"]) / len(some)}
    grades = Counter(
        choice
        for task in client.projects.exports.as_json(project)
        for annotation in task["annotations"]
        for result in annotation["result"]
        if result["from_name"] == "relevance"
        for choice in result["value"]["choices"]
    )
    return lambda _: {f"grade {name}": float(n) for name, n in grades.items()}, {}


def _client(url: str, token: str) -> Any:
    import label_studio_sdk

    made: Any = label_studio_sdk
    client = made.LabelStudio(base_url=url, api_key=token, timeout=300)
    client.projects.list(page_size=1)  # imports half of the SDK
    client.tasks, client.projects.exports  # noqa: B018
    return client
