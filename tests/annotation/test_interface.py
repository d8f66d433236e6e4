from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from annotation.interface import (
    FIELDS,
    TARGET,
    config_hash,
    guideline_version,
    guidelines,
    label_config,
)
from annotation.questions import CANNOT_JUDGE, QUESTIONS, Kind, Question
from annotation.tasks import task_data
from relevance.grades import GRADES, Grade


@pytest.fixture(scope="module")
def page() -> ET.Element:
    return ET.fromstring(label_config())


def test_six_buttons_with_hotkeys_best_first(page):
    buttons = page.findall(".//Choices[@name='relevance']/Choice")
    assert [one.get("hotkey") for one in buttons] == ["5", "4", "3", "2", "1", "0"]
    assert [one.get("alias") for one in buttons] == ["5", "4", "3", "2", "1", CANNOT_JUDGE]
    assert buttons[0].get("value") == "5 Highly relevant"
    assert [one.get("hint") for one in buttons[4::-1]] == [grade.guideline for grade in GRADES]


def test_every_question_and_text_is_on_the_page_once(page):
    named = [one.get("name") for one in page.iter() if one.get("name")]
    assert sorted(named) == sorted([*QUESTIONS, *(name for name, _ in FIELDS), "ctx", "image"])
    for question in QUESTIONS.values():
        control = page.find(f".//*[@name='{question.name}']")
        assert control.get("toName") == TARGET
        assert control.get("required") == str(question.required).lower()


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


def test_a_new_question_is_one_more_entry():
    extra = Question(
        name="safety", column="safety", kind=Kind.CHOICE, label="Safe?", choices=(("y", "Yes"),)
    )
    page = ET.fromstring(label_config({**QUESTIONS, "safety": extra}))
    assert page.find(".//Choices[@name='safety']/Choice").get("alias") == "y"


def test_hostile_wording_stays_text():
    grades = (Grade(1, 'a "b" <c> & $d', "<script>alert(1)</script>"),)
    button = ET.fromstring(label_config(grades=grades)).find(".//Choice")
    assert button.get("value") == '1 a "b" <c> & $d'
    assert "<script>" not in guidelines(grades)


def test_the_guidelines_tell_every_grade_and_both_noisy_borders():
    text = guidelines()
    for grade in GRADES:
        assert grade.name in text
        assert grade.guideline in text
    assert "2 or 3?" in text
    assert "3 or 4?" in text


def test_the_version_follows_the_wording_and_the_hash_ignores_layout():
    config = label_config()
    assert guideline_version(config, "a") != guideline_version(config, "b")
    assert guideline_version(config, "a") != guideline_version(config + " ", "a")
    assert config_hash("<View>\n <x/></View>") == config_hash("<View>  <x/></View>")
    assert config_hash("<View/>") != config_hash("<view/>")
