from __future__ import annotations

import polars as pl
import pytest

from relevance.errors import InputError
from relevance.grades import GRADES
from relevance.teacher.pairs import join_texts, with_targets

Tables = dict[str, pl.DataFrame]


def test_soft_labels_are_used_where_a_row_has_them() -> None:
    qrels = pl.DataFrame(
        {"query_id": ["a", "a"], "pin_id": ["x", "y"], "grade": [4, 2]}
        | {f"p{grade.number}": [0.2, None] for grade in GRADES}
    )
    rows = with_targets(qrels).select("p1", "p2", "p3", "p4", "p5").rows()
    assert rows == [(0.2, 0.2, 0.2, 0.2, 0.2), (0, 1, 0, 0, 0)]


def test_broken_qrels_are_named() -> None:
    qrels = pl.DataFrame({"query_id": ["a"], "pin_id": ["x"], "grade": [7]})
    with pytest.raises(InputError, match=r"query 'a', pin 'x': grade must be 1-5 .*got 7"):
        with_targets(qrels)
    with pytest.raises(InputError, match="no pair to learn from"):
        with_targets(qrels.clear())
    soft = qrels.with_columns(grade=pl.lit(1), **{f"p{k}": pl.lit(0.3) for k in range(1, 6)})
    with pytest.raises(InputError, match="p1…p5 must sum to 1"):
        with_targets(soft)


def test_a_missing_query_or_pin_is_named(tables: Tables) -> None:
    rows, features = tables["qrels"], ["title"]
    with pytest.raises(InputError, match=r"query_id 'q00' is not in queries \(1 missing\)"):
        join_texts(rows, tables["queries"].slice(1), tables["pins"], features)
    with pytest.raises(InputError, match=r"pin_id 'p00' is not in pins \(1 missing\)"):
        join_texts(rows, tables["queries"], tables["pins"].slice(1), features)
