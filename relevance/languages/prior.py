"""What languages people search in, by country: what decides where a short text does not."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import polars as pl

from relevance.errors import InputError, TableError
from relevance.languages.scripts import primary

Prior = Mapping[str, Mapping[str, float]]
"""Country → language → share of the searches."""

OTHERS = 0.05
"""Probability left to the languages that a country's shares do not name."""

_WEIGHT = 20  # searches that the built-in shares count for beside those of the data


@functools.cache
def built_in() -> Prior:
    """Rough shares for some fifty countries, rounded; `read_prior` takes better ones."""
    file = resources.files("relevance.languages") / "countries.csv"
    return _prior(pl.read_csv(file.read_bytes()))


def read_prior(path: Path) -> Prior:
    """Shares from a CSV file with the columns country, language and share.

    Raises:
        TableError: A column is missing or a share is not a number in (0, 1].
    """
    from relevance.formats import read_text

    text = read_text(path, "write a CSV file with the columns country,language,share")
    try:
        frame = pl.read_csv(text.encode(), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise TableError(f"this is no CSV file ({error})", path=path) from None
    missing = {"country", "language", "share"} - set(frame.columns)
    if missing:
        raise TableError(
            f"columns are missing: {', '.join(sorted(missing))}",
            path=path,
            way_out="It needs country,language,share",
        )
    shares = frame["share"].cast(pl.Float64, strict=False)
    wrong = (~((shares > 0) & (shares <= 1))).fill_null(value=True).arg_true()
    if len(wrong):
        line = int(wrong[0])
        raise TableError(
            "share must be a number above 0, up to 1",
            path=path,
            line=line + 2,
            column="share",
            value=frame["share"][line],
        )
    return _prior(frame.with_columns(shares))


def learn_prior(countries: pl.Series, languages: pl.Series, start: Prior) -> Prior:
    """The shares of rows whose language is known, mixed with `start` as if that were 20 rows.

    Args:
        countries: (n,) countries.
        languages: (n,) languages; rows where either is null do not count.
        start: What is believed before.

    Returns:
        The shares of every country of either.
    """
    counted = (
        pl.DataFrame({"country": countries, "language": languages})
        .drop_nulls()
        .group_by("country", "language")
        .len()
    )
    learned = {country: dict(shares) for country, shares in start.items()}
    for (country,), rows in counted.group_by("country"):
        before = start.get(str(country).upper(), {})
        weights = {language: share * _WEIGHT for language, share in before.items()}
        for language, count in rows.select("language", "len").iter_rows():
            weights[primary(language)] = weights.get(primary(language), 0.0) + count
        total = sum(weights.values())
        learned[str(country).upper()] = {one: weight / total for one, weight in weights.items()}
    return learned


def weigh(prior: Prior, country: str | None, among: Sequence[str]) -> list[float] | None:
    """The prior probability of each language of `among` in a country; None if nothing is known.

    Languages that the country's shares do not name have `OTHERS` between them.
    """
    shares = prior.get(country.strip().upper()) if country else None
    if not shares or not among:
        return None
    weights = [shares.get(primary(language), 0.0) + OTHERS / len(among) for language in among]
    total = sum(weights)
    return [weight / total for weight in weights]


def _prior(frame: pl.DataFrame) -> Prior:
    prior: dict[str, dict[str, float]] = {}
    for country, language, share in frame.select("country", "language", "share").iter_rows():
        if not country or not language:
            raise InputError("a share without country or language. Fill both columns")
        of = prior.setdefault(str(country).strip().upper(), {})
        of[primary(str(language))] = float(share)
    return prior
