"""One row a user and day, by the rules of the session table."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from evaluation.outcomes import parse_outcome
from evaluation.sessions import SessionLog, daily
from evaluation.sessions.daily import log_columns, user_days
from relevance.errors import InputError, MissingInputError, SettingsError, TableError

START = datetime(2025, 3, 1, 6)
OUTCOMES = tuple(
    parse_outcome(text)
    for text in ("fulfilled", "mean(clicks)", "any(clicks)", "ratio(clicks,views)", "user(age)")
)


def log(n: int = 4000, users: int = 120, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    user = rng.integers(0, users, n)
    seconds = rng.integers(0, 9 * 86_400, n)
    return pl.DataFrame(
        {
            "unit_id": user,
            "session_id": np.arange(n),
            "country": rng.choice(["FR", "US", ""], n),
            "started_at": [START + timedelta(seconds=int(s)) for s in seconds],
            "fulfilled": pl.Series(rng.integers(0, 2, n), dtype=pl.Int64).set(
                pl.Series(rng.random(n) < 0.1), None
            ),
            "clicks": rng.poisson(1, n),
            "views": rng.poisson(3, n),
            "age": user / 2 + 20,
        }
    )


def expected(frame: pl.DataFrame) -> pl.DataFrame:
    known = pl.col("fulfilled").is_not_null()
    return (
        frame.with_columns(day=pl.col("started_at").dt.date())
        .sort("started_at", "country")
        .group_by(unit="unit_id", day="day")
        .agg(
            group_0=pl.col("country").first().replace("", None),
            sessions=pl.len().cast(pl.Int64),
            o0_x=pl.col("fulfilled").sum(),
            o0_y=known.sum(),
            o1_x=pl.col("clicks").sum(),
            o1_y=pl.lit(1.0),
            o2_x=(pl.col("clicks").max() > 0),
            o2_y=pl.lit(1.0),
            o3_x=pl.col("clicks").sum(),
            o3_y=pl.col("views").sum(),
            o4_x=pl.col("age").max(),
            o4_y=pl.lit(1.0),
        )
        .with_columns(pl.selectors.starts_with("o").cast(pl.Float64))
        .sort("unit", "day")
    )


def test_days_are_those_of_the_log() -> None:
    frame = log()
    found = user_days(frame, SessionLog(outcomes=OUTCOMES))
    assert_frame_equal(found.days, expected(frame))
    assert (found.by, found.share, found.source) == (("country",), 1.0, "table")
    assert found.outcomes == OUTCOMES


def test_order_repeats_variants_and_the_window_do_not_matter(tmp_path: Path) -> None:
    frame = log()
    rows = pl.concat([frame, frame.head(500)]).sample(fraction=1, shuffle=True, seed=3)
    rows = rows.with_columns(variant=pl.lit(None, pl.String), exposed_at=pl.lit(None, pl.Datetime))
    path = tmp_path / "log.parquet"
    rows.write_parquet(path)
    columns = SessionLog(outcomes=OUTCOMES, start=datetime(2025, 3, 4), looks=True)
    found = user_days(path, columns)
    assert_frame_equal(found.days, expected(frame))
    assert found.source == str(path)
    assert log_columns(path, columns) == tuple(rows.columns)
    assert log_columns(rows, columns) == tuple(rows.columns)


def test_users_may_be_texts_and_nobody_is_no_user() -> None:
    frame = log(300).with_columns(unit_id=pl.col("unit_id").cast(pl.String))
    nobody = frame.with_columns(unit_id=pl.lit(""), session_id=pl.col("session_id") + 1000)
    timeless = frame.with_columns(
        started_at=pl.lit(None, pl.Datetime("us")), session_id=pl.col("session_id") + 2000
    )
    found = user_days(pl.concat([frame, nobody, timeless]), SessionLog(outcomes=OUTCOMES))
    assert_frame_equal(found.days, expected(frame))


def test_the_first_session_of_a_day_decides_the_group_even_if_it_is_blank() -> None:
    frame = pl.DataFrame(
        {
            "unit_id": [1, 1, 1, 2, 2],
            "started_at": [START + timedelta(hours=h) for h in (2, 1, 30, 0, 0)],
            "country": ["US", None, "FR", "US", "JP"],
            "fulfilled": [1, 0, 1, 1, 0],
        }
    )
    found = user_days(frame, SessionLog()).days
    assert found["day"].to_list() == [date(2025, 3, 1), date(2025, 3, 2), date(2025, 3, 1)]
    assert found["group_0"].to_list() == [None, "FR", "JP"]


def test_a_very_large_log_is_stood_for_by_some_of_its_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = log(4000, users=2000)
    monkeypatch.setattr(daily, "SAMPLED_FROM", 1000)
    found = user_days(frame, SessionLog(outcomes=OUTCOMES))
    assert found.share == 0.25
    users = found.days["unit"].unique()
    assert len(users) / frame["unit_id"].n_unique() == pytest.approx(0.25, abs=0.04)
    whole = expected(frame.filter(pl.col("unit_id").is_in(users.implode())))
    assert_frame_equal(found.days, whole)  # with all of their sessions
    assert_frame_equal(user_days(frame, SessionLog(outcomes=OUTCOMES)).days, found.days)


def test_what_cannot_be_cut_into_days_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"no column of times.*Name it with --started-at COLUMN"):
        user_days(log().drop("started_at"), SessionLog())
    with pytest.raises(SettingsError, match="a table of users does not tell"):
        user_days(log(), SessionLog(per_user=True))
    with pytest.raises(TableError, match=r"column 'unit' is missing.*Did you mean 'unit_id'"):
        user_days(log(), SessionLog(unit="unit"))
    with pytest.raises(MissingInputError, match=r"gone\.parquet not found"):
        user_days(tmp_path / "gone.parquet", SessionLog())
    two = log().with_columns(experiment=pl.Series(["a", "b"] * 2000))
    with pytest.raises(InputError, match="several experiments"):
        user_days(two, SessionLog())
    assert user_days(two, SessionLog(experiment="a")).days["sessions"].sum() == 2000
