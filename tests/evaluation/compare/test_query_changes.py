"""Queries that gained and lost, with both lists."""

from __future__ import annotations

import polars as pl
import pytest

from evaluation.compare.query_changes import Place, largest_changes, query_values
from evaluation.compare.sides import Sides, sides_of

QUERIES = pl.DataFrame(
    {"query_id": ["a", "b", "c", "d"], "text": ["lamp", "cake", None, "hat"],
     "country": ["US", "FR", "JP", "US"]}
)  # fmt: skip


def run(name: str, orders: dict[str, str]) -> pl.DataFrame:
    rows = [(name, q, pin, float(-i)) for q, pins in orders.items() for i, pin in enumerate(pins)]
    return pl.DataFrame(rows, schema=["system", "query_id", "pin_id", "score"], orient="row")


@pytest.fixture
def sides() -> Sides:
    """Query a gains most, b a little, c loses, d does not change; z is unjudged."""
    grades = dict(zip("vwxy", (1, 2, 4, 5), strict=True))
    qrels = pl.DataFrame(
        [(q, pin, grade) for q in "abcd" for pin, grade in grades.items()],
        schema=["query_id", "pin_id", "grade"], orient="row",
    )  # fmt: skip
    old = run("old", {"a": "vwxy", "b": "wxvy", "c": "yxwv", "d": "xyz"})
    new = run("new", {"a": "yxwz", "b": "xwvy", "c": "xwyv", "d": "xyz"})
    return sides_of(old, new, qrels, metrics="nDCG@2,P@2")


def test_most_changed_first_with_both_lists(sides: Sides) -> None:
    pins = pl.DataFrame({"pin_id": ["v", "y"], "title": ["Vase", None]})
    gained, lost = largest_changes(sides, sides.candidates[0], n=3, queries=QUERIES, pins=pins)
    assert [change.query_id for change in gained] == ["a", "b"]
    assert [change.query_id for change in lost] == ["c"]
    first = gained[0]
    assert (first.metric, first.system, first.text, first.country) == (
        "nDCG@2", "new", "lamp", "US",
    )  # fmt: skip
    assert first.before == (Place(1, "v", 1, "Vase"), Place(2, "w", 2))
    assert first.after == (Place(1, "y", 5), Place(2, "x", 4))
    assert first.candidate == pytest.approx(1)
    assert first.difference == pytest.approx(first.candidate - first.baseline)
    assert lost[0].text == ""


def test_no_more_than_asked_for_and_by_any_metric(sides: Sides) -> None:
    gained, lost = largest_changes(sides, sides.candidates[0], n=1)
    assert [len(gained), len(lost)] == [1, 1]
    assert largest_changes(sides, sides.candidates[0], n=0) == ([], [])
    gained, lost = largest_changes(sides, sides.candidates[0], n=9, measure=sides.asked[1])
    assert [change.query_id for change in gained] == ["a"]
    assert [change.query_id for change in lost] == ["c"]


def test_lists_without_a_cutoff_are_cut_at_ten() -> None:
    pins = [f"p{i:02d}" for i in range(15)]
    qrels = pl.DataFrame({"query_id": "a", "pin_id": pins[:14], "grade": [5] + [1] * 13})
    old = pl.DataFrame({"query_id": "a", "pin_id": pins, "score": [float(i) for i in range(15)]})
    new = old.with_columns(score=-pl.col("score"))
    sides = sides_of(old, new, qrels, metrics="nDCG")
    gained, _ = largest_changes(sides, sides.candidates[0], n=1)
    assert [place.rank for place in gained[0].before] == list(range(1, 11))
    assert gained[0].before[0] == Place(1, "p14", None)
    assert gained[0].after[0] == Place(1, "p00", 5)


def test_every_querys_values_as_a_table(sides: Sides) -> None:
    table = query_values(sides, QUERIES)
    assert table.columns == [
        "query_id", "text", "country", "metric", "baseline_system", "system", "baseline",
        "candidate", "difference", "n_unjudged", "difference_worst", "difference_best",
    ]  # fmt: skip
    assert table["metric"].unique(maintain_order=True).to_list() == ["nDCG@2", "P@2", "Judged@2"]
    assert table.height == 12
    ndcg = table.filter(pl.col("metric") == "nDCG@2")
    assert ndcg["query_id"].to_list() == ["a", "b", "c", "d"]
    assert ndcg["difference"].to_list() == pytest.approx(
        (ndcg["candidate"] - ndcg["baseline"]).to_list()
    )
    assert query_values(sides).columns[1] == "metric"


def test_values_undefined_for_one_system_have_no_difference() -> None:
    qrels = pl.DataFrame({"query_id": ["a", "b"], "pin_id": "x", "grade": 5})
    old = run("old", {"a": "x", "b": "x"})
    sides = sides_of(old, run("new", {"a": "xz"}), qrels, metrics="Judged@2")
    table = query_values(sides)
    assert table["baseline"].to_list() == [1, 1]
    assert table["candidate"].to_list() == [0.5, None]
    assert table["difference"].to_list() == [-0.5, None]
    assert table["n_unjudged"].to_list() == [1, 0]
    assert table["difference_worst"].to_list() == [None, None]
