"""Ranking metrics against ir_measures: RBP of cwl_eval, ERR and exponential nDCG of gdeval."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import polars as pl
import pytest

from evaluation.metrics import parse
from evaluation.ranking import code_queries, score_queries
from relevance.grades import scale_from

ZERO_TO_FOUR = scale_from({"levels": [0, 1, 2, 3, 4], "relevant_from": 1})  # gdeval's top is 4
N_QUERIES = 40
EXACT = ["RBP", "RBP(p=0.5)", "Judged@10", "nDCG@10", "P(rel=2)@8", "R@10", "RR@5", "AP(rel=2)"]
ROUNDED = ["ERR@10", "ERR@3", "nDCG(gain=exp)@10"]
"""gdeval prints five decimals."""


@pytest.fixture(scope="module")
def oracle() -> Any:
    """The package, a development oracle that not every machine has."""
    return pytest.importorskip("ir_measures", reason="pip install ir-measures")


@pytest.fixture(scope="module")
def rows() -> tuple[list[tuple[str, str, float]], list[tuple[str, str, int]]]:
    """Run and qrels without tied scores, which every tool orders in its own way."""
    rng = np.random.default_rng(5)
    run, qrels = [], []
    for query in map(str, range(N_QUERIES)):
        returned = rng.permutation(40)[: rng.integers(5, 30)]
        run += [(query, f"p{pin}", float(score)) for pin, score in
                zip(returned, rng.permutation(len(returned)), strict=True)]  # fmt: skip
        qrels += [(query, f"p{pin}", int(rng.integers(5))) for pin in rng.permutation(40)[:25]]
    return run, qrels


@pytest.mark.parametrize("text", EXACT + ROUNDED)
def test_every_query_is_equal(oracle: Any, rows: tuple[list[Any], list[Any]], text: str) -> None:
    if text in ROUNDED and shutil.which("perl") is None:
        pytest.skip("gdeval needs perl")
    run, qrels = rows
    names = {"RBP": "RBP(p=0.8,rel=1)", "RBP(p=0.5)": "RBP(p=0.5,rel=1)",
             "nDCG(gain=exp)@10": "nDCG(dcg='exp-log2')@10"}  # fmt: skip
    measure = oracle.parse_measure(names.get(text, text))
    scored = [oracle.ScoredDoc(*row) for row in run]
    theirs = {
        found.query_id: found.value
        for found in oracle.iter_calc([measure], [oracle.Qrel(*row) for row in qrels], scored)
    }
    schema = ["query_id", "pin_id"]
    runs = pl.DataFrame(run, schema=[*schema, "score"], orient="row").with_columns(
        system=pl.lit("s")
    )
    coded = code_queries(pl.DataFrame(qrels, schema=[*schema, "grade"], orient="row"), [runs])
    ours = score_queries(runs, coded, [parse(text)], scale=ZERO_TO_FOUR).values[parse(text)]
    assert len(theirs) == N_QUERIES
    for query, value in zip(coded.ids.to_list(), ours, strict=True):
        tolerance = 5.001e-6 if text in ROUNDED else 1e-12
        assert np.nan_to_num(value) == pytest.approx(theirs[query], abs=tolerance), query
