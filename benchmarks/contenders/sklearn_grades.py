"""scikit-learn: accuracy and three AUROCs; and the loop over resampled queries that it asks for.

The loop is measured for one replicate and multiplied: a thousand take hours.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IMPORTS = dict.fromkeys(("points", "loop"), ("polars", "sklearn.metrics"))
REPLICATES = 1000


def work(function: str, files: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """Point figures (`points`), or the time of `REPLICATES` resamples, extrapolated (`loop`)."""
    import numpy as np
    import polars as pl

    probabilities = ["p1", "p2", "p3", "p4", "p5"]
    wanted = ["query_id", "grade", *probabilities]
    frame = pl.read_parquet(files["predictions"], columns=wanted[function == "points" :])
    grade = frame["grade"].to_numpy()
    p = frame.select(probabilities).to_numpy()
    if function == "points":
        figures = _figures(grade, p)
        print(figures)
        return figures, {}
    rng = np.random.default_rng(0)
    query = frame["query_id"].to_numpy()
    starts = np.flatnonzero(np.diff(query, prepend=-1))
    rows = np.split(np.arange(len(query)), starts[1:])
    begun = time.perf_counter()
    drawn = rng.integers(0, len(rows), len(rows))
    again = np.concatenate([rows[i] for i in drawn])
    _figures(grade[again], p[again])
    return {}, {"replicate": time.perf_counter() - begun, "extrapolated": float(REPLICATES)}


def _figures(grade: Any, p: Any) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, roc_auc_score

    figures = {"accuracy all": float(accuracy_score(grade, p.argmax(axis=1) + 1))}
    for t in (3, 4, 5):
        at_least = p[:, t - 1 :].sum(axis=1, dtype="f8")
        figures[f"AUROC@{t} all"] = float(roc_auc_score(grade >= t, at_least))
    return figures
