"""Gradewise's push and pull against a real Label Studio, on SQLite and on PostgreSQL.

The server is started, and filled where there must be something to pull, before the clock starts.
Work is what `annotation push` and `annotation pull` do between reading the tables and writing them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.grading_server import EMPTY, GRADED, NAMES, POSTGRES, SQLITE, stage

if TYPE_CHECKING:
    import polars as pl

    from annotation.sync.desk import Desk

Figures = Mapping[str, float]

STATES = {"push": EMPTY, "pull": GRADED, "again": GRADED}
"""What is measured → the state that it starts from."""

IMPORTS = {
    f"{name}_{kind}": (
        "polars",
        "label_studio_sdk",
        "httpx",
        "annotation.sync.push",
        "annotation.sync.pull",
    )
    for name in STATES
    for kind in (SQLITE, POSTGRES)
}
N_NEW = 30
"""Judgments made after the first pull."""

_open = ExitStack()
_ready: dict[str, Desk] = {}


def prepare(function: str, files: Mapping[str, Path]) -> None:
    """Starts the server and opens the desk; for `again` pulls everything and grades some more."""
    from annotation.sync.desk import open_desk
    from annotation.sync.pull import pull

    name, kind = function.split("_")
    made = _open.enter_context(stage(kind, STATES[name], files))
    desk = _open.enter_context(open_desk(made.workspace))
    desk.studio.people()  # the first request imports half of the SDK
    if name == "again":
        pull(desk)
        grade_more(desk, files)
    _ready["desk"] = desk


def finish() -> None:
    """Stops the server."""
    _open.close()


def work(function: str, files: Mapping[str, Path]) -> tuple[Callable[[str], Figures], Figures]:
    """Pushes or pulls; the figures are counted after the clock has stopped."""
    import polars as pl

    from annotation.sync.pull import pull
    from annotation.sync.push import push

    desk = _ready["desk"]
    if function.startswith("push"):
        read = [pl.read_parquet(files[name]) for name in NAMES[:3]]
        pushed = push(desk, *read)
        return lambda _: _tasks(desk, list(pushed.projects.values())), {}
    pulled = pull(desk)
    return lambda _: counted(pulled.judgments), {}


def grade_more(desk: Desk, files: Mapping[str, Path]) -> None:
    """One new annotator grades the first pairs."""
    import polars as pl

    from annotation.sync.submit import submit

    first = pl.read_parquet(files["samples"]).head(N_NEW).select("query_id", "pin_id")
    columns = {"annotator": "late", "grade": 5, "seconds": 3.0}
    new = first.with_columns(**{name: pl.lit(value) for name, value in columns.items()})
    empty = {name: pl.lit(None, pl.String) for name in ("flag", "comment")}
    submit(desk, new.with_columns(**empty))


def counted(judgments: pl.DataFrame) -> Figures:
    """How often each grade was given."""
    counts = dict(judgments["grade"].value_counts().iter_rows())
    return {f"grade {grade}": float(n) for grade, n in counts.items() if grade is not None}


def _tasks(desk: Desk, projects: list[int]) -> Figures:
    states = [desk.studio.project(number) for number in projects]
    return {"tasks": float(sum(state.n_tasks for state in states if state is not None))}
