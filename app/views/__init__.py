"""The dashboard's pages: one file each, and the table that puts them into the navigation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class View:
    """A page of the dashboard.

    Attributes:
        file: Its script in this folder.
        title: Its name in the navigation.
        icon: Material icon beside it.
        path: Its address; empty for the first page.
    """

    file: str
    title: str
    icon: str
    path: str = ""


PAGES: tuple[View, ...] = (
    View("overview.py", "Overview", ":material/verified:"),
    View("rankings.py", "Rankings", ":material/format_list_numbered:", "rankings"),
    View("model_quality.py", "Model quality", ":material/school:", "model-quality"),
    View("grading.py", "Grading", ":material/fact_check:", "grading"),
    View("agreement.py", "Agreement", ":material/group:", "agreement"),
    View("experiment.py", "Experiment", ":material/science:", "experiment"),
    View("about.py", "About the numbers", ":material/info:", "about"),
)
"""Pages in the order of the navigation; to add one, add a file here and a line there."""
