"""`python -m benchmarks`: gradewise and its peers on the same files; see `make bench`."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.harness import ROOT, Bench, Outcome, failures, memory_megabytes
from benchmarks.report import page, table, verdict
from benchmarks.suite import BENCHMARKS

OURS = ("numpy", "polars", "scipy", "duckdb", "ibis-framework")
PEERS = (
    "pytrec_eval-terrier",
    "ranx",
    "numba",
    "scikit-learn",
    "krippendorff",
    "crowd-kit",
    "polars",
    "tea-tasting",
    "statsmodels",
)


def run(
    *,
    rounds: Annotated[int, typer.Option("--rounds", help="Rounds; medians are taken.")] = 5,
    sizes: Annotated[
        str, typer.Option("--sizes", help="Multiples of the sizes, ascending.")
    ] = "0.1,1",
    only: Annotated[
        str | None, typer.Option("--only", help="Benchmarks, with commas between.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Where files are kept; default: a temporary one.")
    ] = None,
    peers: Annotated[Path, typer.Option("--peers", help="Python of the peers' environment.")] = ROOT
    / ".venv-bench/bin/python",
    patience: Annotated[
        float, typer.Option("--patience", help="Leave out who would take longer a round, s.")
    ] = 150,
    out: Annotated[Path | None, typer.Option("--out", help="Page to write.")] = None,
) -> None:
    """Run every benchmark: tables on stdout, the page into --out; exit 1 if figures disagree."""
    if not peers.exists():
        _fail(f"{peers} not found. It is made by: make bench")
    names = [benchmark.name for benchmark in BENCHMARKS]
    wanted = names if only is None else only.split(",")
    for name in wanted:
        if name not in names:
            _fail(f"no benchmark is called {name!r}. Use {', '.join(names)}")
    load = f"{os.getloadavg()[0]:.2f}"
    folder = data or Path(tempfile.gettempdir()) / "gradewise-benchmarks"
    bench = Bench(folder, peers, rounds, patience, _tell)
    outcomes: list[Outcome] = []
    for benchmark in BENCHMARKS:
        smaller = None
        for size in sorted(map(float, sizes.split(","))) if benchmark.name in wanted else ():
            smaller = bench.run(benchmark, size, smaller)
            outcomes.append(smaller)
            _show(smaller)
    if out is not None:
        text = page(
            outcomes,
            now=datetime.now(UTC),
            commit=_commit(),
            machine=_machine(),
            load=load,
            rounds=rounds,
            versions=_versions(sys.executable, OURS) | _versions(str(peers), PEERS),
        )
        out.write_text(text, encoding="utf-8")
        _tell(f"{out} written")
    wrong = failures(outcomes)
    for line in wrong:
        _tell(line)
    raise typer.Exit(1 if wrong else 0)


def _show(outcome: Outcome) -> None:
    print(f"\n{outcome.benchmark.title} (× {outcome.size:g})\n\n{table(outcome)}")
    if outcome.size == 1:
        for target in outcome.benchmark.targets:
            print(f"wanted {verdict(target, outcome)}")
    print(f"{outcome.n_agreed} figures agree", flush=True)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _fail(line: str) -> None:
    _tell(line)
    raise typer.Exit(1)


def _commit() -> str:
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _machine() -> str:
    """Cores, processor, memory, system and Python in words."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        told = {
            key.strip(): value.strip()
            for key, _, value in (line.partition(":") for line in info.read_text().splitlines())
        }
        model = told.get("model name", model)
    memory = memory_megabytes() / 1024
    return (
        f"{os.cpu_count()} cores of {model}, {memory:.0f} GB, "
        f"{platform.system()}, Python {platform.python_version()}"
    )


def _versions(python: str, names: tuple[str, ...]) -> dict[str, str]:
    """Installed versions of distributions in an environment."""
    code = "import sys; from importlib.metadata import version; "
    code += "print(*(version(name) for name in sys.argv[1:]), sep='\\n')"
    found = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=True)
    return dict(zip(names, found.stdout.split(), strict=True))


if __name__ == "__main__":
    typer.run(run)
