"""Reading and writing tables: types, formats, and that what is written reads back equal."""

from __future__ import annotations

import gzip
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from relevance.errors import InputError, TableError
from relevance.grades import ESCI, TREC
from relevance.tables import read_table, write_table

ENDINGS = (".parquet", ".csv", ".tsv", ".jsonl", ".json", ".csv.gz", ".parquet.gz", ".jsonl.gz")


def write(folder: Path, content: str | bytes, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def cells(frame: pl.DataFrame, *names: str) -> list[tuple[object, ...]]:
    return frame.select(names).rows()


def test_ids_stay_text(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, "query_id,pin_id,grade\n00123,1e5,3\n"), "qrels")
    assert cells(frame, "query_id", "pin_id") == [("00123", "1e5")]


def test_ids_that_pandas_made_floats(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    pl.DataFrame({"query_id": [7.0, 8.0], "pin_id": [1, 2]}).write_parquet(path)
    assert cells(read_table(path, "pairs"), "query_id", "pin_id") == [("7", "1"), ("8", "2")]


def test_whole_floats_are_grades_and_gaps_are_null(tmp_path: Path) -> None:
    content = "query_id,pin_id,annotator,grade\nq,p,a,3.0\nq,p,b, 4 \nq,p,c,\n"
    frame = read_table(write(tmp_path, content), "judgments")
    assert frame["grade"].to_list() == [3, 4, None]
    path = tmp_path / "judgments.parquet"
    frame.with_columns(pl.col("grade").cast(pl.Float64).fill_null(float("nan"))).write_parquet(path)
    assert read_table(path, "judgments")["grade"].to_list() == [3, 4, None]


def test_absent_optional_columns_are_null_and_further_ones_stay(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, "clicks,query_id,text,code\n3,q,a,007\n"), "queries")
    assert frame.columns == [
        "query_id",
        "text",
        "country",
        "language",
        "segment",
        "traffic",
        "clicks",
        "code",
    ]
    assert frame.schema["traffic"] == pl.Float64
    assert frame.row(0) == ("q", "a", None, None, None, None, 3, "007")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31 12:30", datetime(2026, 1, 31, 12, 30, tzinfo=UTC)),
        ("2026-01-31T12:30:15Z", datetime(2026, 1, 31, 12, 30, 15, tzinfo=UTC)),
        ("2026-01-31 12:30:15.25 UTC", datetime(2026, 1, 31, 12, 30, 15, 250000, tzinfo=UTC)),
        ("2026-01-31T12:30:15+02:00", datetime(2026, 1, 31, 10, 30, 15, tzinfo=UTC)),
        ("2026-01-31T12:30:15-0230", datetime(2026, 1, 31, 15, 0, 15, tzinfo=UTC)),
        ("2026-01-31T12:30:15 +02", datetime(2026, 1, 31, 10, 30, 15, tzinfo=UTC)),
        ("", None),
    ],
)
def test_times_are_utc(text: str, expected: datetime | None, tmp_path: Path) -> None:
    path = write(tmp_path, f"unit_id,variant,exposed_at\nu,control,{text}\n")
    assert read_table(path, "sessions")["exposed_at"].to_list() == [expected]


def test_times_of_a_parquet_file(tmp_path: Path) -> None:
    naive = datetime(2026, 1, 31, 12)
    path = tmp_path / "sessions.parquet"
    frame = pl.DataFrame({"unit_id": ["u"], "variant": ["a"], "started_at": [naive]})
    frame.with_columns(
        exposed_at=pl.col("started_at").dt.replace_time_zone("Asia/Tokyo")
    ).write_parquet(path)
    read = read_table(path, "sessions")
    assert read["started_at"].to_list() == [datetime(2026, 1, 31, 12, tzinfo=UTC)]
    assert read["exposed_at"].to_list() == [datetime(2026, 1, 31, 3, tzinfo=UTC)]


def test_fulfilled_may_be_a_truth_value(tmp_path: Path) -> None:
    path = write(tmp_path, "unit_id,variant,fulfilled\nu,a,true\nu,a,False\nu,a,1\n")
    assert read_table(path, "sessions")["fulfilled"].to_list() == [1.0, 0.0, 1.0]


def test_later_judgments_win_and_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(
        tmp_path,
        "query_id,pin_id,annotator,grade,created_at\n"
        "q,p,a,5,2026-01-02\nq,p,a,1,2026-01-01\nq,p,a,2,\nq,p,b,3,\nq,p,b,4,\n",
    )
    frame = read_table(path, "judgments")
    assert cells(frame, "annotator", "grade") == [("a", 5), ("b", 4)]
    assert (
        "later rows of the same query_id + pin_id + annotator replace 3 earlier ones" in caplog.text
    )


def test_scales(tmp_path: Path) -> None:
    path = write(tmp_path, "q 0 p -1\nq 0 r 4\n")
    assert read_table(path, "qrels", scale=TREC)["grade"].to_list() == [-1, 4]
    with pytest.raises(TableError, match="grade must be one of 1, 2, 4, 5, got -1"):
        read_table(path, "qrels", scale=ESCI)


def test_formats_are_recognised_by_content(tmp_path: Path) -> None:
    rows = {
        "semicolon.parquet": "query_id;pin_id;grade\nq;p;3\n",
        "tabs.csv": "query_id\tpin_id\tgrade\nq\tp\t3\n",
        "bom.txt": b"\xef\xbb\xbfquery_id,pin_id,grade\r\nq,p,3\r\n",
        "quoted.csv": '"query_id","pin_id","grade"\n"q","p","3"\n',
        "mac.csv": "query_id,pin_id,grade\rq,p,3\r",
        "trec.csv": "  q\t0  p   3\n",
        "lines.json": '{"query_id": "q", "pin_id": "p", "grade": 3}\n\n',
        "array.csv": ' [ {"query_id": "q", "pin_id": "p", "grade": "3"} ] ',
        "zip.csv": gzip.compress(b"query_id,pin_id,grade\nq,p,3\n"),
    }
    for name, content in rows.items():
        frame = read_table(write(tmp_path, content, name), "qrels")
        assert cells(frame, "query_id", "pin_id", "grade") == [("q", "p", 3)], name


def test_trec_run(tmp_path: Path) -> None:
    path = write(tmp_path, "301\tQ0\tFR-1\t1\t  2.5\tBM25\n301 Q0 FR-2 2 1e-3 BM25\n")
    frame = read_table(path, "runs")
    assert frame.row(0) == ("BM25", "301", "FR-1", 1, 2.5)
    write_table(frame, tmp_path / "out.run", "runs")
    assert (tmp_path / "out.run").read_text().splitlines()[0] == "301 Q0 FR-1 1 2.5 BM25"
    assert_frame_equal(read_table(tmp_path / "out.run", "runs"), frame)


def test_trec_run_makes_up_rank_score_and_system(tmp_path: Path) -> None:
    scored = pl.DataFrame({"query_id": ["q", "q"], "pin_id": ["a", "b"], "score": [1.0, 2.0]})
    write_table(scored, tmp_path / "scored.run", "runs")
    assert (tmp_path / "scored.run").read_text() == "q Q0 a 2 1.0 run\nq Q0 b 1 2.0 run\n"
    ranked = pl.DataFrame({"query_id": ["q", "q"], "pin_id": ["a", "b"], "rank": [2, 1]})
    write_table(ranked, tmp_path / "ranked.run", "runs")
    assert (tmp_path / "ranked.run").read_text() == "q Q0 a 2 -2.0 run\nq Q0 b 1 -1.0 run\n"


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    qrels = pl.DataFrame({"query_id": ["q one"], "pin_id": ["p"], "grade": [3]})
    with pytest.raises(InputError, match=r"query_id 'q one' is empty or has blanks"):
        write_table(qrels, tmp_path / "x.qrels", "qrels")
    with pytest.raises(InputError, match="a TREC file holds qrels or runs, not pairs"):
        write_table(qrels, tmp_path / "x.trec", "pairs")
    with pytest.raises(InputError, match=r"no format ends in '\.xlsx'"):
        write_table(qrels, tmp_path / "x.xlsx", "qrels")
    with pytest.raises(InputError, match=r"Did you mean '\.parquet'"):
        write_table(qrels, tmp_path / "x.parq", "qrels")
    assert list(tmp_path.iterdir()) == []


def test_rows_are_written_in_key_order_and_twice_the_same(tmp_path: Path) -> None:
    frame = pl.DataFrame({"query_id": ["b", "a", "a"], "pin_id": ["x", "z", "y"]})
    for ending in ENDINGS:
        one, two = tmp_path / f"one{ending}", tmp_path / f"two{ending}"
        write_table(frame, one, "pairs")
        write_table(frame.reverse(), two, "pairs")
        assert one.read_bytes() == two.read_bytes()
        assert read_table(one, "pairs").rows() == [("a", "y"), ("a", "z"), ("b", "x")]


def test_an_empty_workspace_table_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "judgments.parquet"
    frame = pl.DataFrame(
        schema={
            "query_id": pl.String,
            "pin_id": pl.String,
            "annotator": pl.String,
            "grade": pl.Int64,
        }
    )
    write_table(frame, path, "judgments")
    assert read_table(path, "judgments").height == 0


def test_vectors_keep_their_type_and_read_from_text(tmp_path: Path) -> None:
    vectors = pl.Series("search", [[0.5, -1.0], [2.0, 1e-3]], dtype=pl.Array(pl.Float32, 2))
    frame = pl.DataFrame({"query_id": ["a", "b"], "search": vectors})
    for ending in ENDINGS:
        path = tmp_path / f"query_embeddings{ending}"
        write_table(frame, path, "query_embeddings")
        read = read_table(path, "query_embeddings")
        assert read.schema["search"].inner == pl.Float32  # type: ignore[attr-defined]
        assert read["search"].to_list() == vectors.to_list()


def test_vectors_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"query_id": ["a"], "search": [[float("nan"), 1.0]]}).write_parquet(path)
    with pytest.raises(TableError, match="line 1, column search: must be a list of finite numbers"):
        read_table(path, "query_embeddings")


QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
ID = TEXT.filter(bool)
FULL_TEXT = TEXT.filter(bool) | st.none()
TIMES = st.none() | st.datetimes(
    datetime(1970, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.just(UTC),
)


@st.composite
def judgments(draw: st.DrawFn) -> pl.DataFrame:
    keys = draw(st.lists(st.tuples(ID, ID, ID), min_size=1, max_size=6, unique=True))
    rows = [
        {
            "query_id": query,
            "pin_id": pin,
            "annotator": annotator,
            "grade": draw(st.none() | st.integers(1, 5)),
            "flag": draw(FULL_TEXT),
            "problems": None,
            "comment": draw(FULL_TEXT),
            "seconds": draw(st.none() | st.floats(0, 1e9)),
            "created_at": draw(TIMES),
            "guideline_version": draw(FULL_TEXT),
            "note": "n" + draw(TEXT),
            "weight": draw(st.floats(allow_nan=False, allow_infinity=False)),
            "count": draw(st.none() | st.integers(-(2**53), 2**53)),
        }
        for query, pin, annotator in keys
    ]
    schema = {
        "grade": pl.Int64,
        "flag": pl.String,
        "problems": pl.String,
        "comment": pl.String,
        "seconds": pl.Float64,
        "created_at": pl.Datetime("us", "UTC"),
        "guideline_version": pl.String,
        "count": pl.Int64,
    }
    return pl.DataFrame(rows, schema_overrides=schema)


@QUICK
@given(frame=judgments())
def test_write_then_read_is_equal_in_every_format(
    frame: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    expected = frame.sort("query_id", "pin_id", "annotator")
    for ending in ENDINGS:
        path = folder / f"judgments{ending}"
        write_table(frame, path, "judgments")
        read = read_table(path, "judgments")
        if frame["count"].null_count() == frame.height:  # a column without a value has no type
            read = read.with_columns(pl.col("count").cast(pl.Int64))
        assert_frame_equal(read, expected, check_exact=True)


@QUICK
@given(
    rows=st.lists(
        st.tuples(ID, ID, st.integers(-3, 9), st.none() | st.floats(-1e6, 1e6)),
        min_size=1,
        max_size=8,
        unique_by=lambda row: row[:2],
    )
)
def test_the_quick_and_the_exact_csv_reader_agree(
    rows: list[tuple[str, str, int, float | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    plain = [(re.sub(r'[,"\r\n]', "_", q), re.sub(r'[,"\r\n]', "_", p), *r) for q, p, *r in rows]
    unique = {row[:2]: row for row in plain}.values()
    lines = ["query_id,pin_id,rank,score"]
    lines += [",".join("" if cell is None else str(cell) for cell in row) for row in unique]
    quick = write(folder, "\n".join(lines), "quick.csv")
    exact = write(folder, "\n".join(['"query_id",pin_id,rank,score', *lines[1:]]), "exact.csv")
    assert_frame_equal(read_table(quick, "runs"), read_table(exact, "runs"))


def test_messages_shorten_long_values(tmp_path: Path) -> None:
    path = write(tmp_path, f"query_id,pin_id,grade\nq,p,{'x' * 500}\n")
    with pytest.raises(TableError, match="x…") as caught:
        read_table(path, "qrels")
    assert len(str(caught.value)) < 200 + len(str(path))


def test_json_keeps_types_of_further_columns(tmp_path: Path) -> None:
    row = {"query_id": 1, "pin_id": "p", "clicks": 3, "rate": 0.5, "seen": True, "tags": ["a"]}
    frame = read_table(write(tmp_path, json.dumps(row) + "\n"), "pairs")
    assert frame.row(0) == ("1", "p", 3, 0.5, True, ["a"])


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_text, args=("query_id,pin_id,grade\nq,p,3\n",))
    writer.start()
    assert read_table(pipe, "qrels")["grade"].to_list() == [3]
    writer.join()


def test_many_rows_are_read_without_a_loop(tmp_path: Path) -> None:
    from time import perf_counter

    n = 200_000
    frame = pl.select(
        query_id=pl.format("q{}", pl.int_range(n) // 50),
        pin_id=pl.format("p{}", pl.int_range(n)),
        grade=pl.int_range(n) % 5 + 1,
    )
    write_table(frame, tmp_path / "qrels.csv", "qrels")
    begun = perf_counter()
    assert read_table(tmp_path / "qrels.csv", "qrels").height == n
    assert perf_counter() - begun < 2  # measured: 0.1 s; a loop over rows takes longer
