"""Overlap, pace, gold questions, repeats and the bill."""

from __future__ import annotations

import polars as pl
import pytest

from annotation.sampling.costs import Costs, Hidden, bills
from annotation.sampling.hidden import draw_gold, draw_repeats, locales
from annotation.sampling.overlap import Overlap, by_disagreement
from annotation.sampling.pace import SECONDS, Pace, measured_pace
from evaluation.planning.budget import SECONDS as PLANNED
from relevance.errors import InputError

QUERIES = pl.DataFrame(
    {
        "query_id": ["a", "b", "c", "d"],
        "country": ["US", "US", "FR", None],
        "language": ["en", "es", "fr", None],
    }
)


def samples(**per_query: int) -> pl.DataFrame:
    rows = [
        (query, f"p{i}", 0.5, "s", "measure", 2) for query, n in per_query.items() for i in range(n)
    ]
    names = ["query_id", "pin_id", "inclusion_probability", "stratum", "draw", "overlap"]
    return pl.DataFrame(rows, schema=names, orient="row")


def gold(**per_query: int) -> pl.DataFrame:
    rows = [(query, f"g{i}", 1 + i % 5) for query, n in per_query.items() for i in range(n)]
    return pl.DataFrame(rows, schema=["query_id", "pin_id", "grade"], orient="row")


def test_the_longest_name_that_fits_gives_the_overlap():
    overlap = Overlap(3, {"US": 2, "US × home": 5})
    assert overlap.of("US × home × low") == 5
    assert overlap.of("US × homes") == 2
    assert overlap.of("FR × home") == 3
    assert overlap.unused(["US × food"]) == ["US × home"]
    with pytest.raises(InputError, match="overlap of FR must be at least 1, got 0"):
        Overlap(3, {"FR": 0})


def test_more_opinions_where_people_disagreed():
    rows = [
        (query, f"p{i}", person, grade)
        for query, grades in (("a", (1, 3, 5)), ("b", (3, 3, 4)), ("c", (2, 2, 2)))
        for i in range(60)
        for person, grade in zip("xyz", grades, strict=True)
    ]
    judgments = pl.DataFrame(
        rows, schema=["query_id", "pin_id", "annotator", "grade"], orient="row"
    )
    strata = pl.DataFrame({"query_id": ["a", "b", "c"], "stratum": ["US × x", "US × y", "FR × x"]})
    found = by_disagreement(judgments, strata, Overlap(2))
    assert found.of("US × x") == 4  # variance 4: as many more as are allowed
    assert found.of("US × y") == 2
    assert found.of("FR × x") == 2  # never fewer than the base
    own = by_disagreement(judgments, strata.filter(stratum="FR × x"), Overlap(2))
    assert own.named == {"FR × x": 2}


def test_pace_is_measured_by_language_and_an_open_page_does_not_count():
    times = pl.DataFrame(
        {
            "query_id": ["a"] * 30 + ["b"] * 30 + ["c"] * 5,
            "seconds": [10.0] * 29 + [90_000.0] + [20.0] * 30 + [99.0] * 5,
        }
    )
    pace = measured_pace(times, QUERIES)
    assert pace.of("en") == pytest.approx((29 * 10 + 100) / 30)
    assert pace.of("es") == 20
    assert pace.measured
    assert pace.of("fr") == pace.default  # five are too few
    assert measured_pace(None, QUERIES) == Pace(SECONDS) == measured_pace(times[:3], QUERIES)
    assert measured_pace(times, QUERIES.drop("language")).languages == {}
    assert SECONDS == PLANNED


def test_locales_are_named_by_what_is_given():
    assert locales(QUERIES)["locale"].to_list() == ["en-US", "es-US", "fr-FR", ""]
    assert locales(QUERIES.drop("country"))["locale"][0] == "en"
    assert locales(QUERIES.select("query_id"))["locale"].to_list() == [""] * 4


def test_gold_is_spread_over_locales_and_grades():
    costs = Costs(Overlap(3, {"FR": 1}), gold=Hidden(share=0.25))
    found, told = draw_gold(gold(a=20, b=3, c=20), QUERIES, samples(a=40, b=40, c=20), costs)
    assert dict(found.group_by("stratum").len().iter_rows()) == {
        "en-US": 10,
        "es-US": 3,
        "fr-FR": 5,
    }
    assert told == ("es-US: 3 gold questions, 10 wanted",)
    assert set(found["draw"]) == {"gold"}
    assert dict(found.select("stratum", "overlap").iter_rows())["fr-FR"] == 1
    grades = found.join(gold(a=20, b=3, c=20), on=["query_id", "pin_id"])
    assert set(grades.filter(stratum="en-US").group_by("grade").len()["len"]) == {2}
    weight = (1 / found.filter(stratum="en-US")["inclusion_probability"]).sum()
    assert weight == pytest.approx(20)
    again, _ = draw_gold(gold(a=20), QUERIES, samples(a=40), costs)
    assert again.equals(found.filter(stratum="en-US"))


def test_gold_that_people_have_seen_hides_nothing():
    costs = Costs(gold=Hidden(number=4))
    seen = gold(a=20)[:18].select("query_id", "pin_id")
    found, told = draw_gold(gold(a=20), QUERIES, samples(a=4), costs, avoid=seen)
    assert found["pin_id"].to_list() == ["g18", "g19"]
    assert told == ("en-US: 2 gold questions, 4 wanted",)
    drawn = gold(a=20)[:18].select("query_id", "pin_id").join(
        samples(a=1).drop("query_id", "pin_id"), how="cross"
    )  # fmt: skip
    assert draw_gold(gold(a=20), QUERIES, drawn, costs)[0].height == 2


def test_repeats_are_a_share_of_each_locales_new_pairs():
    given = samples(a=40, b=10, c=1).with_columns(judged=pl.col("pin_id") == "p0")
    found = draw_repeats(given, QUERIES, 0.1)
    counts = found.join(QUERIES, on="query_id").group_by("language").len()
    assert dict(counts.iter_rows()) == {"en": 3, "es": 1}
    assert set(found["draw"]) == {"repeat"}
    assert set(found.filter(query_id="a")["inclusion_probability"]) == {0.5 * 3 / 39}
    assert "p0" not in found["pin_id"].to_list()
    assert draw_repeats(given, QUERIES, 0.1).equals(found)
    assert not draw_repeats(given, QUERIES, 0.1, seed=1).equals(found)


def test_the_bill_counts_every_opinion_once():
    given = samples(a=4, c=2)
    extra = given[:1].with_columns(draw=pl.lit("gold"))
    again = given[4:5].with_columns(draw=pl.lit("repeat"))
    rows = pl.concat([given, extra, again])
    found = bills(rows, pl.DataFrame({"query_id": ["b"]}), QUERIES, Pace(30, {"fr": 60}))
    assert [bill.country for bill in found] == ["FR", "US", "all"]
    france, states, all_ = found
    assert (france.pairs, france.repeats, france.judgments, france.minutes) == (2, 1, 6, 6.0)
    assert (states.pairs, states.gold, states.known, states.queries) == (4, 1, 1, 2)
    assert states.minutes == 5 * 2 * 0.5
    assert (all_.judgments, all_.minutes) == (16, 11.0)
    assert len(bills(given.filter(query_id="a"), given.clear(), QUERIES, Pace())) == 1


def test_shares_out_of_range_are_told():
    with pytest.raises(InputError, match=r"a number or a share below 1, got 1\.5"):
        Hidden(share=1.5)
    with pytest.raises(InputError, match="repeats are a share of the pairs below 1, got -1"):
        Costs(repeats=-1)
