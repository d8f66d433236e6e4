"""Pairs that people have graded and a model has predicted, their probabilities in batches.

Batches let ten million pairs pass by while a few megabytes of probabilities are held; they come
from arrays or from a file (`evaluation.pointwise.joined_grades`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.ranking.coding import (
    Coded,
    Codes,
    codes_of,
    hashes_of,
    judgments_of,
    refuse_duplicates,
)
from relevance.errors import InputError

Floats = NDArray[np.float64]
Grades = NDArray[np.int8]
Probabilities = Sequence[NDArray[np.floating]] | NDArray[np.floating]
Passing = Iterator[tuple[slice, Probabilities]]
Batches = Callable[[slice], Sequence[Passing]]

PROBABILITIES = ("p1", "p2", "p3", "p4", "p5")
ROWS = 1 << 15
"""Pairs in a batch."""


@dataclass(frozen=True, slots=True)
class Runs:
    """The query of each of N pairs, of which those of a query mostly stand together.

    Attributes:
        codes: (R,) query code of each run of pairs.
        starts: (R + 1,) first pair of each run; the last is N.
    """

    codes: Codes
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, codes: Codes) -> Runs:
        """The runs of (N,) query codes."""
        heads = np.flatnonzero(codes[1:] != codes[:-1]) + 1
        starts = np.concatenate(([0], heads)) if len(codes) else np.zeros(0, dtype=np.int64)
        return cls(codes[starts], np.append(starts, len(codes)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(R,) pairs of each run."""
        return np.diff(self.starts)

    def add(self, values: Floats, into: Floats, first: int = 0) -> None:
        """Adds (n,) or (n, m) values of the pairs from `first` on to (Q,) or (Q, m) sums."""
        start = int(np.searchsorted(self.starts, first, side="right")) - 1
        stop = int(np.searchsorted(self.starts, first + len(values)))
        heads = np.maximum(self.starts[start:stop] - first, 0)
        added = np.add.reduceat(values, heads, axis=0)
        codes = self.codes[start:stop]
        if values.ndim == 1:
            np.add.at(into, codes, added)
            return
        for column, summed in zip(added.T, into.T, strict=True):
            np.add.at(summed, codes, column)

    def sums(self, values: Floats, n_queries: int) -> Floats:
        """(Q,) sums by query of (N,) values."""
        found = np.zeros(n_queries)
        self.add(values, found)
        return found


@dataclass(frozen=True, slots=True)
class Pairs:
    """N pairs with grade and probabilities, by the code of their query.

    Attributes:
        query: Query of each pair.
        grades: (N,) human grade, 1 … 5.
        batches: Which of `PROBABILITIES` → rows of each batch and those columns, (n,) each; in
            stretches of rows that may pass by at the same time.
        precision: Type of p5.
        counts: (Q,) pairs of each query.
        not_predicted: (Q,) graded pairs without a prediction.
        not_judged: (Q,) predictions without a grade.
        judgment: (N,) row of the qrels that graded each pair; None where there are no qrels.
    """

    query: Runs
    grades: Grades
    batches: Batches
    precision: np.dtype[np.floating]
    counts: NDArray[np.int64]
    not_predicted: NDArray[np.int64]
    not_judged: NDArray[np.int64]
    judgment: Codes | None = None

    @property
    def n_queries(self) -> int:
        """Q."""
        return len(self.counts)

    def scores(self, threshold: int, room: Floats) -> NDArray[np.floating]:
        """The place within (N,) `room` for (N,) P(grade ≥ threshold).

        Sums have 64 bits; P(grade ≥ 5) is no sum and has those of p5.
        """
        alone = threshold == len(PROBABILITIES)
        return room.view(self.precision)[: len(room)] if alone else room


def in_memory(columns: Probabilities) -> Batches:
    """Batches of five (N,) columns that are in memory."""

    def batches(which: slice) -> Passing:
        for start in range(0, len(columns[0]), ROWS):
            rows = slice(start, min(start + ROWS, len(columns[0])))
            yield rows, [column[rows] for column in columns[which]]

    return lambda which: [batches(which)]


def match_pairs(predictions: pl.DataFrame, coded: Coded) -> Pairs:
    """The pairs of the qrels that one model has predicted.

    Args:
        predictions: Rows of one model.
        coded: The queries, with their grades.

    Raises:
        InputError: A pair is there twice.
    """
    n_queries = len(coded.ids)
    own = hashes_of(predictions)
    refuse_duplicates(predictions, own, "predictions")
    keys = pl.DataFrame({"code": codes_of(predictions["query_id"], coded.ids), "hash": own})
    # pairs stand in the order of their keys, so that the order of a file's rows changes nothing
    rows = keys.select(pl.arg_sort_by("code", "hash")).to_series().to_numpy()
    rows = rows[int((keys["code"] < 0).sum()) :]
    query, hashes = keys["code"].to_numpy()[rows], keys["hash"].to_numpy()[rows]
    judged = coded.query
    match = judgments_of(query, hashes, judged, coded.hashes, n_queries)
    found = match >= 0
    alone = np.ones(len(judged), dtype=bool)
    alone[match[found]] = False
    rows, judgment = rows[found], match[found]
    columns = [floats(predictions[name])[rows] for name in PROBABILITIES]
    return Pairs(
        query=Runs.of(query[found]),
        grades=coded.qrels["grade"].to_numpy()[judgment].astype(np.int8),
        batches=in_memory(columns),
        precision=columns[-1].dtype,
        counts=np.bincount(query[found], minlength=n_queries),
        not_predicted=np.bincount(judged[alone], minlength=n_queries),
        not_judged=np.bincount(query[~found], minlength=n_queries),
        judgment=judgment,
    )


def floats(column: pl.Series) -> NDArray[np.floating]:
    """The column as floats, of 32 bits where it has them already."""
    kept = column if column.dtype == pl.Float32 else column.cast(pl.Float64)
    return kept.to_numpy()


def check_grades(grades: pl.DataFrame, scale_name: str) -> None:
    """Raises InputError if a grade of the qrels is none that predictions are of: 1-5."""
    wrong = grades.filter(~pl.col("grade").is_between(1, 5))
    if not wrong.is_empty():
        raise InputError(
            f"predictions have the grades 1-5, but the qrels (scale {scale_name}) grade query "
            f"{wrong['query_id'][0]!r}, pin {wrong['pin_id'][0]!r} as {wrong['grade'][0]}. "
            "Map the grades to 1-5 first (gradewise data convert)"
        )
