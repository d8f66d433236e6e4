from __future__ import annotations

import polars as pl
import pytest

from relevance.blend import runs_from
from relevance.errors import InputError


def _predictions(rows: list[tuple[str, str, list[float]]]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"query_id": q, "pin_id": p, **{f"p{k}": v for k, v in enumerate(values, 1)}}
            for q, p, values in rows
        ]
    )


def test_runs_order_by_expected_grade() -> None:
    runs = runs_from(
        _predictions(
            [
                ("q2", "a", [0.2, 0.2, 0.2, 0.2, 0.2]),
                ("q1", "a", [1, 0, 0, 0, 0]),
                ("q1", "b", [0, 0, 0, 0.5, 0.5]),
                ("q1", "c", [0.5, 0, 0, 0, 0.5]),
            ]
        ),
        "student",
    )
    assert runs.rows() == [
        ("student", "q1", "b", 1, pytest.approx(4.5)),
        ("student", "q1", "c", 2, pytest.approx(3)),
        ("student", "q1", "a", 3, pytest.approx(1)),
        ("student", "q2", "a", 1, pytest.approx(3)),
    ]


def test_ties_as_32_bit_floats_go_to_the_greater_id() -> None:
    tiny = 1e-9
    runs = runs_from(
        _predictions([("q", "a", [0, 0, 0, tiny, 1 - tiny]), ("q", "b", [0, 0, 0, 2 * tiny, 1])]),
        "s",
    )
    assert runs["pin_id"].to_list() == ["b", "a"]


def test_predictions_without_probabilities_are_refused() -> None:
    with pytest.raises(InputError, match="without p5"):
        runs_from(_predictions([("q", "a", [0, 0, 0, 1])]), "s")
