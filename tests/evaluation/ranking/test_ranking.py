"""`evaluate_ranking`: the rules of DESIGN about ties, missing, undefined, seen and slices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evaluation.ranking import evaluate_ranking
from relevance.errors import InputError
from relevance.grades import TREC
from relevance.provenance import hash_query
from relevance.results import Results, Row
from relevance.tables import read_table


def runs(rows: list[tuple], system: str = "s") -> pl.DataFrame:
    """(query, pin, score) rows."""
    frame = pl.DataFrame(rows, schema=["query_id", "pin_id", "score"], orient="row")
    return frame.with_columns(system=pl.lit(system))


def qrels(rows: list[tuple]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["query_id", "pin_id", "grade"], orient="row")


def queries(rows: list[tuple]) -> pl.DataFrame:
    names = ["query_id", "country", "traffic"][: len(rows[0])]
    return pl.DataFrame(rows, schema=names, orient="row")


def only(results: Results, metric: str, group: str = "all") -> Row:
    (row,) = [r for r in results if (r.metric, r.group) == (metric, group)]
    return row


GRADES = [("a", "x", 5), ("a", "y", 1), ("b", "x", 4), ("b", "y", 2), ("c", "x", 1), ("c", "y", 1)]
RUN = [("a", "x", 2.0), ("a", "y", 1.0), ("z", "x", 1.0)]


def test_missing_undefined_and_not_judged_are_three_things() -> None:
    results = evaluate_ranking(runs(RUN), qrels(GRADES), metrics="nDCG@5,P@2,Judged@2,AP")
    ndcg = only(results, "nDCG@5")
    assert (ndcg.value, ndcg.n, ndcg.n_undefined) == (0.5, 2, 1)
    assert ndcg.note == "few_queries: 2; no_relevant: 1; missing: 1; not_judged: 1"
    precision = only(results, "P@2")
    assert (precision.value, precision.n, precision.n_undefined) == (pytest.approx(0.5 / 3), 3, 0)
    assert precision.note == "few_queries: 3; missing: 2; not_judged: 1"
    judged = only(results, "Judged@2")
    assert (judged.value, judged.n, judged.n_undefined) == (1.0, 1, 2)


def test_empty_zero_counts_queries_without_anything_to_find() -> None:
    row = only(evaluate_ranking(runs(RUN), qrels(GRADES), metrics="nDCG@5", empty="zero"), "nDCG@5")
    assert (row.value, row.n, row.n_undefined) == (pytest.approx(1 / 3), 3, 0)
    assert row.note.startswith("few_queries: 3; no_relevant: 1; missing: 1")
    with pytest.raises(InputError, match="empty must be undefined or zero, got 'one'"):
        evaluate_ranking(runs(RUN), qrels(GRADES), empty="one")


def test_equal_scores_go_by_pin_id_descending_in_utf8_bytes() -> None:
    grades = qrels([("a", "é", 5), ("a", "z", 1), ("a", "Z", 1)])
    tied = runs([("a", "z", 1.0), ("a", "Z", 1.0), ("a", "é", 1.0)])
    assert only(evaluate_ranking(tied, grades, metrics="RR"), "RR").value == 1
    average = evaluate_ranking(tied, grades, metrics="RR", ties="average")
    assert only(average, "RR").value == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    with pytest.raises(InputError, match="ties must be one of docid, average"):
        evaluate_ranking(tied, grades, ties="first")


def test_scores_are_compared_as_32_bit_floats() -> None:
    grades = qrels([("a", "p", 5), ("a", "q", 1)])
    near = runs([("a", "p", 1.0 + 1e-9), ("a", "q", 1.0)])
    assert only(evaluate_ranking(near, grades, metrics="RR"), "RR").value == 0.5
    apart = runs([("a", "p", 1.0 + 1e-6), ("a", "q", 1.0)])
    assert only(evaluate_ranking(apart, grades, metrics="RR"), "RR").value == 1
    zeros = runs([("a", "p", 0.0), ("a", "q", -0.0)])
    assert only(evaluate_ranking(zeros, grades, metrics="RR"), "RR").value == 0.5


def test_rank_decides_only_without_scores_and_a_contradiction_is_counted() -> None:
    grades = qrels([("a", "p", 5), ("a", "q", 1), ("b", "p", 5), ("b", "q", 1)])
    ranked = runs([("a", "p", None), ("a", "q", None)]).with_columns(
        rank=pl.Series([2, 1]), score=pl.Series([None, None], dtype=pl.Float64)
    )
    assert only(evaluate_ranking(ranked, grades, metrics="RR"), "RR").value == 0.25
    rows = [("a", "p", 2.0, 2), ("a", "q", 1.0, 1), ("b", "p", 2.0, 1), ("b", "q", 1.0, 2)]
    both = pl.DataFrame(rows, schema=["query_id", "pin_id", "score", "rank"], orient="row")
    row = only(evaluate_ranking(both, grades, metrics="RR"), "RR")
    assert row.value == 1
    assert row.note == "few_queries: 2; rank_disagrees: 1; no_variation"
    half = runs([("a", "p", 2.0), ("a", "q", None)])
    with pytest.raises(InputError, match="neither score nor rank for query 'a', pin 'q'"):
        evaluate_ranking(half, grades)


def test_judged_stands_beside_every_cutoff_once() -> None:
    results = evaluate_ranking(runs(RUN), qrels(GRADES), metrics="nDCG@5,P@2,R@5,AP,Judged@2")
    assert [r.metric for r in results] == [
        "nDCG@5",
        "P@2",
        "R@5",
        "AP",
        "Judged@2",
        "Judged@5",
        "Judged",
    ]


def test_rows_of_slices_and_totals() -> None:
    grades = [(q, p, g) for q in "abcd" for p, g in (("x", 5), ("y", 1))]
    found = {"a": ("x",), "b": ("y", "x"), "c": ("x",), "d": ("y",)}
    run = runs([(q, p, float(-i)) for q, pins in found.items() for i, p in enumerate(pins)])
    table = queries([("a", "US", 10.0), ("b", "US", 20.0), ("c", "FR", 10.0), ("d", None, 60.0)])
    results = evaluate_ranking(run, qrels(grades), table, metrics=["RR"], by="country")
    rr = [r for r in results if r.metric == "RR"]
    assert [(r.slice, r.group) for r in rr] == [
        ("all", "all"), ("country", "FR"), ("country", "US"), ("country", "(unknown)"),
        ("country", "(mean)"), ("country", "(traffic)"),
    ]  # fmt: skip
    values = [r.value for r in rr]
    weighted = 0.1 * 1 + 0.3 * 0.75 + 0.6 * 0
    assert values == pytest.approx([2.5 / 4, 1, 0.75, 0, 1.75 / 3, weighted])
    assert [r.n for r in rr] == [4, 1, 2, 1, 4, 4]
    assert rr[1].ci_low is None
    assert rr[1].note == "few_queries: 1; one_query"


def test_a_group_without_a_value_is_left_out_of_the_totals_and_counted() -> None:
    table = queries([("a", "US"), ("b", "US"), ("c", "FR")])
    results = evaluate_ranking(runs(RUN), qrels(GRADES), table, metrics="nDCG@5", by="country")
    france, mean = only(results, "nDCG@5", "FR"), only(results, "nDCG@5", "(mean)")
    assert (france.value, france.n, france.n_undefined) == (None, 0, 1)
    assert france.note == "no_relevant: 1"
    assert (mean.value, mean.note) == (0.5, "few_queries: 2; groups: 1; undefined_groups: 1")
    assert not [r for r in results if r.group == "(traffic)"]
    json.loads(results.to_json(), parse_constant=lambda _: pytest.fail("not strict"))


def test_seen_queries_are_left_out_and_counted_or_kept_and_marked() -> None:
    seen = {hash_query("a")}
    out = only(evaluate_ranking(runs(RUN), qrels(GRADES), metrics="P@2", seen=seen), "P@2")
    assert (out.value, out.n) == (0.0, 2)
    assert out.note == (
        "few_queries: 2; missing: 2; not_judged: 1; seen_in_training: 1; no_variation"
    )
    kept = evaluate_ranking(runs(RUN), qrels(GRADES), metrics="P@2", seen=seen, allow_seen=True)
    assert only(kept, "P@2").n == 3
    assert "seen_kept: 1" in only(kept, "P@2").note
    every = evaluate_ranking(runs(RUN), qrels(GRADES), seen={hash_query(q) for q in "abc"})
    assert {r.value for r in every} == {None}
    assert "no_query" in only(every, "P@8").note


def test_systems_are_evaluated_one_after_the_other() -> None:
    both = pl.concat([runs(RUN, "new"), runs([("a", "y", 1.0)], "old")])
    results = evaluate_ranking(both, qrels(GRADES), metrics="P@2")
    assert [r.system for r in results] == ["new", "new", "old", "old"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runs": runs([*RUN, ("a", "x", 3.0)])}, r"the run have query 'a', pin 'x' twice"),
        ({"qrels": qrels([*GRADES, ("a", "x", 3)])}, r"the qrels have query 'a', pin 'x' twice"),
        ({"runs": runs([("z", "x", 1.0)])}, r"no query in common: qrels have 'a', the run 'z'"),
        ({"qrels": qrels([]).clear()}, r"the qrels have no rows"),
        ({"by": "country"}, r"to split by 'country' the queries table is needed"),
        ({"by": "county", "queries": queries([("a", "US")])}, r"Did you mean 'country'\?"),
        ({"by": "country", "queries": queries([("9", "US")])}, r"no query id of the grades is in"),
        (
            {"by": "country", "queries": queries([("a", None)])},
            r"column 'country' of the queries table is empty",
        ),
        ({"metrics": "accuracy"}, r"does not fit here"),
    ],
)
def test_what_is_wrong_is_said(change: dict, message: str) -> None:
    given = {"runs": runs(RUN), "qrels": qrels(GRADES), "queries": None, **change}
    with pytest.raises(InputError, match=message):
        evaluate_ranking(given.pop("runs"), given.pop("qrels"), given.pop("queries"), **given)


def test_intervals_are_those_of_the_queries() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"q{i}", f"p{j}", int(rng.integers(1, 6))) for i in range(60) for j in range(10)]
    run = runs([(q, p, float(g + rng.normal())) for q, p, g in rows])
    row = only(evaluate_ranking(run, qrels(rows), metrics="P@8"), "P@8")
    assert row.ci_low < row.value < row.ci_high
    wide = only(evaluate_ranking(run, qrels(rows), metrics="P@8", level=0.99), "P@8")
    assert wide.ci_high - wide.ci_low > row.ci_high - row.ci_low
    shuffled = run.sample(fraction=1, shuffle=True, seed=1)
    assert only(evaluate_ranking(shuffled, qrels(rows), metrics="P@8"), "P@8") == row


@pytest.mark.data
@pytest.mark.parametrize(
    ("grades", "metric", "expected", "mean"),
    [
        ("qrels.test", "nDCG@20", (0.1985, 0.8082, 0.0509), 0.3525),
        ("qrels.rel_level", "nDCG@20", (0.0746, 0.8082, 0.0585), 0.3138),
        ("qrels.test", "P@8", (), 0.3333),
        ("qrels.rel_level", "P(rel=2)@8", (), 0.25),
    ],
)
def test_trec_evals_own_files(
    data_dir: Path, grades: str, metric: str, expected: tuple[float, ...], mean: float
) -> None:
    folder = data_dir / "trec-eval"
    run = read_table(folder / "results.test", "runs", scale=TREC)
    judged = qrels_of(folder / grades)
    topics = pl.DataFrame({"query_id": TOPICS, "topic": TOPICS})
    results = evaluate_ranking(run, judged, topics, metrics=metric, by="topic", scale=TREC)
    for topic, value in zip(topics["topic"], expected, strict=False):
        assert only(results, metric, topic).value == pytest.approx(value, abs=5e-5)
    assert only(results, metric).value == pytest.approx(mean, abs=5e-5)


TOPICS = ["301", "302", "303"]
OFFICIAL = {
    ("AP", ""): "map", ("RR", ""): "recip_rank", ("nDCG", ""): "ndcg", ("P", "@5"): "P_5",
    ("P", "@10"): "P_10", ("R", "@20"): "recall_20", ("R", "@100"): "recall_100",
    ("nDCG", "@5"): "ndcg_cut_5", ("nDCG", "@100"): "ndcg_cut_100", ("AP", "@30"): "map_cut_30",
}  # fmt: skip


def qrels_of(path: Path) -> pl.DataFrame:
    return read_table(path, "qrels", scale=TREC)


@pytest.mark.data
@pytest.mark.parametrize(
    ("output", "results", "level"),
    [("out.test.aq", "test", None), ("out.test.aqc", "trunc", None), ("out.test.aql", "test", 2)],
)
def test_trec_evals_official_outputs(
    data_dir: Path, output: str, results: str, level: int | None
) -> None:
    """-q, -q -c on a run that misses a topic, -q -l 2 on graded qrels; printed with 4 decimals."""
    folder = data_dir / "trec-eval"
    lines = [line.split(maxsplit=2) for line in (folder / output).read_text().splitlines()]
    told = {(name, topic): value for name, topic, value in lines}
    lines = [line.split() for line in (folder / f"results.{results}").read_text().splitlines()]
    run = runs([(topic, pin, float(score)) for topic, _, pin, _, score, *_ in lines])
    judged = qrels_of(folder / ("qrels.test" if level is None else "qrels.rel_level"))
    table = pl.DataFrame({"query_id": TOPICS, "topic": TOPICS})
    for (name, at), theirs in OFFICIAL.items():
        if level is not None and name == "nDCG":
            continue  # -l does not touch nDCG, which the other test checks on these qrels
        metric = f"{name}{'' if level is None else f'(rel={level})'}{at}"
        found = evaluate_ranking(run, judged, table, metrics=metric, by="topic", scale=TREC)
        for topic in ("all", *TOPICS):
            expected = pytest.approx(float(told[theirs, topic]), abs=5.1e-5)
            assert only(found, metric, topic).value == expected, (metric, topic)


def test_label_noise_widens_intervals_and_counts_grades_that_are_sure() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"q{i}", f"p{j}") for i in range(40) for j in range(8)]
    posterior = rng.dirichlet(np.ones(5), size=len(rows))
    frame = qrels([(q, p, int(g)) for (q, p), g in zip(rows, posterior.argmax(1) + 1, strict=True)])
    doubtful = frame.with_columns(
        pl.when(pl.col("query_id") == "q1").then(None).otherwise(pl.Series(posterior[:, k]))
        .alias(f"p{k + 1}")
        for k in range(5)
    )  # fmt: skip
    run = runs([(q, p, float(rng.random())) for q, p in rows])
    sure = only(evaluate_ranking(run, doubtful, metrics="P@4"), "P@4")
    noisy = only(evaluate_ranking(run, doubtful, metrics="P@4", label_noise=50), "P@4")
    assert noisy.value == sure.value
    assert noisy.ci_high - noisy.ci_low > sure.ci_high - sure.ci_low
    assert noisy.note.startswith("no_posterior: 8; label_noise: 50 draws; posterior_mean: ")
    certain = doubtful.with_columns(
        pl.lit(None, dtype=pl.Float64).alias(f"p{k}") for k in range(1, 6)
    )
    again = only(evaluate_ranking(run, certain, metrics="P@4", label_noise=50), "P@4")
    assert (again.ci_low, again.ci_high) == pytest.approx((sure.ci_low, sure.ci_high))
    with pytest.raises(InputError, match="no column 'p1': label noise needs the posterior"):
        evaluate_ranking(run, frame, label_noise=50)


def test_without_replicates_there_are_figures_and_a_definition() -> None:
    row = only(evaluate_ranking(runs(RUN), qrels(GRADES), metrics="P@2", reps=0), "P@2")
    assert (row.ci_low, row.ci_high) == (None, None)
    assert "no_interval" in row.note
    assert row.definition == "scale=five relevant_from=4 divided_by=2 ties=docid"
