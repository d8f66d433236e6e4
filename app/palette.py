"""Colours and marks that read on white and on black, in print and with any colour vision.

Every colour keeps a contrast of at least 3:1 against both backgrounds, so one palette serves light
and dark; no meaning rests on colour alone: series differ in shape too, verdicts carry their word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.wording import SYSTEMS

LIGHT, DARK = "#ffffff", "#11151b"
"""Backgrounds of the two themes."""

BRAND = "#2f7fd1"
"""The product's name, and what can be clicked."""

INK = ("#1c232b", "#e6eaef")
"""Text on the light and on the dark background."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How a series is drawn.

    Attributes:
        color: `#rrggbb`.
        symbol: Plotly's name of the shape.
        outline: The same shape as corners around (0, 0), in radii; empty for a circle.
    """

    color: str
    symbol: str
    outline: tuple[tuple[float, float], ...] = ()


_CROSS = ((0.35, 1.0), (-0.35, 1.0), (-0.35, 0.35), (-1.0, 0.35), (-1.0, -0.35), (-0.35, -0.35))
MARKS: tuple[Mark, ...] = (
    Mark("#2f7fd1", "circle"),
    Mark("#d1660f", "diamond", ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0))),
    Mark("#1a8f6c", "square", ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9))),
    Mark("#9568cf", "triangle-up", ((0, -1.15), (1.1, 0.85), (-1.1, 0.85))),
    Mark("#7b8592", "square", ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9))),
    Mark("#c8508f", "circle"),
    Mark("#97801a", "triangle-down", ((0, 1.15), (1.1, -0.85), (-1.1, -0.85))),
    Mark("#a8683f", "cross", (*_CROSS, *((-x, -y) for x, y in _CROSS))),
)
VERDICT_COLORS: Mapping[str, str] = {
    "ship": "#1a8f6c",
    "hold": "#b9770e",
    "stop": "#d1495b",
    "invalid": "#9568cf",
    "not yet": "#2f7fd1",
    "none": "#7b8592",
}


def marks(series: Sequence[str]) -> dict[str, Mark]:
    """A mark for each series: a known system's is the same in every chart.

    Args:
        series: Names as people read them.
    """
    fixed = dict(zip(SYSTEMS.values(), MARKS, strict=True))
    taken = {fixed[name].color for name in series if name in fixed}
    free = [mark for mark in MARKS if mark.color not in taken] or list(MARKS)
    strangers = [name for name in series if name not in fixed]
    given = {name: free[place % len(free)] for place, name in enumerate(strangers)}
    return {name: fixed.get(name) or given[name] for name in series}
