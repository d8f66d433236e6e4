"""Tables of comparisons for people: lifts by group, secondary outcomes, guardrails."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import typer

from app.commands.experiment.fitting import Column, print_fitted
from relevance.results import ExperimentRow, show

_SHARES = re.compile(r"\w+|(rate|any)\(.*\)")  # outcomes that are read in percent
_DOUBT = "invalid:"


def of_role(rows: Iterable[ExperimentRow], *roles: str) -> list[ExperimentRow]:
    """The rows that are there for one of these reasons."""
    return [row for row in rows if row.role in roles]


def print_lifts(rows: Sequence[ExperimentRow], against: str, adjust: str, *, invalid: bool) -> None:
    """Prints the primary overall and by group, and what is to be known of it.

    Args:
        rows: Those of one treatment.
        against: `treatment against control`.
        adjust: How groups were adjusted: `holm` or `bh`.
        invalid: Whether no lift is evidence.
    """
    lifts = of_role(rows, "primary", "unadjusted")
    if not lifts:
        return
    title = f"{lifts[0].metric}, {against}"
    print_title(f"{title}: NOT EVIDENCE, the split is broken" if invalid else title)
    labels = ["(unadjusted)" if row.role == "unadjusted" else row.group for row in lifts]
    columns = [*_places(lifts, labels), *_lift_columns(lifts, adjust)]
    faint = [invalid or row.role == "unadjusted" for row in lifts]
    print_fitted(columns, faint=faint)
    for line in [*_family(lifts, adjust), *_varied(rows), *_remarks(lifts, labels)]:
        typer.echo(typer.style(line, dim=True))


def _places(rows: Sequence[ExperimentRow], labels: Sequence[str]) -> list[Column]:
    """Where each row is: its group, and its slice where there are several."""
    slices = list(dict.fromkeys(row.slice for row in rows if row.slice != "all"))
    named = ["" if row.slice == "all" else row.slice for row in rows]
    first = slices[0] if len(slices) == 1 else ""
    return [*([Column("slice", named)] if len(slices) > 1 else []), Column(first, labels)]


def _lift_columns(rows: Sequence[ExperimentRow], adjust: str) -> list[Column]:
    """Figures of comparisons; what a narrow terminal leaves out first has the highest rank."""
    readers = {row.metric: _reader([r for r in rows if r.metric == row.metric]) for row in rows}
    levels = [_level(row) for row in rows]
    one = len(set(levels)) == 1
    return [
        Column("users", [show(row.n) for row in rows], 4),
        Column("sessions", [show(row.n_sessions) if row.n_sessions else "" for row in rows], 7),
        Column("control", [readers[row.metric](row.baseline) for row in rows], 3),
        Column("treatment", [readers[row.metric](row.value) for row in rows], 3),
        Column("lift", [lift(row) for row in rows]),
        Column(f"{levels[0]} interval" if one and levels[0] else "interval", intervals(rows)),
        Column("level", [""] * len(rows) if one else levels, 6),
        Column("p", [show(row.p_value, "p_") for row in rows], 2),
        Column(f"p ({adjusted_by(adjust)})", [_adjusted(row) for row in rows], 1),
        Column("shrunk lift", [_shrunk(row) for row in rows], 5),
    ]


def _adjusted(row: ExperimentRow) -> str:
    """The adjusted p; nothing where there was nothing to adjust for."""
    alone = row.slice == "all" and row.p_adjusted == row.p_value
    return "" if alone else show(row.p_adjusted, "p_")


def lift(row: ExperimentRow) -> str:
    """The relative difference; the absolute one where there is none."""
    if row.rel_difference is not None:
        return show(row.rel_difference, "rel_")
    return "—" if row.difference is None else f"{show(row.difference, 'difference')} abs."


def intervals(rows: Sequence[ExperimentRow]) -> list[str]:
    """Intervals of the relative differences; of the absolute ones where there are none."""
    return [_interval(row) for row in rows]


def _interval(row: ExperimentRow) -> str:
    if row.rel_difference_ci_low is not None or row.difference_ci_low is None:
        return interval(row.rel_difference_ci_low, row.rel_difference_ci_high)
    return f"{interval(row.difference_ci_low, row.difference_ci_high, 'difference')} abs."


def interval(low: float | None, high: float | None, name: str = "rel_") -> str:
    """`+0.90% to +3.10%`; — where there is none."""
    return "—" if low is None or high is None else f"{show(low, name)} to {show(high, name)}"


def _level(row: ExperimentRow) -> str:
    return "" if row.ci_level is None else _percent(row.ci_level)


def _percent(level: float) -> str:
    return f"{100 * level:.4g} %"


def _shrunk(row: ExperimentRow) -> str:
    """The shrunk difference relative to the control's value, as the lift beside it is."""
    if row.shrunk_difference is None or not row.baseline:
        return ""
    return show(row.shrunk_difference / row.baseline, "rel_")


def _reader(rows: Sequence[ExperimentRow]) -> Callable[[float | None], str]:
    """How values of an outcome are read: in percent if it is a share, else as figures."""
    values = [v for row in rows for v in (row.value, row.baseline) if v is not None]
    share = all(_SHARES.fullmatch(row.metric.removesuffix("(unadjusted)")) for row in rows)
    if share and all(0 <= v <= 1 for v in values):
        return lambda v: "—" if v is None else f"{v:.2%}"
    return show


def adjusted_by(adjust: str) -> str:
    """The name of a way to adjust, as it is written."""
    return {"holm": "Holm", "bh": "BH"}.get(adjust, adjust)


def _family(rows: Sequence[ExperimentRow], adjust: str) -> list[str]:
    """What the groups' intervals and p-values hold together at."""
    groups = [row for row in rows if row.slice != "all" and row.p_adjusted is not None]
    if len(groups) < 2:
        return []
    kinds = {
        "holm": "hold together: the chance that any is wrong stays at alpha",
        "bh": "control the share of false findings among all findings",
    }
    names = ", ".join(dict.fromkeys(row.slice for row in groups))
    told = f"{names}: intervals and p ({adjusted_by(adjust)}) {kinds.get(adjust, 'are adjusted')}"
    levels = sorted({row.ci_level for row in groups if row.ci_level is not None})
    ends = " to ".join(dict.fromkeys(_percent(level) for level in (levels[:1] + levels[-1:])))
    return [f"{told}; their level is {ends}" if ends else told]


def _varied(rows: Sequence[ExperimentRow]) -> list[str]:
    return [
        f"heterogeneity ({row.slice}): I² {row.value or 0:.0%}, p {show(row.p_value, 'p_')}"
        f"{''.join(f' ({part})' for part in _said(row) if part.startswith('Q'))}"
        for row in of_role(rows, "heterogeneity")
    ]


def _said(row: ExperimentRow) -> list[str]:
    """The parts of a note; the doubt of a broken split is left out: the title says it."""
    parts = (part.strip() for part in row.note.split(";"))
    return [part for part in parts if part and not part.startswith(_DOUBT)]


def _remarks(rows: Sequence[ExperimentRow], labels: Sequence[str]) -> list[str]:
    """What notes say, each once, with where."""
    said: dict[str, list[str]] = {}
    for row, label in zip(rows, labels, strict=True):
        for part in _said(row):
            said.setdefault(part, []).append(label)
    return [f"{', '.join(dict.fromkeys(where))}: {part}" for part, where in said.items()]


def print_outcomes(rows: Sequence[ExperimentRow], *, invalid: bool) -> None:
    """Secondary outcomes, each with its groups."""
    others = of_role(rows, "secondary")
    if not others:
        return
    print_title("Secondary outcomes")
    labels = [row.metric if row.slice == "all" else f"  {row.group}" for row in others]
    columns = [Column("outcome", labels), *_lift_columns(others, "holm")]
    print_fitted(columns, faint=[invalid or row.slice != "all" for row in others])
    whole = [row for row in others if row.slice == "all"]
    for line in _remarks(whole, [row.metric for row in whole]):
        typer.echo(typer.style(line, dim=True))


def print_guardrails(rows: Sequence[ExperimentRow]) -> None:
    """Guardrails with their margin and finding; the reasons below."""
    guards = of_role(rows, "guardrail")
    if not guards:
        return
    print_title("Guardrails")
    value = [_reader([row]) for row in guards]
    findings = [row.note.partition(";")[0].partition(": ") for row in guards]
    columns = [
        Column("outcome", [row.metric for row in guards]),
        Column("accepted", [_margin(row) for row in guards]),
        Column("control", [v(row.baseline) for v, row in zip(value, guards, strict=True)], 3),
        Column("treatment", [v(row.value) for v, row in zip(value, guards, strict=True)], 3),
        Column("change", [_change(row) for row in guards]),
        Column("interval", [_change_interval(row) for row in guards], 1),
        Column("p", [show(row.p_value, "p_") for row in guards], 2),
        Column("finding", [word.upper() if word == "broken" else word for word, _, _ in findings]),
    ]
    print_fitted(columns)
    for row, (_, _, reason) in zip(guards, findings, strict=True):
        if reason:
            typer.echo(reason if reason.startswith(row.metric) else f"{row.metric}: {reason}")


def _margin(row: ExperimentRow) -> str:
    if row.margin is None:
        return "—"
    text = f"{100 * row.margin:+g}%" if row.margin_relative else f"{row.margin:+g}"
    return text if row.margin else text.lstrip("+")


def _change(row: ExperimentRow) -> str:
    """The change in the unit of the margin."""
    return lift(row) if row.margin_relative else show(row.difference, "difference")


def _change_interval(row: ExperimentRow) -> str:
    if row.margin_relative:
        return interval(row.rel_difference_ci_low, row.rel_difference_ci_high)
    return interval(row.difference_ci_low, row.difference_ci_high, "difference")


def print_title(text: str) -> None:
    """Prints the heading of a table."""
    typer.echo(typer.style(f"\n{text}", bold=True))
