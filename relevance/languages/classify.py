"""Texts → languages with probabilities."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import polars as pl

from relevance.errors import InputError, require_extra
from relevance.languages.prior import Prior, built_in, weigh
from relevance.languages.scripts import (
    HAN,
    SCRIPTS,
    languages_of,
    primary,
    read_han,
    scripts_of,
)

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

ONLY_WRITER = 0.99
"""Probability where a script is used by one language in the world that matters (kana, Thai)."""

ONLY_CANDIDATE = 0.9
"""Probability where others use the script too, but only one of the project's languages does."""

_SHARED = frozenset({"Latin", "Cyrillic", "Arabic", "Devanagari", HAN})
_CHARACTERS = 400  # the beginning says enough

Likelihood = Callable[[str], list[float]]


def identify(
    texts: pl.Series | Sequence[str | None],
    among: Sequence[str],
    *,
    countries: pl.Series | Sequence[str | None] | None = None,
    prior: Prior | None = None,
) -> pl.DataFrame:
    """The most probable language of each text, however small its probability.

    The probability of a language is proportional to what py3langid gives it among the candidates
    of the script, times its share in the country. Texts of Han characters go by the national
    character sets instead (`scripts.read_han`), as py3langid reads single Japanese words as
    Chinese.

    Args:
        texts: (n,) texts; null counts as empty.
        among: Languages of the project, BCP 47, and no others; they come back as written here.
        countries: (n,) countries of the searchers, ISO 3166, null for unknown.
        prior: Shares of languages by country; None = `built_in()`.

    Returns:
        One row a text, in order: language (null for a text without letters or in a script of none
        of the languages), probability (0-1, null likewise) and source: `script`, `model`,
        `country`, `model+country`.

    Raises:
        InputError: No language, one that cannot be told, or countries of another length.
        MissingExtraError: Languages of one script must be told apart and py3langid is not there.

    Example:
        >>> identify(["カフェ", "12", "ตู้เสื้อผ้า"], ("en", "ja", "th"))["language"].to_list()
        ['ja', None, 'th']
    """
    wanted = _checked(among)
    column = pl.Series("text", list(texts), dtype=pl.String).fill_null("")
    places = [None] * len(column) if countries is None else list(countries)
    if len(places) != len(column):
        raise InputError(f"{len(column)} texts, but {len(places)} countries. Give one for each")
    frame = pl.DataFrame(
        {"text": column.str.slice(0, _CHARACTERS), "country": pl.Series(places, dtype=pl.String)}
    )
    distinct = frame.unique(maintain_order=True)
    scripts = scripts_of(distinct["text"])
    believed = built_in() if prior is None else prior
    found = []
    for (text, country), script in zip(distinct.iter_rows(), scripts, strict=True):
        candidates = () if script is None else languages_of(script, wanted)
        found.append(_one(text, script, candidates, weigh(believed, country, candidates)))
    schema = {"language": pl.String, "probability": pl.Float64, "source": pl.String}
    answers = distinct.hstack(pl.DataFrame(found, schema=schema, orient="row"))
    return frame.join(
        answers, on=["text", "country"], how="left", nulls_equal=True, maintain_order="left"
    ).select("language", "probability", "source")


def knows(language: str) -> bool:
    """Whether the language can be told at all: by its script alone, or by py3langid."""
    code = primary(language)
    return code in _model_labels() or _alone_in_script(code)


def _checked(among: Sequence[str]) -> tuple[str, ...]:
    """The languages, each once; of `pt-BR` and `pt-PT` the first stands for both.

    Raises:
        InputError: There is none, or one that cannot be told.
    """
    spelled: dict[str, str] = {}
    for one in among:
        if one.strip():
            spelled.setdefault(primary(one), one.strip())
    wanted = tuple(spelled.values())
    if not wanted:
        raise InputError("no language to choose among. Name the project's, such as en,fr,ja")
    if len(wanted) == 1:
        return wanted
    for language in wanted:
        rivals = [one for one in wanted if one != language]
        shared = any(_same_script(language, rival) for rival in rivals)
        if shared and primary(language) not in _model_labels():
            raise InputError(
                f"language {language!r} cannot be told from others of its script: py3langid does "
                f"not know it. Leave it out, and fill its rows by hand"
            )
    return wanted


def _same_script(one: str, other: str) -> bool:
    return any(len(languages_of(script.name, (one, other))) == 2 for script in SCRIPTS)


def _alone_in_script(code: str) -> bool:
    return any(script.languages == (code,) for script in SCRIPTS)


def _one(
    text: str,
    script: str | None,
    candidates: tuple[str, ...],
    weights: list[float] | None,
) -> tuple[str | None, float | None, str | None]:
    """Language, probability and source of one text."""
    if not candidates:
        return None, None, None
    if len(candidates) == 1:
        sure = ONLY_CANDIDATE if script in _SHARED else ONLY_WRITER
        return candidates[0], sure, "script"
    likelihood = _han(text, candidates) if script == HAN else _model(candidates)(text)
    source = "script" if script == HAN else "model"
    if likelihood is None:
        likelihood, source = [1 / len(candidates)] * len(candidates), "script"
        if weights is not None:
            source = "country"
    elif weights is not None:
        source += "+country"
    posterior = _normalised(
        a * b for a, b in zip(likelihood, weights or [1.0] * len(candidates), strict=True)
    )
    best = max(range(len(candidates)), key=lambda place: (posterior[place], -place))
    return candidates[best], posterior[best], source


def _han(text: str, candidates: Sequence[str]) -> list[float] | None:
    evidence = read_han(text)
    if evidence is None:
        return None
    chinese, japanese = evidence
    values = [japanese if primary(one) == "ja" else chinese for one in candidates]
    return _normalised(values)


@functools.cache
def _model(candidates: tuple[str, ...]) -> Likelihood:
    """py3langid over some languages: text → likelihood of each."""
    model = copy.copy(_every_language())
    codes = [primary(one) for one in candidates]
    model.set_languages(codes)

    def likelihood(text: str) -> list[float]:
        probabilities = dict(model.rank(text))
        return [float(probabilities[code]) for code in codes]

    return likelihood


@functools.cache
def _every_language() -> LanguageIdentifier:
    """The model of the package over all of its languages; shared, so never restricted itself."""
    require_extra("py3langid", "languages")
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@functools.cache
def _model_labels() -> frozenset[str]:
    return frozenset(_every_language().labels)


def _normalised(values: Iterable[float]) -> list[float]:
    listed = list(values)
    total = sum(listed)
    return [value / total for value in listed] if total else [1 / len(listed)] * len(listed)
