"""The rules of the session table, each by hand and all together against a slow reference."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from evaluation.moments import VARIABLES
from evaluation.sessions import SessionLog, SessionMoments, session_moments
from evaluation.sessions import moments as module
from relevance.errors import InputError, MissingInputError, TableError

DAY0 = datetime(2025, 3, 1)
START = DAY0 + timedelta(days=10)
SCHEMA = {
    "session_id": pl.String,
    "unit_id": pl.String,
    "variant": pl.String,
    "country": pl.String,
    "started_at": pl.Datetime("us"),
    "exposed_at": pl.Datetime("us"),
    "fulfilled": pl.Float64,
}
Line = tuple[str, str | None, str | None, float | None, float | None, float | None]


def log_of(*lines: Line) -> pl.DataFrame:
    """Sessions from (unit, variant, country, started day, exposed day, fulfilled)."""

    def at(day: float | None) -> datetime | None:
        return None if day is None else DAY0 + timedelta(days=day)

    rows = [
        (f"s{i}", unit, variant, country, at(started), at(exposed), fulfilled)
        for i, (unit, variant, country, started, exposed, fulfilled) in enumerate(lines)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


SUMS = [f"o0_{name}" for name in VARIABLES]


def moments(frame: pl.DataFrame, **log: Any) -> SessionMoments:
    return session_moments(frame, SessionLog(**log))


def only(found: SessionMoments) -> dict[str, Any]:
    assert len(found.cells) == 1, found.cells
    return found.cells.to_dicts()[0]


def test_users_become_sums_and_products() -> None:
    found = moments(
        log_of(
            ("a", None, "US", 1, None, 1),
            ("a", None, "US", 2, None, 0),
            ("a", "control", "US", 11, 11, 1),
            ("a", "control", "US", 12, 12, 1),
            ("a", "control", "US", 13, None, 0),
            ("b", "control", "US", 11, 11, 0),
        )
    )
    cell = only(found)
    assert (cell["variant"], cell["group_0"], cell["day"]) == ("control", "US", date(2025, 3, 12))
    assert [cell[name] for name in ("users", *SUMS)] == [2, 2, 4, 1, 2]
    assert (cell["o0_x_x"], cell["o0_x_y"], cell["o0_y_y"], cell["o0_x_x0"], cell["o0_y_y0"]) == (
        4,
        6,
        10,
        2,
        6,
    )
    assert cell["with_pre_period"] == 1
    assert (found.by, found.rows, found.duplicates) == (("country",), 6, 0)
    assert (cell["o0_low"], cell["o0_high"]) == (0, 1)


def test_unexposed_sessions_count_only_from_the_first_exposure_on() -> None:
    log = log_of(
        ("a", "control", "US", 9, None, 1),
        ("a", "control", "US", 11, None, 1),
        ("a", "control", "US", 12, 12, 0),
        ("a", "control", "US", 13, None, 1),
    )
    before_first_exposure = only(moments(log))
    assert [before_first_exposure[name] for name in SUMS] == [1, 2, 2, 2]
    with_start = only(moments(log, start=START))
    assert [with_start[name] for name in SUMS] == [1, 2, 1, 1]
    assert with_start["outside"] == 1


def test_a_session_exposed_some_seconds_after_it_started_is_analysed() -> None:
    cell = only(moments(log_of(("a", "control", "US", 10, 10.001, 1))))
    assert [cell[name] for name in SUMS] == [1, 1, 0, 0]


def test_an_exposure_before_the_start_is_none_and_no_pre_period_either() -> None:
    log = log_of(("a", "control", "US", 9, 9, 1), ("a", "control", "US", 11, 11, 0))
    cell = only(moments(log, start=START))
    assert [cell[name] for name in SUMS] == [0, 1, 0, 0]
    assert cell["outside"] == 1


def test_start_may_have_a_zone() -> None:
    log = log_of(("a", None, "US", 9.9, None, 1), ("a", "control", "US", 10, 10, 0))
    start = START.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=9)))
    assert moments(log, start=start).cells.equals(moments(log, start=START).cells)


def test_a_log_with_one_time_column_takes_it_for_both() -> None:
    log = log_of(("a", None, "US", 9, None, 1), ("a", "control", "US", 11, None, 1)).drop(
        "exposed_at"
    )
    cell = only(moments(log))
    assert [cell[name] for name in SUMS] == [1, 1, 1, 1]
    assert only(moments(log.rename({"started_at": "exposed_at"}))) == cell
    named = moments(log.rename({"started_at": "when"}), started_at="when")
    assert only(named) == cell


def test_with_one_time_column_sessions_before_the_start_are_the_pre_period() -> None:
    log = log_of(("a", "control", "US", 9, None, 1), ("a", "control", "US", 11, None, 0))
    cell = only(moments(log.drop("exposed_at"), start=START))
    assert [cell[name] for name in SUMS] == [0, 1, 1, 1]


def test_a_log_without_times_has_no_pre_period_and_no_days() -> None:
    log = log_of(("a", "control", "US", None, None, 1), ("a", None, "US", None, None, 1))
    cell = only(moments(log.drop("started_at", "exposed_at")))
    assert [cell[name] for name in SUMS] == [1, 1, 0, 0]
    assert cell["day"] is None


def test_the_first_exposed_session_decides_the_country() -> None:
    log = log_of(
        ("a", None, "JP", 9, None, 1),
        ("a", "control", "FR", 12, 12, 1),
        ("a", "control", "US", 11, 11, 1),
    )
    for frame in (log, log.reverse()):
        cell = only(moments(frame))
        assert (cell["group_0"], cell["several_groups"]) == ("US", 1)
    assert "group_0" not in only(moments(log.drop("country")))
    assert only(moments(log.rename({"country": "place"}), by=("place",)))["group_0"] == "US"


def test_two_variants_contaminate_a_user_but_not_before_the_exposure() -> None:
    log = log_of(
        ("a", "control", "US", 11, 11, 1),
        ("a", "treatment", "US", 12, 12, 1),
        ("b", "treatment", "US", 9, None, 1),
        ("b", "control", "US", 11, 11, 1),
    )
    cells = moments(log).cells
    by_flag = {cell["contaminated"]: cell for cell in cells.to_dicts()}
    assert (by_flag[True]["users"], by_flag[False]["users"]) == (1, 1)
    assert by_flag[False]["variant"] == "control"


def test_missing_outcomes_leave_the_user() -> None:
    log = log_of(("a", "control", "US", 11, 11, None), ("b", "control", "US", 11, 11, float("nan")))
    cell = only(moments(log))
    assert (cell["users"], cell["o0_y"], cell["o0_missing"]) == (2, 0, 2)


def test_users_never_exposed_and_exposures_without_a_variant_are_counted() -> None:
    log = log_of(
        ("a", "control", "US", 11, None, 1),
        ("b", None, "US", 11, 11, 1),
        ("c", None, "US", 10, 10, 1),
        ("c", "control", "US", 11, 11, 1),
    )
    cells = {cell["variant"]: cell for cell in moments(log).cells.to_dicts()}
    assert (cells[None]["users"], cells[None]["no_variant"]) == (2, 1)
    assert (cells["control"]["users"], cells["control"]["no_variant"]) == (1, 1)
    assert cells["control"]["o0_y0"] == 0, "an exposure without a variant is no pre-period"


def test_sessions_without_a_user_are_counted() -> None:
    log = log_of(("a", "control", "US", 11, 11, 1))
    nobody = log.with_columns(pl.lit(None, pl.String).alias("unit_id"))
    found = moments(pl.concat([log, nobody]))
    assert (found.no_unit, only(found)["users"]) == (1, 1)


def test_repeated_sessions_count_once_whatever_the_order() -> None:
    log = log_of(("a", "control", "US", 11, 11, 1), ("a", "control", "US", 12, 12, 0))
    odd = log.head(1).with_columns(fulfilled=pl.lit(0.0))
    twice = pl.concat([log, log, odd])
    found, turned = moments(twice), moments(twice.reverse())
    assert (found.duplicates, only(found)["o0_y"]) == (3, 2)
    assert found.cells.equals(turned.cells)
    assert found.no_unit == 0


def test_equal_session_ids_of_two_users_or_none_at_all_are_no_repeats() -> None:
    log = log_of(("a", "control", "US", 11, 11, 1), ("b", "control", "US", 12, 12, 0))
    assert moments(log.with_columns(session_id=pl.lit("1"))).duplicates == 0
    assert moments(log.with_columns(session_id=pl.lit(None, pl.String))).duplicates == 0
    assert moments(log.drop("session_id")).duplicates is None


def test_large_logs_are_not_searched_for_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DUPLICATES_UP_TO", 1)
    log = log_of(("a", "control", "US", 11, 11, 1))
    assert moments(log).duplicates == 0
    assert moments(pl.concat([log, log])).duplicates is None
    assert moments(pl.concat([log, log]), duplicates=True).duplicates == 1


def test_repeats_are_not_looked_for_where_nobody_asks() -> None:
    log = log_of(("a", "control", "US", 11, 11, 1))
    found = moments(pl.concat([log, log]), duplicates=False)
    assert (found.duplicates, only(found)["o0_y"]) == (None, 2)


@pytest.mark.parametrize("kind", [pl.Int8, pl.Boolean, pl.Float32, pl.Decimal(10, 2)])
def test_outcomes_may_be_any_number(kind: Any) -> None:
    log = log_of(("a", "control", "US", 11, 11, 1), ("a", "control", "US", 12, 12, 0))
    whole = log.with_columns(pl.col("fulfilled").cast(pl.Int8).cast(kind))
    assert moments(whole).cells.equals(moments(log).cells)


FILES = ("parquet", "csv", "csv.gz", "tsv", "jsonl", "folder", "misnamed")


def written(frame: pl.DataFrame, kind: str, folder: Path) -> Path:
    path = folder / f"sessions.{kind}"
    if kind == "folder":
        path.mkdir()
        half = len(frame) // 2
        frame.head(half).write_parquet(path / "part-0.parquet")
        frame.tail(len(frame) - half).write_parquet(path / "part-1.parquet")
    elif kind in ("parquet", "misnamed"):
        frame.write_parquet(path)
    elif kind == "jsonl":
        frame.write_ndjson(path)
    else:
        text = frame.write_csv(separator="\t" if kind == "tsv" else ",").encode()
        path.write_bytes(gzip.compress(text) if kind == "csv.gz" else text)
    return path


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_says_the_same(kind: str, tmp_path: Path) -> None:
    log = log_of(
        ("007", None, None, 9, None, 1),
        ("007", "control", "NA", 11, 11, 1),
        ("7", "control", None, 12, 12.5, None),
        ("8", "treatment", "FR", 13, 13, 0),
    )
    found = session_moments(written(log, kind, tmp_path), SessionLog())
    assert found.cells.equals(moments(log).cells)
    assert sorted(found.cells["group_0"].to_list(), key=str) == ["FR", "NA", None]


def test_a_time_with_a_zone_is_turned_into_utc(tmp_path: Path) -> None:
    log = log_of(("a", None, "US", 9, None, 1), ("a", "control", "US", 11, 11, 1))
    text = log.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S+09:00")
    path = tmp_path / "sessions.csv"
    path.write_text(text)
    assert only(session_moments(path, SessionLog()))["day"] == date(2025, 3, 11)


def csv(folder: Path, text: str) -> Path:
    path = folder / "log.csv"
    path.write_text(text)
    return path


def test_a_missing_column_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = csv(tmp_path, "unitid,variant,fulfilled\na,control,1\n")
    with pytest.raises(
        TableError, match=r"log\.csv: column 'unit_id' is missing.*'unitid'.*--unit"
    ):
        session_moments(path, SessionLog())
    with pytest.raises(TableError, match=r"'country'.*--by"):
        session_moments(path, SessionLog(unit="unitid", by=("country",)))
    with pytest.raises(TableError, match="--exposed-at"):
        session_moments(path, SessionLog(unit="unitid", exposed_at="seen"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,control,maybe,2025-03-01", r"column fulfilled: the outcome must be a number.*'maybe'"),
        ("a,control,1,last week", r"column started_at: not a time, got 'last week'.*UTC"),
        ("a,control,1,17", r"column started_at: not a time, got 17"),
    ],
)
def test_wrong_values_are_named(row: str, message: str, tmp_path: Path) -> None:
    path = csv(tmp_path, f"unit_id,variant,fulfilled,started_at\n{row}\n")
    with pytest.raises(TableError, match=message):
        session_moments(path, SessionLog())


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="gradewise demo"):
        session_moments(tmp_path / "none.parquet", SessionLog())
    with pytest.raises(TableError, match="the file is empty"):
        session_moments(csv(tmp_path, ""), SessionLog())
    (tmp_path / "cut.parquet").write_bytes(b"PAR1" + b"\0" * 40)
    with pytest.raises(TableError, match=r"cut\.parquet: cannot be read as a session log"):
        session_moments(tmp_path / "cut.parquet", SessionLog())
    (tmp_path / "bytes.csv").write_bytes(b"unit_id,variant,fulfilled\n\xff\xfe,control,1\n")
    with pytest.raises(TableError, match=r"bytes\.csv: cannot be read"):
        session_moments(tmp_path / "bytes.csv", SessionLog())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no Parquet file"):
        session_moments(tmp_path / "empty", SessionLog())


def test_several_experiments_need_a_choice() -> None:
    log = log_of(("a", "control", "US", 11, 11, 1), ("b", "control", "US", 11, 11, 1))
    two = log.with_columns(experiment=pl.Series(["ranker", "layout"]))
    with pytest.raises(InputError, match=r"layout, ranker.*--experiment"):
        moments(two)
    with pytest.raises(InputError, match="Did you mean 'ranker'"):
        moments(two, experiment="rankers")
    assert only(moments(two, experiment="ranker"))["users"] == 1
    assert only(moments(log.with_columns(experiment=pl.lit("ranker"))))["users"] == 2
    with pytest.raises(TableError, match="--experiment needs, is missing"):
        moments(log, experiment="ranker")
