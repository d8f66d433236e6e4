"""Charts → Plotly figures, for the dashboard. Pure: no file, no Streamlit."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import plotly.graph_objects as go

from app.axes import day_text, label_places, labelled_ticks, span
from app.blocks import Chart, Point, shorten
from app.palette import INK, Mark, marks

ROW, FAINT = 38, "rgba(123, 133, 146, 0.2)"
CONFIG = {"displayModeBar": False, "scrollZoom": False}
"""How Streamlit shows them: no tool bar, no accidental zoom."""


def forest_figure(forest: Chart, *, ink: str = INK[0]) -> go.Figure:
    """Points with their intervals, one row a label; hovering tells what each rests on.

    Args:
        forest: The chart; an undefined point is drawn as a dash with its reason on hovering.
        ink: Colour of texts: that of the theme it stands in.
    """
    figure = go.Figure()
    styles = marks(forest.series)
    alone = len(forest.series) == 1
    for place, series in enumerate(forest.series):
        points = [point for point in forest.points if point.series == series]
        rows = [_row(forest, point, place) for point in points]
        figure.add_trace(_trace(series, points, rows, styles[series]))
        if not alone:
            _mark_undefined(figure, points, rows, forest)
    if alone:
        _write_figures(figure, forest)
    else:
        _band(figure, forest)
    if forest.reference is not None:
        figure.add_vline(x=forest.reference, line={"width": 1.5, "dash": "dot", "color": "#7b8592"})
    _lay_out(figure, forest, alone=alone)
    figure.update_annotations(font_color=ink)
    figure.update_xaxes(tickfont_color=ink, title_font_color=ink)
    figure.update_yaxes(tickfont_color=ink)
    return figure


def curves_figure(curves: Chart, *, ink: str = INK[0]) -> go.Figure:
    """Lines over days with their intervals as bands; hovering tells what each day rests on.

    Args:
        curves: The chart; where a series is undefined its line has a gap.
        ink: Colour of texts: that of the theme it stands in.
    """
    figure = go.Figure()
    styles = marks(curves.series)
    for series in curves.series:
        points = [point for point in curves.points if point.series == series]
        places = [curves.labels.index(point.label) for point in points]
        for band in _bands(points, places):
            figure.add_trace(_band_trace(series, band, styles[series]))
        figure.add_trace(_line(series, points, places, styles[series]))
    if curves.reference is not None:
        figure.add_hline(y=curves.reference, line={"width": 1.5, "dash": "dot", "color": "#7b8592"})
    _lay_out_curves(figure, curves)
    figure.update_xaxes(tickfont_color=ink)
    figure.update_yaxes(tickfont_color=ink, title_font_color=ink)
    return figure


Band = list[tuple[int, float, float]]


def _bands(points: Sequence[Point], places: Sequence[int]) -> list[Band]:
    """Runs of days that have an interval: (place, low, high)."""
    runs: list[Band] = [[]]
    for point, place in zip(points, places, strict=True):
        if point.low is None or point.high is None:
            runs.append([])
        else:
            runs[-1].append((place, point.low, point.high))
    return [run for run in runs if run]


def _band_trace(series: str, band: Band, mark: Mark) -> go.Scatter:
    there = [(place, high) for place, _, high in band]
    back = [(place, low) for place, low, _ in reversed(band)]
    return go.Scatter(
        x=[place for place, _ in there + back],
        y=[value for _, value in there + back],
        name=html.escape(series),
        fill="toself",
        fillcolor=_faded(mark.color),
        line={"width": 1, "color": _faded(mark.color, 0.5)},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )


def _line(series: str, points: Sequence[Point], places: Sequence[int], mark: Mark) -> go.Scatter:
    return go.Scatter(
        x=list(places),
        y=[point.value for point in points],
        name=html.escape(series),
        mode="lines+markers",
        marker={"color": mark.color, "symbol": mark.symbol, "size": 6},
        line={"color": mark.color, "width": 2},
        customdata=[
            [html.escape(text) for text in (point.label, series, point.text, point.hint)]
            for point in points
        ],
        hovertemplate="<b>%{customdata[0]}</b> %{customdata[1]}<br>%{customdata[2]}"
        "<br>%{customdata[3]}<extra></extra>",
    )


def _faded(color: str, opacity: float = 0.16) -> str:
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def _lay_out_curves(figure: go.Figure, curves: Chart) -> None:
    shown, marked = label_places(curves.labels), labelled_ticks(curves)
    several = len(curves.series) > 1
    figure.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        showlegend=several,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        hoverlabel={"align": "left"},
        dragmode=False,
    )
    figure.update_xaxes(
        tickvals=shown,
        ticktext=[html.escape(day_text(curves.labels[place])) for place in shown],
        range=[-0.5, len(curves.labels) - 0.5],
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    figure.update_yaxes(
        tickvals=[value for value, _ in marked],
        ticktext=[text for _, text in marked],
        range=span(curves),
        title={"text": html.escape(curves.axis), "font": {"size": 12}},
        zeroline=False,
        gridcolor=FAINT,
        fixedrange=True,
        automargin=True,
    )


def _row(forest: Chart, point: Point, place: int) -> float:
    """Vertical position: one unit a label, series spread around it, first on top."""
    spread = 0.0 if len(forest.series) == 1 else 0.6 * (0.5 - place / (len(forest.series) - 1))
    return -forest.labels.index(point.label) + spread


def _trace(series: str, points: Sequence[Point], rows: Sequence[float], mark: Mark) -> go.Scatter:
    return go.Scatter(
        x=[_nan(point.value) for point in points],
        y=list(rows),
        name=html.escape(series),
        mode="markers",
        marker={"color": mark.color, "symbol": mark.symbol, "size": 11},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [_nan(point.high) - _nan(point.value) for point in points],
            "arrayminus": [_nan(point.value) - _nan(point.low) for point in points],
            "color": mark.color,
            "thickness": 2.5,
            "width": 5,
        },
        customdata=[
            [html.escape(text) for text in (point.label, series, point.text, point.hint)]
            for point in points
        ],
        hovertemplate="<b>%{customdata[0]}</b> %{customdata[1]}<br>%{customdata[2]}"
        "<br>%{customdata[3]}<extra></extra>",
    )


def _mark_undefined(
    figure: go.Figure, points: Sequence[Point], rows: Sequence[float], forest: Chart
) -> None:
    for point, row in zip(points, rows, strict=True):
        if point.value is None:
            figure.add_annotation(
                x=0.5 if forest.reference is None else forest.reference,
                xref="paper" if forest.reference is None else "x",
                y=row,
                text="— undefined",
                hovertext=html.escape(point.hint),
                showarrow=False,
            )


def _write_figures(figure: go.Figure, forest: Chart) -> None:
    """Writes each figure at the right of its row."""
    for point in forest.points:
        figure.add_annotation(
            x=1.01,
            xref="paper",
            xanchor="left",
            y=-forest.labels.index(point.label),
            text=html.escape(shorten(point.text, 28)),
            hovertext=html.escape(point.hint),
            showarrow=False,
            font={"size": 12},
        )


def _band(figure: go.Figure, forest: Chart) -> None:
    """Shades every other row, so that its series are seen together."""
    for place in range(0, len(forest.labels), 2):
        figure.add_hrect(
            y0=-place - 0.5,
            y1=-place + 0.5,
            fillcolor=FAINT,
            opacity=0.5,
            layer="below",
            line_width=0,
        )


def _lay_out(figure: go.Figure, forest: Chart, *, alone: bool) -> None:
    labels, marked = forest.labels, labelled_ticks(forest)
    names = [html.escape(label) for label in labels]
    height = ROW if alone else max(ROW, 20 * len(forest.series))
    figure.update_layout(
        height=50 + height * max(len(labels), 1) + (0 if alone else 30),
        margin={"l": 8, "r": 172 if alone else 8, "t": 8, "b": 8},
        showlegend=not alone,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        hoverlabel={"align": "left"},
        dragmode=False,
    )
    figure.update_yaxes(
        tickvals=[-place for place in range(len(labels))],
        ticktext=[f"<b>{name}</b>" if name == "All" else name for name in names],
        range=[-len(labels) + 0.45, 0.55],
        showgrid=False,
        zeroline=False,
        fixedrange=True,
        automargin=True,
    )
    figure.update_xaxes(
        tickvals=[value for value, _ in marked],
        ticktext=[text for _, text in marked],
        range=span(forest),
        title={"text": html.escape(forest.axis), "font": {"size": 12}},
        zeroline=False,
        showgrid=True,
        gridcolor=FAINT,
        fixedrange=True,
    )


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
