"""One contender in a process of its own: imports, then the measured work, then one line of JSON.

`python -m benchmarks.worker MODULE:FUNCTION seed=N name=FILE …`. The contender is a module of
`benchmarks.contenders` with

- `IMPORTS`, function → modules that are imported before the clock starts,
- `warm_up()`, if it compiles or imports anything later, likewise,
- `prepare(function, files)`, if it needs something to work with, such as a server, likewise, and
  then `finish()`, which ends it,
- `work(function, files)`, which reads the files, prints its table and returns figures by name (or
  what reads them from the table) and notes: seconds of parts, or how often the `replicate` that was
  measured is wanted (`extrapolated`).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any


def main(arguments: list[str]) -> None:
    """Runs the named contender and prints what was measured."""
    name, *pairs = arguments
    files = {key: Path(path) for key, _, path in (pair.partition("=") for pair in pairs)}
    module, _, function = name.partition(":")
    contender = importlib.import_module(f"benchmarks.contenders.{module}")
    for needed in contender.IMPORTS[function]:
        importlib.import_module(needed)
    table = io.StringIO()
    if hasattr(contender, "warm_up"):
        with contextlib.redirect_stdout(io.StringIO()):
            contender.warm_up()
    with contextlib.ExitStack() as stack:
        if hasattr(contender, "prepare"):
            stack.callback(contender.finish)
            contender.prepare(function, files)
        measured = _measured(contender, function, files, table)
    sys.stdout.write(json.dumps(measured) + "\n")


def _measured(
    contender: ModuleType, function: str, files: dict[str, Path], table: io.StringIO
) -> dict[str, Any]:
    before = set(sys.modules)
    wall, cpu = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(table):
        figures, notes = contender.work(function, files)
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    if callable(figures):  # what the work printed is read back after the clock has stopped
        figures = figures(table.getvalue())
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "figures": figures,
        "notes": notes,
        "imported": sorted(set(sys.modules) - before),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
