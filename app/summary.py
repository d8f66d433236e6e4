"""The demo's last words: a compact table of what was found, country by country.

Every figure is a cell of a results table; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from relevance.results import ComparisonRow, Results, Row

ALL = "all"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        label: What it shows.
        part: Which results table it is from.
        metric: Its metric.
        system: Its system; None for any.
        relative: Whether the relative difference is shown instead of the value.
    """

    label: str
    part: str
    metric: str
    system: str | None = None
    relative: bool = False


LINES = (
    Line("agreement α", "agreement", "alpha(ordinal)"),
    Line("teacher accuracy", "grades", "accuracy", "teacher"),
    Line("  majority grade", "grades", "accuracy", "majority"),
    Line("teacher AUROC@4", "grades", "AUROC@4", "teacher"),
    Line("student AUROC@4", "grades", "AUROC@4", "student"),
    Line("  human labels only", "grades", "AUROC@4", "student_human"),
    Line("  BM25", "grades", "AUROC@4", "bm25"),
    Line("  chance", "grades", "AUROC@4", "chance"),
    Line("candidate nDCG@20", "compare", "nDCG@20", "candidate", relative=True),
    Line("candidate P@8", "compare", "P@8", "candidate", relative=True),
    Line("A/B fulfillment", "experiment", "fulfilled", relative=True),
)


def summary_table(
    parts: Mapping[str, Results], true_lift: Mapping[str, float] | None = None
) -> tuple[list[str], list[list[str]]]:
    """Header and cells: the overall figure with its interval, then each country's.

    Args:
        parts: Results tables by name (`grades`, `compare`, …); missing ones give no lines.
        true_lift: The world's true relative lift by country, for a last line to check against.
    """
    groups = list(
        dict.fromkeys(
            row.group
            for results in parts.values()
            for row in results
            if row.slice == "country" and row.group != ALL and not row.group.startswith("(")
        )
    )
    groups.sort()
    rows = [
        _cells(line, parts[line.part], groups)
        for line in LINES
        if line.part in parts and parts[line.part].find(line.metric, system=line.system)
    ]
    if true_lift:
        truth = [f"{true_lift[name]:+.1%}" if name in true_lift else "" for name in (ALL, *groups)]
        rows.append(["  true lift", truth[0], "", *truth[1:]])
    return ["", "all", "95 % interval", *groups], rows


def verdict_sentence(parts: Mapping[str, Results]) -> str:
    """The experiment's verdict with its reasons, or that there is none."""
    row = parts["experiment"].find("verdict") if "experiment" in parts else None
    return row.note if row else "no verdict: there is no experiment"


def _cells(line: Line, results: Results, groups: list[str]) -> list[str]:
    show = _relative if line.relative else _value
    rows = [results.find(line.metric, group=group, system=line.system) for group in (ALL, *groups)]
    overall = rows[0]
    return [line.label, show(overall), _interval(overall, line.relative), *map(show, rows[1:])]


def _value(row: Row | None) -> str:
    return "—" if row is None or row.value is None else f"{row.value:.3f}"


def _relative(row: Row | None) -> str:
    known = isinstance(row, ComparisonRow) and row.rel_difference is not None
    return f"{row.rel_difference:+.1%}" if known and isinstance(row, ComparisonRow) else "—"


def _interval(row: Row | None, relative: bool) -> str:
    ends: tuple[float | None, float | None] = (None, None)
    form: Callable[[float], str] = "{:.3f}".format
    if relative and isinstance(row, ComparisonRow):
        ends, form = (row.rel_difference_ci_low, row.rel_difference_ci_high), "{:+.1%}".format
    elif row is not None and not relative:
        ends = (row.ci_low, row.ci_high)
    low, high = ends
    return "" if low is None or high is None else f"[{form(low)}, {form(high)}]"
