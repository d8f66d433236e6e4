"""`gradewise data languages`: the language of queries or Pins where it is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.data.shared import note
from app.output import OverwriteOption, print_table, progress_bar, refuse_to_overwrite
from relevance.errors import InputError


def languages(
    *,
    queries: Annotated[
        Path | None, typer.Option("--queries", help="Table of queries (text, country).")
    ] = None,
    pins: Annotated[
        Path | None, typer.Option("--pins", help="Or a table of Pins (title, description).")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The table with its languages.")],
    among: Annotated[
        str | None,
        typer.Option(
            "--languages",
            help="The project's languages, as en,fr,ja; else those of the table and its countries.",
        ),
    ] = None,
    countries: Annotated[
        Path | None,
        typer.Option(
            "--countries",
            help="CSV of country,language,share: what people search in; else built-in shares, "
            "corrected by the rows whose language is known.",
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="Least probability (0-1); below it a language stays empty.")
    ] = 0.7,
    overwrite: OverwriteOption = False,
) -> None:
    """Fill in the languages that are missing; what cannot be told stays empty and is counted.

    Example: gradewise data languages --queries queries.csv --languages en,fr,ja --out filled.csv

    Writes language, language_probability and language_source (given, script, model, country).
    """
    from relevance.languages import fill_languages, read_prior
    from relevance.provenance import write_provenance
    from relevance.tables import read_table, write_table

    if (queries is None) == (pins is None):
        raise InputError("give either --queries or --pins")
    refuse_to_overwrite(out, overwrite)
    table, path = ("queries", queries) if queries is not None else ("pins", pins)
    assert path is not None
    frame = read_table(path, table)
    with progress_bar("telling languages") as progress:
        filled = fill_languages(
            frame,
            among=[one for one in (among or "").split(",") if one.strip()],
            prior=None if countries is None else read_prior(countries),
            threshold=threshold,
            progress=progress,
        )
    write_table(filled.frame, out, table)
    if out.suffix == ".parquet":
        from relevance.files import hash_file

        write_provenance(
            out,
            command=f"gradewise data languages --{table} {path.name}",
            inputs={table: hash_file(path)},
            config={"languages": list(filled.among), "threshold": threshold},
        )
    counts = filled.frame.group_by("language", "language_source").len()
    rows = [
        (language or "undetermined", source or "", f"{number:,}")
        for language, source, number in counts.sort(
            "len", "language", "language_source", descending=[True, False, False]
        ).iter_rows()
    ]
    print_table(("language", "from", table), rows)
    note(
        f"{out}: {filled.n_given:,} given, {filled.n_filled:,} filled in among "
        f"{', '.join(filled.among)}, {filled.n_undetermined:,} undetermined"
    )
    if filled.left_out:
        note(f"cannot be told, so not chosen among: {', '.join(filled.left_out)}")
