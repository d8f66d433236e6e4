"""Titles and queries → the phrases in them: words, runs of a few words, and whole titles.

Words of spaced scripts are what stands between blanks and signs; scripts written without blanks
are cut where their kind of character changes, inflections staying with their stems
(`小さい庭` → 小さい, 庭). A phrase is lower case and of normal width; within it stands what stood
between its words.
"""

from __future__ import annotations

import polars as pl

from relevance.languages.scripts import scripts_of

LONGEST = 200
"""Characters of a title or query that are looked at."""

WHOLE = 10
"""Words of the longest title or query that is shown whole."""

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々"
_LETTER = rf"[\p{{L}}\p{{N}}\p{{M}}--[{_UNSPACED}]]"
_WORD = rf"{_LETTER}+(?:['’\-]{_LETTER}+)*"
_RUN = (
    r"[\p{Han}々]+\p{Hiragana}*|[\p{Katakana}ー]+\p{Hiragana}*|\p{Hiragana}[\p{Hiragana}ー]*"
    r"|\p{Thai}+|\p{Lao}+|\p{Khmer}+|\p{Myanmar}+"
)
_UNIT = rf" ?(?:& )?(?:{_RUN}|{_WORD})"
_STOP = r"[|·•,;:()\[\]{}/\\\n\t!?。、・「」【】“”\"]+|\s[-–—]\s"
_PARTICLE = r"([\p{Han}\p{Katakana}々ー])(?:の|を|が|に|は|へ|と|で|も|や|な|から|まで|より)$"
_UNSEEN = r"[\p{Cc}\x{00ad}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2069}\x{feff}]"

_FUNCTION_WORDS = """
a an the of for to in on at by with and or from my your our is it i you as be this that
le la les un une des du de d l et ou à au aux en dans sur pour par avec mon ma mes ton ta
el los las una unos unas y o del al con para por mi mis tu su que es se
der die das ein eine einen einem einer und oder für mit von zu zum zur im am auf aus bei
os um uma e do da dos das no na nos nas com em meu minha
il lo gli i di che per con nel nella su mio mia è
het een van voor met op te en mijn
"""  # en, fr, es, de, pt, it, nl

FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Words that never stand alone, first or last. Other languages go by the share of Pins alone."""


def normal(text: pl.Expr) -> pl.Expr:
    """The text as it is counted: normal width, lower case, single blanks; null for none."""
    flat = (
        text.str.slice(0, LONGEST)
        .str.replace_all(_UNSEEN, " ")
        .str.normalize("NFKC")
        .str.to_lowercase()
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
    )
    return pl.when(flat.str.contains(r"[\p{L}\p{N}]")).then(flat)


def phrases_of(texts: pl.Series, words: int) -> pl.DataFrame:
    """Every phrase of each text, once: its parts between signs, and runs of words of these.

    Args:
        texts: (n,) distinct texts, as `normal` makes them.
        words: Words of the longest run; whole parts may have `WHOLE`.

    Returns:
        text, phrase, and units: its words in order, for one the phrase itself.

    Example:
        >>> phrases_of(pl.Series(["oak desk"]), 2)["phrase"].sort().to_list()
        ['desk', 'oak', 'oak desk']
    """
    units = _units(texts)
    names = [f"unit{place}" for place in range(words)]
    wide = units.with_columns(
        # a phrase does not reach beyond the end of its part of the text
        pl.when(pl.col("part") == pl.col("part").shift(-place))
        .then(pl.col("unit").shift(-place))
        .alias(name)
        for place, name in enumerate(names)
    )
    parts = []
    for length in range(1, words + 1):
        used = names[:length]
        whole = wide.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in used))
        parts.append(
            whole.select(
                "text",
                phrase=_trimmed(pl.concat_str(used)),
                units=pl.concat_list(_trimmed(pl.col(name)) for name in used),
            )
        )
    return (
        pl.concat([*parts, _whole(units, words)])
        .filter(_says_something(pl.col("phrase")))
        .unique(["text", "phrase"], keep="first", maintain_order=True)
    )


def _whole(units: pl.DataFrame, words: int) -> pl.DataFrame:
    """The parts that are longer than the runs."""
    return (
        units.group_by("part", maintain_order=True)
        .agg(pl.col("text").first(), pl.col("unit"))
        .filter(pl.col("unit").list.len().is_between(words + 1, WHOLE))
        .select(
            "text",
            phrase=_trimmed(pl.col("unit").list.join("")),
            units=pl.col("unit").list.eval(_trimmed(pl.element())),
        )
    )


def groups_of(texts: pl.Series) -> pl.Series:
    """The script of each text, `Han` for all of Chinese and Japanese: words are rare among these.

    Null for a text without letters.
    """
    return scripts_of(texts).replace({"Kana": "Han"})


def _units(texts: pl.Series) -> pl.DataFrame:
    """Columns text, part (number of the part between signs that it stands in) and unit."""
    parts = (
        texts.alias("text")
        .to_frame()
        .with_columns(part=pl.col("text").str.replace_all(_STOP, "\x1f").str.split("\x1f"))
        .explode("part", empty_as_null=False)
        .with_row_index("number")
    )
    found = parts.select("text", part="number", unit=pl.col("part").str.extract_all(_UNIT))
    return found.explode("unit", empty_as_null=False)


def _trimmed(phrase: pl.Expr) -> pl.Expr:
    return phrase.str.replace(r"^ ?(?:& )?", "").str.replace(_PARTICLE, "${1}")


def _says_something(phrase: pl.Expr) -> pl.Expr:
    """Neither a number, a lone letter nor a particle; a lone Han or Hangul character is a word."""
    letters = phrase.str.contains(r"\p{L}")
    lone = phrase.str.contains(r"^[^\p{Han}\p{Hangul}]$") | phrase.str.contains(
        r"^\p{Hiragana}{1,2}$"
    )
    return letters & ~lone
