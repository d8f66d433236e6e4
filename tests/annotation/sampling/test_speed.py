"""A million candidate pairs are drawn in seconds."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest

from annotation.sampling import ranked_pool
from annotation.sampling.allotment import Amount
from annotation.sampling.drawing import QUERIES, Design, draw
from annotation.sampling.frame import make_frame
from annotation.sampling.uncertainty import sizes_of

N_QUERIES, DEPTH = 50_000, 20


@pytest.mark.slow
def test_a_million_pairs_are_drawn_in_seconds():
    rng = np.random.default_rng(0)
    query = np.repeat(np.arange(N_QUERIES), DEPTH)
    run = pl.DataFrame(
        {"query_id": query, "pin_id": rng.permutation(len(query)), "score": rng.random(len(query))}
    ).with_columns(pl.col("query_id", "pin_id").cast(pl.String), system=pl.lit("old"))
    queries = pl.DataFrame({"query_id": np.arange(N_QUERIES)}).with_columns(
        pl.col("query_id").cast(pl.String),
        country=pl.Series(np.array(["US", "FR", "MX", "JP"])[rng.integers(0, 4, N_QUERIES)]),
        language=pl.lit("en"),
        segment=pl.Series(rng.integers(0, 12, N_QUERIES).astype(str)),
        traffic=pl.Series(rng.random(N_QUERIES)),
    )
    p = rng.dirichlet(np.full(5, 0.5), len(query))
    teacher = run.select("query_id", "pin_id").with_columns(
        **{f"p{k + 1}": pl.Series(p[:, k]) for k in range(5)}
    )
    start = time.process_time()
    pooled = ranked_pool([run], DEPTH)
    frame = make_frame(pooled, queries, ("country", "segment", "popularity"))
    sizes = sizes_of(frame.rows.drop("size"), "entropy", predictions=teacher, rank_weight="dcg")
    sized = frame.rows.with_columns(pl.Series("size", sizes))
    drawn = draw(type(frame)(sized, frame.depth), Design(amount=Amount("units", 2_000)))
    assert drawn.samples.height == 8_000
    whole = draw(frame, Design(unit=QUERIES, amount=Amount("minutes", 6_000)))
    assert whole.samples["query_id"].n_unique() == 4 * (6_000 * 60 // (15 * 3 * DEPTH))
    assert time.process_time() - start < 20  # CPU seconds; about 6 here
