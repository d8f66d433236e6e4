"""The official outputs of trec_eval on its own test files: per query, over all, every measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evaluation.metrics import Measure, parse
from evaluation.metrics.lists import Floats
from evaluation.ranking import code_queries, evaluate_ranking, score_queries
from relevance.grades import TREC
from relevance.tables import read_table

pytestmark = pytest.mark.data

CUTOFFS = (5, 10, 15, 20, 30, 100, 200, 500, 1000)
NAMES = {
    **{f"ndcg_cut_{k}": f"nDCG@{k}" for k in CUTOFFS},
    **{f"P_{k}": f"P(REL)@{k}" for k in CUTOFFS},
    **{f"recall_{k}": f"R(REL)@{k}" for k in CUTOFFS},
    **{f"map_cut_{k}": f"AP(REL)@{k}" for k in CUTOFFS},
    "ndcg": "nDCG",
    "map": "AP(REL)",
    "recip_rank": "RR(REL)",
    "set_recall": "R(REL)",
}
"""Measure of trec_eval → ours; REL stands for its option -l."""

OUTPUTS = {
    "out.test.aq": ("results.test", "qrels.test", 1),
    "out.test.a": ("results.test", "qrels.test", 1),
    "out.test.aqc": ("results.trunc", "qrels.test", 1),
    "out.test.aql": ("results.test", "qrels.rel_level", 2),
}
"""Output → run, qrels, and the level of its option -l."""


def official(path: Path) -> dict[tuple[str, str], float]:
    """(measure, query or `all`) → figure, of the measures that we have."""
    rows = [line.split() for line in path.read_text().splitlines()]
    return {(m, q): float(value) for m, q, value in rows if m in {*NAMES, "rbp"} or m[:4] == "unj_"}


def tables(folder: Path, run: str, qrels: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    return (
        read_table(folder / "trec-eval" / run, "runs", scale=TREC),
        read_table(folder / "trec-eval" / qrels, "qrels", scale=TREC),
    )


def values(run: pl.DataFrame, qrels: pl.DataFrame, measure: Measure) -> tuple[list[str], Floats]:
    coded = code_queries(qrels, [run])
    return coded.ids.to_list(), score_queries(run, coded, [measure], scale=TREC).values[measure]


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_figure_is_the_official_one(data_dir: Path, output: str) -> None:
    run_file, qrels_file, level = OUTPUTS[output]
    run, qrels = tables(data_dir, run_file, qrels_file)
    expected = official(data_dir / "trec-eval" / output)
    names = {**NAMES, **({"rbp": "RBP(p=0.9)"} if level == 1 else {})}  # graded rbp is another
    compared = 0
    for name, text in names.items():
        measure = parse(text.replace("REL", f"rel={level}"))
        row = evaluate_ranking(run, qrels, metrics=[measure], scale=TREC).rows[0]
        assert row.value is not None
        found = dict(zip(*values(run, qrels, measure), strict=True))
        for query, value in {**found, "all": row.value}.items():
            if (name, query) in expected:
                compared += 1
                # the outputs have four decimals; undefined is 0 there
                assert np.nan_to_num(value) == pytest.approx(
                    expected[name, query], abs=5.0001e-5
                ), (name, query)
    assert compared == len(names) * (1 if output.endswith(".a") else 4)


def test_judged_is_what_trec_eval_calls_unjudged(data_dir: Path) -> None:
    """Over the first 5, 10 and 20; grade -1 means unjudged to trec_eval, here it is a grade."""
    compared = 0
    for output, (run_file, qrels_file, _) in OUTPUTS.items():
        run, qrels = tables(data_dir, run_file, qrels_file)
        judged = qrels.filter(pl.col("grade") >= 0)
        expected = official(data_dir / "trec-eval" / output)
        for k in (5, 10, 20):
            ids, shares = values(run, judged, parse(f"Judged@{k}"))
            for query, share in zip(ids, shares, strict=True):
                unjudged = expected.get((f"unj_{k}", query))
                if unjudged is not None and not np.isnan(share):
                    compared += 1
                    assert 1 - share == pytest.approx(unjudged, abs=5.0001e-5), (output, query, k)
    assert compared == 3 * (3 + 2 + 3)  # .a has no single queries, .aqc misses one


def test_negative_grades_and_the_gain_tell_apart(data_dir: Path) -> None:
    """Published: linear gain with negative grades as no gain; an exponential one would differ."""
    run, qrels = tables(data_dir, "results.test", "qrels.rel_level")
    assert set(qrels["grade"].unique()) >= {-1, 0, 1, 2, 3, 4}
    _, linear = values(run, qrels, parse("nDCG@20"))
    assert [round(float(x), 4) for x in linear] == [0.0746, 0.8082, 0.0585]
    _, exponential = values(run, qrels, parse("nDCG(gain=exp)@20"))
    assert round(float(exponential[0]), 4) == 0.0246
    row = evaluate_ranking(run, qrels, metrics="nDCG@20,P(rel=1)@8,P(rel=2)@8", scale=TREC)
    assert [round(r.value or 0, 4) for r in row.rows[:3]] == [0.3138, 0.3333, 0.25]
