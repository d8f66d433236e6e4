"""Outcomes → docs/benchmarks.md: tables with the ratio, what was wanted, and the growth."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime

from benchmarks.harness import Entry, Outcome
from benchmarks.suite import Target

HEAD = """# Benchmarks

{date}, commit {commit}. {machine}. Load before the start: {load}.

Every contender reads the same Parquet files in a process of its own; they take turns, and figures
are medians of {rounds} rounds. **Work** is from opening the files to the printed table, with the
libraries already imported (and compiled, where they compile); **whole** is the process from start
to end. **×** says how many times as long as gradewise (the first row) a contender works. Figures of
all contenders are compared in the same run. Repeat it with

```
make bench
```

Versions: {versions}.
"""


def page(
    outcomes: Sequence[Outcome],
    *,
    now: datetime,
    commit: str,
    machine: str,
    load: str,
    rounds: int,
    versions: Mapping[str, str],
) -> str:
    """The page, from outcomes in the order of benchmarks, sizes ascending."""
    head = HEAD.format(
        date=f"{now:%Y-%m-%d}",
        commit=commit,
        machine=machine,
        load=load,
        rounds=rounds,
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
    )
    names = dict.fromkeys(outcome.benchmark.name for outcome in outcomes)
    sections = [_section([o for o in outcomes if o.benchmark.name == name]) for name in names]
    return "\n".join([head, *sections])


def table(outcome: Outcome) -> str:
    """One size of one benchmark as a Markdown table."""
    lines = [
        "| contender | work s | × | CPU s | whole s | peak MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    first = outcome.entries[0]
    for entry in outcome.entries:
        if not entry.runs:
            lines.append(f"| {entry.contender.label} | {entry.left_out} | | | | |")
            continue
        times = entry.median("seconds") / first.median("seconds") if first.runs else None
        cells = (
            entry.contender.label,
            _seconds(entry.median("seconds")),
            "" if times is None else _seconds(times),
            _seconds(entry.median("cpu_seconds")),
            "—"
            if "extrapolated" in entry.runs[0].notes
            else _seconds(entry.median("whole_seconds")),
            f"{entry.median('megabytes'):,.0f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def verdict(target: Target, outcome: Outcome) -> str:
    """What was wanted, and what was measured of each of our rows."""
    ours = [entry for entry in outcome.entries if entry.contender.ours]
    told = [
        (f"{entry.contender.label} " if len(ours) > 1 else "") + _reached(target, outcome, entry)
        for entry in ours
    ]
    if target.at_least is not None:
        peer = outcome.entry(target.than).contender.label
        wanted = f"at least {target.at_least:g}× as fast as {peer}"
    elif target.megabytes is not None:
        wanted = f"at most {target.megabytes:,.0f} MB"
    else:
        wanted = f"at most {target.seconds:g} s"
    return f"{wanted}: {'; '.join(told)}"


def _reached(target: Target, outcome: Outcome, entry: Entry) -> str:
    """What one of our rows reached, and whether that is what was wanted."""
    if not entry.runs:
        return "not measured"
    if target.megabytes is not None:
        value = entry.median("megabytes")
        return f"{value:,.0f} MB ({_met(target.megabytes, value)})"
    value = entry.median("seconds")
    if target.seconds is not None:
        return f"{_seconds(value)} s ({_met(target.seconds, value)})"
    peer = outcome.entry(target.than)
    if not peer.runs or target.at_least is None:
        return "not measured"
    times = peer.median("seconds") / value
    return f"{times:.1f}× ({_met(times, target.at_least)})"


def _met(reached: float, wanted: float) -> str:
    if reached >= wanted:
        return "met"
    return "met within 10 %" if reached * 1.1 >= wanted else "missed"


def _section(outcomes: Sequence[Outcome]) -> str:
    """A benchmark: the table of size 1 (else the largest), the targets, the growth."""
    main = next((o for o in outcomes if o.size == 1), outcomes[-1])
    benchmark = main.benchmark
    scaled = "" if main.size == 1 else f" × {main.size:g}"
    lines = [f"## {benchmark.title}", ""]
    lines += [f"{benchmark.rows}{scaled}. {benchmark.remark}".strip(), "", table(main), ""]
    agreed = f"{main.n_agreed} figures equal the first row's within {benchmark.tolerance:g}."
    if main.disagreements:
        agreed = "**Figures disagree:** " + "; ".join(main.disagreements) + "."
    told = _parts(main) + ([agreed] if main.n_agreed or main.disagreements else [])
    lines.append(" ".join(told + _monte_carlo(main)))
    if main.size == 1:
        lines += ["", *(f"- Wanted {verdict(target, main)}." for target in benchmark.targets)]
    if len(outcomes) > 1:
        lines += ["", "How it grows (work s, and peak MB):", "", _growth(outcomes)]
    return "\n".join(lines) + "\n"


def _parts(outcome: Outcome) -> list[str]:
    told = []
    for entry in outcome.entries:
        for name in ("evaluate", "alpha"):
            seconds = entry.part(name)
            if seconds is not None:
                told.append(f"{entry.contender.label}: {_seconds(seconds)} s in its own function.")
    return told


def _monte_carlo(outcome: Outcome) -> list[str]:
    """How far the ends of the first contender's intervals differ between seeds, if they do."""
    runs = outcome.entries[0].runs
    shares = []
    for name in runs[0].figures if len(runs) > 2 else ():
        ends = [[run.figures.get(f"{name} {end}") for run in runs] for end in ("ci_low", "ci_high")]
        if any(value is None for values in ends for value in values):
            continue
        low, high = ([float(value or 0) for value in values] for values in ends)
        width = statistics.fmean(high) - statistics.fmean(low)
        shares += [statistics.variance(values) / (width / 2) ** 2 for values in (low, high)]
    error = math.sqrt(statistics.fmean(shares)) if shares else 0
    if not error:  # closed forms draw nothing
        return []
    told = f"Monte-Carlo error of our intervals: over {len(runs)} seeds an end varies with a "
    return [told + f"standard deviation of {error:.1%} of the half-width."]


def _growth(outcomes: Sequence[Outcome]) -> str:
    sizes = [f"{outcome.size:g} × the rows" for outcome in outcomes]
    lines = ["| contender | " + " | ".join(sizes) + " |", "|---|" + "---:|" * len(sizes)]
    for index, first in enumerate(outcomes[0].entries):
        cells = [_cell(outcome.entries[index]) for outcome in outcomes]
        lines.append(f"| {first.contender.label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(entry: Entry) -> str:
    if not entry.runs:
        return entry.left_out
    return f"{_seconds(entry.median('seconds'))} · {entry.median('megabytes'):,.0f} MB"


def _seconds(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
