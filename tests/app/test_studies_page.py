"""The page of the studies: cells, differences, groups, and sections that are replaced."""

from __future__ import annotations

import dataclasses
import re
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from app.studies.document import cell, difference, document
from app.studies.folds import folds_by_query
from app.studies.running import Options, Outcome
from app.studies.study import Study
from relevance.results import PairedRow, Results, Row

STUDY = Study(
    name="small",
    title="A small study",
    about="Ten queries.",
    importer="esci",
    source="esci-us",
    split=partial(folds_by_query, n_folds=2),
    grades=("accuracy", "AUROC@4"),
    by="country",
)


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (None, "—"),
        (Row(metric="x"), "—"),
        (Row(metric="x", value=0.5), ".500"),
        (Row(metric="x", value=0.5, ci_low=0.25, ci_high=1.0), ".500 [.250, 1.000]"),
        (Row(metric="x", value=-0.5), "-.500"),
    ],
)
def test_cells(row: Row | None, shown: str) -> None:
    assert cell(row) == shown


def test_small_groups_are_left_out() -> None:
    rows = [
        Row(metric="AUROC@4", slice="country", group=group, system="teacher", value=0.5, n=n)
        for group, n in (("US", 40), ("FR", 29), ("(mean)", 99))
    ]
    outcome = Outcome(STUDY, 69, 5, Results(tuple(rows)), ())
    text = document([outcome], Options(Path(), Path()), commit="x", now=datetime(2026, 1, 31))
    assert "| US | 40 | .500 |" in text
    assert "FR" not in text
    assert "(mean)" not in text


def test_a_section_is_replaced_and_the_others_stay() -> None:
    other = dataclasses.replace(STUDY, name="other", title="Another study", by=None)
    outcomes = [Outcome(each, 69, 5, Results(()), ()) for each in (STUDY, other)]

    def page(outcome: Outcome, before: str, day: int) -> str:
        return document(
            [outcome],
            Options(Path(), Path()),
            commit=f"c{day}",
            now=datetime(2026, 1, day),
            before=before,
            order=(STUDY, other),
        )

    first = page(outcomes[1], "", 1).replace("## Another", "## In short\n\nBy hand.\n\n## Another")
    both = page(outcomes[0], first, 2)
    headings = re.findall("^## (.*)$", both, re.MULTILINE)
    assert headings == ["In short", "A small study", "Another study"]
    assert "By hand." in both
    assert "Measured 2026-01-01, commit c1" in both
    again = page(outcomes[1], both, 3)
    assert "Measured 2026-01-02, commit c2" in again
    assert "Measured 2026-01-03, commit c3" in again
    assert "commit c1" not in again
    assert again.count("By hand.") == again.count("# Real data\n") == 1


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (None, "—"),
        (Row(metric="x", value=0.5), "—"),
        (PairedRow(metric="x", value=0.5), "—"),
        (PairedRow(metric="x", difference=0.0214), "+.021"),
        (
            PairedRow(metric="x", difference=-0.5, difference_ci_low=-1.0, difference_ci_high=0.0),
            "-.500 [-1.000, +.000]",
        ),
    ],
)
def test_differences(row: Row | None, shown: str) -> None:
    assert difference(row) == shown
