from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.errors import InputError
from relevance.records import TABLES
from relevance.text import (
    TEXT_FEATURES,
    clip,
    estimate_tokens,
    pick_features,
    render,
    render_pins,
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


@pytest.mark.parametrize("pin", [{}, {"title": None}, {"title": "  \n ", "description": ""}])
def test_a_pin_without_text_has_an_empty_text(pin: dict[str, object]) -> None:
    assert render(pin) == ""


def test_a_chosen_feature_is_the_only_one() -> None:
    assert render(PIN, pick_features(["board_titles"])) == "boards: Home office · Desks"


def test_an_unknown_feature_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'titel' is unknown\. Did you mean 'title'"):
        pick_features(["titel"])


def test_a_very_long_pin_is_cut_to_the_budgets() -> None:
    long = {feature.name: f"{feature.name} word " * 5000 for feature in TEXT_FEATURES}
    assert estimate_tokens(render(long)) <= sum(f.budget + 3 for f in TEXT_FEATURES)


def test_clip_keeps_whole_words_and_cuts_japanese_between_characters() -> None:
    assert clip("one two  three\nfour", 3) == "one two three"
    assert clip("ベランダで野菜を育てる", 3) == "ベランダ"
    assert clip("🌿🌿🌿", 2) == "🌿🌿"


@given(st.text(), st.integers(1, 40))
def test_clip_is_a_beginning_within_the_budget(text: str, budget: int) -> None:
    clipped = clip(text, budget)
    flat = " ".join(text.split())
    assert flat.startswith(clipped)
    assert estimate_tokens(clipped) <= budget
    assert clip(clipped, budget) == clipped


def test_render_pins_keeps_the_order_and_needs_no_text_column() -> None:
    pins = pl.DataFrame({"pin_id": ["b", "a"], "title": ["Second", None]})
    assert render_pins(pins).to_dicts() == [
        {"pin_id": "b", "text": "Second"},
        {"pin_id": "a", "text": ""},
    ]
    assert render_pins(pins.select("pin_id"))["text"].to_list() == ["", ""]
