"""`gradewise data captions`: pictures put into words, kept apart from weaker ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.data.shared import note
from app.output import OverwriteOption, print_table, progress_bar, refuse_to_overwrite


def captions(
    *,
    pins: Annotated[Path, typer.Option("--pins", help="Table of Pins, with image.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The Pins with captions; work lies beside it until then."),
    ],
    captioner: Annotated[
        str,
        typer.Option(
            help="provided (keep what is there), blip, or labels: a classifier's class names, "
            "a weak stand-in."
        ),
    ] = "provided",
    model: Annotated[
        str | None, typer.Option(help="Folder of the model, or its name on the model hub.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder that relative paths start at; else that of --pins.")
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option("--host", help="Host that may be asked for pictures; may be repeated."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Caption Pins that have one, too.")] = (
        False
    ),
    batch: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 16,
    shard_pins: Annotated[int, typer.Option(min=1, help="Pins between two files.")] = 256,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest caption.")] = 30,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; every core if none.")] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Caption the pictures of Pins; killed, it goes on where it was.

    Example: gradewise data captions --pins pins.parquet --captioner blip --model blip-base
    --out captioned.parquet

    Writes image_caption, caption_source (provided, blip, labels) and caption_problem.
    """
    import shutil

    from relevance.captions import CaptionConfig, caption_pins, open_captioner
    from relevance.files import hash_file
    from relevance.provenance import write_provenance
    from relevance.tables import read_table, write_table

    refuse_to_overwrite(out, overwrite)
    frame = read_table(pins, "pins")
    opened = open_captioner(captioner, model, max_tokens=max_tokens)
    if opened is not None:
        from relevance.captions.models import use_threads

        use_threads(threads)
    root = images or pins.parent
    hosts = frozenset(host or ())
    config = CaptionConfig(
        batch=batch, shard_pins=shard_pins, root=root, hosts=hosts, replace=replace
    )
    work = out.with_name(f"{out.stem}-captions")
    with progress_bar("captions") as progress:
        made = caption_pins(frame, work, opened, config=config, progress=progress)
    write_table(made, out, "pins")
    if out.suffix == ".parquet":
        write_provenance(
            out,
            command="gradewise data captions",
            inputs={"pins": hash_file(pins)},
            config={"captioner": opened.identity if opened else captioner, "replace": replace},
        )
    shutil.rmtree(work, ignore_errors=True)
    counts = made.group_by("caption_source", "caption_problem").len()
    rows = [
        (source or "none", problem or "", f"{number:,}")
        for source, problem, number in counts.sort(
            "len", "caption_source", "caption_problem", descending=[True, False, False]
        ).iter_rows()
    ]
    print_table(("caption from", "why not", "Pins"), rows)
    if captioner == "labels":
        note("labels are names of classes, not captions: caption_source tells them apart")
