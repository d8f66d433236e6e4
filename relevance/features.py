"""What the student sees of a pair: `STUDENT_FEATURES`. Add a feature: one entry there.

A feature belongs to the query, to the Pin or to the pair, so that the first two can be computed
once and stored. `relevance.student.matrix` normalises: a missing value reads as the average, and a
further input says that it is missing; an input that never varies in training stays 0 for good; a
category that training did not see, or that is empty, is code 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.errors import InputError
from relevance.matching import match_features, row_of

Side = Literal["query", "pin", "pair"]
Kind = Literal["number", "rate", "category", "vector"]
Floats = NDArray[np.float32]

SIDES: tuple[Side, ...] = ("query", "pin", "pair")


@dataclass(frozen=True, slots=True)
class StudentInputs:
    """Everything that the student's features are computed from.

    Attributes:
        queries: query_id, text; segment, shopping_interest, language where known.
        pins: pin_id and texts; interest, language where known. All are the corpus of BM25.
        pairs: query_id, pin_id; impressions, clicks, long_clicks, saves where logged.
        query_embeddings: query_id, search; None where there are none.
        pin_embeddings: pin_id, search; visual and graph where there are any.
        encoder: Who made the embeddings; a student scores only with those it was trained on.
    """

    queries: pl.DataFrame
    pins: pl.DataFrame
    pairs: pl.DataFrame
    query_embeddings: pl.DataFrame | None = None
    pin_embeddings: pl.DataFrame | None = None
    encoder: str = "given"

    @property
    def embeddings(self) -> str:
        """`encoder`, or `none` where there are no embeddings."""
        absent = self.query_embeddings is None and self.pin_embeddings is None
        return "none" if absent else self.encoder


@dataclass(frozen=True)
class Context:
    """The pairs to be described, with the rows of the tables that they touch, each once.

    Attributes:
        queries: The pairs' queries.
        pins: The pairs' Pins.
        pairs: The pairs, with the columns of the log.
        query_rows: (n_pairs,) row of each pair's query in `queries`.
        pin_rows: (n_pairs,) row of each pair's Pin in `pins`.
        inputs: Where they come from.
    """

    queries: pl.DataFrame
    pins: pl.DataFrame
    pairs: pl.DataFrame
    query_rows: NDArray[np.int64]
    pin_rows: NDArray[np.int64]
    inputs: StudentInputs

    @functools.cached_property
    def matches(self) -> pl.DataFrame:
        """`match_features` of the pairs."""
        ids = self.pairs.select("query_id", "pin_id")
        return match_features(ids, self.inputs.queries, self.inputs.pins)

    def vector(self, side: Side, name: str) -> Floats:
        """(n, d) unit vectors of the queries or Pins, NaN rows where missing; d = 0 where none."""
        table = self.inputs.query_embeddings if side == "query" else self.inputs.pin_embeddings
        ids = self.queries["query_id"] if side == "query" else self.pins["pin_id"]
        if table is None or name not in table.columns:
            return np.zeros((len(ids), 0), dtype=np.float32)
        found = ids.to_frame().join(table, on=ids.name, how="left", maintain_order="left")
        return unit_vectors(found[name])


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature.

    Attributes:
        name: Its name, also in saved models.
        side: Whose it is: the first layer is split so.
        kind: number, rate (successes and impressions), category or vector.
        doc: Meaning, unit and range.
        compute: Context → rows of its side: numbers (n,) with NaN where missing; rates (n, 2) of
            successes and impressions; categories (n,) texts or None; vectors (n, d).
    """

    name: str
    side: Side
    kind: Kind
    doc: str
    compute: Callable[[Context], NDArray[Any]]


def context(pairs: pl.DataFrame, inputs: StudentInputs) -> Context:
    """The context of pairs.

    Args:
        pairs: query_id, pin_id; columns of the log are taken from `inputs.pairs` where missing.
        inputs: Tables to look up.

    Raises:
        InputError: A pair names a query or Pin that is not there.
    """
    query_rows = row_of(pairs["query_id"], inputs.queries["query_id"], "queries")
    pin_rows = row_of(pairs["pin_id"], inputs.pins["pin_id"], "pins")
    used_queries, query_places = np.unique(query_rows, return_inverse=True)
    used_pins, pin_places = np.unique(pin_rows, return_inverse=True)
    further = [name for name in inputs.pairs.columns if name not in pairs.columns]
    if further:
        keys = ["query_id", "pin_id"]
        log = inputs.pairs.select(*keys, *further)
        pairs = pairs.join(log, on=keys, how="left", maintain_order="left")
    return Context(
        queries=inputs.queries[used_queries],
        pins=inputs.pins[used_pins],
        pairs=pairs,
        query_rows=query_places,
        pin_rows=pin_places,
        inputs=inputs,
    )


def unit_vectors(column: pl.Series) -> Floats:
    """A column of vectors as (n, d) rows of length 1; NaN rows where null, zero rows stay zero.

    Raises:
        InputError: The vectors differ in length.
    """
    lists = column.cast(pl.List(pl.Float32))
    lengths = lists.list.len().drop_nulls().unique()
    if len(lengths) > 1:
        raise InputError(
            f"column {column.name}: vectors of different lengths {sorted(lengths.to_list())}. "
            "Embed all with one encoder"
        )
    present = lists.is_not_null().to_numpy()
    size = int(lengths[0]) if len(lengths) else 0
    result = np.full((len(column), size), np.nan, dtype=np.float32)
    values = lists.drop_nulls().explode().to_numpy().reshape(-1, size) if size else None
    if values is not None:
        norms = np.linalg.norm(values, axis=1, keepdims=True)
        result[present] = values / np.where(norms > 0, norms, 1)
    return result


def _column(frame: pl.DataFrame, name: str, dtype: Any) -> pl.Series:
    if name in frame.columns:
        return frame[name].cast(dtype)
    return pl.Series(name, [None] * frame.height, dtype=dtype)


def _category(side: Side, name: str) -> Callable[[Context], NDArray[Any]]:
    def compute(given: Context) -> NDArray[Any]:
        frame = given.queries if side == "query" else given.pins
        return _column(frame, name, pl.String).to_numpy()

    return compute


def _shopping_interest(given: Context) -> NDArray[Any]:
    """The category; a degree from 0 to 1 counts as five of them."""
    name = "shopping_interest"
    if name in given.queries.columns and given.queries[name].dtype.is_float():
        fifths = (given.queries[name].fill_nan(None) * 5).floor().clip(0, 4)
        classes: NDArray[Any] = fifths.cast(pl.Int64).cast(pl.String).to_numpy()
        return classes
    return _column(given.queries, name, pl.String).to_numpy()


def _vector(side: Side, name: str) -> Callable[[Context], NDArray[Any]]:
    return lambda given: given.vector(side, name)


def _match(name: str) -> Callable[[Context], NDArray[Any]]:
    return lambda given: given.matches[name].to_numpy()


def _rate(name: str) -> Callable[[Context], NDArray[Any]]:
    def compute(given: Context) -> NDArray[Any]:
        columns = [_column(given.pairs, c, pl.Float64) for c in (name, "impressions")]
        counts: NDArray[np.float64] = np.stack([c.to_numpy() for c in columns], axis=1)
        return counts

    return compute


def _impressions(given: Context) -> NDArray[Any]:
    shown: NDArray[np.float64] = _column(given.pairs, "impressions", pl.Float64).to_numpy()
    return np.log1p(shown)


def _cosine(given: Context) -> NDArray[Any]:
    query, pin = given.vector("query", "search"), given.vector("pin", "search")
    if query.shape[1] == 0 or pin.shape[1] == 0:
        return np.full(len(given.query_rows), np.nan, dtype=np.float32)
    if query.shape[1] != pin.shape[1]:
        raise InputError(
            f"search embeddings of queries have {query.shape[1]} dimensions, those of Pins "
            f"{pin.shape[1]}. Both must come from one encoder"
        )
    cosines = [
        np.einsum("nd,nd->n", query[given.query_rows[part]], pin[given.pin_rows[part]])
        for part in _parts(len(given.query_rows))
    ]
    return np.concatenate(cosines)


def _same(query_column: str, pin_column: str) -> Callable[[Context], NDArray[Any]]:
    """1 where both agree, 0 where not, NaN where either is unknown."""

    def compute(given: Context) -> NDArray[Any]:
        query = _column(given.queries, query_column, pl.String).gather(given.query_rows)
        pin = _column(given.pins, pin_column, pl.String).gather(given.pin_rows)
        same: NDArray[Any] = (query == pin).cast(pl.Float32).to_numpy()
        return same

    return compute


def _parts(n: int, size: int = 1 << 16) -> list[slice]:
    return [slice(start, start + size) for start in range(0, max(n, 1), size)]


STUDENT_FEATURES: Mapping[str, Feature] = {
    feature.name: feature
    for feature in (
        Feature(
            "query_search",
            "query",
            "vector",
            "Search embedding of the query",
            _vector("query", "search"),
        ),
        Feature(
            "query_interest", "query", "category", "Its interest", _category("query", "segment")
        ),
        Feature(
            "query_shopping_interest",
            "query",
            "category",
            "Its shopping interest; a degree 0–1 in five classes",
            _shopping_interest,
        ),
        Feature(
            "pin_search", "pin", "vector", "Search embedding of the Pin", _vector("pin", "search")
        ),
        Feature(
            "pin_visual",
            "pin",
            "vector",
            "Embedding of its picture",
            _vector("pin", "visual"),
        ),
        Feature(
            "pin_graph",
            "pin",
            "vector",
            "Embedding of the Pin-board graph",
            _vector("pin", "graph"),
        ),
        Feature("pin_interest", "pin", "category", "Its interest", _category("pin", "interest")),
        Feature("cosine", "pair", "number", "Of the search embeddings, -1–1", _cosine),
        Feature("bm25", "pair", "number", "BM25 against all text, ≥ 0", _match("bm25")),
        Feature("bm25_title", "pair", "number", "… against the title, ≥ 0", _match("bm25_title")),
        Feature(
            "query_terms_matched",
            "pair",
            "number",
            "Share of query terms in the text, 0–1",
            _match("query_terms_matched"),
        ),
        Feature(
            "query_terms_matched_title",
            "pair",
            "number",
            "Share of query terms in the title, 0–1",
            _match("query_terms_matched_title"),
        ),
        Feature(
            "query_weight_matched",
            "pair",
            "number",
            "Share of query terms in the text weighted by rarity, 0–1",
            _match("query_weight_matched"),
        ),
        Feature(
            "same_interest",
            "pair",
            "number",
            "Whether query and Pin share their interest, 0 or 1",
            _same("segment", "interest"),
        ),
        Feature(
            "same_language",
            "pair",
            "number",
            "Whether query and Pin share their language, 0 or 1",
            _same("language", "language"),
        ),
        Feature("impressions", "pair", "number", "ln(1 + times shown)", _impressions),
        Feature("click_rate", "pair", "rate", "Clicks per showing", _rate("clicks")),
        Feature(
            "long_click_rate", "pair", "rate", "Long clicks per time shown", _rate("long_clicks")
        ),
        Feature("save_rate", "pair", "rate", "Saves per showing", _rate("saves")),
    )
}
"""Every feature of the student by name, in the order of its inputs."""
