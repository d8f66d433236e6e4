"""`gradewise teacher compare`: several bases on the same folds, beside what the paper reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.teacher import contest
from app.commands.teacher.config_options import with_options
from app.commands.teacher.options import PinsOption, QrelsOption, QueriesOption
from app.output import Format, FormatOption, LevelOption, OverwriteOption, progress_bar
from app.published import SOURCE, published_base
from app.settings import configure
from relevance.errors import require_extra
from relevance.results import Results, Row
from relevance.teacher.config import TeacherConfig

if TYPE_CHECKING:
    from relevance.teacher.compare import Contender, Outcome

RESULTS = "teachers"


@with_options(TeacherConfig, leave_out=("base", "processes"))
def compare(
    *,
    bases: Annotated[
        str, typer.Option("--bases", help="Comma-separated; the first is compared with.")
    ],
    qrels: QrelsOption,
    queries: QueriesOption,
    pins: PinsOption,
    out: Annotated[
        Path, typer.Option("--out", help="Folder to write to; an interrupted run continues.")
    ],
    folds: contest.FoldsOption = 5,
    metrics: contest.MetricsOption = contest.METRICS,
    by: contest.ByOption = None,
    level: LevelOption = 0.95,
    overwrite: OverwriteOption = False,
    form: FormatOption = Format.TEXT,
    **flags: Any,
) -> None:
    """Trains several bases on the same folds and prints the paper's table with ours beside it.

    gradewise teacher compare --bases multilingual-e5-small,all-MiniLM-L6-v2
    --qrels qrels.parquet --queries queries.parquet --pins pins.parquet --folds 5 --out teachers

    Every figure is out of fold: each pair is graded by a teacher that never saw its query. A base
    whose weights cannot be had gets a row that says how to get them. Decoders are tuned with LoRA
    (in 4 bits from a billion weights on) unless --tuning says otherwise.
    """
    for module in ("torch", "transformers"):
        require_extra(module, "teacher")
    from relevance.teacher.compare import base_contenders, baseline_predictions, clear, out_of_fold

    config = configure(TeacherConfig, "teacher", **flags)
    names = [name.strip() for name in bases.split(",") if name.strip()]
    contenders = base_contenders(names, config, tuning=flags["tuning"])
    graded, asked, shown = contest.read_tables(qrels=qrels, queries=queries, pins=pins)
    measuring = contest.Measuring(graded, asked, metrics, by or (), level, config.seed)
    measuring.check()
    if overwrite:
        clear(out, contenders)
    evaluate = contest.evaluator(graded, asked)
    with progress_bar("compare") as progress:
        outcomes = list(
            out_of_fold(
                graded, asked, shown, out, contenders,
                folds=folds, evaluate=evaluate, progress=progress,
            )
        )  # fmt: skip
    beaten = baseline_predictions(graded, asked, shown, folds=folds, seed=config.seed)
    results = base_results(outcomes, measuring)
    for predictions in beaten.values():
        results += measuring.alone(predictions)
    settings = {"bases": names, "folds": folds, "metrics": metrics, "epochs": config.epochs}
    contest.save(results, out, RESULTS, "gradewise teacher compare", settings)
    if not contest.finish(results + published_rows(names, measuring.names), form):
        _print(results, outcomes, contenders, measuring, form)


def base_results(outcomes: Sequence[Outcome], measuring: contest.Measuring) -> Results:
    """Figures of the first base that has any, the others' beside them, what each took.

    A base without predictions has a row a metric without a figure, whose note says why.
    """
    frames = [each.predictions for each in outcomes if each.predictions is not None]
    results = Results(())
    if frames:
        results += measuring.alone(frames[0])
    if len(frames) > 1:
        results += measuring.against(frames[0], frames[1:])
    rows: list[Row] = []
    for each in outcomes:
        if each.predictions is None:
            rows += [Row(metric=m, system=each.name, note=each.note) for m in measuring.names]
            continue
        for metric, value in (
            (contest.SECONDS, each.seconds), (contest.RATE, each.pairs_per_second),
        ):  # fmt: skip
            n = each.predictions.height
            rows.append(Row(metric=metric, system=each.name, value=value, n=n, note=each.note))
    return results + Results(tuple(rows))


def published_rows(bases: Sequence[str], metrics: Sequence[str]) -> Results:
    """The paper's figures of the same bases: slice `published`, never among ours."""
    rows = [
        Row(
            metric=metric,
            slice="published",
            group=found.status,
            system=base,
            value=found.value(metric),
            note=f"{found.model}, {SOURCE}: other data, not ours",
        )
        for base in bases
        if (found := published_base(base)) is not None
        for metric in metrics
        if found.value(metric) is not None
    ]
    return Results(tuple(rows))


def _print(
    results: Results,
    outcomes: Sequence[Outcome],
    contenders: Sequence[Contender],
    measuring: contest.Measuring,
    form: Format,
) -> None:
    known = {each.name: each for each in outcomes}
    tuned = {each.name: each.config.tuning for each in contenders}
    pairs, queries = measuring.qrels.height, measuring.qrels["query_id"].n_unique()

    def seconds(name: str) -> str:
        took = known[name].seconds if name in known else None
        return "" if took is None else f"{took:,.0f}"

    def rate(name: str) -> str:
        found = known[name].pairs_per_second if name in known else None
        return "" if found is None else f"{found:,.1f}"

    contest.show_figures(
        results,
        heading="base",
        metrics=measuring.names,
        form=form,
        title=f"Out of fold, {pairs:,} pairs of {queries:,} queries",
        order=list(known),
        more={
            "published": _published,
            "tuning": lambda name: tuned.get(name, ""),
            "seconds": seconds,
            "pairs/s": rate,
            "note": lambda name: known[name].note if name in known else "",
        },
    )
    first = next((each.name for each in outcomes if each.predictions is not None), "")
    contest.show_differences(
        results,
        heading="base",
        metrics=measuring.names,
        form=form,
        title=f"Difference to {first} over the same pairs, p (Holm)",
    )
    lines = [
        contest.meaning(measuring.level),
        "seconds: training and labelling all folds; pairs/s: labelling",
    ]
    if len(published_rows(list(known), measuring.names)):
        lines.append(
            f"published: accuracy, AUROC@3/4/5 in {SOURCE}, other data and guideline: "
            "the shape to expect, not a score to reach"
        )
    contest.say(lines)


def _published(base: str) -> str:
    found = published_base(base)
    if found is None:
        return ""
    first, *areas = (contest.short(value) for value in found.values)
    return f"{first}, {'/'.join(areas)} ({found.status})"
