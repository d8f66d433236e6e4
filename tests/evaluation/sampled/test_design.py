"""What was drawn, and what rows say of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from evaluation.sampled import evaluate_sampled_grades, evaluate_sampled_ranking, partial, unequal
from evaluation.sampled.design import drawn_pairs
from relevance.errors import InputError
from relevance.provenance import hash_query


def ranked(population: Any, qrels: pl.DataFrame, **options: Any) -> Any:
    options = {"metrics": "P@8", "reps": 0} | options
    return evaluate_sampled_ranking(population.run, qrels, population.queries, **options)


def graded(population: Any, qrels: pl.DataFrame, **options: Any) -> Any:
    options = {"metrics": "accuracy", "reps": 0} | options
    return evaluate_sampled_grades(population.predictions, qrels, population.queries, **options)


def samples_of(frame: pl.DataFrame, draw: str = "measure") -> pl.DataFrame:
    return frame.select("query_id", "pin_id", "inclusion_probability", "stratum").with_columns(
        draw=pl.lit(draw)
    )


@pytest.fixture(scope="module")
def pairs(population: Any) -> pl.DataFrame:
    rows = np.random.default_rng(1).choice(population.qrels.height, 600, replace=False)
    return population.drawn(np.sort(rows), 600 / population.qrels.height)


@pytest.fixture(scope="module")
def whole(population: Any) -> pl.DataFrame:
    """30 US queries of 75 and 60 French ones of 75, each with all its Pins."""
    query = np.arange(population.qrels.height) // 20
    rows = np.flatnonzero((query < 30) | (query >= 90))
    return population.drawn(
        rows, np.where(query[rows] < 75, 0.4, 0.8), np.where(query[rows] < 75, "US", "FR")
    )


def test_what_was_drawn_is_told_from_the_share_that_was(
    population: Any, pairs: pl.DataFrame, whole: pl.DataFrame
) -> None:
    assert "drawn pairs" in ranked(population, pairs).find("P@8").note
    assert "drawn queries" in ranked(population, whole).find("P@8").note
    assert "drawn pairs" in graded(population, pairs).find("accuracy").note
    assert "drawn queries" in graded(population, whole).find("accuracy").note
    holes = whole.filter(pl.int_range(pl.len()) % 9 > 0)  # some that nobody could judge
    assert "drawn queries" in ranked(population, holes).find("P@8").note
    told = ranked(population, pairs, drawn="queries").find("P@8")
    assert "drawn queries" in told.note
    with pytest.raises(InputError, match="drawn must be queries or pairs, got 'users'"):
        ranked(population, pairs, drawn="users")


def test_pairs_of_different_chances_are_no_queries_drawn_whole(
    population: Any, whole: pl.DataFrame
) -> None:
    odd = whole.with_columns(
        inclusion_probability=pl.when(pl.col("pin_id") == "p000").then(0.3).otherwise(0.4)
    )
    assert "drawn pairs" in ranked(population, odd).find("P@8").note
    with pytest.raises(InputError, match=r"pairs of query 'q0000' have different .*--drawn pairs"):
        ranked(population, odd, drawn="queries")


def test_rows_say_what_they_rest_on(population: Any, pairs: pl.DataFrame) -> None:
    row = ranked(population, pairs, by="country").find("P@8")
    shallow = population.run.sort("score", descending=True).group_by("query_id").head(8)
    drawn = pairs.join(shallow, on=["query_id", "pin_id"], how="semi")
    assert row.note == f"drawn pairs; pairs: {drawn.height}; population: 150; no_interval"
    assert (row.n, row.n_undefined) == (pairs["query_id"].n_unique(), 0)
    assert row.definition.endswith("estimator=horvitz_thompson")
    deep = ranked(population, pairs, metrics="nDCG@8").find("nDCG@8")
    assert deep.definition.endswith("estimator=horvitz_thompson_over_expected_ideal")
    model = graded(population, pairs).find("accuracy")
    assert (model.n, model.note) == (600, "drawn pairs; population: 3000; no_interval")
    assert model.definition.endswith("estimator=difference")


def test_samples_bring_chances_strata_and_what_nobody_graded(
    population: Any, pairs: pl.DataFrame
) -> None:
    samples = pl.concat([samples_of(pairs), samples_of(pairs.head(9), "training")])
    bare = pairs.drop("inclusion_probability", "stratum")
    assert ranked(population, bare, samples=samples).find("P@8").value == pytest.approx(
        ranked(population, pairs).find("P@8").value
    )
    lost = pairs.filter(pl.int_range(pl.len()) % 4 > 0)
    made = drawn_pairs(lost, samples)
    assert made.notes == {"not_drawn": 0, "not_graded": 150}
    assert made.qrels["response"].unique().to_list() == pytest.approx([0.75])
    row = ranked(population, lost, samples=samples).find("P@8")
    assert "not_graded: 150" in row.note
    assert row.value == pytest.approx(
        ranked(population, lost).find("P@8").value / 0.75
    )  # the graded ones stand for those that were not
    training = drawn_pairs(pairs, samples, draw="training")
    assert training.qrels.height == 9
    with pytest.raises(InputError, match="samples have no draw 'repeat', but measure, training"):
        ranked(population, pairs, samples=samples, draw="repeat")
    with pytest.raises(InputError, match=r"no draw 'measure', but training.*not for measuring"):
        ranked(population, pairs, samples=samples_of(pairs, "training"))


def test_grades_without_a_chance_are_left_out_and_counted(
    population: Any, pairs: pl.DataFrame
) -> None:
    more = population.qrels.join(pairs, on=["query_id", "pin_id"], how="anti").head(40)
    both = pl.concat([pairs, more], how="diagonal")
    row = ranked(population, both).find("P@8")
    assert row.value == ranked(population, pairs).find("P@8").value
    assert "not_drawn: 40" in row.note


def test_chances_that_are_none_are_refused(population: Any, pairs: pl.DataFrame) -> None:
    with pytest.raises(InputError, match=r"have no inclusion_probability.*Give --samples FILE"):
        ranked(population, pairs.drop("inclusion_probability"))
    with pytest.raises(InputError, match="have no inclusion_probability"):
        ranked(population, pairs.with_columns(inclusion_probability=None))
    with pytest.raises(InputError, match=r"must be above 0 and at most 1, got 1\.5"):
        ranked(population, pairs.with_columns(inclusion_probability=1.5))
    apart = samples_of(pairs.with_columns(pin_id=pl.lit("other")).unique("query_id"))
    with pytest.raises(InputError, match="no graded pair has an inclusion probability"):
        ranked(population, pairs, samples=apart)


def test_pairs_cannot_tell_every_metric(population: Any, pairs: pl.DataFrame) -> None:
    with pytest.raises(InputError, match=r"AP@5 cannot be estimated from drawn pairs, only P, DCG"):
        ranked(population, pairs, metrics="P@8,AP@5")


def test_predictions_of_other_pairs_than_were_drawn_from_give_no_population(
    population: Any, pairs: pl.DataFrame
) -> None:
    """Then 1 / π adds up to another number of pairs, and their number is estimated as well."""
    half = pairs.with_columns(inclusion_probability=pl.col("inclusion_probability") / 2)
    row = graded(population, half).find("accuracy")
    assert row.definition.endswith("estimator=hajek")
    assert "drawn_from: 6,000 pairs, predicted 3,000" in row.note
    only = population.predictions.join(pairs, on=["query_id", "pin_id"], how="semi")
    alone = evaluate_sampled_grades(only, pairs, metrics="accuracy", reps=0).find("accuracy")
    assert alone is not None
    assert alone.definition.endswith("estimator=hajek")
    assert row.value == pytest.approx(alone.value)  # equal weights: the plain share


def test_seen_queries_are_left_out_and_counted(population: Any, pairs: pl.DataFrame) -> None:
    seen = {hash_query(f"q{i:04d}") for i in range(10)}
    n = pairs.filter(pl.col("query_id") < "q0010")["query_id"].n_unique()
    row = ranked(population, pairs, seen=seen).find("P@8")
    assert f"seen_in_training: {n}" in row.note
    assert "population: 140" in row.note
    kept = ranked(population, pairs, seen=seen, allow_seen=True).find("P@8")
    assert f"seen_kept: {n}" in kept.note
    assert kept.value == ranked(population, pairs).find("P@8").value
    model = graded(population, pairs, seen=seen).find("accuracy")
    assert model.definition.endswith("estimator=hajek")


def test_unequal_is_told_from_equal(population: Any, pairs: pl.DataFrame) -> None:
    assert not unequal(population.qrels)
    assert not unequal(pairs)
    assert unequal(pairs.with_columns(inclusion_probability=pl.int_range(1, 601) / 600))
    assert partial(pairs)
    assert not partial(population.qrels)
    assert not partial(pairs.with_columns(inclusion_probability=1.0))
    assert not unequal(pairs.with_columns(inclusion_probability=None))


def test_a_group_of_which_nothing_was_drawn_has_no_figure(
    population: Any, pairs: pl.DataFrame
) -> None:
    american = pairs.filter(pl.col("query_id") < "q0075")
    for drawn in ("pairs", "queries"):
        row = ranked(population, american, by="country", drawn=drawn).find("P@8", group="FR")
        assert row is None or (row.value, row.n) == (None, 0)
    made = ranked(population, american, by="country", drawn="pairs").find("P@8", group="FR")
    assert made.note == "outside_frame: 75; drawn pairs"
    of_all = samples_of(american.with_columns(stratum=pl.lit("all")))
    options = {"by": "country", "drawn": "pairs", "samples": of_all}
    chance = ranked(population, american, **options).find("P@8", group="FR")
    assert (chance.value, chance.n) == (None, 0)
    assert chance.note.startswith("no_pair; drawn pairs; population: 75")


def test_candidates_say_how_many_grades_are_missing(population: Any, pairs: pl.DataFrame) -> None:
    few = population.run.select("query_id", "pin_id")
    many = pl.concat([few, few.with_columns(pl.col("pin_id") + "-more")])
    metrics = "nDCG@10"
    usual = ranked(population, pairs, metrics=metrics).find(metrics).value
    known = ranked(population, pairs, metrics=metrics, candidates=few).find(metrics).value
    deeper = ranked(population, pairs, metrics=metrics, candidates=many).find(metrics).value
    assert known == pytest.approx(usual)  # 20 a query, as on average
    assert deeper < known - 0.02
    with pytest.raises(InputError, match="candidates have no column 'pin_id'"):
        ranked(population, pairs, candidates=few.drop("pin_id"))
