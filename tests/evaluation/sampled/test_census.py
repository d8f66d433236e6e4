"""With everything drawn, and with equal chances, weights change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from evaluation.pointwise import evaluate_grades
from evaluation.ranking import evaluate_ranking
from evaluation.sampled import evaluate_sampled_grades, evaluate_sampled_ranking

RANKED = "nDCG@10,nDCG(gain=exp)@5,P@8,DCG,sDCG@10,R@10,RBP@10,Judged@10"
GRADED = "accuracy,within1,MAE,RPS,QWK,AUROC@3,AUROC@4,AUPRC@5"


def shown(rows: Any) -> list[tuple[Any, ...]]:
    return [(r.metric, r.group, r.value, r.ci_low, r.ci_high, r.n, r.n_undefined) for r in rows]


@pytest.mark.parametrize("drawn", ["queries", "pairs", None])
@pytest.mark.parametrize("ties", ["docid", "average"])
def test_a_census_has_the_rows_without_weights_to_the_bit(
    population: Any, drawn: str | None, ties: str
) -> None:
    run = population.run.with_columns(pl.col("score").round(0))
    options: dict[str, Any] = {"metrics": RANKED, "by": "country", "ties": ties}
    census = population.qrels.with_columns(inclusion_probability=1.0)
    weighted = evaluate_sampled_ranking(run, census, population.queries, drawn=drawn, **options)
    plain = evaluate_ranking(run, population.qrels, population.queries, **options)
    assert set(shown(weighted)) == set(shown(plain))


def test_queries_without_anything_to_find_are_undefined_or_zero_as_ever(population: Any) -> None:
    bad = population.qrels.with_columns(
        grade=pl.when(pl.col("query_id") < "q0020").then(1).otherwise(pl.col("grade"))
    )
    census = bad.with_columns(inclusion_probability=1.0)
    for empty in ("undefined", "zero"):
        for drawn in ("queries", "pairs"):
            weighted = evaluate_sampled_ranking(
                population.run, census, drawn=drawn, metrics="nDCG@10,R@10", empty=empty
            )
            plain = evaluate_ranking(population.run, bad, metrics="nDCG@10,R@10", empty=empty)
            assert shown(weighted)[:2] == shown(plain)[:2]
    assert weighted.find("nDCG@10").n_undefined == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("drawn", ["queries", "pairs", None])
def test_a_census_of_grades_has_the_rows_without_weights(
    population: Any, drawn: str | None
) -> None:
    census = population.qrels.with_columns(inclusion_probability=1.0)
    options: dict[str, Any] = {"metrics": GRADED, "by": "country"}
    weighted = evaluate_sampled_grades(
        population.predictions, census, population.queries, drawn=drawn, **options
    )
    plain = evaluate_grades(population.predictions, population.qrels, population.queries, **options)
    for one, other in zip(weighted, plain, strict=True):
        assert (one.metric, one.group, one.n) == (other.metric, other.group, other.n)
        assert one.value == pytest.approx(other.value, abs=1e-14)
        assert (one.ci_low, one.ci_high) == pytest.approx((other.ci_low, other.ci_high), abs=1e-12)


def test_queries_drawn_at_random_have_the_rows_of_their_plain_evaluation(population: Any) -> None:
    """s² / n: the part of other draws and the part of other queries are together what it was."""
    rows = np.flatnonzero(np.arange(population.qrels.height) // 20 % 5 == 0)
    some = population.drawn(rows, 0.2)
    weighted = evaluate_sampled_ranking(population.run, some, metrics="nDCG@10,P@8")
    plain = evaluate_ranking(population.run, some, metrics="nDCG@10,P@8")
    assert shown(weighted) == shown(plain)
    assert weighted.find("nDCG@10").note.startswith("drawn queries")  # type: ignore[union-attr]
