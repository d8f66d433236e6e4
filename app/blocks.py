"""What a page is made of: blocks that Streamlit and the HTML report draw, each in its own way.

Every text in a block is plain text; whoever draws it escapes it.
"""

from __future__ import annotations

from dataclasses import dataclass

UNDEFINED = "—"


def shorten(text: str, letters: int) -> str:
    """Text of at most `letters` letters; a longer one ends in an ellipsis."""
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What is read first: a name or a figure; `—` where undefined.
        detail: What stands smaller beside it: the interval.
        hint: Tooltip: what the figure rests on.
        note: Reason or remark; becomes a numbered footnote.
        figure: Whether it is aligned as a figure.
        faint: Whether it is greyed, because it rests on too little.
    """

    text: str
    detail: str = ""
    hint: str = ""
    note: str = ""
    figure: bool = True
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of ready cells.

    Attributes:
        title: Heading above it.
        header: One name a column.
        rows: Cells, each row as long as the header.
        caption: What to know about all of it.
        totals: How many of the first rows are totals, drawn apart from the rest.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    totals: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """One figure of a chart, with its interval.

    Attributes:
        label: Its row: a country.
        series: Whose figure it is: a system; empty if the chart has but one.
        value: The figure, a fraction; None where undefined.
        low: Lower end of its interval; None where there is none.
        high: Upper end.
        text: The figure as people read it, interval included.
        hint: What it rests on, and why it is undefined.
    """

    label: str
    series: str
    value: float | None
    low: float | None
    high: float | None
    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Figures with intervals, to be drawn.

    Attributes:
        title: Heading above it.
        points: Its figures, in reading order.
        percent: Whether the axis reads in percent.
        reference: Where the line of no difference stands; None for no such line.
        axis: What the axis shows.
        caption: What to know about it.
    """

    title: str
    points: tuple[Point, ...]
    percent: bool = False
    reference: float | None = None
    axis: str = ""
    caption: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """Rows (of a forest) or days (of curves), in reading order."""
        return tuple(dict.fromkeys(point.label for point in self.points))

    @property
    def series(self) -> tuple[str, ...]:
        """Series, in reading order."""
        return tuple(dict.fromkeys(point.series for point in self.points))

    @property
    def alt(self) -> str:
        """The chart in words, for those who cannot see it."""
        figures = "; ".join(
            f"{' '.join(filter(None, (point.label, point.series)))} {point.text}"
            for point in self.points
        )
        return f"{self.title}: {figures}."


@dataclass(frozen=True, slots=True)
class Forest(Chart):
    """A chart with one row a label: countries."""


@dataclass(frozen=True, slots=True)
class Curves(Chart):
    """A chart that runs from left to right over the labels: days. Intervals are bands."""


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts that stand side by side."""

    charts: tuple[Chart, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the experiment says.

    Attributes:
        kind: `ship`, `hold`, `stop`, `invalid`, `not yet`, or `none` without an experiment.
        word: Its word for people.
        sentence: Why, in one sentence.
        reasons: What it rests on, a line each.
    """

    kind: str
    word: str
    sentence: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A figure a PM reads first.

    Attributes:
        label: What it is.
        text: The figure; `—` where undefined.
        detail: Its interval.
        basis: What it rests on, in a few words: `n = 12,034 users`.
        hint: Definition, or why it is undefined.
    """

    label: str
    text: str
    detail: str = ""
    basis: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """Key figures in a row."""

    figures: tuple[KeyFigure, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """Says why something is not there, and which commands make it.

    Attributes:
        text: What is missing, and why.
        commands: Commands that make it, the nearest first.
    """

    text: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """Blocks that stand side by side where there is room.

    Attributes:
        blocks: From left to right.
        widths: Their widths, relative to each other.
    """

    blocks: tuple[Table | Notice, ...]
    widths: tuple[int, ...]


Block = Verdict | KeyFigures | Charts | Table | Notice | Columns


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its title, one sentence about it, and its blocks from top to bottom."""

    title: str
    lead: str
    blocks: tuple[Block, ...]
