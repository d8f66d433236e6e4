"""The engines that `experiment sql` writes for, and how each gives its result back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """An engine whose SQL is written.

    Attributes:
        name: As `--dialect` and the comment call it.
        compiler: Ibis' name of it.
        grammar: sqlglot's name of it.
        run_here: Whether tests run its text and compare the cells.
        export: What runs the text and leaves a file that `analyze --moments` reads.
        utc: What makes a session's time zone UTC; empty where times do not depend on it.
    """

    name: str
    compiler: str
    grammar: str
    run_here: bool
    export: str
    utc: str


DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            "bigquery",
            "bigquery",
            "bigquery",
            run_here=False,
            export=(
                "bq query --nouse_legacy_sql --format=csv --max_rows=1000000 < moments.sql "
                "> moments.csv"
            ),
            utc="",
        ),
        Dialect(
            "snowflake",
            "snowflake",
            "snowflake",
            run_here=False,
            export=(
                "snowsql -o output_format=csv -o header=true -o timing=false -o friendly=false "
                "-f moments.sql > moments.csv"
            ),
            utc="ALTER SESSION SET TIMEZONE = 'UTC'",
        ),
        Dialect(
            "trino",
            "trino",
            "trino",
            run_here=False,
            export=("trino --timezone=UTC --output-format=CSV_HEADER -f moments.sql > moments.csv"),
            utc="SET TIME ZONE 'UTC'",
        ),
        Dialect(
            "postgres",
            "postgres",
            "postgres",
            run_here=True,
            export="PGTZ=UTC psql --csv --quiet -f moments.sql DATABASE > moments.csv",
            utc="SET TIME ZONE 'UTC'",
        ),
        Dialect(
            "spark",
            "pyspark",
            "spark",
            run_here=True,
            export=(
                'in Python: spark.sql(open("moments.sql").read()).coalesce(1)'
                '.write.parquet("moments")'
            ),
            utc="SET TIME ZONE 'UTC'",
        ),
        Dialect(
            "duckdb",
            "duckdb",
            "duckdb",
            run_here=True,
            export=(
                "duckdb -csv -cmd \"SET TimeZone = 'UTC'\" LOG.duckdb < moments.sql > moments.csv"
            ),
            utc="SET TimeZone = 'UTC'",
        ),
    )
}
"""Engines that `sql` writes for."""
