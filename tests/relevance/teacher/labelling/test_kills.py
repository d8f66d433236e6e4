"""Real processes, killed for real; and how much memory they take."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from relevance.teacher.labelling import read_labels, read_manifest, verify_labels
from relevance.teacher.predict import PROBABILITIES

pytestmark = pytest.mark.slow
CHILD = Path(__file__).with_name("child.py")


def _start(
    folder: Path, out: Path, seconds: float = 0.0, shard_pairs: int = 100
) -> subprocess.Popen[str]:
    """The job in its own process, from the moment it begins."""
    arguments = [sys.executable, str(CHILD), str(folder), str(out), str(seconds), str(shard_pairs)]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    return child


def _kill_when(child: subprocess.Popen[str], reached: Callable[[], bool]) -> bool:
    """Kills the process once `reached`; whether it was still alive then."""
    while child.poll() is None and not reached():
        time.sleep(0.001)
    alive = child.poll() is None
    child.kill()
    child.communicate()
    return alive


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def test_killed_at_random_moments_every_pair_gets_one_row(
    tables, stub, write, foretell, tmp_path: Path
) -> None:
    write(tables)
    stub.write_model(tmp_path / "teacher")
    out, chance = tmp_path / "labels", random.Random(0)
    moments = {
        "plan": (out / ".plan").exists,
        "spool": lambda: any(out.glob(".plan/work/**/*.arrows")),
        "shard": lambda: any(out.glob("shard-*.parquet")),
        "writing": lambda: any(out.glob(".shard-*.parquet")),
        "half": lambda: len(list(out.glob("shard-*.parquet"))) >= 6,
    }
    kills = 0
    for reached in moments.values():
        kills += _kill_when(_start(tmp_path, out, seconds=0.001), reached)
    for _ in range(4):
        kills += _kill_when(_start(tmp_path, out, seconds=0.001), _after(chance.uniform(0, 1.5)))
    assert kills >= 5
    last = _start(tmp_path, out)
    last.communicate(timeout=60)
    assert last.returncode == 0
    labels, expected = read_labels(out), foretell(tables)
    assert labels.drop(PROBABILITIES).equals(expected.drop(PROBABILITIES))
    moved = labels.select(PROBABILITIES) - expected.select(PROBABILITIES)
    assert max(map(abs, moved.max().row(0) + moved.min().row(0))) < 1e-12
    assert not verify_labels(out).problems
    left = {path.name for path in out.iterdir() if path.name.startswith(".")}
    assert left <= {".lock"}


def test_memory_does_not_grow_with_the_pairs(make_world, stub, write, tmp_path: Path) -> None:
    """Twenty times the pairs over the same queries and Pins: the peak stays within 110 MB.

    Their texts alone would take more; what allocators keep back differs by some 70 MB.
    """
    peaks = {}
    for name, per_query in (("few", 40), ("many", 800)):
        folder = tmp_path / name
        write(make_world(500, 4000, per_query), folder)
        stub.write_model(folder / "teacher")
        child = _start(folder, folder / "labels", shard_pairs=0)
        output, _ = child.communicate(timeout=120)
        assert child.returncode == 0
        before, peaks[name] = map(int, output.split())
        assert peaks[name] - before < 300
        assert read_manifest(folder / "labels").pairs == 500 * per_query
        assert pl.scan_parquet(folder / "labels" / "*.parquet").select(pl.len()).collect().item()
    assert peaks["many"] - peaks["few"] < 110
