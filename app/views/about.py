"""About the numbers: what the words mean and where the numbers come from."""

from __future__ import annotations

from app import viewmodels
from app.rendering import heading, show, tables

page = viewmodels.about(tables())
heading(page)
show(page.blocks)
