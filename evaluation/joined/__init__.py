"""Ranked lists against grades, from a table that holds both side by side (`joined_file`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.intervals import REPLICATES
from evaluation.joined.dense import dense_lists
from evaluation.joined.file import JoinedFile, open_joined
from evaluation.joined.parts import Part, order_part, parts_in, refuse_differing
from evaluation.joined.queries import (
    JoinedQueries,
    columns_of,
    pieces_of,
    queries_in,
    query_columns,
)
from evaluation.metrics import RANKING, Measure, parse_all
from evaluation.ranking.coding import Bools, Coded, seen_among
from evaluation.ranking.figures import Figures, Rescore, empty_is_zero, with_judged
from evaluation.ranking.ordering import check_ties
from evaluation.ranking.scoring import (
    Scored,
    concatenated,
    depth_of,
    replaced,
    score_lists,
    score_ordered,
    taken,
)
from evaluation.slices import groups_of
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale
from relevance.results import Results, Row

Rows = NDArray[np.int64]
_WORKERS = 2  # pieces in work at a time


def evaluate_joined(
    source: Path | pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    name: str = "run",
    metrics: str | Sequence[str | Measure] = ("nDCG@20", "P@8"),
    by: str | Sequence[str] | None = None,
    scale: GradeScale = FIVE,
    ties: str = "docid",
    empty: str | None = None,
    level: float = 0.95,
    seed: int = 0,
    reps: int = REPLICATES,
    label_noise: int = 0,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
) -> Results:
    """The rows of `evaluate_ranking`, from a table that holds runs and grades side by side.

    Args:
        source: A file or frame with the columns of `joined_file.JoinedRow`. Every system in it
            must hold the same judgments, with an empty score where it did not return the Pin.
        queries: A `queries` table, for `by` and traffic; None = the columns of `source`.
        name: Name of the system, where the table does not name it.
        metrics: Measures, or how they are spelled.
        by: Column or columns of the query to split by; `country:segment` is a crossing.
        scale: Scale of the grades.
        ties: As in `evaluate_ranking`; `docid` needs a pin_id where Pins of unequal grade tie.
        empty: As in `evaluate_ranking`.
        level: Confidence level.
        seed: Seed of the resampling.
        reps: Replicates of the intervals; 0 = figures without intervals.
        label_noise: As in `evaluate_ranking`, from the columns p1…pK.
        seen: Hashed ids of queries that a model has seen; left out and counted.
        allow_seen: Keep them, and mark every figure.

    Raises:
        MissingInputError: The file is not there.
        InputError: As `evaluate_ranking`; a cell is wrong; rows of a query contradict each other.
    """
    measures = with_judged(parse_all(metrics, families=(RANKING,)))
    empty_is_zero(empty, scale)
    check_ties(ties)
    wanted = [by] if isinstance(by, str) else list(by or ())
    task = _Task(
        name=name,
        by=wanted if queries is None else None,
        measures=measures,
        scale=scale,
        ties=ties,
        label_noise=label_noise > 0,
    )
    file, task = _of_one(open_joined(source), task)
    found = _piecewise(file, task) or _at_once(file, task)
    coded = found.coded(seen, allow_seen=allow_seen)
    table = found.queries if queries is None else queries
    figures = Figures(
        measures=measures,
        groups=groups_of(coded.ids, table, wanted, judged=coded.judged),
        scale=scale,
        ties=ties,
        empty=empty,
        level=level,
        seed=seed,
        reps=reps,
        label_noise=label_noise,
    )
    rows: list[Row] = []
    for system in found.systems:
        shown = coded if system.qrels is None else replace(coded, qrels=system.qrels)
        rows += figures.rows(system.name, system.scored, shown, system.rescore)
    return Results(tuple(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is to be found in a joined table.

    Attributes:
        name: Name of a system that the table does not name.
        by: Columns of the query to split by; None if another table has them.
        measures: Ranking measures.
        scale: Scale of the grades.
        ties: Rule for equal scores.
        label_noise: Whether lists are to be scored under drawn grades.
    """

    name: str
    by: Sequence[str] | None
    measures: Sequence[Measure]
    scale: GradeScale
    ties: str
    label_noise: bool


@dataclass(frozen=True, slots=True)
class _System:
    """One system's values, and for label noise its judgments and its values under other grades."""

    name: str
    scored: Scored
    qrels: pl.DataFrame | None = None
    rescore: Rescore | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What a joined table holds; queries by ascending id.

    Attributes:
        queries: query_id and the columns of the query.
        judged: (Q,) whether a query has grades.
        systems: The systems, in order of appearance.
    """

    queries: pl.DataFrame
    judged: Bools
    systems: Sequence[_System]

    def coded(self, seen: Collection[str], *, allow_seen: bool) -> Coded:
        """The queries, without judgments."""
        ids = self.queries["query_id"]
        return Coded(ids, self.judged, seen_among(ids, seen), _NO_QRELS, allow_seen)

    def taken(self, order: Rows) -> _Found:
        """The queries in another order."""
        systems = [replace(s, scored=taken(s.scored, order)) for s in self.systems]
        return _Found(self.queries[order], self.judged[order], systems)


def _of_one(file: JoinedFile, task: _Task) -> tuple[JoinedFile, _Task]:
    """The table without its column of systems, if it names one only, which the task then has."""
    system = file.constant("system")
    return (file, task) if system is None else (file.without("system"), replace(task, name=system))


_NO_QRELS = pl.DataFrame(schema={"code": pl.Int32, "grade": pl.Int8})


def _piecewise(file: JoinedFile, task: _Task) -> _Found | None:
    """What the table holds, from some rows after the other.

    Returns:
        None if that cannot be done: a query's rows are apart, there are several systems, or few
        rows.
    """
    if task.label_noise:
        return None
    columns = columns_of(file, task.by)
    pieces: list[_Found] = []
    for piece in _each(partial(_one, task=task), pieces_of(file, columns)):
        if piece is None or (pieces and piece.systems[0].name != pieces[0].systems[0].name):
            return None
        pieces.append(piece)
    if not pieces:
        raise InputError(f"{file.name} has no rows. Give runs and grades")
    table = pl.concat([piece.queries for piece in pieces])
    ids = table["query_id"]
    if ids.n_unique() < len(ids):
        return None
    scored = concatenated([piece.systems[0].scored for piece in pieces])
    judged = np.concatenate([piece.judged for piece in pieces])
    _refuse_apart(file, judged, scored.returned)
    found = _Found(table, judged, [_System(pieces[0].systems[0].name, scored)])
    return found if ids.is_sorted() else found.taken(ids.arg_sort().to_numpy())


def _each(
    work: Callable[[JoinedFile], _Found | None], pieces: Iterator[JoinedFile]
) -> Iterator[_Found | None]:
    """What `work` makes of each piece, in order; two at a time, and no more are read ahead."""
    with ThreadPoolExecutor(max_workers=_WORKERS) as workers:
        pending: deque[Future[_Found | None]] = deque()
        for piece in pieces:
            pending.append(workers.submit(work, piece))
            if len(pending) == _WORKERS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _one(file: JoinedFile, task: _Task) -> _Found | None:
    """What one piece of the table holds, queries as they stand; None if it must wait for others."""
    queries = queries_in(file)
    if not queries.together:
        return None
    parts = parts_in(file, queries, task.scale, name=task.name)
    if len(parts) > 1:
        return None
    scored = _densely(file, queries, parts[0], task) or _in_order(file, queries, parts[0], task)
    judged = queries.any_of(parts[0].qrels["grade"].is_not_null().to_numpy())
    systems = [_System(parts[0].system, scored)]
    return _Found(query_columns(file, queries, task.by), judged, systems)


def _densely(file: JoinedFile, queries: JoinedQueries, part: Part, task: _Task) -> Scored | None:
    """The values by way of a matrix, but for queries with equal scores; None if it is no help."""
    grades = _coded(queries, part).grades
    if grades.dtype != np.int8:
        return None
    small = np.asarray(grades, dtype=np.int8)
    found = dense_lists(queries.first, part.scores, small, depth_of(task.measures))
    if found is None:
        return None
    lists, tied = found
    untied = score_lists(lists, task.measures, task.scale, np.zeros_like(tied))
    if not tied.any():
        return untied
    those, rows = queries.only(tied)
    qrels = part.qrels[rows].with_columns(code=pl.Series(those.codes))
    few = Part(part.system, rows, part.scores[rows], qrels)
    return replaced(untied, _in_order(file, those, few, task), np.flatnonzero(tied))


def _in_order(file: JoinedFile, queries: JoinedQueries, part: Part, task: _Task) -> Scored:
    """The values by way of lists in order, ties in them as the task says."""
    ordered = order_part(part, file, queries, ties=task.ties, depth=depth_of(task.measures))
    return score_ordered(ordered, _coded(queries, part), task.measures, scale=task.scale)


def _coded(queries: JoinedQueries, part: Part) -> Coded:
    """A part's judgments; which queries are judged or seen plays no role in scoring."""
    neither = np.zeros(len(queries.ids), dtype=bool)
    return Coded(queries.ids, neither, neither, part.qrels)


def _at_once(file: JoinedFile, task: _Task) -> _Found:
    """What the table holds, whatever the order of its rows."""
    queries = queries_in(file)
    parts = parts_in(file, queries, task.scale, name=task.name, label_noise=task.label_noise)
    refuse_differing(parts, queries, file)
    known = parts[0].qrels.filter(pl.col("grade").is_not_null())["code"].to_numpy()
    judged = np.bincount(known, minlength=len(queries.ids)) > 0
    returned = np.zeros_like(judged)
    systems = []
    for part in parts:
        ordered = order_part(part, file, queries, ties=task.ties, depth=depth_of(task.measures))
        coded = Coded(queries.ids, judged, np.zeros_like(judged), part.qrels)
        rescore = partial(score_ordered, ordered, coded, task.measures, scale=task.scale)
        qrels = part.qrels if task.label_noise else None
        systems.append(_System(part.system, rescore(), qrels, rescore))
        returned |= ordered.returned
    _refuse_apart(file, judged, returned)
    return _Found(query_columns(file, queries, task.by), judged, systems)


def _refuse_apart(file: JoinedFile, judged: Bools, returned: Bools) -> None:
    """Raises InputError if there is nothing to evaluate, or nothing to evaluate it against."""
    if not judged.any():
        raise InputError(f"{file.name} has no row with a grade. Give grades to evaluate against")
    if not returned.any():
        raise InputError(f"{file.name} has no row with a score. Give what the system returned")
    if not (judged & returned).any():
        raise InputError(
            f"{file.name} has no query with both a score and a grade. Give runs and grades of the "
            "same data"
        )
