"""What a Pin can show and a query can ask: interests, subjects, styles, details, occasions.

Everything is composed of five attributes. `interest` and `subject` say what it is; `style` is how
(for food: the diet; for craft: the motif; for travel: the place), `detail` is a colour (for food:
an ingredient; for travel: a season), `occasion` is when or for whom. An attribute that a Pin does
not have, or a query does not ask for, is `NONE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NONE = -1
"""Code of an attribute that is absent (Pin) or not asked for (query)."""


@dataclass(frozen=True, slots=True)
class Interest:
    """A field of interest.

    Attributes:
        name: As in the tables' `segment` and `interest`.
        kind: What its Pins are: `look`, `recipe`, `diy` or `trip` (chooses sentence templates).
        subjects: Its subjects, in groups of related ones (a Pin of a related subject helps a bit).
        styles: Styles in use.
        occasions: Occasions in use.
        shopping: Share of its searches that mean to buy, 0-1.
    """

    name: str
    kind: str
    subjects: tuple[tuple[str, ...], ...]
    styles: tuple[str, ...]
    occasions: tuple[str, ...]
    shopping: float


_DECOR = ("boho", "minimalist", "scandinavian", "rustic", "vintage", "modern", "tropical")
_LOOK = ("boho", "minimalist", "vintage", "elegant", "casual", "gothic", "romantic")

INTERESTS: tuple[Interest, ...] = (
    Interest(
        "home",
        "look",
        (
            ("living_room", "rug"),
            ("bedroom", "reading_nook"),
            ("kitchen", "pantry"),
            ("bathroom", "laundry_room"),
        ),
        _DECOR,
        ("christmas", "halloween", "kids", "budget", "small_space"),
        0.55,
    ),
    Interest(
        "food",
        "recipe",
        (
            ("birthday_cake", "cupcakes"),
            ("cookies", "brownies"),
            ("ramen", "soup"),
            ("salad", "bowl"),
        ),
        ("vegan", "gluten_free", "quick", "healthy", "classic", "high_protein"),
        ("christmas", "halloween", "kids", "valentine", "budget"),
        0.1,
    ),
    Interest(
        "fashion",
        "look",
        (("dress", "skirt"), ("coat", "blazer"), ("sneakers", "boots"), ("handbag", "necklace")),
        _LOOK,
        ("wedding", "christmas", "work", "budget", "kids"),
        0.85,
    ),
    Interest(
        "beauty",
        "look",
        (
            ("nails", "toe_nails"),
            ("updo", "braids"),
            ("makeup", "eye_makeup"),
            ("bob_haircut", "bangs"),
        ),
        _LOOK,
        ("wedding", "christmas", "halloween", "work", "beginners"),
        0.4,
    ),
    Interest(
        "craft",
        "diy",
        (
            ("crochet_blanket", "knit_scarf"),
            ("origami", "paper_flowers"),
            ("embroidery", "patchwork"),
            ("candles", "pottery_mug"),
        ),
        ("floral", "animals", "geometric", "kawaii", "vintage", "boho"),
        ("christmas", "halloween", "kids", "beginners", "valentine"),
        0.3,
    ),
    Interest(
        "garden",
        "look",
        (
            ("balcony", "patio"),
            ("vegetable_garden", "herb_garden"),
            ("succulents", "terrarium"),
            ("flower_bed", "garden_path"),
        ),
        _DECOR,
        ("small_space", "budget", "beginners", "kids"),
        0.35,
    ),
    Interest(
        "travel",
        "trip",
        (
            ("beach", "boat_trip"),
            ("hike", "camping"),
            ("city_trip", "street_food"),
            ("road_trip", "train_trip"),
        ),
        ("italy", "japan", "mexico", "france", "morocco", "norway"),
        ("kids", "budget", "honeymoon"),
        0.25,
    ),
    Interest(
        "celebration",
        "look",
        (
            ("table_decor", "centerpiece"),
            ("bouquet", "wreath"),
            ("invitation", "gift_wrapping"),
            ("balloon_arch", "photo_backdrop"),
        ),
        _DECOR,
        ("christmas", "halloween", "wedding", "birthday", "kids", "budget"),
        0.5,
    ),
)
"""The eight interests."""

COLOURS = ("white", "beige", "black", "sage_green", "navy", "pink", "terracotta", "mustard")
SWEET = ("chocolate", "strawberry", "lemon", "matcha")
SAVOURY = ("chicken", "mushroom", "avocado", "shrimp")
SEASONS = ("spring", "summer", "autumn", "winter")
DETAILS: tuple[str, ...] = COLOURS + SWEET + SAVOURY + SEASONS
"""Every detail; its code is its place."""

STYLES: tuple[str, ...] = tuple(
    dict.fromkeys(style for interest in INTERESTS for style in interest.styles)
)
"""Every style; its code is its place."""

OCCASIONS: tuple[str, ...] = tuple(
    dict.fromkeys(occasion for interest in INTERESTS for occasion in interest.occasions)
)
"""Every occasion; its code is its place."""

SUBJECTS: tuple[str, ...] = tuple(
    subject for interest in INTERESTS for group in interest.subjects for subject in group
)
"""Every subject; its code is its place."""

INTEREST_OF: tuple[int, ...] = tuple(
    code for code, interest in enumerate(INTERESTS) for group in interest.subjects for _ in group
)
"""Code of the interest of each subject."""

GROUP_OF: tuple[int, ...] = tuple(
    number
    for number, group in enumerate(g for interest in INTERESTS for g in interest.subjects)
    for _ in group
)
"""Number of the group of related subjects of each subject."""

SPECIAL_OCCASIONS: tuple[str, ...] = (
    "christmas",
    "halloween",
    "wedding",
    "birthday",
    "kids",
    "valentine",
    "honeymoon",
)
"""Occasions that narrow a Pin: a Pin made for one of them, unasked, is a little off."""

NEAR: Mapping[str, tuple[tuple[str, str], ...]] = {
    "style": (
        ("scandinavian", "minimalist"),
        ("minimalist", "modern"),
        ("boho", "rustic"),
        ("rustic", "vintage"),
        ("elegant", "romantic"),
        ("healthy", "vegan"),
        ("healthy", "high_protein"),
        ("kawaii", "animals"),
        ("italy", "france"),
    ),
    "detail": (
        ("white", "beige"),
        ("black", "navy"),
        ("terracotta", "mustard"),
        ("spring", "summer"),
        ("autumn", "winter"),
    ),
    "occasion": (("birthday", "kids"), ("budget", "small_space"), ("wedding", "valentine")),
}
"""Values so close that asking one and getting the other is a small aspect, not a wrong answer."""


def details_of(subject: str) -> tuple[str, ...]:
    """The details that a subject can have: ingredients, seasons or colours."""
    code = SUBJECTS.index(subject)
    interest = INTERESTS[INTEREST_OF[code]].name
    if interest == "travel":
        return SEASONS
    if interest == "food":
        return SWEET if subject in _SWEET_SUBJECTS else SAVOURY
    return COLOURS


_SWEET_SUBJECTS = ("birthday_cake", "cupcakes", "cookies", "brownies")
