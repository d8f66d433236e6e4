"""Every language says everything, and stores the same."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from string import Formatter
from xml.etree import ElementTree as ET

import pytest

from annotation.interface import FIELDS, label_config
from annotation.page.guidelines import guidelines
from annotation.page.languages import language_of, languages
from annotation.questions import QUESTIONS, Kind
from relevance.grades import GRADES

CODES = sorted(languages())
OTHERS = [code for code in CODES if code != "en"]
EN = languages()["en"]
SAME = {"Description", "Ctrl+Enter", "Tab"}
"""Texts that may be the same in another language."""


def texts(value, path=""):
    """(path, text) of every text in it."""
    if isinstance(value, str):
        yield path, value
    elif is_dataclass(value):
        for one in fields(value):
            if one.name not in ("code", "name", "countries", "fonts"):
                yield from texts(getattr(value, one.name), f"{path}.{one.name}")
    elif isinstance(value, tuple):
        for number, one in enumerate(value):
            yield from texts(one, f"{path}[{number}]")
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from texts(one, f"{path}[{key}]")


def braces(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_the_four_markets_have_their_languages():
    assert {"en", "fr", "es", "ja"} <= set(CODES)
    for code in CODES:
        assert languages()[code].code == code


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_says_everything_that_english_says(code):
    ours = dict(texts(languages()[code]))
    theirs = dict(texts(EN))
    assert sorted(ours) == sorted(theirs), "the same keys, as many examples and cases"
    for path, text in ours.items():
        assert braces(text) == braces(theirs[path]), path
        if "].name" not in path:
            assert text != theirs[path] or text in SAME, f"{path} is still English"


@pytest.mark.parametrize("code", CODES)
def test_texts_are_plain_and_whole(code):
    for path, text in texts(languages()[code]):
        assert text == text.strip() != "", path
        assert not set(text) & set("<>\n\\"), path
    ends = (".", "?", "。", "か。", "？", "!")
    guide = languages()[code].guide
    sentences = [*guide.intro, guide.torn, guide.caption, *guide.pace]
    sentences += [one.why for one in guide.steps]
    for border in guide.between:
        sentences += [border.test, border.rule, *(one.why for one in border.examples)]
    for case in guide.cases:
        sentences += [case.situation, case.action]
    assert [text for text in sentences if not text.endswith(ends)] == []


@pytest.mark.parametrize("code", CODES)
def test_every_grade_border_and_question_has_words(code):
    language = languages()[code]
    page, guide = language.page, language.guide
    assert sorted(page.grades) == [grade.number for grade in GRADES]
    assert set(page.fields) == set(FIELDS)
    for question in QUESTIONS.values():
        if question.kind is not Kind.GRADE:
            words = page.questions[question.name]
            assert list(words.choices) == [stored for stored, _ in question.choices]
            assert len(set(words.choices.values())) == len(words.choices)
    assert [one.grade for one in guide.steps] == [5, 4, 3, 2, 1]
    assert len({one.query for one in guide.steps}) == 1
    assert [border.lower for border in guide.between] == [1, 2, 3, 4]
    for border in guide.between:
        assert {one.grade for one in border.examples} == {border.lower, border.lower + 1}
    for border in guide.between[1:]:  # where noise lives: both grades for one query, twice
        asked = [(one.query, one.grade) for one in border.examples]
        assert len(asked) == len(set(asked)) == 4
        assert len({query for query, _ in asked}) == 2
    cases = "spelling ambiguous unknown constraint exclusion idea season language picture"
    assert [case.name for case in guide.cases] == [*cases.split(), "contradiction", "unsafe"]


@pytest.mark.parametrize("code", CODES)
def test_names_of_buttons_differ_and_messages_name_the_keys(code):
    page = languages()[code].page
    names = [name for name, _ in page.grades.values()] + [page.cannot_judge[0]]
    assert len(set(names)) == 6
    assert braces(page.choose) == {"worst", "best", "key"}
    assert languages()[code].guide.submit_keys in page.submit
    assert "Tab" in page.questions["comment"].hint
    assert "Tab" not in page.questions["comment"].label


def test_the_translations_are_of_these_english_words():
    """Whoever changes the English words changes the translations too, then this."""
    assert [(grade.name, grade.guideline) for grade in GRADES] == [
        ("Highly irrelevant", "No useful connection to the query."),
        ("Irrelevant", "Shares a word or a theme, but does not serve the intent."),
        ("Marginally relevant", "Related; serves a secondary or partial intent."),
        ("Relevant", "Serves the main intent; a small aspect is missing or different."),
        ("Highly relevant", "Exactly what a person typing this query hopes to find."),
    ]
    assert EN.page.grades == {one.number: (one.name, one.guideline) for one in GRADES}


@pytest.mark.parametrize("code", OTHERS)
def test_what_is_stored_never_depends_on_the_language(code):
    def stored(language):
        page = ET.fromstring(label_config(language=language))
        return [
            (one.tag, one.get("name"), one.get("alias"), one.get("hotkey"), one.get("toName"))
            for one in page.iter()
            if one.tag not in ("View", "Header", "Style")
        ]

    assert stored(code) == stored("en")
    assert label_config(language=code) != label_config()
    assert f'lang="{code}"' in guidelines(language=code)


@pytest.mark.parametrize(
    ("locale", "code"),
    [
        ("fr-FR", "fr"),
        ("es_MX", "es"),
        ("ja", "ja"),
        ("JA-jp", "ja"),
        ("JP", "ja"),
        ("MX", "es"),
        ("FR", "fr"),
        ("es-US", "es"),
        ("US", "en"),
        ("DE", "en"),
        ("de-DE", "en"),
        ("", "en"),
    ],
)
def test_a_locale_gets_its_language_or_english(locale, code):
    assert language_of(locale).code == code
    assert label_config(language=locale) == label_config(language=code)
