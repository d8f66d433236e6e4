"""What `gradewise experiment bridge` prints for people: how both sides moved, then together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import typer

from app.commands.experiment.comparisons import print_title
from app.commands.experiment.fitting import Column, print_fitted
from app.output import footer
from relevance.results import Results, Row, show

_FIGURES = {
    "pearson": "Pearson",
    "pearson_corrected": "without noise",
    "spearman": "Spearman",
    "sign_agreement": "same sign",
    "slope": "slope",
    "slope_corrected": "slope without noise",
}
_RANKS = {"spearman": 1, "slope_corrected": 3, "slope": 2}
_USUAL = "interval draws"  # beginning of a note that is said once for all
_STATISTIC = re.compile(rf"({'|'.join(_FIGURES)})\((.+)\)")


def print_bridge(results: Results, *, absolute: bool = False, level: float = 0.95) -> None:
    """Prints the points, then correlation, signs and slope of each metric, then what to know.

    Args:
        results: Rows of `bridge`.
        absolute: Whether differences are absolute.
        level: Of the intervals.
    """
    rows = list(results)
    counts = [row for row in rows if row.metric.startswith("excluded(")]
    statistics = [row for row in rows if _STATISTIC.fullmatch(row.metric)]
    points = [row for row in rows if row not in counts and row not in statistics]
    offline = dict.fromkeys(_parts(row)[1] for row in statistics)
    _print_points(sorted(points, key=lambda row: row.metric not in offline), absolute=absolute)
    _print_statistics(statistics, level)
    for row in counts:
        if row.n:
            typer.echo(f"left out: {row.n} {row.note}")
    for line in footer(results):
        typer.echo(typer.style(line, dim=True))


def _print_points(points: Sequence[Row], *, absolute: bool) -> None:
    if not points:
        return
    kind = "absolute" if absolute else "relative"
    print_title(f"Differences, {kind} to the baseline" if not absolute else "Differences, absolute")
    places = list(dict.fromkeys((row.system, row.slice, row.group) for row in points))
    found = {(row.metric, row.system, row.slice, row.group): row for row in points}
    name = "difference" if absolute else "rel_difference"
    columns = [
        Column("experiment", [system for system, _, _ in places]),
        Column("group", [group for _, _, group in places]),
    ]
    for metric in dict.fromkeys(row.metric for row in points):
        at = [found.get((metric, *place)) for place in places]
        values = ["" if row is None else show(row.value, name) for row in at]
        ends = [_ends(row, name) if row else "" for row in at]
        columns += [Column(f"Δ {metric}", values), Column("interval", ends, 1)]
    print_fitted(columns)


def _print_statistics(rows: Sequence[Row], level: float) -> None:
    print_title(f"Together, with {100 * level:g} % intervals")
    keys = list(dict.fromkeys((_parts(row)[1], row.slice) for row in rows))
    found = {(*_parts(row), row.slice): row for row in rows}
    first = [found["pearson", metric, name] for metric, name in keys]
    columns = [
        Column("metric", [metric for metric, _ in keys]),
        Column("over", ["experiments" if name == "all" else name for _, name in keys]),
        Column("points", [f"{row.n:,}" for row in first]),
    ]
    for figure, header in _FIGURES.items():
        of = [found[figure, metric, name] for metric, name in keys]
        cells = [f"{_figure(row, figure)} {_ends(row, figure)}".strip() for row in of]
        columns.append(Column(header, cells, _RANKS.get(figure, 0)))
    print_fitted(columns)
    if any(_USUAL in row.note for row in rows):
        typer.echo("intervals draw whole experiments")
    typer.echo("measurement noise pulls correlation and slope towards 0; 'without noise' has none")
    for line in _remarks(rows):
        typer.echo(typer.style(line, dim=True))


def _parts(row: Row) -> tuple[str, str]:
    """`pearson(nDCG@20)` → (`pearson`, `nDCG@20`)."""
    name, _, metric = row.metric.partition("(")
    return name, metric.removesuffix(")")


def _figure(row: Row, figure: str) -> str:
    if row.value is None:
        return "—"
    return f"{row.value:.0%}" if figure == "sign_agreement" else f"{row.value:.2f}"


def _ends(row: Row, name: str) -> str:
    if row.ci_low is None or row.ci_high is None:
        return ""
    if name in _FIGURES:
        form = ".0%" if name == "sign_agreement" else ".2f"
        return f"[{row.ci_low:{form}}, {row.ci_high:{form}}]"
    return f"[{show(row.ci_low, name)}, {show(row.ci_high, name)}]"


def _remarks(rows: Sequence[Row]) -> list[str]:
    """What notes say, each once, with the figures and the points it is said of."""
    said: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        figure, metric = _parts(row)
        where = f"{metric} over {'experiments' if row.slice == 'all' else row.slice}"
        told = (part.strip() for part in row.note.split(";"))
        parts = [part for part in told if not part.startswith(_USUAL)]
        if row.n_undefined:
            parts.append(f"{row.n_undefined} points without a difference left out")
        for part in filter(None, parts):
            said.setdefault(part, {}).setdefault(where, []).append(_FIGURES[figure])
    places = len({(_parts(row)[1], row.slice) for row in rows})
    return [f"{of}: {part}" for part, where in said.items() for of in _where(where, places)]


def _where(said: Mapping[str, Sequence[str]], places: int) -> list[str]:
    """`Pearson, slope of nDCG@20 over country`: no figures, or no places, where it is all."""
    alike: dict[str, list[str]] = {}
    for place, figures in said.items():
        names = "" if len(figures) == len(_FIGURES) else ", ".join(figures)
        alike.setdefault(names, []).append(place)
    return [
        (names or "all") if len(of) == places else " of ".join(filter(None, (names, ", ".join(of))))
        for names, of in alike.items()
    ]
