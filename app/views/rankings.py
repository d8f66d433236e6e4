"""Rankings: how well each system orders Pins, by metric and country."""

from __future__ import annotations

import streamlit as st

from app import cells, viewmodels
from app.rendering import choose, heading, show, tables
from app.wording import group_name, metric_name

data = tables()
rows = [*data.rows("ranking"), *data.rows("compare")]
top, choice = st.container(), st.container(horizontal=True)
with choice:
    metric = choose("Metric", cells.metrics_of(rows), "metric", metric_name)
    group = choose("Country", cells.groups_of(rows), "country", group_name)
page = viewmodels.rankings(data, (metric or "nDCG@20",), group or "all")
with top:
    heading(page)
show(page.blocks)
