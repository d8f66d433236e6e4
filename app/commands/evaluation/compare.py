"""`gradewise evaluation compare`: a candidate against a baseline."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.evaluation.shared import (
    AllowSeenOption,
    ByOption,
    EmptyOption,
    QrelsOption,
    QueriesOption,
    TiesOption,
    checked_level,
    named_file,
    read,
    read_queries,
    seen,
    systems,
)
from app.output import Format, FormatOption, LevelOption, SeedOption, emit
from app.scales import ScaleOption, scale_named


def compare(
    *,
    baseline: Annotated[str, typer.Option("--baseline", help="[NAME=]FILE of the system in use.")],
    candidate: Annotated[str, typer.Option("--candidate", help="[NAME=]FILE of the new system.")],
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
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.TEXT,
) -> None:
    """A candidate against a baseline, paired by query.

    gradewise evaluation compare --baseline production=a.parquet --candidate b.parquet
    --qrels qrels.parquet --queries queries.parquet --by country
    """
    from evaluation.compare import compare_runs

    of = scale_named(scale)
    old, new = named_file(baseline), named_file(candidate)
    results = compare_runs(
        systems(*old, "runs", "system", of),
        systems(*new, "runs", "system", of),
        read(qrels, "qrels", of),
        read_queries(queries),
        metrics=metrics,
        by=by,
        scale=of,
        ties=ties,
        empty=empty,
        level=checked_level(level),
        seed=seed,
        seen=seen([old[1], new[1]]),
        allow_seen=allow_seen,
    )
    emit(results, form)
