"""Random small logs against the rules told in plain Python, one session after the other."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.moments import PRODUCTS, VARIABLES
from evaluation.outcomes import Outcome, parse_outcome
from evaluation.sessions import (
    SessionLog,
    SessionMoments,
    cell_schema,
    moments,
    session_moments,
    user_frame,
)

DAY0 = datetime(2025, 3, 1)
START = DAY0 + timedelta(days=2)
END = DAY0 + timedelta(days=5)
SPELLED = (
    "won",
    "mean(clicks)",
    "any(clicks)",
    "ratio(clicks,views)",
    "user(age)",
    "mean(sessions)",
)
OUTCOMES = tuple(map(parse_outcome, SPELLED))
BY = ("country", "device")
COUNTS = (
    "users",
    "sessions",
    "with_pre_period",
    "several_groups",
    "no_variant",
    "outside",
    "rows",
)
Row = dict[str, Any]


def in_window(time: datetime, log: SessionLog) -> bool:
    return (log.start is None or time >= log.start) and (log.end is None or time < log.end)


def analysed(row: Row, first: datetime, log: SessionLog) -> bool:
    later = row["time"] is not None and row["time"] >= first
    return row["exposure"] is not None or (later and (log.end is None or row["time"] < log.end))


def before(row: Row, first: datetime, log: SessionLog) -> bool:
    """Whether a session is of the pre-period."""
    if analysed(row, first, log) or row["exposed_at"] is not None or row["time"] is None:
        return False
    return bool(row["time"] < (log.start or first))


def of_period(outcome: Outcome, rows: list[Row]) -> tuple[float, float]:
    """x and y of one user."""
    values = [tuple(row[name] for name in outcome.columns) for row in rows]
    known = [value for value in values if None not in value]
    firsts = [value[0] for value in known]
    match outcome.kind:
        case "rate":
            return sum(firsts), len(known)
        case "mean":
            return sum(firsts), float(bool(rows))
        case "any":
            return float(any(value > 0 for value in firsts)), float(bool(rows))
        case "ratio":
            return sum(firsts), sum(value[1] for value in known)
        case _:
            return max(firsts, default=0), float(bool(known))


def users_of(frame: pl.DataFrame, log: SessionLog) -> dict[str, list[Row]]:
    users: dict[str, list[Row]] = defaultdict(list)
    for row in frame.to_dicts():
        row["time"] = row["started_at"] or row["exposed_at"]
        exposed = row["exposed_at"] if row["variant"] else None
        row["exposure"] = exposed if exposed and in_window(exposed, log) else None
        row["sessions"] = 1
        users[row["unit_id"]].append(row)
    return users


def reference_user(rows: list[Row], log: SessionLog) -> Row:
    """What `user_frame` and the cells' counts say of one user."""
    first = min((row["exposure"] for row in rows if row["exposure"]), default=None)
    seen = [row for row in rows if first and analysed(row, first, log)]
    ago = [row for row in rows if first and before(row, first, log)]
    no_variant = [row for row in rows if row["exposed_at"] and not row["variant"]]
    variants = {row["variant"] for row in seen if row["variant"]}
    leading = [row for row in seen if row["exposure"] == first]
    user: Row = {"variant": min(variants, default=None), "contaminated": len(variants) > 1}
    for i, by in enumerate(BY):
        user[f"group_{i}"] = min((row[by] for row in leading if row[by]), default=None)
    places = {row["country"] for row in seen if row["country"]}
    user |= {
        "day": first.date() if first else None,
        "users": 1,
        "sessions": len(seen),
        "with_pre_period": int(bool(ago)),
        "several_groups": int(len(places) > 1 and len(variants) < 2),
        "no_variant": len(no_variant),
        "outside": sum(row not in seen and row not in ago and row not in no_variant for row in rows)
        if first
        else 0,
        "rows": len(rows),
    }
    for i, outcome in enumerate(log.outcomes):
        x, y = of_period(outcome, seen)
        x0, y0 = of_period(outcome, ago)
        user |= {f"o{i}_x": x, f"o{i}_y": y, f"o{i}_x0": x0, f"o{i}_y0": y0}
        unknown = [row for row in seen if any(row[name] is None for name in outcome.columns)]
        user[f"o{i}_missing"] = (
            int(bool(seen) and not y) if outcome.kind == "user" else len(unknown)
        )
        known = [row[outcome.columns[0]] for row in seen if row not in unknown]
        user[f"o{i}_low"], user[f"o{i}_high"] = min(known, default=None), max(known, default=None)
    return user


def reference_cells(frame: pl.DataFrame, log: SessionLog) -> dict[Any, Row]:
    """The cells, by their key."""
    cells: dict[Any, Row] = {}
    for rows in users_of(frame, log).values():
        user = reference_user(rows, log)
        names = ("variant", *(f"group_{i}" for i in range(len(BY))), "day", "contaminated")
        key = tuple(user[name] for name in names)
        cell = cells.setdefault(key, dict.fromkeys(names) | dict(zip(names, key, strict=True)))
        for name in COUNTS:
            cell[name] = cell.get(name, 0) + user[name]
        for i in range(len(log.outcomes)):
            for name in (*VARIABLES, "missing"):
                cell[f"o{i}_{name}"] = cell.get(f"o{i}_{name}", 0) + user[f"o{i}_{name}"]
            for a, b in PRODUCTS:
                product = user[f"o{i}_{a}"] * user[f"o{i}_{b}"]
                cell[f"o{i}_{a}_{b}"] = cell.get(f"o{i}_{a}_{b}", 0) + product
            for name, choose in (("low", min), ("high", max)):
                found = [
                    v for v in (cell.get(f"o{i}_{name}"), user[f"o{i}_{name}"]) if v is not None
                ]
                cell[f"o{i}_{name}"] = choose(found, default=None)
    return cells


def by_key(found: SessionMoments) -> dict[Any, Row]:
    keys = ("variant", *(f"group_{i}" for i in range(len(found.by))), "day", "contaminated")
    return {tuple(cell[key] for key in keys): cell for cell in found.cells.to_dicts()}


lines = st.fixed_dictionaries(
    {
        "unit_id": st.sampled_from("abcdef"),
        "variant": st.sampled_from([None, "control", "control", "treatment", " "]),
        "country": st.sampled_from([None, "US", "FR", ""]),
        "device": st.sampled_from([None, "phone", "desk"]),
        "started": st.sampled_from([None, 0.5, 1.0, 1.9, 2.0, 3.0, 3.5, 4.9, 5.0]),
        "exposed": st.sampled_from([None, None, 1.0, 2.0, 3.0, 3.5, 4.0, 5.5]),
        "won": st.sampled_from([None, True, False]),
        "clicks": st.sampled_from([None, 0, 0, 1, 4]),
        "views": st.sampled_from([None, 1, 5]),
        "age": st.sampled_from([None, None, 20.5, 30.5]),
    }
)
logs = st.lists(lines, min_size=4, max_size=30)
windows = st.sampled_from([(None, None), (START, None), (None, END), (START, END)])

SCHEMA = {
    "session_id": pl.Int64,
    "unit_id": pl.String,
    "variant": pl.String,
    "country": pl.String,
    "device": pl.String,
    "started_at": pl.Datetime("us"),
    "exposed_at": pl.Datetime("us"),
    "won": pl.Boolean,
    "clicks": pl.Int16,
    "views": pl.Int64,
    "age": pl.Float64,
}


orderly = st.one_of(
    lines.map(lambda row: row | {"started": row["exposed"] or 1.5, "exposed": None}).map(
        lambda row: row | {"started": min(row["started"], 1.9)}
    ),
    lines.map(
        lambda row: (
            row
            | {"exposed": max(row["exposed"] or 2.0, 2.0)}
            | {"variant": "treatment" if row["variant"] == "treatment" else "control"}
        )
    ),
)
"""Sessions of a log in which all without an exposure come before all exposures."""


def frame_of(log: list[Row]) -> pl.DataFrame:
    def at(days: float | None) -> datetime | None:
        return None if days is None else DAY0 + timedelta(days=days)

    rows = [
        row | {"session_id": i, "started_at": at(row["started"]), "exposed_at": at(row["exposed"])}
        for i, row in enumerate(log)
    ]
    return pl.DataFrame([{name: row[name] for name in SCHEMA} for row in rows], schema=SCHEMA)


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Blank texts are none; the reference is told so beforehand."""
    return frame.with_columns(
        pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name)).alias(name)
        for name in ("variant", "country", "device")
    )


def log_with(window: tuple[datetime | None, datetime | None], **options: Any) -> SessionLog:
    return SessionLog(outcomes=OUTCOMES, by=BY, start=window[0], end=window[1], **options)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows=logs, window=windows, least=st.sampled_from([0, 200_000]))
def test_cells_are_what_the_rules_say(rows: list[Row], window: Any, least: int) -> None:
    frame, log = frame_of(rows), log_with(window)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments, "SHORT_WAY_FROM", least)
        found = session_moments(frame, log)
    assert by_key(found) == reference_cells(plain(frame), log)
    assert dict(found.cells.schema) == cell_schema(len(OUTCOMES), len(BY))
    assert (found.rows, found.no_unit, found.duplicates) == (len(rows), 0, 0)


@settings(max_examples=4, deadline=None, derandomize=True)
@given(rows=st.lists(lines, min_size=30, max_size=60), window=windows)
def test_cells_are_what_the_rules_say_at_a_glance(rows: list[Row], window: Any) -> None:
    frame, log = frame_of(rows), log_with(window)
    assert by_key(session_moments(frame, log)) == reference_cells(plain(frame), log)


@settings(max_examples=4, deadline=None, derandomize=True)
@given(rows=st.lists(orderly, min_size=5, max_size=40), start=st.sampled_from([None, START]))
def test_one_pass_says_the_same(rows: list[Row], start: datetime | None) -> None:
    check_one_pass(rows, start)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(orderly, min_size=1, max_size=40), start=st.sampled_from([None, START]))
def test_one_pass_always_says_the_same(rows: list[Row], start: datetime | None) -> None:
    check_one_pass(rows, start)


def check_one_pass(rows: list[Row], start: datetime | None) -> None:
    """The short way is taken where it may be, and leads to the same cells."""
    frame, log = frame_of(rows), log_with((start, None))
    some = frame["exposed_at"].is_not_null().any()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments, "SHORT_WAY_FROM", 0)
        if some:
            patch.setattr(moments, "user_totals", None)
        found = session_moments(frame, log)
    assert by_key(found) == reference_cells(plain(frame), log)


@settings(max_examples=2, deadline=None, derandomize=True)
@given(rows=st.lists(lines, min_size=30, max_size=60), window=windows)
def test_users_are_what_the_rules_say(rows: list[Row], window: Any) -> None:
    frame, log = frame_of(rows), log_with(window)
    expected = {u: reference_user(r, log) for u, r in users_of(plain(frame), log).items()}
    found = user_frame(frame, dataclasses.replace(log, looks=True))
    assert found["unit"].to_list() == sorted(expected)
    for user in found.to_dicts():
        unit = user.pop("unit")
        assert user == {name: expected[unit][name] for name in user}


def up_to(found: SessionMoments, day: date) -> SessionMoments:
    """The cells up to an evening, added up over days; users who were not exposed by then apart."""
    cells = found.cells.filter(pl.col("day") <= day)
    return dataclasses.replace(found, cells=_over_days(cells, len(found.by)))


def _over_days(cells: pl.DataFrame, groups: int) -> pl.DataFrame:
    keys = ["variant", *(f"group_{i}" for i in range(groups)), "contaminated"]
    extremes = {"low": pl.min, "high": pl.max}
    sums = [name for name in cells.columns if name not in (*keys, "day")]
    return (
        cells.filter(pl.col("variant").is_not_null(), ~pl.col("contaminated"))
        .group_by(keys)
        .agg(extremes.get(name.rpartition("_")[2], pl.sum)(name) for name in sums)
        .sort(keys)
    )


KNOWN_THAT_EVENING = [
    "variant",
    "group_0",
    "group_1",
    "users",
    "sessions",
    "with_pre_period",
    *(f"o{i}_{name}" for i in range(len(OUTCOMES)) for name in (*VARIABLES, "missing")),
    *(f"o{i}_{a}_{b}" for i in range(len(OUTCOMES)) for a, b in PRODUCTS),
    *(f"o{i}_{name}" for i in range(len(OUTCOMES)) for name in ("low", "high")),
]


def check_looks(rows: list[Row], window: Any) -> None:
    """Cells up to each evening = those of an analysis that ends that evening.

    Who is contaminated is decided on the whole log, so such users are left out of both.
    """
    frame = frame_of(rows)
    log = log_with(window, looks=True)
    found = session_moments(frame, log)
    users = user_frame(frame, log)
    pure = frame.join(users.filter(~pl.col("contaminated")), left_on="unit_id", right_on="unit")
    for day in found.cells["day"].drop_nulls().unique():
        evening = datetime.combine(day, datetime.min.time()) + timedelta(days=1)
        ended = dataclasses.replace(log, looks=False, end=min(evening, log.end or evening))
        asked = session_moments(pure.select(list(SCHEMA)), ended)
        now = _over_days(asked.cells, len(BY)).select(KNOWN_THAT_EVENING)
        assert up_to(found, day).cells.select(KNOWN_THAT_EVENING).to_dicts() == now.to_dicts()


@settings(max_examples=1, deadline=None, derandomize=True)
@given(rows=st.lists(lines, min_size=30, max_size=40), window=windows)
def test_cells_up_to_an_evening_are_what_was_known_then(rows: list[Row], window: Any) -> None:
    check_looks(rows, window)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(rows=logs, window=windows)
def test_cells_up_to_any_evening_are_what_was_known_then(rows: list[Row], window: Any) -> None:
    check_looks(rows, window)


@settings(max_examples=1, deadline=None, derandomize=True)
@given(rows=st.lists(lines, min_size=60, max_size=90), window=windows)
def test_looks_add_up_to_the_whole(rows: list[Row], window: Any) -> None:
    frame = frame_of(rows)
    whole = session_moments(frame, log_with(window)).cells.drop("day")
    looks = session_moments(frame, log_with(window, looks=True)).cells.drop("day")
    keys = ["variant", "group_0", "group_1", "contaminated"]
    low_high = pl.selectors.matches("_(low|high)$")

    def added(cells: pl.DataFrame) -> list[Row]:
        sums = pl.selectors.numeric() - low_high
        extremes = (pl.selectors.ends_with("_low").min(), pl.selectors.ends_with("_high").max())
        return cells.group_by(keys).agg(sums.sum(), *extremes).sort(keys).to_dicts()

    assert added(whole) == added(looks)


@settings(max_examples=2, deadline=None, derandomize=True)
@given(rows=st.lists(lines, min_size=10, max_size=40), data=st.data())
def test_repeated_rows_and_their_order_change_nothing(rows: list[Row], data: Any) -> None:
    frame = frame_of(rows)
    again = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20))
    order = data.draw(st.permutations(range(len(rows) + len(again))))
    log = log_with((START, None))
    found = session_moments(pl.concat([frame, frame[again]])[order], log)
    assert found.duplicates == len(again)
    assert found.cells.equals(session_moments(frame, log).cells)
