from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app import viewmodels
from app.blocks import Charts, Curves, Forest, Notice, Table, Verdict
from app.loading import Tables, load
from relevance.results import ExperimentRow, Results


@pytest.fixture
def tables(results_workspace: Path) -> Tables:
    return load(results_workspace)


def changed(tables: Tables, rows: list[ExperimentRow]) -> Tables:
    results = {**tables.results, "experiment": Results(tuple(rows))}
    return dataclasses.replace(tables, results=results)


def experiment_rows(tables: Tables) -> list[ExperimentRow]:
    return [row for row in tables.rows("experiment") if isinstance(row, ExperimentRow)]


def titled(tables: Tables) -> dict[str, Table]:
    blocks = viewmodels.experiment(tables).blocks
    return {block.title: block for block in blocks if isinstance(block, Table)}


def charts(tables: Tables) -> list[Forest | Curves]:
    blocks = viewmodels.experiment(tables).blocks
    found = [chart for block in blocks if isinstance(block, Charts) for chart in block.charts]
    return [chart for chart in found if isinstance(chart, Forest | Curves)]


def test_page_reads_from_verdict_to_exclusions(tables: Tables) -> None:
    page = viewmodels.experiment(tables)
    assert isinstance(page.blocks[0], Verdict)
    assert list(titled(tables)) == [
        "Control and treatment", "Guardrails", "Other outcomes", "Checks",
        "From the log to the figures", "Published by the paper",
    ]  # fmt: skip
    assert [type(chart) for chart in charts(tables)] == [Forest, Curves, Curves]


def test_looks_show_both_intervals_of_every_day(tables: Tables) -> None:
    looks = charts(tables)[1]
    assert looks.series == ("Always valid", "If this were the only look")
    rows = [row for row in experiment_rows(tables) if row.role == "look"]
    wide = [point for point in looks.points if point.series == "Always valid"]
    assert [point.label for point in wide] == [row.group for row in rows]
    assert [point.low for point in wide] == [row.rel_sequence_ci_low for row in rows]
    assert wide[0].low is None
    assert "fewer than 100 users" in wide[0].hint


def test_sample_ratio_is_drawn_by_day_against_the_intended_share(tables: Tables) -> None:
    ratio = charts(tables)[2]
    assert ratio.reference == 0.5
    assert len(ratio.points) == 14
    checks = titled(tables)["Checks"]
    assert len(checks.rows) == 1


def test_guardrail_shows_margin_and_finding(tables: Tables) -> None:
    (row,) = titled(tables)["Guardrails"].rows
    texts = [cell.text for cell in row]
    assert texts[:2] == ["mean(sessions)", "−1.00%"]
    assert texts[-1].startswith("holds")


def test_shrunk_differences_stand_beside_the_raw_ones(tables: Tables) -> None:
    table = titled(tables)["Control and treatment"]
    place = table.header.index("Shrunk")
    assert [bool(row[place].text) for row in table.rows] == [False, True, True, True, True]
    assert "Shrunk:" in table.caption


def test_plain_experiment_has_no_empty_blocks(tables: Tables) -> None:
    kept = [row for row in experiment_rows(tables) if row.role in ("primary", "verdict")]
    plain = changed(tables, kept)
    assert list(titled(plain)) == ["Control and treatment", "Published by the paper"]
    assert [type(chart) for chart in charts(plain)] == [Forest]


def test_table_of_an_older_version_is_named_and_not_raised(tables: Tables) -> None:
    old = [dataclasses.replace(row, role="") for row in experiment_rows(tables)]
    page = viewmodels.experiment(changed(tables, old))
    assert isinstance(page.blocks[0], Notice)
