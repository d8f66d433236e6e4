"""Bounds of unjudged Pins, against every grade that they could have."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest

from evaluation.compare import compare_runs, extremes, sides_of
from evaluation.compare.metric_bounds import BOUNDED, LOOSE
from evaluation.compare.sides import Sides
from evaluation.compare.unjudged import bounds_of, mean_bounds, open_pins, unjudged_pairs
from evaluation.metrics import METRICS, RANKING
from relevance.grades import ESCI, FIVE, TREC, GradeScale
from relevance.results import PairedRow

RAW = GradeScale("raw", (1, 2, 3), gain="raw", exp_gain="raw_exp", relevant_from=2)
"""A scale whose worst grade is worth something."""
OF_DEPTH = {
    "3": (
        "nDCG@3", "nDCG(gain=exp)@3", "sDCG@3", "DCG@3", "P@3", "P(rel=3)@3", "R@3", "RR@3",
        "AP@3", "ERR@3", "RBP(p=0.5)@3",
    ),
    "all": ("nDCG", "DCG", "R", "RR", "AP", "RBP"),
}  # fmt: skip
"""Metrics of one depth, so that the same Pins are open for all of them."""
QUERY = ["query_id", "pin_id", "grade"]
Rows = list[tuple[str, str, int]]


def frame(rows: Rows) -> pl.DataFrame:
    types = (pl.String, pl.String, pl.Int64)
    return pl.DataFrame(rows, schema=dict(zip(QUERY, types, strict=True)), orient="row")


def run(lists: dict[str, list[tuple[str, float]]], name: str) -> pl.DataFrame:
    rows = [(q, p, s, name) for q, pins in lists.items() for p, s in pins]
    return pl.DataFrame(rows, schema=["query_id", "pin_id", "score", "system"], orient="row")


def random_query(rng: np.random.Generator, scale: GradeScale, n_pins: int = 6, n_open: int = 3):
    """Two lists of one query, with equal scores among them, and some of the grades."""
    pins = [f"p{j}" for j in range(n_pins)]
    lists = [
        [(p, float(rng.integers(0, 4))) for p in pins if rng.random() < 0.8] or [("p0", 1.0)]
        for _ in range(2)
    ]
    unjudged = set(rng.permutation(n_pins)[:n_open].tolist())
    grades = [(p, int(rng.choice(scale.levels))) for j, p in enumerate(pins) if j not in unjudged]
    return lists, grades


def everything(lists, grades, metrics, scale: GradeScale, **how) -> tuple[Sides, np.ndarray]:
    """The comparison as it stands, and its (assignments, metrics) differences, NaN = undefined."""
    base = sides_of(
        run({"q": lists[0]}, "old"), run({"q": lists[1]}, "new"),
        frame([("q", p, g) for p, g in grades]), metrics=metrics, scale=scale, **how,
    )  # fmt: skip
    pins = open_pins(base, base.candidates[0]).pin_ids.to_list()
    ways = list(itertools.product(scale.levels, repeat=len(pins)))
    ids = [f"q{i:04d}" for i in range(len(ways))]
    qrels = [
        (i, p, g) for i, way in zip(ids, ways, strict=True)
        for p, g in [*grades, *zip(pins, way, strict=True)]
    ]  # fmt: skip
    sides = sides_of(
        run(dict.fromkeys(ids, lists[0]), "old"), run(dict.fromkeys(ids, lists[1]), "new"),
        frame(qrels), metrics=metrics, scale=scale, **how,
    )  # fmt: skip
    found = [sides.paired(sides.candidates[0], m) for m in sides.asked]
    return base, np.stack([new - old for old, new in found], axis=1)


@pytest.mark.parametrize("scale", [FIVE, ESCI, RAW], ids=lambda scale: scale.name)
@pytest.mark.parametrize("ties", ["docid", "average"])
@pytest.mark.parametrize("empty", ["undefined", "zero"])
@pytest.mark.parametrize("depth", OF_DEPTH)
def test_every_assignment_of_grades_lies_within_the_bounds(
    scale: GradeScale, ties: str, empty: str, depth: str
) -> None:
    """And all bounds but the loose ones are reached by some."""
    rng = np.random.default_rng(11)
    told = 0
    for _ in range(8):
        lists, grades = random_query(rng, scale)
        base, ways = everything(lists, grades, OF_DEPTH[depth], scale, ties=ties, empty=empty)
        candidate = base.candidates[0]
        pins = open_pins(base, candidate)
        for j, measure in enumerate(base.asked):
            bounds = bounds_of(base, candidate, measure, pins)
            values = ways[:, j][~np.isnan(ways[:, j])]
            name = measure.metric.name
            assert bounds.known == (ties == "docid" or name not in {"RR", "AP"})
            if not bounds.known:
                continue
            low, high = float(bounds.low[0]), float(bounds.high[0])
            if len(values) == 0:
                assert (np.isnan(low), np.isnan(high)) == (True, True)
                continue
            told += 1
            assert low <= values.min() + 1e-12, measure
            assert high >= values.max() - 1e-12, measure
            if name not in LOOSE:
                exact = pytest.approx((values.min(), values.max()), abs=1e-12)
                # a scale without an irrelevant grade: RR is bounded as if there were one
                assert (low, high) == exact or (name == "RR" and scale is RAW), measure
    assert told > (60 if depth == "3" else 25)


@pytest.mark.parametrize("metrics", [("nDCG@5", "R@5"), ("nDCG", "R")], ids=["5", "all"])
def test_longer_lists_with_more_open_pins(metrics: tuple[str, ...]) -> None:
    """Where levels between worst and best decide an nDCG."""
    rng = np.random.default_rng(5)
    scale = GradeScale("three", (0, 1, 2), gain="raw", exp_gain="raw_exp", relevant_from=1)
    inner = 0
    for _ in range(12):
        lists, grades = random_query(rng, scale, n_pins=9, n_open=5)
        base, ways = everything(lists, grades, metrics, scale)
        for j, measure in enumerate(base.asked):
            pins = open_pins(base, base.candidates[0])
            bounds = bounds_of(base, base.candidates[0], measure, pins)
            values = ways[:, j]
            assert (bounds.low[0], bounds.high[0]) == pytest.approx(
                (np.nanmin(values), np.nanmax(values)), abs=1e-12
            )
            ends = np.array(list(itertools.product(scale.levels, repeat=len(pins.query))))
            worst_and_best = values[np.isin(ends, (0, 2)).all(axis=1)]
            inner += np.nanmax(worst_and_best) < np.nanmax(values) - 1e-9
    assert inner > 0 or "nDCG@5" not in metrics


def test_means_over_queries_that_grades_may_define() -> None:
    """Every mean over every combination of assignments of three queries."""
    rng = np.random.default_rng(2)
    scale = GradeScale("two", (0, 1), gain="raw", exp_gain="raw_exp", relevant_from=1)
    metrics = ("nDCG@3", "R@3", "RR@3", "P@3")
    for _ in range(6):
        queries = [random_query(rng, scale, n_pins=5, n_open=k) for k in (2, 3, 1)]
        queries[1] = (queries[1][0], [(p, 0) for p, _ in queries[1][1]])  # nothing relevant so far
        ways = [everything(*query, metrics, scale)[1] for query in queries]
        ids = ("a", "b", "c")
        sides = sides_of(
            run({i: q[0][0] for i, q in zip(ids, queries, strict=True)}, "old"),
            run({i: q[0][1] for i, q in zip(ids, queries, strict=True)}, "new"),
            frame([(i, p, g) for i, q in zip(ids, queries, strict=True) for p, g in q[1]]),
            metrics=metrics, scale=scale,
        )  # fmt: skip
        candidate = sides.candidates[0]
        pins = open_pins(sides, candidate)
        for j, measure in enumerate(sides.asked):
            old, new = sides.paired(candidate, measure)
            found = mean_bounds(bounds_of(sides, candidate, measure, pins), new - old, np.arange(3))
            if np.isnan(new - old).all():
                assert found is None
                continue
            means = [
                np.nanmean(way)
                for way in itertools.product(*(each[:, j] for each in ways))
                if not np.isnan(way).all()
            ]
            assert found == pytest.approx((min(means), max(means)), abs=1e-12)


def test_every_ranking_metric_has_bounds_but_judged() -> None:
    ranking = {name for name, metric in METRICS.items() if metric.family == RANKING}
    assert ranking - set(BOUNDED) == {"Judged"}


def lists_of_two() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """q1: p3 is new and unjudged; q2: all judged."""
    old = run({"q1": [("p1", 2.0), ("p2", 1.0)], "q2": [("p1", 2.0), ("p2", 1.0)]}, "old")
    new = run({"q1": [("p1", 2.0), ("p3", 1.0)], "q2": [("p2", 2.0), ("p1", 1.0)]}, "new")
    return old, new, frame([("q1", "p1", 5), ("q1", "p2", 4), ("q2", "p1", 5), ("q2", "p2", 1)])


def test_bounds_by_hand() -> None:
    row = compare_runs(*lists_of_two(), metrics="P@2").rows[0]
    assert isinstance(row, PairedRow)
    assert row.difference == pytest.approx(-0.25)
    assert (row.n_unjudged, row.difference_worst, row.difference_best) == (1, -0.25, 0)
    judged = compare_runs(*lists_of_two(), metrics="P@2").find("Judged@2")
    assert isinstance(judged, PairedRow)
    assert (judged.n_unjudged, judged.difference_worst) == (1, None)
    assert "no_bounds" in judged.note


def test_a_scale_without_a_top_bounds_what_needs_none() -> None:
    old, new, qrels = lists_of_two()
    results = compare_runs(old, new, qrels, metrics="nDCG@2,P@2,RR", scale=TREC)
    rows = {row.metric: row for row in results if isinstance(row, PairedRow)}
    assert rows["nDCG@2"].difference_worst is None
    assert "no_bounds" in rows["nDCG@2"].note
    assert (rows["P@2"].difference_worst, rows["P@2"].difference_best) == (-0.25, 0)
    assert rows["RR"].difference_best == 0
    assert "no_bounds" not in rows["RR"].note


def test_all_judged_means_no_doubt() -> None:
    old, new, qrels = lists_of_two()
    qrels = pl.concat([qrels, frame([("q1", "p3", 2)])])
    for row in compare_runs(old, new, qrels, metrics="nDCG@2,AP"):
        assert isinstance(row, PairedRow)
        assert row.n_unjudged == 0
        assert row.difference_worst == row.difference_best == pytest.approx(row.difference)
        assert "loose" not in row.note


def test_loose_bounds_say_so() -> None:
    row = compare_runs(*lists_of_two(), metrics="AP").rows[0]
    assert "loose_bounds" in row.note


def test_pairs_to_judge_come_with_what_they_are_worth() -> None:
    old, new, qrels = lists_of_two()
    third = run({"q1": [("p3", 3.0), ("p4", 2.0)], "q2": [("p1", 1.0)]}, "third")
    sides = sides_of(old, [new, third], qrels, metrics="P@2")
    pairs = unjudged_pairs(sides)
    assert pairs.columns == ["query_id", "pin_id", "rank", "weight", "n_systems"]
    assert pairs.rows() == [("q1", "p3", 1, 0.5, 2), ("q1", "p4", 2, 0.25, 1)]
    rows = compare_runs(old, [new, third], qrels, metrics="P@2")
    widths = [r.difference_best - r.difference_worst for r in rows
              if isinstance(r, PairedRow) and r.metric == "P@2"]  # fmt: skip
    assert pairs["weight"].sum() == pytest.approx(sum(widths))


def test_pins_at_the_same_place_in_both_lists_share_what_is_left() -> None:
    """They cannot move P@2; they are listed all the same, last."""
    old = run({"q": [("p1", 2.0), ("p2", 1.0)]}, "old")
    sides = sides_of(old, old.with_columns(system=pl.lit("new")), frame([("q", "p3", 5)]),
                     metrics="nDCG@2")  # fmt: skip
    assert unjudged_pairs(sides)["pin_id"].to_list() == ["p1", "p2"]


def test_queries_that_are_left_out_have_no_pairs() -> None:
    old, new, qrels = lists_of_two()
    sides = sides_of(old, new, qrels.filter(pl.col("query_id") == "q2"), metrics="P@2")
    assert unjudged_pairs(sides).height == 0


def test_the_largest_mean_with_values_that_may_be_left_out() -> None:
    assert extremes.of_mean(np.array([1.0, 0.0]), np.array([0.2, 0.9, -1.0])) == pytest.approx(
        1.9 / 3
    )
    assert extremes.of_mean(np.array([0.5]), np.zeros(0)) == 0.5
