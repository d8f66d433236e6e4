"""Caption errors made on purpose, to see how far they propagate: pure functions of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.errors import InputError, did_you_mean

Kind = Literal["drop", "shuffle", "language"]
KINDS: Mapping[str, str] = {
    "drop": "the caption is missing",
    "shuffle": "the caption is that of another Pin",
    "language": "the caption is in another language",
}
"""Every kind of caption error, and what it does."""

Translate = Callable[[str, str], str]
"""A caption and the language wanted → the caption in it."""

CAPTION = "image_caption"
_OWN_WORDS = ("title", "description")


def perturb(
    pins: pl.DataFrame,
    *,
    kind: Kind,
    share: float,
    seed: int = 0,
    languages: Sequence[str | None] | pl.Series | None = None,
    translate: Translate | None = None,
) -> pl.DataFrame:
    """The Pins with a share of their captions made wrong; everything else stays as it is.

    Of the Pins that have a caption, `round(share * n)` are changed, drawn at random; with one seed
    a larger share changes the same ones and more.

    - `drop`: the caption is null.
    - `shuffle`: the caption of another Pin, wherever captions differ at all.
    - `language`: with `translate`, the same caption in another of the languages. Without, the words
      of another Pin in another language (its title, else its description): both language and
      content are then wrong, so the figure is the most that a wrong language alone could cost.

    Args:
        pins: Table `pins` with image_caption.
        kind: A key of `KINDS`.
        share: How many of the captions, 0-1.
        seed: Seed of the drawing.
        languages: (n,) language of each Pin's own words; None = its column `language`. Only the
            kind `language` reads it.
        translate: Translator for the kind `language`.

    Returns:
        The same rows in the same order, and the same columns.

    Raises:
        InputError: The kind or share is wrong, there are no captions, or languages are needed and
            missing or all the same.
    """
    if kind not in get_args(Kind):
        raise InputError(
            f"no caption error is called {kind!r}.{did_you_mean(kind, KINDS)} "
            f"Use {', '.join(KINDS)}"
        )
    if not 0 <= share <= 1:
        raise InputError(f"the share of captions to change must be 0-1, got {share}")
    captions = _captions(pins)
    filled = np.flatnonzero([bool(caption and caption.strip()) for caption in captions])
    if not len(filled):
        raise InputError("no Pin has a caption to change. Make them with: gradewise data captions")
    rng = np.random.default_rng([seed, 0xCA9])
    order = rng.permutation(filled)
    chosen = order[: round(share * len(order))]
    if kind == "drop":
        changed: list[str | None] = [None] * len(chosen)
    elif kind == "shuffle":
        changed = _others(captions, chosen, filled, rng)
    else:
        spoken = _languages(pins, languages)
        changed = _foreign(pins, captions, chosen, spoken, rng, translate=translate)
    values = list(captions)
    for place, caption in zip(chosen.tolist(), changed, strict=True):
        values[place] = caption
    return pins.with_columns(pl.Series(CAPTION, values, dtype=pl.String))


def _captions(pins: pl.DataFrame) -> list[str | None]:
    if CAPTION not in pins.columns:
        return [None] * pins.height
    return pins[CAPTION].cast(pl.String).to_list()


def _others(
    captions: list[str | None],
    chosen: NDArray[np.int64],
    filled: NDArray[np.int64],
    rng: np.random.Generator,
) -> list[str | None]:
    """For each chosen Pin the caption of another: the chosen ones change places in a circle.

    Where that gives a Pin the words it had, the next different ones among all captions are taken.
    """
    pool = rng.permutation(filled)
    given: list[str | None] = []
    for place, donor in zip(chosen.tolist(), np.roll(chosen, 1).tolist(), strict=True):
        caption = captions[donor]
        if caption == captions[place]:
            start = int(rng.integers(len(pool)))
            circle = (captions[other] for other in np.roll(pool, -start).tolist())
            caption = next((other for other in circle if other != captions[place]), caption)
        given.append(caption)
    return given


def _languages(
    pins: pl.DataFrame, languages: Sequence[str | None] | pl.Series | None
) -> list[str | None]:
    if languages is None:
        languages = pins["language"] if "language" in pins.columns else None
    if languages is None or len(languages) != pins.height:
        raise InputError(
            "captions in a wrong language need each Pin's language, one a Pin. Fill the column "
            "with: gradewise data languages --pins FILE"
        )
    return [None if language is None else str(language) for language in languages]


def _foreign(
    pins: pl.DataFrame,
    captions: list[str | None],
    chosen: NDArray[np.int64],
    spoken: list[str | None],
    rng: np.random.Generator,
    *,
    translate: Translate | None,
) -> list[str | None]:
    """For each chosen Pin a caption in a language that is not its own."""
    known = sorted({language for language in spoken if language})
    if len(known) < 2:
        raise InputError(
            f"captions in a wrong language need Pins of two languages, found: "
            f"{', '.join(known) or 'none'}"
        )
    words = _own_words(pins)
    pools = {
        language: np.array(
            [place for place, of in enumerate(spoken) if of == language and words[place]]
        )
        for language in known
    }
    usable = [language for language in known if translate or len(pools[language])]
    given: list[str | None] = []
    for place in chosen.tolist():
        others = [language for language in usable if language != spoken[place]]
        if not others:
            raise InputError("Pins of only one language have a title or description to borrow")
        wanted = others[int(rng.integers(len(others)))]
        caption = captions[place]
        if translate is not None and caption is not None:
            given.append(translate(caption, wanted))
        else:
            given.append(words[int(rng.choice(pools[wanted]))])
    return given


def _own_words(pins: pl.DataFrame) -> list[str | None]:
    """What the author wrote of each Pin: title, else description."""
    there = [name for name in _OWN_WORDS if name in pins.columns]
    if not there:
        return [None] * pins.height
    filled = [
        pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name).str.strip_chars())
        for name in there
    ]
    return pins.select(pl.coalesce(filled)).to_series().to_list()
