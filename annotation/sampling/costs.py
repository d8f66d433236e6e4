"""What drawn pairs cost: judgments and minutes, with hidden gold questions and repeats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.sampling.overlap import Overlap
from annotation.sampling.pace import Pace
from relevance.errors import InputError

Floats = NDArray[np.float64]


def part_of(pairs: int, share: float) -> int:
    """A share of some pairs in whole ones: no more than the share, but one at least."""
    return max(int(share * pairs + 1e-9), 1) if share and pairs else 0


@dataclass(frozen=True, slots=True)
class Hidden:
    """Gold questions of a locale: a share of its pairs, or a fixed number.

    Attributes:
        share: Of the locale's new pairs.
        number: Whatever the locale's pairs are.
    """

    share: float = 0.0
    number: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1 or self.number < 0:
            raise InputError(
                f"gold questions are a number or a share below 1, got {self.share or self.number}"
            )

    def wanted(self, pairs: int) -> int:
        """Gold questions among so many pairs of a locale; none where nothing is asked."""
        return part_of(pairs, self.share) + self.number if pairs else 0


@dataclass(frozen=True, slots=True)
class Costs:
    """What a pair costs.

    Attributes:
        overlap: Opinions a pair.
        pace: Seconds a judgment.
        gold: Hidden questions with known answers.
        repeats: Share of the pairs that are asked a second time.
    """

    overlap: Overlap = field(default_factory=Overlap)
    pace: Pace = field(default_factory=Pace)
    gold: Hidden = field(default_factory=Hidden)
    repeats: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.repeats < 1:
            raise InputError(f"repeats are a share of the pairs below 1, got {self.repeats:g}")

    def minutes(self, languages: pl.Series, strata: pl.Series) -> Floats:
        """(N,) expected minutes of pairs, each with its share of gold questions and repeats."""
        more = 1.0 + self.gold.share + self.repeats
        return self.judged(languages, strata) * more

    def judged(self, languages: pl.Series, strata: pl.Series) -> Floats:
        """(N,) minutes that the judgments of pairs take."""
        seconds = _looked_up(languages, self.pace.of)
        return seconds * _looked_up(strata, self.overlap.of) / 60.0

    def reserved(self, rows: pl.DataFrame) -> float:
        """Minutes of a group's gold questions of a fixed number, one such number a locale."""
        if not self.gold.number:
            return 0.0
        locales = rows.select("country", "language").unique()
        minutes = self.judged(locales["language"], locales["country"])
        return float(minutes.sum()) * self.gold.number


def _looked_up(keys: pl.Series, value_of: Callable[[str], float]) -> Floats:
    """(N,) a value for each text."""
    names = keys.unique()
    found = {name: float(value_of(name)) for name in names.to_list()}
    return np.asarray(keys.replace_strict(found, return_dtype=pl.Float64).to_numpy())


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a draw costs in a country.

    Attributes:
        country: The country; `all` for all of them.
        queries: Queries with a drawn pair.
        pairs: Pairs that people are to grade, without gold questions and repeats.
        known: Drawn pairs that were graded or drawn before: they cost nothing.
        gold: Hidden questions.
        repeats: Pairs asked again.
        judgments: All opinions.
        minutes: They take.
    """

    country: str
    queries: int
    pairs: int
    known: int
    gold: int
    repeats: int
    judgments: int
    minutes: float


def bills(
    samples: pl.DataFrame, known: pl.DataFrame, queries: pl.DataFrame, pace: Pace
) -> list[Bill]:
    """What drawn pairs cost, by country and, if there are several, in all.

    Args:
        samples: Rows to be sent: query_id, pin_id, draw and overlap.
        known: query_id of the drawn pairs that cost nothing.
        queries: Table `queries`.
        pace: Seconds a judgment.
    """
    texts = [
        (pl.col(n).cast(pl.String).fill_null("") if n in queries.columns else pl.lit("")).alias(n)
        for n in ("country", "language")
    ]
    where = queries.select("query_id", *texts)
    sent = samples.select("query_id", "draw", "overlap").join(where, on="query_id")
    minutes = _looked_up(sent["language"], pace.of) * sent["overlap"].to_numpy() / 60.0
    sent = sent.with_columns(pl.Series("minutes", minutes))
    free = known.select("query_id").join(where, on="query_id")
    names = sorted({*sent["country"].to_list(), *free["country"].to_list()})
    rows = [
        _bill(name, sent.filter(pl.col("country") == name), free.filter(pl.col("country") == name))
        for name in names
    ]
    return [*rows, _bill("all", sent, free)] if len(rows) > 1 else rows


def _bill(country: str, sent: pl.DataFrame, free: pl.DataFrame) -> Bill:
    extra = {draw: sent.filter(pl.col("draw") == draw).height for draw in ("gold", "repeat")}
    asked = sent.filter(~pl.col("draw").is_in(list(extra)))
    return Bill(
        country=country,
        queries=pl.concat([asked["query_id"], free["query_id"]]).n_unique(),
        pairs=asked.height,
        known=free.height,
        gold=extra["gold"],
        repeats=extra["repeat"],
        judgments=int(sent["overlap"].sum()),
        minutes=float(sent["minutes"].sum()),
    )
