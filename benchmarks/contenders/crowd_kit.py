"""crowd-kit: majority vote, and Dawid and Skene's EM by a set number of steps."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.contenders.ours_crowd import STEPS, figures

_NAMES = {
    "majority": "MajorityVote",
    "dawid_skene": "DawidSkene",
}
IMPORTS = dict.fromkeys(_NAMES, ("polars", "pandas", "crowdkit.aggregation.classification"))


def work(function: str, files: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """Posteriors; their figures for `dawid_skene`."""
    import polars as pl

    crowdkit = importlib.import_module("crowdkit.aggregation.classification")

    frame = pl.read_parquet(files["judgments"])
    data = frame.select(task="pin_id", worker="annotator", label="grade").to_pandas()
    options: dict[str, Any] = {}
    if function == "dawid_skene":
        options = {"n_iter": STEPS, "tol": float("-inf")}
    made = getattr(crowdkit, _NAMES[function])(**options).fit_predict_proba(data)
    print(made)
    if function != "dawid_skene":
        return {}, {}
    table = pl.DataFrame(
        {"pin_id": list(made.index), **{f"p{k + 1}": made[k + 1].to_numpy() for k in range(5)}}
    )
    return figures(table), {}
