"""Drawn pictures of Pins: the subject in its colour, in front of its style, with its occasion.

Every picture is an SVG of 320 × 400 and about 2 kB at most, without any text: it is graded by
looking.
"""

from __future__ import annotations

import hashlib

from relevance.world.attributes import (
    DETAILS,
    INTEREST_OF,
    INTERESTS,
    NONE,
    OCCASIONS,
    STYLES,
    SUBJECTS,
)
from relevance.world.images import food, goods, leisure, rooms, travel
from relevance.world.images.motifs import BACKGROUNDS, EMBLEMS, PATTERNS
from relevance.world.images.shapes import Paint, mix, rect
from relevance.world.phrases import Meaning

_DRAWINGS = {
    **rooms.DRAWINGS,
    **goods.DRAWINGS,
    **food.DRAWINGS,
    **leisure.DRAWINGS,
    **travel.DRAWINGS,
}

_COLOURS = {
    "white": "#faf8f3",
    "beige": "#dcc6a2",
    "black": "#33302f",
    "sage_green": "#9caf88",
    "navy": "#27406b",
    "pink": "#e7a9b0",
    "terracotta": "#c4673f",
    "mustard": "#d9a62e",
    "chocolate": "#6b4128",
    "strawberry": "#e2586a",
    "lemon": "#f2d544",
    "matcha": "#93b04c",
    "chicken": "#d89b52",
    "mushroom": "#a58a70",
    "avocado": "#a3c45e",
    "shrimp": "#f3936f",
    "spring": "#e58fb0",
    "summer": "#2f8fbf",
    "autumn": "#c9622a",
    "winter": "#6f88a8",
}
_ACCENTS = ("#e9b44c", "#7fa6c9", "#d98b8b", "#8fb08c", "#c7a2c9", "#f0e3cf")


def draw(meaning: Meaning, pin_id: str) -> str:
    """The picture of a Pin as SVG.

    Args:
        meaning: What the Pin shows.
        pin_id: Chooses accent colour, size and side, so that Pins of one meaning differ.
    """
    chance = hashlib.blake2b(pin_id.encode(), digest_size=3).digest()
    subject = SUBJECTS[meaning.subject]
    style = "minimalist" if meaning.style == NONE else STYLES[meaning.style]
    detail = "beige" if meaning.detail == NONE else DETAILS[meaning.detail]
    wall, floor = BACKGROUNDS[style]
    interest = INTERESTS[INTEREST_OF[meaning.subject]].name
    if interest == "garden":
        wall, floor = mix(wall, "#bfe0f2", 0.6), mix(floor, "#8db56a", 0.6)
    if detail == "winter":
        floor = mix(floor, "#ffffff", 0.7)
    main = _COLOURS[detail]
    shade = mix(main, "#000000", 0.22) if main != _COLOURS["black"] else mix(main, "#ffffff", 0.2)
    accents = [tone for tone in _ACCENTS if tone != main]
    paint = Paint(main, shade, accents[chance[0] % len(accents)])
    place = travel.LANDMARKS.get(style, "")
    sky = travel.weather(detail) if interest == "travel" else ""
    emblem = "" if meaning.occasion == NONE else EMBLEMS.get(OCCASIONS[meaning.occasion], "")
    side = -1 if chance[2] % 2 else 1
    size = 1.0 if sky else 0.9 + 0.1 * chance[1] / 255
    shift = (
        f"translate(160 {330 * (1 - size):.0f})scale({side * size:.2f} {size:.2f})translate(-160)"
    )
    outlined = f'<g transform="{shift}" stroke="#000" stroke-opacity=".15">'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="400" viewBox="0 0 320 400" '
        'stroke-linecap="round">'
        + rect(0, 0, 320, 400, wall)
        + rect(0, 300, 320, 100, floor)
        + PATTERNS.get(style, "")
        + sky
        + place
        + outlined
        + _DRAWINGS[subject](paint)
        + "</g>"
        + emblem
        + "</svg>"
    )
