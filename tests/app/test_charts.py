from __future__ import annotations

import dataclasses
import itertools
import math
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.axes import day_text, label_places, labelled_ticks, span, tick_text, ticks
from app.blocks import Curves, Forest, Point, shorten
from app.charts import curves_figure, forest_figure
from app.palette import DARK, INK, LIGHT, MARKS, VERDICT_COLORS, marks
from app.svg import curves_svg, forest_svg
from app.wording import SYSTEMS

HOSTILE = "<script>alert(1)</script>"


def point(label: str = "US", series: str = "", value: float | None = 0.02, **more: object) -> Point:
    values = {"low": 0.01, "high": 0.04, "text": "+2.00%", "hint": "12 users"} | more
    return Point(label=label, series=series, value=value, **values)  # type: ignore[arg-type]


LIFTS = Forest(
    "Lift by country",
    (point("All", value=0.02), point("US", value=0.03, low=-0.01)),
    percent=True,
    reference=0.0,
    axis="Relative difference",
)
SYSTEMS_FOREST = Forest(
    "nDCG@20 by country",
    tuple(point(place, series) for place in ("US", "JP") for series in ("Teacher", "Student")),
)


def test_figure_holds_the_points_and_their_intervals() -> None:
    (trace,) = forest_figure(LIFTS).data
    assert list(trace.x) == [0.02, 0.03]
    assert list(trace.error_x.array) == pytest.approx([0.02, 0.01])
    assert list(trace.error_x.arrayminus) == pytest.approx([0.01, 0.04])
    assert list(trace.y) == [0, -1]


def test_each_series_keeps_its_rows_apart() -> None:
    figure = forest_figure(SYSTEMS_FOREST)
    assert [trace.name for trace in figure.data] == ["Teacher", "Student"]
    rows = [y for trace in figure.data for y in trace.y]
    assert len(set(rows)) == 4
    assert all(abs(y - round(y)) < 0.5 for y in rows)


def test_undefined_point_is_written_and_never_drawn() -> None:
    undefined = point("JP", value=None, low=None, high=None, text="— one class", hint="one class")
    forest = Forest("Accuracy", (point(), undefined))
    figure = forest_figure(forest)
    assert math.isnan(figure.data[0].x[1])
    assert [a.text for a in figure.layout.annotations] == ["+2.00%", "— one class"]
    assert figure.layout.annotations[1].hovertext == "one class"
    drawn = ET.fromstring(forest_svg(forest))
    assert len(drawn.findall(".//circle")) == 1
    assert "— one class" in [text.text for text in drawn.iter("text")]


def test_texts_take_the_ink_of_the_theme() -> None:
    figure = forest_figure(LIFTS, ink=INK[1])
    assert {a.font.color for a in figure.layout.annotations} == {INK[1]}
    assert figure.layout.yaxis.tickfont.color == INK[1]


def test_markup_in_names_stays_text() -> None:
    forest = Forest(HOSTILE, (point(HOSTILE, HOSTILE, text=HOSTILE, hint=HOSTILE),), axis=HOSTILE)
    for text in (forest_svg(forest), forest_figure(forest).to_json()):
        assert "<script" not in text
        assert "&lt;script" in text or "\\u003cscript" not in text


def test_svg_draws_every_point_interval_and_label() -> None:
    drawn = ET.fromstring(forest_svg(SYSTEMS_FOREST))
    texts = [text.text for text in drawn.iter("text")]
    assert {"US", "JP", "Teacher", "Student"} <= set(texts)
    assert texts.count("+2.00%") == 4
    assert len([p for p in drawn.iter("path") if p.get("stroke")]) == 4
    assert len(list(drawn.iter("circle"))) == 2 + 1  # two of the Teacher, one in the legend
    assert len(list(drawn.iter("polygon"))) == 2 + 1
    assert drawn.get("aria-label") == SYSTEMS_FOREST.alt


def test_svg_keeps_everything_inside_its_box() -> None:
    forest = Forest("x", (point("a very long name of a group indeed", value=1.0, high=9.0),))
    drawn = ET.fromstring(forest_svg(forest))
    width = float(drawn.get("viewBox", "").split()[2])
    places = [float(each.get("cx", "")) for each in drawn.iter("circle")]
    places += [float(each.get("x", "")) for each in drawn.iter("text")]
    assert all(0 <= place <= width for place in places)


def test_empty_forest_draws_nothing_and_does_not_fail() -> None:
    empty = Forest("Nothing", ())
    assert len(forest_figure(empty).data) == 0
    assert ET.fromstring(forest_svg(empty)).tag == "svg"


def test_alt_text_tells_every_figure() -> None:
    assert LIFTS.alt == "Lift by country: All +2.00%; US +2.00%."


@given(
    st.floats(-1e3, 1e3),
    st.floats(1e-4, 1e3),
    st.integers(2, 8),
)
def test_ticks_are_round_even_and_inside(low: float, width: float, most: int) -> None:
    high = low + width
    found = ticks(low, high, most)
    assert len(found) <= most + 1
    slack = 1e-6 * width
    assert all(low - slack <= place <= high + slack for place in found)
    steps = [b - a for a, b in itertools.pairwise(found)]
    assert steps == pytest.approx(steps[:1] * len(steps), rel=1e-6)


def test_axis_spans_intervals_and_reference() -> None:
    low, high = span(LIFTS)
    assert low < -0.01
    assert high > 0.04
    assert [text for _, text in labelled_ticks(LIFTS)] == ["0%", "+2%", "+4%"]


@pytest.mark.parametrize(
    ("value", "percent", "step", "text"),
    [
        (0.0, True, 0.01, "0%"),
        (-0.005, True, 0.005, "−0.5%"),
        (0.65, False, 0.05, "0.65"),
        (2.0, False, 1.0, "2"),
    ],
)
def test_tick_text(value: float, percent: bool, step: float, text: str) -> None:
    assert tick_text(value, percent=percent, step=step) == text


def _luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("color", sorted({m.color for m in MARKS} | set(VERDICT_COLORS.values())))
def test_colors_read_on_light_and_dark(color: str) -> None:
    assert min(_contrast(color, LIGHT), _contrast(color, DARK)) >= 3


def test_text_has_high_contrast() -> None:
    assert _contrast(INK[0], LIGHT) >= 7
    assert _contrast(INK[1], DARK) >= 7


def test_systems_keep_their_mark_and_strangers_get_a_free_one() -> None:
    assert marks(["Teacher", "BM25"])["BM25"] == marks(["BM25"])["BM25"]
    found = marks([*SYSTEMS.values()])
    assert len({mark.color for mark in found.values()}) == len(SYSTEMS)
    strange = marks(["Teacher", "mine", "yours"])
    assert len({mark.color for mark in strange.values()}) == 3
    assert len(marks([str(n) for n in range(20)])) == 20


def test_shorten() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "ab…"


DAYS = tuple(f"2026-03-{day:02}" for day in range(1, 13))
LOOKS = Curves(
    "Lift up to each day",
    tuple(
        point(day, series, value=0.01, low=None if day == DAYS[0] else -0.02, high=0.04)
        for day in DAYS
        for series in ("Always valid", "Only look")
    ),
    percent=True,
    reference=0.0,
    axis="Day",
)


def test_curves_are_lines_with_bands_where_there_is_an_interval() -> None:
    figure = curves_figure(LOOKS)
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    bands = [trace for trace in figure.data if trace.fill == "toself"]
    assert [line.name for line in lines] == ["Always valid", "Only look"]
    assert all(list(line.x) == list(range(12)) for line in lines)
    assert [len(band.x) for band in bands] == [22, 22]
    assert max(bands[0].y) == 0.04
    assert min(bands[0].y) == -0.02


def test_days_that_are_written_keep_the_last_one() -> None:
    assert label_places(DAYS) == [1, 3, 5, 7, 9, 11]
    assert label_places(DAYS[:3]) == [0, 1, 2]
    assert label_places(()) == []
    assert [day_text(text) for text in ("2026-03-05", "FR")] == ["03-05", "FR"]


def test_curves_as_svg_are_well_formed_and_break_where_undefined() -> None:
    gap = point(DAYS[5], "Always valid", value=None, low=None, high=None, text="—", hint=HOSTILE)
    points = [gap if p.label == DAYS[5] and p.series == gap.series else p for p in LOOKS.points]
    text = curves_svg(dataclasses.replace(LOOKS, points=tuple(points)))
    assert HOSTILE not in text
    root = ET.fromstring(text)
    paths = [element.get("d", "") for element in root.iter("path")]
    assert sum(path.endswith("Z") for path in paths) == 3
    assert len(list(root.iter("title"))) == 23
