"""`gradewise teacher bases`: what a teacher can start from."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING

from app.output import Format, FormatOption, notes, print_table

if TYPE_CHECKING:
    from relevance.teacher.base import Base

_HEADER = ("name", "parameters", "layers", "languages", "licence", "label", "LoRA", "qLoRA")


def bases(*, form: FormatOption = Format.TEXT) -> None:
    """The base models a teacher can start from, what they need, and where their weights are.

    gradewise teacher bases

    label, LoRA, qLoRA: memory for labelling, and for training adapters beside bf16 or 4-bit
    weights, with all layers (relevance/teacher/memory.py says what is counted).
    """
    from relevance.results import markdown_table
    from relevance.teacher.bases import BASES

    header = [*_HEADER, "weights"]
    rows = [_row(base) for base in BASES.values()]
    if form is Format.JSON:
        print(json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=1))
    elif form is Format.CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows([header, *rows])
    elif form is Format.MARKDOWN:
        print(markdown_table(header, rows))
    else:
        print_table(header, rows)
        notes.print(
            "weights that are not here come from the model hub, or as safetensors of your own",
            highlight=False,
        )


def _row(base: Base) -> list[str]:
    from relevance.teacher.memory import estimate_memory
    from relevance.teacher.weights import describe_source

    memory = estimate_memory(base)
    # Sentence vectors are frozen: there is nothing to adapt.
    adapted = base.family != "embeddings"
    return [
        base.name,
        f"{base.parameters / 1e6:,.1f} M",
        str(base.kept_layers or "all"),
        base.languages,
        base.licence,
        _bytes(memory.inference),
        *(_bytes(one) if adapted else "" for one in (memory.lora, memory.qlora)),
        describe_source(base),
    ]


def _bytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 0.95e9 else f"{count / 1e6:.0f} MB"
