"""Scoring on this machine.

While the engine multiplies, the next texts are read and tokenised and the last labels written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from relevance.progress import Progress
from relevance.teacher.labelling.planning import Plan
from relevance.teacher.labelling.shards import (
    Scored,
    Scorer,
    ShardFacts,
    after,
    windows,
    write_shard,
)

_Item = TypeVar("_Item")


def score_here(
    plan: Plan, todo: Sequence[int], out: Path, scorer: Scorer, progress: Progress
) -> Iterator[ShardFacts]:
    """Scores the shards `todo` one after the other.

    Args:
        plan: What they hold.
        todo: Numbers of shards.
        out: Where the labels go.
        scorer: The loaded teacher.
        progress: Told of distinct pairs done, of those of `todo`.

    Yields:
        What each shard holds, once it is written.
    """
    total = sum(plan.shards[number].distinct for number in todo)
    sources = [plan.source(number) for number in todo]
    done, scored = 0, Scored()
    waiting: Future[ShardFacts] | None = None
    with ThreadPoolExecutor(1, "write") as writer:
        for window in ahead(windows(sources, scorer.teacher)):
            scored.add(window, scorer, after(progress, done, total))
            done += len(window.encoded)
            if not window.last:
                continue
            if waiting:
                yield waiting.result()
            waiting = writer.submit(
                write_shard, window.shard, out / window.shard.name, scorer, scored
            )
            scored = Scored()
        if waiting:
            yield waiting.result()


def ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """`items` in their order, the next one made in a thread while the last is worked on.

    What the thread raises is raised here; a reader that stops early waits for the one being made.
    """
    with ThreadPoolExecutor(1, "read") as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
