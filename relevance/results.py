"""Results: rows of the one long table, and what prints them as text, JSON, CSV or Markdown."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # polars costs every command a quarter of a second; most print without it
    import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of one group.

    Attributes:
        metric: As the user wrote it, blanks removed: `nDCG@20`.
        slice: Column the data were split by; `all` for the overall row.
        group: Its value; `all`, or `(mean)` equal-weighted, `(traffic)` traffic-weighted.
        system: System or model; empty where none applies.
        value: The figure, a fraction and never percent; None where undefined (see `note`).
        ci_low: Lower end of its interval; None where there is none.
        ci_high: Upper end.
        n: Units it rests on: queries, pairs or users.
        n_undefined: Units left out because the metric is undefined there.
        note: Why it is undefined, or what to know about it.
    """

    metric: str
    slice: str = "all"
    group: str = "all"
    system: str = ""
    value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n: int = 0
    n_undefined: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow(Row):
    """A figure beside a baseline's: `value` is the candidate's, `difference` = value - baseline.

    Attributes:
        baseline: The baseline's figure.
        difference: Absolute difference.
        rel_difference: difference / baseline.
        p_value: Of no difference, not adjusted for multiplicity.
        p_adjusted: Adjusted within the family (countries, metrics).
    """

    baseline: float | None = None
    difference: float | None = None
    difference_ci_low: float | None = None
    difference_ci_high: float | None = None
    rel_difference: float | None = None
    rel_difference_ci_low: float | None = None
    rel_difference_ci_high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRow(ComparisonRow):
    """A comparison of two variants; n counts users."""

    n_sessions: int = 0


Evaluate = Callable[["pl.DataFrame"], list[Row]]
"""Predictions (a `predictions` frame) → rows. What a trainer is given to report metrics with."""


@dataclass(frozen=True, slots=True)
class Results:
    """Rows of the long table, in the order in which they are to be read."""

    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: Results) -> Results:
        return Results(self.rows + other.rows)

    def __str__(self) -> str:
        return self.to_markdown()

    def find(self, metric: str, *, group: str = "all", system: str | None = None) -> Row | None:
        """The first row of that metric and group (and system, if given), or None."""
        for row in self.rows:
            if (row.metric, row.group) == (metric, group) and system in (None, row.system):
                return row
        return None

    @property
    def columns(self) -> list[str]:
        """Columns of the table: those of the richest row."""
        kinds = {type(row) for row in self.rows} or {Row}
        return max(([f.name for f in dataclasses.fields(kind)] for kind in kinds), key=len)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dictionary a row; NaN and infinities become None."""
        return [{name: _finite(getattr(row, name, None)) for name in self.columns} for row in self]

    def to_frame(self) -> pl.DataFrame:
        """The long table as a frame with every column of `ExperimentRow`."""
        import polars as pl

        types = {"str": pl.String, "float": pl.Float64, "int": pl.Int64}
        schema = {
            field.name: types[str(field.type).removesuffix("| None").strip()]
            for field in dataclasses.fields(ExperimentRow)
        }
        return pl.DataFrame(self.to_dicts(), schema=schema)

    def to_json(self) -> str:
        """A strict JSON array of rows."""
        return json.dumps(self.to_dicts(), ensure_ascii=False, allow_nan=False, indent=1)

    def to_csv(self) -> str:
        """CSV with a header; undefined cells are empty."""
        out = io.StringIO()
        writer = csv.DictWriter(out, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.to_dicts())
        return out.getvalue()

    def to_markdown(self) -> str:
        """A Markdown table, figures rounded for reading."""
        return markdown_table(self.columns, [self._cells(row) for row in self])

    def _cells(self, row: Row) -> list[str]:
        return [show(getattr(row, name, None), name) for name in self.columns]


_ROW_TYPES: Sequence[type[Row]] = (ExperimentRow, ComparisonRow, Row)


def results_from(dicts: Iterable[dict[str, Any]]) -> Results:
    """Rows from dictionaries, such as a parsed JSON file; the inverse of `Results.to_dicts`."""
    rows = []
    for values in dicts:
        for kind in _ROW_TYPES:
            names = {field.name for field in dataclasses.fields(kind)}
            if names <= set(values):
                rows.append(kind(**{name: values[name] for name in names}))
                break
        else:
            raise KeyError(f"not a row of the long table: {sorted(values)}")
    return Results(tuple(rows))


def show(value: object, name: str = "") -> str:
    """A cell for people: figures with four significant decimals, `rel_…` as percent, None as —."""
    value = _finite(value)
    if value is None:
        return "—"
    if isinstance(value, float):
        if name.startswith("rel_"):
            return f"{value:+.2%}"
        if name.startswith("p_"):
            return "<.0001" if value < 1e-4 else f"{value:.4f}"
        return f"{value:+.4f}" if name.startswith("difference") else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of ready cells."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
