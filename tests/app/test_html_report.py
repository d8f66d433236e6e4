from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.blocks import Cell, KeyFigure, KeyFigures, Notice, Table, Verdict
from app.fragments import figures_html, notice_html, table_html, verdict_html
from app.html_report import report_html
from app.loading import load
from relevance.results import Results, results_from

HOSTILE = "<img src=x onerror=alert(1)>\"'&"
VOID = {"meta", "circle", "path", "polygon", "rect", "br"}


class Balance(HTMLParser):
    """Collects what is opened, what stays open, and everything that could reach the network."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.reaching: list[tuple[str, str]] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "srcset", "action"} or name.startswith("on"):
                self.reaching.append((name, value or ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def parsed(text: str) -> Balance:
    parser = Balance()
    parser.feed(text)
    parser.close()
    return parser


@pytest.fixture
def report(results_workspace: Path) -> str:
    return report_html(load(results_workspace))


def test_report_is_one_well_formed_file(report: str) -> None:
    found = parsed(report)
    assert (found.open, found.wrong) == ([], [])
    assert found.tags.count("svg") >= 7
    assert len(report.encode()) < 300_000


def test_report_needs_no_network_and_runs_no_script(report: str) -> None:
    found = parsed(report)
    assert {"script", "link", "iframe", "img", "object", "form"}.isdisjoint(found.tags)
    assert all(value.startswith("#") for _, value in found.reaching)
    assert not re.search(r"https?://|@import|url\(", report)


def test_report_reads_in_the_dark_and_on_paper(report: str) -> None:
    assert "prefers-color-scheme: dark" in report
    assert "@media print" in report


def test_every_link_leads_to_a_page(report: str) -> None:
    links = re.findall(r'href="#([^"]+)"', report)
    assert links == re.findall(r'class="page" id="([^"]+)"', report)
    assert len(links) == 7


def test_same_tables_give_the_same_bytes(results_workspace: Path, report: str) -> None:
    assert report_html(load(results_workspace)) == report
    assert "numbers of 2026-05-04 12:30 UTC" in report


def test_report_shows_the_figures(report: str) -> None:
    for text in ("Ship", "+2.20%", "[+1.10%, +3.30%]", "0.810", "only one class of grades"):
        assert text in report


def test_markup_in_tables_and_names_stays_text(tmp_path: Path, results_workspace: Path) -> None:
    hostile = tmp_path / "<b>ws"
    hostile.mkdir()
    for path in results_workspace.glob("*.parquet"):
        rows = load(results_workspace).results[path.stem.removeprefix("results-")].to_dicts()
        for row in rows:
            row["note"] = f"{row['note']}; {HOSTILE}"
            row["group"] = f"{row['group']}{HOSTILE}" if row["group"] == "FR" else row["group"]
            row["system"] = f"{row['system']}{HOSTILE}" if row["system"] else ""
        results: Results = results_from(rows)
        results.to_frame().write_parquet(hostile / path.name)
    text = report_html(load(hostile))
    found = parsed(text)
    assert (found.open, found.wrong) == ([], [])
    assert {"img", "b"}.isdisjoint(found.tags)
    assert all(value.startswith("#") for _, value in found.reaching)
    assert "&lt;img src=x" in text


def test_fragments_escape_every_text() -> None:
    cell = Cell(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    fragments = [
        verdict_html(Verdict(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,))),
        figures_html(KeyFigures((KeyFigure(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),))),
        notice_html(Notice(HOSTILE, (HOSTILE,))),
        table_html(Table(HOSTILE, (HOSTILE,), ((cell,),), HOSTILE)),
    ]
    for fragment in fragments:
        found = parsed(fragment)
        assert "img" not in found.tags
        assert (found.open, found.wrong, found.reaching) == ([], [], [])


def test_notes_become_numbered_footnotes_once_each() -> None:
    rows = (
        (Cell("US", figure=False), Cell("—", note="one class"), Cell("—", note="no pair")),
        (Cell("JP", figure=False), Cell("—", note="one class"), Cell("0.5", hint="3 pairs")),
    )
    text = table_html(Table("t", ("Country", "a", "b"), rows))
    assert text.count("—<sup>1</sup>") == 2
    assert text.count("—<sup>2</sup>") == 1
    assert "<sup>1</sup> one class</p>" in text
    assert 'title="3 pairs">0.5<' in text


def test_note_of_every_figure_is_told_once_in_the_caption() -> None:
    rows = tuple((Cell(c, figure=False), Cell("1", "", "9 pairs", "seen")) for c in ("US", "JP"))
    text = table_html(Table("t", ("Country", "a"), rows, "Caption."))
    assert "<sup>" not in text
    assert '<p class="gw-caption">Caption. seen.</p>' in text
