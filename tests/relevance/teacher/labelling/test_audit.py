from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from relevance.errors import ModelError
from relevance.teacher.labelling import LabelConfig, audit, label_files, verify_labels
from relevance.teacher.labelling.digests import Summed, hash_pairs


@pytest.fixture
def labels(tables, model: Path, engine, write, tmp_path: Path) -> Path:
    config = LabelConfig(shard_pairs=200, precision="fp32")
    label_files(*write(tables), model, tmp_path / "labels", config=config)
    return tmp_path / "labels"


def _change(path: Path, *columns: pl.Expr, rows: slice = slice(None)) -> None:
    pl.read_parquet(path)[rows].with_columns(*columns).write_parquet(path)


def _first(value: object, name: str) -> pl.Expr:
    return pl.when(pl.int_range(pl.len()) == 0).then(value).otherwise(pl.col(name)).alias(name)


def test_whole_labels_have_no_problem(labels: Path) -> None:
    told = []
    found = verify_labels(labels, progress=lambda *told_: told.append(told_))
    assert found == audit.Audit(1200, 1200, 6, ())
    assert told[-1][:2] == (6, 6)


@pytest.mark.parametrize("bucket_rows", [10**6, 100])
def test_each_fault_is_told(labels: Path, bucket_rows: int, monkeypatch) -> None:
    monkeypatch.setattr(audit, "BUCKET_ROWS", bucket_rows)
    one, two = labels / "shard-00001.parquet", labels / "shard-00002.parquet"
    intact = one.read_bytes()

    def problems() -> str:
        found = " · ".join(verify_labels(labels).problems)
        one.write_bytes(intact)
        return found

    _change(one, _first(1.5, "p5"))
    assert "shard-00001.parquet: 1 rows with a probability outside 0–1" in problems()
    _change(one, _first(float("nan"), "p2"))
    assert "outside 0–1" in problems()
    _change(one, _first(0.0, "p3"), _first(0.0, "p4"), _first(0.0, "p5"))
    assert "shard-00001.parquet: 1 rows do not sum to 1" in problems()
    _change(one, rows=slice(1, None))
    assert problems() == "1,199 rows for 1,200 pairs"
    _change(one, _first(pl.lit("p9999"), "pin_id"))
    assert problems() == "the rows are not the pairs of the input"
    doubled = pl.read_parquet(two).row(0, named=True)
    _change(one, *(_first(pl.lit(doubled[n]), n) for n in ("query_id", "pin_id")))
    pair = f"query {doubled['query_id']!r}, pin {doubled['pin_id']!r}"
    assert f"{pair} is there twice: in shard-00001.parquet and shard-00002.parquet" in problems()
    frame = pl.read_parquet(one)
    pl.concat([frame[:1], frame[:-1]]).write_parquet(one)
    assert "is there twice: in shard-00001.parquet and shard-00001.parquet" in problems()
    one.write_bytes(intact[: len(intact) // 2])
    assert "shard-00001.parquet is damaged" in problems()
    one.unlink()
    assert "shard-00001.parquet is missing" in problems()
    (labels / "shard-00099.parquet").write_bytes(intact)
    assert "shard-00099.parquet is no shard of this job" in problems()


def test_no_labels_no_audit(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no labels"):
        verify_labels(tmp_path)


def test_hashes_tell_where_one_id_ends_and_the_next_begins() -> None:
    frame = pl.DataFrame({"query_id": ["ab", "a", "a\tb"], "pin_id": ["c", "bc", "c"]})
    assert len(set(hash_pairs(frame).tolist())) == 3


def test_the_sum_does_not_depend_on_the_order() -> None:
    rng = np.random.default_rng(0)
    ids = [f"{at}" for at in range(500)]
    frame = pl.DataFrame({"query_id": ids, "pin_id": ids})
    digests = []
    for order in (np.arange(500), rng.permutation(500)):
        one = Summed(frame[order.tolist()].iter_slices(77))
        assert sum(part.height for part in one) == 500
        digests.append(one.digest)
    assert digests[0] == digests[1] != Summed(iter([frame[1:]])).digest
    assert len(digests[0]) == 16
