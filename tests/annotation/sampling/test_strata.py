from __future__ import annotations

import polars as pl
import pytest

from annotation.sampling.strata import with_popularity, with_stratum
from relevance.errors import InputError

QUERIES = pl.DataFrame(
    {
        "query_id": [f"q{i}" for i in range(9)],
        "country": ["US"] * 6 + ["FR"] * 3,
        "segment": ["home", "food"] * 4 + [None],
        "traffic": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 900.0, 800.0, 700.0],
    }
)


def popularity(queries: pl.DataFrame, classes: int = 3) -> dict[str, str]:
    made = with_popularity(queries, classes)
    return dict(made.select("query_id", "popularity").iter_rows())


def test_popularity_is_made_within_each_country():
    found = popularity(QUERIES)
    assert [found[f"q{i}"] for i in range(6)] == ["low", "low", "middle", "middle", "high", "high"]
    assert [found[f"q{i}"] for i in (8, 7, 6)] == ["low", "middle", "high"]
    alone = popularity(QUERIES.filter(country="FR"))
    assert alone == {key: found[key] for key in alone}


def test_popularity_has_other_classes_breaks_ties_and_knows_of_gaps():
    assert set(popularity(QUERIES, 2).values()) == {"low", "high"}
    assert popularity(QUERIES.filter(country="US"), 5)["q0"] == "1/5"
    tied = QUERIES.with_columns(traffic=pl.lit(7.0))
    assert popularity(tied) == popularity(tied[::-1])
    gap = QUERIES.with_columns(
        pl.when(pl.col("query_id") == "q0").then(None).otherwise("traffic").alias("traffic")
    )
    assert popularity(gap)["q0"] == "unknown"


def test_strata_are_crossed_in_the_order_of_the_columns():
    found = with_stratum(QUERIES, ("country", "segment", "popularity"))
    names = dict(found.iter_rows())
    assert names["q0"] == "US × home × low"
    assert names["q8"] == "FR ×  × low"
    same = with_stratum(QUERIES, ("country", "interest"))
    assert same.equals(with_stratum(QUERIES, ("country", "segment")))
    assert set(with_stratum(QUERIES, ())["stratum"]) == {"all"}


def test_mistakes_are_told():
    with pytest.raises(InputError, match=r"no column 'segmnt' .* Did you mean 'segment'"):
        with_stratum(QUERIES, ("segmnt",))
    with pytest.raises(InputError, match="popularity is made of traffic"):
        with_stratum(QUERIES.drop("traffic"), ("popularity",))
    with pytest.raises(InputError, match="at least 2 classes, got 1"):
        with_popularity(QUERIES, 1)
