"""How `gradewise annotation graders` looks in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from app.output import Format, notes, print_table

if TYPE_CHECKING:
    import polars as pl

    from annotation.graders import Figure, Scorecard, Week
    from annotation.graders.scorecards import Examination
    from annotation.graders.worst import Disagreement

_WIDTH = 120
_DISPENSABLE = ("Δα", "abst.", "repeat", "seconds")


def print_cards(cards: list[Scorecard], form: Format, level: float) -> None:
    """Prints the table of everybody, within 120 columns."""
    header = ["annotator", "n", "seconds", "severity", "noise", "gold", "repeat", "abst.", "Δα"]
    header.append("verdict")
    rows = [
        [
            _short(card.annotator, 12),
            f"{card.n:,}",
            _pace(card.seconds),
            _tight(_interval(card.severity, "+.2f")),
            _tight(_interval(card.noise, ".2f")),
            "—" if card.gold.value is None else _tight(f"{card.gold.value:.2f}"),
            "—" if card.repeats.value is None else _tight(f"{card.repeats.value:.2f}"),
            "—" if card.abstained.value is None else f"{card.abstained.value:.1%}",
            "—" if card.alpha_gain.value is None else _tight(f"{card.alpha_gain.value:+.3f}"),
            _short(card.verdict, 26),
        ]
        for card in cards
    ]
    empty = [name for at, name in enumerate(header) if all(row[at] == "—" for row in rows)]
    header, rows = _without(header, rows, empty)
    for name in _DISPENSABLE:
        if _width(header, rows) > _WIDTH:
            header, rows = _without(header, rows, [name])
    if form is Format.MARKDOWN:
        from relevance.results import markdown_table

        typer.echo(markdown_table(header, rows))
    else:
        print_table(header, rows)
    flagged = sum(bool(card.flags) for card in cards)
    few = sum(bool(card.n_more and not card.flags) for card in cards)
    alpha = cards[0].alpha
    notes.print(
        f"{len(cards)} annotators: {flagged} to talk to, {few} with too few judgments"
        + ("" if alpha is None else f" · α {alpha:.3f} (Δα: without them)")
    )
    notes.print(
        f"severity: grades above the others on the same pairs · noise: scatter about that, in "
        f"grades · intervals {level:.0%} · more: --detail NAME, --format json"
    )


def print_calibration(rows: list[dict[str, object]]) -> None:
    """Prints who passes, and what it takes."""
    from annotation.graders.calibration import BARS

    def cell(row: dict[str, object], name: str, form: str) -> str:
        value, low, high = (row[f"{name}{end}"] for end in ("", "_ci_low", "_ci_high"))
        if value is None:
            return "—"
        ends = "" if low is None else f" [{low:{form}}, {high:{form}}]"
        return f"{value:{form}}{ends}"

    header = ["annotator", "decision", "n", "accuracy", "within one", "severity", "missing"]
    cells = [
        [
            _short(str(row["annotator"]), 14),
            str(row["decision"]) + (f" ({row['n_more']})" if row["n_more"] else ""),
            str(row["n"]),
            cell(row, "accuracy", ".2f"),
            cell(row, "within1", ".2f"),
            cell(row, "severity", "+.2f"),
            str(row["reasons"]),
        ]
        for row in rows
    ]
    print_table(header, cells)
    notes.print(
        f"to pass: accuracy ≥ {BARS.accuracy}, within one ≥ {BARS.within1}, severity within "
        f"±{BARS.severity}, each surely ({BARS.level:.0%} intervals, {BARS.least} pairs or more)"
    )


def print_detail(
    found: Examination, cards: list[Scorecard], name: str, queries: pl.DataFrame | None
) -> None:
    """Prints one annotator: figures, confusions, weeks, and the grades hardest to believe."""
    from annotation.graders.worst import disagreements

    worst = disagreements(found, name)
    card = next(card for card in cards if card.annotator == name)
    for line in _figures(card):
        typer.echo(line)
    levels = [f"{one:g}" for one in found.panel.levels]
    for title, table in (("others", card.confusion), ("gold", card.gold_confusion)):
        if table.sum():
            typer.echo(f"\nby grade of {title} (rows; shares), grade given (columns)")
            print_table([title, *levels, "n"], _confusion(levels, table))
    if card.weeks:
        typer.echo("\nby week")
        header = ["week", "n", "severity", "change", ""]
        print_table(header, [_week(week) for week in card.weeks])
    if worst:
        typer.echo("\nleast expected grades")
        texts = {} if queries is None else dict(queries.select("query_id", "text").iter_rows())
        header = ["query", "pin", "grade", "others", "expected", "comment"]
        print_table(header, [_disagreement(one, texts) for one in worst])


def _figures(card: Scorecard) -> list[str]:
    lines = [
        f"{card.annotator}: {card.verdict}",
        (
            f"severity {_interval(card.severity, '+.2f')}, shrunk "
            f"{_interval(card.severity_shrunk, '+.2f')} · noise {_interval(card.noise, '.2f')} · "
            f"agrees {_interval(card.agrees, '.2f')}"
        ),
        (
            f"abstains {_interval(card.abstained, '.3f')}, more than others "
            f"{_interval(card.abstained_more, '+.3f')} · too fast "
            f"{_interval(card.too_fast, '.3f')} · Δα {_interval(card.alpha_gain, '+.4f')}"
        ),
    ]
    if card.gold.n:
        lines.append(
            f"gold {_interval(card.gold, '.2f')} of {card.gold.n}, within one "
            f"{_interval(card.gold_within1, '.2f')}, severity "
            f"{_interval(card.gold_severity, '+.2f')}"
        )
    if card.repeats.n:
        lines.append(
            f"repeats {_interval(card.repeats, '.2f')} of {card.repeats.n}, within one "
            f"{_interval(card.repeats_within1, '.2f')}"
        )
    return lines


def _week(week: Week) -> list[str]:
    return [
        week.start.isoformat(),
        str(week.severity.n),
        _interval(week.severity, "+.2f"),
        _interval(week.change, "+.2f"),
        "drift" if week.flagged else "",
    ]


def _disagreement(one: Disagreement, texts: dict[str, str]) -> list[str]:
    return [
        _short(texts.get(one.query_id, one.query_id), 34),
        _short(one.pin_id, 16),
        str(one.grade),
        " ".join(map(str, one.others)) or "gold",
        f"{one.expected:.1f}",
        _short(one.comment or "", 34),
    ]


def _confusion(levels: list[str], table: object) -> list[list[str]]:
    import numpy as np

    rows = []
    for level, row in zip(levels, np.asarray(table, dtype=float), strict=True):
        total = float(row.sum())
        shares = ["·" if x < total * 0.005 or not total else f"{x / total:.2f}" for x in row]
        rows.append([level, *shares, f"{total:.0f}"])
    return rows


def _interval(figure: Figure, form: str) -> str:
    if figure.value is None:
        return "—"
    ends = "" if figure.low is None else f" [{figure.low:{form}}, {figure.high:{form}}]"
    return f"{figure.value:{form}}{ends}"


def _pace(figure: Figure) -> str:
    if figure.value is None:
        return "—"
    return f"{figure.value:.0f} ({figure.low:.0f}–{figure.high:.0f})"


def _tight(text: str) -> str:
    """The text without the zeros before decimal points, and blanks in intervals."""
    for sign in ("+", "-", "[", " "):
        text = text.replace(f"{sign}0.", f"{sign}.")
    return text.removeprefix("0").replace(", ", ",")


def _without(
    header: list[str], rows: list[list[str]], names: list[str]
) -> tuple[list[str], list[list[str]]]:
    kept = [at for at, name in enumerate(header) if name not in names]
    return [header[at] for at in kept], [[row[at] for at in kept] for row in rows]


def _width(header: list[str], rows: list[list[str]]) -> int:
    return sum(max(map(len, column)) + 2 for column in zip(header, *rows, strict=True)) - 2


def _short(text: str, width: int) -> str:
    """The text in so many letters, without characters that would steer a terminal."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return plain if len(plain) <= width else plain[: width - 1] + "…"
