"""`gradewise evaluation agreement`: how far annotators agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.evaluation.shared import (
    QueriesOption,
    RepsOption,
    Sources,
    checked_level,
    read,
    read_queries,
)
from app.output import Format, FormatOption, LevelOption, SeedOption, emit
from app.scales import ScaleOption, scale_named


def agreement(
    judgments: Annotated[Path, typer.Argument(help="Every annotator's grades.")],
    *,
    queries: QueriesOption = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            help="Column of the queries to split by, as country; also annotator (each against all "
            "others) and grade (each against the rest).",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            help="Comma-separated, instead of the usual ones: alpha(nominal|ordinal|interval|"
            "ratio), kappa(weights=quadratic|linear|none), AC1, AC2(weights=ordinal|linear|"
            "quadratic), within1, specific.",
        ),
    ] = None,
    scale: ScaleOption = "five",
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    reps: RepsOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """How far annotators agree: Krippendorff's α, quadratic κ, Gwet's AC1 and AC2, within one.

    gradewise evaluation agreement judgments.parquet --queries queries.parquet --by country
    """
    from evaluation.agreement import MEASURES
    from evaluation.agreement import agreement as agree
    from evaluation.intervals import REPLICATES

    of = scale_named(scale)
    sources = Sources({"judgments": judgments, "queries": queries})
    results = agree(
        read(judgments, "judgments", of),
        read_queries(queries),
        by=by,
        measures=MEASURES if metrics is None else metrics,
        scale=of,
        level=checked_level(level),
        seed=seed,
        reps=REPLICATES if reps is None else reps,
    )
    emit(results.sourced(sources.text), form)
