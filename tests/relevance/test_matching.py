from __future__ import annotations

import math
from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relevance import matching
from relevance.errors import InputError
from relevance.matching import MATCH_FEATURES, TEXT_FIELDS, bm25, match_features

# no plural or accent among them: the oracle below only splits at blanks
WORDS = ["red", "blue", "chair", "sofa", "cake", "tokyo", "式場", "4"]
TEXT = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
PIN = st.tuples(TEXT, TEXT)


def _frames(
    texts: list[str], pins: list[tuple[str, str]]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    queries = pl.DataFrame({"query_id": [f"q{i}" for i in range(len(texts))], "text": texts})
    frame = pl.DataFrame(
        {
            "pin_id": [f"p{i}" for i in range(len(pins))],
            "title": [title for title, _ in pins],
            "description": [body for _, body in pins],
        }
    )
    pairs = queries.select("query_id").join(frame.select("pin_id"), how="cross")
    return pairs, queries, frame


def _oracle(query: str, documents: list[str], place: int) -> float:
    """BM25 from its definition, one document at a time."""
    tokens = [document.split() for document in documents]
    mean = sum(map(len, tokens)) / len(tokens)
    counts, total = Counter(tokens[place]), 0.0
    for term in set(query.split()):
        df = sum(term in words for words in tokens)
        idf = math.log(1 + (len(tokens) - df + 0.5) / (df + 0.5))
        tf = counts[term]
        if tf:
            norm = 1.2 * (1 - 0.75 + 0.75 * len(tokens[place]) / mean)
            total += idf * tf * 2.2 / (tf + norm)
    return total


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4), st.lists(PIN, min_size=1, max_size=6))
def test_features_equal_their_definitions(texts: list[str], pins: list[tuple[str, str]]) -> None:
    pairs, queries, frame = _frames(texts, pins)
    found = match_features(pairs, queries, frame)
    everything, titles = [f"{t} {b}" for t, b in pins], [t for t, _ in pins]
    n = len(everything)
    for row in found.iter_rows(named=True):
        query, place = texts[int(row["query_id"][1:])], int(row["pin_id"][1:])
        terms, words = set(query.split()), set(everything[place].split())
        assert row["bm25"] == pytest.approx(_oracle(query, everything, place), rel=1e-5)
        assert row["bm25_title"] == pytest.approx(_oracle(query, titles, place), rel=1e-5)
        share = len(terms & words) / max(len(terms), 1)
        assert row["query_terms_matched"] == pytest.approx(share)
        in_title = len(terms & set(titles[place].split())) / max(len(terms), 1)
        assert row["query_terms_matched_title"] == pytest.approx(in_title)
        frequency = {t: sum(t in text.split() for text in everything) for t in terms}
        idf = {t: math.log(1 + (n - df + 0.5) / (df + 0.5)) for t, df in frequency.items()}
        weighted = sum(idf[t] for t in terms & words) / (sum(idf.values()) or 1)
        assert row["query_weight_matched"] == pytest.approx(weighted, rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4), st.lists(PIN, min_size=1, max_size=6))
def test_the_run_has_the_scores_of_the_features(
    texts: list[str], pins: list[tuple[str, str]]
) -> None:
    pairs, queries, frame = _frames(texts, pins)
    run = bm25(pairs, queries, frame)
    assert run.columns == ["system", "query_id", "pin_id", "rank", "score"]
    both = run.join(match_features(pairs, queries, frame), on=["query_id", "pin_id"])
    assert both.height == pairs.height
    assert both["score"].to_list() == pytest.approx(both["bm25"].to_list(), rel=1e-5)
    for _, ranking in run.group_by("query_id"):
        assert ranking["rank"].to_list() == list(range(1, ranking.height + 1))
        assert ranking["score"].is_sorted(descending=True)


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, queries, pins = _frames(
        ["red sofa", "", "cake"], [("red", "sofa cake"), ("cake", "")] * 4
    )
    whole = match_features(pairs, queries, pins)
    monkeypatch.setattr(matching, "_CHUNK", 5)
    assert match_features(pairs, queries, pins).equals(whole)


def test_every_text_field_counts_and_titles_alone_count_as_titles() -> None:
    queries = pl.DataFrame({"query_id": ["q"], "text": ["vélo"]})
    pins = pl.DataFrame(
        [
            {"pin_id": f, **{g: "velo" if f == g else "other" for g in TEXT_FIELDS}}
            for f in TEXT_FIELDS
        ]
    )
    found = match_features(pins.select(pl.lit("q").alias("query_id"), "pin_id"), queries, pins)
    assert (found["bm25"] > 0).all()
    assert found.filter(pl.col("bm25_title") > 0)["pin_id"].to_list() == ["title"]
    assert found.filter(pl.col("query_terms_matched_title") > 0)["pin_id"].to_list() == ["title"]


def test_japanese_queries_match_parts_of_compounds() -> None:
    pairs, queries, pins = _frames(
        ["結婚式の髪型"], [("髪型アレンジ", "結婚式に"), ("結婚記念日", ""), ("庭の花", "")]
    )
    scores = match_features(pairs, queries, pins)["query_terms_matched"].to_list()
    assert scores == pytest.approx([1, 1 / 3, 0])


def test_pins_without_text_and_queries_without_terms_score_zero() -> None:
    queries = pl.DataFrame({"query_id": ["q0", "q1"], "text": ["❤️", "sofa"]})
    pins = pl.DataFrame({"pin_id": ["p0"]})
    pairs = queries.select("query_id", pl.lit("p0").alias("pin_id"))
    found = match_features(pairs, queries, pins)
    assert found.select(list(MATCH_FEATURES)).sum_horizontal().to_list() == [0, 0]


def test_no_pairs_have_no_features() -> None:
    pairs, queries, pins = _frames(["sofa"], [("sofa", "")])
    found = match_features(pairs.head(0), queries, pins)
    assert found.height == 0
    assert found.columns == ["query_id", "pin_id", *MATCH_FEATURES]


def test_an_unknown_pin_is_named() -> None:
    pairs, queries, pins = _frames(["sofa"], [("sofa", ""), ("red", "")])
    with pytest.raises(InputError, match="1 pairs name a pin_id that pins lacks, such as 'p1'"):
        bm25(pairs, queries, pins.head(1))
