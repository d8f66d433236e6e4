from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.sampling.allotment import Amount
from annotation.sampling.costs import Costs, Hidden
from annotation.sampling.drawing import PAIRS, QUERIES, Design, draw
from annotation.sampling.frame import make_frame
from annotation.sampling.overlap import Overlap
from annotation.sampling.pace import Pace
from relevance.errors import InputError

LANGUAGES = {"US": "en", "FR": "fr"}
KEY = ["query_id", "pin_id"]


def population(queries, pins=4, segments=("home", "food")):
    """Queries of some countries, and candidate pairs with ranks: `pins` a query."""
    rows = [
        (f"{country}{i:03}", country, LANGUAGES[country], segments[i % len(segments)], float(i))
        for country, count in queries.items()
        for i in range(count)
    ]
    names = ["query_id", "country", "language", "segment", "traffic"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    places = pl.DataFrame({"rank": range(1, pins + 1)})
    pin = "p" + pl.col("rank").cast(pl.String)
    pairs = table.select("query_id").join(places, how="cross").with_columns(pin.alias("pin_id"))
    return table, pairs.select(*KEY, "rank")


TABLE, CANDIDATES = population({"US": 12, "FR": 6})


def frame(by=("country",), *, per_country=True, table=TABLE, pairs=CANDIDATES, **more):
    return make_frame(pairs, table, by, per_country=per_country, **more)


def sized(made, seed=0):
    sizes = np.exp(np.random.default_rng(seed).normal(size=made.rows.height))
    return replace(made, rows=made.rows.with_columns(pl.Series("size", sizes)))


def units(n, **named):
    return Amount("units", n, named or None)


def totals(samples, by="stratum"):
    weight = (1 / pl.col("inclusion_probability")).sum()
    return dict(samples.group_by(by).agg(weight).iter_rows())


def test_everything_is_certain_without_an_amount():
    drawn = draw(frame(), Design())
    assert drawn.samples.select(KEY).equals(CANDIDATES.select(KEY).sort(KEY))
    assert set(drawn.samples["inclusion_probability"]) == {1.0}
    assert set(drawn.samples["draw"]) == {"measure"}


def test_pairs_are_spread_in_proportion_and_stand_for_all():
    drawn = draw(frame(("country", "segment")), Design(amount=units(12)))
    counts = dict(drawn.samples.group_by("stratum").len().iter_rows())
    assert counts == {"US × home": 6, "US × food": 6, "FR × home": 6, "FR × food": 6}
    assert totals(drawn.samples)["US × home"] == pytest.approx(24)
    assert set(drawn.samples.columns) == {*KEY, "inclusion_probability", "stratum", "draw",
                                          "overlap"}  # fmt: skip


def test_queries_come_whole():
    drawn = draw(frame(), Design(unit=QUERIES, amount=units(3)))
    assert drawn.samples.height == 2 * 3 * 4
    by_query = drawn.samples.group_by("query_id").agg(
        pl.len(), pl.col("inclusion_probability").first(), pl.col("stratum").first()
    )
    assert set(by_query["len"]) == {4}
    assert set(by_query.select("stratum", "inclusion_probability").iter_rows()) == {
        ("US", 0.25),
        ("FR", 0.5),
    }


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(2, 24),
    unequal=st.booleans(),
    unit=st.sampled_from([PAIRS, QUERIES]),
    seed=st.integers(0, 5),
)
def test_a_country_depends_on_the_seed_and_its_own_rows_only(n, unequal, unit, seed):
    n = min(n, 6) if unit == QUERIES else n
    design = Design(unit=unit, amount=units(n), seed=seed)
    made = frame(("segment",))
    made = sized(made) if unequal and unit == PAIRS else made
    drawn = draw(made, design)
    mixed = replace(made, rows=made.rows.sample(fraction=1, shuffle=True, seed=1).sort(KEY))
    assert draw(mixed, design).samples.equals(drawn.samples)
    alone = replace(made, rows=made.rows.filter(country="FR"))
    own = drawn.samples.filter(pl.col("query_id").str.starts_with("FR"))
    assert draw(alone, design).samples.equals(own)
    for _, rows in drawn.frame.rows.group_by("stratum"):
        chance = rows["probability"].to_numpy()
        assert ((chance > 0) & (chance <= 1)).all()
        drawn_here = rows["drawn"].sum()
        assert chance.sum() == pytest.approx(drawn_here, abs=1e-9)


def test_rows_in_another_order_give_the_same_draw():
    shuffled = frame(
        table=TABLE.sample(fraction=1, shuffle=True, seed=2),
        pairs=CANDIDATES.sample(fraction=1, shuffle=True, seed=3),
    )
    design = Design(amount=units(7), seed=4)
    assert draw(shuffled, design).samples.equals(draw(frame(), design).samples)
    other = draw(frame(), replace(design, seed=5)).samples
    assert not other.equals(draw(frame(), design).samples)


@pytest.mark.parametrize("unit", [PAIRS, QUERIES])
def test_written_probabilities_are_realised(unit):
    table, pairs = population({"US": 4}, pins=2, segments=("home",))
    known = pairs.filter(query_id="US000").head(1)
    made = frame(table=table, pairs=pairs, judged=known)
    made = sized(made) if unit == PAIRS else made
    design = Design(unit=unit, amount=units(3 if unit == PAIRS else 2))
    hits, reps = np.zeros(made.rows.height), 250
    for seed in range(reps):
        drawn = draw(made, replace(design, seed=seed)).frame.rows
        hits += drawn["drawn"].to_numpy()
        written = drawn["probability"].to_numpy()
    error = np.sqrt(written * (1 - written) / reps)
    assert (np.abs(hits / reps - written) <= 4 * error + 1e-12).all()


def test_judged_pairs_are_certain_and_free_where_pairs_are_drawn():
    known = CANDIDATES.filter(pl.col("query_id").is_in(["US000", "US001"]))
    costs = Costs(Overlap(2), Pace(30))
    design = Design(amount=Amount("minutes", named={"US": 10}), costs=costs)
    drawn = draw(frame(judged=known), design)
    assert drawn.samples.height == 8 + 10  # 30 s for 2 people: a pair a minute
    judged = drawn.samples.filter("judged")
    assert set(judged["inclusion_probability"]) == {1.0}
    assert judged.select(KEY).equals(known.select(KEY))
    assert drawn.new.height == 10
    assert set(drawn.new["inclusion_probability"]) == {10 / 40}
    assert drawn.known.equals(known.select(KEY))
    assert totals(drawn.samples) == {"US": pytest.approx(48)}


def test_of_queries_only_those_known_in_full_are_certain():
    known = CANDIDATES.filter((pl.col("query_id") == "US000") | (pl.col("pin_id") == "p1"))
    drawn = draw(frame(judged=known), Design(unit=QUERIES, amount=units(None, US=5)))
    chance = dict(drawn.samples.select("query_id", "inclusion_probability").iter_rows())
    assert chance.pop("US000") == 1.0
    assert set(chance.values()) == {5 / 11}
    assert len(chance) == 5
    assert drawn.new.height == 5 * 3  # the first Pin of each is known
    assert drawn.samples.height == 6 * 4


def test_a_second_draw_counts_the_first_for_certain():
    first = draw(frame(), Design(amount=units(None, US=12))).samples
    drawn = draw(frame(asked=first), Design(amount=units(None, US=12), seed=1))
    assert drawn.samples.height == 24
    assert drawn.new.height == 12
    assert totals(drawn.samples) == {"US": pytest.approx(48)}
    half = CANDIDATES.filter(pl.col("rank") <= 2)
    earlier = draw(frame(pairs=half), Design(unit=QUERIES, amount=units(None, US=3))).samples
    wider = draw(frame(asked=earlier), Design(unit=QUERIES, amount=units(None, US=2)))
    again = wider.samples.join(earlier.select("query_id").unique(), on="query_id", how="semi")
    assert again.height == 12  # with the Pins that are new
    assert set(again["inclusion_probability"]) == {1.0}
    assert wider.samples["query_id"].n_unique() == 5


def test_minutes_buy_what_they_say_at_the_overlap_with_gold_and_repeats():
    costs = Costs(Overlap(2, {"FR": 1}), Pace(20, {"fr": 30}), Hidden(0.25), repeats=0.25)
    design = Design(amount=Amount("minutes", each=20), costs=costs)
    drawn = draw(frame(), design)
    counts = dict(drawn.samples.group_by("stratum").len().iter_rows())
    assert counts == {"US": 20, "FR": 24}  # a pair takes 1 minute in the US; all 24 of France fit
    few = draw(frame(), replace(design, amount=Amount("minutes", each=9)))
    assert dict(few.samples.group_by("stratum").len().iter_rows()) == {"US": 9, "FR": 12}
    fixed = replace(design, costs=replace(costs, gold=Hidden(number=3), repeats=0.0))
    more = draw(frame(), replace(fixed, amount=Amount("minutes", named={"US": 9})))
    assert more.samples.height == int((9 - 3 * 2 / 3) / (2 / 3))
    assert set(more.samples["overlap"]) == {2}
    whole = draw(frame(), replace(design, unit=QUERIES, amount=Amount("minutes", each=9)))
    assert dict(whole.samples.group_by("stratum").len().iter_rows()) == {"US": 8, "FR": 12}


def test_neyman_draws_where_figures_vary_and_pairs_are_cheap():
    figures = CANDIDATES.select(KEY).with_columns(
        mean=pl.when(pl.col("query_id").str.slice(2).cast(pl.Int64) % 2 == 0)
        .then(pl.col("pin_id").str.slice(1).cast(pl.Float64))
        .otherwise(1.0),
        noise=pl.lit(1e-4),
    )
    made = frame(("country", "segment"))
    design = Design(amount=units(None, US=14), allocation="neyman")
    drawn = draw(made, design, figures)
    counts = dict(drawn.samples.group_by("stratum").len().iter_rows())
    assert counts["US × food"] == 2
    assert counts["US × home"] == 12
    dear = replace(design, costs=Costs(Overlap(1, {"US × home": 100})))
    fewer = draw(made, dear, figures).samples.filter(stratum="US × home").height
    assert fewer < 12
    unknown = draw(made, design, None).samples
    assert set(unknown.group_by("stratum").len()["len"]) == {7}
    of_queries = draw(
        made,
        Design(unit=QUERIES, amount=units(None, US=8), allocation="neyman"),
        pl.DataFrame({"query_id": TABLE["query_id"]}).with_columns(
            mean=pl.col("query_id").str.slice(2).cast(pl.Float64) % 4, noise=pl.lit(0.0)
        ),
    )
    by_stratum = of_queries.samples.group_by("stratum").agg(pl.col("query_id").n_unique())
    assert dict(by_stratum.iter_rows()) == {"US × food": 4, "US × home": 4}  # both vary alike


def test_too_fine_strata_give_way_within_their_country():
    made = frame(("country", "segment", "popularity"))
    drawn = draw(made, Design(unit=QUERIES, amount=units(5)))
    assert set(drawn.samples["stratum"]) == {"US × home", "US × food", "FR × home", "FR × food"}
    assert drawn.notes == (
        "FR: too few queries for two of each of 6 strata; 2 coarser ones are used",
        "US: too few queries for two of each of 6 strata; 2 coarser ones are used",
    )
    enough = draw(made, Design(unit=QUERIES, amount=units(None, US=12)))
    assert enough.notes == ()
    assert enough.samples["stratum"].n_unique() == 6


def test_even_shares_and_countries_that_are_not_named():
    drawn = draw(frame(("country", "segment")), Design(amount=units(None, US=9), allocation="even"))
    assert sorted(drawn.samples.group_by("stratum").len()["len"]) == [4, 5]
    assert drawn.frame.rows.filter(country="FR")["probability"].unique().to_list() == [0.0]


def test_refusals():
    with pytest.raises(InputError, match="30 pairs cannot be drawn from 24 in FR"):
        draw(frame(), Design(amount=units(30)))
    with pytest.raises(
        InputError, match=r"minutes buy nothing in FR: the cheapest unit takes 0\.8"
    ):
        draw(frame(), Design(amount=Amount("minutes", named={"FR": 0.5})))
    whole = frame(("country",), per_country=False)
    with pytest.raises(InputError, match="1 pairs cannot be spread over 2 strata: 'US' would get"):
        draw(whole, Design(amount=units(1)))
    with pytest.raises(InputError, match="none of the 72 candidate pairs is of a query"):
        frame(table=TABLE.with_columns(query_id=pl.lit("x") + pl.col("query_id")))
    lost = frame(table=TABLE.filter(country="US"))
    assert lost.notes == ("24 candidate pairs left out: no such query",)


def test_overlaps_of_no_stratum_are_told():
    drawn = draw(frame(), Design(costs=Costs(Overlap(3, {"US": 2, "USA": 4}))))
    assert drawn.notes == ("overlap of 'USA' is of no stratum of the candidates",)
    assert dict(drawn.samples.select("stratum", "overlap").iter_rows()) == {"US": 2, "FR": 3}
