"""Every language of the annotator's page: one file each, found by its name.

A new language is a new file, such as `de.py`, with a `LANGUAGE` in it. What is stored of an answer
never depends on the language.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from annotation.page.wording import Language

FALLBACK = "en"
"""Shown to annotators of a language that has no file."""


@cache
def languages() -> dict[str, Language]:
    """Every language by its code, in order of the codes."""
    names = sorted(module.name for module in iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").LANGUAGE for name in names}


def language_of(locale: str) -> Language:
    """The language for a locale, such as `fr-FR`, `fr` or `FR`; English if there is none for it.

    Args:
        locale: Language and country of a query, or only one of them, or an empty text.
    """
    known = languages()
    first, _, rest = locale.replace("_", "-").partition("-")
    is_country = first == first.upper() and not rest
    if not is_country and first.lower() in known:
        return known[first.lower()]
    for language in known.values():
        if is_country and first in language.countries:
            return language
    return known[FALLBACK]
