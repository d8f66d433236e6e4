from __future__ import annotations

from pathlib import Path

import torch

from relevance.student.latency import measure_latency


def test_two_ways_with_median_and_tail(student: Path) -> None:
    before = torch.get_num_threads()
    results = measure_latency(student, n_pins=50, repeats=20)
    assert torch.get_num_threads() == before
    assert [(row.metric, row.system) for row in results] == [
        (f"latency_p{percentile}_seconds", way)
        for way in ("full", "precomputed")
        for percentile in (50, 99)
    ]
    for way in ("full", "precomputed"):
        median = results.find("latency_p50_seconds", system=way)
        tail = results.find("latency_p99_seconds", system=way)
        assert median is not None
        assert tail is not None
        assert 0 < (median.value or 0) <= (tail.value or 0)
        assert median.n == 20
        assert "50 Pins, 1 thread" in median.note


def test_more_pins_take_longer(student: Path) -> None:
    few, many = (
        measure_latency(student, n_pins=n, repeats=15).find("latency_p50_seconds", system="full")
        for n in (20, 5_000)
    )
    assert few is not None
    assert many is not None
    assert (many.value or 0) > 3 * (few.value or 0) > 0


def test_progress_counts_every_request(student: Path) -> None:
    done: list[tuple[int, int]] = []
    measure_latency(
        student, n_pins=2, repeats=3, progress=lambda n, total, what="": done.append((n, total))
    )
    assert done[-1] == (23, 23)
