"""`gradewise evaluation ranking`: ranked lists against human grades."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.evaluation.shared import (
    AllowSeenOption,
    ByOption,
    EmptyOption,
    FailUnderOption,
    QrelsOption,
    QueriesOption,
    TiesOption,
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


def ranking(
    *,
    run: Annotated[
        list[str], typer.Option("--run", help="[NAME=]FILE of ranked Pins; may be repeated.")
    ],
    qrels: QrelsOption,
    queries: QueriesOption = None,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Comma-separated; see: gradewise evaluation metrics.")
    ] = "nDCG@20,P@8",
    by: ByOption = None,
    scale: ScaleOption = "five",
    ties: TiesOption = "docid",
    empty: EmptyOption = None,
    allow_seen: AllowSeenOption = False,
    fail_under: FailUnderOption = None,
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.TEXT,
) -> None:
    """Ranked lists against human grades; Judged@k stands beside.

    gradewise evaluation ranking --run production=a.parquet --run candidate=b.parquet
    --qrels qrels.parquet --metrics "nDCG@20,P(rel=3)@8"
    """
    import polars as pl

    from evaluation.ranking import evaluate_ranking

    gates = gates_of(fail_under)
    of = scale_named(scale)
    files = [named_file(text) for text in run]
    frames = [systems(name, path, "runs", "system", of) for name, path in files]
    results = evaluate_ranking(
        pl.concat(frames, how="diagonal_relaxed"),
        read(qrels, "qrels", of),
        read_queries(queries),
        metrics=metrics,
        by=by,
        scale=of,
        ties=ties,
        empty=empty,
        level=checked_level(level),
        seed=seed,
        seen=seen(path for _, path in files),
        allow_seen=allow_seen,
    )
    emit(results, form)
    check_gates(results, gates)
