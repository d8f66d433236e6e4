from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.tasks import (
    MAX_CHARACTERS,
    Pictures,
    annotation_result,
    clean,
    import_id,
    pair_key,
    picture_html,
    task_data,
    unique_id,
)

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><g><rect width="1" height="1" {}/></g>{}</svg>'
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "gnp.\u202eexe",
    "a\u200bb\ufeff\x00\x1b[31m",
    "\ud800 lone",
    "=cmd|' /C calc'!A0",
    "$query {{7*7}}",
]


@given(st.text(alphabet=st.characters(), max_size=200))
def test_clean_text_has_no_control_bidi_or_invisible_characters(text):
    cleaned = clean(text)
    assert not re.search(
        "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]", cleaned
    )
    assert clean(cleaned) == cleaned
    cleaned.encode()


def test_clean_keeps_words_joiners_and_cuts_long_texts():
    assert clean("  Boho\n\trug ") == "Boho rug"
    assert clean("👩\u200d🎨 می\u200cخواهم ラグ") == "👩\u200d🎨 می\u200cخواهم ラグ"
    assert len(clean("word " * 10_000)) == MAX_CHARACTERS
    assert clean("word " * 10_000).endswith("…")
    assert clean(None) == ""
    assert clean("") == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_become_plain_data_and_never_html(text):
    data = task_data({"text": text, "country": text}, {"title": text, "image": text})
    assert data["image_html"] == ""
    for shown in data.values():
        shown.encode()
        assert "\x00" not in shown
        assert "\u202e" not in shown


def test_a_pin_without_anything_can_be_shown():
    data = task_data({"text": "rug"}, {})
    assert data["title"] == data["boards"] == data["link"] == "—"
    assert data["context"] == "—"
    assert data["image_html"] == ""


def test_the_link_and_the_context_are_joined():
    data = task_data(
        {"text": "rug", "country": "JP", "language": "ja"},
        {"link_title": "Shop", "link_description": "Rugs"},
    )
    assert data["link"] == "Shop — Rugs"
    assert data["context"] == "Market JP · language ja"


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize(
    "image",
    [
        "http://cdn.example/a.png",
        "https://evil.example/a.png",
        "https://cdn.example@evil.example/a.png",
        "https://user:pw@cdn.example/a.png",
        "https://cdn.example\\@evil.example/a.png",
        "javascript:alert(1)",
        "data:image/svg+xml,<svg onload=alert(1)>",
        "//cdn.example/a.png",
        "images/../label-studio/secrets.json",
        "images/missing.svg",
        "/etc/passwd",
        "images/a.svg?x=1",
        None,
    ],
)
def test_pictures_from_elsewhere_are_not_shown(image, tmp_path):
    (tmp_path / "images").mkdir()
    pictures = Pictures(tmp_path, frozenset({"cdn.example"}))
    assert picture_html(image, pictures) == ""


def test_allowed_pictures_are_one_img_without_referrer(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a-1.svg").write_text(SVG.format("", ""))
    pictures = Pictures(tmp_path, frozenset({"cdn.example"}))
    local = Tags(picture_html("images/a-1.svg", pictures)).found
    assert local[0][1]["src"] == "/data/local-files/?d=images/a-1.svg"
    hosted = Tags(picture_html('https://cdn.example/a.png?x="><b>&y', pictures)).found
    assert [tag for tag, _ in hosted] == ["img"]
    assert hosted[0][1]["src"] == 'https://cdn.example/a.png?x="><b>&y'
    assert hosted[0][1]["referrerpolicy"] == "no-referrer"
    assert picture_html("images/a-1.svg", Pictures(None)) == ""


@pytest.mark.parametrize(
    ("attribute", "content"),
    [
        ('onload="alert(1)"', ""),
        ('href="https://x"', ""),
        ('fill="url(https://x)"', ""),
        ('style="fill:\\75rl(x)"', ""),
        ("", "<script>alert(1)</script>"),
        ("", "<foreignObject/>"),
        ("", '<image href="x"/>'),
        ("", "<style>@import 'x'</style>"),
        ("", "</svg><svg>"),
    ],
)
def test_only_mere_drawings_are_served(attribute, content, tmp_path):
    (tmp_path / "images").mkdir()
    file = tmp_path / "images" / "a.svg"
    file.write_text(SVG.format('fill="url(#g)"', ""))
    assert picture_html("images/a.svg", Pictures(tmp_path))
    file.write_text(SVG.format(attribute, content))
    assert picture_html("images/a.svg", Pictures(tmp_path)) == ""
    file.write_text('<!DOCTYPE s [<!ENTITY a "b">]>' + SVG.format("", ""))
    assert picture_html("images/a.svg", Pictures(tmp_path)) == ""


def test_the_key_depends_on_everything_shown_and_on_the_secret():
    data = task_data({"text": "rug"}, {"title": "Boho rug"})
    key = pair_key(b"secret", "US", "q1", "p1", data)
    assert re.fullmatch("[0-9a-f]{32}", key)
    assert key == pair_key(b"secret", "US", "q1", "p1", dict(reversed(data.items())))
    assert key == pair_key(b"secret", "US", "q1", "p1", {**data, "image_html": "<img>"})
    others = [
        pair_key(b"other", "US", "q1", "p1", data),
        pair_key(b"secret", "FR", "q1", "p1", data),
        pair_key(b"secret", "US", "q2", "p1", data),
        pair_key(b"secret", "US", "q1", "p2", data),
        pair_key(b"secret", "US", "q1", "p1", {**data, "title": "Boho rug!"}),
    ]
    assert len({key, *others}) == 6


@given(st.text(max_size=20), st.text(max_size=20))
def test_identities_are_stable_and_fit_a_64_bit_column(key, annotator):
    assert unique_id(key, annotator) == unique_id(key, annotator)
    assert 0 <= import_id(key, annotator) < 2**63


def test_a_judgment_in_label_studios_form():
    result = annotation_result({"grade": 4, "comment": "near\x00ly"})
    assert result == [
        {
            "from_name": "relevance",
            "to_name": "title",
            "type": "choices",
            "value": {"choices": ["4"]},
        },
        {
            "from_name": "comment",
            "to_name": "title",
            "type": "textarea",
            "value": {"text": ["near ly"]},
        },
    ]
    assert annotation_result({"grade": None})[0]["value"] == {"choices": ["cannot_judge"]}
    assert len(annotation_result({"grade": 1, "comment": ""})) == 1
