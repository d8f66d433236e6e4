"""`gradewise teacher label`: a trained teacher's grades of any number of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.teacher.options import PinsOption, PrecisionOption, QueriesOption, ThreadsOption
from app.output import OverwriteOption, notes, progress_bar
from relevance.errors import require_extra


def label(
    *,
    pairs: Annotated[Path, typer.Option("--pairs", help="Pairs to label: query_id, pin_id.")],
    queries: QueriesOption,
    pins: PinsOption,
    model: Annotated[Path, typer.Option("--model", help="Folder of a trained teacher.")],
    out: Annotated[
        Path, typer.Option("--out", help="Folder of Parquet shards; an interrupted run continues.")
    ],
    overwrite: OverwriteOption = False,
    name: Annotated[
        str, typer.Option("--name", help="What `model` says; the model folder's name if not given.")
    ] = "",
    shard_pairs: Annotated[int, typer.Option("--shard-pairs", min=1, help="Pairs a shard.")] = 4096,
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Labels pairs with a trained teacher: p1…p5, one row a pair.

    gradewise teacher label --pairs pairs.parquet --queries queries.parquet --pins pins.parquet
    --model models/teacher --out labels
    """
    require_extra("torch", "teacher")
    require_extra("transformers", "teacher")
    import json

    from relevance.tables import read_table
    from relevance.teacher.label import MANIFEST, LabelConfig, clear_labels, label_pairs

    asked, shown = read_table(queries, "queries"), read_table(pins, "pins")
    wanted = read_table(pairs, "pairs")
    if overwrite:
        clear_labels(out)
    config = LabelConfig(name=name, shard_pairs=shard_pairs, precision=precision, threads=threads)
    with progress_bar("label") as progress:
        labels = label_pairs(wanted, asked, shown, model, out, config=config, progress=progress)
    manifest = json.loads((out / MANIFEST).read_text())
    notes.print(
        f"{labels.height:,} pairs ({manifest['distinct']:,} distinct) in {out}, "
        f"{manifest.get('pairs_per_second', 0)} pairs/s in {manifest['precision']}",
        highlight=False,
    )
    if moved := manifest.get("drift"):
        notes.print(
            f"against fp32 on {moved['pairs']:.0f} pairs: mean |Δp| {moved['mean']:.4f}, "
            f"largest {moved['largest']:.4f}, other best grade {moved['flips']:.1%}",
            highlight=False,
        )
