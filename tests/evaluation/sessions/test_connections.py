"""Moments of a log where it is: the same cells as DuckDB's, on PostgreSQL and on Spark."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from evaluation.outcomes import parse_outcome
from evaluation.sessions import SessionLog, session_moments
from evaluation.sessions.connections import parse_url, session_moments_at
from relevance.errors import (
    InputError,
    MissingExtraError,
    MissingInputError,
    SettingsError,
    TableError,
)

START = datetime(2025, 3, 10)
Same = Callable[[pl.DataFrame, pl.DataFrame], None]


def outcomes(*texts: str) -> Any:
    return tuple(parse_outcome(text) for text in texts)


EVERY_KIND = outcomes(
    "fulfilled", "mean(clicks)", "any(clicks)", "ratio(clicks,impressions)", "user(age)",
    "mean(sessions)",
)  # fmt: skip

LOGS = {
    "as it is": SessionLog(),
    "started": SessionLog(start=START, end=datetime(2025, 3, 18, 12, 30)),
    "every kind": SessionLog(outcomes=EVERY_KIND, by=("device", "country"), start=START),
    "looks": SessionLog(outcomes=EVERY_KIND, by=("country",), looks=True, start=START),
    "one time column": SessionLog(exposed_at="started_at", started_at="started_at"),
}


def zoned(log: pl.DataFrame) -> pl.DataFrame:
    """Times with a zone that is not UTC, the same moments."""
    times = pl.col("started_at", "exposed_at").dt.replace_time_zone("UTC")
    return log.with_columns(times.dt.convert_time_zone("America/New_York"))


def numbered(log: pl.DataFrame) -> pl.DataFrame:
    """Users as whole numbers, outcomes as 1 and 0."""
    user = pl.col("unit_id").str.extract(r"(\d+)").cast(pl.Int64)
    return log.with_columns(unit_id=user, fulfilled=pl.col("fulfilled").cast(pl.Int8))


def settled(log: pl.DataFrame) -> pl.DataFrame:
    """Every session from the start on is exposed, none before it: the short way leads there."""
    now = pl.col("started_at") >= START
    named = pl.when(pl.col("variant").is_in(["control", "treatment"])).then("variant")
    return log.filter(pl.col("started_at").is_not_null()).with_columns(
        variant=pl.when(now).then(named.fill_null("control")),
        exposed_at=pl.when(now).then("started_at"),
    )


SHAPES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "as it is": lambda log: log,
    "zoned": zoned,
    "settled": settled,
    "settled and zoned": lambda log: zoned(settled(log)),
    "numbered": numbered,
    "decimal": lambda log: log.with_columns(
        pl.col("fulfilled").cast(pl.Int8).cast(pl.Decimal(5, 2))
    ),
    "without sessions": lambda log: log.drop("session_id"),
}

CASES = [
    pytest.param(LOGS[log], SHAPES[shape], id=f"{log}, {shape}")
    for log, shape in [
        ("as it is", "as it is"), ("started", "numbered"), ("every kind", "zoned"),
        ("looks", "as it is"), ("started", "decimal"), ("one time column", "without sessions"),
        ("every kind", "settled"), ("as it is", "settled and zoned"),
    ]
]  # fmt: skip


@pytest.fixture
def duckdb_file(tmp_path: Path, hard_log: pl.DataFrame) -> Path:
    path = tmp_path / "log.duckdb"
    with duckdb.connect(path) as connection:
        connection.register("frame", hard_log.to_arrow())
        connection.execute("CREATE TABLE sessions AS FROM frame")
    return path


@pytest.mark.parametrize("log", [LOGS["every kind"], LOGS["looks"]], ids=["plain", "looks"])
def test_a_duckdb_file_gives_the_cells_of_the_log(
    log: SessionLog, duckdb_file: Path, hard_log: pl.DataFrame, same_cells: Same
) -> None:
    found = session_moments_at(f"duckdb://{duckdb_file}", "sessions", log)
    expected = session_moments(hard_log, log)
    same_cells(found.cells, expected.cells)
    assert (found.rows, found.no_unit) == (expected.rows, expected.no_unit)
    assert found.duplicates == expected.duplicates
    assert (found.outcomes, found.by) == (expected.outcomes, expected.by)
    assert found.source == f"sessions in duckdb://{duckdb_file}"


def test_duckdb_reads_parquet_of_another_folder(
    tmp_path: Path, hard_log: pl.DataFrame, same_cells: Same
) -> None:
    path = tmp_path / "sessions.parquet"
    hard_log.write_parquet(path)
    found = session_moments_at("duckdb://", str(path), SessionLog())
    same_cells(found.cells, session_moments(hard_log, SessionLog()).cells)


def test_a_missing_duckdb_table_or_file_is_told(duckdb_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no table is called 'session'.*There are sessions\."):
        session_moments_at(f"duckdb://{duckdb_file}", "session", SessionLog())
    with pytest.raises(MissingInputError, match=r"nothing\.duckdb not found"):
        session_moments_at(f"duckdb://{tmp_path}/nothing.duckdb", "sessions", SessionLog())
    with pytest.raises(MissingInputError, match=r"none\.parquet not found"):
        session_moments_at("duckdb://", f"{tmp_path}/none.parquet", SessionLog())
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"no database" * 100)
    with pytest.raises(InputError, match=r"broken\.duckdb cannot be opened"):
        session_moments_at(f"duckdb://{broken}", "sessions", SessionLog())


def test_a_missing_column_is_told_with_the_place(duckdb_file: Path) -> None:
    with pytest.raises(TableError, match=r"duckdb://.*'unit' is missing.*Did you mean 'unit_id'"):
        session_moments_at(f"duckdb://{duckdb_file}", "sessions", SessionLog(unit="unit"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sessions.parquet", "duckdb://FILE, postgres://"),
        ("postgre://host/db", "Did you mean 'postgres'"),
        ("bigquery://project", "no engine is reached by 'bigquery'"),
        ("postgres://ann:se/cret@host/db", r"postgres://ann@host/db: host and port cannot be read"),
    ],
)
def test_unknown_urls_are_refused(url: str, message: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(SettingsError, match=message):
        session_moments_at(url, "sessions", SessionLog())


def test_a_table_must_be_named() -> None:
    with pytest.raises(SettingsError, match="needs the name of a table"):
        session_moments_at("duckdb://", " ", SessionLog())


def test_passwords_are_never_shown() -> None:
    place = parse_url("postgresql://ann:sec%3Aret@db.shop:5433/web?sslmode=require", "t")
    assert place.shown == "postgres://ann@db.shop:5433/web"
    assert dict(place.options) == {"sslmode": "require"}
    assert parse_url("spark://host:7077", "t").rest == "spark://host:7077"
    assert parse_url("pyspark://local[2]?spark.driver.memory=2g", "t").rest == "local[2]"


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [("postgres://h/d", "psycopg", "postgres"), ("pyspark://local[2]", "pyspark", "spark")],
)
def test_a_missing_driver_names_its_extra(
    url: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*\[{extra}\]"):
        session_moments_at(url, "sessions", SessionLog())


def test_without_java_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(InputError, match=r"Spark needs Java, and there is none.*openjdk-17"):
        session_moments_at("pyspark://local[2]", "sessions", SessionLog())


def test_an_unreachable_server_is_told_without_the_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(
        InputError, match=r"postgres://ann@127\.0\.0\.1:1/web cannot be reached"
    ) as e:
        session_moments_at("postgres://ann:secret@127.0.0.1:1/web", "sessions", SessionLog())
    assert "secret" not in str(e.value)
    assert e.value.__cause__ is None
    assert e.value.__suppress_context__


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is not UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


POSTGRES_TYPES = {
    pl.String: "text", pl.Boolean: "boolean", pl.Float64: "double precision",
    pl.Int64: "bigint", pl.Int8: "smallint",
}  # fmt: skip


@pytest.fixture
def in_postgres(postgres: str) -> Iterator[Callable[[pl.DataFrame], str]]:
    """Puts a frame into a table of its own; the table goes away with the test."""
    import psycopg

    connection = psycopg.connect(postgres, autocommit=True)

    def load(frame: pl.DataFrame, name: str = "sessions") -> str:
        kinds = {}
        for column, kind in frame.schema.items():
            if isinstance(kind, pl.Datetime):
                kinds[column] = "timestamptz" if kind.time_zone else "timestamp"
            else:
                known = isinstance(kind, pl.Decimal)
                kinds[column] = "numeric(5, 2)" if known else POSTGRES_TYPES[kind]
        columns = ", ".join(f'"{column}" {kind}' for column, kind in kinds.items())
        connection.execute(f'DROP TABLE IF EXISTS "{name}"; CREATE TABLE "{name}" ({columns})')
        times = pl.selectors.datetime().dt.to_string("iso:strict")
        with connection.cursor().copy(f'COPY "{name}" FROM STDIN (FORMAT csv)') as copy:
            copy.write(frame.with_columns(times).write_csv(include_header=False))
        return name

    yield load
    connection.close()


@pytest.mark.postgres
@pytest.mark.usefixtures("in_tokyo")
@pytest.mark.parametrize(("log", "shape"), CASES)
def test_postgres_gives_the_cells_of_duckdb(
    log: SessionLog,
    shape: Callable[[pl.DataFrame], pl.DataFrame],
    postgres: str,
    in_postgres: Callable[[pl.DataFrame], str],
    hard_log: pl.DataFrame,
    same_cells: Same,
) -> None:
    frame = shape(hard_log)
    found = session_moments_at(postgres, in_postgres(frame), log)
    expected = session_moments(frame, log)
    same_cells(found.cells, expected.cells)
    assert (found.rows, found.no_unit) == (expected.rows, expected.no_unit)
    assert found.duplicates == expected.duplicates


def people() -> pl.DataFrame:
    """A table of users with their sums."""
    return pl.DataFrame({
        "unit_id": range(90),
        "variant": [("control", "treatment", None)[i % 3] for i in range(90)],
        "country": [("US", "FR", "MX", "JP", "")[i % 5] for i in range(90)],
        "fulfilled": [float(i % 7) for i in range(90)],
        "sessions": [i % 7 + 2 for i in range(90)],
        "fulfilled_before": [None if i % 4 else 1.5 for i in range(90)],
        "sessions_before": [None if i % 4 else 3 for i in range(90)],
    })  # fmt: skip


USERS = SessionLog(per_user=True, outcomes=outcomes("fulfilled", "mean(fulfilled)"))


@pytest.mark.postgres
def test_postgres_reads_tables_of_users(
    postgres: str, in_postgres: Callable[[pl.DataFrame], str], same_cells: Same
) -> None:
    found = session_moments_at(postgres, in_postgres(people()), USERS)
    same_cells(found.cells, session_moments(people(), USERS).cells)


@pytest.mark.postgres
def test_postgres_reads_times_that_are_text(
    postgres: str,
    in_postgres: Callable[[pl.DataFrame], str],
    hard_log: pl.DataFrame,
    same_cells: Same,
) -> None:
    text = hard_log.with_columns(pl.selectors.datetime().dt.to_string("iso:strict"))
    found = session_moments_at(postgres, in_postgres(text), LOGS["started"])
    same_cells(found.cells, session_moments(hard_log, LOGS["started"]).cells)


@pytest.mark.postgres
def test_postgres_tables_may_have_a_schema_and_stay_as_they_are(
    postgres: str, in_postgres: Callable[[pl.DataFrame], str], hard_log: pl.DataFrame
) -> None:
    in_postgres(hard_log)
    assert session_moments_at(postgres, "public.sessions", SessionLog()).rows == len(hard_log)
    with pytest.raises(InputError, match=r"no table is called 'session'.*Did you mean 'sessions'"):
        session_moments_at(postgres, "session", SessionLog())
    with pytest.raises(InputError, match=r"postgres://tester@127.*no table.*'t' in nowhere"):
        session_moments_at(postgres, "nowhere.t", SessionLog())
    with pytest.raises(InputError, match=r"database .none. does not exist"):
        session_moments_at(postgres.replace("/postgres", "/none"), "t", SessionLog())


@pytest.mark.postgres
def test_postgres_names_what_it_cannot_use(
    postgres: str, in_postgres: Callable[[pl.DataFrame], str], hard_log: pl.DataFrame
) -> None:
    name = in_postgres(hard_log.with_columns(fulfilled=pl.lit("yes"), started_at=pl.lit("then")))
    with pytest.raises(TableError, match=r'sessions in postgres://tester@127.*"then"'):
        session_moments_at(postgres, name, SessionLog())
    timely = SessionLog(started_at="exposed_at")
    with pytest.raises(TableError, match=r"fulfilled: the outcome must be a number.*'yes'"):
        session_moments_at(postgres, name, timely)


QUIET = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sockets of py4j
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def quiet(test: Any) -> Any:
    for mark in (*QUIET, pytest.mark.spark):
        test = mark(test)
    return test


@quiet
@pytest.mark.usefixtures("in_tokyo")
@pytest.mark.parametrize(("log", "shape"), CASES)
def test_spark_gives_the_cells_of_duckdb(
    log: SessionLog,
    shape: Callable[[pl.DataFrame], pl.DataFrame],
    spark: Any,
    hard_log: pl.DataFrame,
    tmp_path: Path,
    same_cells: Same,
) -> None:
    frame = shape(hard_log)
    path = tmp_path / "sessions.parquet"
    frame.write_parquet(path)
    found = session_moments_at("pyspark://local[2]", str(path), log)
    expected = session_moments(frame, log)
    same_cells(found.cells, expected.cells)
    assert (found.rows, found.no_unit) == (expected.rows, expected.no_unit)
    assert found.duplicates == expected.duplicates


@quiet
def test_spark_reads_its_own_tables_and_names_those_there(
    spark: Any, hard_log: pl.DataFrame, tmp_path: Path, same_cells: Same
) -> None:
    hard_log.write_parquet(tmp_path / "log.parquet")
    spark.read.parquet(str(tmp_path / "log.parquet")).createOrReplaceTempView("sessions")
    found = session_moments_at("pyspark://local[2]", "sessions", LOGS["started"])
    same_cells(found.cells, session_moments(hard_log, LOGS["started"]).cells)
    with pytest.raises(InputError, match=r"no table is called 'session'.*Did you mean 'sessions'"):
        session_moments_at("pyspark://local[2]", "session", SessionLog())
    with pytest.raises(MissingInputError, match=r"none\.parquet not found"):
        session_moments_at("pyspark://local[2]", str(tmp_path / "none.parquet"), SessionLog())


@quiet
def test_spark_reads_tables_of_users(spark: Any, tmp_path: Path, same_cells: Same) -> None:
    people().write_parquet(tmp_path / "people.parquet")
    found = session_moments_at("pyspark://local[2]", str(tmp_path / "people.parquet"), USERS)
    same_cells(found.cells, session_moments(people(), USERS).cells)


@quiet
def test_a_spark_of_our_own_starts_and_stops(spark: Any, tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    people().write_parquet(path)
    code = (
        "from evaluation.sessions import SessionLog;"
        "from evaluation.sessions.connections import session_moments_at as at;"
        "from pyspark.sql import SparkSession;"
        "url = 'pyspark://local[1]?spark.sql.shuffle.partitions=1';"
        f"print(at(url, {str(path)!r}, SessionLog(per_user=True)).cells['users'].sum(),"
        " SparkSession.getActiveSession())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["90", "None"], done.stderr


def test_drivers_are_imported_only_when_asked_for() -> None:
    code = (
        "import sys, evaluation.sessions.connections, evaluation.sessions.dialects;"
        "print([n for n in ('pyspark', 'psycopg') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
