"""Judgments as integer codes: which pair, which annotator, which level, in 10⁶ rows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.errors import InputError
from relevance.grades import GradeScale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KEY = ["query_id", "pin_id", "annotator"]
MIN_QUERIES = 30  # below, pairs are resampled instead of queries
_DENSE = 1 << 22  # codes that are counted in an array instead of sorted


@dataclass(frozen=True, slots=True)
class Graded:
    """R judgments of U pairs of Q queries.

    Attributes:
        ids: (Q,) query ids, ascending; a query's code is its position.
        levels: (K,) the levels, ascending.
        annotators: (A,) names, ascending; an annotator's code is the position.
        query: (U,) code of each pair's query.
        source: Where the pairs' pin_ids are: those of all rows, and (U,) a row of each pair.
        pattern: (U,) index of the pair's counts in `patterns`.
        patterns: (V, K) distinct counts: how many annotators gave each level. Few, also of 10⁶.
        pair: (R,) the judgment's pair, ascending.
        annotator: (R,) its annotator.
        level: (R,) index of its level.
    """

    ids: pl.Series
    levels: Floats
    annotators: pl.Series
    query: Ints
    source: tuple[pl.Series, Ints]
    pattern: Ints
    patterns: Floats
    pair: Ints
    annotator: Ints
    level: Ints

    @property
    def pins(self) -> pl.Series:
        """(U,) each pair's pin_id."""
        return self.pins_of(np.arange(len(self.query)))

    def pins_of(self, pairs: Ints) -> pl.Series:
        """(n,) the pin_id of some pairs."""
        pins, rows = self.source
        return pins.gather(rows[pairs])

    @property
    def counts(self) -> Floats:
        """(U, K) annotators who gave each level."""
        return np.asarray(self.patterns[self.pattern], dtype=np.float64)

    @property
    def several(self) -> NDArray[np.bool_]:
        """(U,) whether two annotators or more graded the pair."""
        twice = np.asarray(self.patterns.sum(axis=1) >= 2, dtype=np.bool_)
        return twice[self.pattern]


@dataclass(frozen=True, slots=True)
class Units:
    """What is resampled: the queries of a group, or its pairs where there are few queries.

    Attributes:
        of_pair: (U,) each pair's unit; -1 outside the group.
        n: Number of units.
        are_pairs: Whether they are pairs.
    """

    of_pair: Ints
    n: int
    are_pairs: bool


def latest_judgments(judgments: pl.DataFrame) -> pl.DataFrame:
    """The judgments that count: graded, and the latest of an annotator on a pair.

    Raises:
        InputError: No judgment has a grade.
    """
    if _repeats(judgments.select(KEY)):
        if "created_at" in judgments.columns:
            judgments = judgments.sort("created_at", nulls_last=False, maintain_order=True)
        judgments = judgments.unique(KEY, keep="last", maintain_order=True)
    latest = judgments.filter(pl.col("grade").is_not_null()).select(*KEY, "grade")
    if latest.is_empty():
        raise InputError(
            "the judgments have no grade. Give a file with query_id, pin_id, annotator, grade"
        )
    return latest


def code_latest(judgments: pl.DataFrame, scale: GradeScale) -> Graded:
    """Codes the judgments that count (`latest_judgments`); quick where nothing is repeated.

    Raises:
        InputError: No judgment has a grade, or one is off the scale.
    """
    if judgments["grade"].null_count() or judgments.is_empty():
        return code_judgments(latest_judgments(judgments), scale)
    graded = code_judgments(judgments, scale)
    pair, annotator = graded.pair, graded.annotator
    if np.any((pair[1:] == pair[:-1]) & (annotator[1:] == annotator[:-1])):
        return code_judgments(latest_judgments(judgments), scale)
    return graded


def code_judgments(judgments: pl.DataFrame, scale: GradeScale) -> Graded:
    """Codes judgments; the order of rows makes no difference.

    Args:
        judgments: query_id, pin_id, annotator, grade; one row an annotator and pair, no empty grade
            (`latest_judgments`).
        scale: Scale of the grades; its levels are the categories (those found, if it has none).

    Raises:
        InputError: A grade is off the scale.
    """
    levels, level = _levels(judgments, scale)
    annotators, annotator = _codes(judgments["annotator"])
    order, pair, first = _pairs(judgments)
    ids, query = _codes(judgments["query_id"].gather(first))
    n, k = len(annotators), len(levels)
    packed = np.sort((pair * n + annotator[order]) * k + level[order])  # 3 × faster than argsort
    pair, level = packed // (n * k), packed % k
    counts = np.bincount(pair * k + level, minlength=len(first) * k)
    pattern, patterns = distinct_rows(counts.reshape(len(first), k))
    return Graded(
        ids=ids,
        levels=levels,
        annotators=annotators,
        query=query,
        source=(judgments["pin_id"], first),
        pattern=pattern,
        patterns=patterns.astype(np.float64),
        pair=pair,
        annotator=packed // k % n,
        level=level,
    )


def units_of(graded: Graded, queries: Ints) -> Units:
    """The units of a group: its queries, or its pairs if under 30 queries have a pair graded twice.

    Pairs are in the order of query and pin, whatever the order of the rows.
    """
    place = np.full(len(graded.ids), -1, dtype=np.int64)
    place[queries] = np.arange(len(queries))
    of_pair = place[graded.query]
    inside = of_pair >= 0
    if len(np.unique(graded.query[inside & graded.several])) >= MIN_QUERIES:
        return Units(of_pair, len(queries), are_pairs=False)
    pairs = np.flatnonzero(inside)
    of_pair = np.full(len(of_pair), -1, dtype=np.int64)
    of_pair[pairs] = by_pin(graded, pairs)
    return Units(of_pair, len(pairs), are_pairs=True)


def by_pin(graded: Graded, pairs: Ints) -> Ints:
    """(n,) place of each pair in the order of query and pin."""
    pins = graded.pins_of(pairs).rank("dense").to_numpy().astype(np.int64)
    order = np.lexsort((pins, graded.query[pairs]))
    place = np.empty(len(pairs), dtype=np.int64)
    place[order] = np.arange(len(pairs))
    return place


def distinct_rows(counts: Ints) -> tuple[Ints, Ints]:
    """Index of each row among the distinct ones, and these, in ascending order.

    Args:
        counts: (n, K) whole numbers from 0 on.
    """
    base = int(counts.max(initial=0)) + 1
    if base ** counts.shape[1] >= 1 << 62:
        patterns, index = np.unique(counts, axis=0, return_inverse=True)
        return index.reshape(-1), patterns
    code = counts @ base ** np.arange(counts.shape[1])[::-1]
    index, first = dense(code, base ** counts.shape[1])
    return index, counts[first]


def dense(code: Ints, n_codes: int) -> tuple[Ints, Ints]:
    """Index of each code among those that occur, ascending, and a position of each of these.

    Args:
        code: (n,) codes from 0 on.
        n_codes: Upper bound of the codes, not included.
    """
    if n_codes > max(_DENSE, 4 * len(code)):
        _, first, index = np.unique(code, return_index=True, return_inverse=True)
        return index, first
    position = np.full(n_codes, -1, dtype=np.int64)
    position[code] = np.arange(len(code))
    present = np.flatnonzero(position >= 0)
    rank = np.zeros(n_codes, dtype=np.int64)
    rank[present] = np.arange(len(present))
    return rank[code], position[present]


def _levels(judgments: pl.DataFrame, scale: GradeScale) -> tuple[Floats, Ints]:
    """The levels, and each row's index among them."""
    grades = judgments["grade"].to_numpy().astype(np.int64)
    lowest, highest = int(grades.min()), int(grades.max())
    off = grades - lowest
    if highest - lowest > _DENSE:
        known = np.array(scale.levels or np.unique(grades), dtype=np.int64)
        level = np.minimum(np.searchsorted(known, grades), len(known) - 1)
        wrong = known[level] != grades
    else:
        known = np.array(scale.levels or np.flatnonzero(np.bincount(off)) + lowest, dtype=np.int64)
        index = np.full(highest - lowest + 1, -1, dtype=np.int64)
        inside = (known >= lowest) & (known <= highest)
        index[known[inside] - lowest] = np.flatnonzero(inside)
        level = index[off]
        wrong = level < 0
    _refuse_off_scale(judgments, wrong, scale)
    return known.astype(np.float64), level


def _pairs(judgments: pl.DataFrame) -> tuple[Ints, Ints, Ints]:
    """Order of the rows by pair; then each row's pair, in that order; and a row of each pair.

    Pairs are told apart by 64 bits of hash: two of 10⁶ share them with probability 3e-8.
    """
    hashed = judgments.select("query_id", "pin_id").hash_rows().to_numpy()
    order = np.argsort(hashed)
    starts = np.diff(hashed[order], prepend=hashed[order[:1]]) != 0
    pair = np.cumsum(starts)
    return order, pair.astype(np.int64), order[np.flatnonzero(np.diff(pair, prepend=-1))]


def _codes(values: pl.Series) -> tuple[pl.Series, Ints]:
    """The distinct values, ascending, and each row's position among them."""
    names = values.cast(pl.String).unique().sort()
    coded = values.cast(pl.String).cast(pl.Enum(names)).to_physical()
    return names, coded.to_numpy().astype(np.int64)


def _repeats(keys: pl.DataFrame) -> bool:
    hashed = np.sort(keys.hash_rows().to_numpy())
    return bool(np.any(hashed[1:] == hashed[:-1]))


def _refuse_off_scale(judgments: pl.DataFrame, wrong: NDArray[np.bool_], scale: GradeScale) -> None:
    if wrong.any():
        off = judgments.filter(pl.Series(wrong)).sort(KEY).row(0, named=True)
        raise InputError(
            f"grade must be {scale.describe()}, got {off['grade']} for query "
            f"{off['query_id']!r}, pin {off['pin_id']!r}. Name the scale with --scale"
        )
