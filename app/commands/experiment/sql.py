"""`gradewise experiment sql`: the query that makes the moments where the log is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.commands.experiment.options import (
    BeforeSuffixOption,
    ByOption,
    EndOption,
    ExperimentOption,
    ExposedAtOption,
    GuardrailOption,
    MetricOption,
    OutcomeOption,
    PerUserOption,
    SequentialOption,
    SessionOption,
    StartedAtOption,
    StartOption,
    UnitOption,
    VariantOption,
    experiment_config,
)
from relevance.errors import SettingsError


class SqlDialect(StrEnum):
    """Engines whose SQL can be written."""

    BIGQUERY = "bigquery"
    SNOWFLAKE = "snowflake"
    TRINO = "trino"
    POSTGRES = "postgres"
    SPARK = "spark"
    DUCKDB = "duckdb"


def sql(
    *,
    dialect: Annotated[SqlDialect, typer.Option(help="Engine that the log is in.")],
    table: Annotated[
        str, typer.Option(help="Session table there, such as project.dataset.sessions.")
    ],
    types: Annotated[
        Path | None,
        typer.Option(
            help="Columns and types of the table: the JSON of bq show --schema, or a CSV of "
            "column_name, data_type (default: the session table of gradewise)."
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(help="A sample of the table (Parquet or CSV) to take the types from instead."),
    ] = None,
    unit: UnitOption = None,
    variant: VariantOption = None,
    outcome: OutcomeOption = None,
    metric: MetricOption = None,
    guardrail: GuardrailOption = None,
    by: ByOption = None,
    session: SessionOption = None,
    started_at: StartedAtOption = None,
    exposed_at: ExposedAtOption = None,
    experiment: ExperimentOption = None,
    start: StartOption = None,
    end: EndOption = None,
    per_user: PerUserOption = None,
    before_suffix: BeforeSuffixOption = None,
    sequential: SequentialOption = None,
) -> None:
    """Prints the query that makes the moments of an experiment where its log is.

    Example: gradewise experiment sql --dialect bigquery --table shop.web.sessions --by country

    Its result is a small table, whatever the size of the log: one row per variant, group and day.
    Export it and read it with gradewise experiment analyze --moments FILE. The query is the one
    that runs here on DuckDB, written in the other dialect; a comment above it says what to do.
    """
    from evaluation.sessions.column_types import like_types, read_types
    from evaluation.sessions.dialects import moments_sql

    if types is not None and like is not None:
        raise SettingsError("--types and --like both say the columns. Give one of them")
    config = experiment_config(
        unit=unit,
        variant=variant,
        outcome=outcome,
        metrics=metric,
        guardrails=guardrail,
        by=by,
        session=session,
        started_at=started_at,
        exposed_at=exposed_at,
        experiment=experiment,
        start=start,
        end=end,
        per_user=per_user,
        before_suffix=before_suffix,
        sequential=sequential,
    )
    columns = None
    if types is not None:
        columns = read_types(types)
    elif like is not None:
        columns = like_types(like, config.log)
    typer.echo(moments_sql(dialect.value, table, config.log, types=columns), nl=False)
