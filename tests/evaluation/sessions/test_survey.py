"""When one pass over the log is enough, and when it is not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from evaluation.sessions import SessionLog, moments, session_moments, survey

DAY0 = datetime(2025, 3, 1)
START = DAY0 + timedelta(days=2)


def log_of(*lines: tuple[str, str | None, str | None, float, float | None]) -> pl.DataFrame:
    """Sessions from (unit, variant, country, started day, exposed day)."""

    def at(day: float | None) -> datetime | None:
        return None if day is None else DAY0 + timedelta(days=day)

    rows = [(u, v, c, at(s), at(e), i % 2) for i, (u, v, c, s, e) in enumerate(lines)]
    names = ("unit_id", "variant", "country", "started_at", "exposed_at", "fulfilled")
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(
        pl.col("started_at", "exposed_at").cast(pl.Datetime("us"))
    )


ORDERLY = (
    ("a", None, "US", 1.0, None),
    ("a", "control", "US", 2.5, 2.5),
    ("b", " ", "FR", 1.5, None),
    ("b", "treatment", "", 3.0, 3.0),
    ("b", "treatment", "FR", 4.0, 4.0),
    ("c", None, None, 1.0, None),
)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way was taken to the users, of each call."""
    taken: list[str] = []

    def noted(name: str) -> Any:
        function = getattr(moments, name)

        def call(*given: Any) -> Any:
            taken.append(name)
            return function(*given)

        return call

    for name in ("user_totals", "settled_totals"):
        monkeypatch.setattr(moments, name, noted(name))
    monkeypatch.setattr(moments, "SHORT_WAY_FROM", 0)
    return taken


def both(frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch, **log: Any) -> None:
    """The long way leads to the same cells."""
    found = session_moments(frame, SessionLog(**log))
    monkeypatch.setattr(moments, "SHORT_WAY_FROM", 1000)
    assert found.cells.equals(session_moments(frame, SessionLog(**log)).cells)


@pytest.mark.parametrize("start", [None, START])
def test_an_orderly_log_takes_one_pass(
    start: datetime | None, ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both(log_of(*ORDERLY), monkeypatch, start=start)
    assert ways == ["settled_totals", "user_totals"]


@pytest.mark.parametrize(
    "line",
    [
        ("a", None, "US", 2.6, None),  # a session without an exposure after the first one
        ("a", None, "US", 2.2, 2.2),  # an exposure without a variant
        ("a", "", "US", 2.2, 2.2),
        ("a", "control", "US", 1.0, 1.0),  # an exposure before the start
        ("a", None, "US", 2.1, None),  # neither before the start nor exposed
    ],
)
def test_a_log_with_an_odd_session_does_not(
    line: Any, ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both(log_of(*ORDERLY, line), monkeypatch, start=START)
    assert ways == ["user_totals", "user_totals"]


def test_nor_does_one_with_very_many_groups(
    ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "MOST_CODES", 2)
    both(log_of(*ORDERLY), monkeypatch)
    assert ways == ["user_totals", "user_totals"]


def test_without_groups_and_with_two_variants_a_user(
    ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = log_of(*ORDERLY, ("a", "treatment", "US", 5.0, 5.0)).drop("country")
    both(frame, monkeypatch)
    assert ways == ["settled_totals", "user_totals"]


def test_a_log_without_times_takes_one_pass_too(
    ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = log_of(*(line for line in ORDERLY if line[1] in ("control", "treatment")))
    both(frame.drop("started_at", "exposed_at"), monkeypatch)
    assert ways == ["settled_totals", "user_totals"]


def test_nobody_exposed_is_no_reason_to_fail(
    ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both(log_of(*(line for line in ORDERLY if line[4] is None)), monkeypatch)
    assert ways == ["user_totals", "user_totals"]
