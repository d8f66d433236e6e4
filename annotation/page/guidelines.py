"""The guidelines for annotators as HTML, in their language. Pure.

Shown before the first pair and behind the button "Instructions": the grades, one query with all
five, the four borders with worked examples, hard cases, keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby

from annotation.page.buttons import Button, choice_buttons, grade_buttons, grades_of, is_five
from annotation.page.languages import FALLBACK, language_of
from annotation.page.styles import stylesheet
from annotation.page.wording import Border, Example, Language
from annotation.questions import QUESTIONS
from relevance.grades import GRADES, Grade, GradeScale


def guidelines(grades: Sequence[Grade] | GradeScale = GRADES, language: str = FALLBACK) -> str:
    """The guidelines as HTML.

    Args:
        grades: The grades that can be given, or their scale. The examples and hard cases speak of
            the five grades and are left out for another scale.
        language: Language of the words, or a locale; English where there is no file for it.

    Raises:
        InputError: The scale allows any integer.
    """
    words = language_of(language)
    guide = words.guide
    buttons = grade_buttons(grades, words)
    parts = [f"<h2>{escape(guide.question)}</h2>"]
    parts += [f"<p>{escape(text)}</p>" for text in guide.intro]
    parts += [_heading(guide.scale), _scale(buttons)]
    if is_five(grades_of(grades)):
        names = _names(words)
        parts += [_heading(guide.ladder), _examples(guide.steps)]
        parts += [_heading(guide.borders)]
        parts += [_border(border, words) for border in guide.between]
        parts += [f'<p class="torn">{escape(guide.torn)}</p>', _heading(guide.hard)]
        parts += [_cases(words, names)]
    parts += [_heading(guide.caption_heading), f"<p>{escape(guide.caption)}</p>"]
    parts += [_heading(guide.keys_heading), _keys(buttons, words)]
    parts += ["<ul>", *(f"<li>{escape(text)}</li>" for text in guide.pace), "</ul>"]
    style = f"<style>{stylesheet('guidelines.css')}</style>"
    return f'<div class="rg" lang="{words.code}">{style}{"".join(parts)}</div>'


def _names(words: Language) -> Mapping[str, str]:
    """What the braces in a language's texts stand for."""
    problems = words.page.questions["problems"].choices
    return {**problems, "cannot_judge": words.page.cannot_judge[0]}


def _heading(text: str) -> str:
    return f"<h3>{escape(text)}</h3>"


def _scale(buttons: Sequence[Button]) -> str:
    rows = "".join(
        f"<tr><td>{_key(button.face)}</td><td><b>{escape(button.name)}</b></td>"
        f"<td>{escape(button.hint)}</td></tr>"
        for button in buttons
    )
    return f'<table class="scale"><tbody>{rows}</tbody></table>'


def _examples(examples: Sequence[Example]) -> str:
    """A table for each run of examples of one query, with the query in front."""
    tables = []
    for query, run in groupby(examples, key=lambda example: example.query):
        rows = "".join(
            f"<tr><td>{_key(str(one.grade))}</td><td>{escape(one.pin)}</td>"
            f"<td>{escape(one.why)}</td></tr>"
            for one in run
        )
        tables.append(
            f'<p class="query"><b>{escape(query)}</b></p>'
            f'<table class="examples"><tbody>{rows}</tbody></table>'
        )
    return "".join(tables)


def _border(border: Border, words: Language) -> str:
    name = words.guide.between_name.format(lower=border.lower, upper=border.lower + 1)
    return (
        f"<h4>{escape(name)} <span>{escape(border.test)}</span></h4><p>{escape(border.rule)}</p>"
        + _examples(border.examples)
    )


def _cases(words: Language, names: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><td>{escape(case.situation)}</td><td>{escape(case.action.format_map(names))}</td></tr>"
        for case in words.guide.cases
    )
    return f'<table class="cases"><tbody>{rows}</tbody></table>'


def _keys(buttons: Sequence[Button], words: Language) -> str:
    guide, names = words.guide, _names(words)
    *numbers, cannot = buttons
    used = {button.key for button in buttons}
    asked = QUESTIONS.get("problems")
    problems = choice_buttons(asked, words, used) if asked else ()
    lines = (
        ([one.key for one in numbers], guide.key_grade),
        ([cannot.key], guide.key_cannot_judge),
        ([one.key for one in problems], guide.key_problems),
        ([guide.submit_keys], guide.key_submit),
        (["Tab"], guide.key_leave),
    )
    rows = "".join(
        f"<tr><td>{' '.join(_key(key) for key in keys if key)}</td>"
        f"<td>{escape(text.format_map(names))}</td></tr>"
        for keys, text in lines
        if any(keys)
    )
    return f'<table class="keys"><tbody>{rows}</tbody></table>'


def _key(face: str) -> str:
    return f"<kbd>{escape(face)}</kbd>"
