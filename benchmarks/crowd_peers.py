"""crowd-kit's aggregators on one file, in the peers' environment; see `benchmarks.crowds`.

`python -m benchmarks.crowd_peers JUDGMENTS.parquet OUT.parquet`: item, annotator, grade in;
method, seconds, item and one column a grade out. Wawa and ZeroBasedSkill of crowd-kit 1.4.2 fail
with scikit-learn from 1.6 on; a method that fails is told and left out.
"""

from __future__ import annotations

import importlib
import sys
import time

import polars as pl

METHODS = (
    *("MajorityVote", "DawidSkene", "OneCoinDawidSkene", "GLAD", "MACE"),
    *("MMSR", "Wawa", "ZeroBasedSkill"),
)


def main(source: str, out: str) -> None:
    """Runs every method that works and writes its posteriors (one-hot where it has none)."""
    crowdkit = importlib.import_module("crowdkit.aggregation.classification")
    data = pl.read_parquet(source).rename({"item": "task", "annotator": "worker", "grade": "label"})
    frame = data.to_pandas()
    tables = []
    for method in METHODS:
        begun = time.process_time()
        made = getattr(crowdkit, method)()
        try:
            if hasattr(made, "fit_predict_proba"):
                found = made.fit_predict_proba(frame)
                columns = {str(grade): found[grade].to_numpy() for grade in found.columns}
            else:
                found = made.fit_predict(frame)
                columns = {
                    str(g): (found == g).to_numpy().astype(float) for g in frame["label"].unique()
                }
        except AttributeError as error:
            sys.stderr.write(f"{method} left out: {str(error)[:90]}\n")
            continue
        seconds = time.process_time() - begun
        tables.append(
            pl.DataFrame(
                {"method": method, "seconds": seconds, "item": list(found.index), **columns}
            )
        )
    pl.concat(tables, how="diagonal").write_parquet(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
