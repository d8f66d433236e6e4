"""The annotator's page and the guidelines, built from the questions and the grades. Pure.

Everything is above the fold at 1440×900: a sticky bar with the query and six big buttons (hotkeys 5
to 1, and 0 for "cannot judge"), below it the picture and the labelled text fields. Nothing of a Pin
is in here: the server fills in its data as text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from xml.etree import ElementTree as ET

from annotation.questions import CANNOT_JUDGE, QUESTIONS, Kind, Question
from relevance.grades import GRADES, Grade

FIELDS: tuple[tuple[str, str], ...] = (
    ("title", "Title"),
    ("description", "Description"),
    ("caption", "Image caption (machine-written)"),
    ("boards", "Saved to boards"),
    ("link", "Links to"),
)
"""Key of a task's data and its label on the page, for each text of a Pin."""

TARGET = "title"
"""Name of the object that every answer refers to (Label Studio wants one)."""

_CANNOT_JUDGE_TEXT = "Cannot judge"
_CANNOT_JUDGE_HINT = "Wrong language, broken Pin, or the query makes no sense."
_STYLE = """
.rv{max-width:1180px;margin:0 auto}
.rv .top{position:sticky;top:0;z-index:5;background:var(--color-neutral-background,#fff);
padding:4px 0 10px;border-bottom:1px solid #8885}
.rv .q h3,.rv .q h2{margin:0 !important}
.rv .top .lsf-choices{display:grid;grid-template-columns:repeat(6,minmax(0,1fr));gap:8px;
margin:6px 0 0}
.rv .top .lsf-choices>*{margin:0}
.rv .top .lsf-choices label{display:flex;align-items:center;min-height:58px;width:100%;
padding:6px 10px;border:1px solid #8886;border-radius:8px;cursor:pointer}
.rv .top .lsf-choices label:has(input:checked){outline:3px solid #4c5fae;background:#4c5fae22}
.rv .cols{display:grid;grid-template-columns:minmax(0,340px) minmax(0,1fr);gap:24px;
margin-top:14px}
.rv .lab h4{font-size:12px !important;letter-spacing:.04em;margin:10px 0 0 !important;
text-transform:uppercase;opacity:.65}
.rv .cols img{max-width:100%;max-height:62vh;border-radius:12px}
@media(max-width:900px){.rv .cols{grid-template-columns:1fr}
.rv .top .lsf-choices{grid-template-columns:repeat(3,minmax(0,1fr))}}
"""


def label_config(
    questions: Mapping[str, Question] = QUESTIONS, grades: Sequence[Grade] = GRADES
) -> str:
    """The annotator's page as Label Studio's XML; its variables are the keys of a task's data."""
    page = ET.Element("View", className="rv")
    ET.SubElement(page, "Style").text = " ".join(_STYLE.split("\n")).strip()
    top = ET.SubElement(page, "View", className="top")
    heading = ET.SubElement(top, "View", className="q")
    ET.SubElement(heading, "Header", value="$query", size="3")
    ET.SubElement(top, "Text", name="ctx", value="$context")
    columns = ET.SubElement(page, "View", className="cols")
    picture = ET.SubElement(columns, "View")
    ET.SubElement(
        picture,
        "HyperText",
        name="image",
        value="$image_html",
        inline="true",
        clickableLinks="false",
    )
    texts = ET.SubElement(columns, "View")
    for name, label in FIELDS:
        _labelled(texts, label)
        ET.SubElement(texts, "Text", name=name, value=f"${name}")
    for question in questions.values():
        if question.kind is Kind.GRADE:
            _grade_buttons(top, question, grades)
        else:
            _labelled(texts, question.label)
            _control(texts, question)
    return ET.tostring(page, encoding="unicode")


def guidelines(grades: Sequence[Grade] = GRADES) -> str:
    """The guidelines as HTML, shown before the first pair and behind the "Instructions" button."""
    rows = "".join(
        f"<tr><td><b>{grade.number}</b>&nbsp;</td><td><b>{escape(grade.name)}</b></td>"
        f"<td>{escape(grade.guideline)}</td></tr>"
        for grade in sorted(grades, key=lambda grade: -grade.number)
    )
    return (
        "<h3>How relevant is this Pin to the query?</h3>"
        "<p>Imagine you typed the query. Judge picture and text together: what would you get if "
        "you opened this Pin? Judge the Pin, not the taste; do not look things up.</p>"
        f"<br><table>{rows}<tr><td><b>0</b>&nbsp;</td><td><b>{_CANNOT_JUDGE_TEXT}</b></td>"
        f"<td>{_CANNOT_JUDGE_HINT}</td></tr></table>"
        "<br><p><b>2 or 3?</b> Would it help the searcher at all? For <i>boho rug</i>, a boho "
        "cushion in the same room style is a 3; a rug-cleaning machine shares only a word: 2.</p>"
        "<p><b>3 or 4?</b> Is it the thing that was asked for? For <i>boho rug</i>, a boho rug in "
        "another size is a 4; a plain grey rug is a 3.</p>"
        "<p><b>4 or 5?</b> A 5 leaves nothing to wish for: object, style and occasion all fit.</p>"
        "<br><p>Keys: <b>5 4 3 2 1</b> and <b>0</b>, then <b>Ctrl+Enter</b> (or Submit). "
        "After writing a note press Tab first: inside the box, digits are text.</p>"
    )


def guideline_version(config: str, instruction: str) -> str:
    """Eight hexadecimal digits that change whenever the page or the guidelines do."""
    return hashlib.sha256(f"{config}\0{instruction}".encode()).hexdigest()[:8]


def config_hash(config: str) -> str:
    """Hash of a labelling configuration, blind to layout blanks."""
    return hashlib.sha256(" ".join(config.split()).encode()).hexdigest()[:16]


def _grade_buttons(parent: ET.Element, question: Question, grades: Sequence[Grade]) -> None:
    control = ET.SubElement(
        parent,
        "Choices",
        name=question.name,
        toName=TARGET,
        choice="single-radio",
        required="true" if question.required else "false",
        requiredMessage="Pick a grade 1-5, or 0 if it cannot be judged",
        showInline="true",
    )
    for grade in sorted(grades, key=lambda grade: -grade.number):
        _choice(control, f"{grade.number} {grade.name}", str(grade.number), grade.guideline)
    _choice(control, f"0 {_CANNOT_JUDGE_TEXT}", CANNOT_JUDGE, _CANNOT_JUDGE_HINT, key="0")


def _choice(control: ET.Element, text: str, alias: str, hint: str, *, key: str = "") -> None:
    ET.SubElement(control, "Choice", value=text, alias=alias, hotkey=key or alias, hint=hint)


def _control(parent: ET.Element, question: Question) -> None:
    required = "true" if question.required else "false"
    if question.kind is Kind.TEXT:
        ET.SubElement(
            parent,
            "TextArea",
            name=question.name,
            toName=TARGET,
            rows="2",
            maxSubmissions="1",
            editable="true",
            showSubmitButton="false",
            required=required,
            placeholder=question.hint,
        )
        return
    control = ET.SubElement(
        parent,
        "Choices",
        name=question.name,
        toName=TARGET,
        choice="single-radio",
        showInline="true",
        required=required,
    )
    for stored, text in question.choices:
        ET.SubElement(control, "Choice", value=text, alias=stored)


def _labelled(parent: ET.Element, label: str) -> None:
    view = ET.SubElement(parent, "View", className="lab")
    ET.SubElement(view, "Header", value=label, size="6")
