"""`gradewise data check`: what is wrong with a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.data.shared import TableOption, known_table, note
from app.output import print_table
from app.scales import ScaleOption, scale_named
from relevance.errors import InputError
from relevance.records import TABLES


def check(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSONL, JSON, Parquet or TREC file.")],
    table: TableOption,
    scale: ScaleOption = "five",
) -> None:
    """Say what is wrong with a file, each problem with its place and way out; exit 1 if any.

    Example: gradewise data check grades.csv --table judgments
    """
    from relevance.checks import LIMIT
    from relevance.tables import check_table, read_table

    problems = check_table(file, known_table(table), scale=scale_named(scale))
    for problem in problems:
        note(str(problem))
    if problems:
        shown = "problem" if len(problems) == 1 else "problems"
        more = "the first " if len(problems) == LIMIT else ""
        raise InputError(f"{file}: {more}{len(problems)} {shown} shown; nothing was imported")
    frame = read_table(file, table, scale=scale_named(scale))
    docs = {column.name: column.doc for column in TABLES[table].columns}
    rows = []
    for name, dtype in frame.schema.items():
        filled = frame.height - frame[name].null_count()
        if filled or name not in docs:
            rows.append((name, str(dtype), f"{filled:,}", docs.get(name, "(further column)")))
    print_table(("column", "type", "filled", "meaning"), rows)
    note(f"{file}: {frame.height:,} {table}, nothing wrong")
