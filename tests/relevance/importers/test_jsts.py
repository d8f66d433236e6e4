"""The JSTS importer on a small folder in its format, and on the real one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.errors import MissingInputError, TableError
from relevance.importers import jsts
from relevance.importers.five import nearest_five


def pair(first: str, second: str, label: Any, captions: str = "1-2-3") -> dict[str, Any]:
    return {
        "sentence_pair_id": "0",
        "yjcaptions_id": captions,
        "sentence1": first,
        "sentence2": second,
        "label": label,
    }


def make(folder: Path, **files: list[dict[str, Any]]) -> Path:
    parts = {
        "train": [pair("牛がいます。", "犬がいます。", 1.2, "10_11-1-2")],
        "valid": [pair("庭です。", "庭に光。", 3.8, "12-3-4")],
        "test": [pair("バナナ。", "道のバナナ。", 5.0, "13-5-6")],
    }
    for split, rows in (parts | files).items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{split}-v1.3.json").write_text(text, encoding="utf-8")
    return folder


def test_tables(tmp_path: Path) -> None:
    tables = jsts.read(make(tmp_path))
    assert tables["queries"].rows() == [
        ("jsts-q00001", "test", "13", "バナナ。", "ja"),
        ("jsts-q00002", "valid", "12", "庭です。", "ja"),
        ("jsts-q00003", "train", "10 11", "牛がいます。", "ja"),
    ]
    assert tables["pins"].rows() == [
        ("jsts-p00001", "道のバナナ。"),
        ("jsts-p00002", "庭に光。"),
        ("jsts-p00003", "犬がいます。"),
    ]
    assert tables["qrels"].rows() == [
        ("jsts-q00001", "jsts-p00001", 5, "human"),
        ("jsts-q00002", "jsts-p00002", 4, "human"),
        ("jsts-q00003", "jsts-p00003", 2, "human"),
    ]
    assert tables["pairs"].rows() == [row[:2] for row in tables["qrels"].rows()]


def test_a_sentence_of_several_files_is_tested_on(tmp_path: Path) -> None:
    train = [pair("庭です。", "犬がいます。", 0.0, "20-1-2"), pair("牛。", "馬。", 0.0, "21-1-2")]
    queries = jsts.read(make(tmp_path, train=train))["queries"]
    garden = queries.filter(pl.col("text") == "庭です。")
    assert garden.select("split", "pictures").rows() == [("valid", "12 20")]
    assert queries["split"].to_list() == ["test", "valid", "train"]


def test_a_pair_that_was_rated_twice_has_the_mean(tmp_path: Path) -> None:
    train = [pair("牛。", "馬。", 0.0), pair("牛。", "馬。", 3.0), pair("牛。", "犬。", 5)]
    tables = jsts.read(make(tmp_path, train=train))
    grades = tables["qrels"].join(tables["pins"], on="pin_id")
    assert dict(grades.select("title", "grade").rows()) == {
        "道のバナナ。": 5,
        "庭に光。": 4,
        "馬。": 2,  # 1.5 · 4/5 + 1 = 2.2
        "犬。": 5,
    }


@given(st.floats(0, 5))
def test_the_nearest_grade(rating: float) -> None:
    grade = pl.select(nearest_five(pl.lit(rating), highest=5.0)).item()
    assert grade in {1, 2, 3, 4, 5}
    assert abs(rating * 4 / 5 + 1 - grade) <= 0.5 + 1e-8


@pytest.mark.parametrize(
    ("rating", "grade"), [(0.0, 1), (0.6, 1), (0.625, 2), (1.8, 2), (2.5, 3), (4.2, 4), (4.4, 5)]
)
def test_grades_of_ratings(rating: float, grade: int) -> None:
    assert pl.select(nearest_five(pl.lit(rating), highest=5.0)).item() == grade


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (pair("a", "b", 5.1), r"train-v1.3.json line 2: .*label must be from 0 to 5, got 5.1"),
        (pair("a", "b", "x"), r"line 2: not a pair of JSTS \(ValueError"),
        (pair("a", " ", 1.0), r"line 2: not a pair of JSTS \(ValueError: a sentence is empty"),
        (pair("a", "b", None), r"line 2: not a pair of JSTS \(TypeError"),
        ({"sentence1": "a", "label": 1.0}, r"line 2: not a pair of JSTS \(KeyError"),
    ],
)
def test_broken_pairs(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError, match=message):
        jsts.read(make(tmp_path, train=[pair("c", "d", 1.0), row]))


def test_broken_files(tmp_path: Path) -> None:
    make(tmp_path, valid=[])
    with pytest.raises(TableError, match=r"valid-v1.3.json: it holds no pairs"):
        jsts.read(tmp_path)
    (tmp_path / "valid-v1.3.json").write_text('{"sentence1": ')
    with pytest.raises(TableError, match=r"valid-v1.3.json line 1: not JSON"):
        jsts.read(tmp_path)


def test_a_zipped_file_and_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"test-v1.3.json not found.*JGLUE"):
        jsts.read(tmp_path)
    plain = make(tmp_path) / "test-v1.3.json"
    plain.with_name("test-v1.3.json.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert jsts.read(tmp_path)["queries"].height == 3


@pytest.mark.data
def test_the_real_data(data_dir: Path) -> None:
    tables = jsts.read(data_dir / "jsts")
    assert {name: frame.height for name, frame in tables.items()} == {
        "queries": 13_554,
        "pins": 14_706,
        "pairs": 15_488,
        "qrels": 15_488,
    }
    grades = dict(tables["qrels"]["grade"].value_counts().rows())
    assert grades == {1: 3_244, 2: 2_447, 3: 4_346, 4: 4_810, 5: 641}
    assert set(tables["queries"]["split"]) == {"train", "valid", "test"}
