"""Labelling by a cluster: the labels of one machine, whatever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from relevance.errors import ModelError
from relevance.scaleout import RayConfig, label_files_on_ray
from relevance.scaleout.cluster import Connection
from relevance.teacher.labelling.config import MANIFEST, LabelConfig
from relevance.teacher.labelling.job import label_files

sys.path.insert(0, str(Path(__file__).parent))
from object_store import object_store

CONFIG = LabelConfig(shard_pairs=100, precision="fp32", threads=1)
SHARDS = 12
DRIVER = """
import sys
from relevance.scaleout import RayConfig, label_files_on_ray
from relevance.teacher.labelling.config import LabelConfig

address, *places = sys.argv[1:]
config = LabelConfig(shard_pairs=100, precision="fp32", threads=1)
label_files_on_ray(*places, config=config, ray=RayConfig(address=address, actors=1))
"""


def _shards(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.glob("shard-*.parquet"))}


@pytest.fixture(scope="module")
def expected(
    teacher: Path, tables: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """Shards that this machine makes by itself."""
    out = tmp_path_factory.mktemp("local") / "labels"
    label_files(*tables.values(), teacher, out, config=CONFIG)
    return _shards(out)


@pytest.mark.ray
def test_the_same_bytes_as_one_machine(
    connection: Connection,
    teacher: Path,
    tables: dict[str, Path],
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    told: list[tuple[int, int, str]] = []
    manifest = label_files_on_ray(
        *tables.values(),
        teacher,
        tmp_path / "labels",
        config=CONFIG,
        progress=lambda done, total, what="": told.append((done, total, what)),
    )
    assert len(expected) == manifest.shards == SHARDS
    assert _shards(tmp_path / "labels") == expected
    assert manifest.finished
    assert manifest.pairs == 1200
    assert any("2 workers" in what and done == total for done, total, what in told)


@pytest.mark.ray
def test_everything_on_an_object_store(
    connection: Connection,
    teacher: Path,
    tables: dict[str, Path],
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    with object_store() as (pattern, objects):
        for name, path in tables.items():
            objects[f"b/tables/{name}/part-0.parquet"] = path.read_bytes()
        for path in teacher.iterdir():
            objects[f"b/models/{teacher.name}/{path.name}"] = path.read_bytes()
        objects["b/labels/shard-00012.parquet"] = b"of an earlier job"
        places = (
            *(pattern.format(f"tables/{name}") for name in tables),
            pattern.format(f"models/{teacher.name}"),
            pattern.format("labels"),
        )
        label_files_on_ray(*places, config=CONFIG)
        del objects["b/labels/shard-00003.parquet"]  # it is missed, and made again by itself
        manifest = label_files_on_ray(*places, config=CONFIG)
        labels = {
            name.removeprefix("b/labels/"): data
            for name, data in objects.items()
            if name.startswith("b/labels/")
        }
    assert manifest.finished
    assert labels.pop(MANIFEST)
    assert labels.pop("provenance.json")
    assert labels == expected


@pytest.mark.ray
def test_a_killed_driver_is_continued(
    connection: Connection,
    nodes: Any,
    teacher: Path,
    tables: dict[str, Path],
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    out = tmp_path / "labels"
    places = [str(place) for place in (*tables.values(), teacher, out)]
    command = [sys.executable, "-c", DRIVER, nodes.address, *places]
    driver = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not _shards(out) and driver.poll() is None:
        time.sleep(0.02)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    done = {path.name: path.stat().st_mtime_ns for path in out.glob("shard-*.parquet")}
    assert 1 <= len(done) < SHARDS
    label_files_on_ray(*tables.values(), teacher, out, config=CONFIG, ray=RayConfig(actors=1))
    assert _shards(out) == expected
    kept = {name for name, at in done.items() if (out / name).stat().st_mtime_ns == at}
    assert kept == set(done)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    from relevance.scaleout.labelling import local_model

    with pytest.raises(ModelError, match="holds no model that this machine can see"):
        local_model(f"file://{tmp_path}/gone")
