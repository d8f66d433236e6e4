"""What labelling many pairs takes: workers, hours, bytes and money, from rates one can check.

A rate is either measured on the machine in question or reckoned from floating-point operations; a
`Worker` says which. `docs/scale.md` is computed with this module, and a test computes it again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from relevance.teacher.bases import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The work of a day.

    Attributes:
        pairs: Pairs to score, those with equal texts counted once.
        hours: In which it must be done, more than 0.
        shard_pairs: Pairs a shard.
        bytes_in: Bytes of a pair with its texts in a shard's input.
        bytes_out: Bytes of a pair among the labels.
        start_seconds: From a new machine to a loaded model.
        losses_per_hour: Workers taken away an hour, each (spot instances); its shard is made anew.
    """

    pairs: float
    hours: float
    shard_pairs: int
    bytes_in: float
    bytes_out: float
    start_seconds: float
    losses_per_hour: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker: a core, or a GPU with the cores that feed it.

    Attributes:
        name: As the table calls it.
        pairs_per_second: Its rate while it works.
        dollars_per_hour: Its price.
        model_bytes: Bytes of the model folder, which it reads when it starts.
        measured: Whether the rate was measured; else it is arithmetic.
    """

    name: str
    pairs_per_second: float
    dollars_per_hour: float
    model_bytes: float
    measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a job takes on one kind of worker.

    Attributes:
        workers: So many, for all of `Job.hours`.
        shards: Pieces of work.
        shard_seconds: Time of one.
        lost: Share of the time in which nothing is finished: starts, the end's idling, shards that
            died with their worker; 0 to 1.
        read_bytes: By all workers, the model included.
        written_bytes: Labels.
        bits_per_second: Network in and out of all workers, on average.
        dollars: Price of the workers' hours.
        dollars_per_million: The same for a million pairs.
    """

    workers: int
    shards: int
    shard_seconds: float
    lost: float
    read_bytes: float
    written_bytes: float
    bits_per_second: float
    dollars: float
    dollars_per_million: float


def flop_per_pair(shape: Shape, tokens: float, *, spread: float = 1.0) -> float:
    """Floating-point operations to score one pair: 2 a weight and token, and attention's own.

    2·W·T + 4·L·d·T², with W the weights of the layers' matrices (word embeddings are looked up, not
    multiplied), T tokens, L layers and d the width; the head is left out.

    Args:
        shape: Sizes of the model.
        tokens: Mean tokens of a pair, query and special tokens included.
        spread: Mean of the squared tokens over the square of their mean, at least 1.

    Example:
        >>> from relevance.teacher.bases import find_base
        >>> round(flop_per_pair(find_base("all-MiniLM-L6-v2").shape, 53.1, spread=1.35) / 1e9, 2)
        1.16
    """
    keys = shape.width * (shape.key_heads or shape.heads) // shape.heads
    attention = 2 * shape.width * shape.width + 2 * shape.width * keys
    feed = (3 if shape.gated else 2) * shape.width * shape.feed
    weights = shape.layers * (attention + feed)
    return 2 * weights * tokens + 4 * shape.layers * shape.width * spread * tokens**2


def reckoned_rate(flop: float, *, peak: float, share: float) -> float:
    """Pairs a second of a chip that reaches `share` (0 to 1) of its `peak` operations a second."""
    return share * peak / flop


def bill(job: Job, worker: Worker) -> Bill:
    """What `job` takes on workers of this kind.

    Lost are, of every worker's time, its start and half a shard of idling at the end, and for each
    worker taken away a new start and half a shard.
    """
    shard_seconds = job.shard_pairs / worker.pairs_per_second
    once = job.start_seconds + shard_seconds / 2
    lost = min(once * (1 / (job.hours * 3600) + job.losses_per_hour / 3600), 1.0)
    if lost >= 1:
        raise ValueError(f"{worker.name}: nothing gets done, a shard takes {shard_seconds:.0f} s")
    useful = worker.pairs_per_second * job.hours * 3600 * (1 - lost)
    workers = math.ceil(job.pairs / useful)
    starts = workers * (1 + job.losses_per_hour * job.hours)
    again = 1 + job.losses_per_hour / 3600 * shard_seconds / 2
    read = job.pairs * job.bytes_in * again + starts * worker.model_bytes
    written = job.pairs * job.bytes_out
    dollars = workers * job.hours * worker.dollars_per_hour
    return Bill(
        workers=workers,
        shards=math.ceil(job.pairs / job.shard_pairs),
        shard_seconds=shard_seconds,
        lost=lost,
        read_bytes=read,
        written_bytes=written,
        bits_per_second=8 * (read + written) / (job.hours * 3600),
        dollars=dollars,
        dollars_per_million=dollars / job.pairs * 1e6,
    )


def markdown(job: Job, workers: Sequence[Worker]) -> str:
    """A Markdown table: one row a kind of worker."""
    header = (
        "worker", "basis", "pairs/s each", "workers", "a shard takes", "time lost", "read, TB",
        "network, Gbit/s", "$ a million", "$ a day",
    )  # fmt: skip
    lines = ["| " + " | ".join(header) + " |", "|---|---" + "|--:" * (len(header) - 2) + "|"]
    for worker in workers:
        cost = bill(job, worker)
        cells = (
            worker.name,
            "measured" if worker.measured else "arithmetic",
            f"{worker.pairs_per_second:,.0f}",
            f"{cost.workers:,}",
            f"{cost.shard_seconds:,.0f} s",
            f"{cost.lost:.1%}",
            f"{cost.read_bytes / 1e12:.2f}",
            f"{cost.bits_per_second / 1e9:.2f}",
            f"{cost.dollars_per_million:.2f}",
            f"{cost.dollars:,.0f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
