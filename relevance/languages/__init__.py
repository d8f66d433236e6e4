"""Which language a query or Pin is in, where nobody said.

Scripts decide first (kana → ja, Hangul → ko, Thai → th, …). Where several languages of the project
share a script, py3langid (extra `languages`) compares those alone, and the country of the searcher
weighs in: short queries say too little by themselves. What stays below the threshold is null and
counted, never guessed.
"""

from __future__ import annotations

from relevance.languages.classify import identify, knows
from relevance.languages.fill import SOURCES, THRESHOLD, Filled, fill_languages
from relevance.languages.prior import Prior, built_in, learn_prior, read_prior

__all__ = [
    "SOURCES",
    "THRESHOLD",
    "Filled",
    "Prior",
    "built_in",
    "fill_languages",
    "identify",
    "knows",
    "learn_prior",
    "read_prior",
]
