"""What styles and occasions add to a picture: a pattern behind, an emblem in a corner."""

from __future__ import annotations

from collections.abc import Mapping

from relevance.world.images.leisure import flower
from relevance.world.images.shapes import disc, line, oval, path, rect

BACKGROUNDS: Mapping[str, tuple[str, str]] = {
    "boho": ("#f3e3d0", "#c99b6d"),
    "minimalist": ("#efefec", "#d8d8d3"),
    "scandinavian": ("#dfe9ec", "#e3cfae"),
    "rustic": ("#e3d3ba", "#8a5f3c"),
    "vintage": ("#ecdcb9", "#b08d6a"),
    "modern": ("#d5dbe5", "#8c95a3"),
    "tropical": ("#cfebdc", "#c9a77b"),
    "elegant": ("#f3ebe2", "#cdb27a"),
    "casual": ("#d6e4f0", "#7f9bb8"),
    "gothic": ("#5b5066", "#2f2838"),
    "romantic": ("#f9e3e8", "#e3b9c3"),
    "vegan": ("#e3f0d8", "#a6c48a"),
    "gluten_free": ("#f6ebd2", "#dcbf8b"),
    "quick": ("#fde9c4", "#f0b357"),
    "healthy": ("#dff2e6", "#8fc9a3"),
    "classic": ("#f7e4dc", "#c96a57"),
    "high_protein": ("#dfe5ee", "#7d8aa5"),
    "floral": ("#fbeaed", "#e6a9b8"),
    "animals": ("#f4ecdd", "#d3b78f"),
    "geometric": ("#e4e9f3", "#9aa9c7"),
    "kawaii": ("#ffe3ee", "#ffc2da"),
    "italy": ("#cfe6f2", "#c7b26a"),
    "japan": ("#f0dfe4", "#a9c08a"),
    "mexico": ("#bfe6ea", "#dfb26a"),
    "france": ("#dcdff2", "#b7a3c9"),
    "morocco": ("#fbe0bd", "#e0a765"),
    "norway": ("#c9dbe6", "#7f9b8f"),
}
"""Colour of wall (or sky) and of floor (or ground), by style."""

PATTERNS: Mapping[str, str] = {
    "boho": line("M24 20v52M40 20v68M56 20v78M72 20v68M88 20v52", "#b98a5a", 3)
    + rect(16, 14, 80, 7, "#8a5f3c"),
    "minimalist": "",
    "scandinavian": rect(20, 24, 78, 66, "#ffffff") + line("M59 24v66M20 57h78", "#b9a07a", 3),
    "rustic": line("M0 60h320M0 120h320M0 180h320M0 240h320", "#cdb894", 3)
    + line("M0 330h320M0 362h320", "#6f4a2d", 3),
    "vintage": line("M40 0v300M104 0v300M168 0v300M232 0v300M296 0v300", "#dcc695", 12),
    "modern": path("M0 0h130L0 190z", "#bcc6d6") + path("M320 0v120L240 0z", "#a9b6ca"),
    "tropical": path("M0 0q80 6 96 90-70 10-96-90z", "#4d9a63")
    + path("M320 0q-80 6-96 90 70 10 96-90z", "#3f8a5a")
    + path("M0 60q60 40 50 110-50-20-50-110z", "#67b07b"),
    "elegant": line("M12 12h296v376H12z", "#c9a13f", 3),
    "casual": line("M0 300h320", "#5f7d9c", 4) + line("M0 308h320", "#e9eff5", 2),
    "gothic": line(
        "M0 0 90 90M0 44q34 0 44-44M0 84q70-6 84-84M320 0l-90 90M320 60q-50 0-60-60", "#8d7f9e", 2
    ),
    "romantic": flower(34, 36, 24, "#efb6c4") + flower(84, 26, 16, "#f7cfd8"),
    "vegan": path("M20 74q0-54 60-56 2 58-60 56z", "#5f9e4b") + line("M22 74 62 34", "#ffffff", 3),
    "gluten_free": line("M46 84V26M46 44l-14-12M46 44l14-12M46 62l-14-12M46 62l14-12", "#b98a2e", 5)
    + line("M18 22 76 86", "#c0392b", 6),
    "quick": disc(50, 52, 32, "#ffffff") + line("M50 52V32M50 52l14 8", "#c0562e", 5),
    "healthy": path("M50 90Q4 54 22 28q18-16 28 6 10-22 28-6 18 26-28 62z", "#4fae75"),
    "classic": path(
        "".join(f"M{20 * i} {300 + 20 * (i % 2)}h20v20h-20z" for i in range(16)), "#f7e4dc"
    ),
    "high_protein": rect(16, 34, 12, 40, "#4c5870", 3)
    + rect(72, 34, 12, 40, "#4c5870", 3)
    + line("M28 54h44", "#4c5870", 7),
    "floral": "".join(flower(x, y, 15, "#f0a3b5") for x, y in ((30, 34), (290, 40), (84, 60))),
    "animals": path("M24 66q-6-30 2-44l16 12h16l16-12q8 14 2 44-26 26-52 0z", "#e2a45a")
    + disc(40, 54, 4, "#3d3430")
    + disc(60, 54, 4, "#3d3430"),
    "geometric": path("M10 90 50 20l40 70z", "#8498c4") + path("M250 20h56l-28 50z", "#b5c2de"),
    "kawaii": disc(50, 54, 34, "#fff6c2")
    + disc(38, 50, 4, "#3d3430")
    + disc(62, 50, 4, "#3d3430")
    + line("M42 62q8 8 16 0", "#3d3430", 4),
}
"""Drawn behind the thing, by style (travel draws its places instead)."""

EMBLEMS: Mapping[str, str] = {
    "christmas": path("M276 18l26 40h-14l22 34h-68l22-34h-14z", "#2f7d4b")
    + rect(270, 92, 12, 12, "#7a5537")
    + disc(276, 18, 6, "#ffd24d")
    + disc(268, 76, 5, "#d8402f")
    + disc(286, 66, 5, "#d8402f"),
    "halloween": oval(272, 66, 36, 30, "#ef8326")
    + rect(268, 26, 9, 14, "#4d7a3f")
    + path("M252 60l8-12 8 12zM276 60l8-12 8 12zM250 74h44q-22 18-44 0z", "#332419"),
    "kids": rect(240, 62, 34, 34, "#4f9fd8", 4)
    + rect(276, 62, 34, 34, "#e2586a", 4)
    + rect(258, 26, 34, 34, "#f4c33a", 4),
    "valentine": path("M272 96Q222 58 242 30q20-18 30 8 10-26 30-8 20 28-30 66z", "#e0405a"),
    "wedding": line("M258 66a19 19 0 1 1 1 1M288 66a19 19 0 1 1 1 1", "#d4a93f", 6),
    "honeymoon": path("M258 90q-40-30-24-52 16-14 24 6 8-20 24-6 16 22-24 52z", "#e8647a")
    + path("M292 70q-24-18-14-32 10-8 14 4 4-12 14-4 10 14-14 32z", "#f49aa9"),
    "birthday": oval(258, 46, 20, 26, "#e2586a")
    + oval(292, 58, 18, 23, "#4f9fd8")
    + line("M258 72v36M292 82v28", "#6b625c", 2),
    "budget": path("M232 40h44l32 32-34 34-42-42z", "#4fae75") + disc(248, 54, 6, "#ffffff"),
    "small_space": line(
        "M236 30v18M236 30h18M308 96v-18M308 96h-18M242 36l20 20M302 90l-20-20", "#5b6068", 5
    ),
    "beginners": path("M236 92V44q18-12 36 0 18-12 36 0v48q-18-12-36 0-18-12-36 0z", "#4f9fd8")
    + line("M272 46v44", "#ffffff", 3),
    "work": rect(240, 32, 64, 44, "#4a5563", 4)
    + rect(246, 38, 52, 32, "#bcd8e6")
    + rect(230, 78, 84, 9, "#6b7686", 4),
}
"""Drawn in the upper right corner, by occasion."""
