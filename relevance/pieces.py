"""Any text as one clean line of pieces that are never cut: words, characters, emoji.

A piece is a word of a script with blanks (its marks, as Devanagari's vowel signs, included), a
character of a script without blanks with its marks, a sign, or a whole emoji (flags, skin tones
and joined families included).
"""

from __future__ import annotations

import functools
import re
import unicodedata

_UNSPACED = (
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0eff"
    "\u1000-\u109f\u1780-\u17ff\uff66-\uff9f\U00020000-\U0003134f"
)
_JOINER = "\u200d"
_NON_JOINER = "\u200c"  # stands within Persian words
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_UNSEEN = re.compile(
    # control characters but white space, soft hyphen, marks and overrides of direction, invisible
    # operators, byte-order mark, halves of surrogate pairs, non-characters
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U000e0001]"
)
_LETTERS_A_TOKEN = 5
_UNSPACED_COST = 0.75
_WORD, _CHARACTER = 1, 2  # groups of the pattern
_CHARACTERS_A_TOKEN = 64  # a word of more is no word: what comes later is not looked at


def clean(text: str) -> str:
    """The text on one line: runs of white space are one blank, what nobody sees is gone.

    Removed are control characters, soft hyphens, byte-order marks, and marks and overrides of
    direction: right-to-left text keeps its letters and their order. Joiners stay, as emoji and
    Persian words are made with them.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    return " ".join(_UNSEEN.sub("", text).split())


def clip(text: str, budget: int) -> str:
    """The longest beginning of whole pieces of `clean(text)` within `budget` estimated tokens.

    A first word that is longer than the whole budget is cut.
    """
    flat = clean(text.lstrip()[: budget * _CHARACTERS_A_TOKEN])
    if len(flat) <= budget:  # no piece costs more than its characters
        return flat
    spent, end = 0.0, 0
    for piece in _pieces().finditer(flat):
        spent += _cost(piece)
        if spent > budget:
            return flat[:end] or (_cut(piece[0], budget) if piece.lastindex == _WORD else "")
        end = piece.end()
    return flat


def estimate_tokens(text: str) -> float:
    """Roughly how many tokens a multilingual subword tokenizer makes of `text`.

    A word costs one token for every five letters begun, a character of a script without blanks
    three quarters, a sign one, an emoji one for each of its parts. It needs no tokenizer, so
    budgets mean the same for every model.
    """
    return sum(_cost(piece) for piece in _pieces().finditer(text))


def one_word(left: str, right: str) -> bool:
    """Whether two neighbouring characters stand in one word of a script with blanks.

    Args:
        left: A character, or nothing at the start of a text.
        right: The next one, or nothing at its end.
    """
    unspaced = re.match(f"[{_UNSPACED}]", left) or re.match(f"[{_UNSPACED}]", right)
    return left.isalnum() and right.isalnum() and not unspaced


@functools.cache
def _pieces() -> re.Pattern[str]:
    marks = f"{_marks()}{_JOINER}{_NON_JOINER}"
    sign = rf"[^\w\s{marks}][{marks}\U0001f3fb-\U0001f3ff]*"
    return re.compile(
        rf"([^\W{_UNSPACED}](?:[^\W{_UNSPACED}]|[{marks}])*)"  # _WORD
        rf"|([{_UNSPACED}][{marks}]*)"  # _CHARACTER
        rf"|({_FLAG}|{sign}(?:(?<={_JOINER}){sign})*|[{marks}]+)"
    )


@functools.cache
def _marks() -> str:
    """The combining marks of every script as a character class, which Python's words leave out."""
    codes = (
        code
        for code in range(0x300, 0x1E950)
        if unicodedata.category(chr(code))[0] == "M" and not re.match(f"[{_UNSPACED}]", chr(code))
    )
    runs: list[list[int]] = []
    for code in codes:
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    unspaced = "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u3099\u309a"
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in runs) + unspaced


def _cost(piece: re.Match[str]) -> float:
    if piece.lastindex == _WORD:
        return float(-(-(piece.end() - piece.start()) // _LETTERS_A_TOKEN))
    if piece.lastindex == _CHARACTER:
        return _UNSPACED_COST
    return float(max(1, sum(unicodedata.category(sign)[0] not in "MC" for sign in piece[0])))


def _cut(word: str, budget: int) -> str:
    """As many letters of a word as fit, no letter without its marks."""
    end = budget * _LETTERS_A_TOKEN
    while end and unicodedata.category(word[end])[0] in "MC":
        end -= 1
    return word[:end]
