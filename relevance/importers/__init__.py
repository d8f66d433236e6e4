"""Importers: a public data set or the export of another tool → the tables of a workspace.

One file a data set or tool; its docstring says how its grades map to the five grades. To add one,
write `read(path) -> dict of frames` and add a line to `IMPORTERS`. Files of ratings, which people
and tools leave messy, are read by `read(path, options) -> Outcome`: that counts what is set aside.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from relevance.errors import InputError
from relevance.files import hash_file
from relevance.grades import GradeScale
from relevance.importers import (
    beir,
    chorus,
    esci,
    jsts,
    label_studio,
    mediasearch,
    msrd,
    quepid,
    ratings,
    trec,
)
from relevance.importers.ratings import RatingOptions
from relevance.importers.set_aside import FILE, Outcome, write_rejected
from relevance.workspace import Workspace

__all__ = ["FILE", "IMPORTERS", "Importer", "Outcome", "RatingOptions", "Tables", "import_tables"]

Tables = dict[str, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Importer:
    """A data set that gradewise can read.

    Attributes:
        name: As the command line calls it.
        about: What it is, in one line.
        source: What to give: a folder or a file.
        read: Path → frames by table name, or an `Outcome` if it sets something aside; raises
            `TableError` with the place if anything is wrong. Takes the scale of the grades as a
            second argument if `scaled`; `RatingOptions`, and gives an `Outcome`, if `rated`.
        scaled: Whether grades may be on any scale, told by the user or taken from the data.
        rated: Whether it is a file of ratings, whose columns and grades the user may explain.
    """

    name: str
    about: str
    source: str
    read: Callable[..., Tables | Outcome]
    scaled: bool = False
    rated: bool = False


IMPORTERS: Mapping[str, Importer] = {
    importer.name: importer
    for importer in (
        Importer("esci", "Amazon Shopping Queries, US part", "folder", esci.read),
        Importer("mediasearch", "Wikimedia Commons image search", "file", mediasearch.read),
        Importer("msrd", "Movie Search Ranking Dataset", "folder", msrd.read),
        Importer("jsts", "Japanese sentence pairs of JGLUE", "folder", jsts.read),
        Importer("beir", "a BEIR data set", "folder", beir.read, scaled=True),
        Importer("trec", "a TREC collection", "folder", trec.read, scaled=True),
        Importer("chorus", "Chorus, three people's ratings", "file", chorus.read, rated=True),
        Importer("quepid", "a case or book of Quepid", "file", quepid.read, rated=True),
        Importer(
            "label-studio", "an export of Label Studio", "file", label_studio.read, rated=True
        ),
        Importer("ratings", "a file of ratings", "file", ratings.read, rated=True),
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
    options: RatingOptions | None = None,
) -> Outcome:
    """Reads a data set and writes its tables into the workspace `root`, all of them or none.

    The tables are written and checked in a temporary folder first, then renamed into place, with
    `import-rejected.csv` beside them if anything of a file of ratings was set aside.

    Args:
        importer: What reads it.
        source: The folder or file that the importer takes.
        root: Folder of the workspace; made if need be.
        command: Goes into the provenance of each table.
        overwrite: Whether tables that are there already may be replaced.
        scale: What the grades of the source are on, for importers that take any scale.
        options: What the user says of a file of ratings.

    Raises:
        InputError: A table is there already, the data set is broken (with file and line), or the
            importer knows the scale or the columns itself.
    """
    workspace = Workspace(root)
    made = _read(importer, source, scale, options)
    _refuse_to_replace(made, workspace, overwrite=overwrite)
    files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    inputs = {
        str(path.relative_to(source)) if source.is_dir() else path.name: hash_file(path)
        for path in files
    }
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}.") as folder:
        landing = Workspace(Path(folder))
        for name, frame in made.tables.items():
            landing.write(name, frame, command=command, inputs=inputs)
            landing.read(name)
        if made.rejected:
            write_rejected(made.rejected, landing.root / FILE)
        root.mkdir(exist_ok=True)
        (root / FILE).unlink(missing_ok=True)  # of an import before
        for path in sorted(landing.root.iterdir()):
            shutil.move(path, root / path.name)
    return made


def _read(
    importer: Importer, source: Path, scale: GradeScale | None, options: RatingOptions | None
) -> Outcome:
    """What the importer makes of the source.

    Raises:
        InputError: It takes no scale or no options.
    """
    if importer.rated:
        said = replace(options or RatingOptions(), scale=scale)
        made = importer.read(source, said)
        assert isinstance(made, Outcome)
        return made
    if options is not None and options != RatingOptions():
        given = [*options.given, *(["--grade-map"] if options.grade_map else [])]
        raise InputError(f"{importer.name} knows its columns and grades. Leave out {given[0]}")
    if scale is not None and not importer.scaled:
        raise InputError(f"{importer.name} has grades of its own. Leave out --scale")
    read = importer.read(source, scale) if importer.scaled else importer.read(source)
    return read if isinstance(read, Outcome) else Outcome(read)


def _refuse_to_replace(made: Outcome, workspace: Workspace, *, overwrite: bool) -> None:
    """Raises InputError if tables are there already, unless they may be replaced."""
    there = [name for name in made.tables if workspace.has(name)]
    if there and not overwrite:
        raise InputError(
            f"{workspace.root} holds {', '.join(there)} already. Add --overwrite to replace them"
        )
