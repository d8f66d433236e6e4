"""Files of other tools: one file a tool, which recognises, reads and writes what that tool does.

A dialect's `read(text, path, table)` gives a `Read`, or None if the text is not of it; its
`WRITERS` say which tables it can hold. To add one: write the file, and list it in
`relevance.formats.DIALECTS` (reading) and `relevance.writing.FORMATS` (writing).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from relevance.json_rows import Lines

NO_NAMES: Mapping[str, str] = MappingProxyType({})


class Read(NamedTuple):
    """What a file held.

    Attributes:
        format: Name of its format.
        frame: Its rows under our column names; cells of text where the format has no types.
        lines: Turns row indices into 1-based lines of the file.
        names: Our column → the file's own name for it, where they differ; errors use the latter.
    """

    format: str
    frame: pl.DataFrame
    lines: Lines
    names: Mapping[str, str] = NO_NAMES
