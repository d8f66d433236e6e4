"""`gradewise data convert`: a table in another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.data.shared import TableOption, known_table, note
from app.output import OverwriteOption, refuse_to_overwrite
from app.scales import ScaleOption, scale_named
from relevance.errors import InputError

if TYPE_CHECKING:
    import polars as pl


def convert(
    file: Annotated[Path, typer.Argument(help="What to read; its format is found by content.")],
    *,
    table: TableOption,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="What to write; the ending names the format.")
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="The format, if not the ending's: parquet, csv, tsv, jsonl, json, trec, beir, "
            "pytrec (nested JSON) or quepid.",
        ),
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", help="Queries, whose texts Quepid knows them by (--to quepid)."),
    ] = None,
    scale: ScaleOption = "five",
    overwrite: OverwriteOption = False,
) -> None:
    """Read a table, check it, and write it in another format.

    Example: gradewise data convert qrels.trec --table qrels --scale trec --to beir --out test.tsv
    """
    from relevance.tables import read_table, write_table

    refuse_to_overwrite(out, overwrite)
    frame = read_table(file, known_table(table), scale=scale_named(scale))
    if queries is not None:
        frame = _with_texts(frame, queries, to)
    write_table(frame, out, table, to=to)
    note(f"{out}: {frame.height:,} {table}")


def _with_texts(frame: pl.DataFrame, queries: Path, to: str | None) -> pl.DataFrame:
    """The rows with the texts of their queries.

    Raises:
        InputError: The format does not take texts, or a query is not among the queries.
    """
    from relevance.tables import read_table

    if to != "quepid":
        raise InputError("--queries goes with --to quepid, which knows queries by their texts")
    texts = read_table(queries, "queries").select("query_id", "text")
    unknown = frame.join(texts, on="query_id", how="anti")
    if unknown.height:
        raise InputError(f"query {unknown['query_id'][0]!r} is not in {queries}. Add it")
    return frame.drop("text", strict=False).join(texts, on="query_id", how="left")
