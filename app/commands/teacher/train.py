"""`gradewise teacher train`: from people's grades to a model folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.teacher.config_options import with_options
from app.commands.teacher.epochs import epoch_printer, make_evaluator
from app.commands.teacher.options import PinsOption, QrelsOption, QueriesOption
from app.output import OverwriteOption, notes, progress_bar
from app.settings import configure
from relevance.errors import GradewiseError, SettingsError, require_extra
from relevance.teacher.config import TeacherConfig
from relevance.teacher.processes import launched, rank, relaunch


@with_options(TeacherConfig)
def train(
    *,
    qrels: QrelsOption,
    queries: QueriesOption,
    pins: PinsOption,
    out: Annotated[Path, typer.Option("--out", help="Model folder to write.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted run from its checkpoint.")
    ] = False,
    overwrite: OverwriteOption = False,
    folds: Annotated[
        int | None,
        typer.Option("--folds", min=2, help="Also write out-of-fold predictions of the qrels."),
    ] = None,
    **flags: Any,
) -> None:
    """Trains a teacher on graded pairs.

    gradewise teacher train --qrels qrels.parquet --queries queries.parquet --pins pins.parquet
    --base multilingual-e5-small --out models/teacher
    """
    config = configure(TeacherConfig, "teacher", **flags)
    if rank() == 0:
        _refuse(out, resume=resume, overwrite=overwrite)
    for module in ("torch", "transformers"):
        require_extra(module, "teacher")
    if config.processes > 1 and launched() == 1:
        _share(config)
        return
    try:
        _train({"qrels": qrels, "queries": queries, "pins": pins}, out, config, resume, folds)
    except GradewiseError:
        if rank() == 0:
            raise
        raise SystemExit(1) from None  # the main process says it


def _share(config: TeacherConfig) -> None:
    """Runs this same command line in several processes."""
    from relevance.training import cores

    threads = config.threads or max(1, cores() // config.processes)
    relaunch("app.cli", sys.argv[1:], processes=config.processes, threads=threads)


def _train(
    tables: dict[str, Path], out: Path, config: TeacherConfig, resume: bool, folds: int | None
) -> None:
    from relevance.tables import read_table
    from relevance.teacher.folds import PREDICTIONS, train_folds
    from relevance.teacher.train import train_teacher

    graded, asked, shown = (read_table(path, name) for name, path in tables.items())
    evaluate = make_evaluator(graded, asked)
    if folds:
        with progress_bar(f"{folds} folds") as progress:
            train_folds(
                graded, asked, shown, out, config,
                folds=folds, evaluate=evaluate, resume=resume, progress=progress,
            )  # fmt: skip
        _tell(f"out-of-fold predictions: {out / PREDICTIONS}")
    with progress_bar("teacher") as progress:
        train_teacher(
            graded, asked, shown, out, config,
            evaluate=evaluate, resume=resume, progress=progress, told=epoch_printer(),
        )  # fmt: skip
    _tell_trained(out)


def _refuse(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Raises `SettingsError` unless it is clear what shall become of what is in `out`."""
    if resume and overwrite:
        raise SettingsError("--resume continues what --overwrite would replace. Give one of them")
    if not resume and not overwrite and out.exists() and any(out.iterdir()):
        raise SettingsError(
            f"{out} is there already. Add --resume to continue it or --overwrite to replace it"
        )


def _tell_trained(out: Path) -> None:
    """Says on stderr what was trained and how its best epoch did."""
    from relevance.teacher.card import best_epoch
    from relevance.teacher.model import read_settings

    settings = read_settings(out)
    if settings.note:
        _tell(settings.note)
    best = best_epoch(settings.history)
    figures = [
        f"{figure['metric']} {figure['value']:.3f}"
        for figure in settings.history[best - 1].get("metrics", ())
        if figure["group"] == "all" and figure["value"] is not None
    ]
    _tell(
        f"{out}: {settings.base} from {settings.source}; epoch {best} of "
        f"{len(settings.history)}, temperature {settings.temperature:.2f}; "
        f"validation {', '.join(figures) or '-'}"
    )


def _tell(line: str) -> None:
    if rank() == 0:
        notes.print(line, highlight=False)
