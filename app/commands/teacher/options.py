"""Options that several verbs of `gradewise teacher` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

QrelsOption = Annotated[Path, typer.Option("--qrels", help="Graded pairs; soft labels are used.")]
QueriesOption = Annotated[Path, typer.Option("--queries", help="Queries of the pairs.")]
PinsOption = Annotated[Path, typer.Option("--pins", help="Pins of the pairs.")]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads of torch; every core if not given.")
]
PrecisionOption = Annotated[
    str,
    typer.Option("--precision", help="auto (bf16 where it is faster here), bf16 or fp32."),
]
BASE = "multilingual-e5-small"
