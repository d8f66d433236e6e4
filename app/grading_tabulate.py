"""Human grading as tables and charts: progress, annotators, adjudication, disputes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app import cells, wording
from app.blocks import UNDEFINED, Cell, Charts, Forest, Point, Table, shorten
from app.grading_tables import QUEUE, REJECTED, Grading, Method, Progress
from app.loading import Tables

CHARTED = 24
"""Annotators whose figures are drawn; the table has all of them."""


def progress_table(found: Grading) -> Table:
    """Countries × what was drawn, graded, set aside and settled."""
    header = ("Country", "Drawn", "Graded", "Judgments", "Set aside", "Repeats", "Settled", "Sure")
    rows = tuple(_progress_row(one) for one in found.progress)
    caption = (
        "Drawn: pairs to be graded, hidden gold questions among them. Graded: with a grade by at "
        "least one person. Settled: with a trusted grade. Sure: share of these whose posterior is "
        "in no doubt."
    )
    return Table("Progress by country", header, rows, caption, totals=1)


def reasons_table(found: Grading) -> Table:
    """Why judgments were set aside."""
    total = sum(found.reasons.values())
    rows = tuple(
        (cells.text_cell(wording.sentence(reason)), cells.count_cell(n), Cell(share(n, total)))
        for reason, n in found.reasons.items()
    )
    caption = f"Each stands in {REJECTED} with its pair, annotator and what was found."
    return Table("Set aside, by reason", ("Reason", "Judgments", "Share"), rows, caption)


def annotators_table(tables: Tables) -> Table:
    """Everybody's work: pace, severity, noise, gold questions, repeats, abstentions, verdict."""
    found = tables.grading
    header = ("Annotator", "n", "Seconds", "Severity", "Noise", "Gold", "Repeats", "Abstains")
    rows = tuple(_annotator_row(row) for row in found.graders)
    level = "" if found.level is None else f"{found.level:.0%} "
    caption = (
        "Severity: grades above (+) or below (−) what others give the same pairs. Noise: scatter "
        "about that, in grades. Gold: share right of the hidden questions with known answers. "
        "Repeats: share of pairs that got the same grade when shown again. Seconds: median and "
        f"quartiles. [low, high]: {level}interval; grey: too few to tell."
    )
    return Table("Annotators", (*header, "Verdict"), rows, f"{caption}{_stale(tables)}")


def annotator_charts(found: Grading) -> Charts:
    """Severity and noise of the first annotators of the table."""
    level = "" if found.level is None else f" with {found.level:.0%} interval"
    shown = found.graders[:CHARTED]
    more = len(found.graders) - len(shown)
    left_out = f"The first {CHARTED}; the table has {more:,} more." if more else ""
    return Charts(
        tuple(
            Forest(
                title,
                tuple(_point(row, name, form) for row in shown),
                reference=reference,
                axis=f"{axis}{level}",
                caption=left_out,
            )
            for title, name, form, reference, axis in (
                ("Severity by annotator", "severity", _signed, 0.0, "Grades above the others"),
                ("Noise by annotator", "noise", _plain, None, "Scatter in grades"),
            )
        )
    )


def adjudication_table(found: Grading) -> Table:
    """Who settled how many pairs, and how surely."""
    bar = f" (entropy below {found.doubt:.2f} bits)" if found.doubt is not None else ""
    rows = tuple(_method_row(one) for one in found.methods)
    caption = (
        f"Certainty: mean probability of the chosen grade. Sure: in no doubt{bar}; the others are "
        "worth another opinion."
    )
    return Table("Adjudication", ("Method", "Pairs", "Certainty", "Sure"), rows, caption)


def disputes_table(tables: Tables) -> Table | None:
    """The first disputes that wait for a senior; None if none does."""
    found = tables.grading.disputes
    if found is None or not found.first:
        return None
    rows = tuple(
        (
            cells.text_cell(shorten(str(row.get("text") or row["query_id"]), 48)),
            cells.text_cell(str(row["pin_id"])),
            cells.text_cell(str(row.get("country") or "")),
            cells.text_cell(_unbroken(str(row["reason"]), " · ")),
            Cell(_plain(row["worth"])),
        )
        for row in found.first
    )
    send = (
        f"gradewise annotation push --workspace {tables.name} --purpose senior "
        f"--samples {tables.name}/{QUEUE}"
    )
    first = f"The first {len(rows)} of {found.waiting:,}. " if found.waiting > len(rows) else ""
    caption = (
        f"{first}At stake: by how many grades the present grade is expected to be wrong. Send them "
        f"to seniors, who rule blind: {send}"
    )
    header = ("Query", "Pin", "Country", "Why", "At stake")
    return Table("Waiting for a senior", header, rows, caption)


def share(part: int, whole: int) -> str:
    """Part of a whole in percent; a dash where there is no whole."""
    return _rate(part / whole) if whole else UNDEFINED


def _progress_row(one: Progress) -> tuple[Cell, ...]:
    return (
        cells.text_cell(wording.group_name(one.country)),
        Cell(UNDEFINED, note="no samples tell what was drawn")
        if one.drawn is None
        else cells.count_cell(one.drawn),
        *map(cells.count_cell, (one.graded, one.judgments, one.rejected, one.repeats)),
        cells.count_cell(one.adjudicated),
        _sure_cell(one),
    )


def _sure_cell(one: Progress) -> Cell:
    if not one.adjudicated:
        return Cell(UNDEFINED, note="no pair is settled")
    if one.sure is None:
        return Cell(UNDEFINED, note="the trusted grades have no posterior")
    return Cell(share(one.sure, one.adjudicated))


def _annotator_row(row: Mapping[str, Any]) -> tuple[Cell, ...]:
    few = bool(row["n_more"]) and not row["flags"]
    shared = f"{wording.count(row['n_shared'])} pairs that others graded too"
    return (
        cells.text_cell(str(row["annotator"])),
        cells.count_cell(row["n"]),
        _pace(row),
        _cell(row, "severity", _signed, shared, few=few),
        _cell(row, "noise", _plain, shared, few=few),
        _cell(row, "gold", _percent, f"{row['n_gold']} questions"),
        _cell(row, "repeats", _percent, f"{row['n_repeats']} pairs"),
        _cell(row, "abstained", _rate, f"{wording.count(row['n'])} judgments"),
        cells.text_cell(_unbroken(_verdict(row), "; ")),
    )


_WHY = {
    "severity": "no pair was graded by others too",
    "noise": "no pair was graded by others too",
    "gold": "answered no gold question",
    "repeats": "graded no pair twice",
    "abstained": "no judgment",
}
"""Why a figure of an annotator is undefined."""


def _cell(
    row: Mapping[str, Any],
    name: str,
    form: Callable[[float], str],
    basis: str,
    *,
    few: bool = False,
) -> Cell:
    if row[name] is None:
        return Cell(UNDEFINED, note=_WHY[name])
    return Cell(form(row[name]), _ends(row, name, form), basis, faint=few)


def _pace(row: Mapping[str, Any]) -> Cell:
    if row["seconds"] is None:
        return Cell(UNDEFINED, note="no times are known")
    quartiles = f"{row['seconds_q1']:.0f}–{row['seconds_q3']:.0f}"
    return Cell(f"{row['seconds']:.0f}", quartiles, "half of the judgments took that long")


def _point(row: Mapping[str, Any], name: str, form: Callable[[float], str]) -> Point:
    value, ends = row[name], _ends(row, name, form)
    return Point(
        label=str(row["annotator"]),
        series="",
        value=value,
        low=row[f"{name}_ci_low"],
        high=row[f"{name}_ci_high"],
        text=UNDEFINED if value is None else f"{form(value)} {ends}".strip(),
        hint=f"{wording.count(row['n_shared'])} pairs. {_verdict(row)}",
    )


def _verdict(row: Mapping[str, Any]) -> str:
    return wording.minus(wording.sentence(str(row["verdict"])))


def _ends(row: Mapping[str, Any], name: str, form: Callable[[float], str]) -> str:
    low, high = row[f"{name}_ci_low"], row[f"{name}_ci_high"]
    return "" if low is None or high is None else wording.interval(form(low), form(high))


def _method_row(one: Method) -> tuple[Cell, ...]:
    names = {"ruling": "Seniors’ rulings", "gold": "Known beforehand (gold)", "": "not said"}
    why = "" if one.certainty is not None else "the table has no posterior"
    return (
        cells.text_cell(names.get(one.name, one.name)),
        cells.count_cell(one.pairs),
        Cell(wording.number(one.certainty), note=why),
        Cell(UNDEFINED if one.sure is None else share(one.sure, one.pairs), note=why),
    )


def _stale(tables: Tables) -> str:
    """Says so if the table of annotators was made from other judgments than there are."""
    known, there = _total(tables.grading.graders), tables.grading.progress[0].judgments
    if known == there:
        return ""
    return (
        f" It was made of {known:,} judgments, and there are {there:,} now. Make it anew: "
        f"gradewise annotation graders --workspace {tables.name} --save"
    )


def _total(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(int(row["n"]) for row in rows)


def _unbroken(text: str, separator: str) -> str:
    """The text, to be broken between its parts only: narrow screens make columns narrow."""
    return separator.join(part.replace(" ", "\u00a0") for part in text.split(separator))


def _signed(value: float) -> str:
    return wording.minus(f"{value:+.2f}") if round(value, 2) else "0.00"


def _plain(value: float) -> str:
    return f"{value:.2f}"


def _rate(value: float) -> str:
    return f"{value:.1%}"


def _percent(value: float) -> str:
    return f"{value:.0%}"
