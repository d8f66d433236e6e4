"""What commands print: result tables on stdout, progress and notes on stderr."""

from __future__ import annotations

import contextlib
import enum
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from app.wording import THIN
from relevance.errors import InputError
from relevance.progress import Progress as Report
from relevance.results import Results, show


class Format(enum.StrEnum):
    """How a command prints its result."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


FormatOption = Annotated[Format, typer.Option("--format", help="How to print the result.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
LevelOption = Annotated[float, typer.Option("--level", help="Confidence level of intervals.")]

MADE_OF = ("definition", "source")
"""Columns that are printed under a table instead of in it."""

notes = Console(stderr=True, soft_wrap=True)
"""Console of progress, notes and warnings; stdout holds results only."""


def emit(results: Results, form: Format) -> None:
    """Prints a long table on stdout."""
    if form is Format.JSON:
        sys.stdout.write(results.to_json() + "\n")
    elif form is Format.CSV:
        sys.stdout.write(results.to_csv())
    elif form is Format.MARKDOWN:
        sys.stdout.write(results.to_markdown() + "\n")
        sys.stdout.writelines(f"\n{line}\n" for line in footer(results))
    else:
        header, rows = _readable(results)
        print_table(header, rows, faint=[THIN in row.note for row in results])
        for line in footer(results):
            Console(markup=False, highlight=False, soft_wrap=True).print(line, style="dim")


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str | None = None,
    faint: Sequence[bool] = (),
) -> None:
    """Prints ready cells as a table on stdout, figures to the right, `faint` rows dimmed."""
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for index, name in enumerate(header):
        numeric = any(_is_figure(row[index]) for row in rows)
        table.add_column(
            name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric
        )
    for index, row in enumerate(rows):
        table.add_row(*row, style="dim" if index < len(faint) and faint[index] else None)
    width = None if sys.stdout.isatty() else 200
    Console(width=width, markup=False, highlight=False).print(table)


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Report]:
    """A progress bar on stderr with rate and time left, as the callable that long work takes.

    Where stderr is no terminal, a line now and then instead.
    """
    if not notes.is_terminal:
        yield _line_now_and_then(title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[what]}"),
    )
    with Progress(*columns, console=notes, transient=True) as bars:
        task = bars.add_task(title, total=None, what="")

        def report(done: int, total: int, what: str = "") -> None:
            bars.update(task, completed=done, total=total, what=what)

        yield report


def _line_now_and_then(title: str, every: float = 20.0) -> Report:
    told = time.monotonic()

    def report(done: int, total: int, what: str = "") -> None:
        nonlocal told
        if time.monotonic() - told >= every:
            told = time.monotonic()
            notes.print(f"{title}  {done:,}/{total:,}  {what}", highlight=False, soft_wrap=True)

    return report


def refuse_to_overwrite(path: object, overwrite: bool) -> None:
    """Raises `InputError` if something is at `path` already and `--overwrite` was not given."""
    from pathlib import Path

    if not overwrite and Path(str(path)).exists():
        raise InputError(f"{path} is there already. Add --overwrite to replace it")


def _readable(results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and cells for a terminal: intervals folded into one cell, empty columns left out."""
    dicts = results.to_dicts()
    names = [
        name
        for name in results.columns
        if not name.endswith(("_low", "_high"))
        and name not in MADE_OF
        and any(row[name] not in (None, "") for row in dicts)
        and (name != "n_undefined" or any(row[name] for row in dicts))
    ]
    header, rows = list(names), []
    for row in dicts:
        cells = []
        for name in names:
            prefix = "ci" if name == "value" else f"{name}_ci"
            cell = "" if row[name] == "" else show(row[name], name)
            low, high = row.get(f"{prefix}_low"), row.get(f"{prefix}_high")
            if low is not None and high is not None:
                cell += f" [{show(low, name)}, {show(high, name)}]"
            cells.append(cell)
        rows.append(cells)
    return header, rows


def footer(results: Results) -> list[str]:
    """What the figures mean and are made from, each said once."""
    meant: dict[str, list[str]] = {}
    for row in results:
        if row.definition:
            meant.setdefault(row.definition, []).append(row.metric)
    lines = [f"{', '.join(dict.fromkeys(names))}: {text}" for text, names in meant.items()]
    return lines + [text for text in dict.fromkeys(row.source for row in results) if text]


def _is_figure(cell: str) -> bool:
    return bool(cell) and (
        cell[0].isdigit() or (cell[:1] in "+-−<" and any(map(str.isdigit, cell)))
    )
