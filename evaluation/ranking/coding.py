"""Queries as numbers: the ids of the qrels and of every run coded once, and pairs that match.

Ids are text and tables have millions of rows, so that comparing text decides how long an evaluation
takes. Here it happens once: a query's code is its position among the sorted ids, a pair is its code
and a 64-bit hash of its two ids. Ids are found by 64-bit hashes, too. Two Pins of one query share
one with a probability under 1e-11 for millions of rows, two of 100,000 queries with one of 3e-10; a
duplicate that a hash suspects is looked up in the ids.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.metrics.lists import NO_GRADE
from evaluation.ranking.matching import any_twice, equal_hashes
from evaluation.ranking.together import heads_of, in_threads, shares_of
from relevance.errors import InputError
from relevance.provenance import hash_query

Bools = NDArray[np.bool_]
Codes = NDArray[np.int32]
Hashes = NDArray[np.uint64]
_SPARE_BITS, _MOST_BITS = 4, 24  # of a hash: a table with room for 16 times the ids, or 64 MB
_BUCKET, _MOST_BUCKETS = 1 << 16, 255  # rows that are matched at once; their number has 8 bits


class RepeatedError(InputError):
    """A pair is there twice; which lines of which file hold it, whoever read that can tell."""


@dataclass(frozen=True, slots=True)
class Coded:
    """The queries of an evaluation: those of the qrels and those of every run.

    Attributes:
        ids: (Q,) query ids, ascending; a query's code is its position.
        judged: (Q,) whether the qrels have it.
        seen: (Q,) whether a model that is evaluated has seen it.
        qrels: The qrels, rows as they were given, and `code`, the query's code.
        allow_seen: Whether seen queries are kept (and marked) instead of left out.
        unique: Whether it is known that no run and no qrels have a pair twice.
        hashed: Hashes of the pairs of a frame, which are used if it is `qrels`.
    """

    ids: pl.Series
    judged: Bools
    seen: Bools
    qrels: pl.DataFrame
    allow_seen: bool = False
    unique: bool = False
    hashed: tuple[pl.DataFrame, Hashes] | None = field(default=None, repr=False, compare=False)

    def refuse_apart(self, system: str, returned: Bools) -> None:
        """Raises InputError if a system returned nothing for any query that has grades."""
        if not (self.judged & returned).any():
            raise InputError(
                f"system {system!r} has no query of the qrels, such as "
                f"{self.ids.filter(pl.Series(self.judged))[0]!r}. Give files of the same data"
            )

    @property
    def kept(self) -> Bools:
        """(Q,) queries that are evaluated."""
        return self.judged if self.allow_seen else self.judged & ~self.seen

    def taken(self, order: NDArray[np.int64]) -> Coded:
        """The queries in another order: query `order[i]` becomes query i."""
        place = np.empty(len(order), dtype=np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        return Coded(
            ids=self.ids.gather(order),
            judged=self.judged[order],
            seen=self.seen[order],
            qrels=self.qrels.with_columns(code=pl.Series(place[self.query])),
            allow_seen=self.allow_seen,
            unique=self.unique,
        )

    @property
    def query(self) -> Codes:
        """(M,) query code of each row of the qrels."""
        return self.qrels["code"].cast(pl.Int32).to_numpy()

    @property
    def grades(self) -> NDArray[np.number]:
        """(M,) grade of each row of the qrels, where there is none `NO_GRADE` or NaN.

        Small whole numbers stay 8 bits wide: there may be many millions of them.
        """
        grades = self.qrels["grade"]
        missing = grades.null_count() > 0
        if grades.dtype.is_integer() and not missing:
            grades = grades.shrink_dtype()
        if grades.dtype == pl.Int8 and grades.min() != NO_GRADE:
            return grades.fill_null(NO_GRADE).to_numpy()
        values: NDArray[np.float64] = grades.fill_null(0).to_numpy().astype(np.float64)
        if missing:
            values[grades.is_null().to_numpy()] = np.nan
        return values

    @property
    def hashes(self) -> Hashes:
        """(M,) 64-bit hash of the query and Pin of each row of the qrels."""
        if self.hashed is not None and self.hashed[0] is self.qrels:
            return self.hashed[1]
        return hashes_of(self.qrels)


def code_queries(
    qrels: pl.DataFrame,
    runs: Sequence[pl.DataFrame],
    *,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
    unique: bool = False,
    what: str = "run",
) -> Coded:
    """Gives every query of the qrels and runs a code.

    Args:
        qrels: A `qrels` table.
        runs: Tables with a query_id.
        seen: Hashed ids of queries that a model has seen.
        allow_seen: Keep them.
        unique: Whether no run and no qrels have a pair twice, as `read_table` makes sure of a
            system's, or whoever orders the runs; else they are searched for it.
        what: What errors call a run.

    Raises:
        InputError: The qrels are empty or repeat a pair, or share no query with the runs.
    """
    _refuse_nothing(qrels, runs, what)
    qrels = with_text_ids(qrels)
    hashes = hashes_of(qrels)
    if not unique:
        refuse_duplicates(qrels, hashes, "qrels")
    returned = pl.concat([distinct(run["query_id"]).cast(pl.String) for run in runs])
    returned = returned.unique().sort().alias("query_id")
    code = codes_of(qrels["query_id"], returned)
    if code.max() < 0:
        raise InputError(
            f"{what} and qrels have no query in common: qrels have {qrels['query_id'].min()!r}, "
            f"the {what} {returned[0]!r}. Give files of the same data"
        )
    ids, code = _with_new(qrels["query_id"], returned, code)
    qrels = qrels.with_columns(code=pl.Series(code))
    return Coded(
        ids=ids,
        judged=np.bincount(code, minlength=len(ids)) > 0,
        seen=seen_among(ids, seen),
        qrels=qrels,
        allow_seen=allow_seen,
        unique=unique,
        hashed=(qrels, hashes),
    )


def _refuse_nothing(qrels: pl.DataFrame, runs: Sequence[pl.DataFrame], what: str) -> None:
    if qrels.is_empty():
        raise InputError("the qrels have no rows. Give the grades to evaluate against")
    if all(run.is_empty() for run in runs):
        raise InputError(f"the {what} has no rows. Give what a system or model returned")


def _with_new(ids: pl.Series, known: pl.Series, code: Codes) -> tuple[pl.Series, Codes]:
    """Known ids and those that are not, ascending, and the codes of `ids` among them all.

    Args:
        ids: (N,) ids.
        known: Different ids, ascending.
        code: (N,) their codes among the known, -1 if they are new.
    """
    new = np.flatnonzero(code < 0)
    if len(new) == 0:
        return known, code
    left = ids.gather(new)
    every = pl.concat([known, distinct(left)]).sort()
    code = codes_of(known, every)[code]
    code[new] = codes_of(left, every)
    return every, code


def with_text_ids(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its ids as text, which they are in every table that was read from a file."""
    return frame.with_columns(
        pl.col(name).cast(pl.String)
        for name in ("query_id", "pin_id")
        if frame.schema[name] != pl.String
    )


def seen_among(ids: pl.Series, seen: Collection[str]) -> Bools:
    """(Q,) whether a query's hashed id is among those that a model has seen."""
    if not seen:
        return np.zeros(len(ids), dtype=bool)
    return np.array([hash_query(query_id) in seen for query_id in ids])


def distinct(ids: pl.Series) -> pl.Series:
    """The different ids of a column, in no order; quick where equal ids stand together."""
    heads = heads_of(ids)
    return ids.unique() if heads is None else ids.gather(heads).unique()


def codes_of(ids: pl.Series, known: pl.Series) -> Codes:
    """(N,) position of each id in `known`; -1 if it is not there.

    Args:
        ids: (N,) ids.
        known: (Q,) different ids.
    """
    heads = heads_of(ids)
    if heads is not None:
        lengths = np.diff(np.append(heads, len(ids)))
        return np.repeat(codes_of(ids.gather(heads), known), lengths) if len(heads) else _NO_CODES
    if ids.dtype == known.dtype == pl.String and len(known):
        return _text_codes(ids, known)
    return _joined_codes(ids, known)


def _joined_codes(ids: pl.Series, known: pl.Series) -> Codes:
    index = known.to_frame("id").with_columns(code=pl.int_range(pl.len(), dtype=pl.Int32))
    found = ids.to_frame("id").join(index, on="id", how="left", maintain_order="left")
    return found["code"].fill_null(-1).to_numpy()


def _text_codes(ids: pl.Series, known: pl.Series) -> Codes:
    """`codes_of` texts by their hashes: a table by some bits of these has a guess at the id."""
    own = known.hash(seed=0).to_numpy()
    order = np.argsort(own).astype(np.int32)
    ascending = own[order]
    if (ascending[1:] == ascending[:-1]).any():
        return _joined_codes(ids, known)
    bits = min(len(known).bit_length() + _SPARE_BITS, _MOST_BITS)
    beside = np.uint64(64 - bits)
    table = np.zeros(1 << bits, dtype=np.int32)
    table[(own >> beside).view(np.int64)] = np.arange(len(known), dtype=np.int32)
    codes = np.empty(len(ids), dtype=np.int32)

    def look_up(rows: range) -> None:
        hashes = ids.slice(rows.start, len(rows)).hash(seed=0).to_numpy()
        found = table.take((hashes >> beside).view(np.int64))
        wrong = np.flatnonzero(own.take(found) != hashes)
        left = hashes[wrong]
        place = np.minimum(np.searchsorted(ascending, left), len(known) - 1)
        found[wrong] = np.where(ascending[place] == left, order[place], np.int32(-1))
        codes[rows.start : rows.stop] = found

    in_threads(look_up, shares_of(len(ids)))
    return codes


def hashes_of(frame: pl.DataFrame) -> Hashes:
    """(N,) 64-bit hash of each row's query and Pin."""
    pairs = frame.select("query_id", "pin_id")
    hashes = np.empty(frame.height, dtype=np.uint64)

    def put(rows: range) -> None:
        part = pairs[rows.start : rows.stop]
        hashes[rows.start : rows.stop] = part.hash_rows(seed=0).to_numpy()

    in_threads(put, shares_of(frame.height))
    return hashes


def refuse_duplicates(
    frame: pl.DataFrame, hashes: Hashes, what: str, *, starts: NDArray[np.int64] | None = None
) -> None:
    """Raises RepeatedError if a pair is there twice; different hashes are proof that none is.

    Args:
        frame: Rows with query_id and pin_id.
        hashes: Theirs.
        what: How the error calls the frame.
        starts: (Q + 1,) where each query's rows start, if it is known that they stand by query.
    """
    if not any_twice(hashes, starts):
        return
    again = frame.select("query_id", "pin_id").is_duplicated()
    if again.any():
        first = frame.filter(again).row(0, named=True)
        raise RepeatedError(
            f"the {what} have query {first['query_id']!r}, pin {first['pin_id']!r} twice. "
            "Keep one of the rows; if they are of two systems, name these apart"
        )


def judgments_of(
    codes: Codes, hashes: Hashes, judged_codes: Codes, judged_hashes: Hashes, n_queries: int
) -> Codes:
    """(N,) position of the judgment of each returned pair; -1 = not judged.

    Args:
        codes: (N,) query code of each returned pair, ascending.
        hashes: (N,) hash of the pair; each once.
        judged_codes: (M,) query code of each judgment, in any order.
        judged_hashes: (M,) hash of its pair; each once.
        n_queries: Q; codes are 0 … Q - 1.
    """
    return match_pairs(codes, hashes, judged_codes, judged_hashes, n_queries)[0]


def match_pairs(
    codes: Codes, hashes: Hashes, judged_codes: Codes, judged_hashes: Hashes, n_queries: int
) -> tuple[Codes, bool]:
    """`judgments_of`, and whether a hash of the judgments is there twice, as is seen on the way."""
    found = np.full(len(codes), -1, dtype=np.int32)
    n_buckets = min(-(-(len(codes) + len(judged_codes)) // _BUCKET), _MOST_BUCKETS)
    width = -(-n_queries // max(n_buckets, 1))  # queries whose pairs are matched at once
    starts = np.searchsorted(codes, np.arange(n_buckets + 1, dtype=np.int32) * width)
    bucket = (judged_codes // max(width, 1)).astype(np.uint8)
    rows = np.argsort(bucket, kind="stable")  # of 8 bits: counted, not compared
    ends = np.cumsum(np.bincount(bucket, minlength=1))

    def match(number: int) -> bool:
        mine = slice(starts[number], starts[number + 1])
        theirs = rows[ends[number - 1] if number else 0 : ends[number]]
        at, there, twice = equal_hashes(hashes[mine], judged_hashes.take(theirs))
        judgment = theirs.take(there)
        same = codes[mine].take(at) == judged_codes.take(judgment)
        found[mine.start + at[same]] = judgment[same]
        return twice

    return found, any(in_threads(match, range(min(n_buckets, len(ends)))))


_NO_CODES: Codes = np.zeros(0, dtype=np.int32)
