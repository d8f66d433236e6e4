"""Which queries are learned from and which are tested on, and how a slice is drawn (pure)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from relevance.matching import bm25

_CHUNK = 100  # queries whose pairs with every Pin are scored at a time


@dataclass(frozen=True, slots=True)
class Fold:
    """A split of the queries.

    Attributes:
        number: From 1.
        train: Queries whose grades are learned from.
        test: Queries that the models of this fold are tested on.
    """

    number: int
    train: tuple[str, ...]
    test: tuple[str, ...]


def folds_by_query(queries: pl.DataFrame, n_folds: int, *, seed: int = 0) -> list[Fold]:
    """`n_folds` splits: every query is tested on once."""
    shuffled = _shuffled(queries, seed)
    parts = [tuple(sorted(shuffled[start::n_folds])) for start in range(n_folds)]
    return [
        Fold(number, tuple(sorted(set(shuffled).difference(test))), test)
        for number, test in enumerate(parts, 1)
    ]


def train_on_language(
    queries: pl.DataFrame, language: str, *, test_share: float = 0.2, seed: int = 0
) -> list[Fold]:
    """One split: a language's queries are learned from, but for a share of them; all others tested.

    Args:
        queries: `query_id`, `language`.
        language: The one to learn from.
        test_share: Share of its queries that are tested on, too.
        seed: Of the split.
    """
    own = _shuffled(queries.filter(pl.col("language") == language), seed)
    held = set(own[: round(len(own) * test_share)])
    others = set(queries["query_id"]).difference(own)
    return [Fold(1, tuple(sorted(set(own) - held)), tuple(sorted(held | others)))]


def hold_out(queries: pl.DataFrame, n_tested: int, *, seed: int = 0) -> list[Fold]:
    """One split: `n_tested` queries are tested on, the others learned from."""
    shuffled = _shuffled(queries, seed)
    return [Fold(1, tuple(sorted(shuffled[n_tested:])), tuple(sorted(shuffled[:n_tested])))]


def published_split(queries: pl.DataFrame, *, train: str, test: str, unit: str) -> list[Fold]:
    """The split that a data set came with, but for training queries that share a unit with a test.

    Args:
        queries: `query_id`, `split`, and the column `unit`.
        train: Value of `split` to learn from.
        test: Value of `split` to test on.
        unit: Column of what may be in one of the two only: words with blanks between, such as ids
            of pictures.
    """
    words = queries.select("query_id", "split", pl.col(unit).str.split(" ")).explode(unit)
    tested = words.filter(pl.col("split") == test)
    learned = words.filter(pl.col("split") == train)
    shared = learned.join(tested, on=unit, how="semi")
    kept = learned.join(shared, on="query_id", how="anti")
    ids = [tuple(part["query_id"].unique().sort().to_list()) for part in (kept, tested)]
    return [Fold(1, *ids)]


def first_queries(qrels: pl.DataFrame, n_pairs: int | None, *, seed: int = 0) -> pl.DataFrame:
    """Graded pairs of the first queries in a random order, whole queries, at most `n_pairs`.

    Those of a smaller number are always among those of a larger one.

    Args:
        qrels: `query_id`, `pin_id`, `grade`.
        n_pairs: Pairs wanted; None for all. The first query is taken however many it has.
        seed: Of the order.
    """
    if n_pairs is None:
        return qrels
    sizes = dict(qrels.group_by("query_id").len().rows())
    taken = 0
    kept: list[str] = []
    for query_id in _shuffled(qrels, seed):
        taken += sizes[query_id]
        if kept and taken > n_pairs:
            break
        kept.append(query_id)
    return qrels.filter(pl.col("query_id").is_in(kept))


def draw_queries(qrels: pl.DataFrame, n_queries: int, *, seed: int = 0) -> pl.DataFrame:
    """The rows of `n_queries` queries, drawn at random."""
    kept = _shuffled(qrels, seed)[:n_queries]
    return qrels.filter(pl.col("query_id").is_in(kept))


def draw_slice(qrels: pl.DataFrame, n_pairs: int, *, seed: int = 0) -> pl.DataFrame:
    """`n_pairs` rows of the qrels, drawn evenly: many queries with short lists of Pins.

    Args:
        qrels: `query_id`, `pin_id`, `grade`.
        n_pairs: Pairs wanted.
        seed: Of the draw.
    """
    ordered = qrels.sort("query_id", "pin_id")
    drawn = np.random.default_rng(seed).permutation(ordered.height)[:n_pairs]
    sample: pl.DataFrame = ordered[np.sort(drawn).tolist()]
    return sample


def unlabelled_pairs(
    query_ids: tuple[str, ...],
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    judged: pl.DataFrame,
    n_each: int,
) -> pl.DataFrame:
    """The Pins that BM25 finds best for each query and that nobody judged for it.

    Args:
        query_ids: Queries wanted.
        queries: Their texts.
        pins: Every Pin.
        judged: `query_id`, `pin_id` to leave out.
        n_each: Pins a query, at most.

    Returns:
        query_id, pin_id; a Pin that shares no word with the query is never there.
    """
    if n_each < 1:
        return judged.select("query_id", "pin_id").clear()
    found = []
    for start in range(0, len(query_ids), _CHUNK):
        part = queries.filter(pl.col("query_id").is_in(query_ids[start : start + _CHUNK]))
        every = part.select("query_id").join(pins.select("pin_id"), how="cross")
        fresh = every.join(judged, on=["query_id", "pin_id"], how="anti")
        best = bm25(fresh, part, pins).filter(pl.col("score") > 0, pl.col("rank") <= n_each)
        found.append(best.select("query_id", "pin_id"))
    return pl.concat(found).sort("query_id", "pin_id")


def _shuffled(queries: pl.DataFrame, seed: int) -> list[str]:
    ids = queries["query_id"].unique().sort().to_list()
    order = np.random.default_rng(seed).permutation(len(ids))
    return [ids[place] for place in order]
