"""`gradewise annotation adjudicate`: judgments to trusted grades."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.output import (
    Format,
    FormatOption,
    LevelOption,
    OverwriteOption,
    SeedOption,
    emit,
    notes,
    progress_bar,
    refuse_to_overwrite,
)
from app.scales import ScaleOption, scale_named

if TYPE_CHECKING:
    import polars as pl

    from annotation.adjudicate import Adjudication


def adjudicate(
    *,
    judgments: Annotated[Path, typer.Argument(help="Judgments: CSV, JSONL or Parquet.")],
    out: Annotated[Path, typer.Option(help="File of the qrels; its ending names the format.")],
    method: Annotated[
        str,
        typer.Option(
            help="auto, majority, median, smoothed, one-coin, dawid-skene[-shrunk], ordinal "
            "or nominal."
        ),
    ] = "auto",
    gold: Annotated[
        Path | None,
        typer.Option(help="Grades known beforehand: they stand, and a table tells who wins."),
    ] = None,
    rulings: Annotated[
        Path | None, typer.Option(help="Seniors' judgments, which override.")
    ] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Samples whose inclusion probabilities to hand on.")
    ] = None,
    scale: ScaleOption = "five",
    entropy: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Bits of entropy from which a posterior is in doubt; half of the most by default.",
        ),
    ] = None,
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.TEXT,
    overwrite: OverwriteOption = False,
) -> None:
    """Turns judgments into qrels: one grade a pair, with a posterior over the grades.

    gradewise annotation adjudicate demo/judgments.parquet --out demo/qrels.parquet
    """
    from annotation.adjudicate import adjudicated, on_gold
    from annotation.adjudicate.tables import overrule
    from relevance.files import hash_file
    from relevance.provenance import write_provenance
    from relevance.tables import read_table, write_table

    grades = scale_named(scale)
    refuse_to_overwrite(out, overwrite)
    given = read_table(judgments, "judgments", scale=grades)
    known = None if gold is None else read_table(gold, "gold", scale=grades)
    ruled = None if rulings is None else read_table(rulings, "rulings", scale=grades)
    with progress_bar("adjudicating") as progress:
        found = adjudicated(given, method, grades, gold=known, progress=progress)
    qrels = found.qrels()
    if ruled is not None:
        qrels = overrule(qrels, ruled, grades, found.levels)
    if samples is not None:
        qrels = _with_probabilities(qrels, read_table(samples, "samples"))
    write_table(qrels, out, "qrels")
    files = [file for file in (judgments, gold, rulings, samples) if file is not None]
    write_provenance(
        out,
        command="annotation adjudicate",
        inputs={file.name: hash_file(file) for file in files},
        config={"method": method, "scale": scale, "found": found.method},
    )
    _tell(found, qrels, out, entropy)
    if known is not None:
        results = on_gold(given, known, grades, level=level, seed=seed)
        if not len(results):
            notes.print("No gold pair was judged: nothing tells which method wins")
        else:
            emit(results, form)


def _tell(found: Adjudication, qrels: pl.DataFrame, out: Path, entropy: float | None) -> None:
    """What was made, how sure it is, and what to do about the rest."""
    import math

    from annotation.queue.senior import doubtful_from

    ruled = int(qrels["method"].str.starts_with("ruling(").sum())
    notes.print(f"{qrels.height:,} pairs adjudicated by {found.method} → {out}")
    for name, score in sorted(found.scores.items(), key=lambda each: -each[1]):
        notes.print(f"  {name:<10} {score:8.4f} nats a held-out vote", highlight=False)
    if found.pairs.height:
        sure = found.posterior.max(axis=1).mean()
        bar = doubtful_from(len(found.levels)) if entropy is None else entropy
        unsure = int((found.entropy / math.log(2) >= bar).sum())
        notes.print(f"Mean probability of the chosen grade {sure:.3f}")
        hint = ": gradewise annotation queue" if unsure else ""
        notes.print(f"{unsure:,} pairs in doubt (entropy of {bar:.2f} bits or more){hint}")
    if found.is_gold.any():
        notes.print(f"{int(found.is_gold.sum()):,} pairs are gold and keep their grade")
    if ruled:
        notes.print(f"{ruled:,} pairs ruled by seniors")
    if found.n_repeated:
        notes.print(f"{found.n_repeated:,} judgments replaced by a later one of the same annotator")
    if found.n_abstained:
        notes.print(f"{found.n_abstained:,} pairs left out: everybody abstained")


def _with_probabilities(qrels: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    measured = "measure" if "measure" in samples["draw"] else "pool"  # others measure nothing
    drawn = samples.filter(pl.col("draw") == measured)
    largest = drawn.group_by("query_id", "pin_id").agg(pl.col("inclusion_probability").max())
    return qrels.drop("inclusion_probability", strict=False).join(
        largest, on=["query_id", "pin_id"], how="left", maintain_order="left"
    )
