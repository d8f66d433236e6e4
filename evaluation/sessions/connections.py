"""Moments of a log where it is: the expression runs there, and only its cells come here.

| URL | table |
|---|---|
| `duckdb://log.duckdb` | a table of that file, or a Parquet file |
| `postgres://user@host:5432/database` | a table, `schema.table` where needed |
| `pyspark://local[2]`, `pyspark://yarn`, `spark://host:7077` | a Parquet path or a table |

Options of the engine follow a question mark: `pyspark://local[2]?spark.driver.memory=8g`,
`postgres://host/database?sslmode=require`. A password stands in the URL or, better, where the
driver looks for it (`PGPASSWORD`, `~/.pgpass`); it is never shown. Time zones of all sessions are
UTC, so that a day is the same day everywhere.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import ibis
import polars as pl
import sqlglot
from sqlglot import exp

from evaluation.sessions.log import SessionLog, SessionMoments
from evaluation.sessions.moments import moments_of
from evaluation.sessions.normal import Opened
from relevance.errors import (
    InputError,
    MissingInputError,
    SettingsError,
    TableError,
    did_you_mean,
    require_extra,
)
from relevance.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log is.

    Attributes:
        scheme: Key of `SCHEMES`.
        rest: What follows `scheme://`, without options.
        options: Options of the engine.
        table: Name or path of the table.
    """

    scheme: str
    rest: str
    options: Mapping[str, str]
    table: str

    @property
    def shown(self) -> str:
        """The URL without a password, for messages."""
        user, at, host = self.rest.rpartition("@")
        return f"{self.scheme}://{user.partition(':')[0]}{at}{host}"


Connected = tuple[Any, Callable[[str], Sequence[Sequence[Any]]]]
"""A connection of Ibis, and what runs a query on it and gives the rows."""


def session_moments_at(
    url: str, table: str, log: SessionLog, *, progress: Progress | None = None
) -> SessionMoments:
    """Moments of a session log in a database, computed there.

    Args:
        url: Which engine, and where; see the table above.
        table: Name of the table there, or a Parquet path.
        log: Which columns mean what.
        progress: Told now and then how far it is.

    Raises:
        SettingsError: The URL is none of those above.
        MissingExtraError: The driver of the engine is not installed.
        MissingInputError: The file of the database is not there.
        InputError: The server cannot be reached, there is no Java, or no such table.
        TableError: A column is missing or holds values of the wrong kind.
    """
    place = parse_url(url, table)
    with warnings.catch_warnings(), SCHEMES[place.scheme](place) as (connection, rows_of):
        # Ibis 12 calls pandas and DuckDB in ways that their next versions drop.
        warnings.simplefilter("ignore", DeprecationWarning)

        def fetch(expression: Any, what: str) -> pl.DataFrame:
            (progress or silent)(0, 100, what)
            return _frame(rows_of(connection.compile(expression)), expression.schema())

        found, source = _session_table(connection, place), f"{place.table} in {place.shown}"
        return moments_of(Opened(found, fetch, source, source), log)


def parse_url(url: str, table: str) -> Place:
    """The parts of a URL.

    Raises:
        SettingsError: The scheme is unknown, or something is missing.
    """
    scheme, separator, rest = url.partition("://")
    scheme = _ALIASES.get(scheme, scheme)
    if scheme == "spark":  # a Spark master's own URL
        scheme, rest = "pyspark", url
    if not separator or scheme not in SCHEMES:
        near = did_you_mean(scheme, SCHEMES)
        ways = "duckdb://FILE, postgres://USER@HOST:PORT/DATABASE or pyspark://local[2]"
        raise SettingsError(f"no engine is reached by {scheme!r}.{near} Write {ways}")
    rest, _, query = rest.partition("?")
    if not table.strip():
        raise SettingsError(f"{scheme}:// needs the name of a table: --table NAME")
    return Place(scheme, rest, dict(parse_qsl(query, keep_blank_values=True)), table.strip())


@contextmanager
def _duckdb(place: Place) -> Iterator[Connected]:
    """A DuckDB file, opened to read."""
    import duckdb

    path = unquote(place.rest)
    if path and not Path(path).exists():
        raise MissingInputError(path, "DuckDB; give the path of its file as duckdb://FILE")
    with tempfile.TemporaryDirectory(prefix="gradewise-") as spill:
        given = {
            "temp_directory": spill,
            "preserve_insertion_order": False,
            "read_only": bool(path),
        }
        try:
            connection = ibis.duckdb.connect(path or ":memory:", **given | dict(place.options))
        except duckdb.Error as error:
            raise InputError(f"{place.shown} cannot be opened ({_line(error)})") from None
        try:
            connection.raw_sql("SET TimeZone = 'UTC'")
            yield connection, lambda query: connection.con.execute(query).fetchall()
        except duckdb.Error as error:
            raise _failed(place, error) from error
        finally:
            connection.disconnect()


@contextmanager
def _postgres(place: Place) -> Iterator[Connected]:
    """A PostgreSQL database, opened to read."""
    require_extra("psycopg", "postgres")
    import psycopg

    try:
        parts = urlsplit(f"//{place.rest}")
        port = parts.port
    except ValueError:
        # What the parser says may hold a part of a password.
        raise SettingsError(
            f"{place.shown}: host and port cannot be read. Write "
            "postgres://USER@HOST:PORT/DATABASE; in a password / is %2F, : is %3A, @ is %40"
        ) from None
    database, _, schema = parts.path.lstrip("/").partition("/")
    given: dict[str, Any] = {
        "host": parts.hostname,
        "port": port,
        "user": parts.username and unquote(parts.username),
        "password": parts.password and unquote(parts.password),
        "database": database or None,
        "schema": schema or None,
        "connect_timeout": "10",
        "options": "-c default_transaction_read_only=on",
    }
    try:
        connection = ibis.postgres.connect(**given | dict(place.options))
    except psycopg.Error as error:
        raise InputError(
            f"{place.shown} cannot be reached ({_line(error)}). Check host, port, database and "
            "user; a password is read from PGPASSWORD"
        ) from None
    try:
        yield connection, lambda query: connection.con.execute(query).fetchall()
    except psycopg.Error as error:
        raise _failed(place, error) from error
    finally:
        connection.disconnect()


@contextmanager
def _spark(place: Place) -> Iterator[Connected]:
    """A Spark session: the one that runs in this process already, or one of our own."""
    require_extra("pyspark", "spark")
    _require_java()
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    try:
        session = running or _spark_session(SparkSession.builder, place)
    except (PySparkException, OSError, RuntimeError) as error:
        raise InputError(
            f"{place.shown}: Spark does not start ({_line(error)}). Spark 4 needs Java 17 or 21: "
            "apt-get install openjdk-17-jre-headless, or set JAVA_HOME"
        ) from None
    try:
        yield ibis.pyspark.connect(session), lambda query: _collected(session.sql(query))
    except PySparkException as error:
        raise _failed(place, error) from error
    finally:
        if running is None:
            session.stop()


def _spark_session(builder: Any, place: Place) -> Any:
    """A session of our own; a local one keeps to this machine and to few small partitions."""
    options = {
        "spark.app.name": "gradewise",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.session.timeZone": "UTC",
    }
    if place.rest.startswith("local"):
        options |= {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.shuffle.partitions": "16",
        }
    for name, value in (options | dict(place.options)).items():
        builder = builder.config(name, value)
    return builder.master(place.rest or "local[*]").getOrCreate()


def _collected(frame: Any) -> Sequence[Sequence[Any]]:
    """Rows of a Spark frame; its times as they are in UTC, not in this machine's zone."""
    from pyspark.sql.functions import col
    from pyspark.sql.types import TimestampType

    columns = [
        col(f"`{field.name}`").cast("timestamp_ntz").alias(field.name)
        if isinstance(field.dataType, TimestampType)
        else col(f"`{field.name}`")
        for field in frame.schema.fields
    ]
    rows: Sequence[Sequence[Any]] = frame.select(*columns).collect()
    return rows


def _require_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java") or (home and (Path(home) / "bin" / "java").exists()):
        return
    raise InputError(
        "Spark needs Java, and there is none. apt-get install openjdk-17-jre-headless, or set "
        "JAVA_HOME"
    )


SCHEMES: Mapping[str, Callable[[Place], Any]] = {
    "duckdb": _duckdb,
    "postgres": _postgres,
    "pyspark": _spark,
}
"""Beginning of a URL → what opens the engine."""

_ALIASES = {"postgresql": "postgres"}


def _session_table(connection: Any, place: Place) -> Any:
    """The table of a place, as an Ibis table.

    Raises:
        MissingInputError: A path of this machine that is not there.
        InputError: There is no such table; names the nearest.
    """
    if _is_path(place):
        if "://" not in place.table and not Path(place.table).exists():
            raise MissingInputError(place.table, "gradewise demo (sessions.parquet)")
        return connection.read_parquet(place.table)
    database, _, name = place.table.rpartition(".")
    try:
        found = connection.table(name, database=database or None)
    except ibis.common.exceptions.TableNotFound as error:
        raise InputError(_no_table(connection, place, database, name)) from error
    return _by_bytes(connection, found, name, database) if place.scheme == "postgres" else found


def _is_path(place: Place) -> bool:
    if place.scheme == "postgres":
        return False
    text = place.table
    return text.endswith(".parquet") or "/" in text or Path(text).exists()


def _no_table(connection: Any, place: Place, database: str, name: str) -> str:
    """The message for a table that is not there."""
    where = f" in {database}" if database else ""
    if place.scheme == "duckdb":  # Ibis 12 lists them by a call that DuckDB 2 has dropped
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?"
        found = connection.con.execute(query, [database or "main"]).fetchall()
        names = sorted(row[0] for row in found)
    else:
        names = sorted(_listed(connection, database))
    near = did_you_mean(name, names)
    there = f"There are {', '.join(names[:20])}." if names else "There is none at all."
    return f"{place.shown}: no table is called {name!r}{where}. {there}{near}"


def _listed(connection: Any, database: str) -> list[str]:
    """Names of the tables there; none of a schema that is not there."""
    try:
        return list(connection.list_tables(database=database or None))
    except Exception:  # noqa: BLE001 - each driver has errors of its own, and this is for a hint
        return []


def _by_bytes(connection: Any, table: Any, name: str, database: str) -> Any:
    """The same table, its texts compared by bytes as everywhere else, not by the locale's order."""
    schema = table.schema()
    columns = [
        sqlglot.column(column, quoted=True)
        if not (kind.is_string() or kind.is_unknown())
        else sqlglot.parse_one(f'CAST({_quoted(column)} AS TEXT) COLLATE "C"', read="postgres").as_(
            column, quoted=True
        )
        for column, kind in schema.items()
    ]
    place = exp.to_identifier(database, quoted=True) if database else None
    query = sqlglot.select(*columns).from_(
        exp.Table(this=exp.to_identifier(name, quoted=True), db=place)
    )
    kinds = {column: "string" if k.is_unknown() else k for column, k in schema.items()}
    return connection.sql(query.sql("postgres"), schema=kinds)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _frame(rows: Sequence[Sequence[Any]], schema: Any) -> pl.DataFrame:
    """Rows of any engine as a frame of the types that the expression promises."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    series = []
    for (name, kind), values in zip(schema.items(), columns, strict=True):
        found = pl.Series(name, values, strict=False)
        timeless = not (kind.is_timestamp() or kind.is_unknown())
        series.append(found.cast(kind.to_polars()) if timeless else found)
    return pl.DataFrame(series)


def _failed(place: Place, error: Exception) -> TableError:
    """What an engine said while it worked, as an error of ours."""
    return TableError(
        f"{place.scheme} cannot work on it ({_line(error)})",
        path=f"{place.table} in {place.shown}",
        way_out="Check the columns' types, or name other columns",
    )


def _line(error: Exception) -> str:
    """The first line of what a driver says."""
    return next((line for line in str(error).strip().splitlines() if line.strip()), "no reason")
