"""Groups of queries by columns of any type, and by crossings."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from evaluation.slices.groups import Group, groups_of
from relevance.errors import InputError

IDS = pl.Series(["a", "b", "c", "d"])


def table(**columns: object) -> pl.DataFrame:
    return pl.DataFrame({"query_id": ["d", "c", "b", "a"], **columns})


def names(groups: list[Group]) -> dict[str, list[int]]:
    return {group.name: group.queries.tolist() for group in groups if group.slice != "all"}


def test_without_a_split_there_is_one_group() -> None:
    (group,) = groups_of(IDS, None, None)
    assert (group.key, group.queries.tolist()) == ("all=all", [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["US", "FR", None, "US"], {"FR": [2], "US": [0, 3], "(unknown)": [1]}),
        ([10, 9, 9, None], {"9": [1, 2], "10": [3], "(unknown)": [0]}),
        ([True, False, True, True], {"false": [2], "true": [0, 1, 3]}),
        ([1.5, float("nan"), 1.5, -2.0], {"-2.0": [0], "1.5": [1, 3], "(unknown)": [2]}),
        (
            [dt.date(2024, 1, 2), dt.date(2023, 1, 2), None, None],
            {"2023-01-02": [2], "2024-01-02": [3], "(unknown)": [0, 1]},
        ),
        (["", "x", "", "x"], {"x": [0, 2], "(unknown)": [1, 3]}),
        (
            pl.Series(["low", "high", "low", "high"], dtype=pl.Enum(["low", "high"])),
            {"low": [1, 3], "high": [0, 2]},
        ),
        (
            pl.Series(["b", "a", "b", "a"], dtype=pl.Categorical),
            {"a": [0, 2], "b": [1, 3]},
        ),
    ],
)
def test_labels_of_any_type_in_the_order_of_the_values(
    values: object, expected: dict[str, list[int]]
) -> None:
    found = names(groups_of(IDS, table(kind=values), "kind"))
    assert list(found.items()) == list(expected.items())


def test_queries_in_the_order_of_the_ids_or_in_another_are_the_same() -> None:
    queries = table(kind=["x", "y", "x", None])
    expected = {"x": [1, 3], "y": [2], "(unknown)": [0]}
    for ordered in (queries, queries.sort("query_id"), queries.sample(fraction=1, shuffle=True)):
        assert names(groups_of(IDS, ordered, "kind")) == expected
    more = pl.concat([queries, queries.head(1).with_columns(query_id=pl.lit("e"))])
    assert names(groups_of(IDS, more.sort("query_id"), "kind")) == expected


def test_a_crossing_needs_every_value() -> None:
    queries = table(country=["US", "FR", None, "US"], segment=["home", "home", "home", None])
    found = groups_of(IDS, queries, "country:segment")[1:]
    assert {group.slice for group in found} == {"country:segment"}
    assert names(found) == {"FR:home": [2], "US:home": [3], "(unknown)": [0, 1]}


def test_values_with_a_colon_do_not_meet_in_a_crossing() -> None:
    queries = table(x=["a:b", "a", "a", "a"], y=["c", "b:c", "c", "c"])
    found = names(groups_of(IDS, queries, "x:y"))
    assert found == {"a:c": [0, 1], r"a:b\:c": [2], r"a\:b:c": [3]}
    assert set(names(groups_of(IDS, queries, "x"))) == {"a", "a:b"}


def test_a_column_with_a_colon_in_its_name_is_a_column() -> None:
    queries = table(**{"a:b": ["x", "y", "x", "y"], "a": [1, 1, 1, 1]})
    assert names(groups_of(IDS, queries, "a:b")) == {"x": [1, 3], "y": [0, 2]}


def test_several_splits_follow_each_other_each_once() -> None:
    queries = table(country=["US", "FR", "FR", "US"], kind=[1, 1, 1, 2])
    found = groups_of(IDS, queries, ["kind", "country:kind", "kind"])
    assert [group.key for group in found] == [
        "all=all", "kind=1", "kind=2", "country:kind=FR:1", "country:kind=US:1",
        "country:kind=US:2",
    ]  # fmt: skip


def test_queries_beyond_the_table_are_unknown_and_left_out_if_not_judged() -> None:
    ids = pl.Series(["a", "b", "x"])
    queries = table(country=["US"] * 4)
    assert names(groups_of(ids, queries, "country")) == {"US": [0, 1], "(unknown)": [2]}
    judged = np.array([True, True, False])
    assert names(groups_of(ids, queries, "country", judged=judged)) == {"US": [0, 1]}


def test_traffic_is_that_of_the_groups_queries_known_or_not() -> None:
    queries = table(country=["US", "FR", "US", "FR"], traffic=[7, None, 5, None])
    found = {group.name: group.traffic for group in groups_of(IDS, queries, "country")}
    assert found == {"all": None, "FR": None, "US": 12.0}


def test_many_groups_are_those_of_a_filter() -> None:
    rng = np.random.default_rng(0)
    ids = pl.Series([f"q{i:05d}" for i in range(5_000)])
    queries = pl.DataFrame({"query_id": ids, "kind": rng.integers(0, 300, 5_000)})
    shuffled = queries.sample(fraction=1, shuffle=True, seed=1)
    found = groups_of(ids, shuffled, "kind")[1:]
    kind = queries["kind"].to_numpy()
    assert [int(group.name) for group in found] == sorted(set(kind.tolist()))
    for group in found:
        assert np.array_equal(group.queries, np.flatnonzero(kind == int(group.name)))


@pytest.mark.parametrize(
    ("queries", "by", "message"),
    [
        (None, "country", "'country' the queries table is needed: --queries FILE"),
        (table(country=["US"] * 4), "contry", "no column 'contry' to split by. Did you mean"),
        (table(country=["US"] * 4), "country:kind", "no column 'kind' to split by"),
        (table(country=["US"] * 4), "query_id", "no column 'query_id' to split by"),
        (table(country=[None] * 4), "country", "column 'country' of the queries table is empty"),
        (table(all=["x"] * 4), "all", "a column called 'all' cannot be split by.*Rename"),
        (table(country=["(mean)"] * 4), "country", r"has the value '\(mean\)'.*Rename the value"),
        (table(kind=[[1]] * 4), "kind", "'kind' of the queries table holds no plain values"),
        (
            pl.DataFrame({"query_id": ["a", "a"], "country": ["US", "FR"]}),
            "country",
            "the queries table has query 'a' twice",
        ),
        (
            pl.DataFrame({"query_id": ["x"], "country": ["US"]}),
            "country",
            r"no query id of the grades is in the queries table \(such as 'a'\)",
        ),
    ],
)
def test_what_cannot_be_split_by(queries: pl.DataFrame | None, by: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        groups_of(IDS, queries, by)
