"""What a large log needs: memory, a place to spill, progress, a way to stop."""

from __future__ import annotations

import _thread
import tempfile
import threading
from pathlib import Path

import duckdb
import polars as pl
import pytest

from evaluation.sessions import SessionLog, reading, session_moments

LOG = SessionLog()
MIB = 2**20


@pytest.fixture
def spill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary folders are made."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def large(path: Path, rows: int) -> Path:
    """A log with as many users as half its rows."""
    query = f"""
        SELECT (i * 7919) % {rows // 2} AS unit_id, 'control' AS variant, i % 2 AS fulfilled,
            TIMESTAMP '2025-03-01' + INTERVAL (i % 9) DAY AS exposed_at
        FROM range({rows}) AS numbers(i)
    """
    duckdb.sql(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


def test_nothing_is_left_behind(spill: Path, tmp_path: Path) -> None:
    path = large(tmp_path / "log.parquet", 1000)
    found = session_moments(path, LOG, memory=200 * MIB)
    assert found.cells["users"].sum() == 500
    assert [file.name for file in spill.iterdir()] == ["log.parquet"]


@pytest.mark.slow
def test_little_memory_spills_and_says_the_same(spill: Path, tmp_path: Path) -> None:
    path = large(tmp_path / "log.parquet", 4_000_000)
    told: list[tuple[int, int, str]] = []
    spilt = False

    def progress(done: int, total: int, what: str = "") -> None:
        nonlocal spilt
        told.append((done, total, what))
        spilt = spilt or any(spill.glob("gradewise-*/*"))

    small = session_moments(path, LOG, memory=120 * MIB, progress=progress)
    assert spilt
    assert {total for _, total, _ in told} == {100}
    assert "adding up users" in {what for _, _, what in told}
    assert small.cells.equals(session_moments(path, LOG).cells)
    assert not any(spill.glob("gradewise-*"))


@pytest.mark.slow
def test_an_interrupt_stops_the_query_and_cleans_up(spill: Path, tmp_path: Path) -> None:
    path = large(tmp_path / "log.parquet", 6_000_000)

    def progress(done: int, total: int, what: str = "") -> None:
        if what == "adding up users":
            _thread.interrupt_main()

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        session_moments(path, LOG, memory=120 * MIB, progress=progress)
    assert threading.active_count() == before
    assert not any(spill.glob("gradewise-*"))


def test_memory_is_a_share_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_free_memory", lambda: 10 * reading.GIB)
    assert reading._limits(None)["memory_limit"] == f"{6 * reading.GIB}B"
    monkeypatch.setattr(reading, "_free_memory", lambda: reading.GIB)
    assert reading._limits(None)["memory_limit"] == f"{reading.GIB}B"
    assert reading._limits(5 * MIB)["memory_limit"] == f"{5 * MIB}B"
    monkeypatch.setattr(reading, "_free_memory", lambda: None)
    assert "memory_limit" not in reading._limits(None)


def test_the_roomier_folder_takes_what_is_spilt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    assert Path(reading._roomy()).is_dir()
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())
    assert reading._roomy() == tempfile.gettempdir()


def test_a_frame_with_categories_is_as_good() -> None:
    frame = pl.DataFrame({"unit_id": [1, 2], "variant": ["a", "b"], "fulfilled": [1, 0]})
    found = session_moments(frame.with_columns(pl.col("variant").cast(pl.Categorical)), LOG)
    assert found.cells.equals(session_moments(frame, LOG).cells)
