from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.interface import FIELDS
from annotation.page.pictures import Pictures
from annotation.tasks import annotation_result, import_id, pair_key, task_data, unique_id
from relevance.records import Pin, Query, Sample

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


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_become_plain_data_and_never_html(text):
    data = task_data({"text": text, "country": text}, {"title": text, "image": text})
    assert data["image_html"] == ""
    for shown in data.values():
        shown.encode()
        assert not re.search("[\x00-\x1f\u200b\u202e\ufeff]", shown)


def test_only_what_must_be_shown_reaches_the_server():
    """Whatever columns the tables have or get: arm, rank, score, sample and gold stay here."""
    known = {name for row in (Query, Pin, Sample) for name in row.__annotations__}
    secret = dict.fromkeys(
        [*known, "system", "arm", "variant", "rank", "score", "gold", "grade", "p5", "teacher"],
        "SECRET",
    )
    shown = {"query", "context", "title", "description", "caption", "boards", "link", "image_html"}
    query = {**secret, "text": "rug", "country": "US", "language": "en"}
    visible = ("title", "description", "image_caption", "board_titles", "link_title")
    pin = {**secret, **dict.fromkeys((*visible, "link_description"), "shown"), "image": None}
    data = task_data(query, pin)
    assert set(data) == shown
    assert shown == {"query", "context", "image_html", *FIELDS}
    assert "SECRET" not in " ".join(data.values())


def test_a_pin_without_anything_has_empty_texts():
    data = task_data({"text": "rug"}, {})
    assert data.pop("query") == "rug"
    assert set(data.values()) == {""}


def test_the_link_and_the_context_are_joined():
    data = task_data(
        {"text": "rug", "country": "JP", "language": "ja"},
        {"link_title": "Shop", "link_description": "Rugs"},
    )
    assert data["link"] == "Shop — Rugs"
    assert data["context"] == "JP · ja"


def test_a_picture_is_the_only_html():
    pictures = Pictures(None, frozenset({"cdn.example"}))
    data = task_data({"text": "<b>"}, {"image": "https://cdn.example/a.png"}, pictures)
    assert data["image_html"].startswith("<img ")
    assert data["query"] == "<b>"


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
    judgment = {"grade": 4, "problems": "picture\nunsafe", "comment": "near\x00ly"}
    said = [("relevance", "choices", {"choices": ["4"]})]
    said += [("problems", "choices", {"choices": ["picture", "unsafe"]})]
    said += [("comment", "textarea", {"text": ["near ly"]})]
    assert annotation_result(judgment) == [
        {"from_name": name, "to_name": "title", "type": kind, "value": value}
        for name, kind, value in said
    ]
    assert annotation_result({"grade": None})[0]["value"] == {"choices": ["cannot_judge"]}
    assert len(annotation_result({"grade": 1, "comment": "", "problems": ""})) == 1
