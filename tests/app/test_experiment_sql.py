"""`gradewise experiment sql` as a user meets it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
import sqlglot
from typer.testing import CliRunner, Result

from app.commands.experiment import app
from app.commands.experiment.sql import SqlDialect
from evaluation.sessions import SessionLog, session_moments
from evaluation.sessions.engines import DIALECTS
from evaluation.sessions.saved import read_moments
from relevance.errors import InputError, SettingsError, TableError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["sql", *map(str, arguments)])


def printed(*arguments: object) -> str:
    done = run(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Forty users of two variants under names of their own."""
    rows = [
        (f"m{i}", "new" if i % 2 else "old", "US" if i % 3 else "FR", "app" if i % 5 else "web",
         datetime(2025, 3, 1 + i % 9, 23, 50), i % 4 == 0, float(i % 7))
        for i in range(40)
    ]  # fmt: skip
    names = ["member", "arm", "country", "device", "seen", "done", "clicks"]
    path = tmp_path / "log.parquet"
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(path)
    return path


MAPPING = (
    "--unit", "member", "--variant", "arm", "--exposed-at", "seen", "--outcome", "done",
    "--metric", "mean(clicks)", "--by", "country", "--by", "device",
)  # fmt: skip


def test_the_query_runs_and_its_result_is_read(log: Path, tmp_path: Path) -> None:
    text = printed("--dialect", "duckdb", "--table", "visits", "--like", log, *MAPPING)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE visits AS FROM '{log}'")
        connection.sql(text.rstrip().rstrip(";")).write_csv(str(tmp_path / "moments.csv"))
    found = read_moments(tmp_path / "moments.csv")
    assert [outcome.name for outcome in found.outcomes] == ["done", "mean(clicks)"]
    assert found.by == ("country", "device")
    expected = session_moments(
        log,
        SessionLog(
            unit="member", variant="arm", exposed_at="seen", by=found.by, outcomes=found.outcomes
        ),
    )
    assert found.cells.equals(expected.cells)
    assert found.cells["users"].sum() == 40


@pytest.mark.parametrize("dialect", [SqlDialect.BIGQUERY, SqlDialect.POSTGRES])
def test_a_dialect_prints_one_query_with_a_comment(dialect: SqlDialect) -> None:
    text = printed(
        "--dialect", dialect, "--table", "shop.sessions", "--sequential", "--by", "country"
    )
    assert text.startswith("-- Moments of an experiment")
    assert f"for {dialect};" in text
    statements = sqlglot.parse(text, read=DIALECTS[dialect.value].grammar)
    assert len([statement for statement in statements if statement]) == 1


def test_the_dialects_are_those_that_can_be_written() -> None:
    assert [dialect.value for dialect in SqlDialect] == list(DIALECTS)


def test_guardrails_the_window_and_the_experiment_are_part_of_it(log: Path) -> None:
    text = printed(
        "--dialect", "trino", "--table", "hive.web.sessions", "--experiment", "ranker",
        "--guardrail", "mean(sessions) >= -1%", "--start", "2025-03-01", "--end", "2025-03-15",
    )  # fmt: skip
    assert "'ranker'" in text
    assert '"outcomes": ["fulfilled", "mean(sessions)"]' in text
    assert '"start": "2025-03-01T00:00:00", "end": "2025-03-15T00:00:00"' in text
    assert "2025-03-15" in text.split("'{", maxsplit=1)[0] + text.rsplit("}'", maxsplit=1)[-1]


def test_types_come_from_a_file(tmp_path: Path) -> None:
    types = tmp_path / "types.csv"
    types.write_text("column_name,data_type\nunit_id,bigint\nvariant,varchar\nfulfilled,boolean\n")
    text = printed("--dialect", "trino", "--table", "sessions", "--types", types)
    head = " ".join(text.replace("\n-- ", " ").split())
    assert "unit_id BIGINT, variant VARCHAR, fulfilled BOOLEAN." in head
    assert "session_id" not in text


def test_wrong_calls_are_told(log: Path, tmp_path: Path) -> None:
    both = run("--dialect", "duckdb", "--table", "t", "--types", log, "--like", log)
    assert isinstance(both.exception, SettingsError)
    assert "Give one of them" in str(both.exception)
    missing = run("--dialect", "duckdb", "--table", "t", "--like", log)
    assert isinstance(missing.exception, TableError)
    assert "'fulfilled' is missing" in str(missing.exception)
    assert run("--dialect", "oracle", "--table", "t").exit_code == 2
    odd = tmp_path / "types.json"
    odd.write_text('{"unit_id": "WOMBAT", "variant": "STRING", "fulfilled": "INT64"}')
    unknown = run("--dialect", "bigquery", "--table", "t", "--types", odd)
    assert isinstance(unknown.exception, InputError)
    assert "'WOMBAT' of column 'unit_id' is unknown in bigquery" in str(unknown.exception)
