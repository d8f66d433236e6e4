"""Queries: what they ask for, and how people type it."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.world.attributes import (
    DETAILS,
    INTERESTS,
    NONE,
    OCCASIONS,
    STYLES,
    SUBJECTS,
    Interest,
)
from relevance.world.attributes import details_of as possible_details
from relevance.world.config import LANGUAGES, WorldConfig, stream
from relevance.world.grading import ATTRIBUTES
from relevance.world.phrases import Chooser, Meaning, typed
from relevance.world.vocabulary import vocabulary

ASKS: tuple[tuple[float, str], ...] = (
    (0.34, "style"),
    (0.16, "style occasion"),
    (0.16, "style detail"),
    (0.10, ""),
    (0.10, "occasion"),
    (0.10, "detail"),
    (0.04, "occasion detail"),
)
"""What queries ask for beside their subject, and how often."""

_ATTEMPTS = 200


def make_queries(config: WorldConfig) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The queries of every country.

    Returns:
        The table `queries` (with `shopping_interest`, 0-1), and its attributes: `query_id` and the
        codes of `grading.ATTRIBUTES`.
    """
    rows: list[tuple[object, ...]] = []
    meanings: list[Meaning] = []
    for country, number in config.queries.items():
        rng = stream(config.seed, f"queries/{country}")
        texts = _texts(Chooser(rng), LANGUAGES[country], number)
        traffic = _traffic(rng, number)
        for place, (text, meaning) in enumerate(texts):
            interest = _interest(place)
            shopping = float(np.clip(rng.normal(interest.shopping, 0.1), 0, 1))
            query_id = f"{country.lower()}-{place + 1:04d}"
            row = (query_id, text, country, LANGUAGES[country], interest.name)
            rows.append((*row, float(traffic[place]), round(shopping, 3)))
            meanings.append(meaning)
    schema = ["query_id", "text", "country", "language", "segment", "traffic", "shopping_interest"]
    queries = pl.DataFrame(rows, schema=schema, orient="row")
    return queries, _attribute_frame(queries["query_id"], meanings)


def any_meaning(choose: Chooser, interest_number: int, asks: str) -> Meaning:
    """A random subject of an interest with random values of the attributes that `asks` names."""
    interest = INTERESTS[interest_number]
    subject = choose.pick(choose.pick(interest.subjects))
    return Meaning(
        SUBJECTS.index(subject),
        STYLES.index(choose.pick(interest.styles)) if "style" in asks else NONE,
        DETAILS.index(choose.pick(possible_details(subject))) if "detail" in asks else NONE,
        OCCASIONS.index(choose.pick(interest.occasions)) if "occasion" in asks else NONE,
    )


def _interest(place: int) -> Interest:
    return INTERESTS[place % len(INTERESTS)]


def _texts(choose: Chooser, language: str, number: int) -> list[tuple[str, Meaning]]:
    words = vocabulary(language)
    kinds, weights = [asks for _, asks in ASKS], np.cumsum([share for share, _ in ASKS])
    texts: dict[str, Meaning] = {}
    asked: set[Meaning] = set()
    while len(texts) < number:
        for attempt in range(_ATTEMPTS):
            asks = kinds[int(np.searchsorted(weights, choose.uniform() * weights[-1]))]
            meaning = any_meaning(choose, len(texts) % len(INTERESTS), asks)
            text = typed(meaning, words, choose)
            if text not in texts and (meaning not in asked or attempt > _ATTEMPTS // 2):
                break
        texts[text] = meaning
        asked.add(meaning)
    return list(texts.items())


def _traffic(rng: np.random.Generator, number: int) -> NDArray[np.float64]:
    """Searches in the period: a Zipf-like tail, in random order."""
    ranks = rng.permutation(number) + 1
    searches = 20_000 / ranks**0.9 * rng.lognormal(0, 0.2, number)
    return np.asarray(np.rint(searches).clip(50))


def _attribute_frame(ids: pl.Series, meanings: list[Meaning]) -> pl.DataFrame:
    codes = pl.DataFrame(meanings, schema=dict.fromkeys(ATTRIBUTES, pl.Int64), orient="row")
    return pl.DataFrame([ids]).hstack(codes)
