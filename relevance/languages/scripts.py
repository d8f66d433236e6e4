"""Which script a text is in, and which languages are written in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

LATIN = "Latin"
HAN = "Han"
FOREIGN_SHARE = 0.25
"""Share of the letters from which another script than Latin decides: names stay Latin anywhere."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script.

    Attributes:
        name: As Unicode calls it.
        letters: Its letters, as the inside of a character class.
        languages: Who writes in it, BCP 47; empty for Latin, which is for all the others.
        alone: Whether one letter of it decides, however many Latin ones stand around it.
    """

    name: str
    letters: str
    languages: tuple[str, ...]
    alone: bool = False


SCRIPTS: tuple[Script, ...] = (
    Script("Kana", r"\p{Hiragana}\p{Katakana}", ("ja",), alone=True),
    Script("Hangul", r"\p{Hangul}", ("ko",), alone=True),
    Script("Bopomofo", r"\p{Bopomofo}", ("zh",), alone=True),
    Script(HAN, r"\p{Han}", ("zh", "ja", "yue", "wuu"), alone=True),
    Script("Thai", r"\p{Thai}", ("th",)),
    Script("Lao", r"\p{Lao}", ("lo",)),
    Script("Khmer", r"\p{Khmer}", ("km",)),
    Script("Myanmar", r"\p{Myanmar}", ("my",)),
    Script("Georgian", r"\p{Georgian}", ("ka",)),
    Script("Armenian", r"\p{Armenian}", ("hy",)),
    Script("Greek", r"\p{Greek}", ("el", "grc")),
    Script("Hebrew", r"\p{Hebrew}", ("he", "yi")),
    Script("Bengali", r"\p{Bengali}", ("bn", "as")),
    Script("Gurmukhi", r"\p{Gurmukhi}", ("pa",)),
    Script("Gujarati", r"\p{Gujarati}", ("gu",)),
    Script("Odia", r"\p{Oriya}", ("or",)),
    Script("Tamil", r"\p{Tamil}", ("ta",)),
    Script("Telugu", r"\p{Telugu}", ("te",)),
    Script("Kannada", r"\p{Kannada}", ("kn",)),
    Script("Malayalam", r"\p{Malayalam}", ("ml",)),
    Script("Sinhala", r"\p{Sinhala}", ("si",)),
    Script("Tibetan", r"\p{Tibetan}", ("dz", "bo")),
    Script("Ethiopic", r"\p{Ethiopic}", ("am", "ti")),
    Script("Devanagari", r"\p{Devanagari}", ("hi", "mr", "ne", "sa", "gom")),
    Script("Arabic", r"\p{Arabic}", ("ar", "fa", "ur", "ps", "ug", "sdh", "ary", "arz", "ckb")),
    Script(
        "Cyrillic",
        r"\p{Cyrillic}",
        ("ru", "uk", "bg", "sr", "mk", "be", "kk", "ky", "mn", "tg", "tt", "ba", "uz", "bs"),
    ),
    Script(LATIN, r"\p{Latin}", ()),
)
"""Every script that is told apart; where two stand in a text, the earlier decides if `alone`."""

_BOTH = frozenset({"sr", "uz", "bs", "kk", "tt"})  # written in Latin letters too


def languages_of(script: str, among: Sequence[str]) -> tuple[str, ...]:
    """Those of `among` that are written in the script, in their order.

    Example:
        >>> languages_of("Han", ("en", "ja", "zh")), languages_of("Latin", ("en", "ja", "sr"))
        (('ja', 'zh'), ('en', 'sr'))
    """
    if script == LATIN:
        others = {one for other in SCRIPTS for one in other.languages} - _BOTH
        return tuple(one for one in among if primary(one) not in others)
    written = next(other.languages for other in SCRIPTS if other.name == script)
    return tuple(one for one in among if primary(one) in written)


def primary(language: str) -> str:
    """The language without region and script: `pt-BR` → `pt`; old codes as new ones."""
    code = language.replace("_", "-").split("-")[0].strip().lower()
    return _ALIASES.get(code, code)


_ALIASES = {"nb": "no", "iw": "he", "in": "id", "fil": "tl", "ji": "yi", "jw": "jv"}


def scripts_of(texts: pl.Series) -> pl.Series:
    """The script that decides each text's language; null for a text without letters.

    Kana, Hangul and Han decide wherever they stand; another script than Latin from a quarter of
    the letters on; else Latin.
    """
    flat = texts.cast(pl.String).fill_null("")
    frame = flat.to_frame("text").with_row_index("row")
    plain = pl.col("text").str.len_bytes() == pl.col("text").str.len_chars()
    latin = pl.when(pl.col("text").str.contains("[A-Za-z]")).then(pl.lit(LATIN)).alias("script")
    simple = frame.filter(plain).select("row", latin)
    other = frame.filter(~plain).with_columns(
        pl.col("text").str.count_matches(f"[{script.letters}]").alias(script.name)
        for script in SCRIPTS
    )
    decided = other.select("row", _decide().alias("script"))
    return pl.concat([simple, decided]).sort("row")["script"]


def _decide() -> pl.Expr:
    names = [script.name for script in SCRIPTS]
    total = pl.sum_horizontal(names)
    alone = [
        pl.when(pl.col(script.name) > 0).then(pl.lit(script.name))
        for script in SCRIPTS
        if script.alone
    ]
    rest = [script.name for script in SCRIPTS if not script.alone and script.name != LATIN]
    most = pl.max_horizontal(rest)
    foreign = [
        pl.when((pl.col(name) == most) & (most > 0) & (most >= FOREIGN_SHARE * total)).then(
            pl.lit(name)
        )
        for name in rest
    ]
    return pl.coalesce(*alone, *foreign, pl.when(pl.col(LATIN) > 0).then(pl.lit(LATIN)))


def read_han(text: str) -> tuple[float, float] | None:
    """Evidence of a text of Han characters for (Chinese, Japanese); None if there is none.

    The old national character sets say what each country writes with: a text that only one of
    them holds is of that country. Nearly all single words are in both: then only the country of
    the searcher helps.

    Example:
        >>> read_han("駅前広場"), read_han("图书馆"), read_han("着物")
        ((0.02, 0.98), (0.98, 0.02), None)
    """
    han = "".join(character for character in text if "\u3400" <= character <= "\U0003ffff")
    chinese = _fits(han, "gb2312") or _fits(han, "big5")
    japanese = _fits(han, "shift_jis")
    if chinese == japanese:
        return None
    return (0.98, 0.02) if chinese else (0.02, 0.98)


def _fits(text: str, charset: str) -> bool:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True
