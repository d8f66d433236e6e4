"""Charts → inline SVG, for the report that is mailed and printed. Pure, and without any script."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from app.axes import day_text, label_places, labelled_ticks, span
from app.blocks import Chart, Point, shorten
from app.palette import Mark, marks

WIDTH, FIGURES, MARGIN = 640, 204, 4
TOP, AXIS, LEGEND, KEY = 8, 38, 24, 205
LETTERS, LETTER = 22, 7.6
UPRIGHT, PLOT = 64, 210


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to places across the drawing.

    Attributes:
        left: Where the plot begins.
        low: Value there.
        high: Value at the plot's right end.
    """

    left: float
    low: float
    high: float

    @property
    def right(self) -> float:
        return WIDTH - FIGURES

    def x(self, value: float) -> float:
        return self.left + (value - self.low) / (self.high - self.low) * (self.right - self.left)


def forest_svg(forest: Chart) -> str:
    """The chart as an `<svg>` element; colours of text and rules come from the page's CSS.

    Args:
        forest: The chart; an undefined point is written as a dash with its reason.
    """
    styles = marks(forest.series)
    several = len(forest.series) > 1
    line = 19 if several else 34
    letters = max((len(shorten(label, LETTERS)) for label in forest.labels), default=0)
    scale = _Scale(MARGIN + 24 + LETTER * letters, *span(forest))
    top = TOP + (LEGEND * math.ceil(len(forest.series) / 3) if several else 0)
    parts, y = [], float(top)
    for label in forest.labels:
        points = [point for point in forest.points if point.label == label]
        parts.append(_label(label, y + line * len(points) / 2))
        for point in points:
            parts.append(_point(point, y + line / 2, scale, styles[point.series]))
            y += line
        y += 6
    below = _axis(forest, scale, top, y) + (_legend(forest, styles) if several else "")
    return (
        f'<svg viewBox="0 0 {WIDTH} {y + AXIS:.0f}" role="img" '
        f'aria-label="{html.escape(forest.alt)}">{below}{"".join(parts)}</svg>'
    )


def curves_svg(curves: Chart) -> str:
    """Lines over days as an `<svg>` element, intervals as bands; undefined days are gaps."""
    styles = marks(curves.series)
    several = len(curves.series) > 1
    top = TOP + (LEGEND * math.ceil(len(curves.series) / 3) if several else 0)
    low, high = span(curves)
    place = _Places(top, low, high, len(curves.labels))
    parts = [_upright(curves, place)]
    for series in curves.series:
        points = {point.label: point for point in curves.points if point.series == series}
        days = [(at, points[label]) for at, label in enumerate(curves.labels) if label in points]
        parts.append(_curve(days, place, styles[series]))
    below = _legend(curves, styles) if several else ""
    return (
        f'<svg viewBox="0 0 {WIDTH} {top + PLOT + AXIS:.0f}" role="img" '
        f'aria-label="{html.escape(curves.alt)}">{below}{"".join(parts)}</svg>'
    )


@dataclass(frozen=True, slots=True)
class _Places:
    """From days and values to places on a drawing of curves.

    Attributes:
        top: Where the plot begins.
        low: Value at its lower end.
        high: Value at its upper end.
        days: How many days there are.
    """

    top: float
    low: float
    high: float
    days: int

    def x(self, day: int) -> float:
        return UPRIGHT + (day + 0.5) / max(self.days, 1) * (WIDTH - UPRIGHT - MARGIN)

    def y(self, value: float) -> float:
        return self.top + (self.high - value) / (self.high - self.low) * PLOT


def _curve(days: Sequence[tuple[int, Point]], place: _Places, mark: Mark) -> str:
    drawn = []
    for banded in _runs(days, lambda point: point.low is not None and point.high is not None):
        there = [f"{place.x(at):.1f} {place.y(point.high or 0.0):.1f}" for at, point in banded]
        back = [f"{place.x(at):.1f} {place.y(point.low or 0.0):.1f}" for at, point in banded]
        drawn.append(
            f'<path d="M{"L".join(there + back[::-1])}Z" fill="{mark.color}" fill-opacity=".14" '
            f'stroke="{mark.color}" stroke-opacity=".5"/>'
        )
    for known in _runs(days, lambda point: point.value is not None):
        line = [f"{place.x(at):.1f} {place.y(point.value or 0.0):.1f}" for at, point in known]
        joined = "L".join(line)
        drawn.append(f'<path d="M{joined}" stroke="{mark.color}" stroke-width="2" fill="none"/>')
    for at, point in days:
        if point.value is not None:
            hint = html.escape(". ".join(filter(None, (point.label, point.text, point.hint))))
            shape = _shape(place.x(at), place.y(point.value), mark, 3.0)
            drawn.append(f"<g><title>{hint}</title>{shape}</g>")
    return "".join(drawn)


def _runs(
    days: Sequence[tuple[int, Point]], whether: Callable[[Point], bool]
) -> list[list[tuple[int, Point]]]:
    """Stretches of days of which something is true."""
    return [list(run) for is_so, run in groupby(days, lambda day: whether(day[1])) if is_so]


def _upright(curves: Chart, place: _Places) -> str:
    """The axis of values at the left, that of days below, the line of no difference."""
    right, parts = WIDTH - MARGIN, []
    for value, text in labelled_ticks(curves):
        y = place.y(value)
        parts.append(f'<path d="M{UPRIGHT} {y:.1f}H{right}" class="grid"/>')
        parts.append(f'<text x="{UPRIGHT - 30}" y="{y + 4:.1f}" class="tick">{text}</text>')
    if curves.reference is not None:
        y = place.y(curves.reference)
        parts.append(f'<path d="M{UPRIGHT} {y:.1f}H{right}" class="reference"/>')
    bottom = place.top + PLOT
    for at in label_places(curves.labels):
        text = html.escape(shorten(day_text(curves.labels[at]), 12))
        parts.append(
            f'<text x="{place.x(at):.1f}" y="{bottom + 16:.1f}" class="tick">{text}</text>'
        )
    if curves.axis:
        x, text = (UPRIGHT + right) / 2, html.escape(curves.axis)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 33:.1f}" class="tick">{text}</text>')
    return "".join(parts)


def _label(label: str, y: float) -> str:
    weight = ' class="strong"' if label == "All" else ""
    short = html.escape(shorten(label, LETTERS))
    return f'<text x="{MARGIN}" y="{y + 4:.1f}"{weight}>{short}</text>'


def _point(point: Point, y: float, scale: _Scale, mark: Mark) -> str:
    hint = html.escape(". ".join(filter(None, (point.label, point.series, point.hint))))
    drawn = ""
    if point.low is not None and point.high is not None:
        left, right = scale.x(point.low), scale.x(point.high)
        drawn += (
            f'<path d="M{left:.1f} {y:.1f}H{right:.1f}M{left:.1f} {y - 4:.1f}v8'
            f'M{right:.1f} {y - 4:.1f}v8" stroke="{mark.color}" stroke-width="2" fill="none"/>'
        )
    if point.value is not None:
        drawn += _shape(scale.x(point.value), y, mark)
    text = html.escape(shorten(point.text, 30))
    said = f'<text x="{scale.right + 14:.0f}" y="{y + 4:.1f}" class="small">{text}</text>'
    return f"<g><title>{hint}</title>{drawn}{said}</g>"


def _shape(x: float, y: float, mark: Mark, radius: float = 5.0) -> str:
    if not mark.outline:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{mark.color}"/>'
    corners = " ".join(f"{x + radius * dx:.1f},{y + radius * dy:.1f}" for dx, dy in mark.outline)
    return f'<polygon points="{corners}" fill="{mark.color}"/>'


def _axis(forest: Chart, scale: _Scale, top: float, bottom: float) -> str:
    parts = []
    for value, text in labelled_ticks(forest):
        x = scale.x(value)
        parts.append(f'<path d="M{x:.1f} {top}V{bottom:.1f}" class="grid"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16:.1f}" class="tick">{text}</text>')
    if forest.reference is not None:
        x = scale.x(forest.reference)
        parts.append(f'<path d="M{x:.1f} {top}V{bottom:.1f}" class="reference"/>')
    if forest.axis:
        x, text = (scale.left + scale.right) / 2, html.escape(forest.axis)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 33:.1f}" class="tick">{text}</text>')
    return "".join(parts)


def _legend(forest: Chart, styles: dict[str, Mark]) -> str:
    parts = []
    for place, series in enumerate(forest.series):
        x, y = MARGIN + 6 + KEY * (place % 3), TOP + 8 + LEGEND * (place // 3)
        name = html.escape(shorten(series, 28))
        parts.append(_shape(x, y, styles[series]))
        parts.append(f'<text x="{x + 12}" y="{y + 4}" class="small">{name}</text>')
    return "".join(parts)
