"""Pages → one self-contained HTML file: no script, no network, readable in a mail and on paper."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path

from app import grading_page, viewmodels
from app.blocks import (
    Block,
    Chart,
    Charts,
    Columns,
    Curves,
    KeyFigures,
    Notice,
    Page,
    Table,
    Verdict,
)
from app.fragments import figures_html, notice_html, style, table_html, verdict_html
from app.loading import Tables
from app.published import THRESHOLDS
from app.svg import curves_svg, forest_svg


def report_html(tables: Tables) -> str:
    """The whole report; the same tables always give the same text."""
    pages = report_pages(tables)
    links = " · ".join(f'<a href="#{_anchor(page)}">{escape(page.title)}</a>' for page in pages)
    made = f"{tables.made_at[:16].replace('T', ' ')} UTC" if tables.made_at else ""
    about = " · ".join(filter(None, (tables.name, f"numbers of {made}" if made else "")))
    body = "".join(page_html(page) for page in pages)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Search relevance report: {escape(tables.name)}</title>"
        f"<style>{style()}{_style()}</style></head><body>"
        f"<header><p class=brand>gradewise</p><h1>Search relevance report</h1>"
        f"<p class=lead>{escape(about)}</p><nav>{links}</nav></header>"
        f"<main>{body}</main>"
        "<footer>Made by gradewise from the workspace’s tables; apart from counts no number is "
        "computed here.</footer></body></html>\n"
    )


def report_pages(tables: Tables) -> tuple[Page, ...]:
    """What the report holds: the dashboard's pages, with every choice made or shown in full."""
    return (
        viewmodels.overview(tables),
        viewmodels.rankings(tables, ("nDCG@20", "P@8")),
        viewmodels.model_quality(tables, ("accuracy", *THRESHOLDS)),
        grading_page.page(tables),
        viewmodels.agreement(tables, ("alpha(ordinal)", "within1")),
        viewmodels.experiment(tables),
        viewmodels.about(tables),
    )


def page_html(page: Page) -> str:
    """A page as a section."""
    blocks = "".join(block_html(block) for block in page.blocks)
    return (
        f'<section class="page" id="{_anchor(page)}"><h2>{escape(page.title)}</h2>'
        f"<p class=lead>{escape(page.lead)}</p>{blocks}</section>"
    )


def block_html(block: Block) -> str:
    """A block as HTML."""
    match block:
        case Verdict():
            return verdict_html(block)
        case KeyFigures():
            return figures_html(block)
        case Table():
            return table_html(block)
        case Notice():
            return notice_html(block)
        case Columns():
            return "".join(block_html(each) for each in block.blocks)
        case Charts():
            return f'<div class="charts">{"".join(map(_chart, block.charts))}</div>'


def _chart(chart: Chart) -> str:
    caption = f"<figcaption>{escape(chart.caption)}</figcaption>" if chart.caption else ""
    drawn = curves_svg(chart) if isinstance(chart, Curves) else forest_svg(chart)
    return f"<figure><h3>{escape(chart.title)}</h3>{drawn}{caption}</figure>"


def _anchor(page: Page) -> str:
    return page.title.lower().replace(" ", "-")


@cache
def _style() -> str:
    return Path(__file__).with_name("html_report.css").read_text()
