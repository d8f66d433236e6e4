"""Over all samples that a design can draw, figures are on average those of everything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from math import comb
from typing import Any

import numpy as np
import polars as pl
import pytest

from evaluation.pointwise import evaluate_grades
from evaluation.ranking import evaluate_ranking
from evaluation.sampled import evaluate_sampled_grades, evaluate_sampled_ranking

RANKED = "P@2,P(rel=3)@3,DCG@3,DCG(gain=exp)@2,sDCG@3,RBP(p=0.6),Judged@2"
GRADED = "accuracy,within1,MAE,RPS"
Draw = tuple[float, pl.DataFrame]


def by_metric(rows: Any) -> dict[tuple[str, str], float]:
    return {(row.metric, row.group): row.value for row in rows}


def figures(population: Any, qrels: pl.DataFrame, drawn: str) -> dict[tuple[str, str], float]:
    made = by_metric(
        evaluate_sampled_ranking(
            population.run, qrels, population.queries, by="country", drawn=drawn,
            metrics=RANKED, reps=0,
        )
    )  # fmt: skip
    grades = evaluate_sampled_grades(
        population.predictions, qrels, population.queries, by="country", drawn=drawn,
        metrics=GRADED, reps=0,
    )  # fmt: skip
    assert {row.definition.split("estimator=")[1] for row in grades} == {"difference"}
    return made | by_metric(grades)


def truth(population: Any) -> dict[tuple[str, str], float]:
    ranked = evaluate_ranking(
        population.run, population.qrels, population.queries, by="country", metrics=RANKED, reps=0
    )
    graded = evaluate_grades(
        population.predictions, population.qrels, population.queries, by="country", metrics=GRADED,
        reps=0,
    )  # fmt: skip
    return by_metric(ranked) | by_metric(graded)


def expectation(population: Any, draws: Iterator[Draw], drawn: str) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    whole = 0.0
    for probability, qrels in draws:
        whole += probability
        for key, value in figures(population, qrels, drawn).items():
            found[key] = found.get(key, 0.0) + probability * value
    assert whole == pytest.approx(1, abs=1e-12)
    return found


def simple(population: Any, n: int) -> Iterator[Draw]:
    """Every draw of n pairs at random."""
    size = population.qrels.height
    for rows in combinations(range(size), n):
        yield 1 / comb(size, n), population.drawn(rows, n / size)


def stratified(population: Any) -> Iterator[Draw]:
    """One pair of the better-looking third, seven of the others."""
    size = population.qrels.height
    first, second = range(4), range(4, size)
    for some, others in product(combinations(first, 1), combinations(second, 7)):
        rows = np.array(some + others)
        chance = np.where(rows < 4, 1 / 4, 7 / len(second))
        stratum = np.where(rows < 4, "a", "b")
        yield 1 / (4 * comb(len(second), 7)), population.drawn(rows, chance, stratum)


def unequal(population: Any, n: int) -> Iterator[Draw]:
    """Samples of n pairs, each sample with a probability of its own: any design at all."""
    size = population.qrels.height
    samples = list(combinations(range(size), n))
    worth = np.random.default_rng(5).uniform(0.5, 1.5, size)
    probability = np.array([worth[list(rows)].sum() ** 2 for rows in samples])
    probability /= probability.sum()
    chance = np.zeros(size)
    for rows, p in zip(samples, probability, strict=True):
        chance[list(rows)] += p
    for rows, p in zip(samples, probability, strict=True):
        yield float(p), population.drawn(rows, chance[list(rows)])


def whole_queries(population: Any) -> Iterator[Draw]:
    """One query of two in the US, two of two in France."""
    country = dict(population.queries.iter_rows())
    ids = population.qrels["query_id"].to_numpy()
    for one in ("q0000", "q0001"):
        rows = np.flatnonzero((ids == one) | np.isin(ids, ["q0002", "q0003"]))
        places = [country[name] for name in ids[rows]]
        chance = np.where(np.array(places) == "US", 0.5, 1.0)
        yield 0.5, population.drawn(rows, chance, places)


@pytest.mark.parametrize(
    ("draws", "drawn"),
    [
        (lambda p: simple(p, 10), "pairs"),
        (stratified, "pairs"),
        (lambda p: unequal(p, 10), "pairs"),
        (whole_queries, "queries"),
    ],
    ids=["simple", "stratified", "unequal", "queries"],
)
def test_the_mean_over_all_samples_is_the_figure_of_everything(
    tiny_population: Any, draws: Any, drawn: str
) -> None:
    found = expectation(tiny_population, draws(tiny_population), drawn)
    true = truth(tiny_population)
    assert set(found) == set(true) | {k for k in found if k[0].startswith("Judged")}
    assert {g for _, g in true} == {"all", "US", "FR", "(mean)"}
    for key, value in true.items():
        assert found[key] == pytest.approx(value, abs=1e-12), key


def test_unweighted_figures_of_the_same_samples_are_wrong(tiny_population: Any) -> None:
    """What the weights are for: else the strata that were drawn most count most."""
    plain = [
        probability * by_metric(
            evaluate_ranking(tiny_population.run, qrels, metrics="DCG@3", reps=0)
        )["DCG@3", "all"]
        for probability, qrels in stratified(tiny_population)
    ]  # fmt: skip
    assert abs(sum(plain) - truth(tiny_population)["DCG@3", "all"]) > 0.2
