"""A Ray cluster for the while of one job: one that is there, or one started on this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from relevance.errors import SettingsError, require_extra

LOCAL = "local"
_STORE_BYTES = 80 * 2**20  # Ray's least: only shard numbers travel through the object store
_QUIET = {
    # Nothing is sent anywhere: no usage report, no dashboard, no metrics.
    "RAY_USAGE_STATS_ENABLED": "0",
    # Else the driver is told of every actor that its arguments are in the object store.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a cluster has.

    Attributes:
        cpus: Processor cores.
        gpus: GPUs.
        memory: Bytes that Ray may hand out.
        nodes: Machines alive.
    """

    cpus: float
    gpus: float
    memory: float
    nodes: int


class Connection:
    """A cluster for the while of a `with` block.

    Entering it returns at once: Ray starts in a thread, and `cluster` waits for it. Where this
    process is connected already, that connection is used and kept.

    Args:
        address: `"auto"` for the cluster of this machine, `HOST:PORT` for another, None or
            `"local"` for one that is started here and stopped again.
        cpus: Cores of a cluster started here; None for all that this process may use.
    """

    def __init__(self, address: str | None = None, *, cpus: int | None = None) -> None:
        self._address = None if address == LOCAL else address
        self._cpus = cpus
        self._mine = False
        self._failure: Exception | None = None
        self._ready, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._start, name="ray", daemon=True)
        self._stdout = contextlib.redirect_stdout(sys.stderr)

    def __enter__(self) -> Self:
        """Begins to connect.

        Raises:
            MissingExtraError: Ray is not installed.
        """
        require_extra("ray", "ray")
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        with quiet():
            import ray

        self._mine = not ray.is_initialized()
        self._stdout.__enter__()  # Ray prints what happens to workers there; results belong there
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        self._ready.wait()
        self._stdout.__exit__(None, None, None)
        if self._mine:
            ray.shutdown()
        self._over.set()
        self._thread.join()

    def cluster(self) -> Cluster:
        """What there is, once it is there.

        Raises:
            SettingsError: No cluster answers at the address, or one of other versions.
        """
        import ray

        self._ready.wait()
        if isinstance(self._failure, (ConnectionError, RuntimeError, ValueError)):
            lines = str(self._failure).strip().splitlines() or [type(self._failure).__name__]
            raise SettingsError(
                f"no Ray cluster at {self._address or LOCAL} for this process ({lines[0]}). Start "
                "one with: ray start --head, give the HOST:PORT it prints, and install the same "
                "Ray and Python everywhere"
            ) from self._failure
        if self._failure is not None:
            raise self._failure
        has = ray.cluster_resources()  # type: ignore[no-untyped-call]
        nodes = sum(bool(node["Alive"]) for node in ray.nodes())  # type: ignore[no-untyped-call]
        return Cluster(has.get("CPU", 0.0), has.get("GPU", 0.0), has.get("memory", 0.0), nodes)

    def _start(self) -> None:
        import ray

        wanted: dict[str, Any] = {"address": self._address or LOCAL}
        if self._address is None:
            wanted |= {
                "num_cpus": self._cpus or cores(),
                "include_dashboard": False,
                "object_store_memory": _STORE_BYTES,
            }
        try:
            if self._mine:
                _knock(self._address)
                ray.init(log_to_driver=False, logging_level=logging.ERROR, **wanted)
        except Exception as error:  # noqa: BLE001 - raised again by `cluster`
            self._failure = error
        self._ready.set()
        self._over.wait()  # Linux ends Ray's processes with the thread that started them


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Ray's own deprecated calls do not warn within the block."""
    with warnings.catch_warnings():
        for module in (r"ray\.", "<string>"):
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=module)
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"ray\.")
        yield


def _knock(address: str | None) -> None:
    """Raises `ConnectionError` if nobody answers at HOST:PORT: Ray would end the whole process."""
    host, _, port = (address or "").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.rpartition("/")[2].strip("[]"), int(port)), 10).close()
    except OSError as error:
        raise ConnectionError(f"nobody answers: {error}") from error


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
