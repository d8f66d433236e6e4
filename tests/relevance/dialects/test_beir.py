"""BEIR's files, and the nested JSON of runs."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from relevance.errors import InputError, TableError
from relevance.grades import TREC
from relevance.tables import read_table, write_table

QRELS = "query-id\tcorpus-id\tscore\n1\t31715818\t1\n3\t14717500\t2\n"


def write(folder: Path, content: str, name: str = "file") -> Path:
    path = folder / name
    path.write_text(content)
    return path


def test_qrels(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, QRELS), "qrels", scale=TREC)
    assert frame.select("query_id", "pin_id", "grade").rows() == [
        ("1", "31715818", 1),
        ("3", "14717500", 2),
    ]


def test_the_same_names_in_parquet_and_as_a_run(tmp_path: Path) -> None:
    rows = {"query-id": [1, 2], "corpus-id": ["a", "b"], "score": [1.0, 2.0]}
    pl.DataFrame(rows).write_parquet(tmp_path / "qrels.parquet")
    assert read_table(tmp_path / "qrels.parquet", "qrels")["grade"].to_list() == [1, 2]
    run = read_table(tmp_path / "qrels.parquet", "runs")
    assert run.select("query_id", "pin_id", "score").rows() == [("1", "a", 1.0), ("2", "b", 2.0)]


def test_queries_with_metadata(tmp_path: Path) -> None:
    lines = [
        {"_id": "1", "text": "lamp", "metadata": {"country": "US", "traffic": 5, "query": "n"}},
        {"_id": 2, "text": "tapis", "metadata": {}},
    ]
    path = write(tmp_path, "\n".join(map(json.dumps, lines)))
    frame = read_table(path, "queries")
    assert frame.select("query_id", "text", "country", "traffic", "query").rows() == [
        ("1", "lamp", "US", 5.0, "n"),
        ("2", "tapis", None, None, None),
    ]


def test_corpus(tmp_path: Path) -> None:
    lines = [
        {"_id": "d1", "title": "", "text": "words", "metadata": {"url": "u", "title": "other"}},
        {"_id": "d2", "title": "Lamp", "text": ""},
    ]
    frame = read_table(write(tmp_path, "\n".join(map(json.dumps, lines))), "pins")
    assert frame.select("pin_id", "title", "description", "url").rows() == [
        ("d1", None, "words", "u"),
        ("d2", "Lamp", None, None),
    ]


def test_metadata_of_a_parquet_file(tmp_path: Path) -> None:
    frame = pl.DataFrame({"_id": ["1"], "text": ["lamp"], "metadata": [{"country": "US"}]})
    frame.write_parquet(tmp_path / "queries.parquet")
    assert read_table(tmp_path / "queries.parquet", "queries")["country"].to_list() == ["US"]


def test_written_as_beir_reads(tmp_path: Path) -> None:
    qrels = pl.DataFrame({"query_id": ["1"], "pin_id": ["d"], "grade": [2], "method": ["human"]})
    write_table(qrels, tmp_path / "test.tsv", "qrels", to="beir")
    assert (tmp_path / "test.tsv").read_text() == "query-id\tcorpus-id\tscore\n1\td\t2\n"
    queries = pl.DataFrame({"query_id": ["1"], "text": ["été"], "country": ["FR"], "x": [None]})
    write_table(queries, tmp_path / "queries.jsonl", "queries", to="beir")
    line = (tmp_path / "queries.jsonl").read_text()
    assert line == '{"_id": "1", "text": "été", "metadata": {"country": "FR"}}\n'
    pins = pl.DataFrame({"pin_id": ["d"], "title": [None], "description": ["words"]})
    write_table(pins, tmp_path / "corpus.jsonl", "pins", to="beir")
    line = (tmp_path / "corpus.jsonl").read_text()
    assert line == '{"_id": "d", "title": "", "text": "words", "metadata": {}}\n'


def test_nested_json_is_a_run_and_qrels(tmp_path: Path) -> None:
    path = write(tmp_path, '{"q1": {"d1": 2, "d2": 1.5},\n "q2": {"d1": 3}, "q3": {}}')
    run = read_table(path, "runs").select("system", "query_id", "pin_id", "score")
    assert run.rows() == [
        (None, "q1", "d1", 2.0),
        (None, "q1", "d2", 1.5),
        (None, "q2", "d1", 3.0),
    ]
    path.write_text(path.read_text().replace("1.5", "1"))
    assert read_table(path, "qrels")["grade"].to_list() == [2, 1, 3]


def test_a_written_run_has_one_system_and_made_up_scores(tmp_path: Path) -> None:
    run = pl.DataFrame({"query_id": ["q", "q"], "pin_id": ["a", "b"], "rank": [2, 1]})
    write_table(run, tmp_path / "run.json", "runs", to="pytrec")
    assert json.loads((tmp_path / "run.json").read_text()) == {"q": {"a": -2.0, "b": -1.0}}
    two = run.with_columns(system=pl.Series(["old", "new"]))
    with pytest.raises(InputError, match="nested JSON holds one system, this run has new, old"):
        write_table(two, tmp_path / "two.json", "runs", to="beir")


@pytest.mark.parametrize(
    ("content", "table", "message"),
    [
        ("query-id\tcorpus-id\tscore\n1\ta\t1\n1\tb\t9\n", "qrels", "line 3, column score: grade"),
        ('{"_id": "", "text": "x"}', "queries", "line 1, column _id: must not be empty"),
        ('{"q": {"a": 1,\n "b": 9}}', "qrels", "line 2, column grade: grade must be 1-5, got 9"),
        ('{"q": {"a": "x"}}', "runs", "line 1, column score: must be a number"),
        ('{"q": {"a": [1]}}', "runs", "line 1, column score: must be a number"),
        ('{"q": {"a": 1e999}}', "runs", "line 1, column score: must be a number, got inf"),
        ('{"q": {"a": 1.5}}', "qrels", "line 1, column grade: must be a whole number"),
        ('{"q": {"a": 99999999999999999999}}', "qrels", "column grade: must be a whole number"),
        (
            '{"q": {"a": 1},\n"r": {"a": 2},\n"q": {"a": 3}}',
            "qrels",
            r"line 3: query_id=q, pin_id=a is there already \(line 1\)",
        ),
        ('{"q": {}}', "runs", "no query has a document"),
        ('{"q": {"a": 1.0', "runs", r"line 1: not JSON \(Expecting"),
        ('{"q": ' * 100_000, "runs", "nested too deeply"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    content: str, table: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(TableError, match=message):
        read_table(write(tmp_path, content), table)


def test_jsonl_whose_rows_begin_with_an_object_stays_jsonl(tmp_path: Path) -> None:
    line = '{"meta": {"a": 1}, "query_id": "q", "pin_id": "p%s", "grade": 3}\n'
    path = write(tmp_path, line % 1 + line % 2)
    assert read_table(path, "qrels")["pin_id"].to_list() == ["p1", "p2"]
    assert read_table(write(tmp_path, line % 1), "qrels")["pin_id"].to_list() == ["p1"]
