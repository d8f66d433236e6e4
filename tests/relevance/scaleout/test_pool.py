"""Shards over Ray actors, with makers that need no model."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relevance.errors import GradewiseError, ModelError
from relevance.scaleout.cluster import Connection
from relevance.scaleout.pool import Opener, RayConfig, Shard, run_shards

pytestmark = pytest.mark.ray
CONFIG = RayConfig(cpus_per_actor=1)


def _shards(count: int) -> list[Shard]:
    return [Shard(at, f"shard-{at}", f"rows {at}", pairs=10) for at in range(count)]


def _opener(out: Path, before: Callable[[int], None]) -> Opener:
    """Makes shard-N, holding N, after `before(N)`; classes in here travel to workers by value."""

    class Maker:
        def found(self, shard: Shard) -> dict[str, Any] | None:
            return {"rows": 1} if (out / shard.name).exists() else None

        def make(self, shard: Shard) -> dict[str, Any]:
            (out / f"begun-{shard.number}-{os.getpid()}").touch()
            before(shard.number)
            landing = out / f"landing-{shard.number}"
            landing.write_text(str(shard.number))
            landing.rename(out / shard.name)
            return {"rows": 1}

    return Maker


def _own_node() -> str:
    """The node that this process is connected through."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _whole(out: Path, count: int) -> bool:
    return {f"shard-{at}": str(at) for at in range(count)} == {
        path.name: path.read_text() for path in out.glob("shard-*")
    }


def test_every_shard_once_by_two_workers_on_two_nodes(
    connection: Connection, tmp_path: Path
) -> None:
    """One of them meets a file that cannot be read for a moment."""
    told: list[tuple[int, int, str]] = []

    def before(number: int) -> None:
        if number == 11 and not (tmp_path / "failed").exists():
            (tmp_path / "failed").touch()
            raise OSError("the network blinked")
        time.sleep(0.1)

    cluster = connection.cluster()
    assert (cluster.cpus, cluster.gpus) == (2, 0)
    made = dict(
        run_shards(
            _shards(12),
            _opener(tmp_path, before),
            cluster,
            CONFIG,
            lambda done, total, what="": told.append((done, total, what)),
        )
    )
    assert _whole(tmp_path, 12)
    assert sorted(made) == list(range(12))
    assert {figures["tries"] for figures in made.values()} == {1}
    assert made[11]["seconds"] > 1  # it waited and tried again
    assert len({figures["node"] for figures in made.values()}) == 2
    assert [done for done, *_ in told] == list(range(10, 121, 10))
    assert told[-1][1:] == (120, "2 workers")
    again = dict(
        run_shards(_shards(13), _opener(tmp_path, lambda _: None), cluster, CONFIG)
    )  # what is there is not made again
    assert [number for number, figures in again.items() if figures["seconds"]] == [12]
    assert sum(path.name.startswith("begun-") for path in tmp_path.iterdir()) == 13


def test_two_workers_take_half_the_time_of_one(connection: Connection, tmp_path: Path) -> None:
    def span(actors: int) -> float:
        out = tmp_path / str(actors)
        out.mkdir()
        opener = _opener(out, lambda _: time.sleep(0.3))
        config = RayConfig(actors=actors)
        # From the first shard on: how long workers take to start is not the question.
        at = [
            time.monotonic() for _ in run_shards(_shards(13), opener, connection.cluster(), config)
        ]
        return at[-1] - at[0]

    assert span(2) < 0.7 * span(1)


def test_a_killed_worker_loses_and_doubles_nothing(connection: Connection, tmp_path: Path) -> None:
    def before(number: int) -> None:
        victim = tmp_path / "victim"
        if number == 3 and not victim.exists():
            victim.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)

    made = dict(run_shards(_shards(10), _opener(tmp_path, before), connection.cluster(), CONFIG))
    assert _whole(tmp_path, 10)
    assert sorted(made) == list(range(10))
    assert made[3]["tries"] == 2


def test_a_shard_that_kills_every_worker_stops_the_job(
    connection: Connection, tmp_path: Path
) -> None:
    def before(number: int) -> None:
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    job = run_shards(
        _shards(3), _opener(tmp_path, before), connection.cluster(), RayConfig(tries=2)
    )
    with pytest.raises(GradewiseError, match=r"shard 1 \(rows 1\) ended 2 workers.*more memory"):
        list(job)


def test_a_users_error_is_raised_as_it_is(connection: Connection, tmp_path: Path) -> None:
    def before(number: int) -> None:
        if number == 2:
            raise ModelError("rows of shard 2 are broken. Mend them")

    with pytest.raises(ModelError, match=r"^rows of shard 2 are broken\. Mend them$"):
        list(run_shards(_shards(4), _opener(tmp_path, before), connection.cluster(), CONFIG))


def test_a_killed_node_loses_and_doubles_nothing(
    nodes: Any, connection: Connection, tmp_path: Path
) -> None:
    job = run_shards(
        _shards(10), _opener(tmp_path, lambda _: time.sleep(0.3)), connection.cluster(), CONFIG
    )
    made = dict([next(job), next(job)])
    victim = next(node for node in nodes.worker_nodes if node.node_id != _own_node())
    gone = threading.Thread(
        target=nodes.remove_node, args=(victim,), kwargs={"allow_graceful": False}
    )
    gone.start()
    made.update(job)
    gone.join()
    assert _whole(tmp_path, 10)
    assert sorted(made) == list(range(10))
    assert max(figures["tries"] for figures in made.values()) <= 2
    assert len(nodes.worker_nodes) == 1
    nodes.add_node(num_cpus=1, object_store_memory=80 * 2**20)
