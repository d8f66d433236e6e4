"""Tables that fit the terminal: the columns that matter least go first, and it is said."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from app.output import print_table

NOTHING = ("", "—")
_GAP = 2  # blanks between columns
_PIPE = 200  # columns where stdout is no terminal


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ready cells.

    Attributes:
        header: What it is called.
        cells: One a row.
        rank: 0 is never left out; otherwise the highest goes first when room is short.
    """

    header: str
    cells: Sequence[str]
    rank: int = 0

    @property
    def width(self) -> int:
        """Characters of its widest cell."""
        return max(map(len, (self.header, *self.cells)))

    @property
    def empty(self) -> bool:
        """Whether no cell says anything."""
        return all(cell in NOTHING for cell in self.cells)


def print_fitted(columns: Sequence[Column], *, faint: Sequence[bool] = ()) -> None:
    """Prints the columns that say something and fit; names those left out for want of room."""
    told = [column for column in columns if not column.empty or not column.rank]
    shown = fitted(told, terminal_width())
    rows = list(zip(*(column.cells for column in shown), strict=True))
    print_table([column.header for column in shown], rows, faint=faint)
    if left := [column.header for column in told if column not in shown and column.header]:
        typer.echo(f"(no room for: {', '.join(left)}; --format csv has all)")


def fitted(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit into `width` characters, those of the highest rank left out first."""
    kept = list(columns)
    while sum(column.width + _GAP for column in kept) - _GAP > width:
        worst = max(kept, key=lambda column: column.rank)
        if not worst.rank:
            break
        kept.remove(worst)
    return kept


def terminal_width() -> int:
    """Characters of a line of stdout."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE
