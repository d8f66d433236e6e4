"""What the verbs of `gradewise data` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.output import notes, print_table
from relevance.errors import InputError, did_you_mean
from relevance.records import TABLES

TableOption = Annotated[
    str, typer.Option("--table", "-t", help=f"What it is: {', '.join(TABLES)}.")
]


def note(text: str) -> None:
    """A line on stderr."""
    notes.print(text, markup=False, highlight=False, soft_wrap=True)


def known_table(table: str) -> str:
    """The name, if a table is called so.

    Raises:
        InputError: None is.
    """
    if table not in TABLES:
        raise InputError(
            f"no table is called {table!r}.{did_you_mean(table, TABLES)} Use {', '.join(TABLES)}"
        )
    return table


def print_workspace(root: Path) -> None:
    """Prints the tables of a workspace: rows, queries, Pins, countries, grades, maker.

    Raises:
        InputError: It holds none.
    """
    from relevance.workspace import RESULTS, Workspace

    workspace = Workspace(root)
    rows = []
    for path in sorted(root.glob("*.parquet")):
        kind = path.stem.split("-", 1)[0]
        if kind not in TABLES and kind != RESULTS:
            continue
        frame = workspace.read(path.stem)
        rows.append((path.stem, *_facts(frame), _maker(path)))
    if not rows:
        raise InputError(f"{root} holds no tables. Fill it with: gradewise data import or demo")
    header = ("table", "rows", "queries", "Pins", "countries", "languages", "grades")
    print_table((*header, "made by"), rows)


def _facts(frame: object) -> tuple[str, str, str, str, str, str]:
    """Rows, queries, Pins, countries, languages and grades of a frame, as cells."""
    import polars as pl

    assert isinstance(frame, pl.DataFrame)

    def distinct(name: str) -> str:
        return f"{frame[name].n_unique():,}" if name in frame.columns else ""

    def shares(name: str) -> str:
        if name not in frame.columns or frame[name].null_count() == frame.height:
            return ""
        counts = frame[name].drop_nulls().value_counts(sort=True).rows()
        shown = " ".join(f"{value}:{count:,}" for value, count in counts[:6])
        return shown + (f" +{len(counts) - 6}" if len(counts) > 6 else "")

    grades = ""
    if "grade" in frame.columns:
        counted = frame["grade"].drop_nulls().value_counts().sort("grade").rows()
        grades = " ".join(f"{grade}:{count:,}" for grade, count in counted)
    return (
        f"{frame.height:,}",
        distinct("query_id"),
        distinct("pin_id"),
        shares("country"),
        shares("language"),
        grades,
    )


def _maker(path: Path) -> str:
    from relevance.provenance import read_provenance

    return str((read_provenance(path) or {}).get("command", ""))
