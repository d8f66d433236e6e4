"""Quepid's exports, with the quirks that its own code has."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest

from relevance.errors import InputError, TableError
from relevance.grades import TREC
from relevance.tables import check_table, read_table, write_table

CASE = """query,docid,rating
star trek,d1,3
" =1+1",d1,1
nothing rated
"a, ""b""\",d2,
star trek,d2,0
"""
BOOK = "query,docid,Ann,Bob Smith\nstar trek,d1,3,2\nstar trek,d2,,0\n"


def write(folder: Path, content: str) -> Path:
    path = folder / "quepid.csv"
    path.write_text(content, newline="")
    return path


def test_a_case_is_qrels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = read_table(write(tmp_path, CASE), "qrels", scale=TREC)
    assert frame.select("query_id", "pin_id", "grade").rows() == [
        ("star trek", "d1", 3),
        ("=1+1", "d1", 1),
        ("star trek", "d2", 0),
    ]
    assert "2 rows without a rating are left out" in caplog.text


def test_a_case_is_queries_pairs_and_pins(tmp_path: Path) -> None:
    path = write(tmp_path, CASE)
    queries = read_table(path, "queries")
    assert queries["query_id"].to_list() == ["star trek", "=1+1", "nothing rated", 'a, "b"']
    assert queries["text"].equals(queries["query_id"].rename("text"))
    assert read_table(path, "pairs").rows() == [
        ("star trek", "d1"),
        ("=1+1", "d1"),
        ('a, "b"', "d2"),
        ("star trek", "d2"),
    ]
    assert read_table(path, "pins")["pin_id"].to_list() == ["d1", "d2"]


def test_a_book_is_judgments_by_name(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, BOOK), "judgments", scale=TREC)
    assert frame.select("query_id", "pin_id", "annotator", "grade").rows() == [
        ("star trek", "d1", "Ann", 3),
        ("star trek", "d1", "Bob Smith", 2),
        ("star trek", "d2", "Bob Smith", 0),
    ]


def test_judges_may_be_called_like_columns(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, "Query,DocID,grade,annotator x\nq,d,3,2\n"), "judgments")
    assert frame.select("annotator", "grade").rows() == [("grade", 3), ("annotator x", 2)]
    case = write(tmp_path, "query,docid,rating,grade\nq,d,3,x\n")
    assert read_table(case, "qrels")["grade"].to_list() == [3]


def test_a_list_of_judgements_is_judgments(tmp_path: Path) -> None:
    path = write(tmp_path, "query;docid;judge;rating\nq;d;Ann;4\nq;d;Bob;5\n")
    assert read_table(path, "judgments").select("annotator", "grade").rows() == [
        ("Ann", 4),
        ("Bob", 5),
    ]
    with pytest.raises(TableError, match="a Quepid book with the grades of each judge"):
        read_table(path, "qrels")


@pytest.mark.parametrize(
    ("content", "table", "message"),
    [
        (CASE, "qrels", r"line 6, column rating: grade must be 1-5, got 0\. Fix the row, or name"),
        (CASE, "judgments", r"line 1: this is a Quepid case .* Read it as qrels"),
        (BOOK, "qrels", r"line 1: this is a Quepid book .* Read it as judgments"),
        ("query,docid,Ann,Ann\nq,d,1,2\n", "judgments", "column Ann: the header names this col"),
        (
            "query,docid,rating\nq,d,2.5\n",
            "qrels",
            r"line 2, column rating: must be a whole number, got '2\.5'",
        ),
        (
            "query,docid,rating\nq,d,2\n\nq,d,3\n",
            "qrels",
            r"line 4: query_id=q, pin_id=d is there already \(line 2\)",
        ),
        ("query,docid,rating\nq,d,1,x\n", "qrels", "line 2: the header has 3 cells, this row 4"),
        ("query,docid,rating\n,d,1\n", "qrels", "line 2, column query: must not be empty"),
        (CASE, "runs", "line 1: this is Quepid's export, which holds queries, .* not runs"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    content: str, table: str, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(TableError, match=message):
        raise check_table(path, table)[-1]


def test_written_as_quepid_writes(tmp_path: Path) -> None:
    qrels = pl.DataFrame({"query_id": ["-q", "r"], "pin_id": ["d", "d"], "grade": [1, 2]})
    write_table(qrels, tmp_path / "a.csv", "qrels", to="quepid")
    assert (tmp_path / "a.csv").read_text() == "query,docid,rating\n -q,d,1\nr,d,2\n"
    texts = qrels.with_columns(text=pl.Series(["lamp, red", "rug"]))
    write_table(texts, tmp_path / "b.csv", "qrels", to="quepid")
    assert (tmp_path / "b.csv").read_text() == 'query,docid,rating\n"lamp, red",d,1\nrug,d,2\n'
    judged = pl.DataFrame(
        {
            "query_id": ["q", "q", "r"],
            "pin_id": ["d", "d", "d"],
            "annotator": ["Smith, Bob", "Ann", "Ann"],
            "grade": [1, None, 5],
        }
    )
    write_table(judged, tmp_path / "c.csv", "judgments", to="quepid")
    assert (tmp_path / "c.csv").read_text() == 'query,docid,Ann,"Smith, Bob"\nq,d,,1\nr,d,5,\n'
    read = read_table(tmp_path / "c.csv", "judgments")
    assert read.select("query_id", "annotator", "grade").rows() == [
        ("q", "Smith, Bob", 1),
        ("r", "Ann", 5),
    ]


def test_what_quepid_cannot_hold_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "x.csv"
    twice = pl.DataFrame({"query_id": ["us", "fr"], "text": ["a", "a"], "pin_id": ["p", "p"]})
    with pytest.raises(InputError, match="two queries read 'a' and have 'p'"):
        write_table(twice.with_columns(grade=1), out, "qrels", to="quepid")
    judged = pl.DataFrame({"query_id": ["q"], "pin_id": ["p"], "annotator": ["rating"]})
    with pytest.raises(InputError, match=r"annotator 'rating' cannot be a column .* Rename it"):
        write_table(judged.with_columns(grade=1), out, "judgments", to="quepid")
    with pytest.raises(InputError, match="a quepid file holds qrels or judgments, not runs"):
        write_table(judged, out, "runs", to="quepid")
    assert not out.exists()


def test_other_files_that_speak_of_queries_are_not_quepid(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, "query_id,pin_id,grade,query,docid\nq,p,3,lamp,d\n")
    with caplog.at_level(logging.WARNING):
        assert read_table(path, "qrels")["query_id"].to_list() == ["q"]
    assert not caplog.records
