"""What a chart's axis spans and where its ticks stand: the same for Plotly and SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.blocks import Chart


def span(chart: Chart) -> tuple[float, float]:
    """Ends of the axis: every figure, every interval and the reference, with a little air."""
    ends = [chart.reference] + [
        end for point in chart.points for end in (point.value, point.low, point.high)
    ]
    known = [end for end in ends if end is not None] or [0.0, 1.0]
    low, high = min(known), max(known)
    pad = 0.06 * (high - low) or 0.05
    return low - pad, high + pad


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers within the ends, evenly spaced, about `most` of them.

    Args:
        low: Lower end.
        high: Upper end, above the lower one.
        most: How many steps there may be.
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def tick_text(value: float, *, percent: bool, step: float) -> str:
    """A tick as people read it, with as many decimals as the step needs.

    Args:
        value: Where it stands.
        percent: Whether it reads in percent with its sign.
        step: Distance to the next tick.
    """
    unit = step * 100 if percent else step
    decimals = next((d for d in range(4) if abs(unit - round(unit, d)) < 1e-9), 4)
    if not percent:
        return f"{value:.{decimals}f}".replace("-", "−")
    return "0%" if value == 0 else f"{value:+.{decimals}%}".replace("-", "−")


def labelled_ticks(chart: Chart) -> list[tuple[float, str]]:
    """Places and texts of a chart's ticks."""
    places = ticks(*span(chart))
    step = places[1] - places[0] if len(places) > 1 else 1.0
    return [(place, tick_text(place, percent=chart.percent, step=step)) for place in places]


def label_places(labels: Sequence[str], most: int = 7) -> list[int]:
    """Places of the labels that are written where not all have room: evenly spread, the last kept.

    Args:
        labels: All labels.
        most: How many may be written.
    """
    step = max(1, math.ceil(len(labels) / most))
    return [place for place in range(len(labels)) if (len(labels) - 1 - place) % step == 0]


def day_text(label: str) -> str:
    """A day without its year: `2026-03-05` → `03-05`; other labels as they are."""
    return label[5:] if len(label) == 10 and label[4] == label[7] == "-" else label
