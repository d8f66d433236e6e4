"""Reading some columns of a Parquet file."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from relevance.errors import MissingInputError, TableError
from relevance.tables import read_table

QRELS = pl.DataFrame({
    "query_id": ["a", "b"], "pin_id": ["x", "x"], "grade": [5, 1], "method": ["m", "m"],
    "p1": [0.0, 2.0], "other": [1, 2],
})  # fmt: skip


def test_columns_that_are_not_wanted_are_neither_read_nor_checked(tmp_path: Path) -> None:
    QRELS.write_parquet(tmp_path / "q.parquet")
    few = read_table(tmp_path / "q.parquet", "qrels", columns=("other", "absent"))
    assert few["other"].to_list() == [1, 2]
    assert few["method"].null_count() == 2
    assert few["grade"].to_list() == [5, 1]
    assert "p1" not in few.columns
    with pytest.raises(TableError, match="the scale has 5 levels"):
        read_table(tmp_path / "q.parquet", "qrels")


def test_other_formats_are_read_whole_and_errors_stay(tmp_path: Path) -> None:
    QRELS.drop("p1").write_csv(tmp_path / "q.csv")
    assert "other" in read_table(tmp_path / "q.csv", "qrels", columns=()).columns
    QRELS.drop("grade").write_parquet(tmp_path / "q.parquet")
    with pytest.raises(TableError, match=r"column grade .* is missing"):
        read_table(tmp_path / "q.parquet", "qrels", columns=())
    (tmp_path / "q.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(TableError, match="truncated or damaged"):
        read_table(tmp_path / "q.parquet", "qrels", columns=())
    with pytest.raises(MissingInputError, match="gradewise annotation adjudicate"):
        read_table(tmp_path / "none.parquet", "qrels", columns=())
