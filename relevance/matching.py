"""How well a Pin's words match a query: BM25 and shares of matched terms, of given pairs only.

Nothing is retrieved: the pairs are there, and each gets its figures from a row-wise product of two
sparse matrices (PERFORMANCE: tokens → codes → CSR). Document frequencies and lengths come from
all Pins given, of all languages together; see `relevance.tokens` for what a term is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.blend import ranked
from relevance.errors import InputError
from relevance.tokens import Terms, code_terms

K1 = 1.2
B = 0.75
TEXT_FIELDS = (
    "title",
    "description",
    "image_caption",
    "board_titles",
    "engaged_queries",
    "link_title",
    "link_description",
)
MATCH_FEATURES = {
    "bm25": "BM25 of the query against all text of the Pin, ≥ 0",
    "bm25_title": "BM25 against the title alone, ≥ 0",
    "query_terms_matched": "Share of the query's distinct terms in the Pin's text, 0–1",
    "query_terms_matched_title": "Share of the query's distinct terms in the title, 0–1",
    "query_weight_matched": "The same share, each term weighted by its rarity (IDF), 0–1",
}
"""Columns of `match_features`; a query without any term has 0 in all."""

_CHUNK = 1 << 16


def match_features(
    pairs: pl.DataFrame,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    *,
    k1: float = K1,
    b: float = B,
) -> pl.DataFrame:
    """The lexical features of pairs.

    Args:
        pairs: query_id, pin_id.
        queries: query_id, text.
        pins: pin_id and any of `TEXT_FIELDS`; all of them are the corpus behind the IDF.
        k1: How slowly repetitions saturate, ≥ 0.
        b: How strongly long texts are discounted, 0–1.

    Returns:
        query_id, pin_id and the float32 columns of `MATCH_FEATURES`, rows as in `pairs`.

    Raises:
        InputError: A pair names a query or Pin that is not there.
    """
    index = _index(queries, pins, k1, b)
    query_rows, pin_rows = _rows(pairs, queries, pins)
    columns = {name: np.zeros(pairs.height, dtype=np.float32) for name in MATCH_FEATURES}
    for start, rows, places in _matches(index, query_rows, pin_rows):
        stop = min(start + _CHUNK, pairs.height)
        for name, weights in index.weights.items():
            figures = np.bincount(rows, weights[places], minlength=stop - start)
            columns[name][start:stop] = figures
    for name in ("query_terms_matched", "query_terms_matched_title"):
        columns[name] /= np.maximum(index.n_terms, 1)[query_rows]
    columns["query_weight_matched"] /= np.where(index.idf_sum > 0, index.idf_sum, 1)[query_rows]
    return pairs.select("query_id", "pin_id").with_columns(
        pl.Series(name, values) for name, values in columns.items()
    )


def bm25(
    pairs: pl.DataFrame,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    *,
    system: str = "bm25",
    k1: float = K1,
    b: float = B,
) -> pl.DataFrame:
    """The `runs` table of BM25 over all text of the Pins: the baseline of every comparison.

    Σ over the query's distinct terms t of idf(t)·tf·(k1+1)/(tf + k1·(1 − b + b·|d|/avg|d|)), with
    idf(t) = ln(1 + (N − df + ½)/(df + ½)).

    Args:
        pairs: query_id, pin_id.
        queries: query_id, text.
        pins: pin_id and any of `TEXT_FIELDS`.
        system: Name of the system.
        k1: How slowly repetitions saturate, ≥ 0.
        b: How strongly long texts are discounted, 0–1.

    Returns:
        system, query_id, pin_id, rank, score.

    Raises:
        InputError: A pair names a query or Pin that is not there.

    References:
        Robertson and Zaragoza (2009), The Probabilistic Relevance Framework; the idf is Lucene's.
    """
    index = _index(queries, pins, k1, b)
    query_rows, pin_rows = _rows(pairs, queries, pins)
    scores = np.zeros(pairs.height)
    for start, rows, places in _matches(index, query_rows, pin_rows):
        stop = min(start + _CHUNK, pairs.height)
        weights = index.weights["bm25"][places]
        scores[start:stop] = np.bincount(rows, weights, minlength=stop - start)
    return ranked(pairs.select("query_id", "pin_id", score=pl.Series(scores)), system)


def row_of(ids: pl.Series, known: pl.Series, table: str) -> NDArray[np.int64]:
    """The row of each id in a table's id column.

    Raises:
        InputError: An id is not there.
    """
    places = pl.DataFrame({"id": known, "row": pl.int_range(len(known), eager=True)})
    rows = pl.DataFrame({"id": ids}).join(places, on="id", how="left", maintain_order="left")["row"]
    if rows.null_count():
        missing = ids.filter(rows.is_null())
        raise InputError(
            f"{len(missing):,} pairs name a {known.name} that {table} lacks, such as "
            f"{missing[0]!r}. Give the {table} file that these pairs were made from"
        )
    return rows.to_numpy()


@dataclass(frozen=True, slots=True)
class _Index:
    """Queries and Pins as sparse rows over the queries' terms.

    Attributes:
        queries: CSR (n_queries, n_terms) of ones.
        pins: CSR (n_pins, n_terms); each cell holds 1 + its place in the arrays of `weights`.
        weights: Feature → (n_cells,) what a match of that cell adds to it.
        n_terms: (n_queries,) distinct terms of each query.
        idf_sum: (n_queries,) their IDF together.
    """

    queries: Any
    pins: Any
    weights: dict[str, NDArray[np.float64]]
    n_terms: NDArray[np.int64]
    idf_sum: NDArray[np.float64]


def _index(queries: pl.DataFrame, pins: pl.DataFrame, k1: float, b: float) -> _Index:
    vocabulary, (asked, title, body) = code_terms([queries["text"], *_texts(pins)])
    used = np.zeros(len(vocabulary), dtype=bool)
    used[asked.codes] = True
    column = np.cumsum(used) - 1  # terms that no query has cannot match: left out of the matrices
    width = int(used.sum())
    text = Terms(np.concatenate([title.rows, body.rows]), np.concatenate([title.codes, body.codes]))
    cells, tf = _cells(text, used, column, width)
    title_cells, title_counts = _cells(title, used, column, width)
    title_tf = np.zeros(len(cells))
    title_tf[np.searchsorted(cells, title_cells)] = title_counts
    pin, term = np.divmod(cells, max(width, 1))
    frequency = np.bincount(term, minlength=width)
    idf = np.log1p((pins.height - frequency + 0.5) / (frequency + 0.5))
    in_title = np.bincount(term[title_tf > 0], minlength=width)
    title_idf = np.log1p((pins.height - in_title + 0.5) / (in_title + 0.5))
    asked_cells, _ = _cells(asked, used, column, width)
    query_matrix = _matrix(
        asked_cells, np.ones(len(asked_cells), np.float64), (queries.height, width)
    )
    return _Index(
        queries=query_matrix,
        pins=_matrix(cells, np.arange(1, len(cells) + 1, dtype=np.float64), (pins.height, width)),
        weights={
            "bm25": idf[term] * _saturated(tf, _lengths(text, pins.height)[pin], k1, b),
            "bm25_title": title_idf[term]
            * _saturated(title_tf, _lengths(title, pins.height)[pin], k1, b),
            "query_terms_matched": np.ones(len(cells)),
            "query_terms_matched_title": (title_tf > 0).astype(np.float64),
            "query_weight_matched": idf[term],
        },
        n_terms=np.diff(query_matrix.indptr).astype(np.int64),
        idf_sum=query_matrix @ idf,
    )


def _cells(
    terms: Terms, used: NDArray[np.bool_], column: NDArray[np.int64], width: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The distinct (row, term) cells among the used terms, as row·width + term, and their counts.

    Sorting packed values is an order of magnitude faster than sorting coordinates.
    """
    keep = used[terms.codes]
    keys = np.sort(terms.rows[keep].astype(np.int64) * width + column[terms.codes[keep]])
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[first], np.diff(first, append=len(keys)).astype(np.float64)


def _matrix(cells: NDArray[np.int64], data: NDArray[np.float64], shape: tuple[int, int]) -> Any:
    """A CSR matrix of sorted cells."""
    from scipy import sparse

    rows, columns = np.divmod(cells, max(shape[1], 1))
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    return sparse.csr_array((data, columns.astype(np.int32), ends.astype(np.int32)), shape=shape)


def _lengths(terms: Terms, n_texts: int) -> NDArray[np.float64]:
    """The length of each text in terms, relative to the mean."""
    lengths = np.bincount(terms.rows, minlength=n_texts).astype(np.float64)
    mean = float(lengths.mean()) if n_texts else 1.0
    relative: NDArray[np.float64] = lengths / max(mean, 1e-12)
    return relative


def _saturated(
    tf: NDArray[np.float64], length: NDArray[np.float64], k1: float, b: float
) -> NDArray[np.float64]:
    weight: NDArray[np.float64] = tf * (k1 + 1)
    weight /= np.maximum(tf + k1 * (1 - b + b * length), 1e-12)
    return weight


def _texts(pins: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Title, and the other texts in one."""
    others = [name for name in TEXT_FIELDS[1:] if name in pins.columns]
    nothing = pl.Series([None] * pins.height, dtype=pl.String)
    title = pins["title"] if "title" in pins.columns else nothing
    if not others:
        return title, nothing
    return title, pins.select(pl.concat_str(others, separator="\n", ignore_nulls=True)).to_series()


def _matches(
    index: _Index, query_rows: NDArray[np.int64], pin_rows: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Chunk by chunk: its start, then for each match the pair's row in it and the Pin's cell."""
    for start in range(0, len(query_rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        product = index.queries[query_rows[part]].multiply(index.pins[pin_rows[part]]).tocsr()
        rows = np.repeat(np.arange(product.shape[0]), np.diff(product.indptr))
        yield start, rows, product.data.astype(np.int64) - 1


def _rows(
    pairs: pl.DataFrame, queries: pl.DataFrame, pins: pl.DataFrame
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The row of each pair's query and Pin."""
    return (
        row_of(pairs["query_id"], queries["query_id"], "queries"),
        row_of(pairs["pin_id"], pins["pin_id"], "pins"),
    )
