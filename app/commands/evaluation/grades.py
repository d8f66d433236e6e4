"""`gradewise evaluation grades`: predicted grades against human grades."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.evaluation.compare_output import print_comparison
from app.commands.evaluation.shared import (
    AllowSeenOption,
    ByOption,
    DrawnOption,
    DrawOption,
    Draws,
    FailUnderOption,
    LabelNoiseOption,
    PairsOption,
    QueriesOption,
    RepsOption,
    SampledOption,
    SamplesOption,
    Sources,
    check_gates,
    checked_level,
    explained,
    gates_of,
    named_file,
    read,
    read_queries,
    seen,
    systems,
    told_of_draws,
)
from app.output import Format, FormatOption, LevelOption, SeedOption, emit
from app.scales import ScaleOption, scale_named
from relevance.errors import SettingsError

if TYPE_CHECKING:
    from relevance.results import Results


def grades(
    *,
    predictions: Annotated[
        list[str] | None,
        typer.Option("--predictions", help="[NAME=]FILE of p1…p5; may be repeated."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            help="[NAME=]FILE of one model's p1…p5: show paired differences from it instead.",
        ),
    ] = None,
    qrels: Annotated[Path | None, typer.Option("--qrels", help="Human grades, one a pair.")] = None,
    joined: Annotated[
        str | None,
        typer.Option(
            "--joined",
            help="[NAME=]FILE that holds grade and p1…p5 side by side, instead of --predictions, "
            "--qrels.",
        ),
    ] = None,
    queries: QueriesOption = None,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Comma-separated; see: gradewise evaluation metrics.")
    ] = "accuracy,within1,MAE,AUROC@3,AUROC@4,AUROC@5",
    by: ByOption = None,
    scale: ScaleOption = "five",
    allow_seen: AllowSeenOption = False,
    label_noise: LabelNoiseOption = 0,
    sampled: SampledOption = False,
    samples: SamplesOption = None,
    draw: DrawOption = None,
    drawn: DrawnOption = None,
    pairs: PairsOption = None,
    fail_under: FailUnderOption = None,
    level: LevelOption = 0.95,
    reps: RepsOption = None,
    seed: SeedOption = 0,
    form: FormatOption = Format.TEXT,
) -> None:
    """Predicted grades against human grades.

    gradewise evaluation grades --predictions teacher.parquet --qrels qrels.parquet
    --queries queries.parquet --by country

    With --baseline, each model against that one over the same pairs: differences with intervals,
    tests that swap both models' predictions query by query, and Holm's adjustment:

    gradewise evaluation grades --baseline old.parquet --predictions new.parquet
    --qrels qrels.parquet --queries queries.parquet --by country

    Where grades were drawn with unequal probabilities, --sampled gives the figures of everything,
    unbiased where the predictions are of everything, too (other predictions are left out where
    --pairs says what could be drawn).

    Grades and predictions that are in one table already, of any size, are evaluated from it:
    --joined FILE, its further columns being those of the query (--by country).
    """
    gates = gates_of(fail_under)
    options: dict[str, Any] = {
        "metrics": metrics, "by": by, "scale": scale_named(scale), "level": checked_level(level),
        "seed": seed, "allow_seen": allow_seen, "reps": reps,
    }  # fmt: skip
    draws = Draws(sampled, samples, drawn, pairs, draw)
    draws.check(joined=joined, label_noise=label_noise, baseline=baseline)
    if baseline is not None:
        if joined is not None or label_noise:
            raise SettingsError(
                "--baseline compares files of --predictions: leave out --joined and --label-noise"
            )
        results = _against(baseline, predictions or (), qrels, queries, options)
        print_comparison(results, form)
        check_gates(results, gates)
        return
    if joined is None:
        own = {} if draws.sampled else {"label_noise": label_noise}
        results = _from_files(predictions or (), qrels, queries, draws, options | own)
    elif predictions or qrels is not None:
        raise SettingsError(
            "--joined holds grades and predictions: leave out --predictions and --qrels"
        )
    elif label_noise:
        raise SettingsError(
            "--label-noise draws grades from p1…pK of the qrels, and p1…p5 of a joined file are "
            "the model's. Give --predictions and --qrels instead of --joined"
        )
    else:
        results = _from_joined(joined, queries, options)
    emit(results, form)
    check_gates(results, gates)


def _from_files(
    predictions: Sequence[str],
    qrels: Path | None,
    queries: Path | None,
    draws: Draws,
    options: dict[str, Any],
) -> Results:
    import polars as pl

    from evaluation.pointwise import evaluate_grades
    from evaluation.sampled import evaluate_sampled_grades

    if not predictions or qrels is None:
        missing = "--qrels" if predictions else "--predictions"
        raise SettingsError(
            f"{missing} is missing. Give --predictions FILE and --qrels FILE, or --joined FILE"
        )
    files = [named_file(text) for text in predictions]
    numbered = {f"predictions{i or ''}": path for i, (_, path) in enumerate(files)}
    sources = Sources(
        {
            **numbered,
            "qrels": qrels,
            "queries": queries,
            "samples": draws.samples,
            "pairs": draws.pairs,
        }
    )
    of = options["scale"]
    frames = [systems(name, path, "predictions", "model", of) for name, path in files]
    tables = (
        frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed"),
        read(qrels, "qrels", of),
        read_queries(queries),
    )
    known = seen(path for _, path in files)
    if draws.sampled:
        arguments = options | draws.arguments()
        results = explained(evaluate_sampled_grades(*tables, seen=known, **arguments))
    else:
        results = told_of_draws(evaluate_grades(*tables, seen=known, **options), tables[1])
    return results.sourced(sources.text)


def _against(
    baseline: str,
    predictions: Sequence[str],
    qrels: Path | None,
    queries: Path | None,
    options: dict[str, Any],
) -> Results:
    """The models of the predictions against the baseline's."""
    from evaluation.compare.grades import compare_grades

    if not predictions or qrels is None:
        missing = "--qrels" if predictions else "--predictions"
        raise SettingsError(f"{missing} is missing. --baseline is compared with --predictions FILE")
    files = [named_file(baseline), *map(named_file, predictions)]
    names = ["baseline", *(f"predictions{i or ''}" for i in range(len(files) - 1))]
    paths = {name: path for name, (_, path) in zip(names, files, strict=True)}
    sources = Sources({**paths, "qrels": qrels, "queries": queries})
    of = options["scale"]
    frames = [systems(name, path, "predictions", "model", of) for name, path in files]
    grades, asked = read(qrels, "qrels", of), read_queries(queries)
    known = seen(path for _, path in files)
    results = compare_grades(frames[0], frames[1:], grades, asked, seen=known, **options)
    return told_of_draws(results, grades).sourced(sources.text)


def _from_joined(text: str, queries: Path | None, options: dict[str, Any]) -> Results:
    from evaluation.pointwise import evaluate_joined_grades

    name, path = named_file(text)
    sources = Sources({"joined": path, "queries": queries})
    results = evaluate_joined_grades(
        path, read_queries(queries), name=name, seen=seen([path]), **options
    )
    return results.sourced(sources.text)
