"""`gradewise evaluation grades`: predicted grades against human grades."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.evaluation.shared import (
    AllowSeenOption,
    ByOption,
    FailUnderOption,
    QrelsOption,
    QueriesOption,
    check_gates,
    checked_level,
    gates_of,
    named_file,
    read,
    read_queries,
    seen,
    systems,
)
from app.output import Format, FormatOption, LevelOption, SeedOption, emit
from app.scales import ScaleOption, scale_named


def grades(
    *,
    predictions: Annotated[
        list[str], typer.Option("--predictions", help="[NAME=]FILE of p1…p5; may be repeated.")
    ],
    qrels: QrelsOption,
    queries: QueriesOption = None,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Comma-separated; see: gradewise evaluation metrics.")
    ] = "accuracy,within1,MAE,AUROC@3,AUROC@4,AUROC@5",
    by: ByOption = None,
    scale: ScaleOption = "five",
    allow_seen: AllowSeenOption = False,
    fail_under: FailUnderOption = None,
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.TEXT,
) -> None:
    """Predicted grades against human grades.

    gradewise evaluation grades --predictions teacher.parquet --qrels qrels.parquet
    --queries queries.parquet --by country
    """
    import polars as pl

    from evaluation.pointwise import evaluate_grades

    gates = gates_of(fail_under)
    of = scale_named(scale)
    files = [named_file(text) for text in predictions]
    frames = [systems(name, path, "predictions", "model", of) for name, path in files]
    results = evaluate_grades(
        pl.concat(frames, how="diagonal_relaxed"),
        read(qrels, "qrels", of),
        read_queries(queries),
        metrics=metrics,
        by=by,
        scale=of,
        level=checked_level(level),
        seed=seed,
        seen=seen(path for _, path in files),
        allow_seen=allow_seen,
    )
    emit(results, form)
    check_gates(results, gates)
