"""What one language's file holds: every word that an annotator reads. Pure data.

Texts are plain (no HTML) and may name what is on the page in braces: `{picture}`, `{language}`,
`{query}`, `{unsafe}` stand for the buttons of the question "problems", `{cannot_judge}` for the
sixth grade button. So the guidelines always call a button what it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Example:
    """A worked example.

    Attributes:
        query: A query that people of the market really type.
        pin: What the Pin shows.
        grade: The grade it deserves, 1-5.
        why: The reason, in a sentence.
    """

    query: str
    pin: str
    grade: int
    why: str


@dataclass(frozen=True, slots=True)
class Border:
    """How to tell one grade from the next.

    Attributes:
        lower: The lower grade; the other is one more.
        test: The question to ask oneself.
        rule: What follows from the answer.
        examples: Worked examples on both sides.
    """

    lower: int
    test: str
    rule: str
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A hard case.

    Attributes:
        name: Which one, for those in the know; the same in every language.
        situation: What the annotator sees.
        action: What to do.
    """

    name: str
    situation: str
    action: str


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one question.

    Attributes:
        label: Heading on the page.
        hint: Shown inside an empty text box, or after the heading.
        choices: Stored answer → text on its button.
    """

    label: str
    hint: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTexts:
    """The words of the page.

    Attributes:
        grades: Grade → its name and when to give it, for the five-grade scale.
        cannot_judge: The same of the button "cannot judge".
        choose: Message where somebody submits without a grade; `{worst}` and `{best}` are the
            grades that end the scale, `{key}` is the key of "cannot judge".
        query: Label of the query.
        market: Before the country and language of the query.
        submit: Reminder of the key that submits.
        fields: Key of a task's data → label, for each text of a Pin.
        no_picture: In place of a picture where the Pin has none that can be shown.
        broken_picture: In place of one that does not load.
        questions: Name of a question → its words, for each but the grade.
    """

    grades: Mapping[int, tuple[str, str]]
    cannot_judge: tuple[str, str]
    choose: str
    query: str
    market: str
    submit: str
    fields: Mapping[str, str]
    no_picture: str
    broken_picture: str
    questions: Mapping[str, Wording]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideTexts:
    """The words of the guidelines.

    Attributes:
        question: What is asked.
        intro: Paragraphs on how to go about it.
        scale: Heading of the table of grades.
        ladder: Heading of `steps`.
        steps: One query with a Pin of each grade, best first.
        borders: Heading of `between`.
        torn: What to do if one remains in doubt.
        between_name: Heading of one border, with `{lower}` and `{upper}`.
        between: One border for each two neighbouring grades, lowest first.
        hard: Heading of `cases`.
        cases: Hard cases.
        caption_heading: Heading of `caption`.
        caption: What the machine-written caption is, and that it may be wrong.
        keys_heading: Heading of the keys and `pace`.
        submit_keys: The keys that submit, as they are printed on keyboards.
        key_grade: What the number keys do.
        key_cannot_judge: What the key of "cannot judge" does.
        key_problems: What the keys of the question "problems" do.
        key_submit: What Ctrl+Enter does.
        key_leave: What Tab does in the note box.
        pace: How to be quick and even.
    """

    question: str
    intro: tuple[str, ...]
    scale: str
    ladder: str
    steps: tuple[Example, ...]
    borders: str
    torn: str
    between_name: str
    between: tuple[Border, ...]
    hard: str
    cases: tuple[Case, ...]
    caption_heading: str
    caption: str
    keys_heading: str
    submit_keys: str
    key_grade: str
    key_cannot_judge: str
    key_problems: str
    key_submit: str
    key_leave: str
    pace: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language of the annotator's page.

    Attributes:
        code: BCP 47, such as `fr`.
        name: What its speakers call it.
        countries: Countries (ISO 3166) whose annotators get it where no language is known.
        page: The words of the page.
        guide: The words of the guidelines.
        fonts: Font families in order of preference, as in CSS; Label Studio brings Figtree.
    """

    code: str
    name: str
    countries: tuple[str, ...]
    page: PageTexts
    guide: GuideTexts
    fonts: str = "Figtree, sans-serif"
