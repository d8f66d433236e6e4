"""The candidates of each query: a pool in which every grade has its share."""

from __future__ import annotations

import numpy as np
import polars as pl

from relevance.world.config import WorldConfig, stream
from relevance.world.grading import Codes, codes_of, true_grades

SHARES = (0.18, 0.22, 0.22, 0.20, 0.18)
"""Wanted share of the grades 1-5 in a pool; each query deviates from it at random."""

_CONCENTRATION = 25.0
_SPARE = 0.9


def make_pools(
    config: WorldConfig,
    queries: pl.DataFrame,
    query_attributes: pl.DataFrame,
    pins: pl.DataFrame,
    pin_attributes: pl.DataFrame,
) -> pl.DataFrame:
    """The pairs of every pool with their true grades: query_id, pin_id, grade.

    A query meets the Pins of its own country only; rows are in key order.
    """
    pin_codes, pin_ids = codes_of(pin_attributes), pins["pin_id"].to_numpy()
    query_codes, query_ids = codes_of(query_attributes), queries["query_id"].to_numpy()
    pin_country, query_country = pins["country"].to_numpy(), queries["country"].to_numpy()
    chosen: list[tuple[str, Codes, Codes]] = []
    for country in config.queries:
        rng = stream(config.seed, f"pools/{country}")
        own = np.flatnonzero(pin_country == country)
        for query in np.flatnonzero(query_country == country):
            grades = true_grades(query_codes[query], pin_codes[own])
            places = _draw(rng, grades, min(config.candidates, own.size))
            chosen.append((str(query_ids[query]), own[places], grades[places]))
    return pl.DataFrame(
        {
            "query_id": np.repeat([c[0] for c in chosen], [c[1].size for c in chosen]),
            "pin_id": np.concatenate([pin_ids[c[1]] for c in chosen]),
            "grade": np.concatenate([c[2] for c in chosen]),
        },
        schema={"query_id": pl.String, "pin_id": pl.String, "grade": pl.Int64},
    ).sort("query_id", "pin_id")


def _draw(rng: np.random.Generator, grades: Codes, size: int) -> Codes:
    """Places of `size` Pins; where a grade lacks Pins, the others make up for it."""
    shares = rng.dirichlet(np.array(SHARES) * _CONCENTRATION)
    wanted = np.floor(shares * size).astype(np.int64)
    order = rng.permutation(grades.size)
    picked = [order[grades[order] == level][: wanted[level - 1]] for level in range(1, 6)]
    places = np.concatenate(picked)
    rest = order[~np.isin(order, places)]
    # The better grades fill up first, then 2 and some 1 (of which there are by far the most).
    spare = (grades[rest] == 1) & (rng.random(rest.size) < _SPARE)
    rest = rest[np.argsort(spare - np.clip(grades[rest], 2, 3), kind="stable")]
    return np.asarray(np.concatenate([places, rest[: size - places.size]]), dtype=np.int64)
