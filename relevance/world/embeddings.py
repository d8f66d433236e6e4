"""Embeddings as a production system would have them: informative, noisy, and fond of popular Pins.

A vector is a random projection of the attributes, plus a country direction, plus a popularity
direction (Pins), plus noise, scaled to length 1. Queries and Pins share the `search` space. Each
country trained its own two towers, so the projections agree only partly between countries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.world.attributes import (
    DETAILS,
    GROUP_OF,
    INTEREST_OF,
    INTERESTS,
    NONE,
    OCCASIONS,
    STYLES,
    SUBJECTS,
)
from relevance.world.config import LANGUAGES, WorldConfig, stream
from relevance.world.grading import ATTRIBUTES

Vectors = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Space:
    """What a kind of embedding knows.

    Attributes:
        name: Its column.
        weights: Weight of interest, group, subject, style, detail, occasion.
        country: Weight of the country.
        popularity: Weight of the popularity direction.
        noise: Expected length of the noise vector.
    """

    name: str
    weights: tuple[float, float, float, float, float, float]
    country: float
    popularity: float
    noise: float


SEARCH = Space("search", (0.5, 0.6, 0.9, 0.5, 0.2, 0.35), 0.3, 0.3, 2.2)
VISUAL = Space("visual", (0.4, 0.3, 0.8, 0.6, 0.9, 0.4), 0.0, 0.1, 2.0)
GRAPH = Space("graph", (0.7, 0.8, 0.7, 0.4, 0.1, 0.4), 0.5, 0.5, 2.2)
_SHARED = 0.3
"""Share of the variance of a projection that all countries have in common."""

_COUNTRIES = tuple(LANGUAGES)


def query_embeddings(
    config: WorldConfig, queries: pl.DataFrame, attributes: pl.DataFrame
) -> pl.DataFrame:
    """The table `query_embeddings`."""
    vectors = _vectors(config, SEARCH, attributes, queries["country"], "queries")
    return pl.DataFrame([queries["query_id"], _column("search", vectors)])


def pin_embeddings(
    config: WorldConfig, pins: pl.DataFrame, attributes: pl.DataFrame
) -> pl.DataFrame:
    """The table `pin_embeddings`."""
    columns = [
        _column(space.name, _vectors(config, space, attributes, pins["country"], "pins"))
        for space in (SEARCH, VISUAL, GRAPH)
    ]
    return pl.DataFrame([pins["pin_id"], *columns])


def _vectors(
    config: WorldConfig, space: Space, attributes: pl.DataFrame, countries: pl.Series, of: str
) -> Vectors:
    size = config.dimensions
    codes = dict(zip(ATTRIBUTES, attributes.select(ATTRIBUTES).to_numpy().T, strict=True))
    basis = stream(config.seed, f"embeddings/{space.name}/basis")
    parts = (
        (np.array(INTEREST_OF)[codes["subject"]], len(INTERESTS)),
        (np.array(GROUP_OF)[codes["subject"]], max(GROUP_OF) + 1),
        (codes["subject"], len(SUBJECTS)),
        (codes["style"], len(STYLES)),
        (codes["detail"], len(DETAILS)),
        (codes["occasion"], len(OCCASIONS)),
    )
    market = countries.replace_strict(
        _COUNTRIES, range(len(_COUNTRIES)), return_dtype=pl.Int64
    ).to_numpy()
    total = space.country * _directions(basis, len(_COUNTRIES), size)[market]
    for (values, levels), weight in zip(parts, space.weights, strict=True):
        table = _projections(basis, levels, size)
        total += weight * table[market, np.where(values == NONE, levels, values)]
    fond = _directions(basis, 1, size)
    if "popularity" in attributes.columns:
        total += space.popularity * attributes["popularity"].to_numpy()[:, None] * fond
    noise = stream(config.seed, f"embeddings/{space.name}/{of}")
    total += space.noise / np.sqrt(size) * noise.standard_normal(total.shape)
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True))


def _projections(rng: np.random.Generator, levels: int, size: int) -> Vectors:
    """(countries, levels + 1, size): where a country puts each level; the last one is nowhere."""
    common = _directions(rng, levels, size)
    own = np.stack([_directions(rng, levels, size) for _ in _COUNTRIES])
    tables = np.sqrt(_SHARED) * common + np.sqrt(1 - _SHARED) * own
    return np.concatenate([tables, np.zeros((len(_COUNTRIES), 1, size))], axis=1)


def _directions(rng: np.random.Generator, number: int, size: int) -> Vectors:
    return np.asarray(rng.standard_normal((number, size)) / np.sqrt(size))


def _column(name: str, vectors: Vectors) -> pl.Series:
    flat = pl.Series(name, vectors.astype(np.float32), dtype=pl.Array(pl.Float32, vectors.shape[1]))
    return flat.cast(pl.List(pl.Float32))
