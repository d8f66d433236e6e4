"""`gradewise teacher ablate`: what each text feature is worth, and how far wrong captions carry."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.teacher import contest
from app.commands.teacher.caption_study import run_captions
from app.commands.teacher.config_options import with_options
from app.commands.teacher.options import PinsOption, QrelsOption, QueriesOption
from app.output import Format, FormatOption, LevelOption, OverwriteOption, notes, progress_bar
from app.settings import configure
from relevance.errors import ModelError, SettingsError, require_extra
from relevance.results import Results
from relevance.teacher.config import TeacherConfig

if TYPE_CHECKING:
    import polars as pl

    from relevance.teacher.ablate import FeatureSet
    from relevance.teacher.compare import Outcome

RESULTS = "ablation"


class Design(enum.StrEnum):
    """Which sets of features are trained."""

    BOTH = "both"
    CUMULATIVE = "cumulative"
    LEAVE_ONE_OUT = "leave-one-out"


class Damage(enum.StrEnum):
    """What is done to captions."""

    DROP = "drop"
    SHUFFLE = "shuffle"
    LANGUAGE = "language"


@with_options(TeacherConfig, leave_out=("processes",))
def ablate(
    *,
    qrels: QrelsOption,
    queries: QueriesOption,
    pins: PinsOption,
    out: Annotated[
        Path, typer.Option("--out", help="Folder to write to; an interrupted run continues.")
    ],
    features: Annotated[
        str | None,
        typer.Option(
            "--features",
            help="Steps in their order, comma-separated; `a+b` come together. Else the paper's: "
            "title,description,image_caption,board_titles,engaged_queries,"
            "link_title+link_description.",
        ),
    ] = None,
    design: Annotated[
        Design, typer.Option("--design", help="Sets that grow step by step, all but one, or both.")
    ] = Design.BOTH,
    captions: Annotated[
        Damage | None,
        typer.Option(
            "--captions", help="Instead: train once, then damage captions of the test Pins."
        ),
    ] = None,
    shares: Annotated[
        str, typer.Option("--shares", help="With --captions: shares to damage, in percent.")
    ] = "25,50,100",
    model: Annotated[
        Path | None,
        typer.Option("--model", help="With --captions: a trained teacher to use instead."),
    ] = None,
    folds: contest.FoldsOption = 5,
    metrics: contest.MetricsOption = contest.METRICS,
    by: contest.ByOption = None,
    level: LevelOption = 0.95,
    overwrite: OverwriteOption = False,
    form: FormatOption = Format.TEXT,
    **flags: Any,
) -> None:
    """Trains the teacher with more and fewer text features of the Pins, on the same folds.

    gradewise teacher ablate --qrels qrels.parquet --queries queries.parquet --pins pins.parquet
    --features title,description,image_caption,board_titles --folds 5 --out ablation

    Every figure is out of fold, every difference paired: a growing set against the one before it,
    a set without a feature against all. With --captions drop, shuffle or language one teacher is
    trained on all but one fold, and that fold is labelled with 25, 50 and 100 % of its captions
    damaged:

    gradewise teacher ablate --captions shuffle --qrels qrels.parquet --queries queries.parquet
    --pins pins.parquet --out caption-noise
    """
    for module in ("torch", "transformers"):
        require_extra(module, "teacher")
    config = configure(TeacherConfig, "teacher", **flags)
    if model is not None and captions is None:
        raise SettingsError("--model is used by --captions drop|shuffle|language: give that, too")
    graded, asked, shown = contest.read_tables(qrels=qrels, queries=queries, pins=pins)
    measuring = contest.Measuring(graded, asked, metrics, by or (), level, config.seed)
    measuring.check()
    if captions is not None:
        run_captions(
            measuring, shown, out, config, kind=captions.value, shares=shares, model=model,
            folds=folds, overwrite=overwrite, form=form,
        )  # fmt: skip
        return
    sets = _sets(features, design, shown)
    found = _trained(sets, measuring, shown, out, config, folds=folds, overwrite=overwrite)
    parts = {name: _measured(found, sets, name, measuring) for name in _designs(sets)}
    results = Results(tuple(row for part in parts.values() for row in part))
    settings = {"features": [each.name for each in sets], "folds": folds, "base": config.base}
    contest.save(results, out, RESULTS, "gradewise teacher ablate", settings)
    if not contest.finish(results, form):
        _print(parts, measuring, form, config.base)


def _sets(features: str | None, design: Design, pins: pl.DataFrame) -> list[FeatureSet]:
    from relevance.teacher.ablate import (
        STEPS,
        cumulative,
        leave_one_out,
        present_steps,
        read_steps,
    )

    steps, absent = present_steps(read_steps(features or ",".join(STEPS)), pins)
    if absent:
        notes.print(f"no Pin has {', '.join(absent)}: left out", highlight=False)
    growing = cumulative(steps) if design is not Design.LEAVE_ONE_OUT else []
    return growing + (leave_one_out(steps) if design is not Design.CUMULATIVE else [])


def _trained(
    sets: Sequence[FeatureSet],
    measuring: contest.Measuring,
    pins: pl.DataFrame,
    out: Path,
    config: TeacherConfig,
    *,
    folds: int,
    overwrite: bool,
) -> dict[str, Outcome]:
    """What came of each set, by its folder.

    Raises:
        ModelError: The base cannot be had or does not learn.
    """
    from relevance.teacher.ablate import feature_contenders
    from relevance.teacher.compare import clear, out_of_fold

    contenders = feature_contenders(sets, config)
    if overwrite:
        clear(out, contenders)
    found = {}
    with progress_bar("ablate") as progress:
        for each in out_of_fold(
            measuring.qrels, measuring.queries, pins, out, contenders, folds=folds,
            evaluate=contest.evaluator(measuring.qrels, measuring.queries), progress=progress,
        ):  # fmt: skip
            if each.predictions is None:
                raise ModelError(each.note)
            found[each.name] = each
    return found


def _designs(sets: Sequence[FeatureSet]) -> list[str]:
    return list(dict.fromkeys(each.design for each in sets))


def _measured(
    found: Mapping[str, Outcome],
    sets: Sequence[FeatureSet],
    design: str,
    measuring: contest.Measuring,
) -> Results:
    """Figures of the sets of a design, each beside the one that it is compared with."""
    import polars as pl

    frames = [
        frame.with_columns(model=pl.lit(each.name))
        for each in sets
        if each.design == design and (frame := found[each.folder].predictions) is not None
    ]
    results = measuring.alone(frames[0])
    if design == Design.CUMULATIVE:
        return results + measuring.in_turn(frames)
    return results + measuring.against(frames[0], frames[1:])


def _print(
    parts: Mapping[str, Results], measuring: contest.Measuring, form: Format, base: str
) -> None:
    pairs, queries = measuring.qrels.height, measuring.qrels["query_id"].n_unique()
    names = measuring.names
    for design, part in parts.items():
        title = f"{base}, {design}: out of fold, {pairs:,} pairs of {queries:,} queries"
        contest.show_figures(part, heading="text", metrics=names, form=form, title=title)
        told = "Difference to " + (
            "the set before" if design == Design.CUMULATIVE else "all features"
        )
        contest.show_differences(part, heading="text", metrics=names, form=form, title=told)
    contest.say([contest.meaning(measuring.level)])
