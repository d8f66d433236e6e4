"""Blocks → Streamlit: the only place where the dashboard's elements are put on a page."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import streamlit as st

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
from app.charts import CONFIG, curves_figure, forest_figure
from app.fragments import figures_html, notice_html, style, table_html, verdict_html, wordmark
from app.loading import Tables, load
from app.palette import INK

WORKSPACE_VARIABLE = "GRADEWISE_WORKSPACE"
"""Environment variable through which `gradewise dashboard` names the workspace."""


def prepare() -> None:
    """Sets the page up; once a run, before anything is shown."""
    st.set_page_config(page_title="gradewise", page_icon=wordmark(name=False), layout="wide")
    st.html(f"<style>{style()}</style>")
    st.logo(wordmark(), size="large")


def tables() -> Tables:
    """The workspace's results; read again only when its files have changed."""
    return load(Path(os.environ.get(WORKSPACE_VARIABLE, "gradewise-demo")).absolute())


def heading(page: Page) -> None:
    """A page's title and the sentence under it."""
    with st.container(gap=None):
        st.title(page.title, anchor=False)
        st.caption(page.lead)


def choose(
    label: str,
    options: Sequence[str],
    key: str,
    name: Callable[[str], str],
    *,
    first: str | None = None,
) -> str | None:
    """One of `options`, kept in the address as `?key=…`; None if there are none.

    Args:
        label: What is chosen.
        options: Values, as tables and addresses write them.
        key: Name in the address.
        name: How people read a value.
        first: Chosen unless the address says otherwise; by default the first option.
    """
    if not options:
        return None
    default = first if first in options else options[0]
    chosen = st.segmented_control(
        label,
        options,
        default=default,
        required=True,
        format_func=name,
        key=key,
        bind="query-params",
    )
    return chosen or default


def show(blocks: Iterable[Block]) -> None:
    """Draws blocks from top to bottom."""
    for block in blocks:
        _draw(block)


def _draw(block: Block) -> None:
    match block:
        case Verdict():
            st.html(verdict_html(block))
        case KeyFigures():
            st.html(figures_html(block))
        case Table():
            st.html(table_html(block))
        case Notice():
            st.html(notice_html(block))
        case Columns():
            places = st.columns(block.widths, gap="large")
            for place, each in zip(places, block.blocks, strict=True):
                with place:
                    _draw(each)
        case Charts():
            places = st.columns(len(block.charts), gap="large")
            for place, chart in zip(places, block.charts, strict=True):
                with place:
                    _draw_chart(chart)


def _draw_chart(chart: Chart) -> None:
    st.subheader(chart.title, anchor=False)
    ink = INK[st.context.theme.type == "dark"]
    draw = curves_figure if isinstance(chart, Curves) else forest_figure
    st.plotly_chart(draw(chart, ink=ink), config=CONFIG, alt=chart.alt, key=chart.title)
    if chart.caption:
        st.caption(chart.caption)
