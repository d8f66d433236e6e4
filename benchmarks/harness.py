"""Runs contenders in turn, each in a process of its own, and takes medians."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.suite import Benchmark, Contender

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "ranking": ("run", "qrels", "queries", "joined"),
    "grades": ("predictions",),
    "judgments": ("judgments",),
    "sessions": ("sessions",),
    "grading": ("queries", "pins", "samples", "judgments"),
    "labelling": ("pairs", "queries", "pins", "qrels"),
}
"""Set of files → names of its Parquet files, as `benchmarks.data` writes them."""

MEMORY_SHARE = 0.7  # of the machine's memory that a contender may be expected to need


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one contender.

    Attributes:
        seconds: Work, from opening the files to the printed table.
        cpu_seconds: CPU time of that, all threads.
        whole_seconds: The whole process, imports included.
        megabytes: Peak resident memory of the process.
        figures: What it found, by name.
        notes: Seconds of parts; `extrapolated` if the work was.
    """

    seconds: float
    cpu_seconds: float
    whole_seconds: float
    megabytes: float
    figures: Mapping[str, float]
    notes: Mapping[str, float]


@dataclass(slots=True)
class Entry:
    """A contender's runs on one size, or why there are none."""

    contender: Contender
    runs: list[Measurement] = field(default_factory=list)
    left_out: str = ""

    def median(self, name: str) -> float:
        """Median over the rounds of a field of `Measurement`."""
        return float(statistics.median(getattr(run, name) for run in self.runs))

    def part(self, name: str) -> float | None:
        """Median seconds of a part, if the contender told them."""
        told = [run.notes[name] for run in self.runs if name in run.notes]
        return statistics.median(told) if told else None


@dataclass(slots=True)
class Outcome:
    """A benchmark on one size: its entries and what did not agree."""

    benchmark: Benchmark
    size: float
    entries: list[Entry]
    disagreements: list[str] = field(default_factory=list)
    n_agreed: int = 0

    def entry(self, name: str) -> Entry:
        """The entry of the contender of this name."""
        return next(entry for entry in self.entries if entry.contender.name == name)


@dataclass(frozen=True, slots=True)
class Bench:
    """How to run.

    Attributes:
        folder: Where data files are kept between runs.
        peers: Python of the peers' environment.
        rounds: Rounds, each with every contender once.
        patience: Contenders that would take longer than this many seconds a round are left out.
        tell: Takes a line about what is going on.
    """

    folder: Path
    peers: Path
    rounds: int
    patience: float
    tell: Callable[[str], None]

    def run(self, benchmark: Benchmark, size: float, smaller: Outcome | None) -> Outcome:
        """All contenders in turn, `rounds` times.

        Args:
            benchmark: What to do.
            size: Multiple of the benchmark's size.
            smaller: The same on a smaller size, from which needs are foreseen.
        """
        files = self.files(benchmark.files, size)
        entries = [
            Entry(who, left_out=self._refusal(who, size, smaller)) for who in benchmark.contenders
        ]
        for number in range(self.rounds):
            for entry in entries:
                if entry.left_out or (entry.contender.once and number):
                    continue
                self.tell(f"{benchmark.name} ×{size:g} round {number + 1}: {entry.contender.name}")
                measured = self.measure(entry.contender, files, seed=number)
                if isinstance(measured, str):
                    foreseen = measured.startswith("left out: ")
                    entry.left_out = measured if foreseen else f"failed: {measured}"
                    entry.runs.clear()
                else:
                    entry.runs.append(measured)
        outcome = Outcome(benchmark, size, entries)
        compare_figures(outcome)
        return outcome

    def files(self, name: str, size: float) -> Mapping[str, Path]:
        """The Parquet files of a set, made if they are not there."""
        recipe = hashlib.sha256((ROOT / "benchmarks/data.py").read_bytes()).hexdigest()[:8]
        folder = self.folder / f"{name}-{size:g}-{recipe}"
        if not folder.exists():
            self.tell(f"writing {name} ×{size:g}")
            self.folder.mkdir(parents=True, exist_ok=True)
            landing = Path(tempfile.mkdtemp(dir=self.folder))
            asked = [sys.executable, "-m", "benchmarks.data", name, str(landing), str(size)]
            subprocess.run(asked, check=True, cwd=ROOT)
            shutil.move(landing, folder)
        return {file: folder / f"{file}.parquet" for file in FILES[name]}

    def measure(
        self, contender: Contender, files: Mapping[str, Path], *, seed: int
    ) -> Measurement | str:
        """One run of a contender, or the last line of its error."""
        python = sys.executable if contender.ours or contender.here else str(self.peers)
        asked = [python, "-m", "benchmarks.worker", contender.name, f"seed={seed}"]
        asked += [f"{name}={path}" for name, path in files.items()]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            begun = time.perf_counter()
            process = subprocess.Popen(asked, stdout=out, stderr=err, cwd=ROOT)
            _, status, usage = os.wait4(process.pid, 0)
            whole = time.perf_counter() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            if process.returncode:
                lines = err.read().decode(errors="replace").strip().splitlines()
                return lines[-1].split("exceptions.")[-1] if lines else "without a word"
            told = json.loads(out.read().decode().strip().splitlines()[-1])
        notes = told["notes"]
        if told["imported"]:
            self.tell(f"  imported during the work: {', '.join(told['imported'])[:200]}")
        seconds = told["seconds"]
        cpu = told["cpu_seconds"]
        if "extrapolated" in notes:
            rest = notes["replicate"] * (notes["extrapolated"] - 1)
            cpu *= (seconds + rest) / seconds
            seconds += rest
        megabytes = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
        return Measurement(seconds, cpu, whole, megabytes, told["figures"], notes)

    def _refusal(self, contender: Contender, size: float, smaller: Outcome | None) -> str:
        """Why a contender is left out on this size, foreseen from a smaller one; else empty."""
        before = None if smaller is None else smaller.entry(contender.name)
        if smaller is None or before is None:
            return ""
        if not before.runs:
            return before.left_out
        growth = size / smaller.size
        needs = before.median("megabytes") * growth
        if needs > MEMORY_SHARE * memory_megabytes():
            return f"left out: would need about {needs / 1024:.0f} GB"
        takes = before.median("whole_seconds") * growth
        if takes > self.patience:
            return f"left out: would take about {takes:.0f} s a round"
        return ""


def compare_figures(outcome: Outcome) -> None:
    """Notes where figures of two contenders differ by more than the benchmark's tolerance."""
    ran = [entry for entry in outcome.entries if entry.runs and entry.runs[0].figures]
    if not ran:
        return
    reference = ran[0]
    for entry in ran[1:]:
        ours, theirs = reference.runs[0].figures, entry.runs[0].figures
        shared = sorted(ours.keys() & theirs.keys())
        if not shared:
            outcome.disagreements.append(f"{entry.contender.label} has no figure in common")
        for name in shared:
            if abs(ours[name] - theirs[name]) > outcome.benchmark.tolerance:
                outcome.disagreements.append(
                    f"{name}: {ours[name]!r}, {entry.contender.label} {theirs[name]!r}"
                )
            outcome.n_agreed += abs(ours[name] - theirs[name]) <= outcome.benchmark.tolerance


def memory_megabytes() -> float:
    """Memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 20)


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """What must not be: contenders that failed, and figures that do not agree."""
    found = []
    for outcome in outcomes:
        place = f"{outcome.benchmark.name} ×{outcome.size:g}"
        found += [f"{place}: {line}" for line in outcome.disagreements]
        found += [
            f"{place}: {entry.contender.name} {entry.left_out}"
            for entry in outcome.entries
            if entry.left_out.startswith("failed")
        ]
    return found
