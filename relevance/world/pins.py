"""Pins: what they show, and everything that is written about them.

Nine in ten Pins are made near a query of their country (what it asks for, or just beside it), so
that every query has good answers and near-misses; the others show anything. Every field tells only
part of what the Pin shows; together they nearly always tell all.
"""

from __future__ import annotations

import polars as pl

from relevance.world.attributes import (
    DETAILS,
    INTEREST_OF,
    INTERESTS,
    NONE,
    OCCASIONS,
    SPECIAL_OCCASIONS,
    STYLES,
    SUBJECTS,
)
from relevance.world.attributes import details_of as possible_details
from relevance.world.config import LANGUAGES, WorldConfig, stream
from relevance.world.grading import ATTRIBUTES
from relevance.world.phrases import (
    Author,
    Chooser,
    Meaning,
    caption,
    join,
    sentence_case,
    typed,
)
from relevance.world.queries import any_meaning
from relevance.world.vocabulary import Vocabulary, vocabulary

ENGLISH_SHARE = 0.15
"""Share of English Pins where people speak another language."""

_MODES = (
    "as asked",
    "minor",
    "as asked",
    "minor",
    "main",
    "minor",
    "as asked",
    "related",
    "as asked",
    "minor",
)
_NEAR_SHARE = 0.9
Fields = dict[str, str | None]


def make_pins(
    config: WorldConfig, queries: pl.DataFrame, query_attributes: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The Pins of every country.

    Returns:
        The table `pins` (with language, country, interest), and its attributes: `pin_id`,
        `popularity` (standard normal) and the codes of `grading.ATTRIBUTES`.
    """
    rows: list[dict[str, object]] = []
    joined = query_attributes.join(queries.select("query_id", "country"), on="query_id")
    for country, number in config.shares(config.pins).items():
        rng = stream(config.seed, f"pins/{country}")
        asked = [
            Meaning(*row)
            for row in joined.filter(pl.col("country") == country).select(ATTRIBUTES).iter_rows()
        ]
        choose = Chooser(rng)
        popularity = rng.standard_normal(number)
        for place in range(number):
            meaning = _meaning(choose, asked, place)
            english = LANGUAGES[country] != "en" and choose.chance(ENGLISH_SHARE)
            language = "en" if english else LANGUAGES[country]
            fields = _describe(meaning, vocabulary(language), choose)
            local = "en" if english and choose.chance(0.4) else LANGUAGES[country]
            fields["engaged_queries"] = _engaged(meaning, vocabulary(local), choose)
            rows.append(
                {
                    **fields,
                    "language": language,
                    "country": country,
                    "interest": INTERESTS[INTEREST_OF[meaning.subject]].name,
                    "popularity": float(popularity[place]),
                    **meaning._asdict(),
                }
            )
    frame = pl.DataFrame(rows, infer_schema_length=None)
    order = stream(config.seed, "pins/order").permutation(frame.height)
    frame = frame[order].with_columns(
        pl.format("pin-{}", pl.int_range(1, frame.height + 1).cast(pl.String).str.zfill(5)).alias(
            "pin_id"
        )
    )
    frame = frame.with_columns(pl.format("images/{}.svg", "pin_id").alias("image"))
    return frame.select(_COLUMNS), frame.select("pin_id", "popularity", *ATTRIBUTES)


_COLUMNS = (
    "pin_id",
    "title",
    "description",
    "image",
    "image_caption",
    "board_titles",
    "engaged_queries",
    "link_title",
    "link_description",
    "language",
    "country",
    "interest",
)


def _meaning(choose: Chooser, asked: list[Meaning], place: int) -> Meaning:
    if not choose.chance(_NEAR_SHARE):
        asks = "style detail" + (" occasion" if choose.chance(0.35) else "")
        return any_meaning(choose, int(choose.uniform() * len(INTERESTS)), asks)
    wish = asked[place % len(asked)]
    mode = _MODES[(place // len(asked)) % len(_MODES)]
    return _completed(_changed(wish, mode, choose), wish, choose)


def _changed(wish: Meaning, mode: str, choose: Chooser) -> Meaning:
    """The wish with one thing changed, as the mode says."""
    interest = INTERESTS[INTEREST_OF[wish.subject]]
    if mode == "related":
        group = next(g for g in interest.subjects if SUBJECTS[wish.subject] in g)
        other = next(name for name in group if name != SUBJECTS[wish.subject])
        return wish._replace(subject=SUBJECTS.index(other))
    asked = [name for name in ("style", "occasion", "detail") if getattr(wish, name) != NONE]
    if mode == "main" and asked:
        return _other(wish, asked[0], choose)
    if mode == "minor" and len(asked) > 1:
        return _other(wish, choose.pick(asked[1:]), choose)
    special = [name for name in interest.occasions if name in SPECIAL_OCCASIONS]
    if mode == "minor" and wish.occasion == NONE:
        return wish._replace(occasion=OCCASIONS.index(choose.pick(special)))
    return wish


def _other(wish: Meaning, attribute: str, choose: Chooser) -> Meaning:
    """The wish with another value of an attribute."""
    interest = INTERESTS[INTEREST_OF[wish.subject]]
    if attribute == "occasion" and choose.chance(0.5):
        return wish._replace(occasion=NONE)
    names, options = {
        "style": (STYLES, interest.styles),
        "detail": (DETAILS, possible_details(SUBJECTS[wish.subject])),
        "occasion": (OCCASIONS, interest.occasions),
    }[attribute]
    others = [name for name in options if names.index(name) != getattr(wish, attribute)]
    return wish._replace(**{attribute: names.index(choose.pick(others))})


def _completed(meaning: Meaning, wish: Meaning, choose: Chooser) -> Meaning:
    """The meaning with values for what the wish leaves open (no special occasion)."""
    interest = INTERESTS[INTEREST_OF[meaning.subject]]
    if meaning.style == NONE:
        meaning = meaning._replace(style=STYLES.index(choose.pick(interest.styles)))
    if meaning.detail == NONE:
        details = possible_details(SUBJECTS[meaning.subject])
        meaning = meaning._replace(detail=DETAILS.index(choose.pick(details)))
    plain = [name for name in interest.occasions if name not in SPECIAL_OCCASIONS]
    if meaning.occasion == NONE and wish.occasion == NONE and choose.chance(0.2):
        meaning = meaning._replace(occasion=OCCASIONS.index(choose.pick(plain)))
    return meaning


def _some(
    meaning: Meaning, choose: Chooser, style: float, detail: float, occasion: float
) -> Meaning:
    """The meaning with each attribute kept only with its probability."""
    return Meaning(
        meaning.subject,
        meaning.style if choose.chance(style) else NONE,
        meaning.detail if choose.chance(detail) else NONE,
        meaning.occasion if choose.chance(occasion) else NONE,
    )


def _describe(meaning: Meaning, words: Vocabulary, choose: Chooser) -> Fields:
    """Every text that the author, the captioning model and the savers gave a Pin."""
    interest = INTERESTS[INTEREST_OF[meaning.subject]]
    author = Author(words, choose)
    title = choose.pick(words.titles[interest.kind]).replace(
        "{p}", author.phrase(_some(meaning, choose, 0.95, 0.9, 0.95))
    )
    link = author.phrase(_some(meaning, choose, 0.2, 0.2, 0.25))
    shown = _some(meaning, choose, 0.97, 0.97, 0.97)
    return {
        "title": sentence_case(title),
        "description": _description(meaning, author) if choose.chance(0.85) else None,
        "image_caption": caption(shown, choose) if choose.chance(0.95) else None,
        "board_titles": _boards(meaning, words, choose),
        "link_title": (
            f"{sentence_case(link)} | {choose.pick(words.sites)}" if choose.chance(0.8) else None
        ),
        "link_description": (
            " ".join(_hints(meaning, words, choose, 0.6)) or choose.pick(words.fillers)
            if choose.chance(0.65)
            else None
        ),
    }


def _hints(meaning: Meaning, words: Vocabulary, choose: Chooser, probability: float) -> list[str]:
    hints = []
    if choose.chance(probability):
        hints.append(words.hints[STYLES[meaning.style]])
    if meaning.occasion != NONE and choose.chance(probability + 0.15):
        hints.append(words.hints[OCCASIONS[meaning.occasion]])
    return hints


def _description(meaning: Meaning, author: Author) -> str:
    words, choose = author.words, author.choose
    kind = INTERESTS[INTEREST_OF[meaning.subject]].kind
    phrase = author.phrase(_some(meaning, choose, 0.2, 0.25, 0.2))
    sentences = [sentence_case(choose.pick(words.sentences[kind]).replace("{p}", phrase))]
    sentences += _hints(meaning, words, choose, 0.65)
    if choose.chance(0.4):
        sentences.append(choose.pick(words.fillers))
    return " ".join(sentences)


def _boards(meaning: Meaning, words: Vocabulary, choose: Chooser) -> str | None:
    """Titles of the boards that others saved it to."""
    interest = INTERESTS[INTEREST_OF[meaning.subject]].name
    boards = []
    if choose.chance(0.3):
        boards.append(Author(words, choose).phrase(_some(meaning, choose, 0.5, 0.15, 0.0)))
    if meaning.occasion != NONE and choose.chance(0.35):
        boards.append(Author(words, choose).phrase(_some(meaning, choose, 0.0, 0.0, 1.0)))
    if choose.chance(0.7):
        boards.append(choose.pick(words.boards[interest]))
    return join(map(sentence_case, boards)) or None


def _engaged(meaning: Meaning, words: Vocabulary, choose: Chooser) -> str | None:
    """Up to two queries that led people to the Pin; one in seven is only beside it."""
    texts: dict[str, None] = {}
    for _ in range(int(choose.uniform() ** 2 * 3)):
        searched = _some(meaning, choose, 0.45, 0.3, 0.45)
        if choose.chance(1 / 7):
            interest = INTERESTS[INTEREST_OF[meaning.subject]]
            searched = searched._replace(style=STYLES.index(choose.pick(interest.styles)))
        texts[typed(searched, words, choose)] = None
    return join(texts) or None
