"""Every broken file is refused with its place, and `check_table` lists what is wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from relevance.errors import MissingInputError, TableError
from relevance.tables import check_table, read_table, write_table

# name: (table, content, what the message must match)
BROKEN: dict[str, tuple[str, str | bytes, str]] = {
    "missing column": (
        "qrels",
        "query_id,pin_id,grad\nq,p,3\n",
        r"line 1: column grade .* is missing from the qrels .*pin_id, grad\. Did you mean 'grad'\?",
    ),
    "grade off the scale": (
        "qrels",
        "query_id,pin_id,grade\nq,p,3\nq,r,7\n",
        r"line 3, column grade: grade must be 1-5, got 7\. Fix the row",
    ),
    "grade is a fraction": (
        "qrels",
        "query_id,pin_id,grade\nq,p,3.7\n",
        r"line 2, column grade: must be a whole number, got '3\.7'",
    ),
    "grade is a word": (
        "qrels",
        "query_id,pin_id,grade\nq,p,good\n",
        r"line 2, column grade: must be a whole number, got 'good'",
    ),
    "grade is empty": (
        "qrels",
        "query_id,pin_id,grade\nq,p,\n",
        r"line 2, column grade: must not be empty",
    ),
    "id is empty": (
        "judgments",
        "query_id,pin_id,annotator,grade\nq,p,,3\n",
        r"line 2, column annotator: must not be empty",
    ),
    "id is an empty text": (
        "queries",
        '{"query_id": "", "text": "x"}\n',
        r"line 1, column query_id: must not be empty",
    ),
    "pair twice": (
        "qrels",
        "query_id,pin_id,grade\nq,p,3\nq,r,3\nq,p,4\n",
        r"line 4: query_id=q, pin_id=p is there already \(line 2\)\. Keep one row; query_id \+ pin",
    ),
    "run twice without a system": (
        "runs",
        "query_id,pin_id,score\nq,p,3\nq,p,4\n",
        r"line 3: query_id=q, pin_id=p is there already \(line 2\)",
    ),
    "run without score and rank": (
        "runs",
        "query_id,pin_id,score,rank\nq,p,3,\nq,r,,\n",
        r"line 3, column score: a run needs a score or a rank",
    ),
    "too small": (
        "judgments",
        "query_id,pin_id,annotator,grade,seconds\nq,p,a,3,-2\n",
        r"line 2, column seconds: must be at least 0, got '-2'",
    ),
    "not above": (
        "samples",
        "query_id,pin_id,inclusion_probability,stratum,draw\nq,p,0,s,pool\n",
        r"line 2, column inclusion_probability: must be above 0 and at most 1, got '0'",
    ),
    "too large": (
        "samples",
        "query_id,pin_id,inclusion_probability,stratum,draw\nq,p,1.5,s,pool\n",
        r"line 2, column inclusion_probability: must be above 0 and at most 1, got '1\.5'",
    ),
    "not a choice": (
        "samples",
        "query_id,pin_id,inclusion_probability,stratum,draw\nq,p,1,s,random\n",
        r"line 2, column draw: must be one of pool, measure, .*, got 'random'",
    ),
    "not a number": (
        "runs",
        "query_id,pin_id,score\nq,p,high\n",
        r"line 2, column score: must be a number, got 'high'",
    ),
    "not finite": (
        "runs",
        "query_id,pin_id,score\nq,p,inf\n",
        r"line 2, column score: must be a number, got 'inf'",
    ),
    "not a time": (
        "sessions",
        "unit_id,variant,exposed_at\nu,control,yesterday\n",
        r"line 2, column exposed_at: must be a time such as 2026.*, got 'yesterday'",
    ),
    "no such day": (
        "sessions",
        "unit_id,variant,exposed_at\nu,control,2026-02-30\n",
        r"line 2, column exposed_at: must be a time",
    ),
    "not a vector": (
        "query_embeddings",
        'query_id,search\nq,"[1, x]"\n',
        r"line 2, column search: must be a list of finite numbers",
    ),
    "vectors of two lengths": (
        "query_embeddings",
        'query_id,search\nq,"[1, 2]"\nr,"[1]"\n',
        r"line 3, column search: vectors must be of one length, here 2, got 1",
    ),
    "predictions do not sum to 1": (
        "predictions",
        "query_id,pin_id,p1,p2,p3,p4,p5\nq,p,.2,.2,.2,.2,.2\nq,r,.2,.2,.2,.2,.1\n",
        r"line 3, column p1: p1…p5 must sum to 1, got 0\.9",
    ),
    "posterior does not sum to 1": (
        "qrels",
        "query_id,pin_id,grade,p1,p2,p3,p4,p5\nq,p,3,.2,.2,.4,.1,.2\n",
        r"line 2, column p1: p1…p5 must sum to 1, got 1\.1",
    ),
    "posterior of other levels": (
        "qrels",
        "query_id,pin_id,grade,p1,p2\nq,p,3,.2,.8\n",
        r"the scale has 5 levels, the file the columns p1, p2",
    ),
    "posterior below 0": (
        "qrels",
        "query_id,pin_id,grade,p1,p2,p3,p4,p5\nq,p,3,-.2,.2,.6,.2,.2\n",
        r"line 2, column p1: must be at least 0 and at most 1",
    ),
    "empty": ("pairs", "", r"the file is empty"),
    "blanks": ("pairs", " \n\n", r"the file is empty"),
    "header only": ("pairs", "query_id,pin_id\n", r"a header but no rows"),
    "not UTF-8": (
        "queries",
        b"query_id,text\nq,a\nr,caf\xe9\n",
        r"line 3: byte 23 \(0xe9\) is not UTF-8\. Save the file as UTF-8",
    ),
    "UTF-16": ("queries", "query_id,text\nq,a\n".encode("utf-16"), r"in UTF-16\. Save it as UTF-8"),
    "NUL": ("queries", b"query_id,text\nq,a\0b\n", r"line 2: there is a NUL byte at byte 17"),
    "header twice": (
        "queries",
        "query_id,text,text\nq,a,b\n",
        r"line 1, column text: the header names this column twice",
    ),
    "header cell empty": (
        "queries",
        "query_id,text,\nq,a,b\n",
        r"line 1: the header's cell 3 is em",
    ),
    "row too short": (
        "queries",
        "query_id,text,country\nq,a,US\nr,b\n",
        r"line 3: the header has 3 cells, this row 2",
    ),
    "row too long": (
        "queries",
        "query_id,text\nq,a\n\nr,b,c\n",
        r"line 4: the header has 2 cells, this row 3",
    ),
    "a long row makes up for a short one": (
        "queries",
        "query_id,text\nq\nr,b,c\n",
        r"line 2: the header has 2 cells, this row 1",
    ),
    "quote never closed": (
        "queries",
        'query_id,text\nq,"a\nr,b\ns,c\n',
        r"line 2: the row that begins here cannot be read",
    ),
    "line after a multi-line cell": (
        "qrels",
        'query_id,pin_id,grade,note\nq,p,3,"one\ntwo\nthree"\nq,r,9,x\n',
        r"line 5, column grade: grade must be 1-5, got 9",
    ),
    "JSONL breaks off": (
        "queries",
        '{"query_id": "q", "text": "a"}\n{"query_id": "r", "te',
        r"line 2: not JSON \(Unterminated string",
    ),
    "JSONL of lists": (
        "queries",
        '{"query_id": "q", "text": "a"}\n[1]\n',
        r"line 2: a row must be",
    ),
    "JSONL nested": (
        "queries",
        '{"query_id": "q", "text": ["a"]}\n',
        r"line 1, column text: must be one text, not nested JSON",
    ),
    "JSON half a character": (
        "queries",
        '{"query_id": "q", "text": "a"}\n{"query_id": "r", "text": "\\ud800"}\n',
        r"line 2, column text: half a character",
    ),
    "JSON of many brackets": ("queries", "[" * 100_000, "the JSON is nested too deeply"),
    "blank lines before a short row": (
        "queries",
        "\n\nquery_id,text\nq\n",
        r"line 4: the header has 2 cells, this row 1",
    ),
    "JSON array breaks off": (
        "queries",
        '[{"query_id": "q", "text": "a"},\n {"query_id": "r"',
        r"line 2: not JSON",
    ),
    "JSON array without comma": (
        "queries",
        '[{"a": 1}\n{"a": 2}]',
        r"line 2: not JSON \(expected a",
    ),
    "JSON array of words": ("queries", '[\n"a"]', r"line 2: a row must be a JSON object, got 'a'"),
    "JSON array empty": ("queries", "[]", r"the JSON array is empty"),
    "JSON array row": (
        "qrels",
        '[\n{"query_id":1, "pin_id":2, "grade":3},\n\n{"query_id":1, "pin_id":3, "grade":3.5}]',
        r"line 4, column grade: must be a whole number, got '3\.5'",
    ),
    "TREC line": (
        "qrels",
        "q 0 p 3\n\nq 0 r s 4\n",
        r"line 3: a TREC qrels line has 4 columns .*, got 'q 0 r s 4'",
    ),
    "TREC grade": (
        "qrels",
        "q 0 p 3\nq 0 r 0\n",
        r"line 2, column grade: grade must be 1-5, got 0",
    ),
    "gzip breaks off": (
        "queries",
        gzip.compress(b"query_id,text\nq,a\n" * 99)[:-9],
        r"the gzip file is truncated or damaged",
    ),
}


def write(folder: Path, content: str | bytes, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("case", BROKEN)
def test_broken_input_is_named_with_its_place(case: str, tmp_path: Path) -> None:
    table, content, message = BROKEN[case]
    path = write(tmp_path, content)
    with pytest.raises(TableError, match=message) as caught:
        read_table(path, table)
    assert str(caught.value).startswith(str(path))
    assert caught.value.way_out
    assert str(check_table(path, table)[0]) == str(caught.value)


def test_truncated_parquet(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    write_table(pl.DataFrame({"query_id": ["q"], "pin_id": ["p"]}), path, "pairs")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TableError, match=r"the Parquet file is truncated or damaged \("):
        read_table(path, "pairs")


def test_parquet_errors_name_the_row(tmp_path: Path) -> None:
    path = tmp_path / "qrels.parquet"
    frame = pl.DataFrame({"query_id": ["q", "q"], "pin_id": ["p", "r"], "grade": [1, 6]})
    frame.write_parquet(path)
    with pytest.raises(TableError, match=r"line 2, column grade: grade must be 1-5, got 6"):
        read_table(path, "qrels")


def test_missing_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="made by: gradewise annotation adjudicate"):
        read_table(tmp_path / "qrels.csv", "qrels")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, "query_id,pin_id,grade\nq,p,3\n")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(TableError, match=r"cannot be read \(Permission denied\)\. Check its perm"):
        read_table(path, "qrels")


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="this is a folder"):
        read_table(tmp_path, "qrels")


def test_check_lists_all_kinds_in_line_order(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "query_id,pin_id,annotator,grade,seconds\nq,p,a,7,1\nq,p,b,3.5,-1\n,p,b,x,now\nq,p,c,5,2\n",
    )
    places = [(error.line, error.column) for error in check_table(path, "judgments")]
    assert places == [
        (2, "grade"),
        (3, "grade"),
        (3, "seconds"),
        (4, "query_id"),
        (4, "grade"),
        (4, "seconds"),
    ]


def test_check_stops_at_twenty(tmp_path: Path) -> None:
    rows = "".join(f"q,p{i},9\n" for i in range(100))
    problems = check_table(write(tmp_path, "query_id,pin_id,grade\n" + rows), "qrels")
    assert [problem.line for problem in problems] == list(range(2, 22))


def test_check_of_a_good_file_is_empty(tmp_path: Path) -> None:
    assert check_table(write(tmp_path, "query_id,pin_id,grade\nq,p,5\n"), "qrels") == []
