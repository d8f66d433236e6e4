"""`gradewise data import`: public data sets and other tools' exports as a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.data.shared import note, print_workspace
from app.output import OverwriteOption
from app.scales import scale_named
from relevance.errors import InputError, did_you_mean

Column = Annotated[
    str | None, typer.Option(help="Name of this column of ratings, if not a usual one.")
]


def import_(
    *,
    dataset: Annotated[
        str,
        typer.Argument(
            help="What it is: esci, mediasearch, msrd, jsts, beir, trec, chorus, quepid, "
            "label-studio or ratings."
        ),
    ],
    source: Annotated[
        Path, typer.Argument(help="Its folder (esci, msrd, jsts, beir, trec) or file.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the workspace.")],
    scale: Annotated[
        str | None,
        typer.Option(
            "--scale",
            help="Scale of the grades, but of esci and mediasearch: five, trec or a TOML file; "
            "else told from the grades.",
        ),
    ] = None,
    query_column: Column = None,
    pin_column: Column = None,
    grade_column: Annotated[
        str | None,
        typer.Option(help="Column of the grade; with commas: a column a rater."),
    ] = None,
    annotator_column: Column = None,
    time_column: Column = None,
    grade_map: Annotated[
        str | None,
        typer.Option(help="What grades mean: 0=1,1=2,relevant=5,skip=cannot_judge."),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Turn a public data set or another tool's export into a workspace, all of it or nothing.

    Example: gradewise data import ratings grades.csv --grade-map 0=1,1=3,2=5 --out workspace

    Of ratings, what cannot be a grade is set aside, counted, and listed with its line, column and
    reason in import-rejected.csv.
    """
    from relevance.importers import FILE, IMPORTERS, RatingOptions, import_tables

    if dataset not in IMPORTERS:
        raise InputError(
            f"no importer is called {dataset!r}.{did_you_mean(dataset, IMPORTERS)} "
            f"Use {', '.join(IMPORTERS)}"
        )
    command = f"gradewise data import {dataset} {source.name}"
    importer = IMPORTERS[dataset]
    of = None if scale is None else scale_named(scale)
    options = RatingOptions(
        query_column=query_column,
        pin_column=pin_column,
        grade_column=grade_column,
        annotator_column=annotator_column,
        time_column=time_column,
        grade_map=grade_map,
    )
    made = import_tables(
        importer, source, out, command=command, overwrite=overwrite, scale=of, options=options
    )
    note(f"{importer.about} → {out}")
    for line in made.summary():
        note(line)
    if made.rejected:
        note(f"each with its line and reason: {out / FILE}")
    print_workspace(out)
