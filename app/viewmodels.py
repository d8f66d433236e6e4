"""Results tables → pages: what the dashboard and the HTML report show, before either draws it.

Every figure is a cell of a results table; nothing is computed here but its wording and its place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from app import cells, experiment_page, tabulate, wording
from app.blocks import (
    UNDEFINED,
    Block,
    Cell,
    Charts,
    Columns,
    Forest,
    KeyFigures,
    Page,
    Verdict,
)
from app.loading import MADE_BY, Tables
from app.published import THRESHOLDS
from app.tabulate import interval_axis, missing
from relevance.results import ComparisonRow, ExperimentRow, Row

QUALITY_METRICS = ("accuracy", *THRESHOLDS, "nDCG@20", "P@8")


def overview(tables: Tables, metric: str = "accuracy") -> Page:
    """The page a PM reads: verdict, key figures, countries, model quality, agreement.

    Args:
        tables: The workspace's results.
        metric: What the table of model quality shows.
    """
    quality = tabulate.quality_table(tables, metric)
    agreed = tabulate.agreement_table(tables, tabulate.HEADLINE_AGREEMENT)
    blocks = (
        verdict(tables),
        key_figures(tables),
        *_lifts(tables),
        Columns((quality, agreed), (3, 2)),
    )
    return Page("Overview", "Is the new ranking better, where, and may we ship it?", blocks)


def rankings(tables: Tables, metrics: Sequence[str] = ("nDCG@20",), group: str = "all") -> Page:
    """Ranking systems by country, and compared with their baseline.

    Args:
        tables: The workspace's results.
        metrics: What charts and comparisons show.
        group: Whose figures the table of systems shows.
    """
    blocks: list[Block] = []
    if len(tables.rows("ranking")):
        forests = (_by_group(tables, "ranking", metric) for metric in metrics)
        blocks.append(Charts(tuple(forests)))
        blocks.append(tabulate.systems_table(f"Systems, {_in(group)}", tables, "ranking", group))
    else:
        blocks.append(missing(tables, "ranking"))
    compared = cells.metrics_of(tables.rows("compare"))
    blocks += [
        tabulate.comparison_table(tables, metric) for metric in metrics if metric in compared
    ]
    if not compared:
        blocks.append(missing(tables, "compare"))
    return Page("Rankings", "How well each system orders Pins.", tuple(blocks))


def model_quality(
    tables: Tables, metrics: Sequence[str] = ("accuracy",), group: str = "all"
) -> Page:
    """How well the models' grades match people's, ours beside the paper's.

    Args:
        tables: The workspace's results.
        metrics: What the charts show.
        group: Whose figures the table of models shows.
    """
    blocks: tuple[Block, ...] = (missing(tables, "grades"),)
    if len(tables.rows("grades")):
        blocks = (
            Charts(tuple(_by_group(tables, "grades", metric) for metric in metrics)),
            tabulate.systems_table(f"Models, {_in(group)}", tables, "grades", group),
            tabulate.beside_the_paper(tables),
        )
    lead = "How well the models’ grades match people’s."
    return Page("Model quality", lead, (*blocks, tabulate.published_table()))


def agreement(tables: Tables, metrics: Sequence[str] = ("alpha(ordinal)",)) -> Page:
    """How far annotators agree, per country; `metrics` is what the charts show."""
    rows = tables.rows("agreement")
    blocks: tuple[Block, ...] = (missing(tables, "agreement"),)
    if len(rows):
        forests = tuple(_by_group(tables, "agreement", metric) for metric in metrics)
        blocks = (Charts(forests), tabulate.agreement_table(tables, cells.metrics_of(rows)))
    lead = "How far annotators agree: the ceiling of every model that learns from them."
    return Page("Agreement", lead, blocks)


def experiment(tables: Tables) -> Page:
    """The A/B test: verdict, lift per country, looks, guardrails, sample ratio, exclusions."""
    lead = "Did search fulfillment improve, where, and can the test be trusted?"
    if not experiment_page.rows_of(tables, "primary"):
        return Page("Experiment", lead, (missing(tables, "experiment"),))
    further = [row for row in tables.rows("experiment") if row.metric == "verdict"][1:]
    blocks = (verdict(tables), *map(_verdict_of, further), *experiment_page.blocks(tables))
    return Page("Experiment", lead, (*blocks, tabulate.published_launch_table()))


def about(tables: Tables) -> Page:
    """What the words mean and where the numbers come from."""
    blocks: list[Block] = [tabulate.definitions_table()]
    if tables.counts:
        blocks.append(tabulate.counts_table(tables))
    if tables.provenance:
        blocks.append(tabulate.provenance_table(tables))
    blocks += [missing(tables, name) for name in MADE_BY if name not in tables.results]
    lead = "What the words mean, and which commands made the numbers from what."
    return Page("About the numbers", lead, tuple(blocks))


def verdict(tables: Tables) -> Verdict:
    """The experiment's verdict and what it rests on."""
    row = next((row for row in tables.rows("experiment") if row.metric == "verdict"), None)
    if row is None:
        notice = missing(tables, "experiment")
        sentence = f"{notice.text} Make it with: {notice.commands[0]}"
        return Verdict("none", "No verdict", sentence, _offline_reason(tables))
    reasons = (*_online_reasons(tables), *_offline_reason(tables))
    return dataclasses.replace(_verdict_of(row), reasons=reasons)


def key_figures(tables: Tables) -> KeyFigures:
    """The five figures a PM reads first."""
    primary = _primary(tables)
    online = cells.lift_cell(primary, told=True) if primary else _absent(tables, "experiment")
    cells_of = {"Fulfillment lift": (online, "Search fulfillment rate")}
    for metric in ("nDCG@20", "P@8"):
        row = _compared(tables, metric)
        offline = cells.lift_cell(row, told=True) if row else _absent(tables, "compare")
        cells_of[f"{metric} lift"] = (offline, metric)
    alpha = tables.rows("agreement").find("alpha(ordinal)")
    agreed = cells.value_cell(alpha, told=True) if alpha else _absent(tables, "agreement")
    cells_of["Agreement α"] = (agreed, "Krippendorff’s α")
    teacher = tables.rows("grades").find("accuracy", system="teacher")
    accuracy = cells.value_cell(teacher, told=True) if teacher else _absent(tables, "grades")
    cells_of["Teacher accuracy"] = (accuracy, "Accuracy")
    return KeyFigures(
        tuple(
            cells.key_figure(label, cell, wording.DEFINITIONS[word])
            for label, (cell, word) in cells_of.items()
        )
    )


def quality_metrics(tables: Tables) -> tuple[str, ...]:
    """Metrics that the overview's table of model quality can show."""
    present = {*cells.metrics_of(tables.rows("grades")), *cells.metrics_of(tables.rows("ranking"))}
    return tuple(metric for metric in QUALITY_METRICS if metric in present)


def compared_system(tables: Tables) -> str | None:
    """The system whose comparison is the headline: `candidate`, else the first; None without."""
    systems = [row.system for row in tables.rows("compare")]
    candidates = [system for system in systems if system.startswith("candidate")]
    return next(iter((*candidates, *systems)), None)


def _verdict_of(row: Row) -> Verdict:
    said = row.note
    kind = next((kind for kind in wording.VERDICTS if said.lower().startswith(kind)), "none")
    if kind != "none":
        said = said[len(kind) :].lstrip(" :;,.–—-")
    return Verdict(kind, wording.VERDICTS.get(kind, "Verdict"), wording.sentence(said))


def _primary(tables: Tables) -> ExperimentRow | None:
    rows = tables.rows("experiment").rows
    first = rows[0] if rows else None
    return first if isinstance(first, ExperimentRow) and first.metric != "verdict" else None


def _compared(tables: Tables, metric: str) -> ComparisonRow | None:
    row = tables.rows("compare").find(metric, system=compared_system(tables))
    return row if isinstance(row, ComparisonRow) else None


def _absent(tables: Tables, name: str) -> Cell:
    if name in tables.results:
        return Cell(UNDEFINED, note=f"results-{name} has no such row")
    return Cell(UNDEFINED, note=f"made by: {MADE_BY[name]}")


def _online_reasons(tables: Tables) -> tuple[str, ...]:
    reasons = []
    primary = _primary(tables)
    if primary is not None:
        reasons.append(
            f"It rests on {cells.basis(primary).replace(', ', ' and ')}; users were randomised, so "
            "the intervals come from users."
        )
    ratio = tables.rows("experiment").find("sample_ratio")
    if isinstance(ratio, ComparisonRow):
        said = f" {ratio.note.rstrip('.')}." if ratio.note else ""
        reasons.append(
            f"Sample ratio check on users: p {_equals(wording.p_value(ratio.p_value))}.{said}"
        )
    return tuple(reasons)


def _offline_reason(tables: Tables) -> tuple[str, ...]:
    parts = []
    for metric in ("nDCG@20", "P@8"):
        row = _compared(tables, metric)
        if row is not None:
            lift = cells.lift_cell(row)
            parts.append(f"{metric} {lift.text} {lift.detail}".strip())
    if not parts:
        return ()
    system = wording.system_name(compared_system(tables) or "")
    pair = f"{system} against {tabulate.baseline_of(tables.rows('compare'))}"
    return (f"Offline, on people’s grades, {pair}: {wording.listing(parts)}.",)


def _lifts(tables: Tables) -> tuple[Block, ...]:
    """Online and offline lift per country, side by side in one order."""
    notices: list[Block] = []
    forests = []
    primary = _primary(tables)
    online: tuple[Row, ...] = ()
    if primary is not None:
        rows = experiment_page.rows_of(tables, "primary")
        online = cells.grouped([row for row in rows if row.system == primary.system], totals=False)
        forests.append(_lift_forest(tables, online, wording.metric_name(primary.metric)))
    else:
        notices.append(missing(tables, "experiment"))
    system = compared_system(tables)
    if system is not None:
        order = {row.group: place for place, row in enumerate(online)}
        offline = cells.grouped(
            cells.of_metric(tables.rows("compare"), "nDCG@20", system), totals=False
        )
        same = sorted(offline, key=lambda row: order.get(row.group, len(order)))
        forests.append(_lift_forest(tables, same, "nDCG@20"))
    else:
        notices.append(missing(tables, "compare"))
    return (Charts(tuple(forests)), *notices) if forests else tuple(notices)


def _lift_forest(tables: Tables, rows: Iterable[Row], name: str) -> Forest:
    compared = [row for row in rows if isinstance(row, ComparisonRow)]
    several = len({row.system for row in compared}) > 1
    points = tuple(
        cells.lift_point(row, wording.system_name(row.system) if several else "")
        for row in compared
    )
    return Forest(
        f"{name}: lift by {cells.slice_of(compared)}",
        points,
        percent=True,
        reference=0.0,
        axis=interval_axis(tables, "Relative difference"),
    )


def _by_group(tables: Tables, name: str, metric: str) -> Forest:
    results = tables.rows(name)
    points = [
        cells.value_point(row, wording.system_name(system))
        for system in cells.systems_of(results)
        for row in cells.grouped(cells.of_metric(results, metric, system), totals=False)
    ]
    places = {wording.group_name(name): at for at, name in enumerate(cells.groups_of(results))}
    points.sort(key=lambda point: places.get(point.label, len(places)))
    title = f"{wording.metric_name(metric)} by {cells.slice_of(results)}"
    return Forest(title, tuple(points), axis=interval_axis(tables, wording.metric_name(metric)))


def _equals(p_value: str) -> str:
    return p_value if p_value.startswith("<") else f"= {p_value}"


def _in(group: str) -> str:
    return "all together" if group == "all" else wording.group_name(group)
