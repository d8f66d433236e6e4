"""`gradewise teacher train`: from people's grades to a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.teacher.options import (
    BASE,
    PinsOption,
    PrecisionOption,
    QrelsOption,
    QueriesOption,
    ThreadsOption,
)
from app.output import OverwriteOption, SeedOption, notes, progress_bar
from relevance.errors import SettingsError, require_extra

if TYPE_CHECKING:
    import polars as pl

    from relevance.results import Evaluate, Row


def train(
    *,
    qrels: QrelsOption,
    queries: QueriesOption,
    pins: PinsOption,
    out: Annotated[Path, typer.Option("--out", help="Model folder to write.")],
    base: Annotated[str, typer.Option("--base", help="See: gradewise teacher bases.")] = BASE,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted run from its checkpoint.")
    ] = False,
    overwrite: OverwriteOption = False,
    folds: Annotated[
        int | None,
        typer.Option("--folds", min=2, help="Also write out-of-fold predictions of the qrels."),
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1)] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", min=0.0)] = None,
    frozen_layers: Annotated[
        int | None,
        typer.Option(
            "--frozen-layers",
            min=0,
            help="Lowest layers to leave as they are.",
        ),
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option("--layers", min=1, help="Lowest layers to keep; see bases."),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=16, help="Longest input; time grows with it.")
    ] = None,
    checkpoint_steps: Annotated[
        int | None, typer.Option("--checkpoint-steps", min=1, help="Steps between checkpoints.")
    ] = None,
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    seed: SeedOption = 0,
) -> None:
    """Trains a teacher on graded pairs.

    gradewise teacher train --qrels qrels.parquet --queries queries.parquet --pins pins.parquet
    --base multilingual-e5-small --out models/teacher
    """
    _refuse(out, resume=resume, overwrite=overwrite)
    require_extra("torch", "teacher")
    require_extra("transformers", "teacher")
    from relevance.tables import read_table
    from relevance.teacher.folds import PREDICTIONS, train_folds
    from relevance.teacher.train import TeacherConfig, train_teacher

    given = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "frozen_layers": frozen_layers,
        "layers": layers,
        "max_tokens": max_tokens,
        "checkpoint_steps": checkpoint_steps,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    config = TeacherConfig(base=base, precision=precision, threads=threads, seed=seed, **chosen)  # type: ignore[arg-type]
    graded = read_table(qrels, "qrels")
    asked, shown = read_table(queries, "queries"), read_table(pins, "pins")
    evaluate = _evaluator(graded, asked)
    if folds:
        with progress_bar(f"{folds} folds") as progress:
            train_folds(
                graded,
                asked,
                shown,
                out,
                config,
                folds=folds,
                evaluate=evaluate,
                resume=resume,
                progress=progress,
            )
        notes.print(f"out-of-fold predictions: {out / PREDICTIONS}", highlight=False)
    with progress_bar("teacher") as progress:
        train_teacher(
            graded, asked, shown, out, config, evaluate=evaluate, resume=resume, progress=progress
        )
    _tell_trained(out)


def _refuse(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Raises `SettingsError` unless it is clear what shall become of what is in `out`."""
    if resume and overwrite:
        raise SettingsError("--resume continues what --overwrite would replace. Give one of them")
    if not resume and not overwrite and out.exists() and any(out.iterdir()):
        raise SettingsError(
            f"{out} is there already. Add --resume to continue it or --overwrite to replace it"
        )


def _evaluator(qrels: pl.DataFrame, queries: pl.DataFrame) -> Evaluate:
    """What the trainer reports of an epoch: grade metrics, by country where it is known."""
    from evaluation.pointwise import evaluate_grades

    by = "country" if queries["country"].null_count() < queries.height else None

    def evaluate(predictions: pl.DataFrame) -> list[Row]:
        graded = qrels.join(predictions, on=["query_id", "pin_id"], how="semi")
        return list(evaluate_grades(predictions, graded, queries, by=by))

    return evaluate


def _tell_trained(out: Path) -> None:
    """Says on stderr what was trained and how the last epoch did."""
    from relevance.teacher.model import read_settings

    settings = read_settings(out)
    if settings.note:
        notes.print(settings.note, highlight=False)
    last = settings.history[-1]
    figures = [
        f"{figure['metric']} {figure['value']:.3f}"
        for figure in last.get("metrics", ())
        if figure["group"] == "all" and figure["value"] is not None
    ]
    notes.print(
        f"{out}: {settings.base} from {settings.source}; validation {', '.join(figures) or '-'}",
        highlight=False,
    )
