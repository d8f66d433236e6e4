"""Grading: progress, annotators, adjudication, and what waits for a senior."""

from __future__ import annotations

from app import grading_page
from app.rendering import heading, show, tables

page = grading_page.page(tables())
heading(page)
show(page.blocks)
