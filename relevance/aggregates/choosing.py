"""Counted phrases → the few that a Pin's text shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import polars as pl

from relevance.aggregates.config import AggregateConfig
from relevance.aggregates.counting import Counted
from relevance.aggregates.phrases import FUNCTION_WORDS
from relevance.tokens import code_terms

SEPARATOR = " · "
_LONGER_SHARE = 0.5
"""A phrase gives way to a longer one that holds it and that this share of its users wrote."""

_PINS_TO_TELL = 20
"""Pins of a language from which on a word can be called generic."""


class _Phrase(NamedTuple):
    """A phrase of one Pin."""

    phrase: str
    score: float
    users: int
    n_units: int
    terms: frozenset[int]


def choose(counted: Counted, config: AggregateConfig) -> pl.DataFrame:
    """The phrases of each Pin, best first.

    A phrase's score is the number of its users times the mean rarity of its words,
    ln(1 + Pins of the language / Pins with the word); so generic words fall. A phrase whose words
    were all said is left out. Ties go to more users, more words, then the alphabet.

    Args:
        counted: The counts.
        config: How many to show, and which words are generic.

    Returns:
        pin_id, text (phrases with ` · ` between) and phrases (how many), by pin_id; only Pins that
        have one.
    """
    rows = _scored(counted, config)
    terms = _terms(rows["phrase"])
    texts: list[tuple[str, str, int]] = []
    columns = ("pin_id", "phrase", "score", "users", "n_units")
    for (pin_id,), of in rows.select(columns).group_by("pin_id", maintain_order=True):
        phrases = [
            _Phrase(phrase, score, users, n_units, terms[phrase])
            for _, phrase, score, users, n_units in of.iter_rows()
        ]
        chosen = _greedy(_without_parts(phrases), config.top)
        texts.append((str(pin_id), SEPARATOR.join(chosen), len(chosen)))
    schema = {"pin_id": pl.String, "text": pl.String, "phrases": pl.Int64}
    return pl.DataFrame(texts, schema=schema, orient="row").sort("pin_id")


def _scored(counted: Counted, config: AggregateConfig) -> pl.DataFrame:
    """pin_id, phrase, score, users, n_units; best first, each phrase of a Pin once."""
    used = counted.phrases.join(counted.pins, on="phrase_id", how="semi")
    words = (
        used.select("phrase_id", "group", "units")
        .with_columns(place=pl.int_ranges(pl.col("units").list.len()))
        .explode("units", "place", empty_as_null=False)
        .join(_rarity(counted.phrases, config), on=["group", "units"], how="left")
        .with_columns(
            # a word that no text can show (a number, a letter) is as common as can be
            pl.col("rarity").fill_null(math.log(2)),
            empty=pl.col("generic").fill_null(value=False)
            | pl.col("units").is_in(sorted(FUNCTION_WORDS)),
        )
        .sort("phrase_id", "place")
        .group_by("phrase_id", maintain_order=True)
        .agg(
            pl.col("rarity").mean(),
            n_units=pl.len().cast(pl.Int64),
            empty=pl.col("empty").first() | pl.col("empty").last(),
        )
        .join(used.select("phrase_id", "phrase", "group"), on="phrase_id")
    )
    return (
        counted.pins.join(words.filter(~pl.col("empty")), on="phrase_id")
        .with_columns(score=(pl.col("users") * pl.col("rarity")).round(9))
        .sort(
            ["pin_id", "score", "users", "n_units", "phrase", "group"],
            descending=[False, True, True, True, False, False],
        )
        .unique(["pin_id", "phrase"], keep="first", maintain_order=True)
    )


def _rarity(phrases: pl.DataFrame, config: AggregateConfig) -> pl.DataFrame:
    """How rare each word is among the Pins of its language, and whether it is generic."""
    return phrases.select(
        "group",
        pl.col("phrase").alias("units"),
        rarity=(1 + pl.col("of") / pl.col("pins")).log(),
        generic=(pl.col("of") >= _PINS_TO_TELL)
        & (pl.col("pins") >= config.generic_share * pl.col("of")),
    )


def _terms(phrases: pl.Series) -> dict[str, frozenset[int]]:
    """The folded terms of each phrase: singular and plural, with and without accents, are one."""
    distinct = phrases.unique()
    if distinct.is_empty():
        return {}
    _, (coded,) = code_terms([distinct])
    of: list[set[int]] = [set() for _ in range(len(distinct))]
    for row, code in zip(coded.rows.tolist(), coded.codes.tolist(), strict=True):
        of[row].add(code)
    return {text: frozenset(codes) for text, codes in zip(distinct, of, strict=True)}


def _without_parts(phrases: Sequence[_Phrase]) -> list[_Phrase]:
    """The phrases but those that a longer one, written by about as many, holds."""
    return [
        one
        for one in phrases
        if not any(
            other.n_units > one.n_units
            and other.users >= _LONGER_SHARE * one.users
            and _holds(other.phrase, one.phrase)
            for other in phrases
        )
    ]


def _holds(longer: str, part: str) -> bool:
    at = longer.find(part)
    if at < 0:
        return False
    end = at + len(part)
    inside = (longer[at - 1 : at] if at else "") + longer[end : end + 1]
    # within a word it is another word; scripts without blanks have no such bounds
    return not (inside.isascii() and any(one.isalnum() for one in inside)) or not part.isascii()


def _greedy(phrases: Iterable[_Phrase], top: int) -> list[str]:
    chosen: list[str] = []
    said: set[int] = set()
    for one in phrases:
        if len(chosen) == top:
            break
        if one.terms and one.terms <= said:
            continue
        chosen.append(one.phrase)
        said |= one.terms
    return chosen
