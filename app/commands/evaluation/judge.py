"""`gradewise evaluation judge`: may a judge stand in for people?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.evaluation.shared import (
    AllowSeenOption,
    QueriesOption,
    RepsOption,
    Sources,
    checked_level,
    named_file,
    read,
    read_queries,
    seen,
    systems,
)
from app.output import Format, FormatOption, LevelOption, SeedOption, emit
from app.scales import ScaleOption, scale_named
from relevance.errors import SettingsError


def judge(
    judgments: Annotated[Path, typer.Argument(help="Every annotator's grades.")],
    *,
    predictions: Annotated[
        list[str],
        typer.Option("--predictions", help="[NAME=]FILE of the judge's p1…p5; may be repeated."),
    ],
    queries: QueriesOption = None,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", help="Column of the queries to split by (default country)."),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run", help="[NAME=]FILE of a ranking: does its metric come out the same by both?"
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option("--metric", help="Ranking metric for the runs.")
    ] = "nDCG@20",
    epsilon: Annotated[
        float,
        typer.Option(
            "--epsilon",
            help="How far the judge may fall behind an annotator, whom it costs less than: 0.2 "
            "experts, 0.15 skilled people, 0.1 crowd workers.",
        ),
    ] = 0.15,
    changes_judge: Annotated[
        bool,
        typer.Option("--changes-judge", help="The experiment changes the judge itself: never yes."),
    ] = False,
    scale: ScaleOption = "five",
    allow_seen: AllowSeenOption = False,
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    reps: RepsOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """May the teacher stand in for people? Yes, no or not enough data, per country, and why.

    gradewise evaluation judge judgments.parquet --predictions teacher.parquet
    --queries queries.parquet --by country
    """
    import polars as pl

    from evaluation.intervals import REPLICATES
    from evaluation.judge import judge as decide

    if by and queries is None:
        raise SettingsError(f"--by {by[0]} needs the queries table: --queries FILE")
    of = scale_named(scale)
    files = [named_file(text) for text in predictions]
    ranked = [named_file(text) for text in run or ()]
    told = {f"predictions {name or path.stem}": path for name, path in files}
    told |= {f"run {name or path.stem}": path for name, path in ranked}
    sources = Sources({"judgments": judgments, "queries": queries, **told})
    frames = [systems(name, path, "predictions", "model", of) for name, path in files]
    runs = [systems(name, path, "runs", "system", of) for name, path in ranked]
    results = decide(
        read(judgments, "judgments", of),
        pl.concat(frames, how="diagonal_relaxed"),
        read_queries(queries),
        runs=pl.concat(runs, how="diagonal_relaxed") if runs else None,
        by=by or ["country"],
        metric=metric,
        scale=of,
        level=checked_level(level),
        seed=seed,
        reps=REPLICATES if reps is None else reps,
        seen=seen(path for _, path in files),
        allow_seen=allow_seen,
        epsilon=epsilon,
        changes_judge=changes_judge,
    )
    emit(results.sourced(sources.text), form)
