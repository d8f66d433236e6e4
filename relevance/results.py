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

from relevance.formulas import guard

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
        definition: What the figure means here: scale, gain, threshold, ideal, tie rule.
        source: Version and hashes of the files that it was made from.
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
    definition: str = ""
    source: str = ""


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
class PairedRow(ComparisonRow):
    """A comparison over the same queries, with what stands beside its test.

    Attributes:
        p_value_t: Paired t test.
        p_value_bootstrap: Bootstrap of the mean difference.
        bootstrap_ci_low: Lower end of the BCa interval of the difference over queries.
        bootstrap_ci_high: Its upper end.
        n_wins: Queries on which the candidate is better.
        n_ties: Queries on which both are equal.
        n_losses: Queries on which the baseline is better.
        mde: Smallest true difference that n queries as varied as these find with 80 % power.
        n_unjudged: Unjudged Pins among the first k of either system.
        difference_worst: Smallest difference that any grades of the unjudged Pins could give.
        difference_best: Largest.
        winner_flips: Share of draws of the grades from their posterior in which the other system
            wins; None without label noise.
    """

    p_value_t: float | None = None
    p_value_bootstrap: float | None = None
    bootstrap_ci_low: float | None = None
    bootstrap_ci_high: float | None = None
    n_wins: int | None = None
    n_ties: int | None = None
    n_losses: int | None = None
    mde: float | None = None
    n_unjudged: int | None = None
    difference_worst: float | None = None
    difference_best: float | None = None
    winner_flips: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRow(ComparisonRow):
    """A comparison of two variants; n counts users.

    Attributes:
        n_sessions: Sessions of both variants that the figure rests on.
        role: What the row is for: `primary`, `secondary`, `guardrail`, `unadjusted`, `look`,
            `heterogeneity`, `sample_ratio`, `verdict`, `count`, `plan`.
        ci_level: Level of this row's intervals; that of a family is higher than 1 - alpha.
        q_value: P-value of the group, adjusted for the false discovery rate (BH).
        shrunk_difference: Difference pulled towards the other groups' (empirical Bayes).
        shrunk_ci_low: Lower end of its interval.
        shrunk_ci_high: Upper end.
        variance_reduction: Share of the variance of the difference that CUPED took away.
        margin: Accepted loss of a guardrail, in the unit of `difference` or, where
            `margin_relative`, of `rel_difference`.
        margin_relative: See `margin`.
        p_always_valid: Always-valid p-value up to this look.
        sequence_ci_low: Lower end of the confidence sequence of the difference.
        sequence_ci_high: Its upper end.
        rel_sequence_ci_low: Lower end of the confidence sequence of the relative difference.
        rel_sequence_ci_high: Its upper end.
    """

    n_sessions: int = 0
    role: str = ""
    ci_level: float | None = None
    q_value: float | None = None
    shrunk_difference: float | None = None
    shrunk_ci_low: float | None = None
    shrunk_ci_high: float | None = None
    variance_reduction: float | None = None
    margin: float | None = None
    margin_relative: bool | None = None
    p_always_valid: float | None = None
    sequence_ci_low: float | None = None
    sequence_ci_high: float | None = None
    rel_sequence_ci_low: float | None = None
    rel_sequence_ci_high: float | None = None


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

    def sourced(self, source: str) -> Results:
        """The same rows, each saying what it was made from."""
        return Results(tuple(dataclasses.replace(row, source=source) for row in self.rows))

    @property
    def columns(self) -> list[str]:
        """Columns of the table: those of all kinds of rows in it, in the order of declaration."""
        present = {type(row) for row in self.rows}
        return _columns([kind for kind in ROW_TYPES if kind in present] or [Row])

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dictionary a row; NaN and infinities become None."""
        return [{name: _finite(getattr(row, name, None)) for name in self.columns} for row in self]

    def to_frame(self) -> pl.DataFrame:
        """The long table as a frame with every column of every kind of row."""
        import polars as pl

        types = {"str": pl.String, "float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean}
        declared = {
            field.name: str(field.type) for kind in ROW_TYPES for field in dataclasses.fields(kind)
        }
        schema = {
            name: types[declared[name].removesuffix("| None").strip()]
            for name in _columns(ROW_TYPES)
        }
        return pl.DataFrame(self.to_dicts(), schema=schema)

    def to_json(self) -> str:
        """A strict JSON array of rows."""
        return json.dumps(self.to_dicts(), ensure_ascii=False, allow_nan=False, indent=1)

    def to_csv(self) -> str:
        """CSV with a header; undefined cells are empty, texts safe in a spreadsheet."""
        out = io.StringIO()
        writer = csv.DictWriter(out, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: guard(v) if isinstance(v, str) else v for k, v in row.items()}
            for row in self.to_dicts()
        )
        return out.getvalue()

    def to_markdown(self) -> str:
        """A Markdown table, figures rounded for reading; what they are made from is left out."""
        names = [name for name in self.columns if name not in _LATER]
        rows = [[show(getattr(row, name, None), name) for name in names] for row in self]
        return markdown_table(names, rows)


def results_from(dicts: Iterable[dict[str, Any]]) -> Results:
    """Rows from dictionaries, such as a parsed JSON file; the inverse of `Results.to_dicts`.

    The columns `definition` and `source` may be missing.

    Raises:
        KeyError: A dictionary is not a row of the long table.
    """
    return Results(tuple(_row_from(values) for values in dicts))


def _row_from(values: dict[str, Any]) -> Row:
    """A row of the plainest kind that keeps every value: a shared frame has all columns."""
    fitting = [kind for kind in ROW_TYPES if set(_columns([kind])) - set(_LATER) <= set(values)]
    if not fitting:
        raise KeyError(f"not a row of the long table: {sorted(values)}")
    kind = ComparisonRow if ComparisonRow in fitting else Row
    for richer in (PairedRow, ExperimentRow):
        own = set(_columns([richer])) - set(_columns([ComparisonRow]))
        alone = richer is PairedRow and ExperimentRow not in fitting
        if richer in fitting and (alone or any(values[name] is not None for name in own)):
            kind = richer
    kept: dict[str, Any] = {name: values.get(name) or "" for name in _LATER}
    return kind(**{name: values[name] for name in _columns([kind]) if name not in _LATER} | kept)


ROW_TYPES: Sequence[type[Row]] = (Row, ComparisonRow, PairedRow, ExperimentRow)
"""Kinds of rows, each after those it extends."""

_LATER = ("definition", "source")


def _columns(kinds: Sequence[type[Row]]) -> list[str]:
    """Names of the fields of the kinds, in order, what a figure is made from last."""
    names = dict.fromkeys(field.name for kind in kinds for field in dataclasses.fields(kind))
    return [*(name for name in names if name not in _LATER), *_LATER]


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
