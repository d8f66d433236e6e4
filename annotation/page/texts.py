"""Untrusted text made safe to show: one line, nothing hidden or reordered, not too long. Pure.

A Pin's texts are written by strangers. The page shows them as text, never as HTML, so markup needs
no treatment and stays readable; what is removed is what would deceive the eye (bidirectional
overrides, invisible characters, towers of combining marks) or break a file (control characters,
half surrogates).
"""

from __future__ import annotations

import re
import unicodedata

MAX_CHARACTERS = 2_000
"""Longer texts are cut: nobody reads more of a Pin to grade it."""

MAX_MARKS = 4
"""Combining marks that one character may carry; Vietnamese, Hebrew and Thai need up to three."""

# Default-ignorable characters hide text, split words unseen or pad a text with nothing.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ufdd0-\ufdef\ufffe\uffff]"
)
# Joiners shape Arabic, Indic and similar scripts, and emoji; elsewhere they only hide. A variation
# selector (FE0E, FE0F: text or emoji) means something only after a visible character.
_JOINING = (
    "\u0590-\u109f\u1780-\u18af\u1a00-\u1cff\ua800-\uabff\ufb1d-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00011fff\U0001e900-\U0001e95f"
    "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
)
_JOINER = re.compile(f"(?<![{_JOINING}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINING}])")
_JOINERS = re.compile("([\u200c\u200d])[\u200c\u200d]+")
_SELECTOR = re.compile("(?<![^\\s\ufe0e\ufe0f])[\ufe0e\ufe0f]+|(?<=[\ufe0e\ufe0f])[\ufe0e\ufe0f]+")
_BLANKS = ("Cc", "Zl", "Zp", "Zs")
_NOTHING = ("Cs", "Co")  # unassigned ones stay: they may be an emoji newer than this Python


def clean(text: object, limit: int = MAX_CHARACTERS) -> str:
    """Text safe to show: NFC, one line, no control, bidirectional or invisible characters.

    Joiners (ZWJ, ZWNJ) stay where a script or an emoji needs them. A character keeps at most
    `MAX_MARKS` combining marks. Cleaning what is clean changes nothing.

    Args:
        text: Anything; None is an empty text.
        limit: Characters at most; a longer text is cut and ends in `…`.
    """
    if text is None:
        return ""
    # No text longer than this can be shown whole; what follows is not worth normalising.
    start = str(text)[: limit * 20].encode("utf-8", "replace").decode()
    if start.isascii() and start.isprintable():  # as most texts are: nothing to take out
        whole = " ".join(start.split())
    else:
        bare = _INVISIBLE.sub("", unicodedata.normalize("NFC", start))
        whole = _settled(_calm(" ".join("".join(map(_visible, bare)).split())))
    if len(whole) <= limit:
        return whole
    return _settled(whole[: limit - 1].rstrip()) + "…"


def _visible(char: str) -> str:
    category = unicodedata.category(char)
    if category in _NOTHING:
        return ""
    return " " if category in _BLANKS else char


def _calm(text: str) -> str:
    """Without the marks beyond `MAX_MARKS` of each character, or before any character."""
    kept: list[str] = []
    marks = MAX_MARKS
    for char in text:
        if char in "\u200c\u200d":
            kept.append(char)
            continue
        if unicodedata.category(char) in ("Mn", "Me"):
            marks += 1
            if marks > MAX_MARKS:
                continue
        else:
            marks = MAX_MARKS if char == " " else 0
        kept.append(char)
    return "".join(kept)


def _settled(text: str) -> str:
    """Joiners and selectors only where they do something, blanks single, NFC."""
    while True:
        once = _SELECTOR.sub("", _JOINER.sub("", _JOINERS.sub(r"\1", text)))
        once = unicodedata.normalize("NFC", " ".join(once.split()))
        if once == text:
            return text
        text = once
