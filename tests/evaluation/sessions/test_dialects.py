"""The query that makes the moments elsewhere: run where it can be, else transpiled and run."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import sqlglot

from evaluation.outcomes import parse_outcome
from evaluation.sessions import SessionLog, session_moments
from evaluation.sessions.column_types import assumed_types, like_types, read_types
from evaluation.sessions.dialects import moments_sql
from evaluation.sessions.engines import DIALECTS
from evaluation.sessions.saved import read_moments
from relevance.errors import InputError, MissingInputError, SettingsError, TableError

START = datetime(2025, 3, 10)
Same = Callable[[pl.DataFrame, pl.DataFrame], None]
Run = Callable[[str], pl.DataFrame]
Expected = Callable[[SessionLog], pl.DataFrame]

EVERY_KIND = tuple(
    parse_outcome(text)
    for text in (
        "fulfilled", "mean(clicks)", "any(clicks)", "ratio(clicks,impressions)", "user(age)",
        "mean(sessions)",
    )
)  # fmt: skip

LOGS = {
    "as it is": SessionLog(),
    "started": SessionLog(start=START, end=datetime(2025, 3, 18, 12, 30)),
    "every kind": SessionLog(outcomes=EVERY_KIND, by=("device", "country"), start=START),
    "looks": SessionLog(outcomes=EVERY_KIND[:2], looks=True, start=START),
}
EACH_LOG = pytest.mark.parametrize("log", list(LOGS.values()), ids=list(LOGS))

TYPES = {
    "session_id": "string", "unit_id": "string", "variant": "string", "country": "string",
    "device": "string", "started_at": "timestamp", "exposed_at": "timestamp",
    "fulfilled": "boolean", "clicks": "float64", "impressions": "int64", "age": "float64",
}  # fmt: skip


def cells_of(frame: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The cells as `analyze --moments` gets them: by way of a CSV file."""
    path = folder / "moments.csv"
    frame.write_csv(path)
    return read_moments(path).cells


@contextmanager
def duckdb_with(log: pl.DataFrame, table: str) -> Iterator[Run]:
    """Runs a query on a DuckDB that has the log, and functions that only others have."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("frame", log.to_arrow())
        connection.execute(f"CREATE TABLE {table} AS FROM frame")
        # sqlglot leaves these functions of Trino as they are; this is what they do.
        connection.execute("CREATE MACRO at_timezone(t, z) AS timezone('UTC', timezone(z, t))")
        connection.execute("CREATE MACRO is_infinite(x) AS isinf(x)")
        connection.execute("CREATE MACRO is_nan(x) AS isnan(x)")
        yield lambda text: frame_of(connection.sql(text).to_arrow_table())


def frame_of(table: Any) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


@pytest.fixture(scope="module")
def here(hard_log: pl.DataFrame) -> Iterator[Run]:
    """Runs a query on a DuckDB that has the log as `sessions`."""
    with duckdb_with(hard_log, "sessions") as run:
        yield run


@pytest.fixture(scope="module")
def expected(hard_log: pl.DataFrame) -> Expected:
    """The cells of the log, made once for each way to read it."""
    return functools.cache(lambda log: session_moments(hard_log, log).cells)


@EACH_LOG
def test_the_text_for_duckdb_gives_the_cells(
    log: SessionLog, here: Run, expected: Expected, tmp_path: Path, same_cells: Same
) -> None:
    found = here(moments_sql("duckdb", "sessions", log, types=TYPES))
    same_cells(cells_of(found, tmp_path), expected(log))


@pytest.mark.parametrize("log", [LOGS["every kind"], LOGS["looks"]], ids=["plain", "looks"])
@pytest.mark.parametrize("name", ["bigquery", "snowflake", "trino"])
def test_texts_that_cannot_be_run_say_the_same_once_transpiled(
    name: str,
    log: SessionLog,
    here: Run,
    expected: Expected,
    tmp_path: Path,
    same_cells: Same,
) -> None:
    text = moments_sql(name, "sessions", log, types=TYPES)
    (query,) = sqlglot.transpile(text, read=DIALECTS[name].grammar, write="duckdb")
    same_cells(cells_of(here(query), tmp_path), expected(log))


@pytest.mark.parametrize("name", ["bigquery", "snowflake", "trino"])
def test_zones_survive_transpiling(
    name: str, hard_log: pl.DataFrame, here: Run, tmp_path: Path, same_cells: Same
) -> None:
    zoned = hard_log.with_columns(pl.selectors.datetime().dt.replace_time_zone("Asia/Tokyo"))
    types = TYPES | dict.fromkeys(("started_at", "exposed_at"), "timestamp('UTC')")
    text = moments_sql(name, "zoned", LOGS["started"], types=types)
    (query,) = sqlglot.transpile(text, read=DIALECTS[name].grammar, write="duckdb")
    with duckdb_with(zoned, "zoned") as run:
        found = run(query)
    same_cells(cells_of(found, tmp_path), session_moments(zoned, LOGS["started"]).cells)


@pytest.mark.postgres
@EACH_LOG
def test_the_text_for_postgres_gives_the_cells(
    log: SessionLog,
    postgres: str,
    hard_log: pl.DataFrame,
    expected: Expected,
    tmp_path: Path,
    same_cells: Same,
) -> None:
    import psycopg

    kinds = {"string": "text", "float64": "double precision", "int64": "bigint"}
    columns = ", ".join(f'"{name}" {kinds.get(kind, kind)}' for name, kind in TYPES.items())
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute(f"DROP TABLE IF EXISTS texts; CREATE TABLE texts ({columns})")
        with connection.cursor().copy("COPY texts FROM STDIN (FORMAT csv)") as copy:
            copy.write(hard_log.select(list(TYPES)).write_csv(include_header=False))
        text = moments_sql("postgres", "public.texts", log, types=TYPES).rstrip().rstrip(";")
        with connection.cursor().copy(f"COPY ({text}\n) TO STDOUT (FORMAT csv, HEADER)") as copy:
            exported = b"".join(bytes(part) for part in copy)
    (tmp_path / "moments.csv").write_bytes(exported)
    found = read_moments(tmp_path / "moments.csv")
    same_cells(found.cells, expected(log))
    assert (found.outcomes, found.looks) == (log.outcomes, log.looks)


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of py4j
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_text_for_spark_gives_the_cells(
    spark: Any, hard_log: pl.DataFrame, expected: Expected, tmp_path: Path, same_cells: Same
) -> None:
    hard_log.write_parquet(tmp_path / "log.parquet")
    spark.read.parquet(str(tmp_path / "log.parquet")).createOrReplaceTempView("texts")
    log = LOGS["every kind"]
    text = moments_sql("spark", "texts", log, types=TYPES)
    spark.sql(text).coalesce(1).write.parquet(str(tmp_path / "moments"))
    found = read_moments(tmp_path / "moments")
    same_cells(found.cells, expected(log))


@pytest.mark.parametrize("name", list(DIALECTS))
def test_the_comment_says_what_it_is_and_what_to_do(name: str) -> None:
    text = moments_sql(name, "shop.sessions", LOGS["started"])
    comment = [line for line in text.splitlines() if line.startswith("--")]
    head = "\n".join(comment)
    assert text.startswith(head)
    assert "Generated by gradewise" in head
    assert f"for {name};" in head
    assert ("not run here" in head) == (name in ("bigquery", "snowflake", "trino"))
    assert "gradewise experiment analyze --moments moments" in head
    assert ("'UTC'" in head) == (name != "bigquery")
    assert "shop.sessions" in head
    assert text.endswith(";\n")
    assert max(map(len, comment)) <= 115


def test_the_definition_travels_with_every_row(here: Run, tmp_path: Path) -> None:
    log = SessionLog(outcomes=EVERY_KIND[:2], by=("device",), start=START)
    frame = here(moments_sql("duckdb", "sessions", log, types=TYPES))
    said = json.loads(frame["definition"].unique().item())
    assert said["outcomes"] == ["fulfilled", "mean(clicks)"]
    assert (said["by"], said["looks"], said["start"]) == (["device"], False, "2025-03-10T00:00:00")
    quoted = SessionLog(experiment='it\'s \\ 100% "new"')
    for name in DIALECTS:
        text = moments_sql(name, "sessions", quoted)
        tokens = sqlglot.tokenize(text, read=DIALECTS[name].grammar)
        (said,) = [token.text for token in tokens if token.text.startswith("{")]
        assert json.loads(said)["experiment"] == quoted.experiment, name


def test_tables_of_users_are_read_as_such(tmp_path: Path, same_cells: Same) -> None:
    users = pl.DataFrame({
        "unit_id": [f"u{i}" for i in range(60)],
        "variant": [("control", "treatment", None)[i % 3] for i in range(60)],
        "country": [("US", "FR", "MX", "JP", "")[i % 5] for i in range(60)],
        "fulfilled": [float(i % 7) for i in range(60)],
        "sessions": [i % 7 + 2 for i in range(60)],
        "fulfilled_before": [None if i % 4 else 1.5 for i in range(60)],
        "sessions_before": [None if i % 4 else 3 for i in range(60)],
    })  # fmt: skip
    log = SessionLog(per_user=True)
    types = dict.fromkeys(users.columns, "float64")
    types |= dict.fromkeys(("unit_id", "variant", "country"), "string")
    for name in ("bigquery", "snowflake", "trino"):
        text = moments_sql(name, "people", log, types=types)
        (query,) = sqlglot.transpile(text, read=DIALECTS[name].grammar, write="duckdb")
        with duckdb_with(users, "people") as run:
            found = run(query)
        same_cells(cells_of(found, tmp_path), session_moments(users, log).cells)


def test_snowflake_reads_names_in_upper_case() -> None:
    text = moments_sql("snowflake", "shop.web.sessions", SessionLog(unit="Member_Id"))
    assert '"SHOP"."WEB"."SESSIONS"' in text
    assert '"t0"."MEMBER_ID"' in text
    exact = moments_sql(
        "snowflake", 'shop.web."Log"', SessionLog(),
        types={'"unit_id"': "TEXT", "VARIANT": "TEXT", "fulfilled": "NUMBER(38,0)"},
    )  # fmt: skip
    assert '"SHOP"."WEB"."Log"' in exact
    assert '"t0"."unit_id"' in exact
    assert '"t0"."FULFILLED"' in exact


def test_names_of_tables_are_qualified_as_engines_do() -> None:
    assert "`my-shop.web.sessions`" in moments_sql(
        "bigquery", "my-shop.web.sessions", SessionLog()
    ).replace("`.`", ".")
    assert '"hive"."web"."log"' in moments_sql("trino", "hive.web.log", SessionLog())
    for name in ("", "a b c", "sessions; DROP TABLE x", "x\n-- y", "(SELECT 1)"):
        with pytest.raises(SettingsError, match="is not the name of a table"):
            moments_sql("postgres", name, SessionLog())


def test_dialects_and_types_that_are_unknown_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"'bigquerry'.*Did you mean 'bigquery'"):
        moments_sql("bigquerry", "t", SessionLog())
    with pytest.raises(InputError, match=r"type 'WOMBAT' of column 'unit_id' is unknown in trino"):
        moments_sql("trino", "t", SessionLog(), types=TYPES | {"unit_id": "WOMBAT"})
    with pytest.raises(TableError, match=r"column 'fulfilled' is missing.*--outcome"):
        moments_sql("trino", "t", SessionLog(), types={"unit_id": "varchar", "variant": "varchar"})
    with pytest.raises(TableError, match=r"the outcome must be a number"):
        moments_sql("trino", "t", SessionLog(), types=TYPES | {"fulfilled": "varchar"})


def test_types_are_assumed_to_be_those_of_the_session_table() -> None:
    log = SessionLog(unit="member", exposed_at="seen", by=("device",), outcomes=EVERY_KIND)
    assert assumed_types(log) == {
        "member": "string", "variant": "string", "session_id": "string",
        "started_at": "timestamp('UTC')", "seen": "timestamp('UTC')", "device": "string",
        "fulfilled": "int64", "clicks": "float64", "impressions": "float64", "age": "float64",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"unit_id": "STRING", "clicks": "INT64"}'),
        ("b.json", '[{"name": "unit_id", "type": "STRING"}, {"name": "clicks", "type": "INT64"}]'),
        ("c.csv", "column_name,data_type\nunit_id,STRING\nclicks,INT64\n"),
        ("d.tsv", "COLUMN_NAME\tORDINAL\tDATA_TYPE\nunit_id\t1\tSTRING\nclicks\t2\tINT64\n"),
    ],
)  # fmt: skip
def test_types_are_read_as_engines_tell_them(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert read_types(tmp_path / name) == {"unit_id": "STRING", "clicks": "INT64"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"unit_id": 3}', "not the types of columns"),
        ('[{"column": "unit_id"}]', "not the types of columns"),
        ('{"unit_id"', "not JSON"),
        ("unit_id,STRING\nclicks,INT64\n", "no column of names and one of types"),
    ],
)
def test_other_shapes_of_types_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "types").write_text(text)
    with pytest.raises(TableError, match=message):
        read_types(tmp_path / "types")


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_types_are_those_of_a_sample(ending: str, tmp_path: Path, hard_log: pl.DataFrame) -> None:
    path = tmp_path / f"sample.{ending}"
    if ending == "csv":
        hard_log.write_csv(path)
    else:
        hard_log.write_parquet(path)
    found = like_types(path, SessionLog())
    assert list(found) == hard_log.columns
    assert (found["fulfilled"], found["unit_id"]) == ("boolean", "string")
    assert found["clicks"] == "float64"
    assert found["started_at"].startswith("timestamp")
    with pytest.raises(MissingInputError):
        like_types(tmp_path / "none.csv", SessionLog())


def test_the_query_that_is_written_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, message in [
        ("SELECT 1 AS x", "does not give the columns of moments"),
        ("SELECT 1; SELECT 2", "is not one query"),
        ("SELECT (", "does not parse as trino"),
    ]:
        monkeypatch.setattr("evaluation.sessions.dialects._compiled", lambda *_, text=text: text)
        with pytest.raises(InputError, match=message):
            moments_sql("trino", "t", SessionLog())


def test_spark_is_written_where_there_is_no_spark() -> None:
    code = (
        "import sys; sys.modules['pyspark'] = None;"
        "from evaluation.sessions.dialects import moments_sql;"
        "from evaluation.sessions import SessionLog;"
        "print(moments_sql('spark', 'sessions', SessionLog())[:2])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "--"
