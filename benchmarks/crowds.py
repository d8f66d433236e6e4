"""Accuracy and calibration on public crowds, beside crowd-kit: `python -m benchmarks.crowds`.

Writes docs/adjudication.md's table. The peers run in their environment (`benchmarks.crowd_peers`)
on the same judgments: the latest of an annotator on an item.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray

from annotation.adjudicate import adjudicated
from benchmarks.harness import ROOT
from relevance.grades import GradeScale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SETS = ("dog", "bluebird", "rte", "weather", "trec-rf", "chorus")
ORDERED = {"weather", "trec-rf", "chorus"}
OURS = ("auto", "majority", "one-coin", "dawid-skene")
BINS = 10
_BEGIN, _END = "<!-- crowds: begin -->", "<!-- crowds: end -->"


def read_set(folder: Path, name: str) -> tuple[pl.DataFrame, GradeScale, pl.DataFrame]:
    """Judgments, their scale, and the true grades (query_id, pin_id, grade) of one of `SETS`."""
    judgments, truth = _chorus(folder) if name == "chorus" else _crowd_labels(folder, name)
    key = ["query_id", "pin_id", "annotator"]
    judgments = judgments.unique(key, keep="last", maintain_order=True)
    levels = pl.concat([judgments["grade"], truth["grade"]]).unique().sort().to_list()
    return judgments, GradeScale(name, tuple(levels), ordered=name in ORDERED), truth


def calibration_error(posterior: Floats, right: Bools) -> float:
    """Expected calibration error of the chosen grades, ten equal-width bins of the largest p."""
    sure = posterior.max(axis=1)
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(bins, sure - right, minlength=BINS)
    return float(np.abs(gap).sum() / len(right))


def perfect_calibration_error(posterior: Floats, share: float = 0.95) -> float:
    """The error that a perfectly calibrated posterior of this shape stays below so often."""
    rng = np.random.default_rng(0)
    sure = posterior.max(axis=1)
    drawn = [calibration_error(posterior, rng.random(len(sure)) < sure) for _ in range(1000)]
    return float(np.quantile(drawn, share))


def main(
    *,
    data: Annotated[Path, typer.Option("--data", help="Folder of the public data sets.")],
    peers: Annotated[Path, typer.Option("--peers", help="Python of the peers' environment.")] = ROOT
    / ".venv-bench/bin/python",
    out: Annotated[Path | None, typer.Option("--out", help="Page whose table to replace.")] = None,
) -> None:
    """Measure every method on every set; print the tables, or write them into a page."""
    sections = [_section(data, name, peers) for name in SETS]
    lines = [_head(), *_means([accuracy for _, accuracy in sections])]
    text = "\n".join([*lines, *(line for section, _ in sections for line in section)])
    if out is None:
        print(text)
        return
    page = out.read_text(encoding="utf-8")
    block = f"{_BEGIN}\n{text}\n{_END}"
    whole = re.sub(f"{_BEGIN}.*{_END}", lambda _: block, page, flags=re.DOTALL)
    out.write_text(whole, encoding="utf-8")


def _means(accuracies: Sequence[dict[str, float]]) -> list[str]:
    """Mean accuracy over the sets of who ran on all of them, best first."""
    everywhere = [who for who in accuracies[0] if all(who in each for each in accuracies)]
    means = {who: float(np.mean([each[who] for each in accuracies])) for who in everywhere}
    rows = [f"| {who} | {means[who]:.4f} |" for who in sorted(means, key=lambda w: -means[w])]
    return ["", "| method | mean accuracy of the six |", "|---|---:|", *rows]


def _section(data: Path, name: str, peers: Path) -> tuple[list[str], dict[str, float]]:
    judgments, scale, truth = read_set(data, name)
    pairs = judgments.select("query_id", "pin_id").unique().sort("query_id", "pin_id")
    graded = pairs.join(truth, on=["query_id", "pin_id"], how="left", maintain_order="left")
    known = graded["grade"].is_not_null().to_numpy()
    true = graded["grade"].drop_nulls().to_numpy()
    found = {f"gradewise {method}": _ours(judgments, scale, method) for method in OURS}
    found |= _theirs(judgments, pairs, scale, peers)
    levels = np.asarray(scale.levels)
    rights = {who: levels[p[known].argmax(axis=1)] == true for who, (p, _) in found.items()}
    best = max(
        (who for who in found if who.startswith("crowd-kit")), key=lambda w: rights[w].mean()
    )
    lines = [
        f"\n### {name}\n",
        _size(judgments, pairs.height, len(levels), int(known.sum())),
        "| method | accuracy | ECE | CPU s | p against crowd-kit's best |",
        "|---|---:|---:|---:|---:|",
    ]
    for who, (posterior, seconds) in found.items():
        error = f"{calibration_error(posterior[known], rights[who]):.3f}"
        if posterior.max() > 1 + 1e-6 or np.isin(posterior, (0, 1)).all():
            error = "—"
        p = f"{_mcnemar(rights[who], rights[best]):.3f}" if who.startswith("gradewise") else ""
        name_ = f"**{who}**" if who == "gradewise auto" else who
        lines.append(f"| {name_} | {rights[who].mean():.4f} | {error} | {seconds:.2f} | {p} |")
    bar = perfect_calibration_error(found["gradewise auto"][0][known])
    lines.append(f"\ncrowd-kit's best: {best.removeprefix('crowd-kit ')}. A perfectly calibrated ")
    lines[-1] += f"posterior like auto's has ECE up to {bar:.3f} in 95 % of draws."
    return lines, {who: float(right.mean()) for who, right in rights.items()}


def _size(judgments: pl.DataFrame, pairs: int, levels: int, known: int) -> str:
    return (
        f"{judgments.height:,} judgments of {pairs:,} pairs by "
        f"{judgments['annotator'].n_unique():,} annotators, {levels} levels, "
        f"{known:,} pairs with truth.\n"
    )


def _ours(judgments: pl.DataFrame, scale: GradeScale, method: str) -> tuple[Floats, float]:
    begun = time.process_time()
    posterior = adjudicated(judgments, method, scale).posterior
    return posterior, time.process_time() - begun


def _theirs(
    judgments: pl.DataFrame, pairs: pl.DataFrame, scale: GradeScale, peers: Path
) -> dict[str, tuple[Floats, float]]:
    """crowd-kit's method → posterior of the pairs (one-hot where it gives none), CPU seconds."""
    item = pl.format("{}\t{}", "query_id", "pin_id").alias("item")
    with tempfile.TemporaryDirectory() as folder:
        file, answer = Path(folder) / "judgments.parquet", Path(folder) / "answer.parquet"
        judgments.select(item, "annotator", "grade").write_parquet(file)
        asked = [str(peers), "-m", "benchmarks.crowd_peers", str(file), str(answer)]
        subprocess.run(asked, check=True, cwd=ROOT)
        told = pl.read_parquet(answer)
    order = pairs.select(item)
    found = {}
    for (method, seconds), rows in told.group_by("method", "seconds", maintain_order=True):
        mine = order.join(rows, on="item", how="left", maintain_order="left")
        columns = [mine[str(g)] if str(g) in mine.columns else None for g in scale.levels]
        parts = [
            np.zeros(order.height) if c is None else c.fill_null(0).to_numpy() for c in columns
        ]
        found[f"crowd-kit {method}"] = (np.stack(parts, axis=1), float(str(seconds)))
    return found


def _mcnemar(ours: Bools, theirs: Bools) -> float:
    """Two-sided p of McNemar's exact test."""
    from scipy.stats import binomtest

    apart = int((ours != theirs).sum())
    return float(binomtest(int((ours & ~theirs).sum()), apart).pvalue) if apart else 1.0


def _crowd_labels(folder: Path, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    there = folder / "crowd-labels" / name
    item = pl.col("item").cast(pl.String).str.zfill(6)
    key = [pl.lit("q").alias("query_id"), item.alias("pin_id")]
    worker = pl.col("worker").cast(pl.String).str.zfill(4).alias("annotator")
    labels = pl.read_csv(there / "label.csv").select(*key, worker, grade="label")
    return labels, pl.read_csv(there / "truth.csv").select(*key, grade="truth")


def _chorus(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    file = folder / "chorus-3raters" / "Broad_Query_Set_individual_ratings.csv"
    wide = pl.read_csv(file, infer_schema_length=0).rename({"query": "query_id", "docid": "pin_id"})
    raters: Sequence[str] = [f"agent_{n}_rating" for n in (1, 2, 3)]
    whole = pl.col("grade").cast(pl.Float64).cast(pl.Int64)
    labels = (
        wide.unpivot(raters, index=["query_id", "pin_id"], variable_name="annotator")
        .rename({"value": "grade"})
        .with_columns(whole)
        .drop_nulls("grade")
    )
    truth = wide.select("query_id", "pin_id", grade="final_rating").with_columns(whole)
    return labels, truth.unique(["query_id", "pin_id"], keep="last", maintain_order=True)


def _head() -> str:
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} shared cores, "
        f"{platform.system()}, Python {platform.python_version()}, with "
        "`python -m benchmarks.crowds --data FOLDER`. ECE: ten equal-width bins of the largest "
        "probability. p: McNemar's exact test. CPU seconds include every thread."
    )


if __name__ == "__main__":
    typer.run(main)
