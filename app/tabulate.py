"""Rows of the results tables → tables to show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from app import cells, wording
from app.blocks import UNDEFINED, Cell, Notice, Table
from app.loading import MADE_BY, Tables
from app.published import ONLINE, PUBLISHED, SOURCE, THRESHOLDS, published_beside
from relevance.results import ComparisonRow, ExperimentRow, PairedRow, Row

HEADLINE_SYSTEMS = ("teacher", "student", "student_human", "bm25")
HEADLINE_AGREEMENT = ("alpha(ordinal)", "kappa(weights=quadratic)", "within1")
_SHRUNK = (
    "Shrunk: pulled towards the other groups, by as much as its own figure is uncertain; the best "
    "guess of what a group will show next time."
)
COMPARED = ("Difference", "Lift", "p", "p adjusted")


def missing(tables: Tables, name: str) -> Notice:
    """Says that a results table is not there or cannot be read, and which command makes it."""
    problem = tables.problems.get(name, f"There is no results-{name} table in this workspace yet.")
    alone = f"{MADE_BY[name]} … --format csv > {tables.name}/results-{name}.csv"
    return Notice(problem, (alone, "gradewise demo"))


def interval_caption(tables: Tables) -> str:
    """What the intervals are."""
    level = "" if tables.level is None else f"{tables.level:.0%} "
    return f"[low, high]: {level}interval."


def interval_axis(tables: Tables, what: str) -> str:
    """What an axis shows, and what the bars on it are."""
    level = "" if tables.level is None else f"{tables.level:.0%} "
    return f"{what} with {level}interval"


def quality_table(tables: Tables, metric: str) -> Table | Notice:
    """Groups × the four headline systems for one metric, from grades or ranking."""
    rows = [*tables.rows("grades"), *tables.rows("ranking")]
    if not rows:
        return missing(tables, "grades")
    chosen = cells.of_metric(rows, metric)
    return _matrix(
        f"Model quality: {wording.metric_name(metric)}",
        cells.slice_of(chosen).capitalize(),
        {group: wording.group_name(group) for group in cells.groups_of(chosen)},
        {system: wording.system_name(system) for system in HEADLINE_SYSTEMS},
        lambda group, system: cells.find(chosen, metric, group, system),
        told="all",
        why=lambda system: _why_not(system, metric),
        caption=interval_caption(tables),
    )


def systems_table(title: str, tables: Tables, name: str, group: str) -> Table:
    """Systems × metrics of one results table for one group."""
    rows = tuple(row for row in tables.rows(name) if row.group == group)
    return _matrix(
        title,
        "System",
        {system: wording.system_name(system) for system in cells.systems_of(rows)},
        {metric: wording.metric_name(metric) for metric in cells.metrics_of(rows)},
        lambda system, metric: cells.find(rows, metric, group, system),
        caption=interval_caption(tables),
    )


def agreement_table(tables: Tables, metrics: Sequence[str]) -> Table | Notice:
    """Groups × agreement coefficients."""
    rows = tables.rows("agreement").rows
    if not rows:
        return missing(tables, "agreement")
    present = cells.metrics_of(rows)
    return _matrix(
        "Agreement of annotators",
        cells.slice_of(rows).capitalize(),
        {group: wording.group_name(group) for group in cells.groups_of(rows)},
        {metric: wording.metric_name(metric) for metric in metrics if metric in present},
        lambda group, metric: cells.find(rows, metric, group),
        told="all",
        caption=interval_caption(tables),
    )


def comparison_table(tables: Tables, metric: str) -> Table:
    """Systems × groups: each system beside its baseline."""
    results = tables.rows("compare")
    body = []
    for system in dict.fromkeys(row.system for row in results):
        for row in cells.grouped(cells.of_metric(results, metric, system)):
            if isinstance(row, ComparisonRow):
                names = (wording.system_name(system), wording.group_name(row.group))
                counts = (_won(row), cells.count_cell(row.n))
                body.append((*map(cells.text_cell, names), *_compared(row), *counts))
    column = cells.slice_of(results).capitalize()
    return Table(
        f"Compared with {baseline_of(results)}: {wording.metric_name(metric)}",
        ("System", column, "Baseline", "Value", *COMPARED, "Win/tie/loss", "n"),
        tuple(body),
        f"{interval_caption(tables)} p adjusted: for the whole family of figures compared.",
    )


def baseline_of(rows: Iterable[Row]) -> str:
    """The one baseline that comparisons name, as people call it; else `the baseline`."""
    names = {wording.baseline_name(row.note) for row in rows}
    name = names.pop() if len(names) == 1 else ""
    return wording.system_name(name) if name else "the baseline"


def variants_table(tables: Tables, rows: Sequence[Row]) -> Table:
    """Groups × what control and treatment did."""
    body = []
    several = len({row.system for row in rows}) > 1
    experiment = [row for row in rows if isinstance(row, ExperimentRow)]
    shrunk = any(row.shrunk_difference is not None for row in experiment)
    for row in experiment:
        place = wording.group_name(row.group)
        name = cells.text_cell(f"{place}, {row.system}" if several else place)
        counts = (cells.count_cell(row.n), cells.count_cell(row.n_sessions))
        pulled = (cells.shrunk_cell(row),) if shrunk else ()
        body.append((name, *_compared(row), *pulled, *counts))
    column = cells.slice_of(rows).capitalize()
    heads = ("Shrunk",) if shrunk else ()
    return Table(
        "Control and treatment",
        (column, "Control", "Treatment", *COMPARED, *heads, "Users", "Sessions"),
        tuple(body),
        interval_caption(tables) + (f" {_SHRUNK}" if shrunk else ""),
        sum(row.group in cells.TOTALS for row in rows),
    )


def checks_table(rows: Sequence[ExperimentRow]) -> Table:
    """The sample ratio and whether groups differ."""
    body = tuple(
        (
            cells.text_cell(wording.metric_name(row.metric)),
            cells.text_cell(wording.group_name(row.group)),
            Cell(_loose(row)),
            Cell("" if row.p_value is None else wording.p_value(row.p_value)),
            cells.count_cell(row.n or row.n_sessions or 0),
            cells.text_cell(wording.remark(row.note)),
        )
        for row in rows
    )
    return Table("Checks", ("Check", "Group", "Value", "p", "n", "Remark"), body)


def beside_the_paper(tables: Tables) -> Table:
    """Our models' overall figures, each beside the paper's model of the same role."""
    rows = tuple(row for row in tables.rows("grades") if row.group == "all")
    metrics = [name for name in ("accuracy", *THRESHOLDS) if name in cells.metrics_of(rows)]
    body, models = [], []
    for system in cells.systems_of(rows):
        theirs = published_beside(system)
        if theirs is None:
            continue
        models.append(f"{wording.system_name(system)} beside {theirs.model} ({theirs.status})")
        figures = [
            cell
            for metric in metrics
            for cell in (
                cells.value_cell(cells.find(rows, metric, "all", system), "not in the table"),
                Cell("", wording.number(theirs.value(metric)), f"Published by {SOURCE}"),
            )
        ]
        body.append((cells.text_cell(wording.system_name(system)), *figures))
    heads = [head for metric in metrics for head in (wording.metric_name(metric), "published")]
    return Table(
        "Beside the paper",
        ("Model", *heads),
        tuple(body),
        f"published: the paper’s own figure ({SOURCE}), on its data and never ours. It shows the "
        f"shape to expect, not a score to reach. {'; '.join(models)}.",
    )


def published_table() -> Table:
    """Every model that the paper reports."""
    body = tuple(
        (
            cells.text_cell(row.model),
            *(Cell(wording.number(value)) for value in row.values),
            cells.text_cell(row.status),
        )
        for row in PUBLISHED
    )
    return Table(
        "Published by the paper",
        ("The paper’s model", "Accuracy", *THRESHOLDS, "Status"),
        body,
        f"published: by {SOURCE}; none of it measured here. secondary: from two agreeing "
        "secondary sources.",
    )


def published_launch_table() -> Table:
    """What the paper reports of its own experiment."""
    return Table(
        "Published by the paper",
        ("Lift", "published", "Status"),
        tuple(tuple(map(cells.text_cell, row)) for row in ONLINE),
        f"published: by {SOURCE}, of its own launch; none of it measured here. secondary: from two "
        "agreeing secondary sources. disputed: they contradict each other.",
    )


def definitions_table() -> Table:
    """What the words mean."""
    body = tuple(tuple(map(cells.text_cell, pair)) for pair in wording.DEFINITIONS.items())
    return Table("Definitions", ("Word", "Meaning"), body)


def counts_table(tables: Tables) -> Table:
    """How many human labels the workspace holds."""
    counts = tables.counts.items()
    body = tuple((cells.text_cell(name), cells.count_cell(n)) for name, n in counts)
    return Table("Human labels", ("Table", "Rows"), body)


def provenance_table(tables: Tables) -> Table:
    """Which command made each results table, when, from what."""
    body = tuple(
        tuple(map(cells.text_cell, _made(name, each))) for name, each in tables.provenance.items()
    )
    header = ("Table", "Made by", "At (UTC)", "Version", "Seed", "Configuration", "Inputs")
    return Table(
        "Where the numbers come from", header, body, "Inputs: first 8 digits of their SHA-256."
    )


def _matrix(
    title: str,
    corner: str,
    lines: Mapping[str, str],
    columns: Mapping[str, str],
    find: Callable[[str, str], Row | None],
    *,
    why: Callable[[str], str] = lambda column: f"the table has no {column} here",
    caption: str = "",
    told: str | None = None,
) -> Table:
    """Lines × columns of figures, and the n they rest on.

    Args:
        title: Heading.
        corner: Head of the first column.
        lines: Key → name of each line.
        columns: Key → name of each column.
        find: The row of a line's and a column's key.
        why: Why a column has no row somewhere.
        caption: What to know about all of it.
        told: The line whose remarks become footnotes (the others' are hints); by default all are.
    """
    body = []
    for key, name in lines.items():
        found = {column: find(key, column) for column in columns}
        figures = [
            cells.value_cell(row, why(column), told=told is None or key == told)
            for column, row in found.items()
        ]
        n = cells.span_cell(row.n for row in found.values() if row is not None)
        body.append((cells.text_cell(name), *figures, n))
    totals = sum(key in cells.TOTALS for key in lines)
    return Table(title, (corner, *columns.values(), "n"), tuple(body), caption, totals)


def _compared(row: ComparisonRow) -> tuple[Cell, ...]:
    form = cells.shown(row)
    return (
        Cell(form(row.baseline)),
        Cell(form(row.value)),
        cells.difference_cell(row),
        cells.lift_cell(row, told=row.group == "all"),
        cells.p_cell(row.p_value, wording.remark(row.note) or "no test was made"),
        cells.p_cell(row.p_adjusted, "not among the figures that are adjusted together"),
    )


def _won(row: ComparisonRow) -> Cell:
    """Queries on which the system is better, equal, worse."""
    if not isinstance(row, PairedRow) or row.n_wins is None:
        return Cell(UNDEFINED, note="counted per group of queries only")
    return Cell("/".join(wording.count(n) for n in (row.n_wins, row.n_ties, row.n_losses)))


def _why_not(system: str, metric: str) -> str:
    if system == "bm25" and metric in ("accuracy", *THRESHOLDS):
        return "BM25 orders Pins; it gives no grades"
    return f"no table has {metric} of this system"


def _loose(row: Row) -> str:
    """A check's value; empty if it has none."""
    return "" if row.value is None else cells.shown(row)(row.value)


def _made(name: str, provenance: Mapping[str, Any]) -> Iterable[str]:
    inputs = provenance.get("inputs") or {}
    seed = provenance.get("seed")
    return (
        f"results-{name}",
        str(provenance.get("command", "")),
        str(provenance.get("made_at", ""))[:19].replace("T", " "),
        str(provenance.get("version", "")),
        "" if seed is None else str(seed),
        ", ".join(f"{key} = {value}" for key, value in (provenance.get("config") or {}).items()),
        ", ".join(f"{key} {str(each)[:8]}" for key, each in inputs.items()),
    )
