"""Cells as people and tools write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from relevance.importers.cells import grade_of, text_of, times_of


@pytest.mark.parametrize("value", [4, 4.0, "4", " 4 ", "4.0", "4,00", "+4", "４", "\u00a04", "04"])
def test_one_grade_written_in_many_ways(value: object) -> None:
    assert grade_of(value) == "4"


@pytest.mark.parametrize(
    "value", [None, "", "  ", "N/A", "na", "NaN", float("nan"), "null", "None", "-", "?", "—"]
)
def test_what_is_no_grade(value: object) -> None:
    assert grade_of(value) is None


def test_what_is_another_grade() -> None:
    assert [grade_of(v) for v in ("4.5", True, "Very  Relevant", [4], "4/5", -1)] == [
        "4.5", "true", "very relevant", "[4]", "4/5", "-1",
    ]  # fmt: skip


def test_ids_that_were_numbers() -> None:
    assert [text_of(v) for v in (12, 12.0, " 12 ", "12.0", 1.5, "", None)] == [
        "12", "12", "12", "12.0", "1.5", None, None,
    ]  # fmt: skip
    assert text_of("\ufeffa\ud800") == "a?"


NOON = datetime(2025, 3, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-25T12:00:00Z", "2025-03-25 12:00", "2025-03-25T13:00:00+01:00", "25.03.2025 12:00",
        "25/03/2025 12:00:00", "03/25/2025 12:00 PM", "Mar 25, 2025, 12:00", "25 March 2025 12:00",
        "2025/03/25 12:00", "Tue, 25 Mar 2025 12:00:00 +0000", "2025-03-25 12:00:00 UTC",
        1742904000, "1742904000.0", 1742904000000, 1742904000000000, NOON,
        NOON.replace(tzinfo=None),
    ],
)  # fmt: skip
def test_one_time_written_in_many_ways(text: object) -> None:
    assert times_of([text]) == [NOON]


def test_days_and_months_are_told_from_the_column() -> None:
    march, april = datetime(2025, 3, 4, tzinfo=UTC), datetime(2025, 4, 3, tzinfo=UTC)
    assert times_of(["03/04/2025", "25/12/2025"])[0] == april
    assert times_of(["03/04/2025", "12/25/2025"])[0] == march
    assert times_of(["03/04/2025"]) == [None]
    assert times_of(["03/04/2025", "25/12/2025", "12/25/2025"]) == [None, None, None]
    assert times_of(["soon", None, "45000", "99/99/2025", True, ""]) == [None] * 6
