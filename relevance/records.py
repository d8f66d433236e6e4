"""The tables: one frozen dataclass a row, which is the table's contract and its documentation.

A field's type, whether it has a default and its `column(...)` metadata say what `tables.py` checks.
Any table may carry further columns; they are kept as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

DRAWS = ("pool", "measure", "training", "gold", "repeat")


def column(
    doc: str,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    optional: bool = False,
    nullable: bool = False,
) -> Any:
    """Declares a table column.

    Args:
        doc: Meaning, with unit.
        minimum: Smallest allowed value.
        above: The value must be greater than this.
        maximum: Largest allowed value.
        choices: Allowed texts; empty for any.
        optional: The column may be absent (it then reads as null).
        nullable: Single cells may be empty.
    """
    metadata = {
        "doc": doc,
        "minimum": minimum,
        "above": above,
        "maximum": maximum,
        "choices": choices,
        "optional": optional,
        "nullable": nullable or optional,
    }
    if optional or nullable:
        return dataclasses.field(default=None, metadata=metadata)
    return dataclasses.field(metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What somebody searched for."""

    query_id: str = column("Identity of the query")
    text: str = column("The query as typed")
    country: str | None = column("Country of the searcher, ISO 3166 (US, FR)", optional=True)
    language: str | None = column("Language of the query, BCP 47 (en, fr)", optional=True)
    segment: str | None = column("Interest of the query (home, food)", optional=True)
    traffic: float | None = column("Searches in the period", minimum=0, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A result: a picture that leads somewhere, and all the text that is known of it."""

    pin_id: str = column("Identity of the Pin")
    title: str | None = column("Title given by its author", optional=True)
    description: str | None = column("Description given by its author", optional=True)
    image: str | None = column("Address or path of its picture", optional=True)
    image_caption: str | None = column("Machine-written caption of the picture", optional=True)
    board_titles: str | None = column("Boards it was saved to, ' · ' between", optional=True)
    engaged_queries: str | None = column("Queries it was engaged for, ' · ' between", optional=True)
    link_title: str | None = column("Title of the linked page", optional=True)
    link_description: str | None = column("Description of the linked page", optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A query and a Pin that may be shown for it; further columns are features."""

    query_id: str = column("Query")
    pin_id: str = column("Pin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A pair drawn for grading, with the probability that it was drawn."""

    query_id: str = column("Query")
    pin_id: str = column("Pin")
    inclusion_probability: float = column("Probability of being drawn", above=0, maximum=1)
    stratum: str = column("Stratum it was drawn from")
    draw: str = column("Why it was drawn", choices=DRAWS)
    overlap: int | None = column("Annotators wanted; empty = as pushed", minimum=1, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """One annotator's grade of one pair."""

    query_id: str = column("Query")
    pin_id: str = column("Pin")
    annotator: str = column("Pseudonym of the annotator")
    grade: int | None = column("Grade on the scale; empty = cannot judge", nullable=True)
    flag: str | None = column("cannot_judge, or empty", optional=True)
    problems: str | None = column("What was wrong with the Pin, one a line", optional=True)
    comment: str | None = column("What the annotator wrote", optional=True)
    seconds: float | None = column("Time taken", minimum=0, optional=True)
    created_at: datetime | None = column("When, UTC", optional=True)
    guideline_version: str | None = column("Guidelines it was made under", optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Qrel:
    """An adjudicated grade; p1…pK, where present, are its posterior over the scale's levels."""

    query_id: str = column("Query")
    pin_id: str = column("Pin")
    grade: int = column("Most probable grade; ties: the lower")
    n_judgments: int | None = column("Judgments it rests on", minimum=0, optional=True)
    method: str | None = column("Adjudicator", optional=True)
    inclusion_probability: float | None = column(
        "Probability that the pair was drawn", above=0, maximum=1, optional=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """A grade known beforehand: a hidden question that measures annotators."""

    query_id: str = column("Query")
    pin_id: str = column("Pin")
    grade: int = column("The right grade")
    source: str | None = column("Who says so", optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A Pin that a system returned; the score decides, the rank only where it is missing."""

    system: str | None = column("Name of the system", optional=True)
    query_id: str = column("Query")
    pin_id: str = column("Pin")
    rank: int | None = column("Rank, 1 = first", optional=True)
    score: float | None = column("Score, higher first", optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A model's probabilities of the five grades of a pair."""

    query_id: str = column("Query")
    pin_id: str = column("Pin")
    p1: float = column("P(grade = 1)", minimum=0, maximum=1)
    p2: float = column("P(grade = 2)", minimum=0, maximum=1)
    p3: float = column("P(grade = 3)", minimum=0, maximum=1)
    p4: float = column("P(grade = 4)", minimum=0, maximum=1)
    p5: float = column("P(grade = 5)", minimum=0, maximum=1)
    model: str | None = column("Name of the model", optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEmbedding:
    """A query's vector, as a production system would have it."""

    query_id: str = column("Query")
    search: list[float] = column("Search embedding of the query")


@dataclass(frozen=True, slots=True, kw_only=True)
class PinEmbedding:
    """A Pin's vectors, as a production system would have them."""

    pin_id: str = column("Pin")
    search: list[float] = column("Search embedding, in the space of the queries'")
    visual: list[float] | None = column("Embedding of the picture", optional=True)
    graph: list[float] | None = column("Embedding of the Pin-board graph", optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A search session in (or before) an experiment."""

    experiment: str | None = column("Name of the experiment", optional=True)
    session_id: str | None = column("Identity of the session", optional=True)
    unit_id: str = column("What was randomised: the user")
    variant: str | None = column("control, treatment, …; empty before the start", nullable=True)
    country: str | None = column("Country, ISO 3166", optional=True)
    started_at: datetime | None = column("Start of the session, UTC", optional=True)
    exposed_at: datetime | None = column("First exposure in it, UTC; empty = none", optional=True)
    fulfilled: float | None = column("1 if it ended in a high-significance action", optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSave:
    """A Pin that somebody saved to a board; what `board_titles` is made from."""

    pin_id: str = column("Pin")
    user_id: str = column("Who saved it")
    board_title: str | None = column("Title of the board", nullable=True)
    saved_at: datetime = column("When, UTC")
    language: str | None = column("Language of the title, BCP 47", optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement:
    """A Pin that somebody engaged with after a search; what `engaged_queries` is made from."""

    pin_id: str = column("Pin")
    user_id: str = column("Who searched")
    query: str | None = column("The query as typed", nullable=True)
    engaged_at: datetime = column("When, UTC")
    action: str | None = column("What was done (save, long_click)", optional=True)
    language: str | None = column("Language of the query, BCP 47", optional=True)


@dataclass(frozen=True, slots=True)
class Column:
    """What `tables.py` checks of one column; see `column`."""

    name: str
    type: str  # "text" | "integer" | "number" | "time" | "vector"
    doc: str
    minimum: float | None
    above: float | None
    maximum: float | None
    choices: tuple[str, ...]
    optional: bool
    nullable: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A named table: its row, its key, and what a repeated key means.

    Attributes:
        name: As DESIGN and the command line call it.
        record: Dataclass of its row.
        key: Columns that identify a row.
        latest_wins: A repeated key keeps the latest row (judgments) instead of being an error.
    """

    name: str
    record: type
    key: tuple[str, ...]
    latest_wins: bool = False

    @property
    def columns(self) -> tuple[Column, ...]:
        """The declared columns, in order."""
        return tuple(_column(field) for field in dataclasses.fields(self.record))


TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table("queries", Query, ("query_id",)),
        Table("pins", Pin, ("pin_id",)),
        Table("pairs", Pair, ("query_id", "pin_id")),
        Table("samples", Sample, ("query_id", "pin_id", "draw")),
        Table("judgments", Judgment, ("query_id", "pin_id", "annotator"), latest_wins=True),
        Table("repeats", Judgment, ("query_id", "pin_id", "annotator"), latest_wins=True),
        Table("rulings", Judgment, ("query_id", "pin_id", "annotator"), latest_wins=True),
        Table("gold", Gold, ("query_id", "pin_id")),
        Table("qrels", Qrel, ("query_id", "pin_id")),
        Table("runs", Run, ("system", "query_id", "pin_id")),
        Table("predictions", Prediction, ("model", "query_id", "pin_id")),
        Table("query_embeddings", QueryEmbedding, ("query_id",)),
        Table("pin_embeddings", PinEmbedding, ("pin_id",)),
        Table("sessions", Session, ()),
        Table("board_saves", BoardSave, ()),
        Table("engagements", Engagement, ()),
    )
}
"""Every table by name."""

_TYPES = {"str": "text", "int": "integer", "float": "number", "datetime": "time"}


def _column(field: dataclasses.Field[Any]) -> Column:
    annotation = str(field.type).removesuffix("| None").strip()  # text: annotations are deferred
    kind = "vector" if annotation.startswith("list") else _TYPES[annotation]
    return Column(name=field.name, type=kind, **field.metadata)
