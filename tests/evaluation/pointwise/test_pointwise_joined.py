"""`evaluate_joined_grades`: one file of grades and probabilities, in memory or passing by."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score

from evaluation.pointwise import (
    evaluate_grades,
    evaluate_joined_grades,
    pair_figures,
    pairs,
    streamed_grades,
)
from evaluation.pointwise.joined_grades import TABLE
from evaluation.pointwise.streamed_grades import stream
from relevance.errors import InputError, MissingInputError, TableError
from relevance.grades import ESCI, FIVE, TREC, GradeScale
from relevance.provenance import hash_query
from relevance.results import Results

P = ["p1", "p2", "p3", "p4", "p5"]
ALL = "accuracy,within1,MAE,RPS,Brier,NLL,QWK,ECE,AUROC@3,AUROC@5,AUPRC@4"
Frame = pl.DataFrame


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 50 pairs, so that a file of a few hundred has many."""
    for module in (pairs, pair_figures, streamed_grades):
        monkeypatch.setattr(module, "ROWS", 50)
    monkeypatch.setattr(streamed_grades, "_LONG", 70)


def made_up(n_queries: int = 40, seed: int = 0, tenths: bool = False) -> Frame:
    """Up to 20 pairs a query, three countries, traffic."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 20, size=n_queries)
    query = np.repeat(np.arange(n_queries), size)
    grade = rng.integers(1, 6, size=len(query))
    logits = -((np.arange(1, 6) - (grade + rng.normal(size=len(query)))[:, None]) ** 2)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if tenths:
        p = rng.multinomial(10, p) / 10  # ties, within queries and across
    return pl.DataFrame({
        "query_id": [f"q{i:03d}" for i in query],
        "pin_id": [f"p{i}" for i in range(len(query))],
        "grade": grade.astype(np.int8),
        **{name: p[:, k] for k, name in enumerate(P)},
        "country": np.array(["US", "FR", "JP"])[query % 3],
        "traffic": (query + 1.0),
    })  # fmt: skip


def from_two_tables(frame: Frame, **options: object) -> Results:
    predicted = frame.filter(pl.col("p1").is_not_null())
    return evaluate_grades(
        predicted.select("query_id", "pin_id", *P, model=pl.lit("joined")),
        frame.filter(pl.col("grade").is_not_null()).select("query_id", "pin_id", "grade"),
        frame.select("query_id", "country", "traffic").unique(),
        **options,  # type: ignore[arg-type]
    )


def close(found: Results, expected: Results) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.metric, one.slice, one.group, one.system, one.n, one.n_undefined, one.note) == (
            other.metric, other.slice, other.group, other.system, other.n, other.n_undefined,
            other.note,
        )  # fmt: skip
        for name in ("value", "ci_low", "ci_high"):
            mine, theirs = getattr(one, name), getattr(other, name)
            assert (mine is None) == (theirs is None)
            assert mine is None or mine == pytest.approx(theirs, abs=1e-12)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize("order", ["together", "shuffled"])
def test_joined_equals_two_tables(tmp_path: Path, ending: str, order: str) -> None:
    frame = made_up()
    shown = frame if order == "together" else frame.sample(fraction=1, shuffle=True, seed=4)
    path = tmp_path / f"joined.{ending}"
    if ending == "csv":
        shown.write_csv(path)
    else:
        shown.write_parquet(path, row_group_size=64)
    for options in ({"reps": 0}, {"reps": 200, "by": "country"}, {"by": ["country"]}):
        found = evaluate_joined_grades(path, metrics=ALL, **options)
        close(found, from_two_tables(frame, metrics=ALL, **options))


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("dtype", [pl.Float32, pl.Float64])
@pytest.mark.parametrize("tenths", [False, True])
def test_exact_against_scikit_learn(tmp_path: Path, dtype: type[pl.DataType], tenths: bool) -> None:
    frame = made_up(80, seed=3, tenths=tenths).with_columns(pl.col(P).cast(dtype))
    path = tmp_path / "joined.parquet"
    frame.write_parquet(path, row_group_size=33)
    results = evaluate_joined_grades(path, metrics="accuracy,AUROC@3,AUPRC@3,AUROC@4,AUROC@5")
    grade = frame["grade"].to_numpy()
    p = frame.select(pl.col(P).cast(pl.Float64)).to_numpy()
    expected = {"accuracy": accuracy_score(grade, p.argmax(axis=1) + 1)}
    for t in (3, 4, 5):
        expected[f"AUROC@{t}"] = roc_auc_score(grade >= t, p[:, t - 1 :].sum(axis=1))
    expected["AUPRC@3"] = average_precision_score(grade >= 3, p[:, 2:].sum(axis=1))
    assert {row.metric: row.value for row in results} == pytest.approx(expected, abs=1e-12)
    figures = {row.metric: row.value for row in evaluate_joined_grades(path, reps=0)}
    assert figures == pytest.approx({m: expected[m] for m in figures}, abs=1e-12)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("size", [1, 7, 64, 211, 300])
def test_row_groups_change_nothing(tmp_path: Path, size: int) -> None:
    frame = made_up().with_columns(pl.col(P).cast(pl.Float32))
    path = tmp_path / "joined.parquet"
    frame.write_parquet(path, row_group_size=size)
    for options in ({"reps": 0}, {"reps": 50, "by": "country"}):
        close(
            evaluate_joined_grades(path, metrics=ALL, **options),
            from_two_tables(frame, metrics=ALL, **options),
        )


@pytest.mark.usefixtures("small_batches")
def test_the_first_of_two_errors_is_named(tmp_path: Path) -> None:
    path = tmp_path / "joined.parquet"
    frame = cell(60, p2=-0.5)(cell(250, p2=-0.5)(made_up()))
    frame.write_parquet(path, row_group_size=64)
    with pytest.raises(TableError, match="line 61, column p2"):
        evaluate_joined_grades(path, reps=0)


def test_files_of_polars_and_of_arrow_are_streamed(tmp_path: Path) -> None:
    path = tmp_path / "joined.parquet"
    frame = made_up()
    frame.write_parquet(path)
    assert stream(path, TABLE, FIVE, lambda names: []) is not None
    pq.write_table(frame.to_arrow().cast(pa.schema([
        pa.field(f.name, pa.string() if f.name in ("query_id", "country") else f.type)
        for f in frame.to_arrow().schema
    ])), path)  # fmt: skip
    found = stream(path, TABLE, FIVE, lambda names: ["country"])
    assert found is not None
    assert found.ids.to_list() == sorted(frame["query_id"].unique())
    expected = frame.select("query_id", "country").unique().sort("query_id")
    assert found.queries is not None
    assert found.queries.sort("query_id").equals(expected)


@pytest.mark.usefixtures("small_batches")
def test_whole_number_ids_are_the_same_queries_as_text(tmp_path: Path) -> None:
    frame = made_up().with_columns(pl.col("query_id").str.slice(1).cast(pl.Int64))
    frame.write_parquet(tmp_path / "joined.parquet")
    seen = {hash_query("7"), hash_query("11")}
    found = evaluate_joined_grades(tmp_path / "joined.parquet", by="country", seen=seen)
    text = frame.with_columns(pl.col("query_id").cast(pl.String))
    close(found, from_two_tables(text, by="country", seen=seen))
    assert found.rows[0].note == "seen_in_training: 2"


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_empty_cells_are_counted(tmp_path: Path, ending: str) -> None:
    frame = made_up().with_row_index("i")
    frame = frame.with_columns(
        grade=pl.when(pl.col("i") % 7 != 0).then("grade"),
        **{name: pl.when(pl.col("i") % 5 != 1).then(name) for name in P},
    ).drop("i")
    path = tmp_path / f"joined.{ending}"
    (frame.write_parquet if ending == "parquet" else frame.write_csv)(path)
    found = evaluate_joined_grades(path, by="country", metrics=ALL)
    close(found, from_two_tables(frame, by="country", metrics=ALL))
    both = frame.filter(pl.col("grade").is_not_null() & pl.col("p1").is_not_null())
    assert found.rows[0].n == both.height
    assert found.rows[0].n_undefined > 0


def test_several_models_and_names(tmp_path: Path) -> None:
    frame = made_up()
    both = pl.concat([
        frame.with_columns(model=pl.lit("a")),
        frame.with_columns(model=pl.lit("b"), p1=pl.col("p5"), p5=pl.col("p1")),
    ])  # fmt: skip
    path = tmp_path / "two.parquet"
    both.write_parquet(path)
    found = evaluate_joined_grades(path, metrics="accuracy")
    assert [row.system for row in found] == ["a", "b"]
    assert found.rows[0].value == from_two_tables(frame, metrics="accuracy").rows[0].value
    assert found.rows[1].value < found.rows[0].value
    named = evaluate_joined_grades(path, name="x", metrics="accuracy")
    assert [row.system for row in named] == ["x/a", "x/b"]
    frame.with_columns(model=pl.lit("a")).write_parquet(path)
    assert {row.system for row in evaluate_joined_grades(path)} == {"a"}
    frame.write_parquet(path)
    assert {row.system for row in evaluate_joined_grades(path)} == {"two"}


def test_a_queries_table_may_stand_beside(tmp_path: Path) -> None:
    frame = made_up()
    queries = frame.select("query_id", "country").unique().rename({"country": "market"})
    frame.drop("country", "traffic").write_parquet(tmp_path / "joined.parquet")
    found = evaluate_joined_grades(tmp_path / "joined.parquet", queries, by="market")
    assert [row.group for row in found][:5] == ["all", "FR", "JP", "US", "(mean)"]


def test_one_class_and_a_missing_grade(tmp_path: Path) -> None:
    path = tmp_path / "joined.parquet"
    made_up().filter(pl.col("grade").is_in([1, 2, 5])).write_parquet(path)
    rows = {row.metric: row for row in evaluate_joined_grades(path)}
    assert rows["AUROC@3"].note == "same_as AUROC@5, no grade 3"
    assert rows["AUROC@3"].value == rows["AUROC@5"].value
    made_up().filter(pl.col("grade") < 3).write_parquet(path)
    row = {row.metric: row for row in evaluate_joined_grades(path, reps=0)}["AUROC@3"]
    assert (row.value, row.note) == (None, "one_class")


def cell(row: int, **values: object) -> Callable[[Frame], Frame]:
    return lambda frame: frame.with_row_index("i").with_columns(
        pl.when(pl.col("i") == row).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    ).drop("i")  # fmt: skip


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cell(120, p2=-0.5), r"line 121, column p2: must be at least 0 and at most 1, got -0\.5"),
        (cell(120, p2=1.5), r"line 121, column p2: must be at least 0 and at most 1, got 1\.5"),
        (cell(130, p1=0.9, p2=0.9), r"line 131, column p1: p1…p5 must sum to 1, got "),
        (cell(199, p3=math.nan), r"line 200, column p3: must be a number, got nan"),
        (cell(140, grade=7), r"line 141, column grade: .*, got 7"),
        (cell(140, grade=0), r"line 141, column grade: .*, got 0"),
        (cell(150, query_id=""), r"line 151, column query_id: must not be empty"),
        (lambda f: f.drop("p4"), r"column p4 \(P\(grade = 4\)\) is missing"),
        (lambda f: f.drop("grade"), r"column grade \(Human grade; empty = none\) is missing"),
        (lambda f: f.drop("query_id"), r"column query_id .* is missing"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, change: Callable[[Frame], Frame], message: str
) -> None:
    path = tmp_path / "joined.parquet"
    change(made_up()).write_parquet(path, row_group_size=64)
    with pytest.raises(TableError, match=message):
        evaluate_joined_grades(path, reps=0)


@pytest.mark.usefixtures("small_batches")
def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "joined.parquet"
    made_up(400).write_parquet(path, row_group_size=500)
    data = bytearray(path.read_bytes())
    for start in range(len(data) // 2, len(data) - 20_000, 1000):
        data[start : start + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(TableError, match=r"damaged after row \d+ .*Make or copy it again"):
        evaluate_joined_grades(path)
    path.write_bytes(data[:-100])
    with pytest.raises(TableError, match="truncated or damaged"):
        evaluate_joined_grades(path)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_columns_to_split_by(tmp_path: Path, ending: str) -> None:
    frame = made_up()
    path = tmp_path / f"joined.{ending}"
    write = frame.write_parquet if ending == "parquet" else frame.write_csv
    write(path)
    with pytest.raises(InputError, match=r"no column 'contry' of its queries to split by\. Did"):
        evaluate_joined_grades(path, by="contry")
    crossed = evaluate_joined_grades(path, by="country:traffic", metrics="accuracy")
    assert crossed.rows[1].slice == "country:traffic"
    coded = frame.with_columns(code=pl.col("query_id").str.slice(3))
    (coded.write_parquet if ending == "parquet" else coded.write_csv)(path)
    tenths = evaluate_joined_grades(path, by="code", metrics="accuracy")
    assert [row.group for row in tenths][1:11] == [str(i) for i in range(10)]
    mixed = frame.with_columns(country=pl.when(pl.col("pin_id") == "p0").then(pl.lit("MX"))
                               .otherwise(pl.col("country")))  # fmt: skip
    (mixed.write_parquet if ending == "parquet" else mixed.write_csv)(path)
    with pytest.raises(InputError, match=r"query 'q000' with two values of column country: '..'"):
        evaluate_joined_grades(path, by="country")
    evaluate_joined_grades(path, by=())


def test_no_file_no_grades_no_rows(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="not found"):
        evaluate_joined_grades(tmp_path / "no.parquet")
    path = tmp_path / "joined.parquet"
    made_up().with_columns(grade=pl.lit(None, dtype=pl.Int8)).write_parquet(path)
    with pytest.raises(InputError, match="no row with a grade"):
        evaluate_joined_grades(path)
    made_up().head(0).write_parquet(path)
    with pytest.raises(InputError, match="no row with a grade"):
        evaluate_joined_grades(path)


@pytest.mark.parametrize("scale", [ESCI, TREC, GradeScale("three", (1, 2, 3))])
def test_scales_within_the_five(tmp_path: Path, scale: GradeScale) -> None:
    path = tmp_path / "joined.parquet"
    levels = scale.levels or (1, 2, 3, 4, 5)
    made_up().filter(pl.col("grade").is_in(levels)).write_parquet(path)
    assert evaluate_joined_grades(path, scale=scale, metrics="accuracy").rows[0].value is not None
    made_up().with_columns(grade=pl.lit(6, dtype=pl.Int8)).write_parquet(path)
    with pytest.raises(TableError, match="column grade"):
        evaluate_joined_grades(path, scale=scale)
    with pytest.raises(InputError, match="predictions have the grades 1-5, but scale zero has 0"):
        evaluate_joined_grades(path, scale=GradeScale("zero", (0, 1, 2)))


def test_further_types_are_read_as_tables(tmp_path: Path) -> None:
    frame = made_up()
    path = tmp_path / "joined.parquet"
    expected = from_two_tables(frame)
    for change in (
        frame.with_columns(pl.col("grade").cast(pl.Float64)),
        frame.with_columns(pl.col("query_id").cast(pl.Categorical)),
        frame.with_columns(pl.col("grade").cast(pl.String)),
    ):
        change.write_parquet(path)
        close(evaluate_joined_grades(path), expected)
    assert TABLE.name == "predictions"
    assert FIVE.levels == (1, 2, 3, 4, 5)
