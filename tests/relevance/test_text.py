from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.errors import InputError
from relevance.records import TABLES
from relevance.text import (
    LARGEST_BUDGET,
    TEXT_FEATURES,
    clean,
    clip,
    estimate_tokens,
    parse_features,
    pick_features,
    render,
    render_pins,
    spell_features,
)

PIN = {
    "title": "Oak desk",
    "description": "A solid desk for small rooms.",
    "image_caption": "a desk by a window",
    "board_titles": "Home office · Desks",
    "engaged_queries": "oak desk · small desk",
    "link_title": "Desks",
    "link_description": "All our desks.",
}


def test_every_text_column_of_a_pin_is_a_feature() -> None:
    columns = {column.name for column in TABLES["pins"].columns} - {"pin_id", "image"}
    assert {feature.name for feature in TEXT_FEATURES} == columns
    assert all(feature.budget > 0 for feature in TEXT_FEATURES)


def test_render_is_readable() -> None:
    assert render({**PIN, "link_title": "Lumber yard"}) == (
        "Oak desk | picture: a desk by a window | searched: oak desk · small desk | "
        "boards: Home office · Desks | about: A solid desk for small rooms. | "
        "link: Lumber yard | page: All our desks."
    )


def test_what_was_said_is_not_said_again() -> None:
    assert "link:" not in render(PIN)
    assert render({"title": "Oak desk", "description": "OAK DESK"}) == "Oak desk"


def test_words_are_said_again_only_as_whole_words() -> None:
    assert render({"title": "Carpet", "link_title": "car"}) == "Carpet | link: car"
    assert render({"title": "My car, red", "link_title": "Car"}) == "My car, red"
    assert render({"title": "和風インテリア", "link_title": "インテリア"}) == "和風インテリア"


GOLDEN = {
    "Latin": (
        {"title": "Chambre d’enfant  bohème", "image_caption": "a bed", "link_title": "Idées déco"},
        "Chambre d’enfant bohème | picture: a bed | link: Idées déco",
    ),
    "Japanese": (
        {"title": "ベランダで野菜を育てる", "board_titles": "ガーデニング · 小さい庭"},
        "ベランダで野菜を育てる | boards: ガーデニング · 小さい庭",
    ),
    "Arabic": (
        {"title": "\u202bمكتب خشبي صغير\u202c", "description": "أفكار للغرف الصغيرة"},
        "مكتب خشبي صغير | about: أفكار للغرف الصغيرة",
    ),
    "Devanagari": (
        {"title": "छोटे कमरे के लिए\nलकड़ी की मेज", "engaged_queries": "लकड़ी की मेज · मेज"},
        "छोटे कमरे के लिए लकड़ी की मेज | searched: लकड़ी की मेज · मेज",
    ),
    "Thai": (
        {"title": "โต๊ะไม้สำหรับห้องเล็ก", "image_caption": "a table"},
        "โต๊ะไม้สำหรับห้องเล็ก | picture: a table",
    ),
    "Cyrillic and emoji": (
        {"title": "Письменный\x00 стол 🌿👩\u200d🌾", "link_title": "Столы"},
        "Письменный стол 🌿👩\u200d🌾 | link: Столы",
    ),
}


@pytest.mark.parametrize("script", GOLDEN)
def test_render_in_many_scripts(script: str) -> None:
    pin, text = GOLDEN[script]
    assert render(pin) == text


@pytest.mark.parametrize(
    ("text", "budget", "clipped"),
    [
        ("छोटे कमरे के लिए", 2, "छोटे कमरे"),  # vowel signs belong to their words
        ("ที่ดีมาก", 1, "ที่"),  # no tone mark is cut off
        ("👩\u200d🌾👍🏽🇫🇷", 2, "👩\u200d🌾"),  # a joined family is one
        ("👩\u200d🌾👍🏽🇫🇷", 1, ""),
        ("مكتب خشبي صغير", 2, "مكتب خشبي"),
        ("a" * 500, 3, "a" * 15),  # a title of one endless word is not lost
        (" \t" * 9000 + "late", 3, "late"),
    ],
)
def test_clip_cuts_nothing_in_two(text: str, budget: int, clipped: str) -> None:
    assert clip(text, budget) == clipped


def test_what_nobody_sees_is_removed() -> None:
    assert clean("\ufeffa\u00adb\u200b\x07c \u202ed\u2066\x85e\ud800") == "abc d e"
    assert clean("می\u200cخواهم") == "می\u200cخواهم"  # a joiner within a Persian word stays


def test_estimated_tokens_of_scripts() -> None:
    assert estimate_tokens("oak desk") == 2
    assert estimate_tokens("ベランダ") == 3
    assert estimate_tokens("लकड़ी") == 1
    assert estimate_tokens("👩\u200d🌾") == 2


@pytest.mark.parametrize("pin", [{}, {"title": None}, {"title": "  \n ", "description": ""}])
def test_a_pin_without_text_has_an_empty_text(pin: dict[str, object]) -> None:
    assert render(pin) == ""


def test_a_chosen_feature_is_the_only_one() -> None:
    assert render(PIN, pick_features(["board_titles"])) == "boards: Home office · Desks"


def test_an_unknown_feature_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'titel' is unknown\. Did you mean 'title'"):
        pick_features(["titel"])


def test_budgets_of_ones_own() -> None:
    title, about = parse_features(" description:3 ,title:40,")
    assert (title.name, title.budget, title.tag) == ("title", 40, "")
    assert (about.name, about.budget, about.tag) == ("description", 3, "about")
    assert render(PIN, (title, about)) == "Oak desk | about: A solid desk"
    assert spell_features((title, about)) == ("title:40", "description:3")
    assert spell_features(TEXT_FEATURES) == tuple(f.name for f in TEXT_FEATURES)
    assert pick_features(spell_features((title, about))) == (title, about)


def test_all_stands_for_those_not_named() -> None:
    assert parse_features("all") == TEXT_FEATURES
    changed = {feature.name: feature.budget for feature in parse_features("all,title:40")}
    usual = {feature.name: feature.budget for feature in TEXT_FEATURES}
    assert changed == {**usual, "title": 40}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("titel:4", r"'titel' is unknown\. Did you mean 'title'"),
        ("title,title:4", "'title' is named twice"),
        ("title:0", f"must be 1-{LARGEST_BUDGET} tokens, got '0'"),
        ("title:", "got ''"),
        ("title:١٢", "got '١٢'"),
        ("title:9999", "got '9999'"),
        (" , ", "no text feature is named. Name some of: title, image_caption"),
    ],
)
def test_wrong_budgets_are_told(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_features(text)


def test_a_very_long_pin_is_cut_to_the_budgets() -> None:
    long = {feature.name: f"{feature.name} word " * 5000 for feature in TEXT_FEATURES}
    assert estimate_tokens(render(long)) <= sum(f.budget + 3 for f in TEXT_FEATURES)


def test_a_pin_of_ten_thousand_words_renders_fast_and_from_its_start() -> None:
    words = " ".join(f"word{number}" for number in range(10_000))
    assert render({"title": words}) == " ".join(f"word{number}" for number in range(17))


@given(st.dictionaries(st.sampled_from([f.name for f in TEXT_FEATURES]), st.text() | st.none()))
def test_render_is_one_clean_line_within_the_budgets(pin: dict[str, str | None]) -> None:
    text = render(pin)
    assert text == clean(text)
    assert estimate_tokens(text) <= sum(f.budget + 4 for f in TEXT_FEATURES)  # tags and bars
    assert bool(text) == any(clip(pin.get(f.name) or "", f.budget) for f in TEXT_FEATURES)


def test_clip_keeps_whole_words_and_cuts_japanese_between_characters() -> None:
    assert clip("one two  three\nfour", 3) == "one two three"
    assert clip("ベランダで野菜を育てる", 3) == "ベランダ"
    assert clip("🌿🌿🌿", 2) == "🌿🌿"


@given(st.text(), st.integers(1, 40))
def test_clip_is_a_beginning_within_the_budget(text: str, budget: int) -> None:
    clipped = clip(text, budget)
    assert clean(text).startswith(clipped)
    assert clean(clipped) == clipped
    assert estimate_tokens(clipped) <= budget
    assert clip(clipped, budget) == clipped


def test_render_pins_keeps_the_order_and_needs_no_text_column() -> None:
    pins = pl.DataFrame({"pin_id": ["b", "a"], "title": ["Second", None]})
    assert render_pins(pins).to_dicts() == [
        {"pin_id": "b", "text": "Second"},
        {"pin_id": "a", "text": ""},
    ]
    assert render_pins(pins.select("pin_id"))["text"].to_list() == ["", ""]
