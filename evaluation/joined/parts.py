"""The systems of a joined table: their rows, grades and lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.joined.file import JoinedFile, grades_in, pins_in, scores_in
from evaluation.joined.queries import JoinedQueries
from evaluation.ranking.ordering import Arranged, Ordered, Scores, arrange, break_ties
from relevance.errors import InputError
from relevance.grades import GradeScale

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Part:
    """One system's rows.

    Attributes:
        system: Its name.
        rows: (N,) its rows of the table; None = all.
        scores: (N,) their scores; NaN = not returned.
        qrels: Their query code and grade (null = not judged), and for label noise their ids and
            posterior.
    """

    system: str
    rows: Rows | None
    scores: Scores
    qrels: pl.DataFrame


def parts_in(
    file: JoinedFile,
    queries: JoinedQueries,
    scale: GradeScale,
    *,
    name: str,
    label_noise: bool = False,
) -> list[Part]:
    """The systems of the table, in order of appearance."""
    qrels = pl.DataFrame({"code": queries.codes, "grade": grades_in(file, scale)})
    if label_noise:
        qrels = qrels.with_columns(_pairs_and_posterior(file, queries))
    if file.has("pin_id") and not file.distinct:
        _refuse_repeated(file, queries, pins_in(file))
    scores = scores_in(file)
    if not file.has("system"):
        return [Part(name, None, scores, qrels)]
    systems = file.read("system").cast(pl.String).fill_null(name)
    if (systems == systems[0]).all():
        return [Part(systems[0], None, scores, qrels)]
    rows = [
        (system, (systems == system).arg_true().to_numpy().astype(np.int64))
        for system in systems.unique(maintain_order=True)
    ]
    return [Part(system, mine, scores[mine], qrels[mine]) for system, mine in rows]


def _pairs_and_posterior(file: JoinedFile, queries: JoinedQueries) -> list[pl.Series]:
    """Columns by which grades are drawn; without pin_id the rows are told apart by position."""
    pins = pins_in(file) if file.has("pin_id") else pl.Series(np.arange(len(queries.codes)))
    posterior = [file.read(name) for name in file.schema if re.fullmatch(r"p[1-9]\d*", name)]
    ids = queries.ids.gather(queries.codes)
    return [ids.alias("query_id"), pins.cast(pl.String).alias("pin_id"), *posterior]


def refuse_differing(parts: Sequence[Part], queries: JoinedQueries, file: JoinedFile) -> None:
    """Raises InputError if the systems have not the same judgments."""
    each = [part.qrels.select("code", "grade").drop_nulls().sort("code", "grade") for part in parts]
    for part, own in zip(parts, each, strict=True):
        if not own.equals(each[0]):
            raise InputError(
                f"{file.name}: systems {parts[0].system!r} and {part.system!r} have not the same "
                f"judgments{_where(own, each[0], queries)}. Give every system all of them, with "
                "an empty score where it did not return the Pin"
            )


def _where(own: pl.DataFrame, other: pl.DataFrame, queries: JoinedQueries) -> str:
    """The first query in which sorted judgments differ."""
    sides = [frame.group_by("code").agg("grade") for frame in (own, other)]
    both = sides[0].join(sides[1], on="code", how="full", coalesce=True).sort("code")
    wrong = both.filter(~pl.col("grade").eq_missing(pl.col("grade_right")))
    return f" of query {queries.ids[int(wrong['code'][0])]!r}"


def order_part(
    part: Part, file: JoinedFile, queries: JoinedQueries, *, ties: str, depth: int | None
) -> Ordered:
    """One system's lists; a Pin's judgment is its own row, which may have no grade."""
    n_queries = len(queries.ids)
    codes = part.qrels["code"].to_numpy()
    there = ~np.isnan(part.scores)
    if not there.all():
        codes = np.where(there, codes, np.int32(-1))
        lists = arrange(codes, part.scores, n_queries, depth=depth)
    else:
        whole = queries.together and part.rows is None
        starts = np.append(queries.first, len(codes)) if whole else None
        lists = arrange(codes, part.scores, n_queries, depth=depth, starts=starts)
    tied = lists.tied
    if ties == "docid":
        unclear = _unclear(lists, part)
        if unclear is None:
            lists = break_ties(replace(lists, tied=np.zeros_like(tied)), _NO_PINS, depth=depth)
        elif file.has("pin_id"):
            pins = pins_in(file) if part.rows is None else pins_in(file).gather(part.rows)
            lists = break_ties(lists, pins, depth=depth)
        else:
            query = queries.ids[int(codes[unclear])]
            raise InputError(
                f"{file.name} has no pin_id to order equal scores by, as in query {query!r}. "
                "Give the column pin_id, or take the mean over tied orders: --ties average"
            )
    return Ordered(
        starts=lists.starts,
        rows=lists.rows,
        judgment=lists.rows.astype(np.int32),
        ties=np.flatnonzero(~tied) if ties == "average" and tied.any() else None,
        rank_disagrees=lists.rank_disagrees,
        depth=depth,
    )


def _refuse_repeated(file: JoinedFile, queries: JoinedQueries, pins: pl.Series) -> None:
    """Raises InputError if a system has a pair twice; different hashes are proof that none has."""
    rows = pl.DataFrame({"code": queries.codes, "pin_id": pins})
    if file.has("system"):
        rows = rows.with_columns(system=file.read("system").cast(pl.String))
    hashes = np.sort(rows.hash_rows(seed=0).to_numpy())
    if (hashes[1:] == hashes[:-1]).any() and rows.is_duplicated().any():
        row = int(rows.is_duplicated().arg_max() or 0)
        raise InputError(
            f"{file.name} has query {file.read('query_id')[row]!r}, pin {pins[row]!r} twice. "
            "Keep one of the rows"
        )


_NO_PINS = pl.Series("pin_id", [], dtype=pl.String)


def _unclear(lists: Arranged, part: Part) -> int | None:
    """A row that ties with one of another grade, so that their order matters; None if none does."""
    if not lists.tied.any():
        return None
    grades = part.qrels["grade"].gather(lists.rows)
    differ = grades[1:].ne_missing(grades[:-1]).to_numpy() & lists.tied[1:]
    return int(lists.rows[int(differ.argmax()) + 1]) if differ.any() else None
