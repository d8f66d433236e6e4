"""How long a student takes for one request: one query, many Pins, one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from relevance.progress import Progress, silent
from relevance.results import Results, Row
from relevance.student.folder import load_student
from relevance.student.model import Half, Student
from relevance.training import threads

_WARM_UP = 20


def measure_latency(
    model: Path,
    *,
    n_pins: int = 1000,
    repeats: int = 300,
    seed: int = 0,
    progress: Progress = silent,
) -> Results:
    """Wall time of scoring one query against `n_pins` Pins on one thread.

    Each request gathers other Pins' rows from a store ten times as large. Two ways in turn, request
    by request, so that both meet the same neighbours: `full` computes the Pin half, `precomputed`
    reads it from the store. Finding the Pins and computing their raw features (BM25, rates) is not
    in it.

    Args:
        model: Folder of the student.
        n_pins: Pins of a request.
        repeats: Requests measured, after a warm-up.
        seed: Of the made-up inputs.
        progress: Told of requests done.

    Returns:
        Rows `latency_p50_seconds` and `latency_p99_seconds` of each way; n = requests.
    """
    network = load_student(model).network
    with threads(1), torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ways = _ways(network, n_pins)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for repeat in range(_WARM_UP + repeats):
            rows = torch.randint(10 * n_pins, (n_pins,))
            for way, request in ways.items():
                started = time.perf_counter()
                request(rows)
                if repeat >= _WARM_UP:
                    seconds[way].append(time.perf_counter() - started)
            progress(repeat + 1, _WARM_UP + repeats)
    note = f"1 query × {n_pins} Pins, 1 thread, raw features given"
    return Results(
        tuple(
            Row(
                metric=f"latency_p{percentile}_seconds",
                system=way,
                value=float(np.percentile(taken, percentile)),
                n=len(taken),
                note=note,
            )
            for way, taken in seconds.items()
            for percentile in (50, 99)
        )
    )


def _ways(network: Student, n_pins: int) -> dict[str, Callable[[Tensor], Tensor]]:
    """Way → what takes the rows of a request's Pins and gives their probabilities."""
    shape = network.shape
    query = _made_up(network.query, 1, shape.query_numbers)
    numbers, categories = _made_up(network.pin, 10 * n_pins, shape.pin_numbers)
    pair = torch.randn(n_pins, shape.pair_numbers)
    store = network.pin(numbers, categories)

    def full(rows: Tensor) -> Tensor:
        pin_half = network.pin(numbers[rows], categories[rows])
        return torch.softmax(network.join(network.query(*query), pin_half, pair), dim=1)

    def precomputed(rows: Tensor) -> Tensor:
        return torch.softmax(network.join(network.query(*query), store[rows], pair), dim=1)

    return {"full": full, "precomputed": precomputed}


def _made_up(half: Half, rows: int, width: int) -> tuple[Tensor, Tensor]:
    """Numbers and category codes as they come after normalisation."""
    sizes = [len(table.get_parameter("weight")) for table in half.tables]
    codes = [torch.randint(size, (rows, 1)) for size in sizes]
    return torch.randn(rows, width), torch.cat(codes, dim=1)
