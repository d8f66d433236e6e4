"""The query that makes the table of moments, in the SQL of another engine.

It is the expression that runs here on DuckDB, compiled by Ibis, so that all engines count alike.
BigQuery, Snowflake and Trino cannot be run here: their text is parsed again in their dialect, its
columns are compared with those that `read_moments` wants, and a comment says "not run here".
"""

from __future__ import annotations

import importlib.metadata
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import sqlglot
from sqlglot import exp

from evaluation.sessions.column_types import assumed_types, column_type, shown_type
from evaluation.sessions.engines import DIALECTS, Dialect
from evaluation.sessions.expression import cells_of_table
from evaluation.sessions.log import SessionLog
from evaluation.sessions.moments import cell_schema
from evaluation.sessions.saved import definition
from relevance.errors import InputError, SettingsError, did_you_mean


def moments_sql(
    dialect: str, table: str, log: SessionLog, *, types: Mapping[str, str] | None = None
) -> str:
    """The query that makes the table of moments of a session table, with a comment above.

    Args:
        dialect: Key of `DIALECTS`.
        table: Name of the session table there, qualified as its engine does it.
        log: Which columns mean what.
        types: Column → type, in the dialect's words or Ibis'; None for the session table of
            gradewise (`TYPES`) with the columns that the log names beside.

    Returns:
        One statement, ended by a semicolon.

    Raises:
        SettingsError: There is no such dialect, or the table's name is none.
        InputError: A type is unknown, or the dialect cannot say what is asked.
        TableError: The log needs a column that `types` has not.
    """
    if dialect not in DIALECTS:
        near = did_you_mean(dialect, DIALECTS)
        raise SettingsError(f"no dialect is called {dialect!r}.{near} Use {', '.join(DIALECTS)}")
    chosen = DIALECTS[dialect]
    source = _source(chosen, table, types if types is not None else assumed_types(log))
    expression = _expression(_in_utc(chosen, source, log), log)
    text = _compiled(chosen, expression, source)
    parsed = _check(chosen, text, expression.columns)
    return f"{_comment(chosen, table, parsed, source)}\n{text};\n"


def _expression(table: Any, log: SessionLog) -> Any:
    """The cells of a table that cannot be asked, with the definition beside."""
    cells, by = cells_of_table(table, log)
    columns = cells.select(*cell_schema(len(log.outcomes), len(by)))
    return columns.mutate(definition=ibis.literal(definition(log, by)))


@dataclass(frozen=True, slots=True)
class _Source:
    """A session table that cannot be looked at: where it is, and its columns as they are there."""

    place: tuple[str, str, str]
    schema: Mapping[str, Any]

    @property
    def table(self) -> Any:
        """It as an Ibis table."""
        catalog, database, name = self.place
        where = {"catalog": catalog} if catalog else {}
        where |= {"database": database} if database else {}
        return ibis.table(dict(self.schema), name=name, **where)

    @property
    def texts(self) -> set[str]:
        """Columns that hold text."""
        return {name for name, kind in self.schema.items() if kind.is_string()}


def _source(dialect: Dialect, table: str, types: Mapping[str, str]) -> _Source:
    kinds = {name: column_type(dialect, name, kind) for name, kind in types.items()}
    folded = {_folded(dialect, name): kind for name, kind in kinds.items()}
    return _Source(_place(dialect, table), folded)


def _in_utc(dialect: Dialect, source: _Source, log: SessionLog) -> Any:
    """The table under the log's names, its times in UTC without a zone."""
    table = source.table
    return table.select(
        **{
            _label(dialect, name, log): _utc(dialect, table[name], kind)
            for name, kind in source.schema.items()
        }
    )


def _place(dialect: Dialect, table: str) -> tuple[str, str, str]:
    """Catalog, database and name of a table; empty where they are not said."""
    try:
        parsed = sqlglot.to_table(table, dialect=dialect.grammar)
    except sqlglot.errors.SqlglotError:
        parsed = None
    parts = [parsed.args.get(part) for part in ("catalog", "db", "this")] if parsed else []
    # What cannot be parsed comes back as one quoted name; quotes are the user's to write.
    quotes = any(quote in table for quote in '"`')
    odd = [part for part in parts if isinstance(part, exp.Identifier) and part.quoted]
    if (
        not parts
        or not isinstance(parts[2], exp.Identifier)
        or "\n" in table
        or (odd and not quotes)
    ):
        raise SettingsError(f"--table {table!r} is not the name of a table. Write schema.table")
    catalog, database, name = (
        _folded(dialect, f'"{part.name}"' if part.quoted else part.name) if part else ""
        for part in parts
    )
    return catalog, database, name


def _folded(dialect: Dialect, name: str) -> str:
    """A name as the engine stores it: Snowflake knows names without quotes in upper case."""
    if len(name) > 2 and name[0] == name[-1] == '"':
        return name[1:-1]
    return name.upper() if dialect.name == "snowflake" else name


def _label(dialect: Dialect, name: str, log: SessionLog) -> str:
    """The name by which the log means a column."""
    bare = name.strip('"')
    if dialect.name != "snowflake":
        return bare
    spelled = {word.lower(): word for word in _named(log)}
    return spelled.get(bare.lower(), bare.lower())


def _named(log: SessionLog) -> list[str]:
    """Columns that a log names itself."""
    roles = (log.unit, log.variant, log.session, log.started_at, log.exposed_at, *log.by)
    measured = (name for outcome in log.outcomes for name in outcome.columns)
    return [name for name in (*roles, *measured) if name]


def _utc(dialect: Dialect, column: Any, kind: Any) -> Any:
    """A time without zone that is UTC; anything else as it is."""
    if not kind.is_timestamp():
        return column
    if kind.timezone is not None and dialect.name in _CONVERSIONS:
        column = _CONVERSIONS[dialect.name](column)
    return column.cast("timestamp")


_ZONED = "timestamp('UTC')"


@ibis.udf.scalar.builtin(name="at_timezone", signature=((_ZONED, "string"), _ZONED))  # type: ignore[untyped-decorator]
def _at_timezone(time: Any, zone: Any) -> Any:  # Trino: a plain cast drops the zone instead
    ...


@ibis.udf.scalar.builtin(name="convert_timezone", signature=(("string", _ZONED), _ZONED))  # type: ignore[untyped-decorator]
def _convert_timezone(zone: Any, time: Any) -> Any:  # Snowflake: likewise
    ...


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "trino": lambda column: _at_timezone(column, "UTC"),
    "snowflake": lambda column: _convert_timezone("UTC", column),
}


def _compiled(dialect: Dialect, expression: Any, source: _Source) -> str:
    """The expression as text of the dialect."""
    if ibis.options.pyspark is None:  # set by the driver, which writing text does not need
        ibis.options.pyspark = _SparkOptions()
    try:
        text = str(ibis.to_sql(expression, dialect=dialect.compiler))
    except ibis.common.exceptions.IbisError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"this analysis cannot be said in {dialect.name} ({reason})") from error
    parsed = sqlglot.parse_one(text, read=dialect.grammar)
    if dialect.name == "postgres":
        _compare_bytes(parsed, source)
    elif dialect.name == "bigquery":
        _put_nulls_last(parsed)
    elif dialect.name in _TIMES:
        _name_times(parsed, dialect)
    else:
        return text
    return str(parsed.sql(dialect=dialect.grammar, pretty=True))


_TIMES = {"trino": "TIMESTAMP(6)", "snowflake": "TIMESTAMP_NTZ"}
"""What a time without zone is called where plain TIMESTAMP may mean another, or milliseconds."""


def _name_times(parsed: exp.Expr, dialect: Dialect) -> None:
    """Says which kind of TIMESTAMP is meant."""
    for found in list(parsed.find_all(exp.DataType)):
        if found.this == exp.DataType.Type.TIMESTAMP and not found.expressions:
            found.replace(exp.DataType.build(_TIMES[dialect.name], dialect=dialect.grammar))


def _compare_bytes(parsed: exp.Expr, source: _Source) -> None:
    """Has the table's texts ordered by bytes, as everywhere else, not by the locale's rules."""
    name = source.place[2]
    aliases = {table.alias for table in parsed.find_all(exp.Table) if table.name == name}
    for column in list(parsed.find_all(exp.Column)):
        if column.table not in aliases or column.name not in source.texts:
            continue
        order = exp.to_identifier("C", quoted=True)
        text = exp.Collate(this=exp.cast(column.copy(), "text"), expression=order)
        shown = isinstance(column.parent, exp.Select)
        column.replace(exp.alias_(text, column.name, quoted=True) if shown else text)


def _put_nulls_last(parsed: exp.Expr) -> None:
    """Has windows ordered with null last, as everywhere else, not first."""
    for window in list(parsed.find_all(exp.Window)):
        order = window.args.get("order")
        if order is None:
            continue
        for key in list(order.expressions):
            null = exp.Is(this=key.this.copy(), expression=exp.Null())
            order.append("expressions", null)
            order.append("expressions", key.pop())


class _SparkOptions(ibis.config.Config):  # type: ignore[misc]
    treat_nan_as_null: bool = False


def _check(dialect: Dialect, text: str, columns: Sequence[str]) -> exp.Expr:
    """The text parsed again in its dialect.

    Raises:
        InputError: It is not one query that gives these columns.
    """
    try:
        statements = sqlglot.parse(text, read=dialect.grammar)
    except sqlglot.errors.SqlglotError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the query does not parse as {dialect.name} ({reason})") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise InputError(f"the text for {dialect.name} is not one query")
    if [name.lower() for name in statements[0].named_selects] != [c.lower() for c in columns]:
        raise InputError(f"the query for {dialect.name} does not give the columns of moments")
    return statements[0]


def _comment(dialect: Dialect, table: str, parsed: exp.Expr, source: _Source) -> str:
    """What stands above the query: what it is, what it takes for granted, what to do with it."""
    read = {column.name for column in parsed.find_all(exp.Column)}
    columns = ", ".join(
        f"{name} {shown_type(dialect, kind)}"
        for name, kind in source.schema.items()
        if name in read
    )
    version = importlib.metadata.version("gradewise")
    tested = "run in its tests" if dialect.run_here else "parsed in its tests, not run here"
    said = [
        "Moments of an experiment: one row per variant, groups, day and contamination.",
        f"Generated by gradewise {version} for {dialect.name}; {tested}.",
        f"Table {table}, whose columns are taken to be {columns}.",
        "Say otherwise with --types FILE or --like FILE.",
    ]
    if dialect.utc:
        said.append(f"Times are UTC if the session's time zone is: {dialect.utc}")
    said.append("Save this text as moments.sql, then:")
    lines = [line for text in said for line in textwrap.wrap(text, 96, break_long_words=False)]
    result = "moments" if dialect.name == "spark" else "moments.csv"
    lines += [f"  {dialect.export}", f"  gradewise experiment analyze --moments {result}"]
    return "\n".join(f"-- {line}" for line in lines)
