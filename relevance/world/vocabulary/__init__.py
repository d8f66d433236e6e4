"""The words of each language, parsed from its data module.

A noun is `gender noun` (`m salon`, `fp baskets`) where the language has gender. A value of an
attribute is a list of forms around the noun `_`; typed forms come before `||`, forms that only
authors write after it. `{o/a/os/as}` agrees with the noun (m, f, mp, fp), `{/s}` in number only.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from relevance.world.attributes import INTERESTS, SUBJECTS

_GENDERS = ("m", "f", "mp", "fp")
_AGREEMENT = re.compile(r"\{([^}]*)\}")

Form = tuple[str, str, str, str]
"""One form for each of the four genders and numbers."""


@dataclass(frozen=True, slots=True)
class Forms:
    """Forms of one attribute value.

    Attributes:
        typed: As people type it into the search box.
        written: As authors write it.
    """

    typed: tuple[Form, ...]
    written: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one language.

    Attributes:
        language: BCP 47 tag.
        nouns: By subject: (gender code 0-3, noun), synonyms after the usual one.
        styles: Forms by style.
        details: Forms by detail.
        occasions: Forms by occasion; `occasion@interest` where an interest words it otherwise.
        hints: By style and occasion: a sentence that tells it without naming it.
        typed: Query templates by kind of interest.
        titles: Title templates by kind.
        sentences: Description templates by kind.
        fillers: Sentences that tell nothing.
        boards: Board titles by interest.
        sites: Invented names of sites.
        adjectives_first: Whether details stand nearest to the noun (before it).
    """

    language: str
    nouns: Mapping[str, tuple[tuple[int, str], ...]]
    styles: Mapping[str, Forms]
    details: Mapping[str, Forms]
    occasions: Mapping[str, Forms]
    hints: Mapping[str, str]
    typed: Mapping[str, tuple[str, ...]]
    titles: Mapping[str, tuple[str, ...]]
    sentences: Mapping[str, tuple[str, ...]]
    fillers: tuple[str, ...]
    boards: Mapping[str, tuple[str, ...]]
    sites: tuple[str, ...]
    adjectives_first: bool

    def occasion(self, occasion: str, interest: str) -> Forms:
        """Forms of an occasion as this interest words it."""
        return self.occasions.get(f"{occasion}@{interest}") or self.occasions[occasion]


@functools.cache
def vocabulary(language: str) -> Vocabulary:
    """The vocabulary of a language (en, fr, es or ja)."""
    module = importlib.import_module(f"{__name__}.{language}")
    written_only = getattr(module, "WRITTEN_ONLY", False)

    def forms(table: Mapping[str, str]) -> dict[str, Forms]:
        return {key: _forms(text, written_only=written_only) for key, text in table.items()}

    return Vocabulary(
        language=language,
        nouns={subject: _nouns(module.SUBJECTS[subject]) for subject in SUBJECTS},
        styles=forms(module.STYLES),
        details=forms(module.DETAILS),
        occasions=forms(module.OCCASIONS),
        hints=module.HINTS,
        typed=module.TYPED,
        titles=module.TITLES,
        sentences=module.SENTENCES,
        fillers=module.FILLERS,
        boards={i.name: tuple(_split(module.BOARDS[i.name])) for i in INTERESTS},
        sites=module.SITES,
        adjectives_first=language in {"en", "ja"},
    )


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split("|")]


def _nouns(text: str) -> tuple[tuple[int, str], ...]:
    nouns = []
    for part in _split(text):
        gender, _, noun = part.partition(" ")
        nouns.append((_GENDERS.index(gender), noun) if gender in _GENDERS else (0, part))
    return tuple(nouns)


def _forms(text: str, *, written_only: bool) -> Forms:
    before, _, after = text.partition("||")
    typed = tuple(_agree(form) for form in _split(before))
    extra = tuple(_agree(form) for form in _split(after)) if after else ()
    written = extra if written_only and extra else typed + extra
    return Forms(typed, written)


def _agree(form: str) -> Form:
    def ending(match: re.Match[str], gender: int) -> str:
        endings = match.group(1).split("/")
        return endings[gender] if len(endings) == 4 else endings[gender // 2]

    m, f, mp, fp = (
        _AGREEMENT.sub(functools.partial(ending, gender=gender), form) for gender in range(4)
    )
    return m, f, mp, fp
