"""Importers: a public data set or the export of another tool → the tables of a workspace.

One file a data set or tool; its docstring says how its grades map to the five grades. To add one,
write `read(path) -> dict of frames` and add a line to `IMPORTERS`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from relevance.errors import InputError
from relevance.files import hash_file
from relevance.grades import GradeScale
from relevance.importers import beir, esci, mediasearch, quepid, trec
from relevance.workspace import Workspace

Tables = dict[str, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Importer:
    """A data set that gradewise can read.

    Attributes:
        name: As the command line calls it.
        about: What it is, in one line.
        source: What to give: a folder or a file.
        read: Path → frames by table name; raises `TableError` with the place if anything is wrong.
            Takes the scale of the grades as a second argument if `scaled`.
        scaled: Whether grades may be on any scale, told by the user or taken from the data.
    """

    name: str
    about: str
    source: str
    read: Callable[..., Tables]
    scaled: bool = False


IMPORTERS: Mapping[str, Importer] = {
    importer.name: importer
    for importer in (
        Importer("esci", "Amazon Shopping Queries, US part", "folder", esci.read),
        Importer("mediasearch", "Wikimedia Commons image search", "file", mediasearch.read),
        Importer("beir", "a BEIR data set", "folder", beir.read, scaled=True),
        Importer("quepid", "a case or book of Quepid", "file", quepid.read, scaled=True),
        Importer("trec", "a TREC collection", "folder", trec.read, scaled=True),
    )
}
"""Every importer by name."""


def import_tables(
    importer: Importer,
    source: Path,
    root: Path,
    *,
    command: str,
    overwrite: bool = False,
    scale: GradeScale | None = None,
) -> Tables:
    """Reads a data set and writes its tables into the workspace `root`, all of them or none.

    The tables are written and checked in a temporary folder first, then renamed into place.

    Args:
        importer: What reads it.
        source: The folder or file that the importer takes.
        root: Folder of the workspace; made if need be.
        command: Goes into the provenance of each table.
        overwrite: Whether tables that are there already may be replaced.
        scale: What the grades of the source are on, for importers that take any scale.

    Raises:
        InputError: A table is there already, the data set is broken (with file and line), or the
            importer knows the scale itself.
    """
    if scale is not None and not importer.scaled:
        raise InputError(f"{importer.name} has grades of its own. Leave out --scale")
    workspace = Workspace(root)
    tables = importer.read(source, scale) if importer.scaled else importer.read(source)
    there = [name for name in tables if workspace.has(name)]
    if there and not overwrite:
        raise InputError(
            f"{root} holds {', '.join(there)} already. Add --overwrite to replace them"
        )
    files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    inputs = {
        str(path.relative_to(source)) if source.is_dir() else path.name: hash_file(path)
        for path in files
    }
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}.") as folder:
        landing = Workspace(Path(folder))
        for name, frame in tables.items():
            landing.write(name, frame, command=command, inputs=inputs)
            landing.read(name)
        root.mkdir(exist_ok=True)
        for path in sorted(landing.root.iterdir()):
            shutil.move(path, root / path.name)
    return tables
