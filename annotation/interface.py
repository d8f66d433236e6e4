"""The annotator's page, built from the questions, the grades and a language. Pure.

Everything is above the fold at 1440×900: a sticky bar with the query and six big buttons that say
when to press them (keys 5 to 1, and 0 for "cannot judge"), below it the picture and the labelled
texts of the Pin, which scroll each on its own where they are long. Nothing of a Pin is in here: the
server fills in its data as text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from html import escape
from xml.etree import ElementTree as ET

from annotation.page.buttons import Button, choice_buttons, grade_buttons
from annotation.page.languages import FALLBACK, language_of
from annotation.page.styles import stylesheet
from annotation.page.wording import Language, Wording
from annotation.questions import QUESTIONS, Kind, Question
from relevance.grades import GRADES, Grade, GradeScale

FIELDS: tuple[str, ...] = ("title", "description", "caption", "boards", "link")
"""Keys of a task's data that are texts of a Pin, in the order of the page."""

TARGET = "title"
"""Name of the object that every answer refers to (Label Studio wants one)."""

_BUTTONS_A_ROW = 6


def label_config(
    questions: Mapping[str, Question] = QUESTIONS,
    grades: Sequence[Grade] | GradeScale = GRADES,
    language: str = FALLBACK,
) -> str:
    """The annotator's page as Label Studio's XML; its variables are the keys of a task's data.

    Args:
        questions: The questions, by the name of their control.
        grades: The grades that can be given, or their scale.
        language: Language of the words, or a locale; English where there is no file for it. What
            is stored of an answer is the same in each.

    Raises:
        InputError: The scale allows any integer.
    """
    words = language_of(language)
    buttons = grade_buttons(grades, words)
    page = ET.Element("View", className="rv")
    ET.SubElement(page, "Style").text = _style(words, len(buttons))
    top = ET.SubElement(page, "View", className="top")
    _query(top, words)
    card = _pin(page, words)
    used = {button.key for button in buttons}
    for question in questions.values():
        wording = words.page.questions.get(question.name, Wording(question.label, question.hint))
        if question.kind is Kind.GRADE:
            _buttons(top, question, buttons, _message(buttons, words))
        elif question.kind is Kind.CHOICE:
            choices = choice_buttons(question, words, used)
            used |= {button.key for button in choices}
            _buttons(_row(card, question.name, wording.label), question, choices)
        else:
            _text_box(_row(card, question.name, wording.label), question, wording)
    return ET.tostring(page, encoding="unicode")


def guideline_version(config: str, instruction: str) -> str:
    """Eight hexadecimal digits that change whenever the page or the guidelines do."""
    return hashlib.sha256(f"{config}\0{instruction}".encode()).hexdigest()[:8]


def config_hash(config: str) -> str:
    """Hash of a labelling configuration, blind to layout blanks."""
    return hashlib.sha256(" ".join(config.split()).encode()).hexdigest()[:16]


def _query(parent: ET.Element, words: Language) -> None:
    eyebrow = ET.SubElement(parent, "View", className="eyebrow")
    ET.SubElement(eyebrow, "Header", value=words.page.query, size="6")
    ET.SubElement(eyebrow, "Header", value=words.page.market, size="6")
    ET.SubElement(eyebrow, "Text", name="ctx", value="$context")
    ET.SubElement(eyebrow, "Header", value=words.page.submit, size="6")
    heading = ET.SubElement(parent, "View", className="q")
    ET.SubElement(heading, "Header", value="$query", size="3")


def _pin(page: ET.Element, words: Language) -> ET.Element:
    """Picture and texts; returns the column of the texts."""
    columns = ET.SubElement(page, "View", className="cols")
    picture = ET.SubElement(columns, "View", className="pic")
    source = {"value": "$image_html", "inline": "true", "clickableLinks": "false"}
    ET.SubElement(picture, "HyperText", {"name": "image", **source})
    card = ET.SubElement(columns, "View", className="card")
    for name in FIELDS:
        row = _row(card, name, words.page.fields[name])
        ET.SubElement(row, "Text", name=name, value=f"${name}")
    return card


def _row(parent: ET.Element, name: str, label: str) -> ET.Element:
    row = ET.SubElement(parent, "View", className=f"row row-{name}")
    heading = ET.SubElement(row, "View", className="lab")
    ET.SubElement(heading, "Header", value=label, size="6")
    return row


def _buttons(
    parent: ET.Element, question: Question, buttons: Sequence[Button], message: str = ""
) -> None:
    control = ET.SubElement(
        parent,
        "Choices",
        name=question.name,
        toName=TARGET,
        choice="multiple" if question.multiple else "single-radio",
        required="true" if question.required else "false",
        showInline="true",
    )
    if message:
        control.set("requiredMessage", message)
    for button in buttons:
        face = button.face if question.kind is Kind.GRADE else ""
        choice = ET.SubElement(
            control, "Choice", value=f"{face} {button.name}".strip(), alias=button.stored
        )
        choice.set("html", _button_html(button))
        if button.key:
            choice.set("hotkey", button.key)
        if button.hint:
            choice.set("hint", button.hint)


def _message(buttons: Sequence[Button], words: Language) -> str:
    best, worst, cannot = buttons[0], buttons[-2], buttons[-1]
    return words.page.choose.format(worst=worst.face, best=best.face, key=cannot.key)


def _button_html(button: Button) -> str:
    # Constants of ours only; a Pin's text never gets here.
    parts = (("b", "k", button.face), ("span", "n", button.name), ("span", "h", button.hint))
    return "".join(
        f'<{tag} class="{kind}">{escape(text)}</{tag}>' for tag, kind, text in parts if text
    )


def _text_box(parent: ET.Element, question: Question, wording: Wording) -> None:
    ET.SubElement(
        parent,
        "TextArea",
        name=question.name,
        toName=TARGET,
        rows="2",
        maxSubmissions="1",
        editable="true",
        showSubmitButton="false",
        required="true" if question.required else "false",
        placeholder=wording.hint,
    )


def _style(words: Language, n_buttons: int) -> str:
    page = words.page
    values = {
        "TEXT_NO_PICTURE": re.sub(r"[\"\\<>&]", "", page.no_picture),
        "TEXT_BROKEN_PICTURE": re.sub(r"[\"\\<>&]", "", page.broken_picture),
        "LANGUAGE_FONTS": words.fonts,
        "COLUMNS": str(min(n_buttons, _BUTTONS_A_ROW)),
    }
    style = stylesheet("page.css")
    for name, value in values.items():
        style = style.replace(name, value)
    return style
