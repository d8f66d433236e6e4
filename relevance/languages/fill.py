"""The missing languages of a table of queries or Pins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from relevance.errors import InputError
from relevance.languages.classify import identify, knows
from relevance.languages.prior import Prior, built_in, learn_prior
from relevance.progress import Progress, silent

THRESHOLD = 0.7
"""Probability below which a language is left empty."""

SOURCES = {
    "given": "it was there already",
    "script": "the script has one language here",
    "script+country": "the characters and the country",
    "model": "py3langid",
    "model+country": "py3langid and the country",
    "country": "the country alone",
}
"""Values of the column `language_source`, and what each means."""

_AUTHOR = (("title", "description"), ("link_title", "link_description"))
_SLICE = 20_000  # texts between two reports of progress
_COLUMNS = ("language", "language_probability", "language_source")


@dataclass(frozen=True, slots=True)
class Filled:
    """A table whose missing languages are filled in.

    Attributes:
        frame: The rows in their order, with language, language_probability (0-1; null for given
            and undetermined ones) and language_source (a key of `SOURCES`; null = undetermined).
        among: The languages chosen among.
        left_out: Languages of the table that cannot be told and were not chosen among.
        n_given: Rows that had a language.
        n_filled: Rows that have one now.
        n_undetermined: Rows that still have none.
    """

    frame: pl.DataFrame
    among: tuple[str, ...]
    left_out: tuple[str, ...]
    n_given: int
    n_filled: int
    n_undetermined: int


def fill_languages(
    frame: pl.DataFrame,
    *,
    among: Sequence[str] = (),
    prior: Prior | None = None,
    threshold: float = THRESHOLD,
    progress: Progress = silent,
) -> Filled:
    """The table with a language wherever one can be told; what is there stays.

    Args:
        frame: Table `queries` (read: text) or `pins` (read: title and description, else those of
            the linked page: captions and boards are other people's words), with language and
            country where known.
        among: The project's languages; empty = those of the table and of its countries.
        prior: Shares of languages by country; None = the built-in ones, corrected by the rows
            whose country and language are known.
        threshold: Smallest probability with which a language is filled in, 0-1.
        progress: Told of texts done.

    Raises:
        InputError: The threshold is outside 0-1, or there is nothing to tell the languages from.
        MissingExtraError: py3langid is needed and not installed.
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"the threshold must be 0-1, got {threshold}")
    language = _column(frame, "language")
    country = _column(frame, "country")
    shares = learn_prior(country, language, built_in()) if prior is None else prior
    chosen, left_out = (tuple(among), ()) if among else _own_languages(language, country, shares)
    missing = language.is_null()
    found = _identify(
        _texts(frame).filter(missing), country.filter(missing), chosen, shares, progress
    )
    sure = found["probability"] >= threshold
    found = found.select(
        pl.when(sure).then(pl.col(name)).alias(name)
        for name in ("language", "probability", "source")
    )
    filled = _merge(frame, language, found)
    return Filled(
        frame=filled,
        among=chosen,
        left_out=left_out,
        n_given=frame.height - int(missing.sum()),
        n_filled=found.height - found["language"].null_count(),
        n_undetermined=found["language"].null_count(),
    )


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    if name not in frame.columns:
        return pl.Series(name, [None] * frame.height, dtype=pl.String)
    values = frame[name].cast(pl.String).str.strip_chars()
    return values.set(values == "", None)


def _texts(frame: pl.DataFrame) -> pl.Series:
    if "text" in frame.columns:
        return frame["text"].fill_null("")
    parts = [
        pl.concat_str(there, separator=" ", ignore_nulls=True).str.strip_chars()
        for names in _AUTHOR
        if (there := [name for name in names if name in frame.columns])
    ]
    if not parts:
        raise InputError(
            "nothing to tell a language from: the table has neither text nor title or description"
        )
    filled = [pl.when(part != "").then(part) for part in parts]
    return frame.select(pl.coalesce(*filled, pl.lit("")).alias("text")).to_series()


def _own_languages(
    language: pl.Series, country: pl.Series, shares: Prior
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Languages of the table and of its countries that can be told, and those that cannot.

    Raises:
        InputError: There is none.
    """
    found = set(language.drop_nulls())
    for place in country.drop_nulls().unique():
        found |= set(shares.get(str(place).upper(), {}))
    told = tuple(sorted(one for one in found if knows(one)))
    if not told:
        raise InputError(
            "no row has a language, or a country whose languages are known. Name the project's "
            "languages, such as --languages en,fr,ja"
        )
    return told, tuple(sorted(found - set(told)))


def _identify(
    texts: pl.Series,
    countries: pl.Series,
    among: Sequence[str],
    prior: Prior,
    progress: Progress,
) -> pl.DataFrame:
    parts = []
    for start in range(0, max(len(texts), 1), _SLICE):
        part, places = texts[start : start + _SLICE], countries[start : start + _SLICE]
        parts.append(identify(part, among, countries=places, prior=prior))
        progress(start + len(part), len(texts))
    return pl.concat(parts)


def _merge(frame: pl.DataFrame, language: pl.Series, found: pl.DataFrame) -> pl.DataFrame:
    """The table with its three columns of languages; those of an earlier run stay."""
    sources = _column(frame, "language_source")
    given = pl.Series([None] * frame.height, dtype=pl.String).set(language.is_not_null(), "given")
    chances = (
        frame["language_probability"].cast(pl.Float64)
        if "language_probability" in frame.columns
        else pl.Series([None] * frame.height, dtype=pl.Float64)
    )
    rows = pl.DataFrame(
        {
            "language": language,
            "language_probability": chances.set(language.is_null(), None),
            "language_source": sources.set(language.is_null(), None).fill_null(given),
        }
    ).with_row_index("row")
    known, open_ = rows.filter(language.is_not_null()), rows.filter(language.is_null())
    answers = open_.select("row").hstack(
        found.rename({"probability": "language_probability", "source": "language_source"})
    )
    columns = pl.concat([known, answers]).sort("row").drop("row")
    return frame.drop(_COLUMNS, strict=False).hstack(columns)
