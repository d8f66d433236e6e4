from __future__ import annotations

import polars as pl
import pytest

from annotation.sampling.apart import check_apart, kept_apart
from annotation.sampling.frame import make_frame
from annotation.sampling.merging import merged
from relevance.errors import InputError

QUERIES = pl.DataFrame({"query_id": ["a", "b", "c"], "country": ["US", "US", "FR"]})
PAIRS = QUERIES.select("query_id").join(pl.DataFrame({"pin_id": ["p", "q"]}), how="cross")


def drawn(query: str, draw: str, pin: str = "p", chance: float = 0.5, **more) -> pl.DataFrame:
    row = {"query_id": query, "pin_id": pin, "inclusion_probability": chance, "stratum": "US"}
    return pl.DataFrame([{**row, "draw": draw, **more}])


@pytest.mark.parametrize(("one", "other"), [("measure", "training"), ("training", "measure")])
def test_queries_of_the_other_side_are_left_out(one, other):
    frame = make_frame(PAIRS, QUERIES)
    left = kept_apart(frame, pl.concat([drawn("a", other), drawn("b", one)]), one)
    assert left.rows["query_id"].unique().sort().to_list() == ["b", "c"]
    assert left.notes == (f"1 queries left out: drawn for {other}",)
    assert kept_apart(frame, None, one) is frame
    assert kept_apart(frame, drawn("a", other), "pool") is frame
    assert kept_apart(frame, drawn("a", "pool"), one) is frame


def test_nothing_left_is_told():
    taken = pl.concat([drawn(query, "training") for query in "abc"])
    with pytest.raises(InputError, match="all 3 queries of the candidates were drawn for training"):
        kept_apart(make_frame(PAIRS, QUERIES), taken, "measure")


def test_a_query_on_both_sides_is_refused():
    check_apart(pl.concat([drawn("a", "measure"), drawn("b", "training"), drawn("b", "pool")]))
    with pytest.raises(InputError, match=r"1 queries would be measured on and trained on.*'a'"):
        merged(drawn("a", "measure", "q"), [drawn("a", "training")])


def test_an_earlier_pair_stays_with_the_probability_of_the_new_draw():
    old = pl.concat([drawn("a", "measure", remark="kept"), drawn("b", "pool", remark="pool")])
    new = pl.concat([drawn("a", "measure", chance=1.0), drawn("b", "measure", chance=0.25)])
    found = merged(old, [new.with_columns(judged=pl.lit(value=True))])
    names = ("query_id", "draw", "inclusion_probability", "remark", "judged")
    assert found.select(names).rows() == [
        ("a", "measure", 1.0, "kept", False),
        ("b", "measure", 0.25, None, True),
        ("b", "pool", 0.5, "pool", False),
    ]
    assert merged(None, [new]).equals(new.sort("query_id"))
