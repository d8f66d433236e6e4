"""Stages of a long command: each runs once, tells its progress, and is skipped when it is done.

A stage is done when the ledger holds the fingerprint of its present inputs and configuration, and
its outputs are there. So an interrupted command, run again, goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from app.output import notes, progress_bar
from relevance.files import atomic, hash_file
from relevance.progress import Progress

LEDGER = "stages.json"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a long command.

    Attributes:
        name: Key in the ledger.
        title: What is shown while it runs.
        inputs: Files it reads, relative to the folder; their hashes are part of the fingerprint.
        outputs: Files it leaves, relative to the folder.
        config: What else decides its result; JSON-serialisable.
        run: Does the work and returns one line about it.
    """

    name: str
    title: str
    run: Callable[[Progress], str]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a stage went.

    Attributes:
        stage: Its name.
        summary: The line it returned.
        seconds: Time it took when it ran.
        resumed: Whether it was already done.
    """

    stage: str
    summary: str
    seconds: float
    resumed: bool


def run_stages(stages: list[Stage], folder: Path) -> list[Finished]:
    """Runs the stages that are not yet done, in order, with a progress display each.

    Args:
        stages: What to do.
        folder: Where inputs, outputs and the ledger live.
    """
    folder.mkdir(parents=True, exist_ok=True)
    width = max(len(stage.title) for stage in stages)
    finished = []
    for stage in stages:
        result = _run(stage, folder, width)
        took = "done before" if result.resumed else f"{result.seconds:.1f} s"
        notes.print(
            f"[green]✓[/] {stage.title:<{width}}  [dim]{took:>11}[/]  {result.summary}",
            highlight=False,
            soft_wrap=True,
        )
        finished.append(result)
    return finished


def is_done(stage: Stage, folder: Path) -> bool:
    """Whether the stage has run on the present inputs and configuration."""
    entry = _ledger(folder).get(stage.name)
    present = all((folder / name).exists() for name in stage.outputs)
    return entry is not None and present and entry["fingerprint"] == _fingerprint(stage, folder)


def _run(stage: Stage, folder: Path, width: int) -> Finished:
    if is_done(stage, folder):
        entry = _ledger(folder)[stage.name]
        return Finished(stage.name, entry["summary"], entry["seconds"], resumed=True)
    start = time.perf_counter()
    with progress_bar(f"  {stage.title:<{width}}") as progress:
        summary = stage.run(progress)
    seconds = round(time.perf_counter() - start, 1)
    ledger = _ledger(folder)
    ledger[stage.name] = {
        "fingerprint": _fingerprint(stage, folder),
        "summary": summary,
        "seconds": seconds,
    }
    with atomic(folder / LEDGER) as temporary:
        temporary.write_text(json.dumps(ledger, indent=1, ensure_ascii=False) + "\n")
    return Finished(stage.name, summary, seconds, resumed=False)


def _ledger(folder: Path) -> dict[str, Any]:
    path = folder / LEDGER
    loaded: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return loaded


def _fingerprint(stage: Stage, folder: Path) -> str:
    facts = {
        "version": metadata.version("gradewise"),
        "config": stage.config,
        "inputs": {
            name: hash_file(folder / name) if (folder / name).exists() else None
            for name in stage.inputs
        },
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
