"""Experiment: the A/B test's verdict, countries and checks."""

from __future__ import annotations

from app import viewmodels
from app.rendering import heading, show, tables

page = viewmodels.experiment(tables())
heading(page)
show(page.blocks)
