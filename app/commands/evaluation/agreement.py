"""`gradewise evaluation agreement`: how far annotators agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.evaluation.shared import (
    ByOption,
    QueriesOption,
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
    by: ByOption = None,
    scale: ScaleOption = "five",
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.TEXT,
) -> None:
    """How far annotators agree: Krippendorff's α, quadratic κ, Gwet's AC1 and AC2, within one.

    gradewise evaluation agreement judgments.parquet --queries queries.parquet --by country
    """
    from evaluation.agreement import agreement as agree

    of = scale_named(scale)
    emit(
        agree(
            read(judgments, "judgments", of),
            read_queries(queries),
            by=by,
            scale=of,
            level=checked_level(level),
            seed=seed,
        ),
        form,
    )
