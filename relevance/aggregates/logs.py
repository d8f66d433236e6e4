"""Logs of saves and engagements, however large, as lazy frames of what counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from relevance.aggregates.config import AggregateConfig
from relevance.aggregates.phrases import normal
from relevance.errors import InputError, MissingInputError, TableError, did_you_mean
from relevance.records import TABLES
from relevance.tables import read_table


@dataclass(frozen=True, slots=True)
class Log:
    """A table that texts are made from.

    Attributes:
        table: Key of `relevance.records.TABLES`.
        text: Its column of titles or queries.
        time: Its column of times.
        feature: The column of Pins that is made from it.
    """

    table: str
    text: str
    time: str
    feature: str


BOARDS = Log("board_saves", "board_title", "saved_at", "board_titles")
ENGAGEMENTS = Log("engagements", "query", "engaged_at", "engaged_queries")


def open_log(path: Path, log: Log) -> pl.LazyFrame:
    """The log at `path`: Parquet files are streamed, other formats read and checked whole.

    Args:
        path: A file of any format of tables, or a folder of Parquet files.
        log: What it is.

    Raises:
        MissingInputError: Nothing is there.
        TableError: A column is missing or of the wrong type.
    """
    if path.is_dir():
        if not any(path.glob("*.parquet")):
            raise MissingInputError(path / "*.parquet", f"exporting your {log.table}")
        lazy = pl.scan_parquet(path / "*.parquet")
    elif _is_parquet(path):
        lazy = pl.scan_parquet(path)
    else:
        return read_table(path, log.table).lazy()
    return _conform(lazy, path, log)


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return False  # whoever reads it says what is wrong


def _conform(lazy: pl.LazyFrame, path: Path, log: Log) -> pl.LazyFrame:
    schema = lazy.collect_schema()
    wanted = [column for column in TABLES[log.table].columns if column.name in schema]
    for column in TABLES[log.table].columns:
        if not column.optional and column.name not in schema:
            near = did_you_mean(column.name, schema)
            raise TableError(
                f"column {column.name} is missing.{near}",
                path=path,
                way_out=f"It has {', '.join(schema)}",
            )
    time = schema[log.time]
    if time != pl.Date and not isinstance(time, pl.Datetime):
        raise TableError(
            f"{log.time} must be a column of times, got {time}",
            path=path,
            way_out="Export it as a timestamp",
        )
    return lazy.select(
        *(pl.col(column.name).cast(pl.String) for column in wanted if column.type == "text"),
        _utc(pl.col(log.time), time).alias(log.time),
    )


@dataclass(frozen=True, slots=True)
class Events:
    """The events of a log that count.

    Attributes:
        lazy: pin_id, user_id, text (as `phrases.normal` makes it) and language.
        n_events: Events of the log.
        n_counted: Rows of `lazy`.
        since: Start of the window; None for an empty log.
        until: Its end (not in it).
    """

    lazy: pl.LazyFrame
    n_events: int
    n_counted: int
    since: datetime | None
    until: datetime | None


def events_of(
    lazy: pl.LazyFrame, log: Log, config: AggregateConfig, without: pl.DataFrame | None
) -> Events:
    """What counts of a log: in the window, of the actions, with user and text.

    Args:
        lazy: The log, as `open_log` gives it.
        log: What it is.
        config: Window and actions.
        without: pin_id and text (of a query) whose events do not count; None for none.

    Raises:
        InputError: An action is asked for that the log does not have.
    """
    columns = lazy.collect_schema().names()
    n_events, first, last = (
        lazy.select(
            pl.len(), pl.col(log.time).min().alias("first"), pl.col(log.time).max().alias("last")
        )
        .collect(engine="streaming")
        .row(0)
    )
    until = config.until or (last + timedelta(microseconds=1) if n_events and last else None)
    since = until - timedelta(days=config.days) if until else None
    kept = lazy
    if since is not None:
        kept = kept.filter(pl.col(log.time) >= since, pl.col(log.time) < until)
    if config.actions:
        kept = kept.filter(_acts(lazy, columns, config.actions))
    language = pl.col("language") if "language" in columns else pl.lit(None, dtype=pl.String)
    rows = kept.select(
        "pin_id", "user_id", normal(pl.col(log.text)).alias("text"), language.alias("language")
    ).drop_nulls(["pin_id", "user_id", "text"])
    if without is not None:
        judged = without.lazy().select("pin_id", normal(pl.col("text")).alias("text")).unique()
        rows = rows.join(judged, on=["pin_id", "text"], how="anti")
    counted = int(rows.select(pl.len()).collect(engine="streaming").item())
    return Events(
        rows, int(n_events), counted, max(since, first) if since and first else since, until
    )


def _acts(lazy: pl.LazyFrame, columns: list[str], actions: tuple[str, ...]) -> pl.Expr:
    """Rows of these actions.

    Raises:
        InputError: The log has no actions, or not one of these.
    """
    if "action" not in columns:
        raise InputError(
            f"the log has no column action to tell {', '.join(actions)} by. Leave out --actions"
        )
    there = lazy.select(pl.col("action").unique()).collect(engine="streaming").to_series()
    known = sorted(there.drop_nulls())
    for action in actions:
        if action not in known:
            raise InputError(
                f"no event of the log has the action {action!r}.{did_you_mean(action, known)} "
                f"It has {', '.join(known) or 'none'}"
            )
    return pl.col("action").is_in(actions)


def _utc(time: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return time.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return time.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
