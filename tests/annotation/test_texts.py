from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from annotation.page.texts import MAX_CHARACTERS, MAX_MARKS, clean

HIDING = (
    "\u00ad\u034f\u061c\u115f\u200b\u200e\u200f\u202a\u202e\u2060\u2066\u2069\u3164\ufeff\U000e0041"
)
NASTY = st.sampled_from([*HIDING, *"\u200c\u200d\ufe0e\ufe0f\u0301\u0316\u20dd \n\x00\ud800é😀أक्"])


@given(st.one_of(st.text(), st.lists(NASTY).map("".join), st.text(st.characters())))
@example("a\u200d\ufe0f\u0301")
@example("\u0915\u094d\u200d" * 1000)
@example("x" * 1999 + "\u200d😀")
@example("e" + "\u0316\u0301" * 40)
def test_clean_text_is_short_one_line_of_visible_characters_and_stays_so(text):
    cleaned = clean(text)
    assert len(cleaned) <= MAX_CHARACTERS
    assert cleaned == cleaned.strip()
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Co", "Zl", "Zp") for char in cleaned)
    assert not set(cleaned) & set(HIDING)
    assert "  " not in cleaned
    assert not re.search(f"[\u0300-\u036f]{{{MAX_MARKS + 1}}}", cleaned)
    assert clean(cleaned) == cleaned
    cleaned.encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ""),
        ("", ""),
        (7, "7"),
        ("  Boho\n\trug ", "Boho rug"),
        ("Cafe\u0301", "Café"),
        ("gnp.\u202eexe", "gnp.exe"),
        ("ra\u200bbb\u200cit \u2066x\u2069", "rabbit x"),
        ("free\u00adbie a\u200db", "freebie ab"),
        ("\ud800 half", "? half"),
        ("日本\u200b語\u3000ラグ", "日本語 ラグ"),
        ("<b>bold</b> &amp; $query {{7*7}}", "<b>bold</b> &amp; $query {{7*7}}"),
    ],
)
def test_what_deceives_is_gone_and_what_is_visible_stays(text, expected):
    assert clean(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم",  # Persian: ZWNJ between two parts of a word
        "क्\u200dष",  # Devanagari: ZWJ asks for the half form
        "👩\u200d🎨 ❤️\u200d🔥 👍🏽 🇲🇽 1️⃣",
        "Tiếng Việt đẹp",
        "בְּרֵאשִׁית",
        "ที่นี่",
        "سجادة بوهيمية",
        "ラグ｜北欧 が ぱ",
    ],
)
def test_scripts_and_emoji_keep_what_they_need(text):
    assert clean(text) == unicodedata.normalize("NFC", text)


def test_towers_of_marks_are_cut_and_long_texts_end_in_an_ellipsis():
    zalgo = "".join(char + "\u0335\u0316\u0301" * 30 for char in "boho")
    assert len(clean(zalgo)) <= 4 * (1 + MAX_MARKS)
    assert clean("word " * 10_000).endswith("…")
    assert clean("a b c", 4) == "a b…"
    assert len(clean("x" * 10_000_000)) == MAX_CHARACTERS
