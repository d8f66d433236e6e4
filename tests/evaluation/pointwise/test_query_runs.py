"""Queries of the runs of rows: where another begins, and the code of each."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from evaluation.pointwise import query_runs
from evaluation.pointwise.query_runs import changes, coded_runs


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("n_different", [1, 7, 40, 100])
def test_ids_ascend_as_text_and_codes_name_them(
    monkeypatch: pytest.MonkeyPatch, n_different: int, *, text: bool
) -> None:
    monkeypatch.setattr(query_runs, "_AT_ONCE", 30)
    numbers = np.random.default_rng(n_different).permutation(np.arange(100) % n_different)
    runs = pl.Series("query_id", numbers.astype(np.int32))
    runs = "q" + runs.cast(pl.String) if text else runs
    ids, codes = coded_runs(runs)
    assert ids.to_list() == sorted(set(runs.cast(pl.String)))
    assert ids.name == "query_id"
    assert codes.dtype == np.int32
    assert ids[codes].to_list() == runs.cast(pl.String).to_list()


def test_a_row_differs_in_any_column() -> None:
    numbers = pl.Series([1, 1, 1, 2, 2])
    words = pl.Series(["a", "a", "b", "b", "b"])
    assert changes([numbers]).tolist() == [False, False, True, False]
    for kind in (pl.String, pl.Categorical, pl.Enum(["b", "a"])):
        assert changes([numbers, words.cast(kind)]).tolist() == [False, True, True, False]


def test_an_empty_cell_differs_from_every_other() -> None:
    for values in (pl.Series([1, None, None, 2, 2]), pl.Series(["a", None, None, "b", "b"])):
        assert changes([values]).tolist() == [True, True, True, False]
        assert changes([values.cast(pl.String).cast(pl.Categorical)]).tolist()[:3] == [True] * 3
