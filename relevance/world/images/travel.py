"""Drawings of the interest travel: a landmark of the place behind, what one does there in front."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from relevance.world.images.shapes import Paint, disc, line, oval, path, rect

SEA = "#4aa3c7"
DARK = "#43423f"


def _beach(p: Paint) -> str:
    return (
        rect(0, 250, 320, 60, SEA)
        + path("M0 304q80-20 160 0t160 0v96H0z", "#f0d9a6")
        + line("M210 200 232 356", "#8a6a4a", 5)
        + path("M140 236q50-80 136-24-70-14-136 24z", "#e2586a")
        + path("M182 204q20-20 50-10l-22 14q-16 0-28 14z", "#fdfaf3")
        + path("M80 340h90l16 22H96z", p.main)
        + disc(52, 364, 14, "#fdfaf3")
    )


def _boat_trip(p: Paint) -> str:
    return (
        rect(0, 280, 320, 120, SEA)
        + line("M160 110V300", DARK, 5)
        + path("M152 118V278H64z", "#fdfaf3")
        + path("M168 140v138h78z", p.main)
        + path("M58 294h214q-16 48-50 50H108q-36-2-50-50z", "#a5442f")
        + line("M20 360q20-12 40 0t40 0M180 372q20-12 40 0t40 0", "#bfe3ef", 4)
    )


def _hike(p: Paint) -> str:
    return (
        path("M-10 320 100 150l70 90 50-66 110 146z", "#7d8f86")
        + path("M100 150l34 44-22-6-14 12-16-20zM220 174l24 32-18-4-14 8-8-12z", "#ffffff")
        + path("M0 310q160-30 320 0v90H0z", "#86a868")
        + path("M140 400q60-30 20-58t20-46q-50 20-30 48t-90 56z", "#d8bd8a")
        + line("M236 330v-46M226 384l10-54 12 54M256 300v84", DARK, 6)
        + disc(236, 272, 12, "#e8b98f")
        + rect(218, 286, 18, 32, p.main, 5)
    )


def _camping(p: Paint) -> str:
    pines = "".join(path(f"M{x} 160l34 80h-18l24 66h-80l24-66h-18z", "#4f7a54") for x in (46, 276))
    return (
        pines
        + path("M160 180 270 340H50z", p.main)
        + path("M160 180 200 340h-80z", "#5a4636")
        + path("M160 180 120 340h-18z", p.accent)
        + line("M220 372l36-12M220 360l36 12", "#7a5537", 7)
        + path("M238 362q-20-18 0-46 20 28 0 46z", "#ff9a2e")
    )


def _city_trip(p: Paint) -> str:
    houses = ""
    for x, top, colour in ((20, 190, "#e0b38a"), (86, 150, p.main), (152, 206, "#c98a74")):
        houses += rect(x, top, 62, 322 - top, colour)
        lit = "".join(
            f"M{x + 17} {top + 24 + 34 * i}h0M{x + 45} {top + 24 + 34 * i}h0" for i in range(3)
        )
        houses += line(lit, "#fff3c9", 15)
    return (
        houses
        + rect(0, 320, 320, 80, "#b9b1a6")
        + line("M0 360h40M80 360h40M160 360h40M240 360h40", "#fdfaf3", 5)
        + disc(246, 262, 13, "#e8b98f")
        + rect(230, 276, 32, 52, p.accent, 10)
        + line("M238 328v40M254 328v40", DARK, 7)
    )


def _street_food(p: Paint) -> str:
    awning = "".join(
        path(f"M{40 + 40 * i} 160h40v34q-20 18-40 0z", (p.main, "#fdfaf3")[i % 2]) for i in range(6)
    )
    food = "".join(
        disc(76 + 42 * i, 250, 15, ("#e98a3a", "#6aa84f", "#e2503f")[i % 3]) for i in range(5)
    )
    return (
        line("M50 180v170M270 180v170", "#7a5537", 8)
        + awning
        + food
        + rect(40, 258, 240, 84, "#b98a5a", 4)
        + rect(60, 276, 200, 40, p.accent, 4)
        + line("M110 236q-10-14 0-28M200 236q-10-14 0-28", "#ffffff", 4)
    )


def _road_trip(p: Paint) -> str:
    return (
        path("M0 290q160-40 320 0v110H0z", "#9fb274")
        + path("M150 274h14q30 40 96 126H60q70-60 90-126z", "#6e6e70")
        + line("M157 284v16M158 316v22M160 354v30", "#fdfaf3", 5)
        + path("M70 330q0-22 22-24l12-30h72l16 30q22 2 22 24v20H70z", p.main)
        + path("M112 304l8-20h44l8 20z", "#d9eef5")
        + disc(104, 352, 17, DARK)
        + disc(182, 352, 17, DARK)
        + rect(116, 258, 50, 16, p.accent, 4)
    )


def _train_trip(p: Paint) -> str:
    windows = "".join(rect(56 + 46 * i, 250, 32, 28, "#d9eef5", 4) for i in range(4))
    arches = "".join(path(f"M{10 + 62 * i} 400v-30q24-34 48 0v30z", "#8f8577") for i in range(5))
    return (
        rect(0, 336, 320, 64, "#a99f8f")
        + arches
        + rect(0, 328, 320, 10, DARK)
        + path("M34 230h200q54 4 62 92H34z", p.main)
        + windows
        + path("M244 250h14q16 8 20 28h-34z", "#d9eef5")
        + rect(34, 290, 256, 10, p.accent)
        + "".join(disc(70 + 48 * i, 324, 11, DARK) for i in range(5))
    )


LANDMARKS: Mapping[str, str] = {
    "italy": path("M230 110l44 6-14 184h-46z", "#f1e6d0")
    + line("M232 150l36 4M228 190l38 4M226 230l36 4M222 268l36 2", "#b9a07a", 4),
    "japan": line("M214 136h92M224 164h72M234 140v160M286 140v160", "#c8402f", 10)
    + path("M20 260 90 150l70 110z", "#8fa3c0")
    + path("M90 150l22 34-22-8-22 8z", "#ffffff"),
    "mexico": path("M180 300l20-40h12l10-36h12l8-36h40l8 36h12l10 36h8v40z", "#c99a56")
    + line("M262 190v108", "#8f6a35", 12),
    "france": path("M252 90l8 80 10 50 26 80h-18q-26-60-52 0h-18l26-80 10-50z", "#7d7468")
    + line("M232 220h40M240 170h24", "#7d7468", 7),
    "morocco": rect(232, 150, 44, 150, "#c9824f")
    + rect(244, 124, 20, 28, "#c9824f")
    + disc(254, 120, 9, "#3f8f6f")
    + path("M244 230q10-24 20 0v30h-20z", "#6b3f24")
    + path("M0 300q60-70 130-10t90 10z", "#e3b878"),
    "norway": path("M150 300l70-190 40 70 30-40 50 160z", "#6f8794")
    + path("M220 110l20 36-18-4-20 14z", "#ffffff")
    + rect(30, 244, 54, 46, "#b23a2e")
    + path("M22 246l35-34 35 34z", DARK),
}
"""What stands for a place, in the background."""

DRAWINGS: Mapping[str, Callable[[Paint], str]] = {
    "beach": _beach,
    "boat_trip": _boat_trip,
    "hike": _hike,
    "camping": _camping,
    "city_trip": _city_trip,
    "street_food": _street_food,
    "road_trip": _road_trip,
    "train_trip": _train_trip,
}


def weather(season: str) -> str:
    """What the season does to the sky, drawn over it."""
    places = ((40, 60), (92, 110), (150, 40), (206, 84), (262, 50), (296, 130), (24, 150))
    if season == "winter":
        return "".join(disc(x, y, 6, "#ffffff") for x, y in places)
    if season == "autumn":
        return "".join(oval(x, y, 11, 6, "#d9772f") for x, y in places)
    if season == "spring":
        return "".join(disc(x, y, 7, "#f2a7c3") for x, y in places)
    return disc(62, 76, 36, "#ffd24d")
