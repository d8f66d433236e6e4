"""ranx by its quickest door: sorted 3-D arrays of (document, value), no dicts, compiled before.

`parts.evaluate` is the metric step alone, with the arrays ready.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IMPORTS = dict.fromkeys(("joined",), ("polars", "ranx"))
METRICS = {"ndcg@20": "nDCG@20", "precision@8-l3": "P@8"}


def warm_up() -> None:
    """Compiles what will be used."""
    import numpy as np
    import ranx

    tiny = np.arange(2 * 24 * 20, dtype=np.float64).reshape(20, 24, 2)
    ranx.evaluate(tiny, tiny, list(METRICS), return_mean=False)


def work(function: str, files: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """Means by country from the file of this name (`joined`)."""
    import numpy as np
    import polars as pl
    import ranx

    wanted = ["query_id", "score", "grade", "country"]
    both = pl.read_parquet(files[function], columns=wanted)
    starts = (both["query_id"] != both["query_id"].shift()).fill_null(value=True)
    n = int(starts.sum())
    pins = np.arange(both.height)
    score = both["score"].to_numpy()
    grade = both["grade"].cast(pl.Float64).to_numpy() - 1
    run = _array(pins, score, n)
    qrels = _array(pins, grade, n)
    begun = time.perf_counter()
    values = ranx.evaluate(qrels, run, list(METRICS), return_mean=False)
    evaluated = time.perf_counter() - begun
    frame = pl.DataFrame({name: values[name] for name in METRICS}).with_columns(
        both["country"].filter(starts)
    )
    table = frame.group_by("country").agg(pl.col(*METRICS).mean()).sort("country")
    print(table.write_csv())
    figures = {
        f"{ours} {row['country']}": row[theirs]
        for row in table.iter_rows(named=True)
        for theirs, ours in METRICS.items()
    }
    return figures, {"evaluate": evaluated}


def _array(pins: Any, value: Any, n: int) -> Any:
    """(n, documents, 2): documents (their rows) and values, highest first; as many a query."""
    import numpy as np

    there = ~np.isnan(value)
    ids = pins[there].astype(np.float64).reshape(n, -1)
    values = value[there].astype(np.float64).reshape(n, -1)
    order = np.argsort(-values, axis=1)
    pairs = (np.take_along_axis(ids, order, 1), np.take_along_axis(values, order, 1))
    return np.stack(pairs, axis=2)
