"""Drawings of the interest food."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from relevance.world.images.shapes import Paint, disc, dots, line, oval, path, rect

DOUGH = "#dba765"
LEAF = "#6aa84f"
PLATE = "#fdfcf8"
RIM = "#e4ded2"


def _plate(y: float = 300) -> str:
    return oval(160, y, 130, 34, RIM) + oval(160, y - 4, 112, 26, PLATE)


def _birthday_cake(p: Paint) -> str:
    candles = "".join(
        rect(x, 112, 9, 40, p.accent) + oval(x + 4.5, 102, 6, 11, "#ffb52e")
        for x in (116, 142, 168, 194)
    )
    return (
        _plate(330)
        + candles
        + rect(100, 150, 120, 76, p.main, 8)
        + rect(68, 222, 184, 102, p.main, 8)
        + path(
            "M68 240v-14q0-8 8-8h168q8 0 8 8v14q-12 30-24 6-12 34-26 0-12 26-26 0-14 34-28 0-12"
            " 28-26 0-14 30-28 0-16 24-26-6z",
            "#fff8f0",
        )
        + "".join(disc(86 + 37 * i, 302, 9, p.accent) for i in range(5))
        + "".join(disc(118 + 28 * i, 150, 11, "#fff8f0") for i in range(4))
    )


def _cupcakes(p: Paint) -> str:
    return _plate(336) + "".join(
        path(f"M{x - 44} {y}h88l-14 72h-60z", "#f0d9b5")
        + line(f"M{x - 22} {y + 8}l6 58M{x} {y + 8}v58M{x + 22} {y + 8}l-6 58", "#cfa873", 3)
        + oval(x, y - 4, 50, 24, p.main)
        + oval(x, y - 28, 36, 20, p.main)
        + oval(x, y - 48, 20, 15, p.main)
        + disc(x, y - 66, 10, p.accent)
        for x, y in ((98, 246), (222, 246), (160, 176))
    )


def _cookies(p: Paint) -> str:
    spots = ((-16, -10), (14, -16), (18, 12), (-8, 16), (-24, 8))
    return _plate(310) + "".join(
        disc(x, y, 46, DOUGH) + dots([(x + dx, y + dy) for dx, dy in spots], 8, p.main)
        for x, y in ((104, 262), (212, 264), (158, 286), (160, 200))
    )


def _brownies(p: Paint) -> str:
    return rect(36, 296, 248, 26, "#b9b4ab", 8) + "".join(
        path(f"M{x} {y}l20-22h76l-20 22z", p.main)
        + rect(x, y, 76, 44, "#4a2d1c", 3)
        + path(f"M{x + 76} {y}l20-22v44l-20 22z", p.shade)
        + disc(x + 44, y - 11, 7, p.accent)
        for x, y in ((54, 250), (164, 250), (108, 184))
    )


def _bowl(fill: str, trim: str) -> str:
    return (
        path("M36 214H284q-6 104-84 118H120Q42 318 36 214z", fill)
        + rect(118, 328, 84, 14, trim, 6)
        + oval(160, 214, 124, 36, trim)
    )


def _ramen(p: Paint) -> str:
    noodles = "".join(f"M{64 + 20 * i} 216q12-24 24 0t24 0" for i in range(6))
    return (
        line("M200 96 250 206M224 90 262 200", "#8a4b2a", 7)
        + _bowl("#c0392b", "#8f2a1f")
        + oval(160, 214, 112, 30, "#e2a85b")
        + line(noodles, "#f7e2a3", 6)
        + oval(112, 202, 26, 19, "#fffdf4")
        + oval(112, 202, 13, 10, "#f4a62a")
        + "".join(oval(x, 212, 19, 11, p.main) for x in (168, 194, 218))
        + rect(140, 172, 22, 32, "#274032")
        + "".join(disc(x, 226, 5, LEAF) for x in (142, 160, 132))
    )


def _soup(p: Paint) -> str:
    return (
        line(
            "M120 170q-16-22 0-44t0-44M162 164q-16-22 0-44t0-44M204 170q-16-22 0-44t0-44",
            "#ffffff",
            7,
        )
        + _bowl("#6d8aa8", "#54708d")
        + oval(160, 214, 112, 30, p.main)
        + oval(160, 212, 56, 12, p.shade)
        + "".join(disc(x, y, 6, LEAF) for x, y in ((120, 208), (160, 204), (204, 212), (178, 222)))
        + line("M230 210 286 128", "#c9ccd1", 9)
    )


def _salad(p: Paint) -> str:
    leaves = "".join(
        oval(x, y, 36, 22, c)
        for x, y, c in (
            (92, 262, LEAF),
            (140, 240, "#86c06a"),
            (190, 242, LEAF),
            (232, 264, "#86c06a"),
            (160, 270, "#9ccf7c"),
        )
    )
    return (
        _plate(292)
        + leaves
        + dots(((116, 246), (206, 254)), 13, "#e2503f")
        + line("M138 250h22M172 272h22M116 276h22", p.main, 24)
        + line("M268 190v120M52 190v120M44 190v26q8 8 16 0v-26", "#c9ccd1", 6)
    )


def _buddha_bowl(p: Paint) -> str:
    return (
        disc(160, 230, 124, "#54708d")
        + disc(160, 230, 110, PLATE)
        + path("M160 230V126a104 104 0 0 1 98 70z", LEAF)
        + path("M160 230 258 196a104 104 0 0 1-40 120z", p.main)
        + path("M160 230 218 316a104 104 0 0 1-116 0z", "#f3ead4")
        + path("M160 230 102 316a104 104 0 0 1-40-120z", "#e98a3a")
        + path("M160 230 62 196a104 104 0 0 1 98-70z", "#a34a78")
        + disc(160, 230, 30, p.accent)
        + disc(160, 230, 14, "#ffd75e")
        + dots([(x, 292) for x in (136, 152, 168, 184)], 4, "#b39b6a")
    )


DRAWINGS: Mapping[str, Callable[[Paint], str]] = {
    "birthday_cake": _birthday_cake,
    "cupcakes": _cupcakes,
    "cookies": _cookies,
    "brownies": _brownies,
    "ramen": _ramen,
    "soup": _soup,
    "salad": _salad,
    "bowl": _buddha_bowl,
}
