"""Shapes of an SVG picture, as short strings (numbers without needless digits)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours of a picture.

    Attributes:
        main: Colour of the thing shown: its detail.
        shade: A darker tone of `main`.
        accent: Colour of small parts.
    """

    main: str
    shade: str
    accent: str


def rect(  # noqa: PLR0917 -- the order of SVG: x y width height fill rx
    x: float, y: float, w: float, h: float, fill: str, rx: float = 0
) -> str:
    """A rectangle, with round corners if `rx`."""
    corner = f' rx="{rx:g}"' if rx else ""
    return f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}"{corner} fill="{fill}"/>'


def disc(x: float, y: float, r: float, fill: str) -> str:
    """A circle."""
    return f'<circle cx="{x:g}" cy="{y:g}" r="{r:g}" fill="{fill}"/>'


def oval(x: float, y: float, rx: float, ry: float, fill: str) -> str:
    """An ellipse."""
    return f'<ellipse cx="{x:g}" cy="{y:g}" rx="{rx:g}" ry="{ry:g}" fill="{fill}"/>'


def path(d: str, fill: str) -> str:
    """A filled path."""
    return f'<path d="{d}" fill="{fill}"/>'


def line(d: str, colour: str, width: float = 3) -> str:
    """A stroked path with round ends (a picture's root sets them)."""
    return (
        f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{width:g}" stroke-opacity="1"/>'
    )


def dots(places: Sequence[tuple[float, float]], r: float, colour: str) -> str:
    """Circles of one size and colour, in few bytes."""
    return line("".join(f"M{x:g} {y:g}h0" for x, y in places), colour, 2 * r)


def mix(colour: str, other: str, share: float) -> str:
    """`colour` with a share (0-1) of `other`; both as `#rrggbb`."""
    parts = (
        round(int(colour[i : i + 2], 16) * (1 - share) + int(other[i : i + 2], 16) * share)
        for i in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02x}" for part in parts)
