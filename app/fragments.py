"""Blocks → HTML, the same for the dashboard and the report. Every text is escaped here."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path

from app.blocks import Cell, KeyFigures, Notice, Table, Verdict
from app.palette import BRAND, VERDICT_COLORS

_NUMBER, _TOTAL = ' class="gw-num"', '<tr class="gw-total">'
_FAINT = ' class="gw-num gw-faint"'


@cache
def style() -> str:
    """CSS of the fragments; it takes text colour and font from where they stand."""
    return Path(__file__).with_name("fragments.css").read_text()


def wordmark(*, name: bool = True) -> str:
    """Five rising bars, and the product's name beside them unless `name` is false; as SVG."""
    bars = "".join(
        f'<rect x="{2 + 7 * at}" y="{20 - 4 * at}" width="5" height="{8 + 4 * at}" rx="1.5"/>'
        for at in range(5)
    )
    text = (
        '<text x="44" y="24" font-size="22" font-weight="700" letter-spacing="-.4" '
        'font-family="system-ui, sans-serif">gradewise</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {180 if name else 39} 32" '
        f'height="32" role="img" aria-label="gradewise"><g fill="{BRAND}">{bars}'
        f"{text if name else ''}</g></svg>"
    )


def verdict_html(verdict: Verdict) -> str:
    """The verdict's word, sentence and reasons."""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in verdict.reasons)
    color = VERDICT_COLORS.get(verdict.kind, VERDICT_COLORS["none"])
    return (
        f'<section class="gw-verdict" style="--kind: {color}">'
        f'<p class="gw-word">{escape(verdict.word)}</p>'
        f'<div><p class="gw-sentence">{escape(verdict.sentence)}</p>'
        f"{f'<ul>{reasons}</ul>' if reasons else ''}</div></section>"
    )


def figures_html(figures: KeyFigures) -> str:
    """Key figures in a row."""
    cards = "".join(
        f'<div class="gw-card" title="{escape(figure.hint)}"><p class="gw-label">'
        f'{escape(figure.label)}</p><p class="gw-figure">{escape(figure.text)}</p>'
        f'<p class="gw-detail">{escape(figure.detail)}</p>'
        f'<p class="gw-basis">{escape(figure.basis)}</p></div>'
        for figure in figures.figures
    )
    return f'<div class="gw-cards">{cards}</div>'


def notice_html(notice: Notice) -> str:
    """Why something is not there, and the command that makes it."""
    ways = " or ".join(f"<code>{escape(command)}</code>" for command in notice.commands)
    way = f" Make it with {ways}." if ways else ""
    return f'<p class="gw-notice">{escape(notice.text)}{way}</p>'


def table_html(table: Table, *, heading: bool = True) -> str:
    """A table with its title, caption and numbered footnotes.

    Args:
        table: Its cells; a note that every figure carries is told once, in the caption.
        heading: Whether the title is written above it.
    """
    notes = _notes(table)
    common = _common_note(table)
    head = "".join(
        f'<th scope="col"{_align(table, place)}>{escape(name)}</th>'
        for place, name in enumerate(table.header)
    )
    body = "".join(
        f"{_TOTAL if place < table.totals else '<tr>'}"
        f"{''.join(_cell(cell, notes, first=not at) for at, cell in enumerate(row))}</tr>"
        for place, row in enumerate(table.rows)
    )
    caption = " ".join(filter(None, (table.caption, f"{common}." if common else "")))
    below = f'<p class="gw-caption">{escape(caption)}</p>' if caption else ""
    if notes:
        below += "".join(
            f'<p class="gw-caption"><sup>{number}</sup> {escape(note)}</p>'
            for note, number in notes.items()
        )
    title = f"<h3>{escape(table.title)}</h3>" if heading else ""
    return (
        f'<figure class="gw-table">{title}<div class="gw-scroll"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{below}</figure>"
    )


def _figures(table: Table) -> list[Cell]:
    return [cell for row in table.rows for cell in row if cell.figure and cell.hint]


def _common_note(table: Table) -> str:
    """The one note that every figure with a basis carries; empty if they differ."""
    said = {cell.note for cell in _figures(table)}
    return said.pop() if len(said) == 1 else ""


def _notes(table: Table) -> dict[str, int]:
    """Footnotes in reading order → their numbers."""
    common = _common_note(table)
    said = [cell.note for row in table.rows for cell in row if cell.note and cell.note != common]
    return {note: number for number, note in enumerate(dict.fromkeys(said), 1)}


def _align(table: Table, place: int) -> str:
    return _NUMBER if any(row[place].figure for row in table.rows) else ""


def _cell(cell: Cell, notes: dict[str, int], *, first: bool) -> str:
    hint = ". ".join(filter(None, (cell.hint, cell.note)))
    title = f' title="{escape(hint)}"' if hint else ""
    detail = f' <span class="gw-detail">{escape(cell.detail)}</span>' if cell.detail else ""
    mark = f"<sup>{notes[cell.note]}</sup>" if cell.note in notes else ""
    inner = f"{escape(cell.text)}{mark}{detail}"
    if first:
        return f'<th scope="row"{title}>{inner}</th>'
    kind = _FAINT if cell.faint else _NUMBER if cell.figure else ""
    return f"<td{kind}{title}>{inner}</td>"
