"""A labelling job whose shards are scored by the workers of a Ray cluster.

The plan, the choice of engine, the audit and the manifest are those of a job on one machine
(`relevance.teacher.labelling`); only the shards travel. So a job may be begun here and continued on
a cluster, and the labels are the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relevance.errors import InputError, ModelError
from relevance.progress import Progress, silent
from relevance.scaleout.cluster import Connection
from relevance.scaleout.pool import RayConfig, Shard, pool_size, run_shards
from relevance.scaleout.storage import Storage, is_uri, open_storage, shown
from relevance.teacher.labelling.config import MANIFEST, LabelConfig

if TYPE_CHECKING:
    from relevance.teacher.labelling.job import Run, Work
    from relevance.teacher.labelling.manifest import Manifest
    from relevance.teacher.labelling.shards import Scorer, ShardFacts

_AS_USUAL = LabelConfig()
_ALL_OF_IT = RayConfig()
_SPARE_BYTES = 1 << 30  # of a worker beside its model: libraries, a shard, batches
_INPUTS = "_plan"  # folder of the shards' inputs beside labels on another file system


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a worker gets ready to label; it travels to the workers.

    Attributes:
        model: Folder of the teacher, a path or URI that every machine can read.
        sources: Path or URI of the shards' inputs.
        out: Path or URI of the labels.
        engine: Name of the engine.
        precision: What it multiplies in.
        threads: Of a worker.
        batch_tokens: Tokens of a batch; None for what suits the engine.
        name: What `model` says in the labels.
        job: Identity of the job, written into the shards.
        gpu: Whether the worker has a GPU.
    """

    model: str
    sources: str
    out: str
    engine: str
    precision: str
    threads: int
    batch_tokens: int | None
    name: str
    job: str
    gpu: bool

    def __call__(self) -> Labeller:
        """The worker's side, with the teacher loaded."""
        return Labeller(self)


class Labeller:
    """Labels shards in a worker; see `relevance.scaleout.pool.ShardMaker`.

    Args:
        recipe: How.

    Raises:
        ModelError: The model is not to be had on this machine.
    """

    def __init__(self, recipe: Recipe) -> None:
        from relevance.teacher.engines import open_engine
        from relevance.teacher.labelling.shards import Scorer
        from relevance.teacher.model import load_teacher

        self._job = recipe.job
        self._sources = open_storage(recipe.sources)
        self._out = open_storage(recipe.out)
        held = recipe.precision if recipe.gpu else "fp32"
        teacher = load_teacher(
            local_model(recipe.model), device="cuda" if recipe.gpu else "cpu", precision=held
        )
        engine = open_engine(
            recipe.engine, teacher, precision=recipe.precision, threads=recipe.threads
        )
        self._scorer = Scorer(teacher, engine, recipe.name, recipe.batch_tokens, recipe.job)

    def found(self, shard: Shard) -> Mapping[str, Any] | None:
        """Facts of the labelled shard if it is whole and of this job."""
        from relevance.teacher.labelling.shards import finished

        if not self._out.has(shard.name):
            return None
        with self._reading(shard) as source, self._out.reading(shard.name) as target:
            facts = finished(source, target, self._job)
        return None if facts is None else dataclasses.asdict(facts)

    def make(self, shard: Shard) -> Mapping[str, Any]:
        """Labels the shard."""
        from relevance.teacher.labelling.shards import score_shard

        with self._reading(shard) as source, self._out.writing(shard.name) as target:
            facts = score_shard(source, target, self._scorer)
        return dataclasses.asdict(facts)

    def _reading(self, shard: Shard) -> contextlib.AbstractContextManager[Path]:
        if not self._sources.has(shard.name):
            raise InputError(
                f"{shard.source} is not to be seen on a worker's machine. Give an --out that all "
                "machines share: a network folder, or an object store such as s3://bucket/labels"
            )
        return self._sources.reading(shard.name)


def label_files_on_ray(
    pairs: Path | str,
    queries: Path | str,
    pins: Path | str,
    model: Path | str,
    out: Path | str,
    *,
    config: LabelConfig = _AS_USUAL,
    ray: RayConfig = _ALL_OF_IT,
    replace_stale: bool = False,
    progress: Progress = silent,
) -> Manifest:
    """The same labels as `relevance.teacher.labelling.job.label_files`, made by a cluster.

    Each place is a path or a URI (`s3://…`, see `relevance.scaleout.storage`). Paths must be the
    same shared folder on every machine of the cluster; of URIs the driver keeps copies while the
    job lasts, in a folder of the system's temporary directory.

    Args:
        pairs: query_id and pin_id; a file or a folder of files.
        queries: Their queries, likewise.
        pins: Their Pins, likewise.
        model: Folder of a trained teacher.
        out: Folder for the labels; an interrupted job in it is continued.
        config: How pairs are labelled; each worker uses `ray.cpus_per_actor` threads.
        ray: The cluster and its workers.
        replace_stale: Where `out` holds labels of another job, replace them instead of raising an
            error.
        progress: Told of pairs planned, then of distinct pairs scored.

    Returns:
        The manifest of the finished job; its rate is that of all workers together, their start
        included.

    Raises:
        InputError: See `label_files`; or a place that not every machine can see.
        ModelError: See `label_files`.
        SettingsError: No cluster at the address, or no room in it for one worker.
        MissingExtraError: Ray is not installed.
    """
    from relevance.teacher.labelling.job import label_files

    with contextlib.ExitStack() as stack:
        # Ray takes seconds to start, and so does planning: they do not wait for each other.
        connection = stack.enter_context(Connection(ray.address))
        room = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gradewise-")))
        tables = (
            _table_here(pairs, room / "pairs"),
            _table_here(queries, room / "queries"),
            _table_here(pins, room / "pins"),
        )
        labels = _Labels(open_storage(out), room / "labels") if is_uri(out) else None
        here = Path(out) if labels is None else labels.bring()
        teacher = local_model(str(model)) if is_uri(model) else Path(model)
        run = _runner(connection, _for_model(ray, config, teacher), str(model), labels)
        manifest = label_files(
            *tables, teacher, here, config=_drivers(config, model), run=run,
            replace_stale=replace_stale, progress=progress,
        )  # fmt: skip
        if labels is not None:
            labels.finish()
        return manifest


def _drivers(config: LabelConfig, model: Path | str) -> LabelConfig:
    """What this process does itself: it may lack the GPUs that the workers have.

    A fetched model keeps its own name, not that of the folder it was fetched to.
    """
    own = open_storage(model).root.rpartition("/")[2]
    device = "auto" if config.device == "cuda" else config.device
    return dataclasses.replace(config, name=config.name or own, device=device)


def _for_model(ray: RayConfig, config: LabelConfig, model: Path) -> RayConfig:
    """`ray` with what it leaves open: GPUs as the device asks, memory as the model needs."""
    from relevance.teacher.bases import find_base
    from relevance.teacher.model import read_settings

    gpus, memory = ray.gpus_per_actor, ray.memory_per_actor
    if gpus is None and config.device != "auto":
        gpus = float(config.device == "cuda")
    if memory is None:
        weights = find_base(read_settings(model).base).parameters
        memory = _SPARE_BYTES + 2 * 4 * weights  # float32, and what an engine packs of it
    return dataclasses.replace(ray, gpus_per_actor=gpus, memory_per_actor=memory)


def _table_here(place: Path | str, room: Path) -> Path:
    """A table's file or folder on this machine; what is elsewhere is copied to `room`."""
    if not is_uri(place):
        return Path(place)
    storage = open_storage(place)
    if storage.local is not None:
        return storage.local
    names = storage.sizes()
    if not names:  # a file, or nothing
        folder, _, name = storage.root.rpartition("/")
        return dataclasses.replace(storage, root=folder).fetch(name, room / name)
    for name in names:
        storage.fetch(name, room / name)
    return room


def local_model(place: str) -> Path:
    """A model folder on this machine; one that is elsewhere is fetched once a machine.

    Raises:
        ModelError: It is not there.
    """
    storage = open_storage(place)
    names = storage.sizes()
    if not names:
        raise ModelError(
            f"{shown(place)} holds no model that this machine can see. Put it on a folder that all "
            "machines share, or on an object store"
        )
    if storage.local is not None:
        return storage.local
    state = hashlib.sha256(f"{storage.uri} {sorted(names.items())}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"gradewise-model-{state}"
    if folder.is_dir():
        return folder
    landing = Path(tempfile.mkdtemp(prefix="gradewise-model-"))
    for name in names:
        storage.fetch(name, landing / name)
    try:
        landing.rename(folder)
    except OSError:  # another worker of this machine was quicker
        shutil.rmtree(landing)
    return folder


class _Labels:
    """Labels on another file system, with a copy of them here for planning and audit."""

    def __init__(self, storage: Storage, here: Path) -> None:
        self.storage = storage
        self.inputs = storage.child(_INPUTS)
        self.here = here

    def bring(self) -> Path:
        """Fetches what an interrupted job left; returns the folder here."""
        self.here.mkdir(parents=True)
        for name in self.storage.sizes():
            self.storage.fetch(name, self.here / name)
        return self.here

    def send_inputs(self, work: Work) -> None:
        """Puts the inputs of the shards to do where workers can read them."""
        there = self.inputs.sizes()
        for number in work.todo:
            source = work.plan.source(number)
            if there.get(source.name) != source.stat().st_size:
                self.inputs.publish(source, source.name)
        self.storage.publish(self.here / MANIFEST, MANIFEST)

    def finish(self) -> None:
        """Puts manifest and provenance beside the labels and removes the shards' inputs."""
        for path in sorted(self.here.glob("*.json")):
            self.storage.publish(path, path.name)
        self.inputs.drop()
        for name in self.storage.sizes(".parquet"):
            if not (self.here / name).exists():  # of the job that was replaced
                self.storage.remove(name)


def _runner(connection: Connection, config: RayConfig, model: str, labels: _Labels | None) -> Run:
    """Scores shards on the cluster, as `relevance.teacher.labelling.job.Run` asks."""

    def run(work: Work, scorer: Scorer, progress: Progress) -> Iterator[ShardFacts]:  # noqa: ARG001
        from relevance.teacher.labelling.shards import ShardFacts

        if labels is not None:
            labels.send_inputs(work)
        shards = [_shard(work, number) for number in work.todo]
        cluster = connection.cluster()
        _, gpus = pool_size(cluster, config, len(shards))
        recipe = _recipe(work, model, config, labels, gpu=gpus > 0)
        before = time.monotonic()
        for number, figures in run_shards(shards, recipe, cluster, config, progress):
            if labels is not None:
                name = work.plan.source(number).name
                labels.storage.fetch(name, work.out / name)
            now = time.monotonic()  # workers overlap: what counts is the time between two results
            facts = {field: figures[field] for field in ("pairs", "distinct", "tokens")}
            yield ShardFacts(**facts, seconds=now - before)
            before = now

    return run


def _shard(work: Work, number: int) -> Shard:
    source = work.plan.source(number)
    planned = work.plan.shards[number]
    return Shard(number, source.name, str(source), planned.distinct, source.stat().st_size)


def _recipe(
    work: Work, model: str, config: RayConfig, labels: _Labels | None, *, gpu: bool
) -> Recipe:
    return Recipe(
        model=model if is_uri(model) else str(Path(model).absolute()),
        sources=str(work.plan.folder.absolute()) if labels is None else labels.inputs.uri,
        out=str(work.out.absolute()) if labels is None else labels.storage.uri,
        engine=work.engine,
        precision=work.precision,
        threads=config.cpus_per_actor,
        batch_tokens=work.config.batch_tokens,
        name=work.name,
        job=work.job,
        gpu=gpu,
    )
