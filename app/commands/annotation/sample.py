"""`gradewise annotation sample`: which pairs to grade."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.annotation.options import (
    DEFAULT_WORKSPACE,
    WorkspaceOption,
    show,
)
from app.commands.annotation.sample_draw import Draw
from app.commands.annotation.sample_plan import Asked, check
from app.output import (
    Format,
    FormatOption,
    LevelOption,
    OverwriteOption,
    SeedOption,
    notes,
    refuse_to_overwrite,
)

_SOURCE = "What can be drawn"
_DESIGN = "How much is drawn, and how"
_KNOWN = "What is known"
_PEOPLE = "What people are asked"


def sample(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    run: Annotated[
        list[str] | None,
        typer.Option(
            help="A run to pool: a file, or a table runs-NAME of the workspace; may be repeated.",
            rich_help_panel=_SOURCE,
        ),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            help="A log to pool: pairs with position and impressions; `pairs` for the workspace's.",
            rich_help_panel=_SOURCE,
        ),
    ] = None,
    unjudged: Annotated[
        str | None,
        typer.Option(
            help="The file of `evaluation compare --unjudged`: the holes.", rich_help_panel=_SOURCE
        ),
    ] = None,
    depth: Annotated[
        int,
        typer.Option(help="Pool the first DEPTH Pins of each run.", min=1, rich_help_panel=_SOURCE),
    ] = 20,
    queries: Annotated[
        str | None,
        typer.Option(
            help="Random queries with all their pairs: N of each stratum (of each country with "
            "--allocate), or US=30,FR=12.",
            rich_help_panel=_DESIGN,
        ),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(
            help="Random pairs: N in all, spread over the strata, or US=400,FR=200.",
            rich_help_panel=_DESIGN,
        ),
    ] = None,
    minutes: Annotated[
        str | None,
        typer.Option(
            help="As many as people grade in so many minutes: of each country, or US=300,FR=120. "
            "A design without any amount has 300.",
            rich_help_panel=_DESIGN,
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="What --minutes buys: whole queries (for every metric; default) or pairs (with "
            "--size, fewer of them do for P@k and DCG@k).",
            rich_help_panel=_DESIGN,
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="Columns of queries that make strata, coarse to fine, with commas; '' for none; "
            "popularity = classes of traffic within the country.",
            rich_help_panel=_DESIGN,
        ),
    ] = "country",
    classes: Annotated[
        int, typer.Option(help="Classes of popularity.", min=2, rich_help_panel=_DESIGN)
    ] = 3,
    allocate: Annotated[
        str | None,
        typer.Option(
            help="Over strata: proportional (default), neyman (more where figures varied) or even.",
            rich_help_panel=_DESIGN,
        ),
    ] = None,
    measure: Annotated[
        str | None,
        typer.Option(
            "--for",
            help="Figure that neyman serves; default P@8. Single pairs: P@k, DCG@k, accuracy; "
            "queries: any ranking metric.",
            rich_help_panel=_DESIGN,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Draw pairs in proportion to the teacher's doubt (entropy, loss or spread), to "
            "what is best for a figure (accuracy; relevance for P@k; gain for DCG@k), or to a "
            "column such as weight.",
            rich_help_panel=_DESIGN,
        ),
    ] = None,
    rank_weight: Annotated[
        str | None,
        typer.Option(
            help="Times the weight of the best rank: dcg, dcg@20 or p@8.", rich_help_panel=_DESIGN
        ),
    ] = None,
    active: Annotated[
        bool,
        typer.Option(
            "--active",
            help="For --draw training: pairs the teacher is unsure of (and the student sees "
            "otherwise), unlike each other.",
            rich_help_panel=_DESIGN,
        ),
    ] = False,
    predictions: Annotated[
        str | None,
        typer.Option(help="The teacher's grades of the candidates.", rich_help_panel=_KNOWN),
    ] = None,
    student: Annotated[
        str | None, typer.Option(help="The student's grades, for --active.", rich_help_panel=_KNOWN)
    ] = None,
    past: Annotated[
        str | None,
        typer.Option(
            help="Past grades, which show how figures vary; default: the table qrels.",
            rich_help_panel=_KNOWN,
        ),
    ] = None,
    judged: Annotated[
        list[str] | None,
        typer.Option(
            help="Judgments or qrels whose pairs are not paid again but counted in; may be "
            "repeated.",
            rich_help_panel=_KNOWN,
        ),
    ] = None,
    judgments: Annotated[
        str | None,
        typer.Option(
            help="Past judgments, which show people's pace; default: the table judgments.",
            rich_help_panel=_KNOWN,
        ),
    ] = None,
    overlap: Annotated[
        str | None,
        typer.Option(
            help="Opinions a pair: N, US=2,JP=3, or a CSV of stratum,overlap; default as pushed.",
            rich_help_panel=_PEOPLE,
        ),
    ] = None,
    adaptive: Annotated[
        bool,
        typer.Option(
            "--adaptive-overlap",
            help="Up to two more in strata where people disagreed (--judgments).",
            rich_help_panel=_PEOPLE,
        ),
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="A judgment takes; default as past judgments show by language, else 15.",
            rich_help_panel=_PEOPLE,
        ),
    ] = None,
    gold: Annotated[
        str | None,
        typer.Option(
            help="Hidden questions of the table gold: N of each locale, or 5% of its pairs.",
            rich_help_panel=_PEOPLE,
        ),
    ] = None,
    repeats: Annotated[
        str | None,
        typer.Option(help="Pairs asked a second time: 5% of them.", rich_help_panel=_PEOPLE),
    ] = None,
    draw: Annotated[str, typer.Option(help="measure, training or pool.")] = "measure",
    append: Annotated[bool, typer.Option("--append", help="Add to the samples there are.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print cost and expected intervals; write nothing.")
    ] = False,
    frame: Annotated[
        Path | None,
        typer.Option(
            help="File for every pair that could be drawn, with its probability: the --pairs of "
            "`evaluation ranking --sampled`."
        ),
    ] = None,
    seed: SeedOption = 0,
    level: LevelOption = 0.95,
    overwrite: OverwriteOption = False,
    form: FormatOption = Format.TEXT,
) -> None:
    """Draws the pairs to grade and writes `samples` with their inclusion probabilities.

    Candidates are the pooled runs, a log, the holes of a comparison, or else the table `pairs`; of
    these all are taken, or random queries, or random pairs. What it costs by country, and half the
    width of the intervals to expect where past grades or a teacher tell, is printed first:

        gradewise annotation sample --workspace demo --run production --run candidate
        --minutes US=300,FR=120 --by country,segment --gold 5% --repeats 5% --dry-run
    """
    from relevance.workspace import Workspace

    asked = Asked(
        run=tuple(run or ()), log=log, unjudged=unjudged, depth=depth, queries=queries,
        pairs=pairs, minutes=minutes, unit=unit, by=by, classes=classes, allocate=allocate,
        measure=measure, size=size, rank_weight=rank_weight, active=active,
        predictions=predictions, student=student, past=past, judged=tuple(judged or ()),
        judgments=judgments, overlap=overlap, adaptive=adaptive, seconds=seconds, gold=gold,
        repeats=repeats, draw=draw, append=append, seed=seed,
    )  # fmt: skip
    check(asked)
    space = Workspace(workspace)
    if not (append or dry_run):
        refuse_to_overwrite(space.path("samples"), overwrite)
    if frame is not None and not dry_run:
        refuse_to_overwrite(frame, overwrite)
    made = Draw(space, asked, level)
    for note in made.notes:
        notes.print(f"note: {note}")
    show(made.report, form)
    notes.print(
        f"{made.n_drawn:,} of {made.frame.rows.height:,} candidate pairs "
        f"{'would be ' if dry_run else ''}drawn ({draw})"
    )
    if dry_run:
        return
    made.write()
    if frame is not None:
        made.write_frame(frame)
