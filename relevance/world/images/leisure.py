"""Drawings of the interests craft and celebration."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from relevance.world.images.shapes import Paint, disc, dots, line, oval, path, rect

LEAF = "#6d9a5b"
PAPER = "#fdfaf3"
WOOD = "#b98a5a"


def flower(x: float, y: float, r: float, fill: str) -> str:
    """A flower of four petals around a yellow heart."""
    step = round(r * 0.62)
    petals = ((x - step, y), (x + step, y), (x, y - step), (x, y + step))
    return dots(petals, step, fill) + disc(x, y, round(r * 0.42), "#ffd75e")


def _crochet_blanket(p: Paint) -> str:
    squares = ""
    for row, tone in enumerate((p.main, p.accent, p.shade)):
        y = 116 + 70 * row
        squares += path("".join(f"M{58 + 70 * i} {y}h64v64h-64z" for i in range(3)), tone)
        middle = [(90 + 70 * i, y + 32) for i in range(3)]
        squares += dots(middle, 22, PAPER) + dots(middle, 11, tone)
    fringe = "".join(f"M{62 + 14 * i} 326v18" for i in range(15))
    return rect(52, 110, 216, 216, PAPER, 6) + squares + line(fringe, p.main, 4)


def _knit_scarf(p: Paint) -> str:
    stitches = "".join(f"M{128 + 16 * (i % 5)} {160 + 26 * (i // 5)}l6 8 6-8" for i in range(30))
    fringe = "".join(f"M{122 + 13 * i} 334v24" for i in range(7))
    return (
        path("M92 104q68-40 136 0v52q-68 36-136 0z", p.shade)
        + path("M104 116q56 30 112 0v22q-56 30-112 0z", p.main)
        + rect(114, 146, 92, 190, p.main, 8)
        + rect(114, 290, 92, 16, p.accent)
        + line(stitches, p.shade, 3)
        + line(fringe, p.main, 5)
    )


def _origami(p: Paint) -> str:
    return (
        path("M160 236 60 128l64 150z", p.main)
        + path("M160 236 262 104l-66 168z", p.shade)
        + path("M124 278 160 236l36 36-36 52z", p.accent)
        + path("M124 278 40 300l-14-24 26 6 72-36z", p.main)
        + path("M196 272l88-40-72 62z", p.main)
    )


def _paper_flowers(p: Paint) -> str:
    return (
        line("M160 350V220M160 320 96 236M160 320l66-84", LEAF, 6)
        + "".join(flower(x, y, 42, p.main) for x, y in ((96, 204), (226, 204)))
        + flower(160, 150, 52, p.accent)
        + path("M124 296q-30-4-36 18 28 4 36-18zM196 296q30-4 36 18-28 4-36-18z", LEAF)
    )


def _embroidery(p: Paint) -> str:
    return (
        disc(160, 220, 122, WOOD)
        + disc(160, 220, 106, PAPER)
        + rect(150, 84, 20, 24, "#c9a13f", 4)
        + line("M160 300V226M160 280q-40-6-46-34M160 270q40-6 46-34", LEAF, 6)
        + flower(160, 196, 34, p.main)
        + flower(108, 226, 20, p.accent)
        + flower(212, 226, 20, p.accent)
        + line("M92 172q20-30 44-34M228 172q-20-30-44-34", p.shade, 4)
    )


def _patchwork(p: Paint) -> str:
    tiles, corners = rect(48, 108, 224, 224, PAPER), ""
    for shift, tone in ((0, p.main), (2, p.accent), (3, p.shade)):
        squares = [(48 + 56 * ((shift + 3 * row) % 4), 108 + 56 * row) for row in range(4)]
        tiles += path("".join(f"M{x} {y}h56v56h-56z" for x, y in squares), tone)
        corners += "".join(f"M{x} {y}h56l-56 56z" for x, y in squares if tone != p.main)
    return tiles + path(corners, p.main) + line("M42 102h236v236H42z", p.shade, 6)


def _candles(p: Paint) -> str:
    places = ((40, 238), (126, 176), (212, 212))
    jars = "".join(
        rect(x, y, 68, 318 - y, p.main, 10)
        + rect(x + 10, y + 44, 48, 30, PAPER, 3)
        + oval(x + 34, y - 30, 9, 17, "#ffb52e")
        for x, y in places
    )
    wicks = line("".join(f"M{x + 34} {y}v-16" for x, y in places), "#3d3430", 4)
    return rect(24, 318, 272, 14, WOOD, 6) + jars + wicks


def _pottery_mug(p: Paint) -> str:
    return (
        line("M222 190q62-6 60 50t-66 50", p.shade, 20)
        + path("M74 154h152l-10 168q-66 22-132 0z", p.main)
        + oval(150, 154, 76, 20, p.shade)
        + oval(150, 156, 62, 13, "#5d3a25")
        + path("M80 250q70 30 140 0l-2 30q-68 26-136 0z", p.accent)
        + line("M130 128q-12-18 0-36M170 128q-12-18 0-36", "#ffffff", 5)
    )


def _table_decor(p: Paint) -> str:
    return (
        path("M20 270h280l20 130H0z", p.main)
        + oval(160, 330, 92, 34, "#e4ded2")
        + oval(160, 328, 66, 22, PAPER)
        + path("M136 312h48l-24 30z", p.accent)
        + line("M46 300v66M60 300v66M268 300v66", "#b9b4ab", 6)
        + path("M234 176h44q0 44-18 48v40h-8v-40q-18-4-18-48z", "#d9ecf2")
        + rect(70, 190, 12, 82, PAPER)
        + oval(76, 178, 7, 14, "#ffb52e")
        + "".join(flower(x, y, 22, p.shade) for x, y in ((138, 236), (180, 230), (158, 256)))
    )


def _centerpiece(p: Paint) -> str:
    return (
        oval(160, 340, 120, 24, WOOD)
        + line("M160 260 110 170M160 260V140M160 260l50-90M160 260 84 212M160 260l76-48", LEAF, 6)
        + flower(110, 160, 32, p.main)
        + flower(212, 160, 32, p.main)
        + flower(160, 122, 36, p.accent)
        + flower(84, 208, 26, p.shade)
        + flower(238, 208, 26, p.shade)
        + path("M120 240h80q-6 40 14 96H106q20-56 14-96z", "#cfe3ea")
    )


def _bouquet(p: Paint) -> str:
    places = ((108, 150), (160, 124), (212, 150), (128, 200), (192, 200), (160, 166))
    blooms = "".join(
        flower(x, y, 32, (p.main, p.accent, p.shade)[i % 3]) for i, (x, y) in enumerate(places)
    )
    return (
        path("M82 190q78-40 156 0l-52 170h-52z", PAPER)
        + "".join(oval(x, y, 20, 30, LEAF) for x, y in ((78, 184), (242, 184), (160, 90)))
        + blooms
        + path("M122 290h76l-6 20h-64z", p.main)
        + path("M160 300l-34 46 20-4 14-30 14 30 20 4z", p.shade)
    )


def _wreath(p: Paint) -> str:
    right = [(160, 116), (212, 130), (248, 172), (256, 222), (236, 270), (192, 302)]
    places = [*right, (142, 304), (94, 280), (66, 236), (68, 184), (104, 136)]
    ring = dots(places, 26, LEAF) + dots(places, 17, "#83ad6c")
    berries = dots(((130, 118), (246, 196), (216, 292), (76, 260)), 11, p.main)
    return (
        rect(60, 40, 200, 360, "#a67c52", 4)
        + rect(84, 60, 152, 320, "#96693f", 4)
        + ring
        + berries
        + path("M160 300l-44-22v48zM160 300l44-22v48z", p.accent)
        + disc(160, 302, 11, p.main)
    )


def _invitation(p: Paint) -> str:
    return (
        path("M60 210h220v130H60z", p.shade)
        + path("M60 210l110 76 110-76v-6H60z", p.main)
        + rect(52, 92, 160, 210, PAPER, 4)
        + line("M66 106h132v182H66z", p.main, 3)
        + flower(132, 146, 24, p.main)
        + line("M94 194h76M84 216h96M100 238h64M110 260h44", "#6b625c", 4)
        + disc(240, 310, 15, p.accent)
    )


def _gift_wrapping(p: Paint) -> str:
    return (
        rect(56, 196, 208, 134, p.main, 4)
        + rect(46, 170, 228, 40, p.main, 4)
        + rect(144, 170, 32, 160, p.accent)
        + path("M160 170q-70-70-86-30-4 26 86 30zM160 170q70-70 86-30 4 26-86 30z", p.accent)
        + disc(160, 168, 13, p.shade)
        + "".join(
            disc(x, y, 6, p.shade) for x, y in ((90, 240), (116, 290), (210, 240), (236, 290))
        )
    )


def _balloon_arch(p: Paint) -> str:
    left = [(52, 350), (44, 304), (50, 256), (66, 210), (92, 168), (128, 138), (170, 128)]
    places = [*left, (210, 146), (240, 180), (260, 222), (272, 268), (276, 314), (266, 356)]
    tones = (p.main, p.accent, "#fdfaf3", p.shade)
    balloons = "".join(dots(places[i::4], 30 - 4 * i, tone) for i, tone in enumerate(tones))
    return (
        balloons
        + oval(160, 356, 66, 14, WOOD)
        + rect(128, 300, 64, 50, PAPER, 6)
        + rect(128, 300, 64, 14, p.main, 6)
    )


def _photo_backdrop(p: Paint) -> str:
    strips = "".join(
        rect(50 + 22 * i, 96, 18, 190 + 12 * (i % 3), (p.main, "#fdfaf3", p.accent)[i % 3])
        for i in range(10)
    )
    return (
        line("M42 94h236M46 94v240M274 94v240", "#6b5a4b", 7)
        + strips
        + line("M160 330 120 396M160 330l40 66M160 330v66", "#3d3430", 6)
        + rect(120, 280, 80, 54, "#3d3430", 8)
        + disc(160, 307, 20, "#8fb7c9")
        + rect(144, 268, 32, 14, "#3d3430", 4)
    )


DRAWINGS: Mapping[str, Callable[[Paint], str]] = {
    "crochet_blanket": _crochet_blanket,
    "knit_scarf": _knit_scarf,
    "origami": _origami,
    "paper_flowers": _paper_flowers,
    "embroidery": _embroidery,
    "patchwork": _patchwork,
    "candles": _candles,
    "pottery_mug": _pottery_mug,
    "table_decor": _table_decor,
    "centerpiece": _centerpiece,
    "bouquet": _bouquet,
    "wreath": _wreath,
    "invitation": _invitation,
    "gift_wrapping": _gift_wrapping,
    "balloon_arch": _balloon_arch,
    "photo_backdrop": _photo_backdrop,
}
