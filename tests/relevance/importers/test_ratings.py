"""Messy files of ratings: every rating lands in the tables or in the list of what was set aside."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relevance.errors import GradewiseError, InputError, MissingInputError, TableError
from relevance.grades import FIVE, GradeScale
from relevance.importers import FILE, IMPORTERS, RatingOptions, import_tables, ratings
from relevance.importers.grading import parse_grade_map
from relevance.importers.set_aside import Outcome
from relevance.workspace import Workspace

FIVE_SAID = RatingOptions(scale=FIVE)
MESSY = """\ufeffQuery ;Doc-ID;Rater;Rating;Date;Comment
red lamp;d1;ann;4;2025-03-04T10:00:00Z;fine
red lamp;d1;bob;4.0;05/03/2025 10:00;=HYPERLINK("x")
red  lamp ;d2;ann; 3 ;25/03/2025;
red lamp;d2;bob;N/A;25/03/2025;
red lamp;d2;cyd;;;;
red lamp;d3;ann;9;2025-03-04;
red lamp;d3;ann;2;2025-03-05;
red lamp;d3;ann;5;2025-03-01;
red lamp;d3;ann;2;2025-03-05;

blue rug;"5" screen";ann;1;soon;
blue rug;d9;;5;;
;d9;ann;5;;
blue rug;d8;"bob;5;;
blue rug;d7;bob;５;1741082400;a;b;c
blue rug;d6;bob;5,0;Mar 5, 2025;"over
two lines"
blue rug;d6;dan@x.org;true;;
blue rug;d5;"ann
"""


COUNTS = (
    "2 without grade",
    "2 with a grade that is none of the scale",
    "1 with more cells than the header",
    "1 with quotes that do not match",
    "1 without annotator",
    "1 without query",
    "1 replaced by a later grade",
    "1 repeated",
)


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def judged(made: Outcome) -> list[tuple[Any, ...]]:
    frame = made.tables["judgments"].sort("query_id", "pin_id", "annotator")
    return frame.select("query_id", "pin_id", "annotator", "grade").rows()


def aside(made: Outcome) -> list[tuple[int, str, str]]:
    return sorted((one.line, one.value, one.reason) for one in made.rejected)


def test_a_messy_csv(tmp_path: Path) -> None:
    made = ratings.read(written(tmp_path / "m.csv", MESSY), FIVE_SAID)
    assert judged(made) == [
        ("blue rug", '5" screen', "ann", 1),
        ("blue rug", "d6", "bob", 5),
        ("blue rug", "d8", "bob", 5),
        ("red lamp", "d1", "ann", 4),
        ("red lamp", "d1", "bob", 4),
        ("red lamp", "d2", "ann", 3),
        ("red lamp", "d3", "ann", 2),
    ]
    assert aside(made) == [
        (5, "N/A", "without grade"),
        (6, "", "without grade"),
        (7, "9", "with a grade that is none of the scale"),
        (8, "2", "repeated"),
        (9, "5", "replaced by a later grade"),
        (12, "soon", "with a time that cannot be read, or could be of two days"),
        (13, "5", "without annotator"),
        (14, "5", "without query"),
        (16, "blue rug;d7;bob;５;1741082400;a;b;c", "with more cells than the header"),
        (19, "true", "with a grade that is none of the scale"),
        (20, 'blue rug;d5;"ann', "with quotes that do not match"),
    ]
    assert [one.detail for one in made.rejected if one.reason == "repeated"] == ["line 10 counts"]
    frame = made.tables["judgments"].sort("query_id", "pin_id", "annotator")
    assert frame["comment"].to_list()[1] == "over\ntwo lines"
    assert frame["created_at"].to_list() == [
        None,
        datetime(2025, 3, 5, tzinfo=UTC),
        None,
        datetime(2025, 3, 4, 10, tzinfo=UTC),
        datetime(2025, 3, 5, 10, tzinfo=UTC),
        datetime(2025, 3, 25, tzinfo=UTC),
        datetime(2025, 3, 5, tzinfo=UTC),
    ]
    assert made.summary() == [
        "17 ratings read: 7 judgments of 2 annotators, 6 pairs, 2 queries",
        "grades 1 → 1, 2 → 2, 3 → 3, 4 → 4, 5 → 5",
        "2 rows with stray quotes",
        "10 set aside: " + ", ".join(COUNTS),
        "1 kept in part: 1 with a time that cannot be read, or could be of two days",
    ]


def test_it_lands_in_a_workspace_with_the_list_or_not_at_all(tmp_path: Path) -> None:
    source, root = written(tmp_path / "m.csv", MESSY), tmp_path / "ws"
    importer = IMPORTERS["ratings"]
    with pytest.raises(TableError, match=r"line 19, column Rating: this grade is no whole number"):
        import_tables(importer, source, root, command="x")
    assert not root.exists()
    import_tables(importer, source, root, command="x", scale=FIVE)
    assert Workspace(root).read("judgments").height == 7
    with (root / FILE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 11
    assert rows[0] == {
        "line": "5", "column": "Rating", "value": "N/A", "reason": "without grade", "detail": "",
        "in_tables": "false",
    }  # fmt: skip
    assert [row["in_tables"] for row in rows].count("true") == 1
    with pytest.raises(InputError, match="holds queries, pairs, judgments already"):
        import_tables(importer, source, root, command="x", scale=FIVE)
    clean = written(tmp_path / "c.csv", "query,docid,rater,rating\nq,d,a,5\nq,e,a,1\n")
    import_tables(importer, clean, root, command="x", overwrite=True)
    assert not (root / FILE).exists()


NESTED = {
    "project": "x",
    "ratings": [
        {
            "query": {"id": 1, "text": "red lamp"},
            "doc": {"id": "d1", "title": "Lamp"},
            "ratings": [
                {"user": {"email": "b@x.org"}, "rating": 3},
                {"user": {"email": "a@x.org"}, "rating": "2"},
                {"user": {"email": "a@x.org"}, "rating": None},
            ],
        },
        {
            "query": {"id": 1, "text": "red lamp"},
            "doc": {"id": 20.0},
            "ratings": [
                {"user": {"email": "a@x.org"}, "rating": 0.0},
                {"user": {"email": "b@x.org"}, "rating": float("nan")},
            ],
        },
        {"query": {"id": 2, "text": "rug"}, "doc": {"id": "d3"}, "ratings": []},
        17,
    ],
}


def test_nested_json(tmp_path: Path) -> None:
    made = ratings.read(written(tmp_path / "n.json", json.dumps(NESTED, indent=1)))
    assert judged(made) == [
        ("1", "20", "rater-01", 1),
        ("1", "d1", "rater-01", 4),
        ("1", "d1", "rater-02", 5),
    ]
    assert made.tables["queries"].rows() == [("1", "red lamp")]
    assert made.tables["pins"].rows() == [("d1", "Lamp"), ("20", None)]
    assert aside(made) == [
        (1, "17", "which is no object"),
        (26, "", "without grade"),
        (49, "", "without grade"),
        (57, "", "without annotator"),
    ]
    assert "2 annotators with addresses are called rater-01, …" in made.summary()
    assert "a@x.org" not in str([frame.rows() for frame in made.tables.values()])
    both = {"query": "q", "one": [{"rating": 1}], "two": [{"rating": 2}]}
    with pytest.raises(TableError, match="one and two are lists of objects: it is unclear which"):
        ratings.read(written(tmp_path / "b.json", json.dumps(both)))


def test_json_lines_with_broken_ones(tmp_path: Path) -> None:
    rows = ['{"query":"q","doc_id":1,"judge":"a","grade":5}', '{"query":"q",', "", "[1]", "3"]
    rows += ['{"query":"q","doc_id":2,"judge":"a","grade":"1 "}']
    made = ratings.read(written(tmp_path / "r.jsonl", "\n".join(rows)))
    assert judged(made) == [("q", "1", "a", 5), ("q", "2", "a", 1)]
    assert aside(made) == [
        (2, '{"query":"q",', "which is no JSON"),
        (4, "[1]", "which is no object"),
        (5, "3", "which is no object"),
    ]


def test_parquet_and_a_column_a_rater(tmp_path: Path) -> None:
    frame = pl.DataFrame({
        "search term": ["lamp", "lamp"], "sku": ["d1", "d2"], "Ann": [3, None], "Bob": [0.0, 2.5],
        "name": ["Lamp", None],
    })  # fmt: skip
    frame.write_parquet(tmp_path / "w.parquet")
    options = RatingOptions(pin_column="sku", grade_column="Ann, Bob", grade_map="0=1,3=5")
    made = ratings.read(tmp_path / "w.parquet", options)
    assert judged(made) == [("lamp", "d1", "Ann", 5), ("lamp", "d1", "Bob", 1)]
    assert aside(made) == [(2, "2.5", "with a grade that is none of the scale")]
    assert "1 cells without a rating" in made.summary()


def test_without_annotators_ratings_are_qrels(tmp_path: Path) -> None:
    text = "query_id\tquery\tpin_id\tgrade\nq1\tlamp\tp1\t3\nq1\t\tp2\t0\nq1\tlamp\tp1\t2\n"
    made = ratings.read(written(tmp_path / "q.tsv", text))
    assert sorted(made.tables["qrels"].rows()) == [
        ("q1", "p1", 4, "human"),
        ("q1", "p2", 1, "human"),
    ]
    assert made.tables["queries"].rows() == [("q1", "lamp")]
    assert "nobody is named as annotator: one grade a pair" in made.summary()
    assert aside(made) == [(2, "3", "replaced by a later grade")]


def test_one_text_in_two_countries_is_two_queries(tmp_path: Path) -> None:
    text = "query,country,docid,rater,rating\nlampe,FR,d,a,5\nlampe,DE,d,a,1\nrug,FR,d,a,1\n"
    made = ratings.read(written(tmp_path / "c.csv", text))
    assert made.tables["queries"].sort("query_id").rows() == [
        ("DE: lampe", "lampe", "DE"),
        ("FR: lampe", "lampe", "FR"),
        ("rug", "rug", "FR"),
    ]


HEAD = "query,docid,rater,rating\n"


@pytest.mark.parametrize(
    ("grades", "mapped"),
    [
        ([0, 1], [1, 5]),
        ([0, 1, 2], [1, 3, 5]),
        ([3, 0], [5, 1]),
        ([0, 4], [1, 5]),
        ([1, 5], [1, 5]),
        ([2, 5], [2, 5]),
    ],
)
def test_levels_are_told_from_grades_that_leave_no_doubt(
    tmp_path: Path, grades: list[int], mapped: list[int]
) -> None:
    rows = "".join(f"q,d{i},a,{grade}\n" for i, grade in enumerate(grades))
    made = ratings.read(written(tmp_path / "g.csv", HEAD + rows))
    assert [row[3] for row in judged(made)] == mapped
    assert "told from the grades; else say --scale or --grade-map" in made.summary()[1]


@pytest.mark.parametrize("grades", [[1, 2], [1, 4], [0, 5], [-1, 0, 1], [0, 99], [3], [0]])
def test_grades_of_which_scale_is_unclear_are_refused(tmp_path: Path, grades: list[int]) -> None:
    rows = "".join(f"q,d{i},a,{grade}\n" for i, grade in enumerate(grades))
    path = written(tmp_path / "g.csv", HEAD + rows)
    with pytest.raises(TableError, match=r"could be of several scales.*--scale five.*--grade-map"):
        ratings.read(path)
    own = GradeScale("own", levels=(-1, 0, 1, 2, 3))
    if max(grades) <= 3:
        assert len(judged(ratings.read(path, RatingOptions(scale=own)))) == len(grades)


def test_a_map_says_what_grades_mean(tmp_path: Path) -> None:
    rows = "q,d1,a,Exact\nq,d2,a, partial \nq,d3,a,skip\nq,d4,a,N/A\nq,d5,a,other\n"
    path = written(tmp_path / "g.csv", HEAD + rows)
    options = RatingOptions(grade_map="exact=5,partial=3,skip=cannot_judge")
    made = ratings.read(path, options)
    assert [row[3] for row in judged(made)] == [5, 3, None]
    assert made.tables["judgments"]["flag"].to_list() == [None, None, "cannot_judge"]
    assert aside(made)[1] == (6, "other", "with a grade that is none of the scale")
    with pytest.raises(InputError, match="--grade-map says what grades mean: leave out --scale"):
        ratings.read(path, RatingOptions(grade_map="a=1", scale=FIVE))
    assert parse_grade_map("0=1,4.0=5") == {"0": 1, "4": 5}
    for wrong in ("0", "0=6", "=5", "0=1,0=2", "n/a=1"):
        with pytest.raises(InputError, match="--grade-map"):
            parse_grade_map(wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("a,b\n1,2\n", r"no column is called like a query\. Say --query-column with one of a, b"),
        ("query,rater,rating\nq,a,5\n", "no column is called like a document"),
        ("query,docid,rater\nq,d,a\n", r"called like a grade\. Say --grade-column"),
        ("query\nq\n", "line 1: the header has one column, so no delimiter was found, got 'query'"),
        (HEAD, "the file has no rows"),
        (
            HEAD + "q,d,a,\n",
            r"line 2, column rating: no rating is left of this file: without grade",
        ),
        ("query,docid,query\nq,d,q\n", "column query: the header names this column twice"),
        ('[{"query": 1', "line 1: not JSON"),
        ("query,docid\n\x00", "there is a NUL byte"),
    ],
)
def test_files_that_stop_with_place_and_way_out(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        ratings.read(written(tmp_path / "x.csv", text))


def test_columns_that_are_said_must_be_there(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", "term,sku,who,mark\nq,d,a,5\nq,e,a,0\n")
    said = RatingOptions(
        query_column="TERM", pin_column="sku", grade_column="mark", annotator_column="who",
        grade_map="0=1,5=5",
    )  # fmt: skip
    assert judged(ratings.read(path, said)) == [("q", "d", "a", 5), ("q", "e", "a", 1)]
    with pytest.raises(
        TableError, match=r"no column 'skus'\. Did you mean 'sku'\? Say --pin-column"
    ):
        ratings.read(path, RatingOptions(pin_column="skus"))
    with pytest.raises(MissingInputError, match=r"nowhere\.csv not found"):
        ratings.read(tmp_path / "nowhere.csv")
    with pytest.raises(
        InputError, match=r"beir knows its columns and grades\. Leave out --query-c"
    ):
        import_tables(IMPORTERS["beir"], path, tmp_path / "w", command="x", options=said)


def test_a_file_of_excel(tmp_path: Path) -> None:
    rows = ['"q; r";d;a;5;;', "", "q;e;a;=1+0;;", "q;f;a;'-1;;"]
    text = "\r\n".join(["sep=;", "Query;DocID;Rater;Rating;;", *rows])
    made = ratings.read(written(tmp_path / "e.csv", text), FIVE_SAID)
    assert judged(made) == [("q; r", "d", "a", 5)]
    assert [(line, value) for line, value, _ in aside(made)] == [(5, "=1+0"), (6, "-1")]
    path = tmp_path / "u.csv"
    path.write_text("query,docid,rating\nq,d,5\n", encoding="utf-16")
    with pytest.raises(TableError, match=r"the file is in UTF-16\. Save it as UTF-8"):
        ratings.read(path)
    path.write_text("query,docid,rating\ncafé,d,5\n", encoding="latin-1")
    with pytest.raises(TableError, match=r"line 2: byte 22 \(0xe9\) is not UTF-8"):
        ratings.read(path)


def test_a_stray_quote_here_and_one_there_do_not_eat_rows(tmp_path: Path) -> None:
    rows = 'q,"5 inch,a,4\nq,6",a,5\nq,d,a,1\n'
    made = ratings.read(written(tmp_path / "s.csv", HEAD + rows))
    assert judged(made) == [("q", "5 inch", "a", 4), ("q", '6"', "a", 5), ("q", "d", "a", 1)]


CELL = st.sampled_from(
    ["q", "lamp", "", " ", "5", "3.0", "N/A", "x", '5"', '"a"', "2025-01-01", "-"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.lists(CELL, min_size=1, max_size=6), min_size=1, max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
)
def test_every_row_is_in_the_tables_or_set_aside(
    rows: list[list[str]], delimiter: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "r.csv"
    header = delimiter.join(["query", "docid", "rater", "rating", "comment"])
    lines = [delimiter.join(row) for row in rows]
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    try:
        made = ratings.read(path, FIVE_SAID)
    except GradewiseError:
        return
    lost = [one for one in made.rejected if not one.kept]
    n_rows = sum(bool(line.strip()) for line in lines)
    several = sum(line.count("\n") for line in made.tables["judgments"]["comment"].drop_nulls())
    assert made.tables["judgments"].height + len(lost) + several == n_rows
    assert len({one.line for one in lost}) == len(lost)
