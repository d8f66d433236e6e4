"""How many workers a cluster has room for, and a cluster that is not there."""

from __future__ import annotations

import pytest

from relevance.errors import SettingsError
from relevance.scaleout.cluster import Cluster, Connection
from relevance.scaleout.pool import RayConfig, pool_size


@pytest.mark.parametrize(
    ("config", "has", "expected"),
    [
        (RayConfig(), Cluster(8, 0, 64e9, 1), (8, 0.0)),
        (RayConfig(actors=3), Cluster(8, 0, 64e9, 1), (3, 0.0)),
        (RayConfig(actors=30), Cluster(8, 0, 64e9, 1), (8, 0.0)),
        (RayConfig(cpus_per_actor=4), Cluster(8, 0, 64e9, 1), (2, 0.0)),
        (RayConfig(), Cluster(32, 4, 64e9, 1), (4, 1.0)),
        (RayConfig(gpus_per_actor=0.5), Cluster(32, 4, 64e9, 1), (8, 0.5)),
        (RayConfig(gpus_per_actor=0), Cluster(32, 4, 64e9, 1), (20, 0.0)),
        (RayConfig(memory_per_actor=30_000_000_000), Cluster(8, 0, 64e9, 1), (2, 0.0)),
    ],
)
def test_as_many_workers_as_fit(
    config: RayConfig, has: Cluster, expected: tuple[int, float]
) -> None:
    assert pool_size(has, config, shards=20) == expected


@pytest.mark.parametrize(
    ("config", "what"),
    [
        (RayConfig(gpus_per_actor=1), "1 GPUs, the whole cluster has 0"),
        (RayConfig(cpus_per_actor=16), "16 cores, the whole cluster has 8"),
    ],
)
def test_no_room_for_a_worker(config: RayConfig, what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        pool_size(Cluster(8, 0, 64e9, 1), config, shards=20)


def test_no_cluster_there(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with (
        Connection("127.0.0.1:9") as connection,
        pytest.raises(SettingsError, match=r"no Ray cluster at 127\.0\.0\.1:9.*ray start --head"),
    ):
        connection.cluster()
