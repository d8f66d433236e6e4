"""Events → how many users wrote which phrase, on each Pin and at all; exact.

The log is gone through in buckets, first of texts, then of Pins, so that at most about
`rows_at_once` events are in memory; the different texts and their phrases are, too. What most
users do (one query a Pin) is counted by text; only the others are taken one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from relevance.aggregates.config import AggregateConfig
from relevance.aggregates.logs import Events
from relevance.aggregates.phrases import groups_of, phrases_of
from relevance.progress import Progress

_TEXT = ["text", "language"]


@dataclass(frozen=True, slots=True)
class Counted:
    """Phrases with their counts; a phrase in two languages is two.

    Attributes:
        pins: One row a Pin and phrase that enough users wrote: pin_id, phrase_id, users, events.
        phrases: Those that may be shown: phrase_id, group (language, else script), phrase, units
            (its words), pins (on how many Pins), of (how many Pins the group has).
        n_pins: Pins with an event.
        n_phrases: Different phrases of all events.
        n_private: Those that fewer than `privacy_users` wrote.
    """

    pins: pl.DataFrame
    phrases: pl.DataFrame
    n_pins: int
    n_phrases: int
    n_private: int


@dataclass(frozen=True, slots=True)
class _Dictionary:
    """The different texts of a log and the phrases in them.

    Attributes:
        texts: text_id, text, language (null for unknown), group, users.
        phrases: phrase_id, group, phrase, units.
        within: text_id, phrase_id.
    """

    texts: pl.DataFrame
    phrases: pl.DataFrame
    within: pl.DataFrame


def count_phrases(events: Events, config: AggregateConfig, progress: Progress) -> Counted:
    """Counts the phrases of a log.

    Args:
        events: What counts of the log.
        config: Thresholds, and how many events to hold at once.
        progress: Told of buckets done.
    """
    buckets = max(1, -(-events.n_counted // config.rows_at_once))
    texts = []
    for bucket in range(buckets):
        texts.append(_texts(_bucket(events.lazy, "text", bucket, buckets)))
        progress(bucket + 1, 2 * buckets, "texts")
    known = _dictionary(pl.concat(texts), config)
    public = _public(events.lazy, known, config.privacy_users)
    shown = known.within.join(public, on="phrase_id", how="semi")
    parts = []
    for bucket in range(buckets):
        rows = _bucket(events.lazy, "pin_id", bucket, buckets)
        parts.append(_count_pins(_events(rows, known), shown, known.texts, config))
        progress(buckets + bucket + 1, 2 * buckets, "Pins")
    of = pl.concat(part.groups for part in parts).group_by("group").agg(pl.col("of").sum())
    spread = (
        pl.concat(part.spread for part in parts).group_by("phrase_id").agg(pl.col("pins").sum())
    )
    return Counted(
        pins=pl.concat(part.pins for part in parts),
        phrases=known.phrases.join(spread, on="phrase_id").join(of, on="group"),
        n_pins=sum(part.n_pins for part in parts),
        n_phrases=known.phrases.height,
        n_private=known.phrases.height - public.height,
    )


def _bucket(lazy: pl.LazyFrame, by: str, bucket: int, buckets: int) -> pl.LazyFrame:
    if buckets == 1:
        return lazy
    return lazy.filter(pl.col(by).hash(seed=0) % buckets == bucket)


def _texts(rows: pl.LazyFrame) -> pl.DataFrame:
    """text, language and how many different users wrote it."""
    users = pl.col("user_id").n_unique().cast(pl.Int64).alias("users")
    return rows.group_by(_TEXT).agg(users).collect(engine="streaming")


def _dictionary(texts: pl.DataFrame, config: AggregateConfig) -> _Dictionary:
    distinct = texts.select(pl.col("text").unique())["text"]
    scripts = pl.DataFrame({"text": distinct, "script": groups_of(distinct)})
    numbered = (
        texts.join(scripts, on="text")
        .with_columns(group=pl.coalesce("language", "script", pl.lit("")))
        .drop("script")
        .with_row_index("text_id")
    )
    found = phrases_of(distinct, config.words).join(
        numbered.select("text", "text_id", "group"), on="text"
    )
    phrases = (
        found.select("group", "phrase", "units")
        .unique(["group", "phrase"], keep="any")
        .with_row_index("phrase_id")
    )
    within = found.select("text_id", "group", "phrase").join(
        phrases.drop("units"), on=["group", "phrase"]
    )
    return _Dictionary(numbered, phrases, within.select("text_id", "phrase_id"))


def _public(lazy: pl.LazyFrame, known: _Dictionary, least: int) -> pl.DataFrame:
    """phrase_id of the phrases that at least so many different users wrote.

    One text that enough wrote makes its phrases public; too few writers of all texts together
    leave a phrase private; only between the two the users themselves must be compared.
    """
    bounds = (
        known.within.join(known.texts.select("text_id", "users"), on="text_id")
        .group_by("phrase_id")
        .agg(low=pl.col("users").max(), high=pl.col("users").sum())
    )
    sure = bounds.filter(pl.col("low") >= least).select("phrase_id")
    open_ = bounds.filter(pl.col("low") < least, pl.col("high") >= least)
    within = known.within.join(open_, on="phrase_id", how="semi")
    texts = known.texts.join(within, on="text_id", how="semi")
    pairs = (
        lazy.join(texts.lazy().select("text_id", *_TEXT), on=_TEXT, nulls_equal=True)
        .select("text_id", "user_id")
        .unique()
        .collect(engine="streaming")
    )
    compared = (
        pairs.join(within, on="text_id")
        .group_by("phrase_id")
        .agg(users=pl.col("user_id").n_unique())
        .filter(pl.col("users") >= least)
    )
    return pl.concat([sure, compared.select("phrase_id")])


def _events(rows: pl.LazyFrame, known: _Dictionary) -> pl.DataFrame:
    """pin_id, user (a number) and text_id of some Pins, with the number of events."""
    ids = known.texts.lazy().select("text_id", *_TEXT)
    return (
        rows.join(ids, on=_TEXT, nulls_equal=True)
        .select("pin_id", "text_id", user=pl.col("user_id").hash(seed=1))
        .group_by("pin_id", "user", "text_id")
        .agg(events=pl.len().cast(pl.Int64))
        .collect(engine="streaming")
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """The counts of one bucket of Pins; see `Counted`."""

    pins: pl.DataFrame
    spread: pl.DataFrame
    groups: pl.DataFrame
    n_pins: int


def _count_pins(
    rows: pl.DataFrame, shown: pl.DataFrame, texts: pl.DataFrame, config: AggregateConfig
) -> _Part:
    pins = rows.select(pl.col("pin_id").unique()).with_row_index("pin")
    coded = rows.join(pins, on="pin_id").drop("pin_id")
    groups = (
        coded.select("pin", "text_id").unique().join(texts.select("text_id", "group"), on="text_id")
    )
    counted = _users_of(coded, shown)
    enough = counted.filter(
        pl.col("users") >= config.min_users, pl.col("events") >= config.min_events
    )
    return _Part(
        pins=enough.join(pins, on="pin").select("pin_id", "phrase_id", "users", "events"),
        spread=counted.group_by("phrase_id").agg(pins=pl.len().cast(pl.Int64)),
        groups=groups.group_by("group").agg(of=pl.col("pin").n_unique().cast(pl.Int64)),
        n_pins=pins.height,
    )


def _users_of(coded: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """pin, phrase_id, users and events of all phrases that may be shown."""
    several = pl.len().over("pin", "user") > 1
    split = coded.with_columns(several=several)
    once = (
        split.filter(~pl.col("several"))
        .group_by("pin", "text_id")
        .agg(users=pl.len().cast(pl.Int64), events=pl.col("events").sum())
        .join(shown, on="text_id")
    )
    often = (
        split.filter("several")
        .join(shown, on="text_id")
        .group_by("pin", "user", "phrase_id")
        .agg(pl.col("events").sum())
        .with_columns(users=pl.lit(1, dtype=pl.Int64))
    )
    columns = ("pin", "phrase_id", "users", "events")
    return (
        pl.concat([once.select(columns), often.select(columns)])
        .group_by("pin", "phrase_id")
        .agg(pl.col("users").sum(), pl.col("events").sum())
    )
