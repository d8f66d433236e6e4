"""Phrases of attributes in a language: what is typed, written, and seen in a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from relevance.world.attributes import (
    DETAILS,
    INTEREST_OF,
    INTERESTS,
    NONE,
    OCCASIONS,
    STYLES,
    SUBJECTS,
)
from relevance.world.vocabulary import Forms, Vocabulary, captions

T = TypeVar("T")

_USUAL = 0.3


class Meaning(NamedTuple):
    """Codes of the attributes of a query or a Pin; `NONE` where absent."""

    subject: int
    style: int = NONE
    detail: int = NONE
    occasion: int = NONE


class Chooser:
    """Random choices from one stream, drawn in blocks because single draws are slow."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._block: list[float] = []

    def uniform(self) -> float:
        """A number in [0, 1)."""
        if not self._block:
            self._block = self._rng.random(4096).tolist()
        return self._block.pop()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each as likely."""
        return options[int(self.uniform() * len(options))]


def typed(meaning: Meaning, words: Vocabulary, choose: Chooser) -> str:
    """A query as somebody would type it."""
    interest = INTERESTS[INTEREST_OF[meaning.subject]]
    gender, phrase = _noun(meaning.subject, words, choose)
    for forms in _inner(meaning, words):
        phrase = choose.pick(forms.typed)[gender].replace("_", phrase)
    template = choose.pick(words.typed[interest.kind])
    if meaning.occasion == NONE:
        return template.replace("{p}", phrase).lower()
    forms = words.occasion(OCCASIONS[meaning.occasion], interest.name)
    form = choose.pick(forms.typed)[gender]
    if form.endswith("_"):  # "how to make christmas cookies", never "christmas how to make"
        return template.replace("{p}", form.replace("_", phrase)).lower()
    return form.replace("_", template.replace("{p}", phrase)).lower()


def written(meaning: Meaning, words: Vocabulary, choose: Chooser) -> str:
    """A noun phrase as an author would write it."""
    interest = INTERESTS[INTEREST_OF[meaning.subject]]
    gender, phrase = _noun(meaning.subject, words, choose)
    parts = [forms.written for forms in _inner(meaning, words)]
    if meaning.occasion != NONE:
        parts.append(words.occasion(OCCASIONS[meaning.occasion], interest.name).written)
    for forms in parts:
        phrase = choose.pick(forms)[gender].replace("_", phrase)
    return phrase


def caption(meaning: Meaning, choose: Chooser) -> str:
    """An English caption of what can be seen, as a captioning model would write it."""
    text = captions.SCENES[SUBJECTS[meaning.subject]]
    detail = "" if meaning.detail == NONE else captions.DETAILS[DETAILS[meaning.detail]]
    if detail.startswith(("with", "on", "in")):
        text = f"{text} {detail}"
    elif detail:
        text = _coloured(text, detail)
    style = "" if meaning.style == NONE else captions.STYLES.get(STYLES[meaning.style], "")
    occasion = (
        "" if meaning.occasion == NONE else captions.OCCASIONS.get(OCCASIONS[meaning.occasion], "")
    )
    start = choose.pick(("", "", "a photo of ", "there is "))
    if start == "there is " and not text.startswith(("a ", "an ")):
        start = ""
    return " ".join(part for part in (start + text, style, occasion) if part)


def join(parts: Iterable[str]) -> str:
    """Board titles and engaged queries as the tables keep them."""
    return " · ".join(parts)


def sentence_case(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def _coloured(text: str, colour: str) -> str:
    article, _, rest = text.partition(" ")
    if article in {"a", "an"}:
        return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {rest}"
    return f"{colour} {text}"


def _noun(subject: int, words: Vocabulary, choose: Chooser) -> tuple[int, str]:
    nouns = words.nouns[SUBJECTS[subject]]
    return nouns[0] if choose.chance(_USUAL) else choose.pick(nouns)


def _inner(meaning: Meaning, words: Vocabulary) -> list[Forms]:
    style = [] if meaning.style == NONE else [words.styles[STYLES[meaning.style]]]
    detail = [] if meaning.detail == NONE else [words.details[DETAILS[meaning.detail]]]
    return detail + style if words.adjectives_first else style + detail
