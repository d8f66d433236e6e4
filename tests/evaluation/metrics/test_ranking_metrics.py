"""Ranking metrics: published figures, trec_eval, and every order of tied Pins."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics import parse
from evaluation.metrics.lists import Floats, Lists, pack
from evaluation.ranking import code_queries, score_queries
from relevance.errors import InputError
from relevance.grades import FIVE, TREC, GradeScale, scale_from


@dataclass(frozen=True)
class Case:
    """A run and the grades to hold it against, as pytrec_eval takes them."""

    run: dict[str, dict[str, float]]
    qrels: dict[str, dict[str, int]]

    @property
    def run_frame(self) -> pl.DataFrame:
        rows = [("s", q, p, x) for q, pins in self.run.items() for p, x in pins.items()]
        return pl.DataFrame(rows, schema=["system", "query_id", "pin_id", "score"], orient="row")

    @property
    def qrels_frame(self) -> pl.DataFrame:
        rows = [(q, p, g) for q, pins in self.qrels.items() for p, g in pins.items()]
        return pl.DataFrame(rows, schema=["query_id", "pin_id", "grade"], orient="row")


PINS = ["a", "b", "B", "ä", "p10", "p9", "p1", "zz", "é", "日"]
SCORES = st.sampled_from([0.0, 1.0, 1.0 + 1e-9, 2.5, -3.0]) | st.floats(-5, 5, width=32)


@st.composite
def cases(draw: st.DrawFn, low: int = -1, high: int = 4, n_queries: int = 4) -> Case:
    names = [f"q{i}" for i in range(n_queries)]
    grades = st.dictionaries(st.sampled_from(PINS), st.integers(low, high), min_size=1)
    returned = st.dictionaries(st.sampled_from(PINS), SCORES, min_size=1)
    qrels = {name: draw(grades) for name in names[: draw(st.integers(1, n_queries))]}
    run = {name: draw(returned) for name in [*names, "unjudged"] if draw(st.booleans())}
    run["q0"] = run.get("q0") or draw(returned)
    return Case(run, qrels)


ZERO_TO_THREE = scale_from({"levels": [0, 1, 2, 3]})


def one(
    returned: list[float], judged: list[float] | None = None, scores: list[float] | None = None
) -> Lists:
    """One query: grades in rank order (NaN = unjudged) and all judged grades."""
    known = [g for g in returned if not math.isnan(g)] if judged is None else judged
    return pack(
        1,
        np.zeros(len(returned), dtype=np.int64),
        np.array(returned, dtype=np.float64),
        np.zeros(len(known), dtype=np.int64),
        np.array(known, dtype=np.float64),
        scores=None if scores is None else np.array(scores, dtype=np.float32),
    )


def value(text: str, lists: Lists, scale: GradeScale = FIVE) -> float:
    measure = parse(text)
    values: Floats = measure.metric.function(lists, scale, **measure.arguments)
    assert values.shape == (1,)
    return float(values[0])


def test_exponential_gain_as_published() -> None:
    grades = [3.0, 2, 3, 0, 1, 2]
    lists = one(grades)
    dcg, ndcg = value("DCG(gain=exp)", lists, TREC), value("nDCG(gain=exp)", lists, TREC)
    assert dcg == pytest.approx(13.84826362927298, abs=1e-12)
    assert dcg / ndcg == pytest.approx(14.595390756454922, abs=1e-12)
    assert value("DCG(gain=exp)@4", lists, TREC) == pytest.approx(12.392789260714371, abs=1e-12)


def test_unjudged_pins_gain_nothing() -> None:
    lists = one([3.0, 2, 3, math.nan, 1, math.nan])
    dcg, ndcg = value("DCG(gain=exp)", lists, TREC), value("nDCG(gain=exp)", lists, TREC)
    assert dcg == pytest.approx(12.779642067948913, abs=1e-12)
    assert dcg / ndcg == pytest.approx(13.347184833073591, abs=1e-12)


def test_err_as_published() -> None:
    lists = one([3.0, 2, 0, 1])
    assert value("ERR@3", lists, ZERO_TO_THREE) == pytest.approx(0.8984375, abs=1e-15)
    assert value("ERR@4", lists, ZERO_TO_THREE) == pytest.approx(0.90087890625, abs=1e-15)


def test_rank_biased_precision_by_hand() -> None:
    lists = one([5.0, 1.0, 4.0, 3.0])
    assert value("RBP(p=0.5)", lists) == 0.5 * (1 + 0.25)
    assert value("RBP(p=0.5)@2", lists) == 0.5
    assert value("RBP", lists) == value("RBP(p=0.8)", lists) == pytest.approx(0.2 * 1.64)
    assert value("RBP(p=0.95)", one([5.0] * 20)) == pytest.approx(1 - 0.95**20, abs=1e-15)


def test_rank_biased_precision_is_a_lower_bound_with_a_residual() -> None:
    """Were the unjudged and everything behind the list relevant, the value would be 1."""
    lists = one([5.0, math.nan, 5.0])
    p = 0.8
    residual = (1 - p) * p + p**3
    assert value("RBP", lists) + residual == pytest.approx(1, abs=1e-15)
    assert value("RBP(rel=5)@1", one([5.0, 5.0])) == pytest.approx(0.2, abs=1e-15)
    assert value("RBP(rel=3)", one([3.0])) == pytest.approx(0.2, abs=1e-15)
    assert value("RBP", one([3.0])) == 0


def test_twenty_grades_as_published() -> None:
    lists = one([float(i % 3) for i in range(1, 21)])
    found = {
        "P@20": 0.70,
        "P@5": 0.80,
        "nDCG(gain=exp)@20": 0.760331,
        "nDCG@20": 0.806869,
        "nDCG(gain=exp)@5": 0.506934,
    }
    for text, expected in found.items():
        assert value(text, lists, TREC) == pytest.approx(expected, abs=5e-7), text


def test_five_grades_equal_trec_eval_on_grades_from_zero() -> None:
    five, trec = (
        one([5.0, 1, 4, 2], [5.0, 1, 4, 2, 5, 3]),
        one([4.0, 0, 3, 1], [4.0, 0, 3, 1, 4, 2]),
    )
    for text in ("nDCG@20", "nDCG(gain=exp)@3", "DCG@2"):
        assert value(text, five, FIVE) == pytest.approx(value(text, trec, TREC), abs=1e-15)


def test_the_ideal_holds_judged_pins_that_were_not_returned() -> None:
    assert value("nDCG@1", one([4.0], [4.0, 5.0])) == 3 / 4
    assert value("R@10", one([4.0], [4.0, 5.0])) == 1 / 2


def test_negative_grades_are_no_gain() -> None:
    assert value("nDCG", one([-1.0, 2.0]), TREC) == pytest.approx(1 / math.log2(3))
    assert value("P@2", one([-1.0, 2.0]), TREC) == 0.5
    assert math.isnan(value("nDCG", one([-1.0, -1.0]), TREC))


def test_sdcg_holds_the_list_against_k_best_grades() -> None:
    assert value("sDCG@3", one([5.0, 5, 5])) == 1
    assert value("sDCG@2", one([5.0])) == pytest.approx(1 / (1 + 1 / math.log2(3)))
    assert value("sDCG@2", one([3.0, 3])) == 0.5
    for text in ("sDCG@3", "ERR@3"):
        with pytest.raises(InputError, match=r"has no top grade.* --scale FILE"):
            value(text, one([3.0]), TREC)


def test_precision_divides_by_k_whatever_was_returned() -> None:
    assert value("P@8", one([5.0, 4, 3])) == 2 / 8
    assert value("P(rel=3)@8", one([5.0, 4, 3])) == 3 / 8


def test_judged_divides_by_what_was_returned() -> None:
    assert value("Judged@8", one([5.0, math.nan, 1, math.nan])) == 0.5
    assert value("Judged@2", one([5.0, math.nan, 1, math.nan])) == 0.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [("nDCG@5", math.nan), ("AP", math.nan), ("RR", math.nan), ("R@5", math.nan), ("P@5", 0.0),
     ("DCG@5", 0.0), ("sDCG@5", 0.0), ("ERR@5", 0.0), ("RBP", 0.0),
     ("Judged@5", 1.0)],
)  # fmt: skip
def test_nothing_relevant_is_undefined_where_it_must_be(text: str, expected: float) -> None:
    assert value(text, one([1.0, 1.0])) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "expected"), [("nDCG@5", 0.0), ("AP", 0.0), ("P@5", 0.0), ("Judged@5", math.nan)]
)
def test_nothing_returned_counts_zero(text: str, expected: float) -> None:
    assert value(text, one([], [5.0])) == pytest.approx(expected, nan_ok=True)


TREC_EVAL = {
    "nDCG": "ndcg",
    "nDCG@2": "ndcg_cut_2",
    "nDCG@5": "ndcg_cut_5",
    "P@1": "P_1",
    "P@5": "P_5",
    "R@3": "recall_3",
    "AP": "map",
    "AP@3": "map_cut_3",
    "RR": "recip_rank",
}


def scored(case: Case, texts: list[str], scale: GradeScale, ties: str = "docid") -> dict[str, dict]:
    coded = code_queries(case.qrels_frame, [case.run_frame])
    measures = [parse(text) for text in texts]
    values = score_queries(case.run_frame, coded, measures, scale=scale, ties=ties).values
    return {
        str(name): {m.text: float(np.nan_to_num(values[m][i])) for m in measures}
        for i, name in enumerate(coded.ids)
    }


def padded(case: Case) -> Case:
    """The case with one more judged Pin: pytrec_eval hangs on queries with negative grades only."""
    return Case(case.run, {q: {**pins, "never returned": 0} for q, pins in case.qrels.items()})


@settings(deadline=None, max_examples=60)
@given(cases().map(padded))
def test_equal_to_trec_eval(case: Case) -> None:
    cuts = ["ndcg", "ndcg_cut.2,5", "P.1,5", "recall.3", "map", "map_cut.3", "recip_rank"]
    theirs = pytrec_eval.RelevanceEvaluator(case.qrels, cuts).evaluate(case.run)
    ours = scored(case, list(TREC_EVAL), TREC)
    for query, expected in theirs.items():
        for text, name in TREC_EVAL.items():
            assert ours[query][text] == pytest.approx(expected[name], abs=1e-9), (query, text)


@settings(deadline=None, max_examples=30)
@given(cases().map(padded), st.integers(1, 4))
def test_relevance_levels_equal_to_trec_eval(case: Case, level: int) -> None:
    oracle = pytrec_eval.RelevanceEvaluator(case.qrels, ["P.5", "map"], relevance_level=level)
    ours = scored(case, [f"P(rel={level})@5", f"AP(rel={level})"], TREC)
    for query, expected in oracle.evaluate(case.run).items():
        assert ours[query][f"P(rel={level})@5"] == pytest.approx(expected["P_5"], abs=1e-9)
        assert ours[query][f"AP(rel={level})"] == pytest.approx(expected["map"], abs=1e-9)


TIED = [
    "nDCG@3", "nDCG(gain=exp)", "sDCG@4", "DCG@2", "P@2", "R@3", "RR", "RR@2", "AP", "AP@3",
    "ERR@3", "ERR@9", "RBP", "RBP(p=0.5,rel=3)@2", "Judged@2",
]  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from([1.0, 3.0, 4.0, 5.0, math.nan]), st.integers(0, 2)),
        min_size=1,
        max_size=5,
    )
)
def test_averaged_ties_are_the_mean_over_all_orders(pins: list[tuple[float, int]]) -> None:
    pins = sorted(pins, key=lambda pin: -pin[1])
    grades, scores = [g for g, _ in pins], [float(s) for _, s in pins]
    judged = [*[g for g in grades if not math.isnan(g)], 5.0]
    groups = [[g for g, s in pins if s == score] for score in (2, 1, 0)]
    orders = [
        list(itertools.chain(*order))
        for order in itertools.product(*(itertools.permutations(group) for group in groups))
    ]
    tied = one(grades, judged, scores)
    for text in TIED:
        every = [value(text, one(order, judged)) for order in orders]
        assert value(text, tied) == pytest.approx(np.mean(every), abs=1e-12), text


def test_averaged_ties_of_many_queries_stay_apart() -> None:
    """Packing many queries gives the values that each has on its own."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 12, size=30)
    query = np.repeat(np.arange(30), sizes)
    grades = rng.choice([1.0, 2, 4, 5, np.nan], size=len(query))
    scores = np.concatenate([np.sort(rng.integers(0, 4, size=n))[::-1] for n in sizes])
    known = ~np.isnan(grades)
    judged_query = np.concatenate([query[known], np.arange(30)])
    judged = np.concatenate([grades[known], np.full(30, 4.0)])
    packed = pack(30, query, grades, judged_query, judged, scores=scores.astype(np.float32))
    for text in TIED:
        measure = parse(text)
        together = measure.metric.function(packed, FIVE, **measure.arguments)
        for q in range(30):
            alone = one(
                grades[query == q].tolist(),
                judged[judged_query == q].tolist(),
                scores[query == q].tolist(),
            )
            assert together[q] == pytest.approx(value(text, alone), abs=1e-12, nan_ok=True)
