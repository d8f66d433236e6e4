"""Gradewise labels pairs on this machine: by itself, and by the workers of a Ray cluster.

Both get the same tables and teacher and end with audited shards. `ray` starts its cluster in the
measured time and stops it again; what that takes is told beside (`start`: until the first shard is
done, `work`: from then on). Its CPU and memory are the driver's alone: workers are other processes.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.teacher_data import TEACHER, ready_teacher

IMPORTS = {
    "local": ("relevance.teacher.labelling", "relevance.teacher.engines.registry"),
    "ray": ("relevance.scaleout.labelling", "relevance.teacher.labelling"),
}


def prepare(function: str, files: Mapping[str, Path]) -> None:  # noqa: ARG001
    """Has the teacher made, which lies beside the tables."""
    ready_teacher(files["pairs"].parent)


def finish() -> None:
    """Nothing was started."""


def work(function: str, files: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """Labels, then tells their means and when the first shard was done."""
    from relevance.teacher.labelling import LabelConfig, label_files, read_labels

    places = (files["pairs"], files["queries"], files["pins"], files["pairs"].parent / TEACHER)
    began = time.perf_counter()
    first: list[float] = []

    def told(done: int, total: int, what: str = "") -> None:  # noqa: ARG001
        if "pairs/s" in what and not first:
            first.append(time.perf_counter() - began)

    out = Path(tempfile.mkdtemp(prefix="labels-"))
    try:
        if function == "ray":
            from relevance.scaleout import label_files_on_ray

            manifest = label_files_on_ray(*places, out, config=LabelConfig(), progress=told)
        else:
            manifest = label_files(*places, out, config=LabelConfig(), progress=told)
        labels = read_labels(out)
    finally:
        shutil.rmtree(out)
    print(manifest)
    seconds = time.perf_counter() - began
    notes = {"start": first[0], "work": seconds - first[0]} if first else {}
    figures = {f"mean p{grade}": float(labels[f"p{grade}"].mean()) for grade in range(1, 6)}  # type: ignore[arg-type]
    return {"pairs": float(labels.height), **figures}, notes
