from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from annotation.interface import (
    FIELDS,
    TARGET,
    config_hash,
    guideline_version,
    label_config,
)
from annotation.page.guidelines import guidelines
from annotation.page.styles import stylesheet
from annotation.questions import (
    CANNOT_JUDGE,
    QUESTIONS,
    Kind,
    Question,
    join_answers,
    split_answers,
)
from annotation.tasks import task_data
from relevance.errors import InputError
from relevance.grades import ESCI, FIVE, GRADES, TREC, Grade, scale_from


@pytest.fixture(scope="module")
def page() -> ET.Element:
    return ET.fromstring(label_config())


def buttons_of(page: ET.Element, name: str = "relevance") -> list[ET.Element]:
    return page.findall(f".//Choices[@name='{name}']/Choice")


def test_six_buttons_with_hotkeys_best_first(page):
    buttons = buttons_of(page)
    assert [one.get("hotkey") for one in buttons] == ["5", "4", "3", "2", "1", "0"]
    assert [one.get("alias") for one in buttons] == ["5", "4", "3", "2", "1", CANNOT_JUDGE]
    assert buttons[0].get("value") == "5 Highly relevant"
    assert [one.get("hint") for one in buttons[4::-1]] == [grade.guideline for grade in GRADES]
    for button, grade in zip(buttons, reversed(GRADES), strict=False):
        assert grade.guideline in button.get("html"), "read without a mouse"


def test_every_question_and_text_is_on_the_page_once(page):
    named = [one.get("name") for one in page.iter() if one.get("name")]
    assert sorted(named) == sorted([*QUESTIONS, *FIELDS, "ctx", "image"])
    for question in QUESTIONS.values():
        control = page.find(f".//*[@name='{question.name}']")
        assert control.get("toName") == TARGET
        assert control.get("required") == str(question.required).lower()


def test_every_text_has_a_label_beside_it(page):
    for name in FIELDS:
        row = page.find(f".//View[@className='row row-{name}']")
        assert row[0][0].tag == "Header"
        assert row[0][0].get("value")
        assert row[1].get("value") == f"${name}"


def test_the_page_shows_exactly_the_data_of_a_task(page):
    shown = {
        one.get("value")[1:] for one in page.iter() if (one.get("value") or "").startswith("$")
    }
    assert shown == set(task_data({"text": "rug"}, {}))
    reserved = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"}
    assert not shown & (reserved | set(QUESTIONS))


def test_html_is_only_fed_with_what_we_built(page):
    assert [one.get("value") for one in page.iter("HyperText")] == ["$image_html"]
    assert not list(page.iter("Image"))
    assert not [one for one in page.iter() if "$" in (one.get("html") or "")]


def test_problems_are_ticked_with_the_next_keys_and_may_be_several(page):
    control = page.find(".//Choices[@name='problems']")
    assert control.get("choice") == "multiple"
    assert control.get("required") == "false"
    assert [(one.get("alias"), one.get("hotkey")) for one in control] == [
        ("picture", "6"),
        ("language", "7"),
        ("query", "8"),
        ("unsafe", "9"),
    ]


def test_a_new_question_is_one_more_entry():
    extra = Question(
        name="safety", column="safety", kind=Kind.CHOICE, label="Safe?", choices=(("y", "Yes"),)
    )
    page = ET.fromstring(label_config({**QUESTIONS, "safety": extra}, language="fr"))
    (button,) = buttons_of(page, "safety")
    assert (button.get("alias"), button.get("value"), button.get("hotkey")) == ("y", "Yes", None)
    assert page.find(".//View[@className='row row-safety']/View/Header").get("value") == "Safe?"


@pytest.mark.parametrize(
    ("scale", "stored", "keys"),
    [
        (FIVE, ["5", "4", "3", "2", "1"], "543210"),
        (ESCI, ["5", "4", "2", "1"], "54210"),
        (scale_from({"levels": [0, 1, 2, 3]}), ["3", "2", "1", "0"], "3210x"),
        (scale_from({"levels": [-2, 0, 1, 10]}), ["10", "1", "0", "-2"], ["", "1", "0", "", "x"]),
        ([Grade(1, "No", ""), Grade(2, "Yes", "It is.")], ["2", "1"], "210"),
    ],
)
def test_other_scales_have_their_buttons_and_keys_where_possible(scale, stored, keys):
    page = ET.fromstring(label_config(grades=scale))
    buttons = buttons_of(page)
    assert [one.get("alias") for one in buttons] == [*stored, CANNOT_JUDGE]
    assert [one.get("hotkey") or "" for one in buttons] == list(keys)
    every = [one.get("hotkey") for one in page.iter("Choice") if one.get("hotkey")]
    assert len(every) == len(set(every)), "no key twice"
    text = guidelines(scale)
    for one in stored:
        assert f"<kbd>{one}</kbd>" in text


def test_the_message_names_the_ends_of_the_scale():
    def message(**how):
        return ET.fromstring(label_config(**how)).find(".//Choices").get("requiredMessage")

    assert "from 1 to 5, or 0 if" in message()
    assert "de 0 à 3, ou x si" in message(
        grades=scale_from({"levels": [0, 1, 2, 3]}), language="fr"
    )


def test_ten_grades_leave_no_key_for_problems():
    page = ET.fromstring(label_config(grades=scale_from({"levels": list(range(10))})))
    assert [one.get("hotkey") for one in buttons_of(page, "problems")] == [None] * 4
    assert "repeat(6," in page.find("Style").text


def test_five_levels_are_the_five_grades_in_every_language():
    same = scale_from({"levels": [1, 2, 3, 4, 5]})
    assert label_config(grades=same, language="ja") == label_config(language="ja")
    named = scale_from({"levels": [1, 2], "names": ["No", "Yes"]})
    assert buttons_of(ET.fromstring(label_config(grades=named)))[0].get("value") == "2 Yes"


def test_a_scale_without_an_end_or_names_is_told():
    with pytest.raises(InputError, match="endless buttons"):
        label_config(grades=TREC)
    with pytest.raises(InputError, match="3 levels but 1 names"):
        label_config(grades=scale_from({"levels": [1, 2, 3], "names": ["No"]}))


def test_hostile_wording_stays_text():
    grades = (Grade(1, 'a "b" <c> & $d', "<script>alert(1)</script>"),)
    button = buttons_of(ET.fromstring(label_config(grades=grades)))[0]
    assert button.get("value") == '1 a "b" <c> & $d'
    assert "<script>" not in button.get("html")
    assert "<c>" not in button.get("html")


def test_style_sheets_survive_label_studio():
    for name in ("page.css", "guidelines.css"):
        style = stylesheet(name)
        assert not set(style) & set("<>&\n"), "Label Studio escapes them"
        assert "/*" not in style
        assert style.count("{") == style.count("}")
        assert not re.search(r"url\(|@import", style), "nothing is loaded"
    assert not re.search("TEXT_|LANGUAGE_|COLUMNS", label_config(language="fr"))


def test_the_version_follows_the_wording_and_the_hash_ignores_layout():
    config = label_config()
    assert guideline_version(config, "a") != guideline_version(config, "b")
    assert guideline_version(config, "a") != guideline_version(config + " ", "a")
    assert config_hash("<View>\n <x/></View>") == config_hash("<View>  <x/></View>")
    assert config_hash("<View/>") != config_hash("<view/>")


def test_answers_of_a_question_go_into_one_column_and_back():
    question = QUESTIONS["problems"]
    assert split_answers(question, join_answers(["picture", "unsafe"])) == ["picture", "unsafe"]
    assert join_answers([]) is None
    assert split_answers(question, None) == []
    assert split_answers(QUESTIONS["comment"], "one\ntwo") == ["one\ntwo"]
