"""Texts of any language → terms: what matching counts.

Words of spaced scripts are terms: case, width and Latin accents folded, elisions (`l'eau` → `eau`)
and `'s` dropped, plurals led back to a singular that the same texts contain. Scripts written
without spaces (Han, kana, Hangul, Thai, …) give character bigrams within runs of one script, as
Lucene's CJK analyser does; a lone character is a term of its own, except a lone hiragana, which
is a particle or an inflection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー"
_START = rf"[\p{{L}}\p{{N}}--[{_UNSPACED}]]"
_INSIDE = rf"[\p{{L}}\p{{N}}\p{{M}}--[{_UNSPACED}]]*"
_RUNS = (
    r"\p{Han}+|[\p{Katakana}ー]+|\p{Hiragana}[\p{Hiragana}ー]*|\p{Hangul}+|\p{Thai}+|\p{Lao}+"
    r"|\p{Khmer}+|\p{Myanmar}+"
)
_ANY = rf"{_RUNS}|{_START}{_INSIDE}(?:['’]{_START}{_INSIDE})*"
_ASCII = r"[a-z0-9]+(?:'[a-z0-9]+)*"
_ELISION = r"^(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu)['’]|['’]s$"
_LETTERS = {"ø": "o", "đ": "d", "ł": "l", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i"}
_PLURALS = ((r"s$", ""), (r"es$", ""), (r"ies$", "y"), (r"x$", ""))


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a column of texts, one entry an occurrence, in no order.

    Attributes:
        rows: (n,) row of the text it occurs in.
        codes: (n,) its place in the vocabulary.
    """

    rows: NDArray[np.int32]
    codes: NDArray[np.int32]


def code_terms(columns: Sequence[pl.Series]) -> tuple[list[str], list[Terms]]:
    """The terms of several columns of texts, over one common vocabulary.

    Args:
        columns: Texts; null counts as empty.

    Returns:
        The vocabulary, and the terms of each column.
    """
    frames = [_raw(texts) for texts in columns]
    codes, tokens = _dense(pl.concat([frame["token"] for frame in frames]))
    places, terms = _dense(_singular(_fold(tokens)))
    coded = places[codes]
    ends = np.cumsum([frame.height for frame in frames])[:-1]
    parts = np.split(coded, ends)
    rows = [frame["row"].to_numpy() for frame in frames]
    return terms.to_list(), [Terms(row, part) for row, part in zip(rows, parts, strict=True)]


def terms_of(text: str) -> list[str]:
    """The terms of one text, sorted; a plural whose singular is not in the text stays a plural."""
    vocabulary, (terms,) = code_terms([pl.Series([text])])
    return sorted(vocabulary[code] for code in terms.codes)


def _raw(texts: pl.Series) -> pl.DataFrame:
    """Columns row (int32) and token: lower-case, not yet folded."""
    frame = pl.DataFrame({"row": pl.int_range(len(texts), dtype=pl.Int32, eager=True)})
    frame = frame.with_columns(texts.cast(pl.String).fill_null("").alias("text"))
    # most text is plain ASCII: the narrow pattern is several times faster than the one for scripts
    plain = pl.col("text").str.len_bytes() == pl.col("text").str.len_chars()
    ascii_rows, others = frame.filter(plain), frame.filter(~plain)
    parts = [_extract(ascii_rows, pl.col("text").str.to_lowercase(), _ASCII)]
    if others.height:
        text = pl.col("text").str.normalize("NFKC").str.to_lowercase()
        parts.append(_bigrams(_extract(others, text, _ANY)))
    return pl.concat(parts)


def _extract(frame: pl.DataFrame, text: pl.Expr, pattern: str) -> pl.DataFrame:
    tokens = frame.select("row", text.str.extract_all(pattern).alias("token"))
    return tokens.explode("token", empty_as_null=False)


def _bigrams(tokens: pl.DataFrame) -> pl.DataFrame:
    """Splits the runs of unspaced scripts."""
    length = pl.col("token").str.len_chars().cast(pl.Int32)
    unspaced = pl.col("token").str.contains(rf"^[{_UNSPACED}]")
    lone_hiragana = (length == 1) & pl.col("token").str.contains(r"^\p{Hiragana}")
    runs = tokens.filter(unspaced & ~lone_hiragana).with_columns(
        start=pl.int_ranges(0, pl.max_horizontal(length - 1, 1), dtype=pl.Int32)
    )
    pieces = runs.explode("start").select("row", pl.col("token").str.slice(pl.col("start"), 2))
    return pl.concat([tokens.filter(~unspaced), pieces])


def _dense(texts: pl.Series) -> tuple[NDArray[np.int32], pl.Series]:
    """Codes 0…n-1 of texts, and the distinct texts in the order of their codes."""
    values = texts.cast(pl.Categorical).to_physical().to_numpy()
    size = int(values.max()) + 1 if len(values) else 0
    # small integers, with holes: counting places beats sorting
    first = np.full(size, -1, dtype=np.int64)
    first[values[::-1]] = np.arange(len(values) - 1, -1, -1)
    used = np.flatnonzero(first >= 0)
    place = np.zeros(size, dtype=np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    return place[values], texts.gather(pl.Series(first[used]))


def _fold(tokens: pl.Series) -> pl.Series:
    """Elisions dropped, Latin, Greek and Cyrillic accents folded; done once per distinct token."""
    bare = tokens.str.replace_all(_ELISION, "").str.replace_all("['’]", "")
    # only U+0300–U+036F: taking every mark away would turn Japanese が into か
    flat = bare.str.normalize("NFD").str.replace_all("[\u0300-\u036f]", "").str.normalize("NFC")
    flat = flat.str.replace_many(list(_LETTERS), list(_LETTERS.values()))
    return flat.zip_with(flat != "", tokens)


def _singular(terms: pl.Series) -> pl.Series:
    """Plurals led back to the first singular among the terms themselves: flores → flor.

    English, French and Spanish in one: asking the texts for the singular needs no dictionary, and
    leaves `cactus`, `dress` and `Paris` alone.
    """
    known = terms.unique().implode()
    result = terms
    plural = terms.str.contains(r"^[a-z]{4,}$") & ~terms.str.ends_with("ss")
    for ending, replacement in reversed(_PLURALS):
        single = terms.str.replace(ending, replacement)
        fits = plural & (single != terms) & (single.str.len_chars() >= 3) & single.is_in(known)
        if ending == r"x$":
            fits &= terms.str.ends_with("aux") | terms.str.ends_with("eux")
        result = single.zip_with(fits, result)
    return result
