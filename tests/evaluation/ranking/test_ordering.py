"""Coding, ordering and scoring apart: exact order, matched judgments, other grades, cut lists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics import parse_all
from evaluation.ranking import (
    Coded,
    code_queries,
    depth_of,
    evaluate_ranking,
    order_run,
    packed,
    score_ordered,
    score_queries,
)
from evaluation.ranking.coding import codes_of, hashes_of, judgments_of, match_pairs
from evaluation.ranking.matching import any_twice
from evaluation.ranking.ordering import arrange, break_ties
from evaluation.ranking.together import changes_in
from relevance.errors import InputError
from relevance.grades import TREC

MEASURES = parse_all("nDCG@5,P(rel=1)@3,AP,RR,R@4,Judged@5")


def tables(
    n_queries: int, depth: int, levels: int, seed: int = 0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A shuffled run with tied scores and qrels (some negative) that overlap in part."""
    rng = np.random.default_rng(seed)
    pairs = [
        (f"q{q}", f"a rather long prefix {p % 3}/{'x' * (p % 5)}{p}")
        for q in range(n_queries)
        for p in rng.choice(1000, size=depth, replace=False)
    ]
    keys = pl.DataFrame(pairs, schema=["query_id", "pin_id"], orient="row")
    run = keys.with_columns(score=pl.Series(rng.integers(-levels, levels, size=len(keys)) / 8))
    qrels = keys.with_columns(grade=pl.Series(rng.integers(-1, 4, size=len(keys))))
    return (
        run.sample(fraction=0.7, shuffle=True, seed=seed),
        qrels.sample(fraction=0.7, shuffle=True, seed=seed + 1),
    )


@pytest.mark.parametrize("levels", [1, 3, 1000])
def test_thousands_of_ties_are_ordered_as_trec_eval_orders_them(levels: int) -> None:
    run, qrels = tables(60, 50, levels)
    anchors = pl.DataFrame({"query_id": [f"q{q}" for q in range(60)], "pin_id": "0", "grade": 0})
    qrels = pl.concat(
        [qrels, anchors], how="vertical_relaxed"
    )  # pytrec_eval hangs where all grades are negative
    theirs = pytrec_eval.RelevanceEvaluator(
        _nested(qrels, "grade"), {"ndcg_cut_5", "map", "recip_rank", "P_3"}
    ).evaluate(_nested(run, "score"))
    coded = code_queries(qrels, [run])
    found = score_queries(run, coded, MEASURES, scale=TREC)
    names = {"nDCG@5": "ndcg_cut_5", "AP": "map", "RR": "recip_rank", "P(rel=1)@3": "P_3"}
    for measure in MEASURES:
        if measure.text in names:
            values = np.nan_to_num(found.values[measure])
            expected = [theirs[q][names[measure.text]] for q in coded.ids]
            assert values == pytest.approx(expected, abs=1e-9), measure


def _nested(frame: pl.DataFrame, column: str) -> dict[str, dict]:
    nested: dict[str, dict] = {}
    for query, pin, value in frame.select("query_id", "pin_id", column).iter_rows():
        nested.setdefault(query, {})[pin] = value
    return nested


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(-1, 4),
            st.sampled_from([0.0, 1.0, -1.0, 1e-45, -3e38, 3e38, float("inf"), -float("inf")]),
            st.sampled_from(["", "a", "ab", "a\0", "ünï", "common/12345678a", "common/12345678b"]),
        ),
        max_size=40,
    ),
    depth=st.sampled_from([None, 1, 3]),
    block=st.sampled_from([(1 << 20, 1 << 12), (3, 2), (1, 1)]),
)
def test_order_is_that_of_a_plain_sort(
    rows: list[tuple[int, float, str]], depth: int | None, block: tuple[int, int]
) -> None:
    codes = np.array([code for code, _, _ in rows], dtype=np.int32)
    scores = np.array([score for _, score, _ in rows], dtype=np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "_ROWS", block[0])
        patch.setattr(packed, "_QUERIES", block[1])
        lists = arrange(codes, scores, 5, depth=depth)
    pins = pl.Series([pin for _, _, pin in rows], dtype=pl.String)
    docid = break_ties(lists, pins, depth=depth)
    for code in range(5):
        mine = [i for i, row in enumerate(rows) if row[0] == code]
        mine.sort(key=lambda i: rows[i][2].encode(), reverse=True)
        mine.sort(key=lambda i: -scores[i])
        found = docid.rows[docid.starts[code] : docid.starts[code + 1]]
        wanted = mine if depth is None else mine[:depth]
        assert [rows[i] for i in found] == [rows[i] for i in wanted]
        kept = lists.rows[lists.starts[code] : lists.starts[code + 1]]
        bound = None if depth is None or len(mine) <= depth else scores[mine[depth - 1]]
        assert {*kept.tolist()} == {i for i in mine if bound is None or scores[i] >= bound}


def test_judgments_are_found_even_if_hashes_share_their_upper_bits() -> None:
    """Forged hashes: three share a place in the table, two of them are one pair."""
    base = np.uint64(1 << 40)
    left = np.array([base, base + np.uint64(1), base + np.uint64(2), 7 << 50], dtype=np.uint64)
    right = np.array([9 << 50, base + np.uint64(2), base + np.uint64(1)], dtype=np.uint64)
    codes = np.zeros(4, dtype=np.int32)
    found = judgments_of(codes, left, np.zeros(3, dtype=np.int32), right, 1)
    assert found.tolist() == [-1, 2, 1, -1]
    same_hash = np.append(right, right[1])
    twice = judgments_of(codes, left, np.array([0, 1, 0, 0], dtype=np.int32), same_hash, 2)
    assert twice.tolist() == [-1, 2, 3, -1]
    other_query = judgments_of(codes, left, np.array([0, 1, 0], dtype=np.int32), right, 2)
    assert other_query.tolist() == [-1, 2, -1, -1]


def test_equal_hashes_are_no_duplicates_until_the_ids_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, qrels = tables(3, 10, 3)
    unjudged = run.join(qrels, on=["query_id", "pin_id"], how="anti")
    run = pl.concat([unjudged, run.join(qrels, on=["query_id", "pin_id"], how="semi")])
    assert len(unjudged) > 1
    expected = evaluate_ranking(run, qrels, metrics="AP", scale=TREC)
    twice = pl.concat([run, run[:1]])

    def collide(frame: pl.DataFrame) -> np.ndarray:
        hashes = hashes_of(frame).copy()
        hashes[:2] = 1
        return hashes

    monkeypatch.setattr("evaluation.ranking.ordering.hashes_of", collide)
    assert evaluate_ranking(run, qrels, metrics="AP", scale=TREC) == expected
    with pytest.raises(InputError, match="twice"):
        evaluate_ranking(twice, qrels, metrics="AP", scale=TREC)


def test_codes_are_positions_among_the_known_ids() -> None:
    known = pl.Series(["a", "b", "é"])
    together = pl.Series(["b"] * 5 + ["é"] * 5 + ["x"] * 5 + ["a"] * 5)
    for ids in (together, together.sample(fraction=1, shuffle=True, seed=0), together[:0]):
        codes = codes_of(ids, known)
        assert [None if c < 0 else known[int(c)] for c in codes] == [
            i if i in known else None for i in ids
        ]
    assert codes_of(pl.Series([2**62, 5]), pl.Series([5, 2**62])).tolist() == [1, 0]


NAN = float("nan")


@pytest.mark.parametrize("share", [2, 3, 100])
@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([["a", "a"], ["a", "b"], ["c"], [], ["c"]], [3, 4]),
        ([["a", None], [None, "b"]], [1, 3]),
        ([[None], ["a"], [None, None]], [1, 2]),
        ([[1.0, NAN], [NAN, NAN], [2.0], [NAN]], [1, 4, 5]),
        ([[7, 7], [8]], [2]),
        ([[]], []),
    ],
)
def test_changes_are_found_within_and_across_chunks(
    chunks: list[list[object]], expected: list[int], share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.ranking.together._SHARE", share)
    dtype = pl.Series([cell for chunk in chunks for cell in chunk if cell is not None]).dtype
    values = pl.Series([], dtype=dtype)
    for chunk in chunks:
        values.append(pl.Series(chunk, dtype=dtype))
    assert changes_in(values).tolist() == expected
    monkeypatch.setattr("evaluation.ranking.together._MANY", 0)  # in threads
    assert changes_in(values).tolist() == expected


def test_texts_whose_hashes_share_a_place_keep_their_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.ranking.coding._MOST_BITS", 2)
    monkeypatch.setattr("evaluation.ranking.together._SHARE", 7)
    known = pl.Series([f"q{i:03}" for i in range(100)])
    wanted = np.random.default_rng(0).permutation(150)
    codes = codes_of(pl.Series([f"q{i:03}" for i in wanted]), known)
    assert codes.tolist() == [i if i < 100 else -1 for i in wanted]


def test_pairs_are_matched_whatever_bucket_they_are_in(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pairs = [(int(q), int(h)) for q, h in rng.integers(0, 90, size=(3_000, 2))]
    right = list(dict.fromkeys(pairs[:1_500]))
    left = sorted(dict.fromkeys(pairs[750:]))
    place = {pair: row for row, pair in enumerate(right)}
    arrays = [np.array(part) for part in (*zip(*left, strict=True), *zip(*right, strict=True))]
    codes, hashes, judged_codes, judged_hashes = arrays
    for bucket in (1, 100, 1 << 18):
        monkeypatch.setattr("evaluation.ranking.coding._BUCKET", bucket)
        found = judgments_of(
            codes.astype(np.int32),
            hashes.astype(np.uint64) * 90 + codes.astype(np.uint64) << np.uint64(40),
            judged_codes.astype(np.int32),
            judged_hashes.astype(np.uint64) * 90 + judged_codes.astype(np.uint64) << np.uint64(40),
            90,
        )
        assert found.tolist() == [place.get(pair, -1) for pair in left]
        assert (found >= 0).any()


@pytest.mark.parametrize("searched", [1, 3, 1 << 17])
def test_a_hash_that_is_there_twice_is_seen(searched: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.ranking.matching._SEARCHED", searched)
    starts = np.array([0, 2, 2, 5, 9, 10])
    rng = np.random.default_rng(2)
    hashes = rng.permutation(10).astype(np.uint64) << np.uint64(57)
    codes = np.repeat(np.arange(5, dtype=np.int32), np.diff(starts))
    left = np.zeros(0, dtype=np.uint64)
    assert not any_twice(hashes, starts)
    assert not match_pairs(codes[:0], left, codes, hashes, 5)[1]
    for group in (slice(0, 2), slice(2, 5), slice(5, 9)):
        forged = hashes.copy()
        forged[group.stop - 1] = forged[group.start]
        order = rng.permutation(10)
        assert any_twice(forged, starts)
        assert any_twice(forged[order], None)
        assert match_pairs(codes[:0], left, codes[order], forged[order], 5)[1]


def test_queries_that_only_the_qrels_have_are_coded_too() -> None:
    run = pl.DataFrame({"query_id": ["b", "d"], "pin_id": "p", "score": 1.0})
    qrels = pl.DataFrame({"query_id": ["c", "b", "a", "c"], "pin_id": list("pppq"), "grade": 1})
    coded = code_queries(qrels, [run])
    assert coded.ids.to_list() == ["a", "b", "c", "d"]
    assert coded.query.tolist() == [2, 1, 0, 2]
    assert coded.judged.tolist() == [True, True, True, False]


def test_an_order_is_scored_under_other_grades() -> None:
    run, qrels = tables(40, 12, 3)
    coded = code_queries(qrels, [run])
    ordered = order_run(run, coded)
    other = np.random.default_rng(1).integers(0, 4, size=len(qrels)).astype(float)
    other[::5] = np.nan
    under = score_ordered(ordered, coded, MEASURES, scale=TREC, grades=other)
    regraded = qrels.with_columns(grade=pl.Series(other).fill_nan(None)).drop_nulls("grade")
    again = code_queries(regraded.with_columns(pl.col("grade").cast(pl.Int64)), [run])
    assert again.ids.to_list() == coded.ids.to_list()
    expected = score_queries(run, again, MEASURES, scale=TREC)
    for measure in MEASURES:
        np.testing.assert_array_equal(under.values[measure], expected.values[measure])
    halves = score_ordered(ordered, coded, MEASURES, scale=TREC, grades=coded.grades / 2)
    assert not np.allclose(halves.values[MEASURES[0]], under.values[MEASURES[0]], equal_nan=True)


def test_each_ranked_row_knows_its_judgment() -> None:
    run, qrels = tables(20, 12, 3)
    coded = code_queries(qrels, [run])
    ordered = order_run(run, coded)
    grades = {(q, p): g for q, p, g in qrels.iter_rows()}
    queries = np.repeat(np.arange(len(coded.ids)), np.diff(ordered.starts))
    for row, judgment, query in zip(ordered.rows, ordered.judgment, queries, strict=True):
        pair = run.row(int(row))[:2]
        assert pair[0] == coded.ids[int(query)]
        assert grades.get(pair) == (None if judgment < 0 else qrels["grade"][int(judgment)])


@pytest.mark.parametrize("ties", ["docid", "average"])
def test_cut_lists_give_the_same_and_refuse_deeper_metrics(ties: str) -> None:
    run, qrels = tables(40, 30, 2)
    coded = code_queries(qrels, [run])
    shallow = [m for m in MEASURES if m.cutoff is not None]
    assert depth_of(shallow) == 5
    assert depth_of(MEASURES) is None
    cut = order_run(run, coded, ties=ties, depth=5)
    whole = order_run(run, coded, ties=ties)
    assert len(cut.rows) < len(whole.rows)
    for measure in shallow:
        np.testing.assert_array_equal(
            score_ordered(cut, coded, [measure], scale=TREC).values[measure],
            score_ordered(whole, coded, [measure], scale=TREC).values[measure],
        )
    with pytest.raises(InputError, match="ordered to depth 5, the metrics need all ranks"):
        score_ordered(cut, coded, MEASURES, scale=TREC)
    with pytest.raises(InputError, match="ordered to depth 5, the metrics need 6"):
        score_ordered(cut, coded, parse_all("P@6"), scale=TREC)


def test_a_replaced_table_of_judgments_is_not_matched_by_the_old_hashes() -> None:
    run, qrels = tables(10, 12, 3)
    coded = code_queries(qrels, [run])
    fewer: Coded = replace(coded, qrels=coded.qrels[::2])
    ordered = order_run(run, fewer)
    pairs = run[ordered.rows].select("query_id", "pin_id")
    matched = pairs.filter(pl.Series(ordered.judgment >= 0))
    assert (
        matched.rows()
        == fewer.qrels[ordered.judgment[ordered.judgment >= 0]].select("query_id", "pin_id").rows()
    )
    assert len(matched) == len(run.join(fewer.qrels, on=["query_id", "pin_id"], how="semi"))


def test_only_negative_grades_and_whole_number_ids() -> None:
    run = pl.DataFrame({"query_id": [2**62, 2**62], "pin_id": [9, 10], "score": [1.0, 1.0]})
    qrels = pl.DataFrame({"query_id": [2**62], "pin_id": [10], "grade": [-2]})
    (row, *_) = evaluate_ranking(run, qrels, metrics="nDCG@2", scale=TREC)
    assert (row.value, row.n) == (0.0, 1)
    assert "no_relevant: 1" in row.note
    graded = qrels.with_columns(grade=pl.lit(1))
    (row, *_) = evaluate_ranking(run, graded, metrics="RR", scale=TREC)
    assert row.value == 0.5  # "9" goes before "10": text, descending


def test_an_empty_run_and_a_score_that_is_none() -> None:
    run, qrels = tables(3, 10, 3)
    with pytest.raises(InputError, match="the run has no rows"):
        evaluate_ranking(run.clear(), qrels)
    broken = run.with_columns(score=pl.lit(float("nan")))
    with pytest.raises(InputError, match="neither score nor rank for query"):
        evaluate_ranking(broken, qrels, scale=TREC)
