"""Agreement: how far annotators agree, by metric."""

from __future__ import annotations

import streamlit as st

from app import cells, viewmodels
from app.rendering import choose, heading, show, tables
from app.wording import metric_name

data = tables()
top, choice = st.container(), st.container()
with choice:
    found = cells.metrics_of(data.rows("agreement"))
    metric = choose("Metric", found, "metric", metric_name, first="alpha(ordinal)")
page = viewmodels.agreement(data, (metric or "alpha(ordinal)",))
with top:
    heading(page)
show(page.blocks)
