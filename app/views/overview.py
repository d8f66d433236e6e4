"""Overview: the page a PM reads."""

from __future__ import annotations

import streamlit as st

from app import viewmodels
from app.html_report import report_html
from app.rendering import choose, heading, show, tables
from app.wording import metric_name

data = tables()
top, choice, bottom = st.container(), st.container(), st.container()
with choice:
    metric = choose("Model quality by", viewmodels.quality_metrics(data), "metric", metric_name)
page = viewmodels.overview(data, metric or viewmodels.QUALITY_METRICS[0])
with top:
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        heading(page)
        st.download_button(
            "Download as HTML",
            lambda: report_html(data),
            file_name=f"{data.name}-report.html",
            mime="text/html",
            icon=":material/download:",
            on_click="ignore",
        )
    show(page.blocks[:-1])
with bottom:
    show(page.blocks[-1:])
