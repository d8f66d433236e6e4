"""Rows of the long table → cells, chart points and key figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from app import wording
from app.blocks import UNDEFINED, Cell, KeyFigure, Point
from relevance.results import ComparisonRow, ExperimentRow, Row

SHARES = ("fulfilled", "sample_ratio", "heterogeneity", "excluded", "kept")
"""Beginnings of metrics that are read in percent, as is every rate of an experiment."""

DOUBT = "invalid"
"""Beginning of a note that says a figure is no evidence."""

TOTALS = ("all", "(mean)", "(traffic)")


def shown(row: Row) -> Callable[[float | None], str]:
    """How figures of this row's metric are written."""
    sessions = isinstance(row, ExperimentRow) and row.n_sessions
    within = row.value is None or 0 <= row.value <= 1
    share = within and (sessions or row.metric.startswith(SHARES))
    return wording.rate if share else wording.number


def value_cell(row: Row | None, missing: str = "", *, told: bool = False) -> Cell:
    """A row's figure with its interval; `—` with the reason if it is undefined or there is none.

    Args:
        row: The row; None if the table has no such row.
        missing: Why there is no row.
        told: Whether what is to be known of a defined figure becomes a footnote, not only a hint.
    """
    if row is None:
        return Cell(UNDEFINED, note=missing)
    form = shown(row)
    ends = wording.interval(form(row.ci_low), form(row.ci_high))
    return _cell(row, row.value, form(row.value), ends, told=told)


def difference_cell(row: ComparisonRow) -> Cell:
    """A row's absolute difference with its interval."""
    low, high = map(wording.difference, (row.difference_ci_low, row.difference_ci_high))
    text = wording.difference(row.difference)
    return _cell(row, row.difference, text, wording.interval(low, high))


def shrunk_cell(row: ExperimentRow) -> Cell:
    """A group's difference, pulled towards the other groups'; its interval is the tooltip."""
    if row.shrunk_difference is None:
        return Cell("")
    low, high = map(wording.difference, (row.shrunk_ci_low, row.shrunk_ci_high))
    return Cell(wording.difference(row.shrunk_difference), hint=wording.interval(low, high))


def lift_cell(row: ComparisonRow, *, told: bool = False) -> Cell:
    """A row's relative difference with its interval; `told` as in `value_cell`."""
    ends = wording.interval(
        wording.lift(row.rel_difference_ci_low), wording.lift(row.rel_difference_ci_high)
    )
    return _cell(row, row.rel_difference, wording.lift(row.rel_difference), ends, told=told)


def _cell(row: Row, value: float | None, text: str, ends: str, *, told: bool = False) -> Cell:
    said = wording.remark(row.note)
    faint = wording.THIN in row.note
    if value is None:
        return Cell(text, ends, basis(row), said or "undefined, and the table gives no reason")
    if told:
        return Cell(text, ends, basis(row), said, faint=faint)
    return Cell(text, ends, ". ".join(filter(None, (basis(row), said))), faint=faint)


def p_cell(value: float | None, why: str) -> Cell:
    """A p-value; `—` with the reason why there is none."""
    return Cell(wording.p_value(value), note=why if value is None else "")


def text_cell(text: str) -> Cell:
    """A cell that is not a figure."""
    return Cell(text, figure=False)


def count_cell(value: int | None) -> Cell:
    """A count."""
    return Cell(wording.count(value))


def span_cell(counts: Iterable[int]) -> Cell:
    """The counts that several figures of one line rest on: one number, or from–to."""
    found = sorted(set(counts))
    if not found:
        return Cell(UNDEFINED, note="nothing was counted")
    ends = [wording.count(each) for each in {found[0]: 0, found[-1]: 0}]
    return Cell("–".join(ends))


def basis(row: Row) -> str:
    """What a figure rests on: `412 queries, 3 left out`."""
    unit, n = wording.unit(row.metric), wording.count(row.n)
    parts = [f"{n} {unit}" if unit else f"n = {n}"]
    if row.n_undefined:
        parts.append(f"{wording.count(row.n_undefined)} left out")
    if isinstance(row, ExperimentRow) and row.n_sessions:
        parts = [
            f"{wording.count(row.n)} users",
            f"{wording.count(row.n_sessions)} sessions",
        ]
    return ", ".join(parts)


def value_point(row: Row, series: str = "") -> Point:
    """A row's figure as a chart's point."""
    cell = value_cell(row)
    return Point(
        label=wording.group_name(row.group),
        series=series,
        value=row.value,
        low=row.ci_low,
        high=row.ci_high,
        text=" ".join(filter(None, (cell.text, cell.detail or cell.note))),
        hint=". ".join(filter(None, (cell.hint, cell.note))),
    )


def lift_point(row: ComparisonRow, series: str = "") -> Point:
    """A row's relative difference as a chart's point."""
    cell = lift_cell(row)
    return Point(
        label=wording.group_name(row.group),
        series=series,
        value=row.rel_difference,
        low=row.rel_difference_ci_low,
        high=row.rel_difference_ci_high,
        text=" ".join(filter(None, (cell.text, cell.detail or cell.note))),
        hint=". ".join(filter(None, (cell.hint, cell.note))),
    )


def key_figure(label: str, cell: Cell, definition: str = "") -> KeyFigure:
    """A cell as a key figure.

    Its hint tells what else is to be known; an undefined figure shows its reason instead of what it
    rests on, and one that is in doubt shows that beside it.
    """
    if cell.text == UNDEFINED:
        return KeyFigure(label, UNDEFINED, basis=cell.note, hint=definition)
    hint = " ".join(filter(None, (definition, cell.note)))
    doubt = cell.note.partition(";")[0] if cell.note.startswith(DOUBT) else ""
    basis = ". ".join(filter(None, (doubt, cell.hint)))
    return KeyFigure(label, cell.text, cell.detail, basis, hint)


def of_metric(results: Iterable[Row], metric: str, system: str | None = None) -> tuple[Row, ...]:
    """Rows of a metric (and system), in table order."""
    return tuple(row for row in results if row.metric == metric and system in (None, row.system))


def slice_of(results: Iterable[Row]) -> str:
    """The column that results are split by: `country` if it is there, else the first other one."""
    slices = list(dict.fromkeys(row.slice for row in results if row.slice != "all"))
    return "country" if "country" in slices or not slices else slices[0]


def grouped(rows: Iterable[Row], *, totals: bool = True) -> tuple[Row, ...]:
    """The overall row and those of the split, totals first.

    Args:
        rows: Rows of one metric and system.
        totals: Whether `(mean)` and `(traffic)` are wanted too.
    """
    chosen = tuple(rows)
    column = slice_of(chosen)
    kept = [row for row in chosen if row.slice in ("all", column)]
    first = [row for name in TOTALS for row in kept if row.group == name]
    wanted = [row for row in first if totals or row.group == "all"]
    return (*wanted, *(row for row in kept if row.group not in TOTALS))


def groups_of(results: Iterable[Row]) -> tuple[str, ...]:
    """Groups of the split in table order, totals first."""
    return tuple(dict.fromkeys(row.group for row in grouped(results)))


def metrics_of(results: Iterable[Row]) -> tuple[str, ...]:
    """Metrics in table order."""
    return tuple(dict.fromkeys(row.metric for row in results))


def systems_of(results: Iterable[Row]) -> tuple[str, ...]:
    """Systems: those with a name of their own in that order, then the others in table order."""
    present = list(dict.fromkeys(row.system for row in results))
    known = [system for system in wording.SYSTEMS if system in present]
    return (*known, *(system for system in present if system not in known))


def find(rows: Iterable[Row], metric: str, group: str, system: str | None = None) -> Row | None:
    """The first row of that metric and group (and system, if given), or None."""
    return next((row for row in of_metric(rows, metric, system) if row.group == group), None)
