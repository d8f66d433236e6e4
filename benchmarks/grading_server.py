"""A Label Studio in the state that a benchmark starts from, with the workspace that belongs to it.

States are made once and kept beside the data files: `empty`, and `graded` (all pairs pushed, three
judgments of each). Every measurement works on a copy.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from annotation.local.install import VERSION
from annotation.server import FOLDER, LocalServer
from annotation.sync.desk import open_desk
from annotation.sync.push import push
from benchmarks.postgres import cluster, programs

SQLITE, POSTGRES = "sqlite", "postgres"
EMPTY, GRADED = "empty", "graded"


@dataclass(frozen=True, slots=True)
class Stage:
    """A running server and its workspace.

    Attributes:
        workspace: The workspace; `open_desk` finds the server by it.
        server: The server.
    """

    workspace: Path
    server: LocalServer


@contextmanager
def stage(kind: str, state: str, files: Mapping[str, Path]) -> Iterator[Stage]:
    """A server of its own in a state.

    Args:
        kind: `sqlite` or `postgres`.
        state: `empty` or `graded`.
        files: Tables of the grading round.
    """
    if kind == POSTGRES and programs() is None:
        raise SystemExit("left out: needs PostgreSQL")
    kept = _kept(kind, state, files)
    if not kept.exists():
        _make(kind, state, files, kept)
    with _running(kind, kept) as made:
        yield made


def _kept(kind: str, state: str, files: Mapping[str, Path]) -> Path:
    folder = files["queries"].parent
    shared = folder.parent if state == EMPTY else folder
    return shared / f"label-studio-{VERSION}-{kind}-{state}"


def _make(kind: str, state: str, files: Mapping[str, Path], target: Path) -> None:
    """Keeps a state that can be copied; `graded` is made from `empty`."""
    import polars as pl

    start = None if state == EMPTY else _kept(kind, EMPTY, files)
    if start is not None and not start.exists():
        _make(kind, EMPTY, files, start)
    landing = target.with_suffix(".part")
    shutil.rmtree(landing, ignore_errors=True)
    with _running(kind, start, keep=landing) as made:
        if state == GRADED:
            read = {name: pl.read_parquet(path) for name, path in files.items() if name in NAMES}
            with open_desk(made.workspace) as desk:
                tables = (read["queries"], read["pins"], read["samples"])
                push(desk, *tables, finished=read["judgments"])
    landing.rename(target)


NAMES = ("queries", "pins", "samples", "judgments")


@contextmanager
def _running(kind: str, start: Path | None, keep: Path | None = None) -> Iterator[Stage]:
    """A server on a copy of a kept state; what it leaves is kept itself if wanted."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gw-bench-")))
        workspace, data = root / "workspace", root / "pg"
        root.chmod(0o755)  # the user that PostgreSQL runs as must get through
        if start is not None:
            shutil.copytree(start, root, dirs_exist_ok=True)
            # It names the port that the database had.
            (workspace / FOLDER / "database.json").unlink(missing_ok=True)
        data.mkdir(exist_ok=True)
        with ExitStack() as running:
            address = (
                running.enter_context(cluster(data, stop="fast")) if kind == POSTGRES else None
            )
            server = LocalServer(workspace / FOLDER, database=address)
            running.enter_context(server)
            yield Stage(workspace, server)
        if keep is not None:
            shutil.copytree(root, keep)
