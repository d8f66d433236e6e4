"""Which pair goes to which project, and in which order. Pure.

One project per locale and purpose. A pair that wants more annotators than its round gives is also
sent to a second project, `extra+1`, `extra+2`, … by how many more, because Label Studio has one
overlap a project. What a pair was given in such projects before counts; if it wants as many more
once again, that is `extra+1/2`. A pair drawn as a `repeat` is shown once more, under another key.
The order of the tasks is shuffled, so that a place in it tells nothing about why a pair was drawn.
"""

from __future__ import annotations

import hmac
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from annotation.sync.store import EXTRA, GRADE, REPEAT, SENIOR
from annotation.tasks import locale_of
from relevance.errors import InputError, did_you_mean

Json = dict[str, Any]

OVERLAPS: Mapping[str, int] = {GRADE: 3, EXTRA: 1, SENIOR: 1}
"""Purposes that pairs can be pushed for, and how many people grade a pair if nobody says."""


@dataclass(frozen=True, slots=True)
class Showing:
    """One pair that is shown once.

    Attributes:
        query: Row of `queries`.
        pin: Row of `pins`.
        draw: Why it was drawn.
    """

    query: Json
    pin: Json
    draw: str

    @property
    def query_id(self) -> str:
        """The query."""
        return str(self.query["query_id"])

    @property
    def pin_id(self) -> str:
        """The Pin."""
        return str(self.pin["pin_id"])

    @property
    def salt(self) -> int:
        """1 where a pair is shown again, 0 otherwise."""
        return int(self.draw == REPEAT)


@dataclass(frozen=True, slots=True)
class Round:
    """What one project gets.

    Attributes:
        locale: Locale of its queries.
        purpose: `grade`, `extra`, `extra+1`, `extra+1/2`, … or `senior`.
        overlap: How many people grade each of its pairs.
        showings: Its pairs, in the order they are sent.
    """

    locale: str
    purpose: str
    overlap: int
    showings: tuple[Showing, ...]


def rounds(
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    samples: pl.DataFrame,
    *,
    purpose: str,
    overlap: Callable[[str, int | None], int],
    given: Mapping[tuple[str, str], Mapping[str, int]],
    secret: bytes,
) -> list[Round]:
    """The projects that samples go to, by locale and purpose, each pair once a showing.

    Args:
        queries: Table `queries`; must hold every query of the samples.
        pins: Table `pins`; must hold every Pin of the samples.
        samples: query_id, pin_id; draw and overlap where there are any.
        purpose: One of `OVERLAPS`.
        overlap: Locale, and the fewest people that one of its samples wants (None where one does
            not say) → how many people grade each pair.
        given: (query_id, pin_id) → further projects it was sent to before, with their overlap.
        secret: Seeds the shuffling.

    Raises:
        InputError: A query or Pin is missing, or the purpose is unknown.
    """
    if purpose not in OVERLAPS:
        raise InputError(
            f"purpose {purpose!r} is unknown; there are {', '.join(OVERLAPS)}."
            f"{did_you_mean(purpose, OVERLAPS)}"
        )
    if purpose == GRADE and "judged" in samples.columns:  # graded before the draw: paid already
        samples = samples.filter(~pl.col("judged").fill_null(value=False))
    asked = _rows(queries, "query_id", samples, "queries")
    shown = _rows(pins, "pin_id", samples, "pins")
    locales = {query_id: locale_of(query) for query_id, query in asked.items()}
    found: dict[tuple[str, str, int], list[Showing]] = {}
    showings = _showings(samples)
    wishes: dict[str, list[int | None]] = {}
    for query_id, _, draw, wanted in showings:
        if draw != REPEAT:
            wishes.setdefault(locales[query_id], []).append(wanted)
    bases = {name: overlap(name, _fewest(wishes.get(name, []))) for name in set(locales.values())}
    for query_id, pin_id, draw, wanted in showings:
        locale = locales[query_id]
        base = 1 if purpose == SENIOR else bases[locale]
        showing = Showing(asked[query_id], shown[pin_id], draw)
        found.setdefault((locale, purpose, base), []).append(showing)
        if purpose != SENIOR and draw != REPEAT:
            known = {k: n for k, n in given.get((query_id, pin_id), {}).items() if k != purpose}
            for name, people in _further(known, (wanted or base) - base).items():
                found.setdefault((locale, name, people), []).append(showing)
    return [
        Round(locale, name, people, _shuffled(showings, secret, locale, name))
        for (locale, name, people), showings in sorted(found.items())
    ]


def _fewest(wishes: list[int | None]) -> int | None:
    """The fewest people that a sample wants; None if one wants as many as the project has."""
    known = [people for people in wishes if people is not None]
    return min(known) if known and len(known) == len(wishes) else None


def _further(given: Mapping[str, int], wanted: int) -> dict[str, int]:
    """The projects for `wanted` more annotators: those it is in, and one for the rest."""
    projects = {name: people for name, people in given.items() if name != EXTRA}
    rest = wanted - sum(given.values())
    if rest > 0:
        name, again = f"{EXTRA}+{rest}", 1
        while name in projects:
            again += 1
            name = f"{EXTRA}+{rest}/{again}"
        projects[name] = rest
    return projects


def _showings(samples: pl.DataFrame) -> list[tuple[str, str, str, int | None]]:
    """query_id, pin_id, draw, overlap: each pair once, and once more if it is to be repeated."""
    draw = pl.col("draw") if "draw" in samples.columns else pl.lit("")
    wanted = pl.col("overlap") if "overlap" in samples.columns else pl.lit(None, pl.Int64)
    told = samples.select(
        "query_id",
        "pin_id",
        draw.fill_null("").alias("draw"),
        wanted.cast(pl.Int64).alias("overlap"),
    )
    again = told.with_columns((pl.col("draw") == REPEAT).alias("again"))
    once = again.group_by("query_id", "pin_id", "again").agg(
        pl.col("draw").first(), pl.col("overlap").max()
    )
    ordered = once.sort("query_id", "pin_id", "again")
    return ordered.select("query_id", "pin_id", "draw", "overlap").rows()


def _shuffled(
    showings: list[Showing], secret: bytes, locale: str, purpose: str
) -> tuple[Showing, ...]:
    seed = hmac.digest(secret, f"order\0{locale}\0{purpose}".encode(), "sha256")
    order = list(showings)
    random.Random(seed).shuffle(order)  # noqa: S311 - hides nothing but an order
    return tuple(order)


def _rows(frame: pl.DataFrame, name: str, samples: pl.DataFrame, kind: str) -> dict[str, Json]:
    missing = samples.join(frame, on=name, how="anti")
    if missing.height:
        raise InputError(
            f"{missing[name].n_unique()} {name} of the samples are not in {kind}, such as "
            f"{missing[name][0]!r}. Push samples drawn from these {kind}"
        )
    needed = frame.join(samples.select(name), on=name, how="semi")
    return {str(row[name]): row for row in needed.iter_rows(named=True)}
