"""Streamlit entry: navigation only; `gradewise dashboard` starts it, pages are files in `views`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.rendering import prepare
from app.views import PAGES

prepare()
st.navigation(
    [
        st.Page(
            Path(__file__).parent / "views" / page.file,
            title=page.title,
            icon=page.icon,
            url_path=page.path,
            default=not page.path,
        )
        for page in PAGES
    ],
    position="top",
).run()
