"""Quepid's books and Chorus's ratings: grades of several people, by the tools' own rules."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from relevance.errors import TableError
from relevance.importers import IMPORTERS, RatingOptions, chorus, import_tables, quepid
from relevance.workspace import Workspace

BOOK = {
    "name": "book",
    "scale": [0, 1, 2, 3],
    "query_doc_pairs": [
        {
            "query_text": "red lamp",
            "doc_id": "d1",
            "document_fields": '{"title": "Lamp"}',
            "judgements": [
                {"rating": 2.0, "user_email": "b@x.org", "explanation": "good"},
                {"rating": None, "unrateable": True, "user_email": "a@x.org"},
                {"rating": None, "judge_later": True, "user_email": "c@x.org"},
                {"rating": None, "user_email": "d@x.org"},
            ],
        },
        {
            "query_text": "red lamp",
            "doc_id": "d2",
            "document_fields": "not JSON",
            "judgements": [{"rating": 2.5, "user_email": "a@x.org"}, {"rating": 1}, None],
        },
        {"query_text": "rug", "doc_id": "d3", "judgements": []},
    ],
}


def test_a_book_as_json(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    path.write_text(json.dumps(BOOK, indent=1), encoding="utf-8")
    made = quepid.read(path)
    frame = made.tables["judgments"].select("pin_id", "annotator", "grade", "flag", "comment")
    assert frame.rows() == [
        ("d1", "rater-02", 4, None, "good"),
        ("d1", "rater-01", None, "cannot_judge", None),
        ("d2", "unknown", 2, None, None),
    ]
    assert sorted((one.line, one.reason) for one in made.rejected) == [
        (25, "that were to be judged later"),
        (30, "without grade"),
        (36, "which is no object"),  # the pair it stands in
        (41, "with a grade that is none of the scale"),
    ]
    assert made.tables["pins"].row(0) == ("d1", "Lamp")
    scored = BOOK | {"scale": None, "scorer": {"scale": "0,1,2"}}
    path.write_text(json.dumps(scored), encoding="utf-8")
    assert quepid.read(path).tables["judgments"]["grade"].to_list() == [5, None, 3]
    path.write_text('{"name": "case"}', encoding="utf-8")
    with pytest.raises(TableError, match=r"not Quepid's export.*or holds query_doc_pairs"):
        quepid.read(path)


def test_a_book_as_csv_with_a_mess_in_it(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    text = (
        "\ufeffquery,docid,Ann,Bob\n =lamp,d1,3.0,\nlamp,d2,n/a,0\nlamp,d2,3,oops\n,d3,1,1\nrug\n"
    )
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=r"line 4, column Bob: .*got 'oops'"):
        quepid.read(path)
    made = quepid.read(path, RatingOptions(grade_map="0=1,1=2,2=4,3=5"))
    assert made.tables["judgments"].select("query_id", "annotator", "grade").rows() == [
        ("=lamp", "Ann", 5),
        ("lamp", "Bob", 1),
        ("lamp", "Ann", 5),
    ]
    assert sorted((one.line, one.column, one.reason) for one in made.rejected) == [
        (3, "Ann", "without grade"),
        (4, "Bob", "with a grade that is none of the scale"),
        (5, "Ann", "without query"),
        (5, "Bob", "without query"),
    ]
    assert made.tables["queries"]["query_id"].to_list() == ["=lamp", "lamp", "rug"]


CHORUS = "query,docid,name,description,agent_1_rating,agent_2_rating,final_rating\n"


def test_chorus(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(CHORUS + 'lamp,d1,"A ""Lamp""",x,0,2,3\nlamp,d2,B,,1,,1\n', encoding="utf-8")
    made = chorus.read(path)
    assert made.tables["judgments"].select("pin_id", "annotator", "grade").rows() == [
        ("d1", "agent_1", 1),
        ("d1", "agent_2", 4),
        ("d2", "agent_1", 2),
    ]
    assert made.tables["pins"].rows() == [("d1", 'A "Lamp"', "x"), ("d2", "B", None)]
    assert "1 cells without a rating" in made.summary()
    path.write_text("query,docid,rating\nq,d,1\n", encoding="utf-8")
    with pytest.raises(TableError, match=r"not Chorus's file.*gradewise data import ratings"):
        chorus.read(path)


@pytest.mark.data
def test_the_real_ratings(data_dir: Path, tmp_path: Path) -> None:
    """α of the grades as they were: 0, 1, 2, 3 (README of the data: ordinal .7695)."""
    from evaluation.agreement import agreement
    from relevance.grades import TREC

    path = data_dir / "chorus-3raters" / "Broad_Query_Set_individual_ratings.csv"
    made = import_tables(IMPORTERS["chorus"], path, tmp_path / "ws", command="x")
    assert not made.rejected
    judgments = Workspace(tmp_path / "ws").read("judgments")
    assert (judgments.height, judgments["annotator"].n_unique()) == (3 * 3188, 3)
    assert judgments["query_id"].n_unique() == 135
    raw = judgments.with_columns(pl.col("grade").replace_strict({1: 0, 2: 1, 4: 2, 5: 3}))
    found = agreement(raw, measures=["alpha(ordinal)"], scale=TREC, reps=0).find("alpha(ordinal)")
    assert found is not None
    assert found.value == pytest.approx(0.7695, abs=5e-4)
