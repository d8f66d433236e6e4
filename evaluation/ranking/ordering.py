"""A run's Pins in order, apart from their grades: one order is scored under many sets of grades.

Order: score descending, compared as 32-bit float as trec_eval does; equal scores by pin_id
descending in UTF-8 bytes (`docid`), or kept as ties to be averaged over (`average`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.ranking.coding import (
    Coded,
    codes_of,
    hashes_of,
    match_pairs,
    refuse_duplicates,
    with_text_ids,
)
from evaluation.ranking.packed import Bools, Codes, Ints, blocks, descending_bits, partition
from evaluation.ranking.together import in_threads
from relevance.errors import InputError

TIES = ("docid", "average")
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ordered:
    """One system's lists in order, packed end to end by query code.

    Attributes:
        starts: (Q + 1,) where each query's list starts; the last is N.
        rows: (N,) row of the run of the Pin at each rank.
        judgment: (N,) row of `Coded.qrels` that judges it; -1 = not judged.
        ties: (G,) first rank of each group of equal scores, if they are to be averaged over.
        rank_disagrees: (Q,) whether the run's ranks contradict its scores.
        depth: Ranks that were kept of each list (and whole ties, if averaged); None = all.
    """

    starts: Ints
    rows: Ints
    judgment: Codes
    ties: Ints | None
    rank_disagrees: Bools
    depth: int | None = None

    @property
    def returned(self) -> Bools:
        """(Q,) whether the run has the query."""
        return self.starts[1:] > self.starts[:-1]


def order_run(
    run: pl.DataFrame, coded: Coded, *, ties: str = "docid", depth: int | None = None
) -> Ordered:
    """One system's lists in order, each Pin with its judgment's row in `coded.qrels`.

    Args:
        run: Rows of one system; those of queries that are not coded are left out.
        coded: The queries, with their grades.
        ties: `docid` breaks equal scores by pin_id, descending; `average` keeps them as ties.
        depth: Ranks that matter, such as the largest cutoff; None = all.

    Raises:
        InputError: Duplicates in the run or the qrels, unless `coded` knows that there are none;
            rows with neither score nor rank; or an unknown tie rule.
    """
    check_ties(ties)
    run = with_text_ids(run)
    hashes = hashes_of(run)
    codes = codes_of(run["query_id"], coded.ids)
    n_queries = len(coded.ids)
    starts = _standing(codes, n_queries)
    if not coded.unique:
        refuse_duplicates(run, hashes, "run", starts=starts)
    scores, ranks = order_values(run, codes, n_queries)
    lists = arrange(codes, scores, n_queries, ranks=ranks, depth=depth, starts=starts)
    if ties == "docid":
        lists = break_ties(lists, run["pin_id"], depth=depth)
    query = np.repeat(np.arange(n_queries, dtype=np.int32), np.diff(lists.starts))
    judgment, twice = match_pairs(
        query, hashes.take(lists.rows), coded.query, coded.hashes, n_queries
    )
    if twice and not coded.unique:
        refuse_duplicates(coded.qrels, coded.hashes, "qrels")
    return Ordered(
        starts=lists.starts,
        rows=lists.rows,
        judgment=judgment,
        ties=np.flatnonzero(~lists.tied) if ties == "average" else None,
        rank_disagrees=lists.rank_disagrees,
        depth=depth,
    )


def order_values(
    run: pl.DataFrame, codes: Codes, n_queries: int
) -> tuple[Scores, NDArray[np.float64] | None]:
    """(N,) what each row is ordered by, high first, and the ranks that are to agree with it.

    Args:
        run: Rows of one system.
        codes: (N,) query code of each row, -1 for rows that are left out.
        n_queries: Q.

    Returns:
        The score; minus the rank in queries without any score. Ranks (NaN = none), or None.

    Raises:
        InputError: A row has neither.
    """
    empty = pl.Series([None], dtype=pl.Float64).new_from_index(0, run.height)
    score = run["score"] if "score" in run.columns else empty
    rank = run["rank"] if "rank" in run.columns else empty
    values = score.cast(pl.Float32).to_numpy()
    ranks = None
    if rank.null_count() < len(rank):
        ranks = rank.cast(pl.Float64).to_numpy()
    if score.null_count():
        with_score = (
            np.bincount(codes[score.is_not_null().to_numpy() & (codes >= 0)], minlength=n_queries)
            > 0
        )
        by_rank = np.full(len(values), np.nan) if ranks is None else -ranks
        values = np.where(with_score[codes], values, by_rank).astype(np.float32)
    broken = np.isnan(values)
    if broken.any():
        row = run.row(int(broken.argmax()), named=True)
        raise InputError(
            f"the run has neither score nor rank for query {row['query_id']!r}, "
            f"pin {row['pin_id']!r}. Give every row of a query a score, or every row a rank"
        )
    return values + np.float32(0.0), ranks  # -0.0 becomes 0.0


def check_ties(ties: str) -> None:
    """Raises InputError if there is no such rule for equal scores."""
    if ties not in TIES:
        raise InputError(f"ties must be one of {', '.join(TIES)}, got {ties!r}")


@dataclass(frozen=True, slots=True)
class Arranged:
    """Rows by query and descending score.

    Attributes:
        starts: (Q + 1,) where each query's list starts.
        rows: (N,) rows in order; equal scores in the order of their rows.
        tied: (N,) whether a row's score is that of the row before it, in the same list.
        rank_disagrees: (Q,) whether ranks contradict the scores.
    """

    starts: Ints
    rows: Ints
    tied: Bools
    rank_disagrees: Bools


def arrange(
    codes: Codes,
    scores: Scores,
    n_queries: int,
    *,
    ranks: NDArray[np.float64] | None = None,
    depth: int | None = None,
    starts: Ints | None = None,
) -> Arranged:
    """Rows by query and descending score; of each list the first `depth` and what ties with them.

    Args:
        codes: (N,) query code of each row, in any order; -1 leaves it out.
        scores: (N,) scores; no NaN and no -0.0.
        n_queries: Q.
        ranks: (N,) ranks to check against the scores; NaN = none.
        depth: Ranks to keep; None = all.
        starts: (Q + 1,) where each query's rows start, if it is known that they stand by ascending
            code and none is left out.
    """
    starts = _standing(codes, n_queries) if starts is None else starts
    order, starts = partition(codes, n_queries) if starts is None else (None, starts)
    disagrees = np.zeros(n_queries, dtype=bool)

    def part(block: tuple[int, int]) -> tuple[Ints, Bools, Ints]:
        first, last = block
        within = slice(int(starts[first]), int(starts[last]))
        lengths = np.diff(starts[first : last + 1])
        rows = None if order is None else order[within]
        by_score, tied = _by_score(lengths, scores[within] if rows is None else scores[rows])
        if ranks is not None:
            all_rows = by_score + within.start if rows is None else rows[by_score]
            disagrees[first + _contradicted(lengths, tied, ranks[all_rows])] = True
        if depth is not None and lengths.max(initial=0) > depth:
            kept, lengths = _shallow(lengths, tied, depth)
            by_score, tied = by_score[kept], tied[kept]
        return by_score + within.start if rows is None else rows[by_score], tied, lengths

    parts = in_threads(part, list(blocks(starts)))
    none = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool), np.zeros(0, dtype=np.int64))
    all_rows, all_tied, all_lengths = (
        np.concatenate(part) for part in zip(none, *parts, strict=True)
    )
    return Arranged(
        starts=np.concatenate(([0], np.cumsum(all_lengths))).astype(np.int64),
        rows=all_rows,
        tied=all_tied,
        rank_disagrees=disagrees,
    )


def _standing(codes: Codes, n_queries: int) -> Ints | None:
    """(Q + 1,) where each query's rows start, if all stand by ascending code; else None."""
    if len(codes) == 0 or codes[0] < 0 or (codes[1:] < codes[:-1]).any():
        return None
    return np.searchsorted(codes, np.arange(n_queries + 1, dtype=np.int32))


def break_ties(lists: Arranged, pins: pl.Series, *, depth: int | None = None) -> Arranged:
    """Equal scores by pin_id, descending in UTF-8 bytes; then no more than `depth` a list.

    Args:
        lists: Lists whose equal scores stand in any order.
        pins: pin_id of each row of the run.
        depth: Ranks to keep; None = all.
    """
    rows = lists.rows
    if lists.tied.any():
        rows = rows.copy()
        member = lists.tied.copy()
        member[:-1] |= lists.tied[1:]
        at = np.flatnonzero(member)
        group = np.cumsum(~lists.tied[at]) - 1
        texts = pins.gather(rows[at]).cast(pl.String)
        rows[at] = rows[at][_descending(group, texts)]
    lengths = np.diff(lists.starts)
    starts = lists.starts
    if depth is not None and lengths.max(initial=0) > depth:
        kept = _ranks(lengths) < depth
        rows, lengths = rows[kept], np.minimum(lengths, depth)
        starts = np.concatenate(([0], np.cumsum(lengths)))
    return Arranged(starts, rows, np.zeros(len(rows), dtype=bool), lists.rank_disagrees)


def _by_score(lengths: Ints, scores: Scores) -> tuple[Ints, Bools]:
    """Order of one block's rows, and which then have the score of the row before them.

    Args:
        lengths: Rows of each query of the block.
        scores: Scores of the rows.
    """
    n = len(scores)
    bits = np.uint64(max(n - 1, 0).bit_length())
    query = np.arange(len(lengths), dtype=np.uint64) << (bits + np.uint64(32))
    keys = descending_bits(scores).astype(np.uint64)
    keys <<= bits
    keys |= np.repeat(query, lengths)
    keys |= np.arange(n, dtype=np.uint64)
    keys.sort()
    order = (keys & ((np.uint64(1) << bits) - np.uint64(1))).view(np.int64)
    keys >>= bits
    tied = np.zeros(n, dtype=bool)
    np.equal(keys[1:], keys[:-1], out=tied[1:])
    return order, tied


def _ranks(lengths: Ints) -> Ints:
    """0-based rank of each row of packed lists."""
    return np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _shallow(lengths: Ints, tied: Bools, depth: int) -> tuple[Ints, Ints]:
    """Rows that, or with which they tie, are among the first `depth`; how many are a list."""
    ends = np.cumsum(lengths)
    if not tied.any() and lengths.min() >= depth:
        rows = (ends - lengths)[:, None] + np.arange(depth)
        return rows.ravel(), np.full(len(lengths), depth)
    ranks = _ranks(lengths)
    if tied.any():
        ranks = ranks[np.maximum.accumulate(np.where(tied, 0, np.arange(len(tied))))]
    kept = ranks < depth
    n_kept = np.concatenate(([0], np.cumsum(kept)))
    return np.flatnonzero(kept), n_kept[ends] - n_kept[ends - lengths]


def _contradicted(lengths: Ints, tied: Bools, ranks: NDArray[np.float64]) -> Ints:
    """Queries in which a row has a lower rank than one of a higher score."""
    if len(ranks) == 0:
        return np.zeros(0, dtype=np.int64)
    groups = np.flatnonzero(~tied)
    lowest, highest = np.fmin.reduceat(ranks, groups), np.fmax.reduceat(ranks, groups)
    of = np.repeat(np.arange(len(lengths)), lengths)[groups]
    bad = (of[1:] == of[:-1]) & (lowest[1:] < highest[:-1])
    return np.asarray(of[1:][bad], dtype=np.int64)


def _descending(group: Ints, texts: pl.Series) -> Ints:
    """Order of rows by group, then text descending; the rows of a group stand together.

    Eight bytes after the common beginning of all texts decide, as a number; the texts themselves
    only in groups in which those are equal.
    """
    keys = _eight_bytes(texts)
    sizes = np.bincount(group)
    firsts = np.cumsum(sizes) - sizes
    order = np.arange(len(group))
    undecided = np.zeros(len(sizes), dtype=bool)
    for size in np.unique(sizes):
        of = np.flatnonzero(sizes == size)
        places = firsts[of][:, None] + np.arange(size)
        inverted = ~keys[places]
        ranked = np.argsort(inverted, axis=1)
        order[places] = np.take_along_axis(places, ranked, axis=1)
        inverted = np.take_along_axis(inverted, ranked, axis=1)
        undecided[of] = (inverted[:, 1:] == inverted[:, :-1]).any(axis=1)
    if undecided.any():
        rows = np.flatnonzero(undecided[group])
        left = pl.DataFrame({"group": group[rows], "text": texts.gather(rows), "row": rows})
        exact = left.sort("group", "text", descending=[False, True])["row"].to_numpy()
        order[rows] = exact
    return order


def _eight_bytes(texts: pl.Series) -> NDArray[np.uint64]:
    """The eight bytes after what all texts begin with, as numbers that sort as they do."""
    low, high = str(texts.min()).encode(), str(texts.max()).encode()
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    padded = pl.col("text").cast(pl.Binary) + pl.lit(b"\0" * 8)
    number = padded.bin.slice(same, 8).bin.reinterpret(dtype=pl.UInt64, endianness="big")
    return texts.alias("text").to_frame().select(number).to_series().to_numpy()
