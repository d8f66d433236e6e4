"""`sides_of`: which systems can be held against each other, and by which measures."""

from __future__ import annotations

import polars as pl
import pytest

from evaluation.compare.sides import sides_of
from relevance.errors import InputError

PAIRS = [(f"q{i}", f"p{j}") for i in range(6) for j in range(4)]
RUN = pl.DataFrame(PAIRS, schema=["query_id", "pin_id"], orient="row").with_columns(
    score=pl.Series([float(j) for _ in range(6) for j in range(4)])
)
QRELS = RUN.select(
    "query_id", "pin_id", grade=pl.Series([1 + j for _ in range(6) for j in range(4)])
)


def test_systems_are_scored_over_the_same_queries() -> None:
    sides = sides_of(RUN, RUN.filter(pl.col("query_id") != "q0"), QRELS, metrics="P@2")
    measure = sides.asked[0]
    assert sides.baseline.scored.values[measure].tolist() == [0.5] * 6
    assert sides.candidates[0].scored.values[measure].tolist() == [0.0] + [0.5] * 5


def test_a_candidate_of_other_queries_is_refused() -> None:
    other = RUN.with_columns(query_id="x" + pl.col("query_id"))
    with pytest.raises(InputError, match=r"system 'candidate' has no query of the qrels"):
        sides_of(RUN, other, QRELS, metrics="nDCG@2")


def test_a_threshold_off_the_scale_is_refused() -> None:
    with pytest.raises(InputError, match=r"rel=9 is off the scale 'five', whose grades are 1-5"):
        sides_of(RUN, RUN, QRELS, metrics="P(rel=9)@2")
