"""The `krippendorff` package: ordinal α as a point, by both of its doors.

`counts` gives it how many annotators chose each grade of a pair, its quickest door; `matrix` the
annotators × pairs matrix of its documentation. `parts.alpha` is its own function alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IMPORTS = dict.fromkeys(("counts", "matrix"), ("polars", "krippendorff"))
GRADES = [1, 2, 3, 4, 5]


def work(function: str, files: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """Ordinal α of the judgments."""
    import krippendorff
    import numpy as np
    import polars as pl

    frame = pl.read_parquet(files["judgments"])
    given: dict[str, Any]
    if function == "counts":
        counted = frame.group_by("query_id", "pin_id").agg(
            (pl.col("grade") == grade).sum().alias(str(grade)) for grade in GRADES
        )
        counts = counted.select(map(str, GRADES)).to_numpy()
        given = {"value_counts": counts, "value_domain": GRADES}
    else:
        code = pl.all().cast(pl.Categorical).to_physical().cast(pl.Int64)
        coded = frame.select("query_id", "pin_id", "annotator").select(code)
        pair = coded["query_id"].to_numpy() * frame.height + coded["pin_id"].to_numpy()
        unit = np.unique(pair, return_inverse=True)[1]
        matrix = np.full((coded["annotator"].n_unique(), unit.max() + 1), np.nan)
        matrix[coded["annotator"].rank("dense").to_numpy() - 1, unit] = frame["grade"].to_numpy()
        given = {"reliability_data": matrix}
    begun = time.perf_counter()
    alpha = float(krippendorff.alpha(**given, level_of_measurement="ordinal"))
    seconds = time.perf_counter() - begun
    print(alpha)
    return {"alpha(ordinal) all": alpha}, {"alpha": seconds}
