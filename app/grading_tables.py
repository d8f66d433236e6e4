"""Reads what a workspace holds of human grading: progress, annotators, adjudication, disputes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from relevance.provenance import read_provenance

JUDGMENTS, REPEATS, SAMPLES, QUERIES, QRELS, GRADERS, QUEUE, RULINGS, REJECTED = (
    "judgments.parquet",
    "repeats.parquet",
    "samples.parquet",
    "queries.parquet",
    "qrels.parquet",
    "results-graders.parquet",
    "queue-senior.parquet",
    "rulings.parquet",
    "judgments-rejected.jsonl",
)
FILES = (JUDGMENTS, REPEATS, SAMPLES, QUERIES, QRELS, GRADERS, QUEUE, RULINGS, REJECTED)
"""Files of a workspace that are read here, where they are."""

SHOWN = 10
"""Disputes that are shown one by one."""

ALL = "all"
_PAIR = ["query_id", "pin_id"]
_GRADED = [*_PAIR, "grade"]
_QUERY = dict.fromkeys(("query_id", "text", "country"), pl.String)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far grading is in a country.

    Attributes:
        country: The country; `all` for all of them.
        drawn: Pairs drawn for grading; None where no samples tell.
        graded: Pairs with a grade.
        judgments: Judgments, abstentions included, repeats not.
        repeats: Judgments of pairs that were shown a second time.
        rejected: What was set aside.
        adjudicated: Pairs with a trusted grade.
        sure: Those of them whose posterior is in no doubt; None where they have none.
    """

    country: str
    drawn: int | None = None
    graded: int = 0
    judgments: int = 0
    repeats: int = 0
    rejected: int = 0
    adjudicated: int = 0
    sure: int | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """What an adjudicator settled.

    Attributes:
        name: The method; all seniors' rulings are one.
        pairs: Pairs it settled.
        certainty: Mean probability of the grades it chose; None without a posterior.
        sure: Pairs whose posterior is in no doubt; None without a posterior.
    """

    name: str
    pairs: int
    certainty: float | None
    sure: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disputes:
    """What waits for a senior.

    Attributes:
        waiting: Pairs without a ruling.
        ruled: Pairs of the queue that have one.
        minutes: Expected time of the waiting ones.
        first: The first of them: query_id, pin_id, text, country, reason, worth, seconds.
    """

    waiting: int
    ruled: int
    minutes: float
    first: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """Human grading in a workspace; what is not there is empty, or None.

    Attributes:
        progress: All countries together, then each; empty without judgments.
        reasons: Why judgments were set aside → how many, the most frequent first.
        graders: Rows of `results-graders`, as `annotation.graders.rows.flat` gives them.
        level: Confidence level of their intervals.
        methods: Who settled the trusted grades, by number of pairs.
        doubt: Bits of entropy from which a posterior is in doubt.
        disputes: The seniors' queue; None if none was made.
        problems: File → why it is there but cannot be read.
    """

    progress: tuple[Progress, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    graders: tuple[Mapping[str, Any], ...] = ()
    level: float | None = None
    methods: tuple[Method, ...] = ()
    doubt: float | None = None
    disputes: Disputes | None = None
    problems: Mapping[str, str] = field(default_factory=dict)


def read_grading(root: Path) -> Grading:
    """What the workspace's files say; one that cannot be read counts as missing, with its reason.

    Args:
        root: Folder of the workspace.
    """
    files = _Files(root)
    known = files.read(QUERIES, _queries)
    queries = pl.DataFrame(schema=_QUERY) if known is None else known
    judgments = files.read(JUDGMENTS, lambda path: pl.read_parquet(path, columns=_GRADED))
    rejected, qrels = files.read(REJECTED, _rejected), files.read(QRELS, _qrels)
    graders, queue = files.read(GRADERS, pl.read_parquet), files.read(QUEUE, pl.read_parquet)
    rulings = files.read(RULINGS, lambda path: pl.read_parquet(path, columns=_GRADED))
    doubt = None if qrels is None else _doubt(qrels)
    parts = {
        "drawn": files.read(SAMPLES, lambda path: pl.read_parquet(path, columns=_PAIR).unique()),
        "graded": None if judgments is None else judgments.drop_nulls("grade").unique(_PAIR),
        "judgments": judgments,
        "repeats": files.read(REPEATS, lambda path: pl.read_parquet(path, columns=_PAIR)),
        "rejected": rejected,
        "adjudicated": qrels,
        "sure": None if doubt is None or qrels is None else qrels.filter("sure"),
    }
    codes = Counter() if rejected is None else Counter(rejected["reason"].to_list())
    return Grading(
        progress=() if judgments is None else _progress(parts, queries),
        reasons=dict(codes.most_common()),
        graders=() if graders is None else tuple(graders.to_dicts()),
        level=_level(root / GRADERS),
        methods=() if qrels is None else _methods(qrels),
        doubt=doubt,
        disputes=None if queue is None else _disputes(queue, rulings, queries),
        problems=files.problems,
    )


class _Files:
    """Files of a workspace, and why some cannot be read."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.problems: dict[str, str] = {}

    def read(self, name: str, how: Callable[[Path], pl.DataFrame]) -> pl.DataFrame | None:
        path = self._root / name
        if not path.exists():
            return None
        try:
            return how(path)
        except (pl.exceptions.PolarsError, OSError, KeyError, ValueError) as error:
            first_line = (str(error).splitlines() or [""])[0]
            self.problems[name] = f"{name} cannot be read: {first_line.rstrip('.')}."
            return None


def _queries(path: Path) -> pl.DataFrame:
    """query_id, text, country (empty where unknown)."""
    frame = pl.read_parquet(path)
    country = pl.col("country") if "country" in frame.columns else pl.lit("")
    return frame.select("query_id", "text", country.cast(pl.String).fill_null("").alias("country"))


def _rejected(path: Path) -> pl.DataFrame:
    """query_id, pin_id and reason, without what is particular to one judgment."""
    from annotation.sync.settle import reason_code

    empty = pl.DataFrame(schema=dict.fromkeys((*_PAIR, "reason"), pl.String))
    if not path.stat().st_size:
        return empty
    frame = pl.read_ndjson(path, schema=empty.schema, ignore_errors=False)
    reasons = [reason_code(reason) for reason in frame["reason"]]
    return frame.with_columns(pl.Series("reason", reasons, dtype=pl.String))


def _qrels(path: Path) -> pl.DataFrame:
    """query_id, pin_id, method, certainty, sure, doubt; the latter null without a posterior."""
    frame = pl.read_parquet(path)
    levels = [name for name in frame.columns if re.fullmatch(r"p\d+", name)]
    method = pl.col("method").fill_null("") if "method" in frame.columns else pl.lit("")
    found: tuple[str | pl.Expr, ...] = (*_PAIR, method.cast(pl.String).alias("method"))
    if not levels:
        unknown = (pl.lit(None, pl.Float64).alias(name) for name in ("certainty", "doubt"))
        return frame.select(*found, *unknown, pl.lit(None, pl.Boolean).alias("sure"))
    bits = pl.sum_horizontal(
        pl.when(pl.col(name) > 0).then(-pl.col(name) * pl.col(name).log(2.0)).otherwise(0.0)
        for name in levels
    )
    bar = _doubtful_from(len(levels))
    return frame.select(
        *found,
        pl.max_horizontal(levels).alias("certainty"),
        (bits < bar).alias("sure"),
        pl.lit(bar).alias("doubt"),
    )


def _doubtful_from(levels: int) -> float:
    from annotation.queue.senior import doubtful_from

    return doubtful_from(levels)


def _doubt(qrels: pl.DataFrame) -> float | None:
    return qrels["doubt"][0] if qrels.height else None


def _progress(
    parts: Mapping[str, pl.DataFrame | None], queries: pl.DataFrame
) -> tuple[Progress, ...]:
    """All together, then each country that is known."""
    there = {name: frame for name, frame in parts.items() if frame is not None}
    where = queries.select("query_id", "country")
    counts = {
        name: dict(
            frame.select("query_id")
            .join(where, on="query_id")
            .group_by("country")
            .len()
            .iter_rows()
        )
        for name, frame in there.items()
    }
    names = sorted({country for found in counts.values() for country in found if country})
    total = Progress(country=ALL, **{name: frame.height for name, frame in there.items()})
    each = (
        Progress(country=name, **{part: found.get(name, 0) for part, found in counts.items()})
        for name in names
    )
    return (total, *each)


def _methods(qrels: pl.DataFrame) -> tuple[Method, ...]:
    """Who settled how many pairs."""
    ruled = pl.col("method").str.starts_with("ruling(")
    figures = (pl.len().alias("pairs"), pl.col("certainty").mean(), pl.col("sure").sum())
    rows = (
        qrels.with_columns(
            pl.when(ruled).then(pl.lit("ruling")).otherwise("method").alias("method")
        )
        .group_by("method")
        .agg(*figures)
        .sort(["pairs", "method"], descending=[True, False])
    )
    return tuple(
        Method(name, pairs, certainty, None if certainty is None else sure)
        for name, pairs, certainty, sure in rows.iter_rows()
    )


def _disputes(queue: pl.DataFrame, rulings: pl.DataFrame | None, queries: pl.DataFrame) -> Disputes:
    """The queue without what has been ruled since."""
    waiting = queue
    if rulings is not None:
        waiting = queue.join(rulings.drop_nulls("grade"), on=_PAIR, how="anti")
    first = waiting.head(SHOWN).join(queries, on="query_id", how="left", maintain_order="left")
    return Disputes(
        waiting=waiting.height,
        ruled=queue.height - waiting.height,
        minutes=float(waiting["seconds"].sum()) / 60,
        first=tuple(first.to_dicts()),
    )


def _level(path: Path) -> float | None:
    made = read_provenance(path) if path.exists() else None
    config = (made or {}).get("config")
    found = config.get("level") if isinstance(config, dict) else None
    return float(found) if isinstance(found, int | float) else None
