from __future__ import annotations

import polars as pl
import pytest

from annotation.sampling import pool, ranked_pool, run_of_log
from relevance.errors import InputError

A = pl.DataFrame({"query_id": ["q"] * 3, "pin_id": ["p1", "p2", "p3"], "score": [3.0, 2.0, 1.0]})
B = pl.DataFrame({"query_id": ["q"] * 3, "pin_id": ["p3", "p4", "p1"], "score": [3.0, 2.0, 1.0]})
BOTH = [A.with_columns(system=pl.lit("a")), B.with_columns(system=pl.lit("b"))]


def test_shared_pairs_stand_once_with_every_systems_rank():
    found = ranked_pool(BOTH, 2)
    assert found.columns == ["query_id", "pin_id", "rank", "n_systems", "rank of a", "rank of b"]
    assert found.rows() == [
        ("q", "p1", 1, 1, 1, None),
        ("q", "p2", 2, 1, 2, None),
        ("q", "p3", 1, 1, None, 1),
        ("q", "p4", 2, 1, None, 2),
    ]
    deeper = ranked_pool(BOTH, 3)
    assert deeper.filter(pin_id="p3").row(0) == ("q", "p3", 1, 2, 3, 1)
    assert deeper.height == 4  # of 6 rows


def test_the_pool_does_not_depend_on_the_order_of_rows():
    shuffled = [run.sample(fraction=1, shuffle=True, seed=3) for run in BOTH]
    assert ranked_pool(shuffled, 2).equals(ranked_pool(BOTH, 2))
    assert pool(shuffled, 2).equals(ranked_pool(BOTH, 2).select("query_id", "pin_id"))


def test_runs_without_a_name_are_told_apart():
    assert ranked_pool([A, B], 3).columns[-2:] == ["rank of run1", "rank of run2"]


def test_a_log_is_a_run_of_what_was_shown():
    log = pl.DataFrame(
        {
            "query_id": ["q"] * 4,
            "pin_id": ["p1", "p2", "p3", "p4"],
            "position": [2.0, 1.0, 1.5, None],
            "impressions": [5, 5, 0, 9],
        }
    )
    found = ranked_pool([run_of_log(log)], 9)
    assert found.select("pin_id", "rank of log").rows() == [("p1", 2), ("p2", 1)]
    assert ranked_pool([run_of_log(log.drop("impressions"))], 9).height == 3
    with pytest.raises(InputError, match="needs the column 'position'"):
        run_of_log(log.drop("position"))


def test_a_depth_is_at_least_one():
    with pytest.raises(InputError, match="at least 1, got 0"):
        pool([A], 0)
