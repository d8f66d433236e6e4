"""Model quality: how well the models' grades match people's, by metric and country."""

from __future__ import annotations

import streamlit as st

from app import cells, viewmodels
from app.rendering import choose, heading, show, tables
from app.wording import group_name, metric_name

data = tables()
rows = data.rows("grades")
top, choice = st.container(), st.container(horizontal=True)
with choice:
    metric = choose("Metric", cells.metrics_of(rows), "metric", metric_name)
    group = choose("Country", cells.groups_of(rows), "country", group_name)
page = viewmodels.model_quality(data, (metric or "accuracy",), group or "all")
with top:
    heading(page)
show(page.blocks)
