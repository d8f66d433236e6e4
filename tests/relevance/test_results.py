"""The long table and what prints it."""

from __future__ import annotations

import csv
import io
import json
import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relevance.results import (
    ComparisonRow,
    ExperimentRow,
    Results,
    Row,
    markdown_table,
    results_from,
    show,
)

ROWS = Results(
    (
        Row(metric="nDCG@20", system="a", value=0.51234, ci_low=0.4, ci_high=0.6, n=1200),
        Row(metric="nDCG@20", slice="country", group="US", system="a", value=math.nan, note="no"),
        Row(metric="P@8", system="b", value=0.25, n=3, n_undefined=1),
    )
)
COMPARED = ComparisonRow(
    metric="nDCG@20", value=0.6, baseline=0.5, difference=0.1, rel_difference=0.2, p_value=1e-6
)

names = st.sampled_from(("", "nDCG@20", "a|b", "ü"))
values = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    kind = draw(st.sampled_from((Row, ComparisonRow, ExperimentRow)))
    shared = {"metric": draw(names), "note": draw(names), "n": draw(st.integers(0, 10**9))}
    if kind is Row:
        return Row(**shared, value=draw(values), ci_low=draw(values))
    return kind(**shared, value=draw(values), baseline=draw(values), p_value=draw(values))


def test_find() -> None:
    found = ROWS.find("nDCG@20", group="US")
    assert found is not None
    assert found.note == "no"
    assert ROWS.find("P@8", system="b") is not None
    assert ROWS.find("P@8", system="a") is None
    assert ROWS.find("R@8") is None


def test_undefined_is_null_and_json_is_strict() -> None:
    loaded = json.loads(ROWS.to_json(), parse_constant=pytest.fail)
    assert [row["value"] for row in loaded] == [0.51234, None, 0.25]
    assert ROWS.to_frame()["value"].null_count() == 1


def test_columns_are_those_of_the_richest_row() -> None:
    assert "p_value" not in ROWS.columns
    both = ROWS + Results((COMPARED,))
    assert "p_value" in both.columns
    assert "n_sessions" not in both.columns
    assert len(both) == 4
    assert both.to_dicts()[0]["p_value"] is None


def test_csv_parses_back() -> None:
    parsed = list(csv.DictReader(io.StringIO(ROWS.to_csv())))
    assert [row["value"] for row in parsed] == ["0.51234", "", "0.25"]
    assert list(parsed[0]) == ROWS.columns


def test_markdown_is_rounded_and_escaped() -> None:
    text = str(ROWS)
    assert "| 0.5123 |" in text
    assert "| 1,200 |" in text
    assert markdown_table(["a"], [["x|y"]]).endswith("| x\\|y |")


@settings(deadline=None)
@given(st.lists(rows(), max_size=5))
def test_dictionaries_come_back_as_rows(made: list[Row]) -> None:
    results = Results(tuple(made))
    back = results_from(results.to_dicts())
    assert back.to_dicts() == results.to_dicts()
    frame = results.to_frame()
    assert results_from(frame.to_dicts()).to_frame().equals(frame)


def test_a_dictionary_that_is_no_row() -> None:
    with pytest.raises(KeyError, match="not a row of the long table"):
        results_from([{"metric": "x"}])


def test_the_frame_has_fixed_types() -> None:
    schema = Results(()).to_frame().schema
    assert schema["value"] == pl.Float64
    assert schema["n_sessions"] == pl.Int64
    assert schema["group"] == pl.String
    assert schema == ROWS.to_frame().schema


@pytest.mark.parametrize(
    ("value", "name", "shown"),
    [
        (None, "", "—"),
        (math.nan, "value", "—"),
        (math.inf, "value", "—"),
        (0.5, "value", "0.5000"),
        (0.0218, "rel_difference", "+2.18%"),
        (-0.01, "difference", "-0.0100"),
        (1e-6, "p_value", "<.0001"),
        (0.0312, "p_adjusted", "0.0312"),
        (12345, "n", "12,345"),
        ("US", "group", "US"),
    ],
)
def test_cells_for_people(value: object, name: str, shown: str) -> None:
    assert show(value, name) == shown
