from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import entropy as scipy_entropy
from scipy.stats import rv_discrete

from annotation.sampling.uncertainty import (
    FLOOR,
    SIZES,
    aligned,
    rank_weights,
    sizes_of,
)
from relevance.errors import InputError
from relevance.grades import FIVE

SURE, TORN, FLAT = [0, 0, 0, 0, 1.0], [0, 0, 0.5, 0.5, 0], [0.2] * 5
P = np.array([SURE, TORN, FLAT], dtype=float)
PAIRS = pl.DataFrame({"query_id": ["q"] * 3, "pin_id": ["a", "b", "c"], "rank": [1, 3, 9]})
TEACHER = PAIRS.select("query_id", "pin_id").with_columns(
    **{f"p{k + 1}": pl.Series(P[:, k]) for k in range(5)}
)


def test_sizes_have_their_closed_forms():
    grades = np.arange(1, 6)
    sd = [rv_discrete(values=(grades, p)).std() for p in P]
    assert SIZES["entropy"](P, FIVE) == pytest.approx([scipy_entropy(p) for p in P])
    assert SIZES["loss"](P, FIVE) == pytest.approx([0, 0.5, 0.8])
    assert SIZES["spread"](P, FIVE) == pytest.approx(sd)
    assert SIZES["relevance"](P, FIVE) == pytest.approx([1, np.sqrt(0.5), np.sqrt(0.4)])
    assert SIZES["accuracy"](P, FIVE) == pytest.approx([0, 0.5, 0.4])
    squares = [16, (4 + 9) / 2, (0 + 1 + 4 + 9 + 16) / 5]
    assert SIZES["gain"](P, FIVE) == pytest.approx(np.sqrt(squares))


def test_a_rank_weighs_as_its_discount():
    ranks = np.array([1.0, 3.0, 9.0, np.nan])
    assert rank_weights(ranks, "none").tolist() == [1, 1, 1, 1]
    assert rank_weights(ranks, "dcg") == pytest.approx([1, 0.5, 1 / np.log2(10), 0])
    assert rank_weights(ranks, "dcg@8").tolist() == [1, 0.5, 0, 0]
    assert rank_weights(ranks, "p@8").tolist() == [1, 1, 0, 0]
    for wrong in ("ndcg", "p", "dcg@x"):
        with pytest.raises(InputError, match="Use none, dcg"):
            rank_weights(ranks, wrong)


def test_a_sure_pair_keeps_a_floor_and_an_unknown_one_the_mean():
    sizes = sizes_of(PAIRS, "loss", predictions=TEACHER)
    assert sizes == pytest.approx([FLOOR * 1.3 / 3, 0.5, 0.8])
    fewer = sizes_of(PAIRS, "loss", predictions=TEACHER.filter(pl.col("pin_id") != "a"))
    assert fewer == pytest.approx([0.65, 0.5, 0.8])
    for name in SIZES:
        known = sizes_of(PAIRS[1:], name, predictions=TEACHER)
        unknown = sizes_of(PAIRS, name, predictions=TEACHER.filter(pl.col("pin_id") != "a"))
        assert unknown[0] == pytest.approx(known.mean())
    weighted = sizes_of(PAIRS, "relevance", predictions=TEACHER, rank_weight="p@8", floor=0.01)
    assert weighted[:2] == pytest.approx([1, np.sqrt(0.5)])
    assert weighted[2] == pytest.approx(0.01 * weighted[:2].sum() / 3)


def test_groups_have_means_of_their_own():
    two = pl.concat([PAIRS, PAIRS.with_columns(query_id=pl.lit("r"))])
    two = two.with_columns(group=pl.col("query_id"), weight=pl.Series([1.0, 1, 0, 90, 90, 0]))
    sizes = sizes_of(two, "weight")
    assert sizes[:3] == pytest.approx([1, 1, FLOOR * 2 / 3])
    assert sizes[:3] == pytest.approx(sizes_of(two[:3], "weight"))
    assert sizes_of(PAIRS.with_columns(weight=pl.lit(0.0)), "weight").tolist() == [1, 1, 1]


def test_probabilities_follow_the_pairs_and_sum_to_one():
    twice = TEACHER[::-1].with_columns(pl.col(f"p{k}") * 2 for k in range(1, 6))
    assert aligned(PAIRS, twice) == pytest.approx(P)
    assert np.isnan(aligned(PAIRS, TEACHER[1:])[0]).all()


def test_mistakes_are_told():
    with pytest.raises(InputError, match=r"size 'entropie' is unknown. Did you mean 'entropy'"):
        sizes_of(PAIRS, "entropie", predictions=TEACHER)
    with pytest.raises(InputError, match="--predictions FILE"):
        sizes_of(PAIRS, "entropy")
    with pytest.raises(InputError, match="needs runs to take the ranks from"):
        sizes_of(PAIRS.drop("rank"), "loss", predictions=TEACHER, rank_weight="dcg")
    with pytest.raises(InputError, match="sizes below 0"):
        sizes_of(PAIRS.with_columns(weight=-1.0), "weight")
    with pytest.raises(InputError, match="no column 'p5'"):
        aligned(PAIRS, TEACHER.drop("p5"))
    with pytest.raises(InputError, match="a pair twice"):
        aligned(PAIRS, pl.concat([TEACHER, TEACHER]))
