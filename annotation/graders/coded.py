"""Judgments as integer codes: who gave which pair which grade, who abstained, how long it took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.errors import InputError
from relevance.grades import GradeScale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

KEY = ("query_id", "pin_id", "annotator")


@dataclass(frozen=True, slots=True)
class Panel:
    """R votes of A annotators on U pairs of Q queries, and their abstentions.

    Attributes:
        table: The judgments that count (an annotator's latest on a pair), in key order, with
            `pair`, the code of the pair.
        pairs: query_id, pin_id of each pair, in key order; a pair's code is its position.
        people: (A,) names, ascending; an annotator's code is the position.
        levels: (K,) grades of the scale, ascending.
        query: (U,) code of each pair's query.
        n_queries: Q.
        pair: (R,) the vote's pair, ascending.
        annotator: (R,) its annotator.
        level: (R,) index of its grade among `levels`.
        row: (R,) its row in `table`.
        judge: (N,) annotator of each row of `table`.
        judged: (N,) pair of each row of `table`.
        abstained: (N,) whether the row has no grade.
    """

    table: pl.DataFrame
    pairs: pl.DataFrame
    people: tuple[str, ...]
    levels: Floats
    query: Ints
    n_queries: int
    pair: Ints
    annotator: Ints
    level: Ints
    row: Ints
    judge: Ints
    judged: Ints
    abstained: Bools

    @property
    def n_people(self) -> int:
        """A."""
        return len(self.people)

    @property
    def n_pairs(self) -> int:
        """U."""
        return len(self.pairs)

    @property
    def grade(self) -> Floats:
        """(R,) the votes' grades."""
        return self.levels[self.level]

    @property
    def votes_of_pair(self) -> Ints:
        """(U,) votes on each pair."""
        return np.bincount(self.pair, minlength=self.n_pairs).astype(np.int64)

    @property
    def shared(self) -> Bools:
        """(R,) whether somebody else graded the pair too."""
        return np.asarray(self.votes_of_pair[self.pair] >= 2)

    def column(self, name: str) -> pl.Series | None:
        """(N,) a column of `table`, None where it is not there or has no value."""
        if name not in self.table.columns:
            return None
        found = self.table[name]
        if found.dtype.is_float():
            found = found.fill_nan(None)
        return None if found.null_count() == len(found) else found


def latest(judgments: pl.DataFrame) -> pl.DataFrame:
    """The judgments that count, in key order: an annotator's latest on a pair.

    The latest `created_at` wins, else the last row.
    """
    if not len(judgments):
        return judgments
    if "created_at" in judgments.columns:
        order = [*KEY, "created_at"]
        ordered = judgments.sort(order, nulls_last=False, maintain_order=True)
    else:
        ordered = judgments.sort(KEY, maintain_order=True)
    same = pl.struct(KEY) == pl.struct(KEY).shift(-1)
    return ordered.filter(~same.fill_null(value=False))


def code(judgments: pl.DataFrame, scale: GradeScale) -> Panel:
    """Codes a table `judgments`.

    Args:
        judgments: query_id, pin_id, annotator, grade (null: abstained); seconds, created_at where
            they are known.
        scale: The scale of the grades; one without levels takes those that occur.

    Raises:
        InputError: No judgment has a grade, or one is off the scale.
    """
    table = latest(judgments)
    grades = table["grade"].drop_nulls()
    if grades.is_empty():
        raise InputError(
            "the judgments have no grade. Give a file with query_id, pin_id, annotator, grade"
        )
    levels = np.asarray(scale.levels or grades.unique().sort().to_list(), dtype=np.float64)
    _refuse_off_scale(table, levels, scale)
    coded = table.with_columns(
        pl.struct("query_id", "pin_id").rle_id().cast(pl.Int64).alias("pair"),
        pl.col("query_id").rle_id().cast(pl.Int64).alias("_query"),
    )
    firsts = coded.unique("pair", keep="first", maintain_order=True)
    people = table["annotator"].unique().sort()
    judge = table["annotator"].cast(pl.Enum(people)).to_physical().to_numpy().astype(np.int64)
    given = table["grade"].is_not_null().to_numpy()
    row = np.flatnonzero(given)
    pair = coded["pair"].to_numpy()
    return Panel(
        table=coded.drop("_query"),
        pairs=firsts.select("query_id", "pin_id"),
        people=tuple(people.to_list()),
        levels=levels,
        query=firsts["_query"].to_numpy(),
        n_queries=int(firsts["_query"].to_numpy().max()) + 1,
        pair=pair[row],
        annotator=judge[row],
        level=np.searchsorted(levels, grades.to_numpy()).astype(np.int64),
        row=row,
        judge=judge,
        judged=pair,
        abstained=~given,
    )


def sums(code_: Ints, weight: Floats, n: int) -> Floats:
    """(n,) sum of the weights of each code."""
    return np.bincount(code_, weight, minlength=n).astype(np.float64)


def _refuse_off_scale(table: pl.DataFrame, levels: Floats, scale: GradeScale) -> None:
    allowed = [int(level) for level in levels]
    off = table.filter(pl.col("grade").is_not_null() & ~pl.col("grade").is_in(allowed))
    if off.height:
        first = off.row(0, named=True)
        raise InputError(
            f"grade must be {scale.describe()}, got {first['grade']} for query "
            f"{first['query_id']!r}, pin {first['pin_id']!r}. Name the scale with --scale"
        )
