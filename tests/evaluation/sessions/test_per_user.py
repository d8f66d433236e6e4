"""Tables that are one row a user already."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from evaluation.moments import VARIABLES
from evaluation.outcomes import parse_outcome
from evaluation.sessions import SessionLog, SessionMoments, session_moments, user_frame
from relevance.errors import InputError, SettingsError, TableError

USERS = pl.DataFrame(
    {
        "unit_id": ["a", "b", "c", "d"],
        "variant": ["control", "control", "treatment", None],
        "country": ["US", "US", "", "FR"],
        "sessions": [4, 2, 5, 1],
        "sessions_before": [3, None, 2, 1],
        "won": [2.0, 1.0, None, 1.0],
        "won_before": [1.0, None, 2.0, 0.0],
        "spent": [10.0, None, 3.0, 1.0],
        "spent_before": [0.0, 5.0, None, 1.0],
    }
)


def moments(frame: pl.DataFrame, *outcomes: str, **options: Any) -> SessionMoments:
    log = SessionLog(per_user=True, outcomes=tuple(map(parse_outcome, outcomes)), **options)
    return session_moments(frame, log)


def sums(found: SessionMoments, variant: str) -> list[float]:
    cells = found.cells.filter(pl.col("variant") == variant, ~pl.col("contaminated"))
    return [float(cells[f"o0_{name}"].sum()) for name in VARIABLES]


@pytest.mark.parametrize(
    ("outcome", "control", "treatment"),
    [
        ("won", [3, 6, 1, 3], [0, 0, 2, 2]),
        ("mean(spent)", [10, 2, 5, 2], [3, 1, 0, 0]),
        ("any(spent)", [1, 2, 1, 2], [1, 1, 0, 0]),
        ("ratio(won,spent)", [2, 10, 1, 0], [0, 0, 0, 0]),
        ("user(won)", [3, 2, 1, 1], [0, 0, 2, 1]),
        ("mean(sessions)", [6, 2, 3, 1], [5, 1, 2, 1]),
    ],
)
def test_outcomes_of_users(outcome: str, control: list[float], treatment: list[float]) -> None:
    found = moments(USERS, outcome)
    assert (sums(found, "control"), sums(found, "treatment")) == (control, treatment)
    assert found.cells["users"].sum() == 4
    assert sorted(found.cells["group_0"].to_list(), key=str) == ["FR", None, "US"]


def test_without_sessions_a_rate_is_over_users() -> None:
    assert sums(moments(USERS.drop("sessions", "sessions_before"), "won"), "control") == [
        3,
        2,
        1,
        1,
    ]
    with pytest.raises(TableError, match="column 'sessions' is missing"):
        moments(USERS.drop("sessions"), "mean(sessions)")


def test_without_earlier_columns_there_is_no_pre_period() -> None:
    found = moments(USERS, "won", before_suffix="_pre")
    assert sums(found, "control") == [3, 6, 0, 0]
    assert found.cells["with_pre_period"].sum() == 0


def test_products_and_counts() -> None:
    found = moments(USERS, "won", "user(spent)")
    cell = found.cells.filter(pl.col("variant") == "control").to_dicts()[0]
    assert (cell["o0_x_x"], cell["o0_x_y"], cell["o0_y_y"], cell["o0_x_x0"]) == (5, 10, 20, 2)
    assert (cell["o1_missing"], cell["o1_low"], cell["o1_high"]) == (1, 10, 10)
    assert (cell["users"], cell["sessions"], cell["rows"]) == (2, 6, 2)
    assert (found.rows, found.no_unit, found.duplicates) == (4, 0, 0)


def test_exact_repeats_count_once_whatever_the_order() -> None:
    twice = pl.concat([USERS, USERS.head(2), USERS.head(1)])
    for frame in (twice, twice.reverse()):
        found = moments(frame, "won")
        assert found.cells.equals(moments(USERS, "won").cells)
        assert (found.duplicates, found.rows, found.no_unit) == (3, 7, 0)


def test_a_user_twice_with_other_values_is_an_error() -> None:
    odd = USERS.head(2).tail(1).with_columns(won=pl.lit(7.0))
    with pytest.raises(InputError, match=r"user 'b' stands in several rows.*--per-user"):
        moments(pl.concat([USERS, odd]), "won")


def test_a_user_in_two_variants_is_contaminated() -> None:
    odd = USERS.head(2).tail(1).with_columns(variant=pl.lit("treatment"))
    found = moments(pl.concat([USERS, odd]), "won")
    assert found.cells.filter("contaminated")["users"].to_list() == [1]
    assert sums(found, "control") == [2, 4, 1, 3]


def test_an_exposure_outside_the_window_is_none() -> None:
    days = [datetime(2025, 3, day, 12) for day in (1, 5, 9, 9)]
    frame = USERS.with_columns(pl.Series("exposed_at", days))
    window = {"start": datetime(2025, 3, 2), "end": datetime(2025, 3, 9)}
    found = moments(frame, "won", **window).cells
    assert found["day"].drop_nulls().to_list() == [date(2025, 3, 5)]
    assert found.filter(pl.col("variant").is_null())["outside"].sum() == 2


def test_users_come_out_as_they_are() -> None:
    log = SessionLog(per_user=True, outcomes=(parse_outcome("won"),))
    frame = user_frame(USERS, log)
    assert frame["unit"].to_list() == ["a", "b", "c", "d"]
    assert frame["o0_x"].to_list() == [2, 1, 0, 1]


def test_looks_need_sessions() -> None:
    with pytest.raises(SettingsError, match="--sequential needs a session log"):
        moments(USERS, "won", looks=True)
