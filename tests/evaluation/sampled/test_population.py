"""Queries of which nothing could be drawn do not count; those that chance left out count 0."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import polars as pl
import pytest

from evaluation.pointwise import evaluate_grades
from evaluation.ranking import evaluate_ranking
from evaluation.sampled import evaluate_sampled_grades, evaluate_sampled_ranking
from evaluation.sampled.population import checked_frame, population_of
from relevance.errors import InputError

RANKED = "P@2,DCG@3,RBP(p=0.6)"
QUERIES = pl.DataFrame(
    {
        "query_id": ["a", "b", "c", "d", "e"],
        "country": ["US", "US", "US", "FR", "JP"],
        "segment": ["home", "home", "food", "home", "food"],
    }
)


def inside(strata: dict[str, str], queries: pl.DataFrame | None = QUERIES, **more: Any) -> str:
    """Letters of the queries that can be drawn of, given the strata of those that were."""
    drawn = pl.DataFrame({"query_id": list(strata), "stratum": list(strata.values())})
    found = population_of(QUERIES["query_id"], drawn, queries, **more)
    return "".join(QUERIES["query_id"].filter(pl.Series(found)))


def draws(
    population: Any, rows: range, n: int, stratum: str | None
) -> Iterator[tuple[float, pl.DataFrame]]:
    """Every draw of n of some pairs."""
    for some in combinations(rows, n):
        qrels = population.drawn(some, n / len(rows), stratum or "")
        yield 1 / comb(len(rows), n), qrels if stratum else qrels.drop("stratum")


def expectation(found: Iterator[tuple[float, Any]]) -> dict[tuple[str, str], float | None]:
    """Mean figures by metric and group; None if any draw has none."""
    mean: dict[tuple[str, str], float | None] = {}
    for probability, rows in found:
        for row in rows:
            before, key = mean.get((row.metric, row.group), 0.0), (row.metric, row.group)
            undefined = row.value is None or before is None
            mean[key] = None if undefined else before + probability * row.value
    return mean


def american(population: Any) -> dict[str, float]:
    """The figures of the American queries: the first half."""
    truth = evaluate_ranking(
        population.run, population.qrels, population.queries, by="country", metrics=RANKED, reps=0
    )
    return {row.metric: row.value for row in truth if row.group == "US"}  # type: ignore[misc]


@pytest.mark.parametrize("told_by", ["stratum", "locale", "frame"])
def test_a_draw_in_one_country_is_unbiased_for_it_and_says_nothing_of_the_other(
    tiny_population: Any, told_by: str
) -> None:
    """One pair of six: every time one of the two American queries gets nothing, and counts 0."""
    of, rows = tiny_population, range(6)
    stratum = "US × home" if told_by == "stratum" else None
    options: dict[str, Any] = {"metrics": RANKED, "by": "country", "drawn": "pairs", "reps": 0}
    if told_by == "frame":
        options["candidates"] = of.qrels[list(rows)]
    made = [
        (p, list(evaluate_sampled_ranking(of.run, qrels, of.queries, **options)))
        for p, qrels in draws(of, rows, 1, stratum)
    ]
    mean, true = expectation(iter(made)), american(of)
    for metric, value in true.items():
        assert mean[metric, "all"] == mean[metric, "US"] == pytest.approx(value, abs=1e-12)
        assert mean[metric, "FR"] is None
    for row in made[0][1]:
        if row.group == "all":
            assert row.note.startswith("few_queries: 2; outside_frame: 2; drawn pairs; ")
            assert "population: 2" in row.note
            assert row.n == 1
        if row.group == "FR":
            assert (row.value, row.n, row.note) == (None, 0, "outside_frame: 2; drawn pairs")


def test_a_country_that_chance_left_out_counts_where_one_stratum_is_of_all(
    tiny_population: Any,
) -> None:
    """Two pairs of twelve: often all of one country. Left out then, all would be biased."""
    of = tiny_population
    options: dict[str, Any] = {"metrics": RANKED, "drawn": "pairs", "reps": 0, "by": "country"}
    made = [
        (p, list(evaluate_sampled_ranking(of.run, qrels, of.queries, **options)))
        for p, qrels in draws(of, range(12), 2, "all")
    ]
    mean = expectation(iter(made))
    truth = evaluate_ranking(of.run, of.qrels, metrics=RANKED, reps=0)
    for metric in RANKED.split(","):
        row = truth.find(metric)
        assert row is not None
        assert mean[metric, "all"] == pytest.approx(row.value, abs=1e-12)
    lonely = [row for _, rows in made for row in rows if row.group == "FR" and row.value is None]
    assert lonely
    assert all(row.note.startswith("no_pair; ") for row in lonely)
    assert not any(row.value == 0 and row.n == 0 for _, rows in made for row in rows)


def test_a_framed_query_that_no_run_has_counts_nothing_was_found(tiny_population: Any) -> None:
    of = tiny_population
    run = of.run.filter(pl.col("query_id") != "q0001")
    options: dict[str, Any] = {"metrics": RANKED, "drawn": "pairs", "reps": 0}
    mean = expectation(
        (p, evaluate_sampled_ranking(run, qrels, candidates=of.qrels[:6], **options))
        for p, qrels in draws(of, range(6), 2, None)
    )
    truth = evaluate_ranking(run, of.qrels[:6], metrics=RANKED, reps=0)
    for metric in RANKED.split(","):
        row = truth.find(metric)
        assert row is not None
        assert mean[metric, "all"] == pytest.approx(row.value, abs=1e-12)


def test_predictions_of_more_than_the_frame_leave_the_difference_unbiased(
    tiny_population: Any,
) -> None:
    of, rows = tiny_population, [0, 1, 3, 4, 6]  # two Pins of each American query, one French
    frame = of.qrels[rows]
    truth = evaluate_grades(of.predictions, frame, metrics="accuracy,MAE", reps=0)
    options: dict[str, Any] = {"metrics": "accuracy,MAE", "drawn": "pairs", "reps": 0}
    made = [
        (
            1 / 10,
            evaluate_sampled_grades(
                of.predictions, of.drawn(some, 2 / 5), candidates=frame, **options
            ),
        )
        for some in combinations(rows, 2)
    ]
    mean = expectation(iter(made))
    for row in truth:
        assert mean[row.metric, "all"] == pytest.approx(row.value, abs=1e-12)
    first = made[0][1].find("accuracy")
    assert first is not None
    assert first.definition.endswith("estimator=difference")
    assert "pairs_outside_frame: 7; drawn pairs; population: 5" in first.note


def test_a_country_that_was_not_drawn_from_has_no_figure_of_its_predictions(
    population: Any,
) -> None:
    rows = np.sort(np.random.default_rng(2).choice(1500, 300, replace=False))
    qrels = population.drawn(rows, 0.2, "US")
    made = evaluate_sampled_grades(
        population.predictions, qrels, population.queries, by="country", metrics="accuracy", reps=0
    )
    of_all, french = made.find("accuracy"), made.find("accuracy", group="FR")
    assert of_all is not None
    assert french is not None
    assert "outside_frame: 75; drawn pairs; population: 1500" in of_all.note
    assert of_all.definition.endswith("estimator=difference")  # of the American pairs
    assert (french.value, french.n) == (None, 0)
    assert french.note == "outside_frame: 75; drawn pairs"


def test_whole_queries_say_how_many_could_not_be_drawn(population: Any) -> None:
    rows = np.flatnonzero(np.arange(population.qrels.height) // 20 < 30)
    qrels = population.drawn(rows, 0.4, "US")
    made = evaluate_sampled_ranking(
        population.run, qrels, population.queries, by="country", metrics="P@8", reps=0
    )
    of_all, french = made.find("P@8"), made.find("P@8", group="FR")
    assert of_all is not None
    assert french is not None
    assert of_all.note.startswith("outside_frame: 75; drawn queries; not_judged: 45")
    assert (french.value, french.note) == (None, "outside_frame: 75; drawn queries")


def test_strata_are_read_by_the_columns_that_made_them() -> None:
    assert inside({"a": "US"}) == "abc"
    assert inside({"a": "US", "d": "FR"}) == "abcd"
    assert inside({"a": "US × home"}) == "ab"
    assert inside({"a": "US × home × low", "c": "US × food × high"}) == "abc"
    assert inside({"a": "US × home", "c": "US × food", "e": "JP"}) == "abce"  # coarser in Japan
    assert inside({"a": "home"}) == "abd"
    assert inside({"a": "all"}) == "abcde"


def test_without_readable_strata_the_country_or_the_language_tells() -> None:
    assert inside({"a": "", "e": ""}) == "abce"
    assert inside({"a": "low", "c": "high"}) == "abc"
    tongues = QUERIES.select("query_id", language=pl.Series(["en", "fr", "en", "fr", None]))
    assert inside({"a": ""}, tongues) == "ac"
    assert inside({"a": ""}, QUERIES.select("query_id", "segment")) == "abcde"
    assert inside({"a": "US"}, None) == "abcde"
    assert inside({"z": "US"}, QUERIES) == ""  # drawn of a query that nobody knows


def test_the_frame_decides_where_it_is_given() -> None:
    frame = pl.DataFrame({"query_id": ["a", "d", "e"], "pin_id": ["1", "1", "1"]})
    assert inside({"b": "US"}, frame=checked_frame(frame)) == "abde"
    never = frame.with_columns(probability=pl.Series([0.5, None, 0.0]))
    assert inside({"a": "US"}, frame=checked_frame(never)) == "ad"
    with pytest.raises(InputError, match="no pair that could be drawn"):
        checked_frame(never.with_columns(probability=0.0))
    with pytest.raises(InputError, match="have no column 'query_id'"):
        checked_frame(frame.drop("query_id"))


def test_ranks_that_could_not_be_drawn_are_told(population: Any) -> None:
    """Half of the American queries were kept out of the frame, and nobody says so."""
    half = np.arange(population.qrels.height) // 20 % 2 == 0
    rows = np.random.default_rng(0).choice(np.flatnonzero(half), 600, replace=False)
    qrels = population.drawn(np.sort(rows), 600 / int(half.sum()))
    blind = evaluate_sampled_ranking(population.run, qrels, metrics="P@8", drawn="pairs", reps=0)
    told = blind.find("P@8")
    assert told is not None
    assert 0.4 < float(told.note.split("covered: ")[1].split(";")[0]) < 0.6
    frame = population.qrels.filter(pl.Series(half))
    known = evaluate_sampled_ranking(
        population.run, qrels, candidates=frame, metrics="P@8", drawn="pairs", reps=0
    ).find("P@8")
    assert known is not None
    assert "covered" not in known.note
    assert known.value == pytest.approx(2 * told.value)  # type: ignore[operator]


def test_predictions_of_other_pairs_than_the_frame_are_refused(population: Any) -> None:
    qrels = population.drawn(np.arange(40), 0.5)
    other = population.qrels.with_columns(pin_id=pl.lit("x"))
    with pytest.raises(InputError, match="no predicted pair is among the candidates"):
        evaluate_sampled_grades(population.predictions, qrels, candidates=other)
