"""The text by which a Pin is known to a model: a registry of features and `render`.

Add a text feature: a column in `relevance.records.Pin` and one entry in `TEXT_FEATURES`.

Example:
    >>> pin = {"title": "Oak desk", "image_caption": "a desk by a window", "link_title": "Desks"}
    >>> render(pin)
    'Oak desk | picture: a desk by a window | link: Desks'
    >>> render(pin, parse_features("image_caption:2, title"))
    'Oak desk | picture: a desk'
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from relevance.errors import InputError, did_you_mean
from relevance.pieces import clean, clip, estimate_tokens, one_word

__all__ = [
    "ALL",
    "LARGEST_BUDGET",
    "TEXT_FEATURES",
    "TextFeature",
    "clean",
    "clip",
    "estimate_tokens",
    "parse_features",
    "pick_features",
    "render",
    "render_pins",
    "spell_features",
]

ALL = "all"
LARGEST_BUDGET = 4096
"""Tokens; no base model reads more of a Pin."""


@dataclass(frozen=True, slots=True)
class TextFeature:
    """One column of a Pin that its text may hold.

    Attributes:
        name: Column of the `pins` table.
        tag: What announces it in the text; empty for none.
        budget: Tokens it may take, by the estimate of `estimate_tokens`.
        about: What it is, for people.
    """

    name: str
    tag: str
    budget: int
    about: str = ""


TEXT_FEATURES: tuple[TextFeature, ...] = (
    TextFeature("title", "", 24, "its author's title"),
    TextFeature("image_caption", "picture", 20, "what a captioning model sees"),
    TextFeature("engaged_queries", "searched", 20, "queries it was engaged for"),
    TextFeature("board_titles", "boards", 16, "titles of the boards it was saved to"),
    TextFeature("description", "about", 32, "its author's description"),
    TextFeature("link_title", "link", 12, "title of the linked page"),
    TextFeature("link_description", "page", 24, "description of the linked page"),
)
"""Every text feature, in the order of the text: what a tokenizer cuts off is cut at the end."""


def render(
    pin: Mapping[str, object],
    features: Sequence[TextFeature] = TEXT_FEATURES,
) -> str:
    """The text of a Pin: each feature it has, tagged and cut to its budget.

    Empty features are left out, and so is one whose words an earlier feature says already.

    Args:
        pin: A row of the `pins` table; missing columns count as empty.
        features: Which features, in which order.

    Returns:
        One line without control characters; empty for a Pin without any text.

    Example:
        >>> render({"title": "Oak desk", "image_caption": "a desk by a window"})
        'Oak desk | picture: a desk by a window'
    """
    parts: list[str] = []
    said = ""
    for feature in features:
        value = pin.get(feature.name)
        text = clip(str(value), feature.budget) if value is not None else ""
        folded = text.casefold()
        if not text or _says(said, folded):
            continue
        parts.append(f"{feature.tag}: {text}" if feature.tag else text)
        said += folded + "\n"
    return " | ".join(parts)


def _says(said: str, text: str) -> bool:
    """Whether `text` stands in `said` as whole words (`car` does not stand in `carpet`)."""
    at = said.find(text)
    while at >= 0:
        before, after = said[max(at - 1, 0) : at], said[at + len(text) : at + len(text) + 1]
        if not (one_word(before, text[0]) or one_word(text[-1], after)):
            return True
        at = said.find(text, at + 1)
    return False


def render_pins(
    pins: pl.DataFrame, features: Sequence[TextFeature] = TEXT_FEATURES
) -> pl.DataFrame:
    """One row a Pin: pin_id and text, in the order of `pins`."""
    columns = [feature.name for feature in features if feature.name in pins.columns]
    texts = [render(row, features) for row in pins.select(columns).iter_rows(named=True)]
    if not columns:
        texts = [""] * pins.height
    return pl.DataFrame({"pin_id": pins["pin_id"], "text": pl.Series(texts, dtype=pl.String)})


def pick_features(names: Sequence[str]) -> tuple[TextFeature, ...]:
    """The registered features of these names, in the order of the registry.

    Args:
        names: Each a name (`title`) or a name with a budget of its own (`title:40`).

    Raises:
        InputError: A name is not registered or there twice, or a budget is no number of tokens.
    """
    known = {feature.name: feature for feature in TEXT_FEATURES}
    picked: dict[str, TextFeature] = {}
    for entry in names:
        name, colon, budget = (part.strip() for part in entry.partition(":"))
        if name not in known:
            raise InputError(
                f"text feature {name!r} is unknown.{did_you_mean(name, known)} "
                f"Known: {', '.join(known)}"
            )
        if name in picked:
            raise InputError(f"text feature {name!r} is named twice. Name it once")
        feature = known[name]
        picked[name] = (
            dataclasses.replace(feature, budget=_budget(entry, budget)) if colon else feature
        )
    return tuple(picked[name] for name in known if name in picked)


def parse_features(text: str) -> tuple[TextFeature, ...]:
    """The features that a command line names: `title:40,description:20`, or `all`.

    Names stand between commas, each with `:TOKENS` where the registered budget does not suit;
    `all` stands for every feature that is not named.

    Returns:
        The features in the order of the registry.

    Raises:
        InputError: A name is unknown or there twice, a budget is no number of tokens, or nothing
            is named.

    Example:
        >>> [(feature.name, feature.budget) for feature in parse_features("description:20,title")]
        [('title', 24), ('description', 20)]
        >>> len(parse_features("all,title:40"))
        7
    """
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if not entries:
        raise InputError(
            "no text feature is named. Name some of: "
            f"{', '.join(feature.name for feature in TEXT_FEATURES)}; or {ALL}"
        )
    if ALL in entries:
        named = {entry.partition(":")[0].strip() for entry in entries}
        entries = [entry for entry in entries if entry != ALL]
        entries += [feature.name for feature in TEXT_FEATURES if feature.name not in named]
    return pick_features(entries)


def spell_features(features: Sequence[TextFeature]) -> tuple[str, ...]:
    """What `pick_features` makes these features of: the name, with the budget where it is own."""
    usual = {feature.name: feature.budget for feature in TEXT_FEATURES}
    return tuple(
        feature.name
        if usual.get(feature.name) == feature.budget
        else f"{feature.name}:{feature.budget}"
        for feature in features
    )


def _budget(entry: str, budget: str) -> int:
    if not (budget.isascii() and budget.isdigit() and 1 <= int(budget) <= LARGEST_BUDGET):
        raise InputError(
            f"text feature {entry!r}: the budget must be 1-{LARGEST_BUDGET} tokens, "
            f"got {budget!r}. Write it as title:40"
        )
    return int(budget)
