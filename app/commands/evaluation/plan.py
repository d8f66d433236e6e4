"""`gradewise evaluation plan`: how many queries, pairs and hours a measurement takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.evaluation.shared import (
    AllowSeenOption,
    EmptyOption,
    QrelsOption,
    QueriesOption,
    Sources,
    TiesOption,
    checked_level,
    named_file,
    read,
    read_queries,
    seen,
    systems,
)
from app.output import Format, FormatOption, LevelOption, SeedOption, emit, print_table
from app.scales import ScaleOption, scale_named
from relevance.errors import SettingsError

if TYPE_CHECKING:
    from evaluation.planning.observed import Target
    from relevance.results import Results, Row


def plan(
    *,
    baseline: Annotated[str, typer.Option("--baseline", help="[NAME=]FILE of the system in use.")],
    qrels: QrelsOption,
    candidate: Annotated[
        str | None, typer.Option("--candidate", help="[NAME=]FILE of the other system.")
    ] = None,
    queries: QueriesOption = None,
    judgments: Annotated[
        Path | None,
        typer.Option("--judgments", help="Single grades: how graders differ, how fast they are."),
    ] = None,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Comma-separated; their cutoff is the depth graded.")
    ] = "nDCG@20",
    by: Annotated[
        list[str] | None, typer.Option("--by", help="Column to split the budget by, as country.")
    ] = None,
    strata: Annotated[
        list[str] | None,
        typer.Option("--strata", help="Further columns to draw by: segment:popularity."),
    ] = None,
    mde: Annotated[
        str | None, typer.Option("--mde", help="Difference to find: 0.005, or 1% of the baseline.")
    ] = None,
    half_width: Annotated[
        str | None, typer.Option("--half-width", help="Of the level's interval: .01, or 1%.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("--number", min=2, help="Queries to look at; else those graded.")
    ] = None,
    power: Annotated[float, typer.Option("--power", help="Chance to find the difference.")] = 0.8,
    correlation: Annotated[
        float | None,
        typer.Option("--correlation", help="Of the two systems, assumed without a candidate."),
    ] = None,
    graders: Annotated[int, typer.Option("--graders", min=1, help="Judgments a pair.")] = 3,
    depth: Annotated[
        int | None, typer.Option("--depth", min=1, help="Pins graded a system; else the cutoff.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", help="A judgment takes; else as the judgments show, or 15."),
    ] = None,
    hourly_rate: Annotated[
        float | None, typer.Option("--hourly-rate", help="Pay of a grader's hour.")
    ] = None,
    finite: Annotated[
        bool, typer.Option("--finite", help="These queries are all: correct for drawing many.")
    ] = False,
    scale: ScaleOption = "five",
    ties: TiesOption = "docid",
    empty: EmptyOption = None,
    allow_seen: AllowSeenOption = False,
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.TEXT,
) -> None:
    """How many queries, pairs, hours a wanted interval or difference takes, from graded queries.

    gradewise evaluation plan --baseline a.parquet --candidate b.parquet --qrels qrels.parquet
    --queries queries.parquet --by country --strata segment:popularity --mde 1%
    """
    from evaluation.planning.budget import Costs
    from evaluation.planning.observed import plan_ranking

    of = scale_named(scale)
    target = _target(mde, half_width, number, level=checked_level(level), power=power)
    files = [named_file(text) for text in (baseline, candidate) if text is not None]
    sources = Sources({
        **dict(zip(("baseline", "candidate"), (path for _, path in files), strict=False)),
        "qrels": qrels, "queries": queries, "judgments": judgments,
    })  # fmt: skip
    runs = [systems(*file, "runs", "system", of) for file in files]
    results = plan_ranking(
        runs[0],
        read(qrels, "qrels", of),
        read_queries(queries),
        candidate=runs[1] if len(runs) > 1 else None,
        judgments=None if judgments is None else read(judgments, "judgments", of),
        metrics=metrics,
        by=by,
        strata=strata,
        target=target,
        costs=Costs(graders=graders, seconds=seconds, hourly_rate=hourly_rate, depth=depth),
        correlation=correlation,
        finite=finite,
        scale=of,
        ties=ties,
        empty=empty,
        seed=seed,
        seen=seen(path for _, path in files),
        allow_seen=allow_seen,
    ).sourced(sources.text)
    if form is Format.TEXT:
        _print(results)
    else:
        emit(results, form)


def _target(
    mde: str | None, half_width: str | None, number: int | None, *, level: float, power: float
) -> Target:
    from evaluation.planning.observed import Target

    wanted = {"mde": mde, "half_width": half_width}
    amounts = {name: _amount(name, text) for name, text in wanted.items() if text is not None}
    return Target(
        **{name: value for name, (value, _) in amounts.items()},
        relative=any(relative for _, relative in amounts.values()),
        n=number,
        level=level,
        power=power,
    )


def _amount(name: str, text: str) -> tuple[float, bool]:
    """`1%` → (0.01, True); `0.005` → (0.005, False)."""
    try:
        return (float(text[:-1]) / 100, True) if text.endswith("%") else (float(text), False)
    except ValueError:
        option = name.replace("_", "-")
        raise SettingsError(
            f"--{option} must be a number or a percentage of the baseline, got {text!r}. "
            "Write it like 0.005 or 1%"
        ) from None


def _print(results: Results) -> None:
    """What can be had with the queries at hand, what the target needs, and the budget."""
    rows = {(row.metric, row.slice, row.group): row for row in results}
    for mean in (row for row in results if row.metric.startswith("mean(")):
        measure = mean.metric[len("mean(") : -1]
        typer.echo(f"{measure}: {mean.value:.4f} over {mean.n:,} graded queries; {mean.note}\n")
        _print_designs(results, measure)
        _print_gains(results, measure)
        _print_graders(results, measure)
        _print_budget(rows, results, measure)


def _print_designs(results: Results, measure: str) -> None:
    needed = {
        row.metric.removeprefix("queries"): row
        for row in results
        if row.metric.startswith(f"queries({measure},design=")
    }
    cells = []
    for row in results:
        for what in ("half_width", "mde"):
            if row.metric.startswith(f"{what}({measure},design="):
                name = row.metric.split("design=")[1][:-1]
                target = needed.get(row.metric.removeprefix(what))
                cells.append([what, name, *_design_cells(row), *_need_cells(target)])
    header = ["figure", "design", "value", "of mean", "variance", "queries for target", "note"]
    if cells:
        typer.echo(f"With {_looked_at(results, measure):,} queries a system")
        print_table(header, cells)
        typer.echo()


def _print_gains(results: Results, measure: str) -> None:
    """How much of a difference's variance each step of care takes away."""
    names = {"pairing": "pairing", "strata": "strata", "neyman": "Neyman's allocation"}
    found = {
        row.metric.split("from=")[1][:-1]: row.value
        for row in results
        if row.metric.startswith(f"gain({measure},from=") and row.value is not None
    }
    steps = [f"{names[name]} {share:.1%}" for name, share in found.items()]
    if steps:
        typer.echo(f"Of the difference's variance are taken away by {', then '.join(steps)}.\n")


def _looked_at(results: Results, measure: str) -> int:
    found = [row.n for row in results if row.metric.startswith(f"half_width({measure},")]
    return found[0] if found else 0


def _design_cells(row: Row) -> list[str]:
    if row.value is None:
        return ["—", "—", row.note]
    noted = dict(part.split(": ", 1) for part in row.note.split("; ") if ": " in part)
    relative = noted.get("relative")
    share = f"{float(relative):.2%}" if relative else "—"
    return [f"{row.value:.4f}", share, noted.get("variance", "—")]


def _need_cells(row: Row | None) -> list[str]:
    if row is None:
        return ["", ""]
    return ["—" if row.value is None else f"{row.value:,.0f}", row.note]


def _print_graders(results: Results, measure: str) -> None:
    kinds = ("queries", "judgments")
    found: dict[str, list[str]] = {}
    for row in results:
        if any(row.metric.startswith(f"{kind}({measure},graders=") for kind in kinds):
            graders = row.metric.split("graders=")[1][:-1]
            found.setdefault(graders, [graders]).append(f"{row.value:,.0f}")
    if found:
        typer.echo("The same target with other numbers of graders a pair")
        print_table(["graders", "queries", "judgments"], list(found.values()))
        typer.echo()


def _print_budget(rows: dict[tuple[str, str, str], Row], results: Results, measure: str) -> None:
    places = [(row.slice, row.group) for row in results if row.metric == f"queries({measure})"]
    names = ("queries", "pairs", "judgments", "hours", "cost")
    shown = [name for name in names if (f"{name}({measure})", "all", "all") in rows]
    cells = []
    for place in places:
        found = [rows.get((f"{name}({measure})", *place)) for name in shown]
        decimals = [1 if name == "hours" else 0 for name in shown]
        figures = [
            "" if row is None else f"{row.value:,.{d}f}"
            for row, d in zip(found, decimals, strict=True)
        ]
        first = found[0]
        cells.append([place[0], place[1], *figures, first.note if first else ""])
    if cells:
        notes = "; ".join(
            row.note
            for name in ("pairs", "judgments", "hours")
            if (row := rows.get((f"{name}({measure})", "all", "all"))) and row.note
        )
        typer.echo(f"Budget ({notes})")
        print_table(["slice", "group", *shown, "note"], cells)
