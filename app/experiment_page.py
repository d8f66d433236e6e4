"""The page of an A/B test: results-experiment → verdict, lifts, looks, guardrails, checks."""

from __future__ import annotations

from collections.abc import Sequence

from app import cells, tabulate, wording
from app.blocks import Block, Cell, Charts, Curves, Forest, Point, Table
from app.loading import Tables
from app.tabulate import interval_axis
from relevance.results import ExperimentRow


def rows_of(tables: Tables, *roles: str) -> tuple[ExperimentRow, ...]:
    """Rows of the experiment that are there for one of these reasons, in table order."""
    rows = tables.rows("experiment").rows
    return tuple(row for row in rows if isinstance(row, ExperimentRow) and row.role in roles)


def lift_forest(tables: Tables) -> Forest:
    """The primary overall and by group, every treatment a series."""
    rows = rows_of(tables, "primary")
    chosen = cells.grouped(rows, totals=False)
    shown = [row for row in chosen if isinstance(row, ExperimentRow)]
    several = len({row.system for row in shown}) > 1
    points = tuple(
        cells.lift_point(row, wording.system_name(row.system) if several else "") for row in shown
    )
    name = wording.metric_name(rows[0].metric) if rows else ""
    family = any(row.slice != "all" and row.p_adjusted is not None for row in shown)
    return Forest(
        f"{name}: lift by {cells.slice_of(rows)}",
        points,
        percent=True,
        reference=0.0,
        axis=interval_axis(tables, "Relative difference"),
        caption=_FAMILY if family else "",
    )


def blocks(tables: Tables) -> list[Block]:
    """Everything below the verdict."""
    looks, days = look_curves(tables), ratio_curves(tables)
    found: list[Block] = [Charts(tuple(chart for chart in (lift_forest(tables), looks) if chart))]
    found.append(tabulate.variants_table(tables, cells.grouped(rows_of(tables, "primary"))))
    guardrails = rows_of(tables, "guardrail")
    if guardrails:
        found.append(guardrail_table(tables, guardrails))
    others = [row for row in rows_of(tables, "secondary") if row.slice == "all"]
    others += rows_of(tables, "unadjusted")
    if others:
        found.append(outcome_table(tables, others))
    if days:
        found.append(Charts((days,)))
    checks = [row for row in rows_of(tables, "sample_ratio", "heterogeneity") if row.slice != "day"]
    if checks:
        found.append(tabulate.checks_table(checks))
    funnel = rows_of(tables, "count")
    if funnel:
        found.append(funnel_table(funnel))
    return found


def look_curves(tables: Tables) -> Curves | None:
    """The lift as it was every evening, with its always-valid and its fixed-horizon interval."""
    rows = rows_of(tables, "look")
    if not rows:
        return None
    several = len({row.system for row in rows}) > 1
    points = []
    for row in rows:
        of = f" {wording.system_name(row.system)}" if several else ""
        ends = (row.rel_sequence_ci_low, row.rel_sequence_ci_high)
        always = wording.interval(*map(wording.lift, ends))
        basis = ". ".join(filter(None, (cells.basis(row), wording.remark(row.note))))
        points += [
            Point(
                row.group,
                f"Always valid{of}",
                row.rel_difference,
                *ends,
                f"{wording.lift(row.rel_difference)} {always}".strip(),
                f"{basis}. p {wording.p_value(row.p_always_valid)}",
            ),
            Point(
                row.group,
                f"If this were the only look{of}",
                row.rel_difference,
                row.rel_difference_ci_low,
                row.rel_difference_ci_high,
                cells.lift_cell(row).text,
                f"{basis}. p {wording.p_value(row.p_value)}",
            ),
        ]
    return Curves(
        f"{wording.metric_name(rows[0].metric)}: lift up to each day",
        tuple(points),
        percent=True,
        reference=0.0,
        axis="End of day (UTC)",
        caption="The wide band may be looked at every day; the narrow one only once, at the end.",
    )


def ratio_curves(tables: Tables) -> Curves | None:
    """Share of users in the treatment among those first exposed on each day."""
    rows = [row for row in rows_of(tables, "sample_ratio") if row.slice == "day"]
    if not rows:
        return None
    several = len({row.system for row in rows}) > 1
    points = tuple(
        Point(
            row.group,
            wording.system_name(row.system) if several else "",
            row.value,
            row.ci_low,
            row.ci_high,
            cells.value_cell(row).text,
            ". ".join(filter(None, (f"{wording.count(row.n)} users", wording.remark(row.note)))),
        )
        for row in rows
    )
    return Curves(
        "Sample ratio by day of first exposure",
        points,
        reference=rows[0].baseline,
        axis="Day (UTC)",
        caption="Share of new users in the treatment, with the interval of the check; the dotted "
        "line is the intended share.",
    )


def guardrail_table(tables: Tables, rows: Sequence[ExperimentRow]) -> Table:
    """Guardrails with their margins and what was found."""
    body = [(*_outcome(row), _margin(row), *_figures(row), _finding(row)) for row in rows]
    head = ("Guardrail", "Margin", "Control", "Treatment", "Lift", "p", "Finding")
    return Table("Guardrails", head, tuple(body), tabulate.interval_caption(tables))


def outcome_table(tables: Tables, rows: Sequence[ExperimentRow]) -> Table:
    """Secondary outcomes, and the primary without any adjustment."""
    body = [
        (*_outcome(row), *_figures(row), cells.p_cell(row.p_adjusted, "adjusted with no other"))
        for row in rows
    ]
    head = ("Outcome", "Control", "Treatment", "Lift", "p", "p adjusted")
    return Table("Other outcomes", head, tuple(body), tabulate.interval_caption(tables))


def funnel_table(rows: Sequence[ExperimentRow]) -> Table:
    """What was counted and left out on the way from the log to the figures."""
    body = tuple(
        (
            cells.text_cell(wording.metric_name(row.metric)),
            cells.count_cell(row.n or row.n_sessions or 0),
            cells.text_cell("users" if row.n else "sessions" if row.n_sessions else ""),
            Cell("" if row.value is None else wording.rate(row.value)),
            cells.text_cell(wording.remark(row.note)),
        )
        for row in rows
    )
    return Table("From the log to the figures", ("Step", "n", "of", "Share", "Remark"), body)


_FAMILY = "Intervals of the groups are wider: they hold for all groups together."


def _outcome(row: ExperimentRow) -> tuple[Cell]:
    return (cells.text_cell(wording.metric_name(row.metric)),)


def _figures(row: ExperimentRow) -> tuple[Cell, ...]:
    form = cells.shown(row)
    return (
        Cell(form(row.baseline)),
        Cell(form(row.value)),
        cells.lift_cell(row),
        cells.p_cell(row.p_value, wording.remark(row.note) or "no test was made"),
    )


def _margin(row: ExperimentRow) -> Cell:
    if row.margin is None:
        return Cell("")
    said = wording.lift if row.margin_relative else wording.difference
    return Cell(said(row.margin))


def _finding(row: ExperimentRow) -> Cell:
    return cells.text_cell(wording.remark(row.note))
