"""Texts that people give a Pin: the boards they save it to, the queries they engage with it for.

Both are made from logs: in a window of time that ends before the labels, of phrases that enough
users wrote, the telling ones first, generic words last.
"""

from __future__ import annotations

import polars as pl

from relevance.aggregates.choosing import SEPARATOR, choose
from relevance.aggregates.config import AggregateConfig, Counts
from relevance.aggregates.counting import count_phrases
from relevance.aggregates.logs import BOARDS, ENGAGEMENTS, Log, events_of, open_log
from relevance.errors import InputError
from relevance.progress import Progress, silent

__all__ = [
    "BOARDS",
    "ENGAGEMENTS",
    "SEPARATOR",
    "AggregateConfig",
    "Counts",
    "Log",
    "aggregate",
    "open_log",
    "with_texts",
]


def aggregate(
    lazy: pl.LazyFrame,
    log: Log,
    config: AggregateConfig | None = None,
    *,
    without: pl.DataFrame | None = None,
    progress: Progress = silent,
) -> tuple[pl.DataFrame, Counts]:
    """The text of each Pin from a log.

    Args:
        lazy: The log, as `open_log` gives it.
        log: `BOARDS` or `ENGAGEMENTS`.
        config: Window and thresholds.
        without: pin_id and text of queries whose engagements do not count, so that a judged query
            never tells its own Pin.
        progress: Told of parts of the log done.

    Returns:
        pin_id, text (phrases with ` · ` between, best first) and phrases (how many), by pin_id,
        only of Pins that have one; and how much of the log that is.

    Raises:
        InputError: An action is asked for that the log does not have.

    Example:
        >>> from datetime import UTC, datetime
        >>> save = {"pin_id": "p", "board_title": "Home office ideas", "language": "en",
        ...         "saved_at": datetime(2026, 1, 1, tzinfo=UTC)}
        >>> log = pl.DataFrame([{**save, "user_id": str(user)} for user in range(12)]).lazy()
        >>> aggregate(log, BOARDS)[0].row(0)
        ('p', 'home office ideas', 1)
    """
    config = config or AggregateConfig()
    events = events_of(lazy, log, config, without)
    counted = count_phrases(events, config, progress)
    texts = choose(counted, config)
    return texts, Counts(
        n_events=events.n_events,
        n_counted=events.n_counted,
        n_pins=counted.n_pins,
        n_with_text=texts.height,
        n_phrases=counted.n_phrases,
        n_private=counted.n_private,
        since=events.since,
        until=events.until,
    )


def with_texts(pins: pl.DataFrame, texts: pl.DataFrame, log: Log) -> pl.DataFrame:
    """The Pins with the log's feature replaced: null for a Pin of which the log tells nothing.

    Args:
        pins: Table `pins`.
        texts: What `aggregate` made.
        log: What it was made from.

    Raises:
        InputError: No Pin of the texts is among the Pins.
    """
    if texts.height and not texts["pin_id"].is_in(pins["pin_id"].implode()).any():
        raise InputError(
            f"none of the {texts.height} Pins of the {log.table} is among the Pins "
            f"({texts['pin_id'][0]!r}, for one). Give the log of these Pins"
        )
    text = texts.select("pin_id", pl.col("text").alias(log.feature))
    order = list(dict.fromkeys([*pins.columns, log.feature]))
    joined = pins.drop(log.feature, strict=False).join(
        text, on="pin_id", how="left", maintain_order="left"
    )
    return joined.select(order)
