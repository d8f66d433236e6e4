"""Drawings of the interests fashion and beauty."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from relevance.world.images.shapes import Paint, disc, line, oval, path, rect

SKIN = "#e8b98f"
HAIR = "#5a3825"
GOLD = "#d4a93f"
SOLE = "#fbf8f1"


def _dress(p: Paint) -> str:
    return (
        line("M160 70v-14q0-12 12-12", "#8a8a8a", 4)
        + line("M160 70 120 92M160 70l40 22", "#8a8a8a", 4)
        + path("M128 92q32 26 64 0l8 74 60 176H60l60-176z", p.main)
        + rect(120, 160, 80, 14, p.accent)
        + line("M136 190 104 336M160 190v146M184 190l32 146", p.shade, 3)
    )


def _skirt(p: Paint) -> str:
    pleats = "".join(f"M{118 + 17 * i} 150 {76 + 34 * i} 322" for i in range(6))
    return (
        path("M108 130h104l58 198H50z", p.main)
        + line(pleats, p.shade)
        + rect(104, 116, 112, 22, p.accent, 4)
    )


def _coat(p: Paint) -> str:
    return (
        path("M112 92h96l52 40 18 130-38 8-16-86v156H96V184l-16 86-38-8 18-130z", p.main)
        + path("M124 92h72l-36 76z", p.accent)
        + path("M112 92 160 190 124 206 98 108zM208 92 160 190l36 16 26-98z", p.shade)
        + line("M160 190V340", p.shade, 4)
        + "".join(disc(144, y, 6, GOLD) for y in (226, 262, 298))
        + rect(104, 250, 28, 8, p.shade)
        + rect(188, 250, 28, 8, p.shade)
    )


def _blazer(p: Paint) -> str:
    return (
        path("M128 96h64l-32 100z", SOLE)
        + path(
            "M120 96 60 124 44 290h38l10-96v122h136V194l10 96h38L260 124 200 96l-40 110z", p.main
        )
        + path("M120 96 96 150l24 8-10 14 50 52zM200 96l24 54-24 8 10 14-50 52z", p.shade)
        + disc(160, 250, 6, GOLD)
        + disc(160, 280, 6, GOLD)
        + rect(184, 186, 26, 8, p.accent)
    )


def _sneaker(p: Paint, y: float) -> str:
    return (
        path(f"M46 {y}q24 12 42-6l64 34q24 14 70 18 40 4 42 30H46z", p.main)
        + path(f"M46 {y}q24 12 42-6l26 14-8 56H46z", p.shade)
        + rect(42, y + 70, 226, 18, SOLE, 9)
        + line(f"M126 {y + 22}l18-12M148 {y + 32}l18-12M170 {y + 42}l16-12", p.accent, 5)
    )


def _sneakers(p: Paint) -> str:
    return _sneaker(p, 130) + _sneaker(p, 238)


def _boot(p: Paint, x: float) -> str:
    return (
        path(f"M{x} 130h62v120q44 10 54 44v26H{x}z", p.main)
        + rect(x, 130, 62, 22, p.shade, 4)
        + rect(x - 4, 318, 124, 14, "#4b3a2f", 4)
        + rect(x - 4, 326, 34, 18, "#4b3a2f")
        + line(f"M{x + 40} 180l20-8M{x + 40} 206l20-8M{x + 40} 232l20-8", p.accent, 4)
    )


def _boots(p: Paint) -> str:
    return _boot(p, 40) + _boot(p, 172)


def _handbag(p: Paint) -> str:
    return (
        line("M108 190q0-92 52-92t52 92", p.shade, 12)
        + path("M64 182h192l22 146H42z", p.main)
        + path("M64 182h192l6 42q-102 60-204 0z", p.shade)
        + rect(146, 232, 28, 26, GOLD, 6)
        + line("M84 300h152", p.accent, 4)
    )


def _necklace(p: Paint) -> str:
    beads = "".join(
        disc(160 + dx, y, 7, p.accent)
        for dx, y in ((-62, 190), (62, 190), (-48, 226), (48, 226), (-28, 254), (28, 254))
    )
    return (
        path("M122 90h76v70q64 20 76 170H46q12-150 76-170z", "#e6cdb4")
        + line("M112 160q-8 70 48 110 56-40 48-110", GOLD, 5)
        + beads
        + path("M160 262l24 28-24 34-24-34z", p.main)
    )


def _nails(p: Paint) -> str:
    fingers = ""
    for x, top in ((84, 150), (126, 112), (168, 104), (210, 128)):
        fingers += rect(x, top, 36, 190, SKIN, 18) + rect(x + 5, top - 16, 26, 48, p.main, 13)
        fingers += disc(x + 18, top + 14, 4, p.accent)
    return (
        fingers
        + path("M80 262h170q6 110-50 138H126q-50-30-46-138z", SKIN)
        + line("M250 300q30-28 34-64", SKIN, 34)
        + oval(285, 232, 12, 20, p.main)
    )


def _toe_nails(p: Paint) -> str:
    toes = ""
    for x, y, r in ((108, 156, 30), (156, 140, 22), (194, 146, 20), (226, 162, 18), (252, 186, 16)):
        toes += disc(x, y, r, SKIN) + oval(x, y - r * 0.35, r * 0.55, r * 0.5, p.main)
    return (
        path("M82 160q90-40 184 30 8 60-36 100l-10 110H112q-6-60-16-110-20-60-14-130z", SKIN)
        + toes
        + disc(106, 148, 5, p.accent)
    )


def _head(back: str, front: str, p: Paint) -> str:
    """A face between hair behind and hair before it."""
    return (
        back
        + path("M136 250h48v44q46 10 60 62H76q14-52 60-62z", SKIN)
        + path("M88 344q30-36 72-36t72 36l10 56H78z", p.main)
        + oval(160, 196, 56, 70, SKIN)
        + line("M128 196q10-8 20 0M172 196q10-8 20 0", HAIR, 4)
        + path("M144 234q16 12 32 0-16-8-32 0z", "#c9565f")
        + front
    )


_CAP = "M100 204Q92 116 160 112t60 92q-10-52-60-60-44 8-60 60z"


def _updo(p: Paint) -> str:
    return _head(
        disc(160, 92, 36, HAIR), path(_CAP, HAIR) + line("M136 84q24-14 48 0", p.main, 6), p
    )


def _braids(p: Paint) -> str:
    braids = "".join(
        oval(x, 210 + 30 * i, 16, 19, HAIR) for x in (94, 226) for i in range(5)
    ) + "".join(rect(x - 10, 342, 20, 10, p.accent) for x in (94, 226))
    return _head("", path(_CAP, HAIR) + braids, p)


def _bob_haircut(p: Paint) -> str:
    return _head(
        path("M88 270Q70 104 160 104t72 166q-20 10-40 0H128q-20 10-40 0z", HAIR),
        path("M102 200Q100 118 160 114t60 86q-10-40-36-56-50 30-82 56z", HAIR)
        + disc(102, 236, 6, p.accent),
        p,
    )


def _bangs(p: Paint) -> str:
    return _head(
        path("M90 340Q60 104 160 104t70 236H200V230h-80v110z", HAIR),
        path(
            "M102 196q-4-80 58-82t58 82q-12-10-24-4-10-8-22-2-12-6-24 0-12-6-22 2-12-6-24 4z", HAIR
        )
        + oval(160, 112, 30, 6, p.accent),
        p,
    )


def _makeup(p: Paint) -> str:
    return (
        path("M70 220Q60 60 160 60t90 160l14 130H56z", HAIR)
        + oval(160, 210, 84, 110, SKIN)
        + oval(124, 184, 26, 15, p.main)
        + oval(196, 184, 26, 15, p.main)
        + oval(124, 190, 17, 9, "#ffffff")
        + oval(196, 190, 17, 9, "#ffffff")
        + disc(124, 190, 7, HAIR)
        + disc(196, 190, 7, HAIR)
        + line("M100 160q24-12 46 0M174 160q22-12 46 0", HAIR, 5)
        + disc(108, 234, 17, "#efa08f")
        + disc(212, 234, 17, "#efa08f")
        + line("M160 196l-8 36h14", "#c98f68", 4)
        + path("M128 262q16-14 32-4 16-10 32 4-32 30-64 0z", "#b8434f")
    )


def _eye_makeup(p: Paint) -> str:
    lashes = "M58 196 34 172M88 166 72 136M126 148l-8-34M170 144l6-34M212 156l18-30M246 182l28-20"
    return (
        oval(160, 220, 150, 120, SKIN)
        + path("M40 216Q160 70 284 196q-60-20-124-20T40 216z", p.main)
        + path("M60 214q100-84 204-8-100-40-204 8z", p.shade)
        + path("M56 216q104-80 212-6-104 90-212 6z", "#ffffff")
        + disc(162, 212, 38, p.accent)
        + disc(162, 212, 17, "#22201f")
        + disc(174, 200, 7, "#ffffff")
        + line("M56 216q104-80 212-6l28-22", "#22201f", 6)
        + line(lashes, "#22201f", 5)
        + line("M60 106q90-52 200-12", HAIR, 13)
    )


DRAWINGS: Mapping[str, Callable[[Paint], str]] = {
    "dress": _dress,
    "skirt": _skirt,
    "coat": _coat,
    "blazer": _blazer,
    "sneakers": _sneakers,
    "boots": _boots,
    "handbag": _handbag,
    "necklace": _necklace,
    "nails": _nails,
    "toe_nails": _toe_nails,
    "updo": _updo,
    "braids": _braids,
    "makeup": _makeup,
    "eye_makeup": _eye_makeup,
    "bob_haircut": _bob_haircut,
    "bangs": _bangs,
}
