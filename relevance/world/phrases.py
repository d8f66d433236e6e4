"""Phrases of attributes in a language: what is typed, written, and seen in a picture."""

from __future__ import annotations

import re
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

_ARTICLE = re.compile(r"\ba(?= [aeiou])")
_HABIT = 0.97


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
    for forms, _ in _inner(meaning, words):
        phrase = choose.pick(forms.typed)[gender].replace("_", phrase)
    template = choose.pick(words.typed[interest.kind])
    if meaning.occasion == NONE:
        return template.replace("{p}", phrase).lower()
    forms = words.occasion(OCCASIONS[meaning.occasion], interest.name)
    form = choose.pick(forms.typed)[gender]
    # "how to make christmas cookies", but "pantry ideas for small spaces"
    if form.endswith("_") or words.language != "en":
        return template.replace("{p}", form.replace("_", phrase)).lower()
    return form.replace("_", template.replace("{p}", phrase)).lower()


class Author:
    """Somebody who writes about one thing, and mostly uses the same words for it.

    So a Pin that says "larder" everywhere is not found by the word "pantry".
    """

    def __init__(self, words: Vocabulary, choose: Chooser) -> None:
        self.words = words
        self.choose = choose
        self._habits = [choose.uniform() for _ in Meaning._fields]

    def phrase(self, meaning: Meaning) -> str:
        """A noun phrase as this author would write it."""
        interest = INTERESTS[INTEREST_OF[meaning.subject]]
        gender, phrase = self._pick(self.words.nouns[SUBJECTS[meaning.subject]], 0)
        parts = [(forms.written, slot) for forms, slot in _inner(meaning, self.words)]
        if meaning.occasion != NONE:
            forms = self.words.occasion(OCCASIONS[meaning.occasion], interest.name)
            parts.append((forms.written, 3))
        for options, slot in parts:
            phrase = self._pick(options, slot)[gender].replace("_", phrase)
        return phrase

    def _pick(self, options: Sequence[T], slot: int) -> T:
        habit = self.choose.chance(_HABIT)
        chance = self._habits[slot] if habit else self.choose.uniform()
        return options[int(chance * len(options))]


def caption(meaning: Meaning, choose: Chooser) -> str:
    """An English caption of what can be seen, as a captioning model would write it."""
    scene = captions.SCENES[SUBJECTS[meaning.subject]]
    detail = "" if meaning.detail == NONE else captions.DETAILS[DETAILS[meaning.detail]]
    if "%" in scene:
        text = _ARTICLE.sub("an", scene.replace("%", f"{detail} " if detail else ""))
    else:
        text = f"{scene} {detail}".rstrip()
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


def _noun(subject: int, words: Vocabulary, choose: Chooser) -> tuple[int, str]:
    return choose.pick(words.nouns[SUBJECTS[subject]])


def _inner(meaning: Meaning, words: Vocabulary) -> list[tuple[Forms, int]]:
    """Forms of style and detail with their place in `Meaning`, from the noun outwards."""
    style = [] if meaning.style == NONE else [(words.styles[STYLES[meaning.style]], 1)]
    detail = [] if meaning.detail == NONE else [(words.details[DETAILS[meaning.detail]], 2)]
    return detail + style if words.adjectives_first else style + detail
