"""What an import set aside, and why: counted when it ends, each in a file beside the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from relevance.files import atomic
from relevance.writing import defused

FILE = "import-rejected.csv"
"""Name of the file in the workspace."""

_LONGEST = 1_000  # characters of a value that are kept


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row, or a rating in it, that is not in the tables as it stands in the file.

    Attributes:
        line: Line of the file (row of Parquet and of JSON on one line).
        column: Column that is to blame; empty for the whole row.
        value: What it holds.
        reason: Why; the same words for the same thing, so that they can be counted.
        kept: Whether the rating is in the tables all the same, but for that column.
        detail: What else to know of this one, such as the line that replaces it.
    """

    line: int
    column: str
    value: str
    reason: str
    kept: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an importer made of a file.

    Attributes:
        tables: Frames by table name.
        rejected: What is not in them as it stands in the file, by line.
        notes: What to tell of the rest, a line each.
    """

    tables: dict[str, pl.DataFrame]
    rejected: Sequence[Rejected] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    def summary(self) -> list[str]:
        """Lines for people: what there is, and what was set aside for which reasons."""
        return [*self.notes, *_counted(self.rejected)]


def write_rejected(rejected: Sequence[Rejected], path: Path) -> None:
    """Writes the file of what was set aside, a row each, by line; none leaves a header."""
    rows = [
        {
            "line": one.line,
            "column": one.column,
            "value": one.value[:_LONGEST],
            "reason": one.reason,
            "detail": one.detail,
            "in_tables": one.kept,
        }
        for one in sorted(rejected, key=lambda one: one.line)
    ]
    schema = {
        "line": pl.Int64,
        "column": pl.String,
        "value": pl.String,
        "reason": pl.String,
        "detail": pl.String,
        "in_tables": pl.Boolean,
    }
    with atomic(path) as temporary:
        defused(pl.DataFrame(rows, schema=schema)).write_csv(temporary)


def _counted(rejected: Sequence[Rejected]) -> list[str]:
    lines = []
    for kept, what in ((False, "set aside"), (True, "kept in part")):
        counts = Counter(one.reason for one in rejected if one.kept is kept)
        if counts:
            told = ", ".join(f"{number:,} {reason}" for reason, number in counts.most_common())
            lines.append(f"{sum(counts.values()):,} {what}: {told}")
    return lines
