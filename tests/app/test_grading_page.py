from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import polars as pl
import pytest

from annotation.adjudicate import adjudicated
from annotation.graders import scorecards
from annotation.graders.rows import card_table
from annotation.queue import doubts, senior_queue
from app import grading_page, grading_tabulate
from app.blocks import UNDEFINED, Charts, KeyFigures, Notice, Table
from app.grading_tables import Grading, read_grading
from app.html_report import report_html, report_pages
from app.loading import Tables, load
from relevance.grades import FIVE
from relevance.workspace import Workspace

PEOPLE = ("ada", "bea", "cyd", "dora")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 pairs in two countries by four people; `dora` is severe; some disputes, gold, repeats."""
    space = Workspace(tmp_path_factory.mktemp("graded") / "shop")
    rows = []
    for i in range(240):
        true = 1 + i % 5
        for at, who in enumerate(PEOPLE):
            grade = true + (i * 7 + at * 3) % 11 // 10
            grade = 5 if i % 60 == 0 and at == 0 else grade - 2 * (who == "dora" and true > 2)
            rows.append((f"q{i // 4:02}", f"p{i % 4}", who, min(max(grade, 1), 5), 10.0 + at))
    names = ["query_id", "pin_id", "annotator", "grade", "seconds"]
    judgments = pl.DataFrame(rows, schema=names, orient="row")
    queries = judgments.select("query_id").unique(maintain_order=True).with_row_index("i")
    country = pl.when(pl.col("i") < 20).then(pl.lit("FR")).otherwise(pl.lit("US"))
    pairs = judgments.select("query_id", "pin_id").unique(maintain_order=True)
    gold = pairs.head(30).with_columns(grade=pl.int_range(30) % 5 + 1)
    samples = pl.concat([pairs, pl.DataFrame({"query_id": ["q59"], "pin_id": ["p9"]})])
    found = adjudicated(judgments, "dawid-skene-shrunk", gold=gold)
    repeats = judgments.head(80)
    tables = {
        "queries": queries.select(
            "query_id", pl.format("words of {}", "query_id").alias("text"), country.alias("country")
        ),
        "samples": samples.with_columns(
            inclusion_probability=1.0, stratum=pl.lit("all"), draw=pl.lit("measure")
        ),
        "judgments": judgments,
        "repeats": repeats,
        "gold": gold,
        "qrels": found.qrels(),
    }
    for name, frame in tables.items():
        space.write(name, frame, command="test")
    cards = card_table(scorecards(judgments, repeats, gold))
    space.write("results-graders", cards, command="test", config={"level": 0.95})
    queue = senior_queue(doubts(judgments, found, FIVE, gold=gold))
    assert queue.height > 10
    queue.write_parquet(space.root / "queue-senior.parquet")
    rejected = [
        {"reason": "too fast: 0.2 s, less than 0.5 s", "query_id": "q00", "pin_id": "p0"},
        {"reason": "too fast: 0.1 s, less than 0.5 s", "query_id": "q30", "pin_id": "p1"},
        {"reason": "unknown pair: the task is not ours", "query_id": None, "pin_id": None},
    ]
    lines = "".join(json.dumps({**row, "task_id": 7}) + "\n" for row in rejected)
    (space.root / "judgments-rejected.jsonl").write_text(lines)
    return space.root


@pytest.fixture
def tables(made: Path) -> Tables:
    return load(made)


def titled(tables: Tables) -> dict[str, Table]:
    blocks = grading_page.page(tables).blocks
    return {block.title: block for block in blocks if isinstance(block, Table)}


def row_of(table: Table, name: str) -> dict[str, str]:
    row = next(row for row in table.rows if row[0].text == name)
    return {head: cell.text for head, cell in zip(table.header, row, strict=True)}


def notices(tables: Tables) -> list[Notice]:
    return [block for block in grading_page.page(tables).blocks if isinstance(block, Notice)]


def without(tables: Tables, **changes: object) -> Tables:
    grading = dataclasses.replace(tables.grading, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(tables, grading=grading)


def test_progress_counts_pairs_judgments_and_what_was_set_aside(tables: Tables) -> None:
    table = titled(tables)["Progress by country"]
    assert [row[0].text for row in table.rows] == ["All", "FR", "US"]
    assert table.totals == 1
    assert row_of(table, "All") | {"Sure": ""} == {
        "Country": "All",
        "Drawn": "241",
        "Graded": "240",
        "Judgments": "960",
        "Set aside": "3",
        "Repeats": "80",
        "Settled": "240",
        "Sure": "",
    }
    assert row_of(table, "FR")["Judgments"] == "320"
    assert row_of(table, "US")["Drawn"] == "161"
    assert [row_of(table, name)["Set aside"] for name in ("FR", "US")] == ["1", "1"]


def test_an_abstention_is_a_judgment_but_no_grade(made: Path, tmp_path: Path) -> None:
    frame = pl.read_parquet(made / "judgments.parquet")
    first = (pl.col("query_id") == "q00") & (pl.col("pin_id") == "p0")
    silent = frame.with_columns(grade=pl.when(~first).then("grade"))
    silent.write_parquet(tmp_path / "judgments.parquet")
    total = read_grading(tmp_path).progress[0]
    assert (total.judgments, total.graded, total.drawn) == (960, 239, None)


def test_reasons_are_told_without_their_particulars(tables: Tables) -> None:
    table = titled(tables)["Set aside, by reason"]
    shown = [tuple(cell.text for cell in row) for row in table.rows]
    assert shown == [("Too fast", "2", "66.7%"), ("Unknown pair", "1", "33.3%")]


def test_annotators_stand_with_figures_intervals_and_a_verdict_in_words(tables: Tables) -> None:
    table = titled(tables)["Annotators"]
    assert table.rows[0][0].text == "dora"
    dora = row_of(table, "dora")
    card = next(row for row in tables.grading.graders if row["annotator"] == "dora")
    assert dora["Severity"] == f"−{-card['severity']:.2f}"
    verdict = dora["Verdict"].replace("\u00a0", " ")
    assert verdict == card["verdict"].capitalize().replace("-", "−")
    assert f"everity −{-card['severity']:.2f}" in verdict
    cell = table.rows[0][table.header.index("Severity")]
    low, high = card["severity_ci_low"], card["severity_ci_high"]
    assert cell.detail == f"[−{-low:.2f}, −{-high:.2f}]"
    assert cell.hint == "240 pairs that others graded too"
    assert dora["Gold"] == f"{card['gold']:.0%}"
    assert dora["Repeats"] == "100%"
    assert dora["Seconds"] == "13"
    assert "95% interval" in table.caption


def test_figures_without_evidence_are_dashes_with_their_reason(tables: Tables) -> None:
    row = dict(tables.grading.graders[0])
    for name in ("severity", "noise", "gold", "repeats", "seconds"):
        row |= {name: None, f"{name}_ci_low": None, f"{name}_ci_high": None}
    table = titled(without(tables, graders=(row,)))["Annotators"]
    reasons = {
        head: cell.note
        for head, cell in zip(table.header, table.rows[0], strict=True)
        if cell.text == UNDEFINED
    }
    assert reasons == {
        "Seconds": "no times are known",
        "Severity": "no pair was graded by others too",
        "Noise": "no pair was graded by others too",
        "Gold": "answered no gold question",
        "Repeats": "graded no pair twice",
    }


def test_too_few_judgments_make_figures_grey(tables: Tables) -> None:
    row = dict(tables.grading.graders[1]) | {"flags": "", "n_more": 40}
    table = titled(without(tables, graders=(row,)))["Annotators"]
    faint = {head for head, cell in zip(table.header, table.rows[0], strict=True) if cell.faint}
    assert faint == {"Severity", "Noise"}


def test_a_table_of_annotators_older_than_the_judgments_says_so(tables: Tables) -> None:
    assert "Make it anew" not in titled(tables)["Annotators"].caption
    later = without(tables, graders=tables.grading.graders[:2])
    caption = titled(later)["Annotators"].caption
    assert "made of 480 judgments, and there are 960 now" in caption
    assert "gradewise annotation graders --workspace shop --save" in caption


def test_charts_show_severity_and_noise_of_the_first_annotators(tables: Tables) -> None:
    charts = next(b for b in grading_page.page(tables).blocks if isinstance(b, Charts)).charts
    assert [chart.title for chart in charts] == ["Severity by annotator", "Noise by annotator"]
    assert charts[0].labels[0] == "dora"
    assert (charts[0].reference, charts[0].caption) == (0.0, "")
    rows = [
        dict(tables.grading.graders[0]) | {"annotator": f"a{i}"}
        for i in range(grading_tabulate.CHARTED + 6)
    ]
    many = without(tables, graders=tuple(rows))
    drawn = grading_tabulate.annotator_charts(many.grading).charts[0]
    assert len(drawn.points) == grading_tabulate.CHARTED
    assert "6 more" in drawn.caption


def test_adjudication_tells_methods_and_how_many_grades_are_sure(made: Path) -> None:
    qrels = pl.read_parquet(made / "qrels.parquet")
    grading = read_grading(made)
    levels = [f"p{k}" for k in range(1, 6)]
    entropy = [-sum(p * _log2(p) for p in row if p > 0) for row in qrels.select(levels).iter_rows()]
    sure = sum(bits < grading.doubt for bits in entropy if grading.doubt)
    assert grading.progress[0].sure == sure
    assert [one.name for one in grading.methods] == ["dawid-skene-shrunk", "gold"]
    assert sum(one.sure or 0 for one in grading.methods) == sure
    shown = [row[0].text for row in titled(load(made))["Adjudication"].rows]
    assert shown == ["dawid-skene-shrunk", "Known beforehand (gold)"]


def _log2(value: float) -> float:
    from math import log2

    return log2(value)


def test_trusted_grades_without_a_posterior_are_not_called_sure(made: Path, tmp_path: Path) -> None:
    pl.read_parquet(made / "judgments.parquet").write_parquet(tmp_path / "judgments.parquet")
    bare = pl.read_parquet(made / "qrels.parquet").select("query_id", "pin_id", "grade")
    bare.write_parquet(tmp_path / "qrels.parquet")
    tables = load(tmp_path)
    row = row_of(titled(tables)["Adjudication"], "not said")
    assert (row["Pairs"], row["Certainty"], row["Sure"]) == ("240", UNDEFINED, UNDEFINED)
    assert row_of(titled(tables)["Progress by country"], "All")["Sure"] == UNDEFINED
    figures = grading_page.key_figures(tables.grading).figures
    assert figures[3].text == UNDEFINED
    assert figures[3].basis == "the trusted grades have no posterior"


def test_disputes_wait_until_a_senior_has_ruled(made: Path, tmp_path: Path) -> None:
    for name in ("judgments", "queries", "queue-senior"):
        pl.read_parquet(made / f"{name}.parquet").write_parquet(tmp_path / f"{name}.parquet")
    queue = pl.read_parquet(made / "queue-senior.parquet")
    before = read_grading(tmp_path).disputes
    assert before is not None
    assert (before.waiting, before.ruled) == (queue.height, 0)
    assert before.minutes == pytest.approx(queue["seconds"].sum() / 60)
    first = queue.head(3).select("query_id", "pin_id", annotator=pl.lit("chief"))
    ruled = first.with_columns(grade=pl.Series([5, 1, None], dtype=pl.Int64))
    ruled.write_parquet(tmp_path / "rulings.parquet")
    table = titled(load(tmp_path))["Waiting for a senior"]
    assert len(table.rows) == 10
    third = queue.row(2, named=True)
    assert table.rows[0][0].text == f"words of {third['query_id']}"
    assert table.rows[0][1].text == third["pin_id"]
    assert f"The first 10 of {queue.height - 2}" in table.caption
    assert "--purpose senior" in table.caption


def test_an_empty_queue_says_that_nothing_waits(tables: Tables, made: Path, tmp_path: Path) -> None:
    pl.read_parquet(made / "judgments.parquet").write_parquet(tmp_path / "judgments.parquet")
    empty = pl.read_parquet(made / "queue-senior.parquet").clear()
    empty.write_parquet(tmp_path / "queue-senior.parquet")
    texts = [notice.text for notice in notices(load(tmp_path))]
    assert "No dispute waits for a senior." in texts


def test_without_judgments_the_page_names_the_command(tmp_path: Path) -> None:
    (notice,) = grading_page.page(load(tmp_path)).blocks
    assert isinstance(notice, Notice)
    assert notice.text.endswith("no table of judgments in this workspace yet (judgments.parquet).")
    assert notice.commands[0] == f"gradewise annotation pull --workspace {tmp_path.name}"


def test_each_missing_table_names_the_command_that_makes_it(made: Path, tmp_path: Path) -> None:
    pl.read_parquet(made / "judgments.parquet").write_parquet(tmp_path / "judgments.parquet")
    commands = [notice.commands[0].split(" --")[0] for notice in notices(load(tmp_path))]
    assert commands == [
        "gradewise annotation graders",
        f"gradewise annotation adjudicate {tmp_path.name}/judgments.parquet",
        "gradewise annotation queue",
    ]
    total = load(tmp_path).grading.progress
    assert [one.country for one in total] == ["all"]


def test_a_broken_file_is_told_and_the_others_are_shown(made: Path, tmp_path: Path) -> None:
    pl.read_parquet(made / "judgments.parquet").write_parquet(tmp_path / "judgments.parquet")
    (tmp_path / "results-graders.parquet").write_text("no table")
    (tmp_path / "judgments-rejected.jsonl").write_text("{broken\n")
    texts = [notice.text for notice in notices(load(tmp_path))]
    assert texts[0].startswith("judgments-rejected.jsonl cannot be read:")
    assert texts[1].startswith("results-graders.parquet cannot be read:")
    assert "Progress by country" in titled(load(tmp_path))


def test_nothing_was_set_aside_without_a_table_of_reasons(made: Path, tmp_path: Path) -> None:
    pl.read_parquet(made / "judgments.parquet").write_parquet(tmp_path / "judgments.parquet")
    (tmp_path / "judgments-rejected.jsonl").write_text("")
    tables = load(tmp_path)
    assert "Set aside, by reason" not in titled(tables)
    figures = next(b for b in grading_page.page(tables).blocks if isinstance(b, KeyFigures))
    assert figures.figures[2].text == "0"


def test_new_judgments_are_seen_at_once(made: Path, tmp_path: Path) -> None:
    frame = pl.read_parquet(made / "judgments.parquet")
    frame.head(4).write_parquet(tmp_path / "judgments.parquet")
    assert load(tmp_path).grading.progress[0].judgments == 4
    frame.head(400).write_parquet(tmp_path / "judgments.parquet")
    assert load(tmp_path).grading.progress[0].judgments == 400


def test_the_report_has_the_same_blocks(tables: Tables) -> None:
    pages = {page.title: page for page in report_pages(tables)}
    assert pages["Grading"] == grading_page.page(tables)
    text = report_html(tables)
    assert 'id="grading"' in text
    for said in ("Progress by country", "Severity by annotator", "Waiting for a senior", "dora"):
        assert said in text


def test_an_empty_workspace_has_no_grading(tmp_path: Path) -> None:
    assert read_grading(tmp_path / "nothing") == Grading()
