"""pytrec_eval-terrier: Parquet → dicts by polars → evaluate → means by country.

Its qrels are our grades minus 1, the linear gain, so that P@8 counts from 3. It computes nDCG@20
and P@8 only: Judged@20, which gradewise prints too, it does not have.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IMPORTS = dict.fromkeys(("files", "joined"), ("polars", "pytrec_eval"))
MEASURES = {"ndcg_cut_20": "nDCG@20", "P_8": "P@8"}


def work(function: str, files: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """Means by country from two files (`files`) or one (`joined`)."""
    import polars as pl

    if function == "files":
        run = pl.read_parquet(files["run"])
        qrels = pl.read_parquet(files["qrels"])
        country = pl.read_parquet(files["queries"], columns=["query_id", "country"])
    else:
        wanted = ["query_id", "pin_id", "score", "grade", "country"]
        both = pl.read_parquet(files["joined"], columns=wanted)
        run = both.filter(pl.col("score").is_not_null())
        qrels = both.filter(pl.col("grade").is_not_null())
        country = both.select("query_id", "country").unique("query_id")
    return _evaluate(run, qrels, country)


def _evaluate(run: Any, qrels: Any, country: Any) -> tuple[dict[str, float], dict[str, float]]:
    import polars as pl
    import pytrec_eval

    qrels = qrels.with_columns(pl.col("grade").cast(pl.Int32) - 1)
    relevant, scored = _nested(qrels, "grade"), _nested(run, "score")
    begun = time.perf_counter()
    evaluator = pytrec_eval.RelevanceEvaluator(relevant, {"ndcg_cut.20", "P.8"}, relevance_level=3)
    values = evaluator.evaluate(scored)
    evaluated = time.perf_counter() - begun
    by_query = pl.DataFrame(
        {
            "query_id": list(values),
            **{name: [value[name] for value in values.values()] for name in MEASURES},
        }
    )
    table = by_query.join(country, on="query_id").group_by("country").agg(pl.col(*MEASURES).mean())
    print(table.sort("country").write_csv())
    figures = {
        f"{ours} {row['country']}": row[theirs]
        for row in table.iter_rows(named=True)
        for theirs, ours in MEASURES.items()
    }
    return figures, {"evaluate": evaluated}


def _nested(frame: Any, value: str) -> dict[str, dict[str, Any]]:
    """`{query: {document: value}}`, a query at a time, which is the quickest way there is."""
    import polars as pl

    grouped = frame.group_by("query_id").agg(pl.col("pin_id"), pl.col(value))
    return {
        query: dict(zip(pins.to_list(), values.to_list(), strict=True))
        for query, pins, values in zip(
            grouped["query_id"], grouped["pin_id"], grouped[value], strict=True
        )
    }
