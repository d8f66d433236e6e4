"""One file whose rows hold a human grade and the probabilities that a model gives the grades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.pointwise.pairs import PROBABILITIES, Pairs, Runs, floats, in_memory
from evaluation.pointwise.streamed_grades import Streamed, stream
from evaluation.ranking.coding import Bools, codes_of, distinct
from relevance.checks import conform
from relevance.errors import InputError, did_you_mean
from relevance.formats import read_source
from relevance.grades import GradeScale
from relevance.records import Table, column


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedGrade:
    """A pair's human grade beside what a model predicts."""

    query_id: str = column("Identity of the query")
    grade: int | None = column("Human grade; empty = none", minimum=1, maximum=5, nullable=True)
    p1: float | None = column("P(grade = 1)", minimum=0, maximum=1, nullable=True)
    p2: float | None = column("P(grade = 2)", minimum=0, maximum=1, nullable=True)
    p3: float | None = column("P(grade = 3)", minimum=0, maximum=1, nullable=True)
    p4: float | None = column("P(grade = 4)", minimum=0, maximum=1, nullable=True)
    p5: float | None = column("P(grade = 5)", minimum=0, maximum=1, nullable=True)
    model: str | None = column("Name of the model", optional=True)


TABLE = Table("predictions", JoinedGrade, ())
"""The contract of a joined file; its further columns are those of the query."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What a joined file holds.

    Attributes:
        ids: (Q,) query ids, ascending; a query's code is its position.
        judged: (Q,) whether a query has a grade.
        queries: query_id and the columns to split by; None where none are asked for.
        models: Name (None where the file has none) and pairs of each model.
    """

    ids: pl.Series
    judged: Bools
    queries: pl.DataFrame | None
    models: list[tuple[str | None, Pairs]]


def read_joined_grades(path: Path, *, by: Sequence[str], scale: GradeScale) -> Joined:
    """The pairs of a joined file.

    Args:
        path: Rows of `JoinedGrade` in any format that tables are read in.
        by: What to split by: columns of the file, or columns joined by `:`.
        scale: The scale that grades must be on.

    Raises:
        InputError: A column is missing or a cell wrong; a query has two values of a column.
        MissingInputError: The file is not there.
    """
    streamed = stream(path, TABLE, scale, lambda names: _query_columns(by, names, path))
    if streamed is not None:
        return _from_stream(streamed, path)
    source = read_source(path, TABLE)
    frame, problems = conform(source, TABLE, scale)
    if problems:
        raise problems[0]
    return _from_frame(frame, path, by)


def _from_frame(frame: pl.DataFrame, path: Path, by: Sequence[str]) -> Joined:
    wanted = _query_columns(by, frame.columns, path)
    ids = distinct(frame["query_id"]).sort()
    frame = frame.with_columns(pl.Series("_code", codes_of(frame["query_id"], ids)))
    graded = frame.filter(pl.col("grade").is_not_null())
    judged = _counts(graded, len(ids)) > 0
    _check_judged(judged, path)
    queries = _queries(frame.select("query_id", *wanted).unique(), path) if wanted else None
    names = frame["model"].unique(maintain_order=True).to_list()
    models = [(name, _pairs(frame.filter(pl.col("model").eq_missing(name)), len(ids)))
              for name in names]  # fmt: skip
    return Joined(ids, judged, queries, models)


def _from_stream(found: Streamed, path: Path) -> Joined:
    none = np.zeros(len(found.ids), dtype=np.int64)
    query = found.query
    counts = np.bincount(query.codes, weights=query.lengths, minlength=len(none)).astype(np.int64)
    pairs = Pairs(query, found.grades, found.batches, found.precision, counts, none, none)
    queries = None if found.queries is None else _queries(found.queries, path)
    return Joined(found.ids, counts > 0, queries, [(found.model, pairs)])


def _pairs(frame: pl.DataFrame, n_queries: int) -> Pairs:
    graded = pl.col("grade").is_not_null()
    predicted = pl.all_horizontal(pl.col(PROBABILITIES).is_not_null())
    both = frame.filter(graded & predicted)
    columns = [floats(both[name]) for name in PROBABILITIES]
    return Pairs(
        query=Runs.of(both["_code"].to_numpy()),
        grades=both["grade"].cast(pl.Int8).to_numpy(),
        batches=in_memory(columns),
        precision=columns[-1].dtype,
        counts=_counts(both, n_queries),
        not_predicted=_counts(frame.filter(graded & ~predicted), n_queries),
        not_judged=_counts(frame.filter(~graded & predicted), n_queries),
    )


def _counts(frame: pl.DataFrame, n_queries: int) -> NDArray[np.int64]:
    return np.bincount(frame["_code"].to_numpy(), minlength=n_queries)


def _check_judged(judged: Bools, path: Path) -> None:
    if not judged.any():
        raise InputError(f"{path} has no row with a grade. Give the grades to evaluate against")


def _query_columns(by: Sequence[str], there: Sequence[str], path: Path) -> list[str]:
    """The file's columns that `by` stands for, and the queries' traffic."""
    wanted: list[str] = []
    for name in by:
        for part in [name] if name in there else name.split(":"):
            if part not in there or part == "query_id":
                known = [c for c in there if c not in (*PROBABILITIES, "query_id", "grade")]
                raise InputError(
                    f"{path} has no column {part!r} of its queries to split by."
                    f"{did_you_mean(part, known)} It has: {', '.join(known) or 'none'}"
                )
            wanted.append(part)
    return list(dict.fromkeys([*wanted, *(["traffic"] if wanted and "traffic" in there else [])]))


def _queries(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The queries table; an error where a query has two values of a column."""
    again = rows.filter(rows["query_id"].is_duplicated())
    if again.is_empty():
        return rows
    query = again["query_id"].min()
    both = again.filter(pl.col("query_id") == query)
    name = next(c for c in rows.columns[1:] if both[c].n_unique() > 1)
    first, second = both[name].unique(maintain_order=True).to_list()[:2]
    raise InputError(
        f"{path} has query {query!r} with two values of column {name}: {first!r} and {second!r}. "
        "A column to split by belongs to the query: give all its rows the same value"
    )
