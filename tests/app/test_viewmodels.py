from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path

import pytest

from app import cells, experiment_page, viewmodels, wording
from app.blocks import UNDEFINED, Block, Cell, Charts, Columns, KeyFigures, Notice, Page, Table
from app.html_report import report_pages
from app.loading import MADE_BY, Tables, load
from app.published import PUBLISHED
from relevance.results import ExperimentRow, Results, Row
from relevance.workspace import Workspace


def flat(page: Page) -> list[Block]:
    blocks: list[Block] = []
    for block in page.blocks:
        blocks += block.blocks if isinstance(block, Columns) else [block]
    return blocks


def tables_of(page: Page) -> dict[str, Table]:
    return {block.title: block for block in flat(page) if isinstance(block, Table)}


def verdict_says(note: str) -> Tables:
    row = ExperimentRow(metric="verdict", note=note)
    return Tables("w", {"experiment": Results((row,))})


@pytest.fixture
def tables(results_workspace: Path) -> Tables:
    return load(results_workspace)


def test_overview_begins_with_verdict_and_five_key_figures(tables: Tables) -> None:
    verdict, figures = viewmodels.overview(tables).blocks[:2]
    assert verdict == viewmodels.verdict(tables)
    assert isinstance(figures, KeyFigures)
    shown = {figure.label: (figure.text, figure.detail) for figure in figures.figures}
    assert shown == {
        "Fulfillment lift": ("+2.20%", "[+1.10%, +3.30%]"),
        "nDCG@20 lift": ("+4.19%", "[+3.11%, +5.27%]"),
        "P@8 lift": ("+3.33%", "[+2.00%, +4.67%]"),
        "Agreement α": ("0.810", "[0.798, 0.822]"),
        "Teacher accuracy": ("0.560", "[0.545, 0.575]"),
    }
    assert figures.figures[0].basis == "15,012 users, 120,096 sessions"
    assert figures.figures[3].basis == "144 pairs"


def test_verdict_tells_word_sentence_and_reasons(tables: Tables) -> None:
    verdict = viewmodels.verdict(tables)
    assert (verdict.kind, verdict.word) == ("ship", "Ship")
    assert verdict.sentence.startswith("The fulfillment rate rose from 41.22% to 42.13%")
    assert "Sample ratio check on users: p = .6200." in verdict.reasons
    assert verdict.reasons[-1].startswith(
        "Offline, on people’s grades, Candidate against Production: nDCG@20 +4.19%"
    )


@pytest.mark.parametrize(
    ("note", "kind", "word", "sentence"),
    [
        ("ship: it rose", "ship", "Ship", "It rose"),
        ("Hold – one group fell", "hold", "Hold", "One group fell"),
        ("stop. it fell", "stop", "Stop", "It fell"),
        ("invalid: not split as intended", "invalid", "Invalid", "Not split as intended"),
        ("not yet: 50 users", "not yet", "Not yet", "50 users"),
        ("whatever 12 % it is", "none", "Verdict", "Whatever 12% it is"),
    ],
)
def test_verdict_word_is_read_from_the_note(note: str, kind: str, word: str, sentence: str) -> None:
    verdict = viewmodels.verdict(verdict_says(note))
    assert (verdict.kind, verdict.word, verdict.sentence) == (kind, word, sentence)


def test_country_charts_share_one_order_and_equal_the_rows(tables: Tables) -> None:
    charts = next(b for b in viewmodels.overview(tables).blocks if isinstance(b, Charts))
    online, offline = charts.charts
    assert online.labels == offline.labels == ("All", "FR", "JP", "MX", "US")
    rows = experiment_page.rows_of(tables, "primary")
    assert [p.value for p in online.points] == [r.rel_difference for r in rows]
    assert [p.low for p in online.points] == [r.rel_difference_ci_low for r in rows]  # type: ignore[attr-defined]
    assert (online.reference, online.percent) == (0.0, True)


def test_totals_stand_apart_and_are_never_mixed(tables: Tables) -> None:
    table = tables_of(viewmodels.overview(tables))["Model quality: Accuracy"]
    assert [row[0].text for row in table.rows] == [
        "All", "Equal weight", "By traffic", "FR", "JP", "MX", "US",
    ]  # fmt: skip
    assert table.totals == 3
    assert table.header == (
        "Country", "Teacher", "Student", "Student, human labels only", "BM25", "n",
    )  # fmt: skip
    assert [cell.text for cell in table.rows[0]][1:4] == ["0.560", "0.510", "0.450"]
    assert table.rows[0][1].note == "60 queries seen in training, left out"


def test_undefined_is_a_dash_with_its_reason(tables: Tables) -> None:
    page = viewmodels.model_quality(tables, ("AUROC@5",), "MX")
    row = next(r for r in tables_of(page)["Models, MX"].rows if r[0].text == "Majority grade")
    assert row[4].text == UNDEFINED
    assert row[4].note == "only one class of grades"
    forest = next(b for b in page.blocks if isinstance(b, Charts)).charts[0]
    point = next(p for p in forest.points if (p.label, p.series) == ("MX", "Majority grade"))
    assert (point.value, point.text) == (None, f"{UNDEFINED} only one class of grades")
    bm25 = tables_of(viewmodels.overview(tables))["Model quality: Accuracy"].rows[0][4]
    assert bm25 == Cell(UNDEFINED, note="BM25 orders Pins; it gives no grades")


def test_no_figure_is_computed_in_a_page(tables: Tables) -> None:
    """Every figure cell is the text of a cell of a results table, or of the paper's."""
    known = {UNDEFINED, ""} | {wording.number(v) for row in PUBLISHED for v in row.values}
    forms = (
        wording.number, wording.rate, wording.lift, wording.difference, wording.p_value,
    )  # fmt: skip
    for results in tables.results.values():
        for values in results.to_dicts():
            figures = [v for v in values.values() if isinstance(v, int | float)]
            known |= {form(v) for form in forms for v in figures if isinstance(v, float)}
            known |= {wording.count(v) for v in figures if isinstance(v, int)}
    blocks = [b for page in report_pages(tables) for b in flat(page) if isinstance(b, Table)]
    figures = [cell.text for b in blocks for row in b.rows for cell in row if cell.figure]
    assert len(figures) > 300
    assert set(figures) <= known


@pytest.mark.parametrize("kept", list(itertools.product([True, False], repeat=5)))
def test_every_subset_of_tables_makes_every_page(tables: Tables, kept: tuple[bool, ...]) -> None:
    results = {
        name: rows for (name, rows), keep in zip(tables.results.items(), kept, strict=True) if keep
    }
    part = Tables("here", results)
    pages = report_pages(part)
    assert all(page.blocks for page in pages)
    notices = {b.commands for page in pages for b in flat(page) if isinstance(b, Notice)}
    missing = set(MADE_BY) - set(results)
    wanted = {
        (f"{MADE_BY[name]} … --format csv > here/results-{name}.csv", "gradewise demo")
        for name in missing
    }
    ungraded = ("gradewise annotation pull --workspace here", "gradewise demo")
    assert notices == wanted | {ungraded}


def test_tables_without_rows_make_every_page() -> None:
    empty = Tables("w", {name: Results(()) for name in MADE_BY})
    assert all(page.blocks for page in report_pages(empty))


def test_damaged_table_is_named_and_not_raised(results_workspace: Path) -> None:
    (results_workspace / "results-grades.parquet").write_bytes(b"PAR1 no longer")
    tables = load(results_workspace)
    assert "grades" not in tables.results
    notice = viewmodels.model_quality(tables).blocks[0]
    assert isinstance(notice, Notice)
    assert notice.text.startswith("results-grades.parquet cannot be read: ")
    assert notice.commands[0].startswith("gradewise evaluation grades ")


def test_csv_that_a_command_printed_reads_as_the_table(tmp_path: Path, tables: Tables) -> None:
    for name, results in tables.results.items():
        (tmp_path / f"results-{name}.csv").write_text(results.to_csv())
    assert load(tmp_path).results == tables.results
    rows = Results((Row(metric="accuracy", system="teacher", n=3, note="no_pair"),))
    (tmp_path / "results-grades.csv").write_text(rows.to_csv())
    assert load(tmp_path).rows("grades") == rows


def test_tables_are_read_again_only_when_they_change(results_workspace: Path) -> None:
    first = load(results_workspace)
    assert load(results_workspace) is first
    path = results_workspace / "results-experiment.parquet"
    verdict = ExperimentRow(metric="verdict", note="hold: one group fell")
    Results((verdict,)).to_frame().write_parquet(path)
    os.utime(path, ns=(1, 1))
    assert viewmodels.verdict(load(results_workspace)).kind == "hold"


def test_counts_and_provenance_are_shown(results_workspace: Path) -> None:
    from datetime import UTC, datetime

    import polars as pl

    judgments = pl.DataFrame(
        {"query_id": ["q"], "pin_id": ["p"], "annotator": ["a"], "grade": [4],
         "created_at": [datetime(2026, 1, 1, tzinfo=UTC)]}
    )  # fmt: skip
    Workspace(results_workspace).write("judgments", judgments, command="pull")
    found = tables_of(viewmodels.about(load(results_workspace)))
    assert [cell.text for cell in found["Human labels"].rows[0]] == ["judgments", "1"]
    made = found["Where the numbers come from"].rows[0]
    assert [cell.text for cell in made[:3]] == [
        "results-agreement", "gradewise agreement", "2026-05-04 12:30:00",
    ]  # fmt: skip


def test_paper_stands_beside_ours_and_is_marked(tables: Tables) -> None:
    found = tables_of(viewmodels.model_quality(tables))
    beside = found["Beside the paper"]
    assert beside.header[:3] == ("Model", "Accuracy", "published")
    teacher = beside.rows[0]
    assert (teacher[1].text, teacher[2].text, teacher[2].detail) == ("0.560", "", "0.602")
    assert "never ours" in beside.caption
    assert found["Published by the paper"].header[-1] == "Status"
    assert {row.status for row in PUBLISHED} <= {"verified", "secondary", "disputed"}


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("", ""),
        ("not_judged: 3; one_class", "3 without a judgment; only one class of grades"),
        ("no_relevant", "without any relevant Pin"),
        ("baseline production; not_tested", "not tested"),
        ("weighted to one mix of country", "weighted to one mix of country"),
    ],
)  # fmt: skip
def test_note_codes_become_words(note: str, words: str) -> None:
    assert wording.remark(note) == words


def test_baseline_is_named_only_if_there_is_one() -> None:
    assert wording.baseline_name("baseline bm25; missing: 2") == "bm25"
    assert wording.baseline_name("missing: 2") == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (wording.lift(0.0194), "+1.94%"),
        (wording.lift(-0.004), "−0.40%"),
        (wording.difference(-0.00123), "−0.0012"),
        (wording.rate(0.4122), "41.22%"),
        (wording.p_value(0.00004), "<.0001"),
        (wording.p_value(1.0), "1.0000"),
        (wording.number(None), UNDEFINED),
        (wording.interval("0.1", UNDEFINED), ""),
        (wording.metric_name("excluded(no_variant)"), "Left out: no variant"),
        (wording.metric_name("nDCG(gain=exp)@20"), "nDCG(gain=exp)@20"),
        (wording.unit("nDCG@20"), "queries"),
        (wording.unit("AUROC@4"), "pairs"),
        (wording.unit("heterogeneity"), ""),
    ],
)
def test_wording(text: str, shown: str) -> None:
    assert text == shown


def test_figure_without_reason_says_so() -> None:
    cell = cells.value_cell(Row(metric="accuracy", n=0))
    assert (cell.text, cell.note) == (UNDEFINED, "undefined, and the table gives no reason")


def test_figure_in_doubt_says_so_on_its_card(tables: Tables) -> None:
    first, *rest = tables.rows("experiment").rows
    doubted = replace(first, note="invalid: sample ratio; weighted to one mix of country")
    part = Tables("w", {"experiment": Results((doubted, *rest))})
    figure = viewmodels.key_figures(part).figures[0]
    assert figure.basis == "invalid: sample ratio. 15,012 users, 120,096 sessions"


def test_every_treatment_has_its_verdict_and_series(tables: Tables) -> None:
    rows = tables.rows("experiment").rows
    other = tuple(replace(row, system="b") for row in rows)
    page = viewmodels.experiment(Tables("w", {"experiment": Results((*rows, *other))}))
    assert [type(block).__name__ for block in page.blocks[:3]] == ["Verdict", "Verdict", "Charts"]
    forest = next(block for block in page.blocks if isinstance(block, Charts)).charts[0]
    assert forest.series == ("treatment", "b")
    assert len(forest.points) == 2 * 5
    names = [row[0].text for row in tables_of(page)["Control and treatment"].rows]
    assert names[:2] == ["All, treatment", "All, b"]
    overview = viewmodels.overview(Tables("w", {"experiment": Results((*rows, *other))}))
    assert next(b for b in overview.blocks if isinstance(b, Charts)).charts[0].series == ("",)
