"""The MSRD importer on a small folder in its format, and on the real one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from relevance.errors import MissingInputError, TableError
from relevance.importers import FILE, IMPORTERS, import_tables, msrd

SMILE = {
    "id": "882598",
    "title": " Smile ",
    "overview": "A doctor sees things.",
    "tags": ["fear"],
    "genres": ["Horror", "Mystery"],
    "director": "Parker Finn",
    "actors": ["Kyle Gallner", "Sosie Bacon"],
    "year": 2022,
    "popularity": 3910.4,
    "url": "https://example.org/a.jpg",
}
BARE = {"id": 7, "title": "Se7en", "overview": "", "genres": [], "year": None}
HEADER = "query_id\tquery\tdoc_id\tgrade\n"
ROWS = 'qid:1\tmovie "smile\t882598\t1\nqid:1\tmovie "smile\t7\t0\nqid:2\tse"ven"\t7\t1\n'


def make(folder: Path, rows: str = ROWS, *, header: str = HEADER, zipped: bool = True) -> Path:
    corpus = "".join(json.dumps(movie) + "\n" for movie in (SMILE, BARE))
    for name, text in (("movies-judgments.tsv", header + rows), ("movies-corpus.jsonl", corpus)):
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("zipped", [True, False])
def test_tables(tmp_path: Path, zipped: bool) -> None:
    made = msrd.read(make(tmp_path, zipped=zipped))
    assert made.tables["queries"].rows() == [
        ("qid:1", 'movie "smile', "en"),
        ("qid:2", 'se"ven"', "en"),
    ]
    assert made.tables["qrels"].rows() == [
        ("qid:1", "882598", 5, "human"),
        ("qid:1", "7", 1, "human"),
        ("qid:2", "7", 5, "human"),
    ]
    assert made.tables["pairs"].rows() == [row[:2] for row in made.tables["qrels"].rows()]
    assert made.tables["pins"].rows() == [
        (
            "882598",
            "Smile",
            "A doctor sees things.",
            "Horror · Mystery · fear",
            "2022 · Parker Finn",
            "Kyle Gallner · Sosie Bacon",
        ),
        ("7", "Se7en", None, None, None, None),
    ]
    assert made.rejected == []


def test_judgments_of_unknown_movies_are_set_aside_and_counted(tmp_path: Path) -> None:
    rows = "qid:3\tlost\t404\t1\n" + ROWS + 'qid:2\tse"ven"\t405\t0\n'
    made = import_tables(IMPORTERS["msrd"], make(tmp_path, rows), tmp_path / "ws", command="test")
    assert made.tables["queries"]["query_id"].to_list() == ["qid:1", "qid:2"]
    assert made.summary() == ["2 set aside: 2 judgments of a movie that is not in the corpus"]
    rejected = pl.read_csv(tmp_path / "ws" / FILE, infer_schema=False)
    assert rejected.select("line", "column", "value").rows() == [
        ("2", "doc_id", "404"),
        ("6", "doc_id", "405"),
    ]


def test_no_movie_is_known(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no judged movie is in the corpus"):
        msrd.read(make(tmp_path, "qid:3\tlost\t404\t1\n"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("qid:1\tsmile\t7\t1\nqid:1\tsmile\t882598\n", r"line 3: a row has 4 cells, this one 3"),
        ("qid:1\tsmile\t7\t1\t0\n", r"line 2: a row has 4 cells, this one 5"),
        ("qid:1\tsmile\t7\t2\n", r"line 2, column grade: grade must be 0 or 1, got '2'"),
        ("\tsmile\t7\t1\n", r"line 2, column query_id: the id of the query is empty"),
        ("qid:1\ta\t7\t1\nqid:1\ta\t7\t0\n", r"line 3, column doc_id: a movie is judged twice"),
        ("qid:1\ta\t7\t1\nqid:1\tb\t882598\t0\n", r"column query: a query has two texts"),
    ],
)
def test_broken_judgments(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        msrd.read(make(tmp_path, rows))


def test_another_header(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"line 1: the header must be query_id, query, doc_id"):
        msrd.read(make(tmp_path, header="qid\tdocid\trel\n"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "1', r"movies-corpus.jsonl line 3: not JSON"),
        ('{"id": "1"}', r"line 3: not a movie \(KeyError: 'title'\)"),
        ("[]", r"line 3: not a movie"),
        ('{"id": "7", "title": "Again"}', r"a movie is in the corpus twice, got '7'"),
    ],
)
def test_broken_movies(tmp_path: Path, line: str, message: str) -> None:
    with (make(tmp_path, zipped=False) / "movies-corpus.jsonl").open("a") as corpus:
        corpus.write(line)
    with pytest.raises(TableError, match=message):
        msrd.read(tmp_path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"movies-corpus.jsonl.gz not found.*elasticsearch"):
        msrd.read(tmp_path)


@pytest.mark.data
def test_the_real_data(data_dir: Path) -> None:
    made = msrd.read(data_dir / "msrd")
    assert {name: frame.height for name, frame in made.tables.items()} == {
        "queries": 16_279,
        "pins": 9_750,
        "pairs": 384_381,
        "qrels": 384_381,
    }
    assert len(made.rejected) == 374
    assert dict(made.tables["qrels"]["grade"].value_counts().rows()) == {1: 328_136, 5: 56_245}
    assert "qid:5141" in made.tables["queries"]["query_id"]
