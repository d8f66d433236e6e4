from __future__ import annotations

from html import unescape
from html.parser import HTMLParser

import pytest

from annotation.page.guidelines import guidelines
from annotation.page.languages import languages
from relevance.grades import ESCI, GRADES, Grade

CODES = sorted(languages())
VOID = {"br", "hr", "img"}


class Outline(HTMLParser):
    """Text of a page, and whether every element is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], set(), ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data + " "


@pytest.mark.parametrize("code", CODES)
def test_every_text_of_a_language_is_told(code):
    language = languages()[code]
    page = Outline(guidelines(language=code))
    guide = language.guide
    told = [*guide.intro, *guide.pace, guide.caption, guide.torn, guide.hard]
    told += [text for pair in language.page.grades.values() for text in pair]
    told += [text for one in guide.steps for text in (one.query, one.pin, one.why)]
    for border in guide.between:
        told += [border.test, border.rule]
        told += [text for one in border.examples for text in (one.query, one.pin, one.why)]
    told += [case.situation for case in guide.cases]
    assert [text for text in told if text not in page.text] == []
    assert "{" not in page.text
    layout = {"div", "style", "table", "tbody", "tr", "td", "ul", "li"}
    assert page.tags <= layout | {"h2", "h3", "h4", "p", "b", "kbd", "span"}


@pytest.mark.parametrize("code", CODES)
def test_buttons_are_called_what_they_are_called(code):
    language = languages()[code]
    text = Outline(guidelines(language=code)).text
    for name in language.page.questions["problems"].choices.values():
        assert name in text, "a hard case names the button to press"
    assert text.count(language.page.cannot_judge[0]) >= 2


@pytest.mark.parametrize("code", CODES)
def test_keys_and_the_trap_of_the_note_box_are_told(code):
    text = guidelines(language=code)
    for key in [*"5432106789", languages()[code].guide.submit_keys, "Tab"]:
        assert f"<kbd>{key}</kbd>" in text
    assert "⌘" in text


def test_the_examples_agree_with_the_grades_they_illustrate():
    text = unescape(guidelines())
    for grade in GRADES:
        assert text.count(f"<kbd>{grade.number}</kbd>") >= 3  # scale, ladder, keys, borders
    for border in ("1 or 2?", "2 or 3?", "3 or 4?", "4 or 5?"):
        assert border in text


def test_another_scale_has_no_five_grade_examples():
    text = guidelines(ESCI, "fr")
    assert "Substitute" in text
    guide = languages()["fr"].guide
    assert guide.steps[0].pin not in text
    assert guide.hard not in text
    assert guide.keys_heading in text


def test_hostile_wording_stays_text():
    assert "<script>" not in guidelines([Grade(1, "<script>", "<b onclick=x>")])
