"""Texts that a spreadsheet would run: guarded in every CSV, the same again when read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.formulas import guard, unguard
from relevance.results import Results, Row
from relevance.tables import read_table, write_table
from relevance.writing import defused

RISKY = [
    "=1+1",
    "+cmd",
    "-x",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "\n=1",
    "＝1",
    "'=1",
    "''@",
    "-",
    "=",
    "-1e",
]
SAFE = ["", "a=b", "'", "'a", "-12", "+1.5", "-1e-5", ".5", " =1", "don't", "1-2", "−5"]


@pytest.mark.parametrize("text", RISKY)
def test_risky_texts_are_guarded(text: str) -> None:
    assert guard(text) == f"'{text}"
    assert unguard(guard(text)) == text


@pytest.mark.parametrize("text", SAFE)
def test_others_and_numbers_are_left_alone(text: str) -> None:
    assert guard(text) == text
    assert unguard(text) == text


@given(st.text(st.sampled_from("'=+-@\t\r\n＝a1.e "), max_size=6))
def test_guarding_is_undone_and_the_same_in_frames(text: str) -> None:
    assert unguard(guard(text)) == text
    assert guard(text)[:1] not in {"=", "@", "\t", "\r", "\n"}
    assert defused(pl.DataFrame({"a": [text]}))["a"].item() == guard(text)


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz"])
def test_tables_read_back_what_was_written(tmp_path: Path, ending: str) -> None:
    texts = [*RISKY, *(text for text in SAFE if text)]
    frame = pl.DataFrame({"query_id": [f"q{i}" for i in range(len(texts))], "text": texts})
    frame = frame.with_columns(traffic=pl.lit(1.0), note=pl.col("text"), low=pl.lit(-1.5))
    path = tmp_path / f"queries.{ending}"
    write_table(frame, path, "queries")
    read = read_table(path, "queries").sort("query_id")
    assert read["text"].to_list() == frame.sort("query_id")["text"].to_list()
    assert read["note"].to_list() == read["text"].to_list()
    assert read["low"].cast(pl.Float64).unique().to_list() == [-1.5]


def test_no_cell_of_a_written_file_starts_a_formula(tmp_path: Path) -> None:
    frame = pl.DataFrame({
        "query_id": ["=q"], "pin_id": ["-2"], "annotator": ["@me"], "grade": [4],
        "comment": ['=HYPERLINK("http://x","y")'],
    })  # fmt: skip
    write_table(frame, tmp_path / "judgments.csv", "judgments")
    with (tmp_path / "judgments.csv").open(encoding="utf-8", newline="") as file:
        (row,) = list(csv.DictReader(file))
    assert row["comment"] == '\'=HYPERLINK("http://x","y")'
    assert (row["query_id"], row["pin_id"], row["annotator"]) == ("'=q", "-2", "'@me")
    assert read_table(tmp_path / "judgments.csv", "judgments")["query_id"].item() == "=q"


def test_results_as_csv_are_safe_and_keep_their_numbers() -> None:
    row = Row(metric="P@8", slice="country", group="=1+1", system="-rm", value=-0.5, note="+1")
    (cells,) = list(csv.DictReader(io.StringIO(Results((row,)).to_csv())))
    assert (cells["group"], cells["system"], cells["value"]) == ("'=1+1", "'-rm", "-0.5")
    assert cells["note"] == "+1"
