"""Session logs from files and frames, on an embedded DuckDB that spills to disk.

Ibis and DuckDB are imported by this room only.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import ibis
import polars as pl

from evaluation.sessions.log import USUAL_GROUP, SessionLog
from evaluation.sessions.normal import Opened
from relevance.errors import InputError, MissingInputError, TableError
from relevance.progress import Progress, silent

GIB = 2**30

SHARE = 0.6
"""Of the memory that is free, what a query may take before it spills."""

_PATIENCE = 0.25
"""Seconds between two looks at how far a query is."""


@contextmanager
def opened(
    sessions: pl.DataFrame | str | Path,
    log: SessionLog,
    *,
    memory: int | None = None,
    progress: Progress = silent,
) -> Iterator[Opened]:
    """The log as an Ibis table on an in-memory DuckDB, whose errors become ours.

    Args:
        sessions: A frame, a CSV, JSON Lines or Parquet file, or a folder of Parquet files.
        log: Which columns are texts, for CSV.
        memory: Bytes that DuckDB may take before it spills to a temporary folder; None for 60 %
            of what is free, at least 1 GiB.
        progress: Told the percentage of each query.

    Raises:
        MissingInputError: The file is not there.
        TableError: It cannot be read.
    """
    place = None if isinstance(sessions, pl.DataFrame) else Path(sessions)
    with (
        tempfile.TemporaryDirectory(prefix="gradewise-", dir=_roomy()) as spill,
        warnings.catch_warnings(),
        _our_errors(place),
        _connection(temp_directory=spill, **_limits(memory)) as connection,
    ):

        def fetch(expression: Any, what: str) -> pl.DataFrame:
            return _run(connection.con, connection.compile(expression), progress, what)

        if isinstance(sessions, pl.DataFrame):
            connection.con.register("sessions", sessions.to_arrow())
            table = connection.table("sessions")
        else:
            table = _open_file(connection, Path(sessions), log)
        yield Opened(table, fetch, place, str(place or "table"), here=True)


@contextmanager
def _connection(**settings: Any) -> Iterator[Any]:
    """An in-memory DuckDB."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    connection = ibis.duckdb.connect(**settings)
    try:
        connection.con.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.disconnect()


@contextmanager
def _our_errors(place: Path | None) -> Iterator[None]:
    """What DuckDB cannot read is an error of ours."""
    try:
        yield
    except (duckdb.Error, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0]
        way_out = "Check it with: gradewise data check FILE --table sessions"
        subject = f"cannot be read as a session log ({reason})"
        raise TableError(subject, path=place, way_out=way_out) from error


def _run(database: Any, query: str, progress: Progress, what: str) -> pl.DataFrame:
    """The result; the query runs in a thread, so that it can be watched and interrupted."""
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(lambda: database.sql(query).to_arrow_table())
        try:
            while not wait([work], timeout=_PATIENCE).done:
                progress(min(99, max(0, round(database.query_progress()))), 100, what)
        except BaseException:
            database.interrupt()
            raise
    frame = pl.from_arrow(work.result())
    assert isinstance(frame, pl.DataFrame)
    return frame


def _limits(memory: int | None) -> dict[str, Any]:
    """Settings of DuckDB: memory is given back to the disk before it runs out."""
    settings: dict[str, Any] = {"preserve_insertion_order": False}
    if memory is None:
        free = _free_memory()
        memory = None if free is None else max(GIB, int(SHARE * free))
    if memory is not None:
        settings["memory_limit"] = f"{memory}B"
    return settings


def _free_memory() -> int | None:
    """Bytes that this process may still take; None where that cannot be told."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)
    except (OSError, StopIteration):
        return None
    folder = Path("/sys/fs/cgroup")
    try:  # a container may have less than the machine
        limit = int((folder / "memory.max").read_text(encoding="ascii"))
        used = int((folder / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return free
    return min(free, limit - used)


def _roomy() -> str:
    """Folder to spill to: the usual temporary one, or /var/tmp if that has more room."""
    usual = tempfile.gettempdir()
    other = "/var/tmp"  # noqa: S108 - /tmp may be memory, /var/tmp is on a disk
    if os.environ.get("TMPDIR") or not os.access(other, os.W_OK):
        return usual
    return max(usual, other, key=lambda folder: shutil.disk_usage(folder).free)


def _open_file(connection: Any, path: Path, log: SessionLog) -> Any:
    if not path.exists():
        raise MissingInputError(path, "gradewise demo (sessions.parquet in its workspace)")
    if path.is_dir():
        parts = sorted(path.glob("**/*.parquet"))
        if not parts:
            raise InputError(f"{path}: no Parquet file in this folder. Give a file, or another one")
        return connection.read_parquet([str(part) for part in parts])
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"PAR1"):
        return connection.read_parquet(str(path))
    if head.lstrip().startswith(b"{"):
        return connection.read_json(str(path), format="newline_delimited", sample_size=-1)
    if not head:
        raise TableError("the file is empty", path=path)
    options: dict[str, Any] = {"header": True}
    if head.startswith(b"\x1f\x8b"):
        options["compression"] = "gzip"
    names = connection.read_csv(str(path), all_varchar=True, **options).columns
    # Identities stay text: 007 is not 7. The whole file is looked at, so that types are certain.
    texts = {log.unit, log.variant, log.session or "session_id", "experiment"}
    texts |= set(log.by or (USUAL_GROUP,))
    types = {name: "VARCHAR" for name in names if name in texts}
    return connection.read_csv(str(path), sample_size=-1, types=types, **options)
