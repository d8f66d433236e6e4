"""`gradewise annotation adjudicate`: judgments to trusted grades."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.output import (
    OverwriteOption,
    notes,
    refuse_to_overwrite,
)

if TYPE_CHECKING:
    import polars as pl


def adjudicate(
    *,
    judgments: Annotated[Path, typer.Argument(help="Judgments: CSV, JSONL or Parquet.")],
    out: Annotated[Path, typer.Option(help="File of the qrels; its ending names the format.")],
    method: Annotated[
        str, typer.Option(help="auto, majority, median, smoothed or dawid-skene[-shrunk].")
    ] = "auto",
    samples: Annotated[
        Path | None, typer.Option(help="Samples whose inclusion probabilities to hand on.")
    ] = None,
    scale: Annotated[str, typer.Option(help="Scale of the grades: five, trec, esci.")] = "five",
    overwrite: OverwriteOption = False,
) -> None:
    """Turns judgments into qrels: one grade a pair, with a posterior over the grades.

    gradewise annotation adjudicate demo/judgments.parquet --out demo/qrels.parquet
    """
    from annotation.adjudicate import adjudicate as settle
    from relevance.errors import InputError, did_you_mean
    from relevance.files import hash_file
    from relevance.grades import SCALES
    from relevance.provenance import write_provenance
    from relevance.tables import read_table, write_table

    if scale not in SCALES:
        raise InputError(f"scale {scale!r} is unknown.{did_you_mean(scale, SCALES)}")
    refuse_to_overwrite(out, overwrite)
    given = read_table(judgments, "judgments", scale=SCALES[scale])
    qrels = settle(given, method, SCALES[scale])
    if samples is not None:
        qrels = _with_probabilities(qrels, read_table(samples, "samples"))
    write_table(qrels, out, "qrels")
    write_provenance(
        out,
        command="annotation adjudicate",
        inputs={judgments.name: hash_file(judgments)},
        config={"method": method, "scale": scale},
    )
    abstained = given.select("query_id", "pin_id").n_unique() - qrels.height
    used = qrels["method"][0] if qrels.height else method
    notes.print(f"{qrels.height:,} pairs adjudicated by {used} → {out}")
    if abstained:
        notes.print(f"{abstained:,} pairs left out: everybody abstained")


def _with_probabilities(qrels: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    largest = samples.group_by("query_id", "pin_id").agg(pl.col("inclusion_probability").max())
    return qrels.drop("inclusion_probability", strict=False).join(
        largest, on=["query_id", "pin_id"], how="left", maintain_order="left"
    )
