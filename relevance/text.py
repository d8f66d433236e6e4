"""The text by which a Pin is known to a model: a registry of features and `render`.

Add a text feature: a column in `relevance.records.Pin` and one entry in `TEXT_FEATURES`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from relevance.errors import InputError, did_you_mean

_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f"
_PIECE = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")
_LETTERS_A_TOKEN = 5
_UNSPACED_COST = 0.75


@dataclass(frozen=True, slots=True)
class TextFeature:
    """One column of a Pin that its text may hold.

    Attributes:
        name: Column of the `pins` table.
        tag: What announces it in the text; empty for none.
        budget: Tokens it may take, by the estimate of `estimate_tokens`.
    """

    name: str
    tag: str
    budget: int


TEXT_FEATURES: tuple[TextFeature, ...] = (
    TextFeature("title", "", 24),
    TextFeature("image_caption", "picture", 20),
    TextFeature("engaged_queries", "searched", 20),
    TextFeature("board_titles", "boards", 16),
    TextFeature("description", "about", 32),
    TextFeature("link_title", "link", 12),
    TextFeature("link_description", "page", 24),
)
"""Every text feature, in the order of the text: what a tokenizer cuts off is cut at the end."""


def render(
    pin: Mapping[str, object],
    features: Sequence[TextFeature] = TEXT_FEATURES,
) -> str:
    """The text of a Pin: each feature it has, tagged and cut to its budget.

    Empty features are left out, and so is one whose text an earlier feature holds already.

    Args:
        pin: A row of the `pins` table; missing columns count as empty.
        features: Which features, in which order.

    Returns:
        One line; empty for a Pin without any text.

    Example:
        >>> render({"title": "Oak desk", "image_caption": "a desk by a window"})
        'Oak desk | picture: a desk by a window'
    """
    parts: list[str] = []
    said = ""
    for feature in features:
        value = pin.get(feature.name)
        text = clip(str(value), feature.budget) if value is not None else ""
        if not text or text.casefold() in said:
            continue
        parts.append(f"{feature.tag}: {text}" if feature.tag else text)
        said += text.casefold() + "\n"
    return " | ".join(parts)


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

    Raises:
        InputError: A name is not registered.
    """
    known = {feature.name: feature for feature in TEXT_FEATURES}
    for name in names:
        if name not in known:
            raise InputError(
                f"text feature {name!r} is unknown.{did_you_mean(name, known)} "
                f"Known: {', '.join(known)}"
            )
    return tuple(feature for feature in TEXT_FEATURES if feature.name in names)


def clip(text: str, budget: int) -> str:
    """The longest beginning of whole words whose estimated tokens are within `budget`.

    Runs of white space become one blank. Scripts without blanks are cut between characters.
    """
    spent, end = 0.0, 0
    flat = " ".join(text[: budget * 64].split())
    for piece in _PIECE.finditer(flat):
        spent += _cost(piece[0])
        if spent > budget:
            return flat[:end]
        end = piece.end()
    return flat


def estimate_tokens(text: str) -> float:
    """Roughly how many tokens a multilingual subword tokenizer makes of `text`.

    A word costs one token for every five letters begun, a character of a script without blanks
    three quarters, a sign one. It needs no tokenizer, so budgets mean the same for every model.
    """
    return sum(_cost(piece) for piece in _PIECE.findall(text))


def _cost(piece: str) -> float:
    if len(piece) == 1 and re.match(f"[{_UNSPACED}]", piece):
        return _UNSPACED_COST
    return float(-(-len(piece) // _LETTERS_A_TOKEN))
