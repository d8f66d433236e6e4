"""`gradewise annotation queue`: which pairs deserve another look, and by whom."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.annotation.options import DEFAULT_WORKSPACE, WorkspaceOption
from app.output import Format, FormatOption, OverwriteOption, notes, print_table
from app.scales import ScaleOption, scale_named

if TYPE_CHECKING:
    import polars as pl

    from relevance.grades import GradeScale
    from relevance.workspace import Workspace

_SHOWN = 10


class Purpose(enum.StrEnum):
    """Who looks again."""

    SENIOR = "senior"
    EXTRA = "extra"
    CALIBRATION = "calibration"


def queue(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    *,
    purpose: Annotated[
        Purpose,
        typer.Option(
            "--for",
            help="senior: disputed pairs, for a blind ruling. extra: where one more opinion pays. "
            "calibration: known grades for new annotators.",
        ),
    ],
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Budget of grading time; default: all that pays.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of a calibration set.")] = 40,
    loss: Annotated[
        str, typer.Option(help="What a wrong grade costs: absolute, quadratic or zero-one.")
    ] = "absolute",
    apart: Annotated[
        int, typer.Option("--range", min=1, help="Range of grades that makes a pair disputed.")
    ] = 2,
    entropy: Annotated[
        float | None,
        typer.Option(min=0, help="Entropy in bits that makes it doubtful; half of the most."),
    ] = None,
    least: Annotated[
        float, typer.Option(min=0, help="Least gain of an extra vote, in the loss.")
    ] = 0.02,
    method: Annotated[str, typer.Option(help="Adjudicator behind the posterior.")] = "auto",
    scale: ScaleOption = "five",
    form: FormatOption = Format.TEXT,
    overwrite: OverwriteOption = False,
) -> None:
    """Writes queue-senior, queue-extra or queue-calibration, the most valuable pairs first.

    Send it with annotation push; what a senior then says overrides (adjudicate --rulings):

        gradewise annotation queue --workspace demo --for senior --minutes 60
    """
    from app.output import refuse_to_overwrite
    from relevance.workspace import Workspace

    space, of = Workspace(workspace), scale_named(scale)
    path = workspace / f"queue-{purpose}.parquet"
    refuse_to_overwrite(path, overwrite)
    if purpose is Purpose.CALIBRATION:
        frame = _calibration(space, of, pairs, overwrite=overwrite)
    else:
        frame = _doubtful(
            space, of, purpose, minutes=minutes, loss=loss, apart=apart, entropy=entropy,
            least=least, method=method,
        )  # fmt: skip
    write_queue(frame, space, purpose, {"minutes": minutes, "loss": loss, "method": method})
    _tell(frame, path, purpose, form)


def _doubtful(
    space: Workspace,
    scale: GradeScale,
    purpose: Purpose,
    *,
    minutes: float | None,
    loss: str,
    apart: int,
    entropy: float | None,
    least: float,
    method: str,
) -> pl.DataFrame:
    from annotation.adjudicate import adjudicated
    from annotation.queue import doubts, extra_queue, senior_queue
    from relevance.tables import read_table

    gold = space.read("gold") if space.has("gold") else None
    rulings = space.read("rulings") if space.has("rulings") else None
    samples = space.read("samples") if space.has("samples") else None
    if not space.has("judgments"):
        space.read("judgments", made_by="gradewise annotation pull")
    judgments = read_table(space.path("judgments"), "judgments", scale=scale)
    made = adjudicated(judgments, method, scale, gold=gold)
    found = doubts(judgments, made, scale, gold=gold, rulings=rulings)
    if purpose is Purpose.SENIOR:
        return senior_queue(
            found, samples=samples, minutes=minutes, apart=apart, entropy=entropy, loss=loss
        )
    return extra_queue(
        found,
        made,
        samples=samples,
        locales=_locales(space),
        minutes=minutes,
        least=least,
        loss=loss,
    )


def _calibration(
    space: Workspace, scale: GradeScale, pairs: int, *, overwrite: bool
) -> pl.DataFrame:
    """Chooses the set, keeps its grades in gold-calibration, and returns what is to be pushed."""
    import polars as pl

    from annotation.graders.calibration_set import calibration_pairs
    from annotation.queue.pairs import with_samples
    from app.output import refuse_to_overwrite
    from relevance.tables import read_table

    refuse_to_overwrite(space.path("gold-calibration"), overwrite)
    if not space.has("qrels"):
        space.read("qrels", made_by="gradewise annotation adjudicate")
    chosen = calibration_pairs(
        read_table(space.path("qrels"), "qrels", scale=scale), pairs, scale=scale
    )
    space.write(
        "gold-calibration",
        chosen.select("query_id", "pin_id", "grade", "source", "certainty", "kind"),
        command="annotation queue",
        inputs=space.hashes("qrels"),
        config={"pairs": pairs},
    )
    samples = space.read("samples") if space.has("samples") else None
    return with_samples(chosen, samples).select(
        "query_id",
        "pin_id",
        "inclusion_probability",
        "stratum",
        pl.lit("gold").alias("draw"),
        pl.lit(None, pl.Int64).alias("overlap"),
        pl.col("kind").alias("reason"),
    )


def _locales(space: Workspace) -> pl.DataFrame | None:
    """query_id, locale of the workspace's queries; None without them."""
    import polars as pl

    from annotation.tasks import locale_of

    if not space.has("queries"):
        return None
    queries = space.read("queries")
    locale = [locale_of(row) for row in queries.iter_rows(named=True)]
    return queries.select("query_id", pl.Series("locale", locale, dtype=pl.String))


def write_queue(
    frame: pl.DataFrame,
    space: Workspace,
    purpose: Purpose,
    config: Mapping[str, object],
    *,
    command: str = "annotation queue",
) -> None:
    """Writes the queue in its own order, the most valuable pair first."""
    from relevance.files import atomic
    from relevance.provenance import write_provenance

    path = space.root / f"queue-{purpose}.parquet"
    with atomic(path) as temporary:
        frame.write_parquet(temporary)
    inputs = space.hashes("judgments", "qrels", "gold", "rulings", "samples", "queries")
    write_provenance(path, command=command, inputs=inputs, config={"for": purpose, **config})


def _tell(frame: pl.DataFrame, path: Path, purpose: Purpose, form: Format) -> None:
    """Prints the first pairs (all of them in JSON and CSV), and what to do next."""
    import polars as pl

    from app.commands.annotation.options import show

    if form in (Format.JSON, Format.CSV):
        show(frame.to_dicts(), form)
    elif frame.height:
        figures = [name for name in ("worth", "entropy", "seconds") if name in frame.columns]
        shown = frame.head(_SHOWN).with_columns(pl.col(figures).round(2))
        names = ["query_id", "pin_id", "stratum", "reason", "range", "entropy", "worth", "seconds"]
        kept = [name for name in names if name in frame.columns]
        rows = [[str(cell) for cell in row] for row in shown.select(kept).iter_rows()]
        if form is Format.MARKDOWN:
            from relevance.results import markdown_table

            typer.echo(markdown_table(kept, rows))
        else:
            print_table(kept, rows)
    more = f", the first {_SHOWN} above" if frame.height > _SHOWN and form is Format.TEXT else ""
    cost = f", {frame['seconds'].sum() / 60:,.0f} minutes" if "seconds" in frame.columns else ""
    notes.print(f"{frame.height:,} pairs{cost}{more} → {path}")
    send = "senior" if purpose is Purpose.SENIOR else "extra"
    if frame.height:
        notes.print(f"next: gradewise annotation push --purpose {send} --samples {path}")
