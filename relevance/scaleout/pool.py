"""Shards over a pool of Ray actors: every shard at least once, its file written whole.

Only shard numbers and a few figures pass through Ray; the rows go from file to file. Ray restarts a
worker that died and gives its shard to another; a shard is done when its file is there, and a file
appears only whole. So nothing is lost and nothing is there twice, whatever is killed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Protocol

from relevance.errors import GradewiseError, InputError, ModelError, SettingsError
from relevance.progress import Progress, silent
from relevance.scaleout.cluster import Cluster, quiet


class ShardMaker(Protocol):
    """What a worker does with shards; both methods tell figures about one, ready for JSON."""

    def found(self, shard: Shard) -> Mapping[str, Any] | None:
        """Figures of a shard whose file is there, whole and of this job; else None."""

    def make(self, shard: Shard) -> Mapping[str, Any]:
        """Makes the shard's file, which appears whole or not at all."""


Opener = Callable[[], ShardMaker]
"""Loads what a worker needs once, such as the teacher; it is pickled."""

TRIES = 5
"""Workers that may die over one shard before the job stops."""
_MOST_BLOCKS = 20_000  # Ray keeps some kilobytes about each
_PAUSES = (1.0, 5.0)  # seconds before a shard is read or written again
_KINDS = {kind.__name__: kind for kind in (InputError, ModelError, SettingsError, GradewiseError)}


@dataclass(frozen=True, slots=True)
class Shard:
    """One piece of the job.

    Attributes:
        number: From 0.
        name: Name of its file among the results.
        source: Path or URI of its rows, for errors.
        pairs: How many they are, 0 if nobody has counted.
        size: Bytes or another measure of work; the largest shards start first.
    """

    number: int
    name: str
    source: str
    pairs: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RayConfig:
    """How a job is spread over a cluster.

    Attributes:
        address: See `cluster.connected`.
        actors: Workers; None for as many as the cluster has room for.
        gpus_per_actor: GPUs of a worker, fractions allowed; None for one where the cluster has
            any, else none.
        cpus_per_actor: Cores, and threads, of a worker.
        memory_per_actor: Bytes that Ray sets aside for a worker; 0 for no such limit, None for
            what the work suggests.
        tries: Workers that may die over one shard before the job stops.
    """

    address: str | None = None
    actors: int | None = None
    gpus_per_actor: float | None = None
    cpus_per_actor: int = 1
    memory_per_actor: int | None = None
    tries: int = TRIES


def run_shards(
    shards: Sequence[Shard],
    opener: Opener,
    cluster: Cluster,
    config: RayConfig,
    progress: Progress = silent,
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Makes every shard's file that is not there yet.

    Args:
        shards: The job; numbers are distinct.
        opener: Called once in each worker.
        cluster: Where; this process is connected to it.
        config: How.
        progress: Told of pairs (or shards, where pairs are not counted) done.

    Yields:
        Number of a shard and its figures, as it gets done: those of its maker, `seconds` (0 where
        it was found), `tries`, `worker` (a process) and `node`.

    Raises:
        SettingsError: The cluster has no room for one worker.
        GradewiseError: What a worker raised, or a shard that ended `config.tries` workers.
    """
    ordered = sorted(shards, key=lambda shard: (-shard.size, shard.number))
    weights = {shard.number: shard.pairs or 1 for shard in shards}
    actors, gpus = pool_size(cluster, config, len(shards))
    done = 0
    for number, figures in _results(ordered, opener, actors, gpus, config):
        if "error" in figures:
            raise _KINDS[figures["kind"]](figures["error"])
        done += weights[number]
        progress(done, sum(weights.values()), f"{actors} worker{'s' * (actors > 1)}")
        yield number, figures


def pool_size(cluster: Cluster, config: RayConfig, shards: int) -> tuple[int, float]:
    """Workers that fit, at most one a shard, and the GPUs of each.

    Raises:
        SettingsError: Not a single one fits.
    """
    gpus = config.gpus_per_actor
    if gpus is None:
        gpus = 1.0 if cluster.gpus >= 1 else 0.0
    wants = {
        "cores": (cluster.cpus, float(config.cpus_per_actor)),
        "GPUs": (cluster.gpus, gpus),
        "bytes of memory": (cluster.memory, float(config.memory_per_actor or 0)),
    }
    for what, (has, wanted) in wants.items():
        if wanted > has:
            raise SettingsError(
                f"a worker wants {wanted:g} {what}, the whole cluster has {has:g}. Ask for less "
                "per worker (--cpus-per-actor, --gpus-per-actor) or add a node"
            )
    fits = min(int(has / wanted + 1e-9) for has, wanted in wants.values() if wanted > 0)
    return max(1, min(config.actors or fits, fits, shards)), gpus


class _Ledger:
    """Counts how often each shard was begun."""

    def __init__(self) -> None:
        self._begun: dict[int, int] = {}

    def begin(self, number: int) -> int:
        self._begun[number] = self._begun.get(number, 0) + 1
        return self._begun[number]


class _Worker:
    """One actor: opens what makes shards once, then makes one after the other.

    An error of the user's (a damaged model, a row without a Pin) is told as a result: Ray would
    take an actor that cannot start for an accident, and hand the error on as text.
    """

    def __init__(self, opener: Opener, ledger: Any, tries: int, version: str) -> None:
        self._ledger = ledger
        self._tries = tries
        self._failure: GradewiseError | None = None
        try:
            _same_version(version)
            self._maker = opener()
        except GradewiseError as error:
            self._failure = error

    def __call__(self, batch: Any) -> dict[str, Any]:
        shard = Shard(**batch.to_pylist()[0])
        try:
            figures = self._figures(shard)
        except GradewiseError as error:
            kind = next(base.__name__ for base in type(error).mro() if base.__name__ in _KINDS)
            figures = {"error": str(error), "kind": kind}
        return {"number": [shard.number], "figures": [json.dumps(figures)]}

    def _figures(self, shard: Shard) -> dict[str, Any]:
        import ray

        if self._failure is not None:
            raise self._failure
        about = {"worker": os.getpid(), "node": ray.get_runtime_context().get_node_id()}
        found = self._maker.found(shard)
        if found is not None:
            return {**found, **about, "seconds": 0.0, "tries": 0}
        begun = ray.get(self._ledger.begin.remote(shard.number))
        if begun > self._tries:
            raise GradewiseError(
                f"shard {shard.number} ({shard.source}) ended {self._tries} workers, for lack of "
                "memory or on broken rows. Look at these rows, or give a worker more memory"
            )
        started = time.monotonic()
        made = self._patiently(shard)
        return {**made, **about, "seconds": time.monotonic() - started, "tries": begun}

    def _patiently(self, shard: Shard) -> Mapping[str, Any]:
        """The figures of the shard; files that fail to be read or written are tried again."""
        for pause in _PAUSES:
            try:
                return self._maker.make(shard)
            except OSError:
                time.sleep(pause)
        return self._maker.make(shard)


def _same_version(driver: str) -> None:
    here = metadata.version("gradewise")
    if here != driver:
        raise SettingsError(
            f"a worker runs gradewise {here}, the driver {driver}. Install the same version on "
            "every machine of the cluster"
        )


def _results(
    shards: Sequence[Shard], opener: Opener, actors: int, gpus: float, config: RayConfig
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and figures of each shard as it gets done."""
    if not shards:
        return
    with _context():
        with quiet():
            rows = iter(_pipeline(shards, opener, actors, gpus, config).iter_rows())
        while True:
            with quiet():  # not around the `yield`: others may warn
                row = next(rows, None)
            if row is None:
                return
            yield row["number"], json.loads(row["figures"])


def _pipeline(
    shards: Sequence[Shard], opener: Opener, actors: int, gpus: float, config: RayConfig
) -> Any:
    """A Ray Data set with a row of figures a shard, made while it is read."""
    import ray
    import ray.data

    # A ledger that dies with its node begins anew: it may count too few tries, never too many.
    ledger = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Ledger).remote()
    items = [dataclasses.asdict(shard) for shard in shards]
    rows = ray.data.from_items(items, override_num_blocks=min(len(items), _MOST_BLOCKS))
    return rows.map_batches(
        _Worker,
        batch_size=1,
        batch_format="pyarrow",
        # One shard under way and one waiting: no pause between two, and a short tail.
        compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=2),
        fn_constructor_args=(opener, ledger, config.tries, metadata.version("gradewise")),
        num_cpus=config.cpus_per_actor,
        num_gpus=gpus or None,
        memory=config.memory_per_actor or None,
    )


@contextlib.contextmanager
def _context() -> Iterator[None]:
    """Ray Data's settings for jobs of minutes a piece, without its own progress and notes."""
    with quiet():
        from ray.data import DataContext

        context = DataContext.get_current()
    wanted = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "max_consecutive_actor_init_deaths": TRIES,  # machines that vanish while they start
        "execution_no_progress_timeout_s": -1,  # a large shard on a slow machine is no failure
    }
    before = {name: getattr(context, name) for name in wanted}
    logger = logging.getLogger("ray.data")
    level = logger.level
    try:
        for name, value in wanted.items():
            setattr(context, name, value)
        logger.setLevel(logging.CRITICAL)
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            setattr(context, name, value)
