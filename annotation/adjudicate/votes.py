"""Judgments as numbers: who gave which pair which level."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.errors import InputError
from relevance.grades import GradeScale

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

UNKNOWN = -1
"""Level of a pair whose grade nobody knows beforehand."""

_KEY = ("query_id", "pin_id")


@dataclass(frozen=True, slots=True)
class Votes:
    """Judgments as numbers, sorted by item.

    Attributes:
        item: Pair of each vote, 0…n_items-1, ascending; shape (n,).
        annotator: Annotator of each vote, 0…n_annotators-1; shape (n,).
        level: Position of its grade on the scale, 0…n_levels-1; shape (n,).
        n_items: Pairs; all of them have a vote, unless some were held out.
        n_annotators: Annotators.
        n_levels: Grades of the scale.
        ordered: Whether neighbouring grades are alike.
        gold: Level of each pair that is known beforehand, else `UNKNOWN`; shape (n_items,). Empty
            if no pair's is.
    """

    item: Ints
    annotator: Ints
    level: Ints
    n_items: int
    n_annotators: int
    n_levels: int
    ordered: bool = True
    gold: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def n(self) -> int:
        """Votes."""
        return int(self.item.size)

    @property
    def per_item(self) -> Ints:
        """Votes of each pair; shape (n_items,)."""
        return np.bincount(self.item, minlength=self.n_items)

    @property
    def known(self) -> Ints:
        """`gold` with a row for each pair, `UNKNOWN` where it is not known; shape (n_items,)."""
        return self.gold if self.gold.size else np.full(self.n_items, UNKNOWN)

    def counts(self) -> Floats:
        """How often each pair was given each level; shape (n_items, n_levels)."""
        return tally(self.item * self.n_levels + self.level, self.n_items, self.n_levels)

    def cells(self) -> csr_matrix:
        """1 where a pair has an annotator's vote of a level; (n_items, n_annotators · n_levels)."""
        from scipy.sparse import csr_matrix

        columns = self.annotator * self.n_levels + self.level
        rows = np.searchsorted(self.item, np.arange(self.n_items + 1))
        shape = (self.n_items, self.n_annotators * self.n_levels)
        return csr_matrix((np.ones(self.n), columns, rows), shape=shape)

    def only(self, votes: Bools) -> Votes:
        """The same items, annotators and gold with some votes only."""
        return replace(
            self,
            item=self.item[votes],
            annotator=self.annotator[votes],
            level=self.level[votes],
        )

    def of_items(self, items: Bools) -> Votes:
        """The votes on some items, which are numbered anew; annotators keep their numbers."""
        number = np.cumsum(items) - 1
        kept = items[self.item]
        return replace(
            self.only(kept),
            item=number[self.item[kept]],
            n_items=int(items.sum()),
            gold=self.gold[items] if self.gold.size else self.gold,
        )


@dataclass(frozen=True, slots=True)
class Given:
    """What `read_votes` found.

    Attributes:
        votes: The votes.
        pairs: query_id, pin_id, n_judgments of each item, in key order.
        annotators: Pseudonym of each annotator, ascending.
        levels: The scale's grades, ascending.
        n_repeated: Judgments that a later one of the same annotator on the same pair replaced.
        n_abstained: Pairs on which everybody abstained, and which are left out.
    """

    votes: Votes
    pairs: pl.DataFrame
    annotators: list[str]
    levels: tuple[int, ...]
    n_repeated: int
    n_abstained: int


def read_votes(
    judgments: pl.DataFrame, scale: GradeScale, gold: pl.DataFrame | None = None
) -> Given:
    """The votes in a table `judgments`; the latest of an annotator on a pair counts.

    Args:
        judgments: query_id, pin_id, annotator, grade (null: abstained), created_at (optional; where
            it is missing, the later row is the later judgment).
        scale: The scale of the grades; one without levels takes those that occur.
        gold: query_id, pin_id, grade; the last row of a pair counts.

    Raises:
        InputError: A grade is not on the scale.
    """
    latest = in_time(judgments).unique([*_KEY, "annotator"], keep="last", maintain_order=True)
    whole = pl.col("grade").cast(pl.Int64)
    given = (
        latest.filter(pl.col("grade").is_not_null()).with_columns(whole).sort(*_KEY, "annotator")
    )
    if gold is not None:
        gold = gold.unique(list(_KEY), keep="last", maintain_order=True).with_columns(whole)
    found = given["grade"] if gold is None else pl.concat([given["grade"], gold["grade"]])
    levels = scale.levels or tuple(found.drop_nulls().unique().sort().to_list())
    check_on_scale(given, levels, scale, "judgments")
    pairs = given.group_by(_KEY, maintain_order=True).agg(pl.len().alias("n_judgments"))
    people = given["annotator"].unique().sort()
    asked = latest.select(pl.struct(_KEY).n_unique()).item() if latest.height else 0
    votes = Votes(
        item=np.repeat(np.arange(pairs.height), pairs["n_judgments"].to_numpy()),
        annotator=np.asarray(people.search_sorted(given["annotator"]), dtype=np.int64),
        level=_level(given["grade"], levels),
        n_items=pairs.height,
        n_annotators=people.len(),
        n_levels=len(levels),
        ordered=scale.ordered,
        gold=_known(pairs, gold, levels, scale),
    )
    repeated = judgments.height - latest.height
    return Given(votes, pairs, people.to_list(), levels, repeated, asked - pairs.height)


def in_time(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order of their created_at, those without one first; else as they are."""
    if "created_at" not in rows.columns:
        return rows
    return rows.sort("created_at", nulls_last=False, maintain_order=True)


def check_on_scale(
    rows: pl.DataFrame, levels: tuple[int, ...], scale: GradeScale, table: str
) -> None:
    """Nothing, if every grade is one of `levels`.

    Raises:
        InputError: One is not.
    """
    wrong = rows.filter(~pl.col("grade").is_in(levels))
    if wrong.height:
        raise InputError(
            f"{table}: grade {wrong['grade'][0]} of query {wrong['query_id'][0]!r}, Pin "
            f"{wrong['pin_id'][0]!r} is not on the scale {scale.name} ({scale.describe()}). "
            "Mend it, or name its scale with --scale"
        )


def tally(cells: Ints, rows: int, columns: int, weights: Floats | None = None) -> Floats:
    """How often each of 0…rows·columns-1 occurs (or its weight), as a matrix."""
    flat = np.bincount(cells, weights, minlength=rows * columns)
    return np.asarray(flat.reshape(rows, columns), dtype=np.float64)


def normal(array: Floats) -> Floats:
    """`array` divided by its sums along the last axis."""
    total: Floats = array.sum(axis=-1, keepdims=True)
    return array / total


def softmax(logs: Floats) -> Floats:
    """exp(logs), normalised along the last axis."""
    return normal(np.exp(logs - logs.max(axis=-1, keepdims=True)))


def _known(
    pairs: pl.DataFrame, gold: pl.DataFrame | None, levels: tuple[int, ...], scale: GradeScale
) -> Ints:
    if gold is None:
        return np.zeros(0, dtype=np.int64)
    known = gold.filter(pl.col("grade").is_not_null()).select(*_KEY, "grade")
    check_on_scale(known, levels, scale, "gold")
    joined = pairs.join(known, on=list(_KEY), how="left", maintain_order="left")
    at = dict(zip(levels, range(len(levels)), strict=True))
    return np.array([at.get(grade, UNKNOWN) for grade in joined["grade"]], dtype=np.int64)


def _level(grades: pl.Series, levels: tuple[int, ...]) -> Ints:
    return np.searchsorted(np.asarray(levels, dtype=np.int64), grades.to_numpy()).astype(np.int64)
