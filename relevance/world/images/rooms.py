"""Drawings of the interests home and garden."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from relevance.world.images.shapes import Paint, disc, dots, line, oval, path, rect

LEAF = "#5f8f4e"
DARK = "#4b3a2f"
CLAY = "#b5653f"
PALE = "#fbf8f1"


def _living_room(p: Paint) -> str:
    return (
        rect(110, 90, 60, 70, PALE)
        + disc(140, 125, 18, p.accent)
        + line("M262 170V322", DARK, 4)
        + path("M240 130h44l12 42h-68z", PALE)
        + rect(52, 200, 180, 80, p.main, 18)
        + rect(40, 240, 204, 62, p.main, 16)
        + rect(34, 226, 34, 80, p.shade, 14)
        + rect(216, 226, 34, 80, p.shade, 14)
        + rect(92, 218, 38, 36, p.accent, 8)
        + line("M54 306v18M230 306v18", DARK, 6)
    )


def _rug(p: Paint) -> str:
    return (
        path("M40 380 92 250H228l52 130z", p.main)
        + path("M72 364 108 266H212l36 98z", p.shade)
        + path("M100 350 122 280h76l22 70z", p.accent)
        + line("M44 384v10M90 384v10M136 384v10M182 384v10M228 384v10M274 384v10", p.main, 4)
        + rect(110, 150, 100, 60, PALE, 12)
        + rect(100, 190, 120, 44, PALE, 12)
        + line("M112 236v16M208 236v16", DARK, 6)
    )


def _bedroom(p: Paint) -> str:
    return (
        rect(50, 150, 220, 110, "#a67c52", 16)
        + rect(50, 236, 220, 90, PALE, 10)
        + rect(70, 204, 80, 44, PALE, 14)
        + rect(170, 204, 80, 44, PALE, 14)
        + rect(44, 258, 232, 76, p.main, 10)
        + rect(44, 258, 232, 18, p.shade, 8)
        + rect(132, 222, 56, 34, p.accent, 10)
        + line("M60 336v14M260 336v14", DARK, 8)
    )


def _reading_nook(p: Paint) -> str:
    books = "".join(
        line("".join(f"M{210 + 14 * i} {126 + 62 * row}v34" for i in range(shift, 5, 2)), tone, 10)
        for row in range(3)
        for shift, tone in ((0, p.accent), (1, p.shade))
    )
    return (
        rect(194, 106, 90, 206, "#a67c52", 4)
        + books
        + rect(44, 170, 120, 110, p.main, 30)
        + rect(34, 226, 34, 84, p.shade, 14)
        + rect(142, 226, 34, 84, p.shade, 14)
        + rect(58, 250, 94, 58, p.main, 12)
        + line("M52 312v16M158 312v16", DARK, 6)
    )


def _kitchen(p: Paint) -> str:
    doors = "".join(rect(46 + 78 * i, 92, 72, 74, p.main, 3) for i in range(3))
    lower = "".join(rect(46 + 78 * i, 232, 72, 90, p.main, 3) for i in (0, 2))
    return (
        doors
        + rect(40, 220, 240, 14, PALE)
        + lower
        + rect(124, 232, 72, 90, "#5b6068", 4)
        + rect(134, 254, 52, 40, "#2e3238", 4)
        + disc(142, 243, 4, PALE)
        + disc(178, 243, 4, PALE)
        + rect(140, 196, 40, 24, p.accent, 4)
        + line("M132 200h8M106 130v14M184 130v14M216 130v14M108 250v14M212 250v14", DARK, 3)
    )


def _pantry(p: Paint) -> str:
    jars = ""
    for row, tone in enumerate((p.main, p.accent, p.main)):
        y = 130 + 68 * row
        jars += line("".join(f"M{76 + 42 * i} {y - 13}h0" for i in range(5)), p.shade, 20)
        jars += line("".join(f"M{76 + 42 * i} {y}v14" for i in range(5)), tone, 28)
    boards = "".join(rect(46, 158 + 68 * i, 228, 9, "#a67c52") for i in range(3))
    return rect(46, 90, 228, 236, PALE, 4) + jars + boards


def _bathroom(p: Paint) -> str:
    return (
        rect(196, 92, 70, 90, "#cfe3ea", 35)
        + line("M70 236v-96q0-22 22-22t22 22", "#9aa3a8", 6)
        + path("M100 136h28l6 14H94z", "#9aa3a8")
        + path("M40 236H280q0 80-46 84H86Q40 316 40 236z", p.main)
        + rect(32, 228, 256, 16, PALE, 8)
        + disc(90, 222, 16, "#ffffff")
        + disc(116, 218, 20, "#ffffff")
        + disc(144, 224, 14, "#ffffff")
        + line("M90 322v12M230 322v12", p.shade, 10)
        + rect(236, 196, 26, 32, p.accent, 4)
    )


def _laundry_room(p: Paint) -> str:
    return (
        rect(60, 96, 200, 12, "#a67c52")
        + rect(80, 66, 30, 30, p.accent, 4)
        + rect(126, 62, 22, 34, PALE, 6)
        + rect(54, 176, 130, 150, PALE, 8)
        + rect(54, 176, 130, 28, p.main, 8)
        + disc(119, 264, 44, p.shade)
        + disc(119, 264, 32, "#bcd8e6")
        + path("M92 272q27-22 54 0a28 28 0 0 1-54 0z", p.main)
        + path("M202 252h76l-8 74h-60z", "#c9a36b")
        + path("M204 252q36-36 72 0z", p.main)
    )


def _balcony(p: Paint) -> str:
    bars = "M40 250H280" + "".join(f"M{48 + 32 * i} 250v90" for i in range(8)) + "M40 340H280"
    return (
        disc(250, 110, 26, "#ffd27a")
        + path("M64 330v-96h44v96zM98 284h40v46h-40z", p.main)
        + "".join(disc(x, y, 22, LEAF) for x, y in ((190, 226), (214, 206), (238, 228), (212, 232)))
        + path("M188 246h50l-8 46h-34z", CLAY)
        + line(bars, DARK, 5)
        + path("M130 262h56l-6 30h-44z", p.accent)
        + "".join(disc(140 + 12 * i, 254 - 6 * (i % 2), 9, p.main) for i in range(4))
    )


def _patio(p: Paint) -> str:
    return (
        path("M50 170Q160 70 270 170z", p.main)
        + path("M124 170q36-90 72 0z", p.shade)
        + line("M160 120V310", DARK, 5)
        + oval(160, 262, 70, 14, "#a67c52")
        + line("M120 270l-8 60M200 270l8 60", DARK, 5)
        + rect(46, 236, 14, 94, "#a67c52")
        + rect(46, 274, 50, 14, p.main)
        + rect(260, 236, 14, 94, "#a67c52")
        + rect(224, 274, 50, 14, p.main)
        + line("M92 288v40M228 288v40", DARK, 5)
        + disc(160, 246, 9, p.accent)
    )


def _vegetable_garden(p: Paint) -> str:
    rows, carrots = "", ""
    heads: list[tuple[float, float]] = []
    tops: list[tuple[float, float]] = []
    for i in range(3):
        y = 236 + 52 * i
        rows += rect(30, y, 260, 22, "#7a5537", 10)
        for j in range(5):
            x = 56 + 52 * j
            if (i + j) % 2:
                heads.append((x, y - 8))
            else:
                carrots += f"M{x - 9} {y}h18l-9 30z"
                tops.append((x, y - 10))
    can = path("M190 140h60l6 64h-72z", p.main) + line(
        "M190 190l-50-40M252 150q34 4 0 44", p.main, 9
    )
    plants = dots(heads, 15, "#86b35c") + dots(heads, 7, "#b6d48c") + dots(tops, 9, LEAF)
    return rows + path(carrots, "#e98a3a") + plants + can


def _herb_garden(p: Paint) -> str:
    pots = "".join(
        line(f"M{x} 250v-52M{x} 226l-18-22M{x} 226l18-22M{x} 240l-22-8M{x} 240l22-8", LEAF, 6)
        + disc(x, 190, 12, "#77a860")
        + path(f"M{x - 30} 248h60l-9 60h-42z", colour)
        + rect(x - 18, 268, 36, 16, PALE)
        for x, colour in ((76, p.main), (160, p.shade), (244, p.main))
    )
    return rect(30, 306, 260, 14, "#a67c52") + pots


def _succulents(p: Paint) -> str:
    return (
        rect(76, 158, 44, 110, "#6fa36b", 22)
        + line("M76 226h-22v-28M120 212h22v-30", "#6fa36b", 16)
        + path("M60 266h76l-10 62H70z", p.main)
        + "".join(
            oval(214 + dx, 246 + dy, 16, 24, c)
            for dx, dy, c in (
                (-24, 0, "#8fb996"),
                (24, 0, "#8fb996"),
                (-12, -14, "#a9cfae"),
                (12, -14, "#a9cfae"),
                (0, 0, "#c1dfc4"),
            )
        )
        + path("M176 266h76l-10 62h-56z", p.shade)
        + disc(98, 156, 8, "#f2a0b5")
    )


def _terrarium(p: Paint) -> str:
    return (
        path("M104 120h112v30q54 30 54 96 0 78-110 78T50 246q0-66 54-96z", "#d9eef0")
        + path("M54 268h212q-8 56-106 56T54 268z", "#7a5537")
        + path("M56 258q104-26 208 0l2 14H54z", p.main)
        + line("M130 262v-60M130 232l-20-18M130 222l20-18M196 262v-42M196 242l16-14", LEAF, 6)
        + disc(130, 196, 14, LEAF)
        + disc(196, 214, 12, "#86b35c")
        + rect(94, 100, 132, 24, "#a67c52", 8)
        + disc(160, 258, 10, p.accent)
    )


def _flower_bed(p: Paint) -> str:
    places = [(48 + 37 * i, 220 + 34 * (i % 2)) for i in range(7)]
    stems = "".join(f"M{x} 330V{y}" for x, y in places)
    around = ((-11, 0), (11, 0), (0, -11), (0, 11))
    blooms = "".join(
        dots([(x + dx, y + dy) for x, y in places[start::3] for dx, dy in around], 12, tone)
        for start, tone in enumerate((p.main, p.accent, p.main))
    )
    ground = rect(20, 318, 280, 40, "#7a5537", 16)
    return ground + line(stems, LEAF, 5) + blooms + dots(places, 8, "#ffd75e")


def _garden_path(p: Paint) -> str:
    stones = "".join(
        oval(x, y, w, w * 0.38, p.main)
        for x, y, w in ((150, 376, 62), (176, 334, 48), (150, 300, 36), (170, 274, 26))
    )
    bushes = "".join(
        disc(x, y, r, c)
        for x, y, r, c in (
            (50, 290, 44, LEAF),
            (270, 290, 44, "#6fa35c"),
            (98, 262, 26, "#79ad66"),
            (228, 262, 26, LEAF),
        )
    )
    gate = line("M124 262V190q0-40 36-40t36 40v72", p.accent, 10)
    blooms = dots([(30 + 22 * i, 276 + 14 * (i % 2)) for i in range(4)], 6, p.main)
    return gate + bushes + blooms + stones


DRAWINGS: Mapping[str, Callable[[Paint], str]] = {
    "living_room": _living_room,
    "rug": _rug,
    "bedroom": _bedroom,
    "reading_nook": _reading_nook,
    "kitchen": _kitchen,
    "pantry": _pantry,
    "bathroom": _bathroom,
    "laundry_room": _laundry_room,
    "balcony": _balcony,
    "patio": _patio,
    "vegetable_garden": _vegetable_garden,
    "herb_garden": _herb_garden,
    "succulents": _succulents,
    "terrarium": _terrarium,
    "flower_bed": _flower_bed,
    "garden_path": _garden_path,
}
